package flags

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
)

var flagList = listing.List[FlagVersion]{
	Name: "flags.flags",
	ID:   func(f FlagVersion) string { return f.Key },
	Fields: []listing.Field[FlagVersion]{
		listing.TextField("key", func(f FlagVersion) string { return f.Key }).Sortable(),
		listing.WordField("type", Types(), func(f FlagVersion) Type { return f.Type }),
		listing.WordField("value_type", []ValueType{Bool, String, Number, JSON}, func(f FlagVersion) ValueType { return f.ValueType }),
		listing.TextField("owner", func(f FlagVersion) string { return f.Owner }),
		listing.TextField("description", func(f FlagVersion) string { return f.Description }),
		listing.IntegerField("revision", func(f FlagVersion) int64 { return f.Revision }).Sortable(),
		listing.TimeField("created_at", func(f FlagVersion) time.Time { return f.CreatedAt }).Sortable(),
		listing.TimeField("updated_at", func(f FlagVersion) time.Time { return f.UpdatedAt }).Sortable(),
	},
	Sort: listing.Sort{Field: "key"},
}

// Flags returns the declaration of the list of flags. By key it is read as far as the page
// goes; any other order reads all flags of the tenant, as every reader of flags does.
func Flags() listing.List[FlagVersion] {
	l := flagList
	l.Fields = slices.Clone(l.Fields)
	return l
}

// A FlagQuery chooses flags, see [Flags].
type FlagQuery struct {
	Filters []listing.Filter
	Sort    listing.Sort
	After   storage.Cursor
	Limit   int
}

// List returns the tenant's flags, in order of their keys where q names no other. Errors
// are those of listing.List.Plan.
func (s *Service) List(ctx context.Context, tenant string, q FlagQuery) (page storage.Page[FlagVersion], err error) {
	plan, err := flagList.Plan(listing.Query{Filters: q.Filters, Sort: q.Sort, After: q.After, Limit: q.Limit}, tenant)
	if err != nil {
		return page, err
	}
	if plan.Sort == flagList.Sort {
		_, after, _ := plan.After()
		page = plan.Take(s.each(ctx, tenant, after, plan.Limit+1, &err))
	} else {
		page = plan.Select(s.each(ctx, tenant, "", storage.MaxLimit, &err))
	}
	if err != nil {
		return storage.Page[FlagVersion]{}, err
	}
	return page, nil
}

// each returns the tenant's flags behind a key, in order, and reads so many at a time. It
// ends at an error, which is then in failed.
func (s *Service) each(ctx context.Context, tenant, after string, size int, failed *error) iter.Seq[FlagVersion] {
	return func(yield func(FlagVersion) bool) {
		for q := (ListQuery{Kind: KindFlag, After: after, Limit: size}); ; {
			found, err := s.store.List(ctx, tenant, q)
			if err != nil {
				*failed = err
				return
			}
			for _, v := range found {
				f, err := ReadFlag(v)
				if err != nil {
					*failed = err
					return
				}
				if !yield(f) {
					return
				}
			}
			if len(found) < size {
				return
			}
			q.After = found[len(found)-1].Key
		}
	}
}
