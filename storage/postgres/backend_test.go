package postgres_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/storagetest/tabletest"
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
	tabletest.Create(t, b)
	return b
}

func TestConcurrentTransactionsAreAllStored(t *testing.T) {
	b := open(t, postgres.Config{})
	var wg sync.WaitGroup
	const writers, each = 8, 25
	for range writers {
		wg.Go(func() {
			for range each {
				if err := b.InTx(t.Context(), func(ctx context.Context) error { return tabletest.Insert(ctx, b, storage.NewID()) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := tabletest.Count(t, b); n != writers*each {
		t.Errorf("%d rows stored, want %d", n, writers*each)
	}
}

func TestAFailedFunctionLeavesNothing(t *testing.T) {
	b := open(t, postgres.Config{})
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		if err := tabletest.Insert(ctx, b, "a"); err != nil {
			return err
		}
		return tabletest.Insert(ctx, b, "a")
	})
	if !errors.Is(err, storage.ErrConflict) {
		t.Errorf("InTx = %v, want ErrConflict", err)
	}
	if n := tabletest.Count(t, b); n != 0 {
		t.Errorf("%d rows stored, want none", n)
	}
}
