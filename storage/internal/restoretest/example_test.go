package restoretest_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"testing"

	"github.com/lumelle/adminkit/storage/internal/restoretest"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// An engine says how it is backed up and restored. For SQLite that is one statement and a
// file.
func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path, backup := filepath.Join(dir, "admin.db"), filepath.Join(dir, "backup.db")
	_ = func(t *testing.T) { // TestWhatWasBackedUpGoesOn
		restoretest.Run(t, restoretest.Options{
			New: func(t *testing.T) eachtest.Backend { return open(path) },
			Backup: func(t *testing.T, b eachtest.Backend) func(t *testing.T) eachtest.Backend {
				vacuum(path, backup)
				return func(t *testing.T) eachtest.Backend { return open(backup) }
			},
		})
	}
	// ... which is, without anything in it:
	open(path).Close(context.Background())
	vacuum(path, backup)
	restored := open(backup)
	defer restored.Close(context.Background())
	pending, err := restored.Pending(context.Background())
	fmt.Println(pending, err)
	// Output: [] <nil>
}

func open(path string) *sqlite.Backend {
	b, err := sqlite.Open(context.Background(), path, sqlite.Config{})
	if err != nil {
		log.Fatal(err)
	}
	return b
}

func vacuum(path, into string) {
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`VACUUM INTO $1`, into); err != nil {
		log.Fatal(err)
	}
}
