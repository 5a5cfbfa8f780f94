package saved

import (
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
)

// The longest names in bytes: of a filter, and of a list. Both fit into one identifier.
const (
	MaxName     = 128
	MaxListName = storage.MaxID - MaxName - 1
)

// A Filter is what a list is asked for, under a name.
type Filter struct {
	ID     string `json:"id"`
	Tenant string `json:"-"`
	// List is the name of the list. It stays.
	List string `json:"list"`
	// Owner is who has it for herself, empty for a filter that everybody of the tenant
	// sees. It stays.
	Owner string `json:"owner"`
	// Name is unique in list and owner.
	Name    string           `json:"name"`
	Filters []listing.Filter `json:"filters"`
	// Sort is the list's default where it is zero.
	Sort listing.Sort `json:"sort,omitzero"`
	// Revision counts the changes, from 1.
	Revision  int64     `json:"revision"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Shared reports whether everybody of the tenant sees the filter.
func (f Filter) Shared() bool { return f.Owner == "" }

// seen reports whether viewer finds the filter.
func (f Filter) seen(viewer string) bool { return f.Shared() || f.Owner == viewer }

// Input is what a caller says of a filter.
type Input struct {
	// Name is at most [MaxName] bytes.
	Name string
	// Filters and Sort are as in a listing.Query. One of them is there.
	Filters []listing.Filter
	Sort    listing.Sort
}

// check reports what is wrong with the input as a *storage.InvalidError.
func (in Input) check(list List) error {
	if in.Name == "" {
		return storage.Invalid("/name", "must not be empty")
	}
	if err := storage.CheckText("/name", in.Name, MaxName); err != nil {
		return err
	}
	if len(in.Filters) == 0 && in.Sort.Field == "" {
		return storage.Invalid("/filter", "must have a condition, or stand with a sort")
	}
	if in.Sort.Field == "" && in.Sort.Descending {
		return storage.Invalid("/sort", "must name a field")
	}
	return list.check(listing.Query{Filters: in.Filters, Sort: in.Sort})
}

// A List is one whose filters are kept. [Of] makes it.
type List struct {
	name  string
	check func(q listing.Query) error
}

// Of returns a list as its domain declares it.
func Of[T any](list listing.List[T]) List {
	return List{list.Name, func(q listing.Query) error {
		_, err := list.Plan(q)
		return err
	}}
}
