package sqlstore

import (
	"context"
	"errors"

	"github.com/lumelle/adminkit/storage"
)

// write runs fn as a whole or not at all, with the connection of the transaction of ctx or
// of one of its own.
func write(ctx context.Context, db DB, fn func(ctx context.Context, conn storage.Conn) error) error {
	return db.InTx(ctx, func(ctx context.Context) error {
		conn, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		return fn(ctx, conn)
	})
}

// join is write without a savepoint: in the transaction of ctx stays what fn wrote before it
// failed.
func join(ctx context.Context, db DB, fn func(ctx context.Context, conn storage.Conn) error) error {
	conn, err := db.Conn(ctx)
	if errors.Is(err, storage.ErrNoTx) {
		return write(ctx, db, fn)
	}
	if err != nil {
		return err
	}
	return fn(ctx, conn)
}

// reader returns the connection to read with, and what ends a SELECT that locks.
func reader(ctx context.Context, db DB, lock bool) (storage.Conn, string, error) {
	if lock {
		conn, err := db.Conn(ctx)
		return conn, db.Dialect().ForUpdate, err
	}
	conn, err := db.Reader(ctx)
	return conn, "", err
}

// moved explains a write that found no row at its revision: it is storage.ErrNotFound where
// query finds none at all, and else storage.ErrConflict.
func moved(ctx context.Context, conn storage.Conn, query string, args ...any) error {
	var one int
	if err := storage.QueryRow(ctx, conn, query, args, &one); err != nil {
		return err
	}
	return storage.ErrConflict
}

// scanAll returns what scan makes of each row of a query.
func scanAll[T any](ctx context.Context, c storage.Conn, scan func(storage.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := c.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		found = append(found, v)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return found, rows.Close()
}

// each runs a query and hands every row to scan.
func each(ctx context.Context, conn storage.Conn, query string, args []any, scan func(storage.Rows) error) error {
	rows, err := conn.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return rows.Close()
}

// one runs a query for one row: storage.ErrNotFound where there is none.
func one(ctx context.Context, conn storage.Conn, query string, args []any, scan func(storage.Rows) error) error {
	found := false
	err := each(ctx, conn, query, args, func(rows storage.Rows) error {
		found = true
		return scan(rows)
	})
	if err == nil && !found {
		return storage.ErrNotFound
	}
	return err
}

// pageOf makes a page of up to limit items of which one more was read.
func pageOf[T any](items []T, limit int, next func(last T) storage.Cursor) (page storage.Page[T]) {
	page.Items = items
	if len(items) > limit {
		page.Items = items[:limit]
		page.Next = next(items[limit-1])
	}
	return page
}
