package sqlite_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/tabletest"
)

// open returns a Backend on path with a table t(id, v) of the host, and without the
// kit's own, which these tests do not need.
func open(t *testing.T, path string, cfg sqlite.Config) *sqlite.Backend {
	t.Helper()
	cfg.NoMigrate = true
	b, err := sqlite.Open(t.Context(), path, cfg)
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

func file(t *testing.T) string { return filepath.Join(t.TempDir(), "test.db") }

func TestConcurrentTransactionsAreAllStored(t *testing.T) {
	for _, path := range []string{file(t), sqlite.Memory} {
		b := open(t, path, sqlite.Config{})
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
}

func TestAFailedFunctionLeavesNothing(t *testing.T) {
	b := open(t, file(t), sqlite.Config{})
	errOwn := errors.New("own")
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		if err := tabletest.Insert(ctx, b, "a"); err != nil {
			return err
		}
		if err := tabletest.Insert(ctx, b, "a"); !errors.Is(err, storage.ErrConflict) {
			t.Errorf("a taken key answers %v, want ErrConflict", err)
		}
		return errOwn
	})
	if err != errOwn {
		t.Errorf("InTx = %v, want the function's own error", err)
	}
	if n := tabletest.Count(t, b); n != 0 {
		t.Errorf("%d rows stored, want none", n)
	}
}
