package mapstore

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing/saved"
)

// A savedFilterStore is the saved.Store of a Backend: a map of filters.
type savedFilterStore struct {
	*Backend
	filters table[tenantID, saved.Filter]
}

var _ saved.Store = (*savedFilterStore)(nil)

// SavedFilters returns the store of saved filters.
func (b *Backend) SavedFilters() saved.Store { return b.saved }

// Insert implements saved.Store.
func (s *savedFilterStore) Insert(ctx context.Context, tenant string, f saved.Filter, most int64) error {
	return s.write(ctx, func(t *tx) error {
		k := tenantID{tenant, f.ID}
		if s.filters.has(t, k) || s.taken(t, tenant, f) {
			return storage.ErrConflict
		}
		if s.count(t, tenant) >= most {
			return &storage.LimitError{What: saved.What, Limit: most}
		}
		f.Tenant = tenant
		s.filters.put(t, k, f)
		return nil
	})
}

// taken reports whether another filter of the list and the owner of f has its name.
func (s *savedFilterStore) taken(t *tx, tenant string, f saved.Filter) bool {
	return len(s.filters.find(t, func(k tenantID, o saved.Filter) bool {
		return k.tenant == tenant && k.id != f.ID && o.List == f.List && o.Owner == f.Owner && o.Name == f.Name
	})) > 0
}

// Count implements saved.Store.
func (s *savedFilterStore) Count(ctx context.Context, tenant string) (int64, error) {
	var n int64
	err := s.read(ctx, func(t *tx) error {
		n = s.count(t, tenant)
		return nil
	})
	return n, err
}

func (s *savedFilterStore) count(t *tx, tenant string) int64 {
	return int64(len(s.filters.find(t, func(k tenantID, _ saved.Filter) bool { return k.tenant == tenant })))
}

// Update implements saved.Store.
func (s *savedFilterStore) Update(ctx context.Context, tenant string, f saved.Filter, revision int64) error {
	return s.write(ctx, func(t *tx) error {
		row, err := s.atRevision(t, tenant, f.ID, revision)
		if err != nil {
			return err
		}
		row.Name, row.Filters, row.Sort, row.Revision, row.UpdatedAt = f.Name, f.Filters, f.Sort, f.Revision, f.UpdatedAt
		if s.taken(t, tenant, row) {
			return storage.ErrConflict
		}
		s.filters.put(t, tenantID{tenant, f.ID}, row)
		return nil
	})
}

// Delete implements saved.Store.
func (s *savedFilterStore) Delete(ctx context.Context, tenant, id string, revision int64) error {
	return s.write(ctx, func(t *tx) error {
		if _, err := s.atRevision(t, tenant, id, revision); err != nil {
			return err
		}
		s.filters.delete(t, tenantID{tenant, id})
		return nil
	})
}

// atRevision returns the filter that a change was made for.
func (s *savedFilterStore) atRevision(t *tx, tenant, id string, revision int64) (saved.Filter, error) {
	row, ok := s.filters.get(t, tenantID{tenant, id})
	switch {
	case !ok:
		return row, storage.ErrNotFound
	case row.Revision != revision:
		return row, storage.ErrConflict
	}
	return row, nil
}

// Get implements saved.Store.
func (s *savedFilterStore) Get(ctx context.Context, tenant, id string) (saved.Filter, error) {
	return get(ctx, s.Backend, &s.filters, tenantID{tenant, id}, false)
}

// List implements saved.Store.
func (s *savedFilterStore) List(ctx context.Context, tenant string, q saved.Query) (storage.Page[saved.Filter], error) {
	var none storage.Page[saved.Filter]
	limit, err := storage.Limit(q.Limit)
	if err != nil {
		return none, err
	}
	name, id, err := q.Position(tenant)
	if err != nil {
		return none, err
	}
	behind := saved.Filter{ID: id, Name: name}
	found, err := find(ctx, s.Backend, &s.filters, func(k tenantID, f saved.Filter) bool {
		return k.tenant == tenant && f.List == q.List && (f.Shared() || f.Owner == q.Viewer) && byName(f, behind) > 0
	})
	if err != nil {
		return none, err
	}
	slices.SortFunc(found, byName)
	return page(found, limit, func(last saved.Filter) storage.Cursor { return q.Next(tenant, last) }), nil
}

// byName is the order of lists of filters.
func byName(a, b saved.Filter) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
}
