package saved

import (
	"context"

	"github.com/lumelle/adminkit/storage"
)

// A Store keeps filters. All backends of the kit are one. Every method works in the
// transaction of ctx; a writing method opens one of its own where there is none. What
// another tenant owns is storage.ErrNotFound. Package savedtest holds implementations to
// this.
type Store interface {
	// Insert adds a filter. storage.ErrConflict where its id is taken, or its name in its
	// list for its owner; else a *storage.LimitError where the tenant would have more than
	// most filters. The transaction of ctx stays usable. Insertions that are made at the
	// same time do not pass most together; storage.Unlimited leaves them alone.
	Insert(ctx context.Context, tenant string, f Filter, most int64) error
	// Count returns how many filters the tenant has, of all lists and owners.
	Count(ctx context.Context, tenant string) (int64, error)
	// Update replaces Name, Filters, Sort, Revision and UpdatedAt of the filter with f.ID
	// whose revision is revision. storage.ErrConflict where it has another, or where
	// another filter of its list and owner has the name, storage.ErrNotFound where there is
	// none. The transaction of ctx stays usable.
	Update(ctx context.Context, tenant string, f Filter, revision int64) error
	// Delete removes the filter whose revision is revision. storage.ErrConflict where it
	// has another, storage.ErrNotFound where there is none.
	Delete(ctx context.Context, tenant, id string, revision int64) error
	// Get returns one filter, whoever owns it.
	Get(ctx context.Context, tenant, id string) (Filter, error)
	// List returns the filters of q.List that q.Viewer sees, by name and then by id, in the
	// order of bytes.
	List(ctx context.Context, tenant string, q Query) (storage.Page[Filter], error)
}

// Query chooses the filters of a list that somebody sees.
type Query struct {
	// List is the name of the list.
	List string
	// Viewer is whose own filters are listed beside the shared ones; empty lists the shared
	// ones alone.
	Viewer string
	After  storage.Cursor
	Limit  int
}

// Position returns the name and the id behind which the list continues, both empty for its
// start, or storage.ErrBadCursor.
func (q Query) Position(tenant string) (name, id string, err error) {
	key, err := q.After.Key(q.bound(tenant), 2)
	if err != nil || key == nil {
		return "", "", err
	}
	return key[0], key[1], nil
}

// Next returns the cursor behind last.
func (q Query) Next(tenant string, last Filter) storage.Cursor {
	return storage.NewCursor(q.bound(tenant), last.Name, last.ID)
}

// bound names the list that a cursor is good for. No id has a NUL.
func (q Query) bound(tenant string) string {
	return "saved_filters\x00" + tenant + "\x00" + q.List + "\x00" + q.Viewer
}
