// Package tabletest is a table of a host's own, for tests of how an engine runs
// transactions: t has a text id, which is its key, and a number v.
//
// The suite of package storagetest looks at a backend through the stores of the
// domains. What only an engine can get wrong (its locks, its group of writers, its
// commits) is tested with the plainest table there is.
package tabletest

import (
	"context"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/storage"
)

// A Backend is one that gives hosts its connection.
type Backend interface {
	storage.Transactor
	// Conn returns the connection of the transaction that ctx carries.
	Conn(ctx context.Context) (storage.Conn, error)
	// Reader returns the connection of the transaction that ctx carries, else one for
	// single reading statements.
	Reader(ctx context.Context) (storage.Conn, error)
}

// Create makes the table where it is not there yet, or fails the test.
func Create(t testing.TB, b Backend) {
	t.Helper()
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		return Exec(ctx, b, `CREATE TABLE IF NOT EXISTS t (id TEXT PRIMARY KEY, v BIGINT)`)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Exec runs a statement in the transaction of ctx.
func Exec(ctx context.Context, b Backend, query string, args ...any) error {
	c, err := b.Conn(ctx)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, query, args...)
	return err
}

// Insert adds a row in the transaction of ctx. A taken id is storage.ErrConflict.
func Insert(ctx context.Context, b Backend, id string) error {
	return Exec(ctx, b, `INSERT INTO t (id, v) VALUES ($1, 1)`, id)
}

// InsertOnce adds a row in the transaction of ctx where its id is not taken.
func InsertOnce(ctx context.Context, b Backend, id string) error {
	return Exec(ctx, b, `INSERT INTO t (id, v) VALUES ($1, 1) ON CONFLICT DO NOTHING`, id)
}

// Change is a governed change in small, which may be repeated: the row a, the row b
// inside a savepoint, and a read.
func Change(ctx context.Context, b Backend) error {
	return b.InTx(ctx, func(ctx context.Context) error {
		if err := InsertOnce(ctx, b, "a"); err != nil {
			return err
		}
		return b.InTx(ctx, func(ctx context.Context) error {
			if err := InsertOnce(ctx, b, "b"); err != nil {
				return err
			}
			c, err := b.Conn(ctx)
			if err != nil {
				return err
			}
			var n int
			return storage.QueryRow(ctx, c, `SELECT COUNT(*) FROM t`, nil, &n)
		})
	})
}

// Count returns how many rows others see, or fails the test.
func Count(t testing.TB, b Backend) int {
	t.Helper()
	c, err := b.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := storage.QueryRow(t.Context(), c, `SELECT COUNT(*) FROM t`, nil, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// IDs returns the ids that others see, in order and run together, or fails the test.
func IDs(t testing.TB, b Backend) string {
	t.Helper()
	c, err := b.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows, err := c.Query(t.Context(), `SELECT id FROM t ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all strings.Builder
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		all.WriteString(id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all.String()
}
