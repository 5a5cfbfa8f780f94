package mapstore

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/storage"
)

// A flagStore is the flags.Store of a Backend.
type flagStore struct {
	*Backend
	current  table[documentKey, flags.Version]
	versions table[versionKey, flags.Version]
	heads    table[string, int64] // the last change of each tenant
	uses     table[useKey, struct{}]
}

type documentKey struct {
	tenant string
	kind   flags.Kind
	key    string
}

type versionKey struct {
	documentKey
	revision int64
}

type useKey struct {
	tenant string
	use    flags.OverrideUse
}

var _ flags.Store = (*flagStore)(nil)

// Flags returns the store of flags and audiences.
func (b *Backend) Flags() flags.Store { return b.flags }

// Lock implements flags.Store. A transaction has the turn to write, which locks all.
func (s *flagStore) Lock(ctx context.Context, tenant string) (int64, error) {
	if err := s.needTx(ctx); err != nil {
		return 0, err
	}
	return s.Head(ctx, tenant)
}

// Save implements flags.Store.
func (s *flagStore) Save(ctx context.Context, tenant string, v flags.Version) (int64, error) {
	err := s.write(ctx, func(t *tx) error {
		k := documentKey{tenant, v.Kind, v.Key}
		current, _ := s.current.get(t, k) // none is at revision 0
		if v.Revision != current.Revision+1 {
			return storage.ErrConflict
		}
		head, _ := s.heads.get(t, tenant)
		v.Change = head + 1
		s.heads.put(t, tenant, v.Change)
		s.current.put(t, k, v)
		s.versions.put(t, versionKey{k, v.Revision}, v)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return v.Change, nil
}

// Get implements flags.Store.
func (s *flagStore) Get(ctx context.Context, tenant string, kind flags.Kind, key string) (flags.Version, error) {
	return get(ctx, s.Backend, &s.current, documentKey{tenant, kind, key}, false)
}

// List implements flags.Store.
func (s *flagStore) List(ctx context.Context, tenant string, q flags.ListQuery) ([]flags.Version, error) {
	found, err := find(ctx, s.Backend, &s.current, func(k documentKey, v flags.Version) bool {
		return k.tenant == tenant && k.kind == q.Kind && k.key > q.After && !v.Deleted
	})
	slices.SortFunc(found, compareDocuments)
	return first(found, q.Limit), err
}

// compareDocuments compares by kind and key.
func compareDocuments(a, b flags.Version) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), strings.Compare(a.Key, b.Key))
}

// Count implements flags.Store.
func (s *flagStore) Count(ctx context.Context, tenant string, kind flags.Kind) (int64, error) {
	found, err := find(ctx, s.Backend, &s.current, func(k documentKey, v flags.Version) bool {
		return k.tenant == tenant && k.kind == kind && !v.Deleted
	})
	return int64(len(found)), err
}

// Versions implements flags.Store.
func (s *flagStore) Versions(ctx context.Context, tenant string, kind flags.Kind, key string, before int64, limit int) ([]flags.Version, error) {
	document := documentKey{tenant, kind, key}
	found, err := find(ctx, s.Backend, &s.versions, func(k versionKey, _ flags.Version) bool {
		return k.documentKey == document && (before == 0 || k.revision < before)
	})
	slices.SortFunc(found, func(a, b flags.Version) int { return cmp.Compare(b.Revision, a.Revision) })
	return first(found, limit), err
}

// Users implements flags.Store.
func (s *flagStore) Users(ctx context.Context, tenant, audience string, limit int) ([]flags.Version, error) {
	found, err := find(ctx, s.Backend, &s.current, func(k documentKey, v flags.Version) bool {
		return k.tenant == tenant && !v.Deleted && slices.Contains(v.Audiences, audience)
	})
	slices.SortFunc(found, compareDocuments)
	return first(found, limit), err
}

// Changes implements flags.Store.
func (s *flagStore) Changes(ctx context.Context, tenant string, after int64, limit int) ([]flags.Version, error) {
	found, err := find(ctx, s.Backend, &s.current, func(k documentKey, v flags.Version) bool {
		return k.tenant == tenant && v.Change > after
	})
	slices.SortFunc(found, func(a, b flags.Version) int { return cmp.Compare(a.Change, b.Change) })
	return first(found, limit), err
}

// Head implements flags.Store.
func (s *flagStore) Head(ctx context.Context, tenant string) (int64, error) {
	var head int64
	err := s.read(ctx, func(t *tx) error {
		head, _ = s.heads.get(t, tenant)
		return nil
	})
	return head, err
}

// Use implements flags.Store.
func (s *flagStore) Use(ctx context.Context, tenant string, u flags.OverrideUse) (bool, error) {
	fresh := false
	err := s.write(ctx, func(t *tx) error {
		k := useKey{tenant, keep(u)} // times of one day are equal only in UTC
		if fresh = !s.uses.has(t, k); fresh {
			s.uses.put(t, k, struct{}{})
		}
		return nil
	})
	return fresh && err == nil, err
}
