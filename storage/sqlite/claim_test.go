package sqlite_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/sqlite"
)

// A worker that waits for the write lock starts no jobs meanwhile.
func TestAWorkerIsToldItsLanesWhileAnotherProcessWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	open := func() *sqlite.Backend {
		b, err := sqlite.Open(t.Context(), path, sqlite.Config{BusyTimeout: 100 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close(context.Background()) })
		return b
	}
	own, other := open(), open()
	store := own.Jobs()
	me, err := store.Beat(t.Context(), jobs.Beat{Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if err := store.Enqueue(t.Context(), []jobs.Job{{Tenant: "acme", Lane: "mail", Kind: "test", Due: now}}); err != nil {
		t.Fatal(err)
	}
	claim := jobs.Claim{Worker: me.Worker.ID, Now: now, Take: 10, Sync: true}
	if c, err := store.Claim(t.Context(), claim); err != nil || len(c.Taken) != 1 {
		t.Fatalf("took %d lanes, and %v", len(c.Taken), err)
	}
	err = other.InTx(t.Context(), func(ctx context.Context) error {
		c, err := store.Claim(t.Context(), claim)
		if err != nil || len(c.Held) != 1 || c.Active != 1 {
			t.Errorf("holds %d lanes of %d, and %v, want the one there is", len(c.Held), c.Active, err)
		}
		claim.Worker++
		if _, err := store.Claim(t.Context(), claim); !errors.Is(err, jobs.ErrFenced) {
			t.Errorf("a worker that is not there: %v, want ErrFenced", err)
		}
		claim.Release = []jobs.LaneID{{Tenant: "acme", Lane: "mail"}}
		if _, err := store.Claim(t.Context(), claim); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("a claim that writes: %v, want ErrUnavailable while the database is locked", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
