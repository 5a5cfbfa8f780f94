package storagetest_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx" of database/sql

	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestBackendsOfTheKitKeepTheRules(t *testing.T) {
	shared := map[string]func(t *testing.T) func(ctx context.Context) (storagetest.Backend, error){
		"sqlite": func(t *testing.T) func(ctx context.Context) (storagetest.Backend, error) {
			path := filepath.Join(t.TempDir(), "shared.db")
			return func(ctx context.Context) (storagetest.Backend, error) {
				return sqlite.Open(ctx, path, sqlite.Config{})
			}
		},
		"postgres": func(t *testing.T) func(ctx context.Context) (storagetest.Backend, error) {
			dsn := pgtest.DSN(t)
			return func(ctx context.Context) (storagetest.Backend, error) {
				return postgres.Open(ctx, dsn, postgres.Config{})
			}
		},
	}
	for _, kind := range eachtest.Kinds(t) {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel() // a database waits for its disk half of the time
			storagetest.Run(t, storagetest.Options{
				New:    func(t *testing.T) storagetest.Backend { return kind.Open(t) },
				Shared: shared[kind.Name],
			})
		})
	}
}

// keepsTheRules runs the suite over another way to open a backend, which gives it other
// transactions for the same statements. The short form, for runs that hold each engine to the
// whole suite once, is what is said of transactions.
func keepsTheRules(t *testing.T, o storagetest.Options) {
	t.Helper()
	if testing.Short() {
		storagetest.RunTransactions(t, o)
		return
	}
	storagetest.Run(t, o)
}

// SQLite without a file locks its tables in another way.
func TestSQLiteInMemoryKeepsTheRules(t *testing.T) {
	for _, kind := range eachtest.Kinds(t) {
		if kind.Name == "sqlite" {
			keepsTheRules(t, storagetest.Options{New: newSQLiteInMemory, ReadersWait: true})
		}
	}
}

func newSQLiteInMemory(t *testing.T) storagetest.Backend {
	b, err := sqlite.Open(t.Context(), sqlite.Memory, sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return b
}

// The same backends in a database that belongs to the host.
func TestBackendsInAHostsDatabaseKeepTheRules(t *testing.T) {
	for _, kind := range eachtest.Kinds(t) {
		switch kind.Name {
		case "sqlite":
			t.Run("sqlite", func(t *testing.T) {
				t.Parallel()
				keepsTheRules(t, storagetest.Options{New: newHostedSQLite, Host: beginSQLite})
			})
		case "postgres":
			t.Run("pgx", func(t *testing.T) {
				t.Parallel()
				keepsTheRules(t, storagetest.Options{New: newHostedPostgres, Host: beginPostgres})
			})
			t.Run("postgres through database/sql", func(t *testing.T) {
				t.Parallel()
				keepsTheRules(t, storagetest.Options{New: newHostedSQL, Host: beginSQL})
			})
		}
	}
}

type hostedSQLite struct {
	*sqlite.Backend
	db *sql.DB
}

func newHostedSQLite(t *testing.T) storagetest.Backend {
	dsn := "file:" + filepath.Join(t.TempDir(), "host.db") +
		"?_pragma=journal_mode(wal)&_pragma=synchronous(FULL)&_pragma=foreign_keys(ON)&_pragma=busy_timeout(5000)&_txlock=immediate"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		t.Fatal(err)
	}
	b, err := sqlite.New(t.Context(), db, sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return hostedSQLite{b, db}
}

func beginSQLite(t *testing.T, ctx context.Context, b storagetest.Backend) storagetest.Host {
	h := b.(hostedSQLite)
	tx, err := h.db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	return storagetest.Host{Context: h.WithTx(ctx, tx), Commit: tx.Commit, Rollback: tx.Rollback}
}

type hostedPostgres struct {
	*postgres.Backend
	pool *pgxpool.Pool
}

func newHostedPostgres(t *testing.T) storagetest.Backend {
	pool, err := pgxpool.New(t.Context(), eachtest.MigratedDSN(t))
	if err != nil {
		t.Fatal(err)
	}
	b, err := postgres.New(t.Context(), pool, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		pool.Close()
	})
	return hostedPostgres{b, pool}
}

func beginPostgres(t *testing.T, ctx context.Context, b storagetest.Backend) storagetest.Host {
	h := b.(hostedPostgres)
	tx, err := h.pool.BeginTx(ctx, pgx.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return storagetest.Host{
		Context:  h.WithTx(ctx, tx),
		Commit:   func() error { return tx.Commit(ctx) },
		Rollback: func() error { return tx.Rollback(ctx) },
	}
}

type hostedSQL struct {
	*postgres.Backend
	db *sql.DB
}

func newHostedSQL(t *testing.T) storagetest.Backend {
	db, err := sql.Open("pgx", eachtest.MigratedDSN(t))
	if err != nil {
		t.Fatal(err)
	}
	b, err := postgres.NewSQL(t.Context(), db, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return hostedSQL{b, db}
}

func beginSQL(t *testing.T, ctx context.Context, b storagetest.Backend) storagetest.Host {
	h := b.(hostedSQL)
	tx, err := h.db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	return storagetest.Host{Context: h.WithSQLTx(ctx, tx), Commit: tx.Commit, Rollback: tx.Rollback}
}

// BenchmarkBackends measures the kit's own backends side by side.
func BenchmarkBackends(b *testing.B) {
	for _, kind := range eachtest.Kinds(b) {
		b.Run(kind.Name, func(b *testing.B) {
			storagetest.Bench(b, func(b *testing.B) storagetest.Backend { return kind.Open(b) })
		})
	}
}
