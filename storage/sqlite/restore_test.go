package sqlite_test

import (
	"context"
	"database/sql"
	"os"
	"testing"

	"github.com/lumelle/adminkit/storage/internal/restoretest"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestWhatWasBackedUpUnderWritersGoesOnWhereItIsRestored(t *testing.T) {
	path := file(t)
	openAt := func(t *testing.T, path string) eachtest.Backend {
		t.Helper()
		b, err := sqlite.Open(t.Context(), path, sqlite.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close(context.Background()) })
		return b
	}
	restoretest.Run(t, restoretest.Options{
		New: func(t *testing.T) eachtest.Backend { return openAt(t, path) },
		Backup: func(t *testing.T, _ eachtest.Backend) (restore func(t *testing.T) eachtest.Backend) {
			db, err := sql.Open("sqlite", "file:"+path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			backup := file(t)
			if _, err := db.ExecContext(t.Context(), `VACUUM INTO $1`, backup); err != nil {
				t.Fatal(err)
			}
			return func(t *testing.T) eachtest.Backend {
				text, err := os.ReadFile(backup)
				if err != nil {
					t.Fatal(err)
				}
				to := file(t)
				if err := os.WriteFile(to, text, 0o600); err != nil {
					t.Fatal(err)
				}
				return openAt(t, to)
			}
		},
	})
}
