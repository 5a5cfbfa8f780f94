package sqlite_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/ledger"
	"github.com/lumelle/adminkit/storage/storagetest/process"
)

// ledgerFile returns the path of a database with an empty ledger.
func ledgerFile(t *testing.T) string {
	t.Helper()
	path := file(t)
	b := open(t, path, sqlite.Config{})
	if err := ledger.Create(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return path
}

// check compares a file with what was acknowledged, and looks for damage.
func check(t *testing.T, path string, lines []string) (ledger.Count, error) {
	t.Helper()
	b, err := sqlite.Open(t.Context(), path, sqlite.Config{NoMigrate: true})
	if err != nil {
		return ledger.Count{}, err
	}
	defer b.Close(t.Context())
	c, err := b.Reader(t.Context())
	if err != nil {
		return ledger.Count{}, err
	}
	var verdict string
	if err := storage.QueryRow(t.Context(), c, `PRAGMA integrity_check`, nil, &verdict); err != nil || verdict != "ok" {
		return ledger.Count{}, fmt.Errorf("integrity_check: %s, %w", verdict, err)
	}
	return ledger.Check(t.Context(), b, lines)
}

func TestAKilledProcessLosesNothingItAcknowledged(t *testing.T) {
	path := ledgerFile(t)
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	var lines []string
	var got ledger.Count
	kills := 20
	if testing.Short() {
		kills = 3
	}
	for range kills {
		p, err := process.Start(process.Config{Role: "ledger", Args: []string{path}})
		if err != nil {
			t.Fatal(err)
		}
		more, err := p.KillAfter(time.Duration(r.Int64N(int64(80 * time.Millisecond))))
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, more...)
		if got, err = check(t, path, lines); err != nil || got.Err() != nil {
			t.Fatalf("seed %d: %v, %v", seed, err, got.Err())
		}
	}
	t.Logf("%d entries acknowledged, %d more stored", got.Acknowledged, got.Stored-got.Acknowledged)
}
