package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/sqlite"
)

// A host's own table and the kit's records change together or not at all.
func Example() {
	ctx := context.Background()
	backend, err := sqlite.Open(ctx, sqlite.Memory, sqlite.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer backend.Close(ctx)

	err = backend.InTx(ctx, func(ctx context.Context) error {
		c, err := backend.Conn(ctx)
		if err != nil {
			return err
		}
		if _, err := c.Exec(ctx, `CREATE TABLE orders (id TEXT PRIMARY KEY, cents BIGINT NOT NULL)`); err != nil {
			return err
		}
		_, err = c.Exec(ctx, `INSERT INTO orders (id, cents) VALUES ($1, $2)`, "o-1", 1250)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}

	// A second order under the same id is refused, and its transaction undone.
	err = backend.InTx(ctx, func(ctx context.Context) error {
		c, err := backend.Conn(ctx)
		if err != nil {
			return err
		}
		_, err = c.Exec(ctx, `INSERT INTO orders (id, cents) VALUES ($1, $2)`, "o-1", 990)
		return err
	})
	fmt.Println("conflict:", errors.Is(err, storage.ErrConflict))

	c, err := backend.Reader(ctx)
	if err != nil {
		log.Fatal(err)
	}
	var cents int64
	if err := storage.QueryRow(ctx, c, `SELECT cents FROM orders WHERE id = $1`, []any{"o-1"}, &cents); err != nil {
		log.Fatal(err)
	}
	fmt.Println("cents:", cents)
	// Output:
	// conflict: true
	// cents: 1250
}

// A host that has its own database keeps it, and decides about its own transactions.
func ExampleBackend_WithTx() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	db, err := sql.Open("sqlite", filepath.Join(dir, "host.db")+"?_pragma=journal_mode(wal)&_pragma=foreign_keys(1)&_txlock=immediate")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	backend, err := sqlite.New(ctx, db, sqlite.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer backend.Close(ctx)

	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer tx.Rollback()
	joined := backend.WithTx(ctx, tx)
	// A savepoint inside the host's transaction: its failure is undone alone.
	err = backend.InTx(joined, func(ctx context.Context) error {
		return errors.New("not today")
	})
	fmt.Println(err)
	if err := tx.Commit(); err != nil {
		log.Fatal(err)
	}
	err = backend.InTx(joined, func(context.Context) error { return nil })
	fmt.Println("done:", errors.Is(err, storage.ErrTxDone))
	// Output:
	// not today
	// done: true
}
