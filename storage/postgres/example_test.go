package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/postgres"
)

// A host that has a pool keeps it, and joins the kit to its own transactions. The
// example needs a server, so it is compiled and not run.
func ExampleBackend_WithTx() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, "postgres://app@db.internal/admin")
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	backend, err := postgres.New(ctx, pool, postgres.Config{})
	if err != nil {
		log.Fatal(err)
	}

	tx, err := pool.Begin(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer tx.Rollback(ctx)
	if _, err := tx.Exec(ctx, `UPDATE orders SET refunded = 1250 WHERE id = $1`, "o-1"); err != nil {
		log.Fatal(err)
	}
	joined := backend.WithTx(ctx, tx)
	// What services of the kit write with this ctx belongs to tx.
	if err := backend.InTx(joined, func(ctx context.Context) error { return nil }); err != nil {
		log.Fatal(err)
	}
	if err := tx.Commit(ctx); err != nil {
		log.Fatal(err)
	}
}

// A host tells a database that is not reachable, which may come back, from a name that
// will never do.
func ExampleOpen() {
	ctx := context.Background()
	_, err := postgres.Open(ctx, "postgres://app@127.0.0.1:1/admin?connect_timeout=5&sslmode=disable", postgres.Config{})
	fmt.Println(errors.Is(err, storage.ErrUnavailable))
	_, err = postgres.Open(ctx, "postgres://app@db.internal:port/admin", postgres.Config{})
	fmt.Println(errors.Is(err, storage.ErrUnavailable), err != nil)
	// Output:
	// true
	// false true
}

// A host with a migration tool of its own feeds the files to it, in this order.
func ExampleMigrations() {
	files, err := fs.Glob(postgres.Migrations(), "*.sql")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(files[:2])
	// Output: [0000_migration.sql 0001_jobs.sql]
}
