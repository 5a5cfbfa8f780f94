package memory

import (
	"cmp"
	"context"
	"slices"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/storage/listing/saved"
)

var savedFilterTable = table[saved.Filter]{
	func(a, b *saved.Filter) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *saved.Filter) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.List, b.List), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	},
}

const savedFiltersByName = 1

type savedFilterStore struct{ b *Backend }

var _ saved.Store = savedFilterStore{}

// SavedFilters returns the store of package saved.
func (b *Backend) SavedFilters() saved.Store { return savedFilterStore{b} }

// storedFilter returns what a SQL backend keeps of a filter.
func storedFilter(tenant string, f saved.Filter) saved.Filter {
	f.Tenant, f.Filters = tenant, slices.Clone(f.Filters)
	for i, one := range f.Filters {
		f.Filters[i].Values = slices.Clone(one.Values)
	}
	f.Sort = listing.ParseSort(f.Sort.String())
	f.CreatedAt, f.UpdatedAt = stored(f.CreatedAt), stored(f.UpdatedAt)
	return f
}

// nameTaken reports whether another filter of the list and the owner of f has its name.
func nameTaken(v view, f saved.Filter) bool {
	for other := range savedFilterTable.ascend(v, savedFiltersByName, saved.Filter{Tenant: f.Tenant, List: f.List, Name: f.Name}) {
		if other.Tenant != f.Tenant || other.List != f.List || other.Name != f.Name {
			break
		}
		if other.Owner == f.Owner && other.ID != f.ID {
			return true
		}
	}
	return false
}

// filterAt returns the filter of an id that has the revision.
func filterAt(v view, tenant, id string, revision int64) (saved.Filter, error) {
	f, ok := savedFilterTable.get(v, saved.Filter{Tenant: tenant, ID: id})
	switch {
	case !ok:
		return f, storage.ErrNotFound
	case f.Revision != revision:
		return f, storage.ErrConflict
	}
	return f, nil
}

func (s savedFilterStore) Insert(ctx context.Context, tenant string, f saved.Filter, most int64) error {
	return s.b.write(ctx, "saved.Insert", func(v view) error {
		row := storedFilter(tenant, f)
		if savedFilterTable.has(v, row) || nameTaken(v, row) {
			return storage.ErrConflict
		}
		if most != storage.Unlimited {
			q := storage.Quota{What: saved.What, Limit: most, Used: countFilters(v, tenant) + 1}
			if err := q.Check(); err != nil {
				return err
			}
		}
		return savedFilterTable.insert(v, row)
	})
}

func (s savedFilterStore) Count(ctx context.Context, tenant string) (n int64, err error) {
	err = s.b.read(ctx, "saved.Count", func(v view) error {
		n = countFilters(v, tenant)
		return nil
	})
	return n, err
}

func countFilters(v view, tenant string) (n int64) {
	for f := range savedFilterTable.ascend(v, 0, saved.Filter{Tenant: tenant}) {
		if f.Tenant != tenant {
			break
		}
		n++
	}
	return n
}

func (s savedFilterStore) Update(ctx context.Context, tenant string, f saved.Filter, revision int64) error {
	return s.b.write(ctx, "saved.Update", func(v view) error {
		row, err := filterAt(v, tenant, f.ID, revision)
		if err != nil {
			return err
		}
		f := storedFilter(tenant, f)
		row.Name, row.Filters, row.Sort, row.Revision, row.UpdatedAt = f.Name, f.Filters, f.Sort, f.Revision, f.UpdatedAt
		if nameTaken(v, row) {
			return storage.ErrConflict
		}
		savedFilterTable.put(v, row)
		return nil
	})
}

func (s savedFilterStore) Delete(ctx context.Context, tenant, id string, revision int64) error {
	return s.b.write(ctx, "saved.Delete", func(v view) error {
		row, err := filterAt(v, tenant, id, revision)
		if err != nil {
			return err
		}
		savedFilterTable.delete(v, row)
		return nil
	})
}

func (s savedFilterStore) Get(ctx context.Context, tenant, id string) (f saved.Filter, err error) {
	err = s.b.read(ctx, "saved.Get", func(v view) error {
		row, ok := savedFilterTable.get(v, saved.Filter{Tenant: tenant, ID: id})
		if !ok {
			return storage.ErrNotFound
		}
		f = storedFilter(tenant, row)
		return nil
	})
	return f, err
}

func (s savedFilterStore) List(ctx context.Context, tenant string, q saved.Query) (page storage.Page[saved.Filter], err error) {
	limit, err := storage.Limit(q.Limit)
	if err != nil {
		return page, err
	}
	name, id, err := q.Position(tenant)
	if err != nil {
		return page, err
	}
	err = s.b.read(ctx, "saved.List", func(v view) error {
		for f := range savedFilterTable.ascend(v, savedFiltersByName, saved.Filter{Tenant: tenant, List: q.List, Name: name, ID: id}) {
			if f.Tenant != tenant || f.List != q.List {
				break
			}
			if f.Name == name && f.ID == id || !f.Shared() && f.Owner != q.Viewer {
				continue
			}
			if len(page.Items) == limit {
				page.Next = q.Next(tenant, page.Items[limit-1])
				break
			}
			page.Items = append(page.Items, storedFilter(tenant, f))
		}
		return nil
	})
	return page, err
}
