package shop

import (
	"context"

	"github.com/lumelle/adminkit/storage"
)

// A list is a list of a tenant's rows in the order of two text columns. What is
// text is compared as the database compares text. The shop's identifiers are ASCII
// of one shape each, which every collation orders alike.
type list[T any] struct {
	// name names the list in its cursors.
	name string
	// query reads from behind a key: $1 is the tenant, $2 and $3 are the key, empty
	// for the start of the list, and $4 is how many rows.
	query string
	scan  func(scan func(dest ...any) error) (T, error)
	key   func(T) (first, second string)
}

// page reads a page of the list. A limit of zero is storage.DefaultLimit.
func (l list[T]) page(ctx context.Context, db DB, tenant string, limit int, after storage.Cursor) (storage.Page[T], error) {
	var page storage.Page[T]
	limit, err := storage.Limit(limit)
	if err != nil {
		return page, err
	}
	key, err := after.Key(l.name, 2)
	if err != nil {
		return page, err
	}
	if key == nil {
		key = []string{"", ""}
	} else if storage.CheckID("", key[0]) != nil || storage.CheckID("", key[1]) != nil {
		// The shop never made such a cursor, and Postgres would fail on a NUL.
		return page, storage.ErrBadCursor
	}
	c, err := db.Reader(ctx)
	if err != nil {
		return page, err
	}
	// One row more than asked for tells whether there is a next page.
	err = queryEach(ctx, c, l.query, []any{tenant, key[0], key[1], limit + 1}, func(scan func(...any) error) error {
		item, err := l.scan(scan)
		page.Items = append(page.Items, item)
		return err
	})
	if err != nil {
		return storage.Page[T]{}, err
	}
	if len(page.Items) > limit {
		page.Items = page.Items[:limit]
		first, second := l.key(page.Items[limit-1])
		page.Next = storage.NewCursor(l.name, first, second)
	}
	return page, nil
}
