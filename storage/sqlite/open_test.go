package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/tabletest"
)

func TestAPathIsAPathWhateverItsLetters(t *testing.T) {
	for _, name := range []string{"plain.db", "with space.db", "50%.db", "a?mode=memory.db", "a#b.db", "ümläut.db", "%3f.db", "a&b=c.db"} {
		path := filepath.Join(t.TempDir(), name)
		b := open(t, path, sqlite.Config{})
		if err := b.InTx(t.Context(), func(ctx context.Context) error { return tabletest.Insert(ctx, b, "a") }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatCannotBeOpenedIsRefused(t *testing.T) {
	garbage := file(t)
	if err := os.WriteFile(garbage, []byte("this is no database, however long it may be, and it never was one"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() (*sqlite.Backend, error){
		"an empty path": func() (*sqlite.Backend, error) { return sqlite.Open(t.Context(), "", sqlite.Config{}) },
		"a missing directory": func() (*sqlite.Backend, error) {
			return sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "x", "y"), sqlite.Config{})
		},
		"a file of something else": func() (*sqlite.Backend, error) {
			return sqlite.Open(t.Context(), garbage, sqlite.Config{})
		},
		"no database": func() (*sqlite.Backend, error) { return sqlite.New(t.Context(), nil, sqlite.Config{}) },
		"a negative number": func() (*sqlite.Backend, error) {
			return sqlite.Open(t.Context(), sqlite.Memory, sqlite.Config{Readers: -1})
		},
		"a negative time": func() (*sqlite.Backend, error) {
			return sqlite.Open(t.Context(), sqlite.Memory, sqlite.Config{BusyTimeout: -time.Second})
		},
	} {
		if b, err := open(); err == nil {
			t.Errorf("%s was opened", name)
			b.Close(context.Background())
		}
	}
}

// Hosts may compose SQL text without end; statements are kept for some of it only.
func TestMoreStatementsThanAreKept(t *testing.T) {
	b := open(t, file(t), sqlite.Config{})
	const many = 1100
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		for i := range many {
			if err := tabletest.Exec(ctx, b, fmt.Sprintf(`INSERT INTO t (id, v) VALUES ($1, %d)`, i), fmt.Sprint(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := b.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range many {
		var id string
		if err := storage.QueryRow(t.Context(), c, fmt.Sprintf(`SELECT id FROM t WHERE v = %d`, i), nil, &id); err != nil || id != fmt.Sprint(i) {
			t.Fatalf("row %d: %q, %v", i, id, err)
		}
	}
	err = storage.QueryRow(t.Context(), c, `SELECT id FROM t WHERE v = -1`, nil, new(string))
	if !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("a row that is not there answers %v, want ErrNotFound", err)
	}
}
