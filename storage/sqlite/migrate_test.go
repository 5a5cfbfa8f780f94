package sqlite_test

import (
	"context"
	"io/fs"
	"sync"
	"testing"

	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/tabletest"
)

func TestProcessesThatStartTogetherMigrateOnce(t *testing.T) {
	path := file(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			b, err := sqlite.Open(t.Context(), path, sqlite.Config{})
			if err != nil {
				t.Error(err)
				return
			}
			if pending, err := b.Pending(t.Context()); err != nil || len(pending) != 0 {
				t.Errorf("pending after Open: %v, %v", pending, err)
			}
			if err := b.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestAHostMayRunTheMigrationsItself(t *testing.T) {
	b, err := sqlite.Open(t.Context(), file(t), sqlite.Config{NoMigrate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(context.Background())
	names, err := fs.Glob(sqlite.Migrations(), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	pending, err := b.Pending(t.Context())
	if err != nil || len(pending) != len(names)-1 { // all but the bookkeeping
		t.Errorf("pending %v, %v; there are %v", pending, err, names)
	}
	for _, name := range names {
		text, err := fs.ReadFile(sqlite.Migrations(), name)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.InTx(t.Context(), func(ctx context.Context) error { return tabletest.Exec(ctx, b, string(text)) }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
