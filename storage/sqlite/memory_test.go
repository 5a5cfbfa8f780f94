package sqlite_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/tabletest"
)

func TestDatabasesInMemoryAreApart(t *testing.T) {
	a, b := open(t, sqlite.Memory, sqlite.Config{}), open(t, sqlite.Memory, sqlite.Config{})
	if err := a.InTx(t.Context(), func(ctx context.Context) error { return tabletest.Insert(ctx, a, "a") }); err != nil {
		t.Fatal(err)
	}
	if got := tabletest.IDs(t, a) + "|" + tabletest.IDs(t, b); got != "a|" {
		t.Errorf("stored %q, want a|", got)
	}
}

// A reader in memory waits for the writer, where one on a file reads past it. Neither
// ever sees what is not committed.
func TestAReaderSeesOnlyWhatIsCommitted(t *testing.T) {
	for _, path := range []string{file(t), sqlite.Memory} {
		b := open(t, path, sqlite.Config{})
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for range 3 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					c, err := b.Reader(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					var n int
					if err := storage.QueryRow(t.Context(), c, `SELECT COUNT(*) FROM t`, nil, &n); err != nil || n%2 != 0 {
						t.Errorf("%s: a reader saw %d rows, %v; want an even number", path, n, err)
						return
					}
				}
			})
		}
		for i := range 100 {
			err := b.InTx(t.Context(), func(ctx context.Context) error {
				if err := tabletest.Insert(ctx, b, storage.NewID()); err != nil {
					return err
				}
				if i%5 == 0 {
					return errOwn
				}
				return tabletest.Insert(ctx, b, storage.NewID())
			})
			if err != nil && err != errOwn {
				t.Errorf("%s: %v", path, err)
			}
		}
		close(stop)
		wg.Wait()
		if n := tabletest.Count(t, b); n != 160 {
			t.Errorf("%s: %d rows, want 160", path, n)
		}
	}
}

func TestAFullMemoryDatabaseOutlivesTheError(t *testing.T) {
	b := open(t, sqlite.Memory, sqlite.Config{})
	if err := b.InTx(t.Context(), func(ctx context.Context) error { return tabletest.Insert(ctx, b, "a") }); err != nil {
		t.Fatal(err)
	}
	full(t, b)
	if err := b.InTx(t.Context(), func(ctx context.Context) error { return fill(ctx, b, "b") }); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("a full database answers %v, want ErrUnavailable", err)
	}
	if got := tabletest.IDs(t, b); got != "a" {
		t.Errorf("stored %q, want a", got)
	}
}
