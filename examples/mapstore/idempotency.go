package mapstore

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/idempotency"
)

// An idempotencyStore is the idempotency.Store of a Backend: a map of answers.
type idempotencyStore struct {
	*Backend
	answers table[answerKey, answerRow]
}

type answerKey struct{ tenant, actor, key string }

// An answerRow without Finished is a claim.
type answerRow struct {
	idempotency.Record
	Finished bool
}

var _ idempotency.Store = (*idempotencyStore)(nil)

// Idempotency returns the store of answers to requests.
func (b *Backend) Idempotency() idempotency.Store { return b.idempotency }

// Begin implements idempotency.Store. There is nobody to wait for: writers take turns.
func (s *idempotencyStore) Begin(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
	if err := cmp.Or(idempotency.CheckKey(tenant, actor, key), s.needTx(ctx)); err != nil {
		return nil, err
	}
	var done *idempotency.Record
	err := s.write(ctx, func(t *tx) error {
		k := answerKey{tenant, actor, key}
		row, ok := s.answers.get(t, k)
		switch {
		case !ok:
			s.answers.put(t, k, answerRow{Record: idempotency.Record{
				Tenant: tenant, Actor: actor, Key: key, Fingerprint: fingerprint, CreatedAt: now,
			}})
		case !row.Finished:
			return storage.ErrConflict
		case row.Fingerprint != fingerprint:
			return idempotency.ErrMismatch
		default:
			done = &row.Record
		}
		return nil
	})
	return done, err
}

// Finish implements idempotency.Store.
func (s *idempotencyStore) Finish(ctx context.Context, tenant, actor, key string, status int, header map[string]string, body []byte) error {
	if err := idempotency.CheckAnswer(status, header, body); err != nil {
		return err
	}
	return s.claimed(ctx, tenant, actor, key, func(t *tx, k answerKey, row answerRow) {
		row.Status, row.Header, row.Body, row.Finished = status, header, body, true
		s.answers.put(t, k, row)
	})
}

// Release implements idempotency.Store.
func (s *idempotencyStore) Release(ctx context.Context, tenant, actor, key string) error {
	return s.claimed(ctx, tenant, actor, key, func(t *tx, k answerKey, _ answerRow) { s.answers.delete(t, k) })
}

// claimed calls fn with the claim of a key.
func (s *idempotencyStore) claimed(ctx context.Context, tenant, actor, key string, fn func(t *tx, k answerKey, row answerRow)) error {
	if err := cmp.Or(idempotency.CheckKey(tenant, actor, key), s.needTx(ctx)); err != nil {
		return err
	}
	return s.write(ctx, func(t *tx) error {
		k := answerKey{tenant, actor, key}
		row, ok := s.answers.get(t, k)
		switch {
		case !ok:
			return storage.ErrNotFound
		case row.Finished:
			return storage.ErrConflict
		}
		fn(t, k, row)
		return nil
	})
}

// Delete implements idempotency.Store.
func (s *idempotencyStore) Delete(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
	limit, err := storage.Limit(limit)
	if err != nil {
		return 0, err
	}
	deleted := 0
	err = s.write(ctx, func(t *tx) error {
		old := s.answers.find(t, func(k answerKey, row answerRow) bool {
			return k.tenant == tenant && row.CreatedAt.Before(micro(before))
		})
		slices.SortFunc(old, func(a, b answerRow) int {
			return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), compareAnswers(a, b))
		})
		old = first(old, limit)
		for _, row := range old {
			s.answers.delete(t, answerKey{tenant, row.Actor, row.Key})
		}
		deleted = len(old)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return deleted, nil
}

// List implements idempotency.Store.
func (s *idempotencyStore) List(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[idempotency.Record], error) {
	var none storage.Page[idempotency.Record]
	limit, err := storage.Limit(limit)
	if err != nil {
		return none, err
	}
	actor, key, err := idempotency.Position(tenant, after)
	if err != nil {
		return none, err
	}
	behind := answerRow{Record: idempotency.Record{Actor: actor, Key: key}}
	var found []answerRow
	err = s.read(ctx, func(t *tx) error {
		found = s.answers.find(t, func(k answerKey, row answerRow) bool {
			return k.tenant == tenant && row.Finished && compareAnswers(row, behind) > 0
		})
		return nil
	})
	if err != nil {
		return none, err
	}
	slices.SortFunc(found, compareAnswers)
	records := make([]idempotency.Record, len(found))
	for i, row := range found {
		records[i] = row.Record
	}
	return page(records, limit, func(r idempotency.Record) storage.Cursor { return r.Next(tenant) }), nil
}

// compareAnswers compares by the bytes of actor and key.
func compareAnswers(a, b answerRow) int {
	return cmp.Or(strings.Compare(a.Actor, b.Actor), strings.Compare(a.Key, b.Key))
}

// ReplaceBody implements idempotency.Store.
func (s *idempotencyStore) ReplaceBody(ctx context.Context, tenant, actor, key string, old, fresh []byte) (bool, error) {
	if err := idempotency.CheckKey(tenant, actor, key); err != nil {
		return false, err
	}
	if len(fresh) > idempotency.MaxBody {
		return false, storage.Invalid("/body", "is too long")
	}
	replaced := false
	err := s.write(ctx, func(t *tx) error {
		k := answerKey{tenant, actor, key}
		row, ok := s.answers.get(t, k)
		if !ok || !row.Finished || !bytes.Equal(row.Body, old) {
			return nil
		}
		row.Body = fresh
		s.answers.put(t, k, row)
		replaced = true
		return nil
	})
	return replaced && err == nil, err
}
