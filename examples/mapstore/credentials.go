package mapstore

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/secrets/credentials"
)

// A credentialStore is the credentials.Store of a Backend: a map of sealed values.
type credentialStore struct {
	*Backend
	records table[tenantID, credentials.Record]
}

var _ credentials.Store = (*credentialStore)(nil)

// Credentials returns the store of credentials.
func (b *Backend) Credentials() credentials.Store { return b.credentials }

// Insert implements credentials.Store.
func (s *credentialStore) Insert(ctx context.Context, tenant string, r credentials.Record, most int64) error {
	return s.write(ctx, func(t *tx) error {
		k := tenantID{tenant, r.Name}
		if s.records.has(t, k) {
			return storage.ErrConflict
		}
		if counted(r.Name) && s.count(t, tenant) >= most {
			return &storage.LimitError{What: "credentials", Limit: most}
		}
		r.Tenant = tenant
		s.records.put(t, k, r)
		return nil
	})
}

// Count implements credentials.Store.
func (s *credentialStore) Count(ctx context.Context, tenant string) (int64, error) {
	var n int64
	err := s.read(ctx, func(t *tx) error {
		n = s.count(t, tenant)
		return nil
	})
	return n, err
}

func (s *credentialStore) count(t *tx, tenant string) int64 {
	return int64(len(s.records.find(t, func(k tenantID, _ credentials.Record) bool { return k.tenant == tenant && counted(k.id) })))
}

// counted reports whether the credential of a name counts against the limit.
func counted(name string) bool { return !strings.HasPrefix(name, ".") }

// Update implements credentials.Store.
func (s *credentialStore) Update(ctx context.Context, tenant string, r credentials.Record, revision int64) error {
	return s.write(ctx, func(t *tx) error {
		row, err := s.atRevision(t, tenant, r.Name, revision)
		if err != nil {
			return err
		}
		row.Kind, row.Sealed, row.KeyID, row.Revision, row.UpdatedAt = r.Kind, r.Sealed, r.KeyID, r.Revision, r.UpdatedAt
		s.records.put(t, tenantID{tenant, r.Name}, row)
		return nil
	})
}

// Delete implements credentials.Store.
func (s *credentialStore) Delete(ctx context.Context, tenant, name string, revision int64) error {
	return s.write(ctx, func(t *tx) error {
		if _, err := s.atRevision(t, tenant, name, revision); err != nil {
			return err
		}
		s.records.delete(t, tenantID{tenant, name})
		return nil
	})
}

// atRevision returns the record that a change was made for.
func (s *credentialStore) atRevision(t *tx, tenant, name string, revision int64) (credentials.Record, error) {
	row, ok := s.records.get(t, tenantID{tenant, name})
	switch {
	case !ok:
		return row, storage.ErrNotFound
	case row.Revision != revision:
		return row, storage.ErrConflict
	}
	return row, nil
}

// Get implements credentials.Store.
func (s *credentialStore) Get(ctx context.Context, tenant, name string) (credentials.Record, error) {
	return get(ctx, s.Backend, &s.records, tenantID{tenant, name}, false)
}

// List implements credentials.Store.
func (s *credentialStore) List(ctx context.Context, tenant string, q credentials.Query) (storage.Page[credentials.Record], error) {
	var none storage.Page[credentials.Record]
	limit, err := storage.Limit(q.Limit)
	if err != nil {
		return none, err
	}
	behind, err := q.Position(tenant)
	if err != nil {
		return none, err
	}
	found, err := find(ctx, s.Backend, &s.records, func(k tenantID, r credentials.Record) bool {
		return k.tenant == tenant && k.id > behind && (q.Kind == "" || q.Kind == r.Kind)
	})
	if err != nil {
		return none, err
	}
	slices.SortFunc(found, func(a, b credentials.Record) int { return strings.Compare(a.Name, b.Name) })
	return page(found, limit, func(last credentials.Record) storage.Cursor { return q.Next(tenant, last) }), nil
}

// Touch implements credentials.Store.
func (s *credentialStore) Touch(ctx context.Context, tenant, name string, at time.Time) error {
	return s.write(ctx, func(t *tx) error {
		k := tenantID{tenant, name}
		if row, ok := s.records.get(t, k); ok && row.LastUsedAt.Before(micro(at)) {
			row.LastUsedAt = at
			s.records.put(t, k, row)
		}
		return nil
	})
}

// ReplaceSealed implements credentials.Store.
func (s *credentialStore) ReplaceSealed(ctx context.Context, tenant string, r credentials.Record, fresh []byte, keyID string) (bool, error) {
	replaced := false
	err := s.write(ctx, func(t *tx) error {
		k := tenantID{tenant, r.Name}
		row, ok := s.records.get(t, k)
		if !ok || !bytes.Equal(row.Sealed, r.Sealed) {
			return nil
		}
		row.Sealed, row.KeyID = fresh, keyID
		s.records.put(t, k, row)
		replaced = true
		return nil
	})
	return replaced && err == nil, err
}
