package storage

import (
	"context"
	"fmt"
)

// A Conn executes the host's own SQL in the transaction of ctx. It cannot commit
// or roll back: whoever called InTx does. Placeholders are $1, $2 ... on every engine.
//
// The SQL backends hand one out through their Conn method, which answers [ErrNoTx]
// where ctx carries no transaction.
type Conn interface {
	// Exec runs a statement and returns the number of rows it touched.
	Exec(ctx context.Context, query string, args ...any) (int64, error)
	// Query runs a statement that answers rows. The caller closes them before the
	// next statement.
	Query(ctx context.Context, query string, args ...any) (Rows, error)
}

// Rows iterates over the answer of a query, as *sql.Rows and pgx.Rows do.
type Rows interface {
	// Next advances to the next row and reports whether there is one.
	Next() bool
	// Scan copies the columns of the row into dest.
	Scan(dest ...any) error
	// Err is the error that ended the iteration, nil at a regular end.
	Err() error
	// Close ends the iteration. It may be called twice.
	Close() error
}

// QueryRow runs a query that answers at most one row and scans it into dest. It
// returns [ErrNotFound] where there is none.
func QueryRow(ctx context.Context, c Conn, query string, args []any, dest ...any) error {
	rows, err := c.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return err
		}
		return ErrNotFound
	}
	if err := rows.Scan(dest...); err != nil {
		return fmt.Errorf("scan: %w", err)
	}
	return rows.Close()
}
