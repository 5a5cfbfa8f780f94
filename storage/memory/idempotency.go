package memory

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/idempotency"
)

// idempotencyTable keeps records by key, and by age for Delete. A record with the
// status zero is claimed and not finished.
var idempotencyTable = table[idempotency.Record]{
	compareIdempotencyKey,
	func(a, b *idempotency.Record) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), a.CreatedAt.Compare(b.CreatedAt), compareIdempotencyKey(a, b))
	},
}

const idempotencyByAge = 1

func compareIdempotencyKey(a, b *idempotency.Record) int {
	return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Actor, b.Actor), cmp.Compare(a.Key, b.Key))
}

type idempotencyStore struct{ b *Backend }

var _ idempotency.Store = idempotencyStore{}

// Idempotency returns the store of answers kept under idempotency keys.
func (b *Backend) Idempotency() idempotency.Store { return idempotencyStore{b} }

func (s idempotencyStore) Begin(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
	if err := idempotency.CheckKey(tenant, actor, key); err != nil {
		return nil, err
	}
	if _, err := s.b.required(ctx); err != nil {
		return nil, err
	}
	var done *idempotency.Record
	err := s.b.write(ctx, "idempotency.Begin", func(v view) error {
		claim := idempotency.Record{Tenant: tenant, Actor: actor, Key: key, Fingerprint: fingerprint, CreatedAt: stored(now)}
		old, ok := idempotencyTable.get(v, claim)
		switch {
		case !ok:
			return idempotencyTable.insert(v, claim)
		case old.Fingerprint != fingerprint:
			return idempotency.ErrMismatch
		case old.Status == 0:
			return storage.ErrConflict
		}
		old.Header, old.Body = maps.Clone(old.Header), bytes.Clone(old.Body)
		done = &old
		return nil
	})
	if err != nil {
		return nil, err
	}
	return done, nil
}

func (s idempotencyStore) Finish(ctx context.Context, tenant, actor, key string, status int, header map[string]string, body []byte) error {
	if err := idempotency.CheckKey(tenant, actor, key); err != nil {
		return err
	}
	if err := idempotency.CheckAnswer(status, header, body); err != nil {
		return err
	}
	if _, err := s.b.required(ctx); err != nil {
		return err
	}
	return s.b.write(ctx, "idempotency.Finish", func(v view) error {
		r, err := claimed(v, tenant, actor, key)
		if err != nil {
			return err
		}
		r.Status, r.Header, r.Body = status, nil, nil
		if len(header) > 0 {
			r.Header = maps.Clone(header)
		}
		if len(body) > 0 {
			r.Body = bytes.Clone(body)
		}
		idempotencyTable.put(v, r)
		return nil
	})
}

func (s idempotencyStore) Release(ctx context.Context, tenant, actor, key string) error {
	if err := idempotency.CheckKey(tenant, actor, key); err != nil {
		return err
	}
	if _, err := s.b.required(ctx); err != nil {
		return err
	}
	return s.b.write(ctx, "idempotency.Release", func(v view) error {
		r, err := claimed(v, tenant, actor, key)
		if err != nil {
			return err
		}
		idempotencyTable.delete(v, r)
		return nil
	})
}

// claimed returns the record of a key that was claimed and not finished.
func claimed(v view, tenant, actor, key string) (idempotency.Record, error) {
	r, ok := idempotencyTable.get(v, idempotency.Record{Tenant: tenant, Actor: actor, Key: key})
	switch {
	case !ok:
		return r, storage.ErrNotFound
	case r.Status != 0:
		return r, storage.ErrConflict
	}
	return r, nil
}

func (s idempotencyStore) Delete(ctx context.Context, tenant string, before time.Time, limit int) (n int, err error) {
	if limit, err = storage.Limit(limit); err != nil {
		return 0, err
	}
	err = s.b.write(ctx, "idempotency.Delete", func(v view) error {
		for r := range idempotencyTable.ascend(v, idempotencyByAge, idempotency.Record{Tenant: tenant}) {
			if n == limit || r.Tenant != tenant || !r.CreatedAt.Before(stored(before)) {
				break
			}
			idempotencyTable.delete(v, r)
			n++
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (s idempotencyStore) List(ctx context.Context, tenant string, after storage.Cursor, limit int) (page storage.Page[idempotency.Record], err error) {
	if limit, err = storage.Limit(limit); err != nil {
		return page, err
	}
	from := idempotency.Record{Tenant: tenant}
	if from.Actor, from.Key, err = idempotency.Position(tenant, after); err != nil {
		return page, err
	}
	err = s.b.read(ctx, "idempotency.List", func(v view) error {
		for r := range idempotencyTable.ascend(v, 0, from) {
			if r.Tenant != tenant {
				break
			}
			if r.Status == 0 || compareIdempotencyKey(&r, &from) == 0 {
				continue
			}
			if len(page.Items) == limit {
				page.Next = page.Items[limit-1].Next(tenant)
				break
			}
			r.Header, r.Body = maps.Clone(r.Header), bytes.Clone(r.Body)
			page.Items = append(page.Items, r)
		}
		return nil
	})
	return page, err
}

func (s idempotencyStore) ReplaceBody(ctx context.Context, tenant, actor, key string, old, fresh []byte) (replaced bool, err error) {
	if err := idempotency.CheckKey(tenant, actor, key); err != nil {
		return false, err
	}
	if err := idempotency.CheckAnswer(100, nil, fresh); err != nil {
		return false, err
	}
	err = s.b.write(ctx, "idempotency.ReplaceBody", func(v view) error {
		r, ok := idempotencyTable.get(v, idempotency.Record{Tenant: tenant, Actor: actor, Key: key})
		if !ok || r.Status == 0 || !bytes.Equal(r.Body, old) {
			return nil
		}
		r.Body = bytes.Clone(fresh)
		idempotencyTable.put(v, r)
		replaced = true
		return nil
	})
	return replaced && err == nil, err
}
