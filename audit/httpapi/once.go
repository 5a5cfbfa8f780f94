package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/idempotency"
	"github.com/lumelle/adminkit/storage/secrets/sealed"
)

// purpose is what the bodies of kept answers are sealed for. Their id is the key, in
// the tenant's name; the actor is part of the record's own key.
const purpose = "httpapi.answer"

// kept are the headers of an answer that are given again with it.
var kept = []string{"Content-Type", "Location", "ETag"}

// once runs h under an idempotency key: h and the record of its answer are one
// transaction.
func (a *API) once(w http.ResponseWriter, r *http.Request, who Identity, keys []string, h Handler) error {
	if a.cfg.Idempotency == nil {
		return BadRequest("Idempotency-Key", "is not supported here")
	}
	if len(keys) > 1 {
		return BadRequest("Idempotency-Key", "is given twice")
	}
	key := keys[0]
	if storage.CheckID("", key) != nil {
		return BadRequest("Idempotency-Key", "must be 1 to 255 bytes of text")
	}
	body, err := ReadBody(r)
	if err != nil {
		return err
	}
	// The target as the client sent it: below a stripped prefix two surfaces look alike.
	target := r.RequestURI
	if target == "" {
		target = r.URL.RequestURI()
	}
	fingerprint := idempotency.Fingerprint(r.Method, target, body)
	actor := who.Person()

	var answer *buffer
	var refusal error
	err = a.cfg.Tx.InTx(r.Context(), func(ctx context.Context) error {
		answer, refusal = newBuffer(), nil
		done, err := a.cfg.Idempotency.Begin(ctx, who.Tenant, actor, key, fingerprint, a.cfg.Now())
		if err != nil {
			return err
		}
		if done != nil {
			return a.replay(ctx, answer, done)
		}
		req := r.WithContext(ctx)
		req.Body = io.NopCloser(bytes.NewReader(body))
		if err := h(answer, req, who); err != nil {
			if _, ok := errors.AsType[audit.Refusal](err); !ok {
				return err
			}
			// The record of the refused attempt is kept, the key is not: the same
			// request may succeed after a step-up.
			refusal = err
			return a.cfg.Idempotency.Release(ctx, who.Tenant, actor, key)
		}
		header := map[string]string{}
		for _, name := range kept {
			if v := answer.header.Get(name); v != "" {
				header[name] = v
			}
		}
		keep, err := a.cfg.Vault.Seal(ctx, who.Tenant, purpose, key, answer.body.Bytes())
		if errors.Is(err, storage.ErrInvalid) {
			// Our answer is too long to be kept; the request had no fault.
			return fmt.Errorf("httpapi: seal the answer: %v", err)
		}
		if err != nil {
			return err
		}
		return a.cfg.Idempotency.Finish(ctx, who.Tenant, actor, key, answer.status, header, keep)
	})
	if err == nil {
		err = refusal
	}
	if err != nil {
		return err
	}
	answer.copyTo(w)
	return nil
}

// SealedAnswers shows the kept answers of a store to whoever seals them again under another key.
func SealedAnswers(store idempotency.Store) sealed.Source { return answers{store} }

type answers struct{ store idempotency.Store }

func (a answers) List(ctx context.Context, tenant string, after storage.Cursor, limit int) (page storage.Page[sealed.Value], err error) {
	records, err := a.store.List(ctx, tenant, after, limit)
	page.Next = records.Next
	for _, r := range records.Items {
		page.Items = append(page.Items, sealed.Value{Purpose: purpose, ID: r.Key, Row: []string{r.Actor, r.Key}, Bytes: r.Body})
	}
	return page, err
}

func (a answers) Replace(ctx context.Context, tenant string, old sealed.Value, fresh []byte) (bool, error) {
	return a.store.ReplaceBody(ctx, tenant, old.Row[0], old.Row[1], old.Bytes, fresh)
}

// replay gives the answer of the first request again.
func (a *API) replay(ctx context.Context, b *buffer, rec *idempotency.Record) error {
	body, err := a.cfg.Vault.Open(ctx, rec.Tenant, purpose, rec.Key, rec.Body)
	if err != nil {
		return fmt.Errorf("open a kept answer: %w", err)
	}
	for name, v := range rec.Header {
		b.header.Set(name, v)
	}
	b.header.Set("Idempotent-Replayed", "true")
	b.header.Set("Cache-Control", "no-store")
	b.header.Set("X-Content-Type-Options", "nosniff")
	b.status = rec.Status
	b.body.Write(body)
	return nil
}

// A buffer holds an answer until its transaction has committed.
type buffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newBuffer() *buffer { return &buffer{header: http.Header{}} }

func (b *buffer) Header() http.Header { return b.header }

func (b *buffer) WriteHeader(status int) {
	if b.status == 0 {
		b.status = status
	}
}

func (b *buffer) Write(p []byte) (int, error) {
	b.WriteHeader(http.StatusOK)
	return b.body.Write(p)
}

func (b *buffer) copyTo(w http.ResponseWriter) {
	for name, v := range b.header {
		w.Header()[name] = v
	}
	w.WriteHeader(b.status)
	w.Write(b.body.Bytes())
}
