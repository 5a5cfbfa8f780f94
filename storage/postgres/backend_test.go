package postgres_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/postgres"
)

// open returns a Backend in a database of its own with a table t(id, v) of the host.
func open(t *testing.T, cfg postgres.Config) *postgres.Backend {
	t.Helper()
	return openDSN(t, pgtest.DSN(t), cfg)
}

func openDSN(t *testing.T, dsn string, cfg postgres.Config) *postgres.Backend {
	t.Helper()
	b, err := postgres.Open(t.Context(), dsn, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	err = b.InTx(t.Context(), func(ctx context.Context) error {
		return exec(ctx, b, `CREATE TABLE IF NOT EXISTS t (id TEXT PRIMARY KEY, v BIGINT)`)
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func exec(ctx context.Context, b *postgres.Backend, query string, args ...any) error {
	c, err := b.Conn(ctx)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, query, args...)
	return err
}

func insert(ctx context.Context, b *postgres.Backend, id string) error {
	return exec(ctx, b, `INSERT INTO t (id, v) VALUES ($1, 1)`, id)
}

func count(t *testing.T, b *postgres.Backend) int {
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

func TestConcurrentTransactionsAreAllStored(t *testing.T) {
	b := open(t, postgres.Config{})
	var wg sync.WaitGroup
	const writers, each = 8, 25
	for range writers {
		wg.Go(func() {
			for range each {
				if err := b.InTx(t.Context(), func(ctx context.Context) error { return insert(ctx, b, storage.NewID()) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := count(t, b); n != writers*each {
		t.Errorf("%d rows stored, want %d", n, writers*each)
	}
}

func TestAFailedFunctionLeavesNothing(t *testing.T) {
	b := open(t, postgres.Config{})
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		if err := insert(ctx, b, "a"); err != nil {
			return err
		}
		return insert(ctx, b, "a")
	})
	if !errors.Is(err, storage.ErrConflict) {
		t.Errorf("InTx = %v, want ErrConflict", err)
	}
	if n := count(t, b); n != 0 {
		t.Errorf("%d rows stored, want none", n)
	}
}
