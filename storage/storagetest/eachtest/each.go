// Package eachtest runs a test over every backend of the kit: memory, a SQLite file
// and Postgres.
//
//	func TestAppendIsIdempotent(t *testing.T) {
//		eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
//			log, err := audit.New(b, b.Audit(), audit.Config{})
//			...
//		})
//	}
//
// Postgres needs a server: the environment variable ADMINKIT_POSTGRES_DSN names one,
// else installed binaries start a throw-away cluster, else the part is skipped in
// one line. With ADMINKIT_STRICT=1 a skip is a failure.
//
// The package links all three engines. Authors of other backends want package
// storagetest beside it, which links none.
package eachtest

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/idempotency"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/sqlite"
)

// A Backend is what all backends of the kit offer.
type Backend interface {
	storage.Transactor
	// Each domain's store; a domain adds its line when all backends have it.

	Idempotency() idempotency.Store

	// Ping reports whether the store answers.
	Ping(ctx context.Context) error
	// Close waits for what runs and releases the store.
	Close(ctx context.Context) error
}

var (
	_ Backend = (*memory.Backend)(nil)
	_ Backend = (*sqlite.Backend)(nil)
)

// Run runs fn as a subtest over a fresh, migrated backend of each kind, which is
// closed afterwards.
func Run(t *testing.T, fn func(t *testing.T, b Backend)) {
	t.Helper()
	for _, kind := range []struct {
		name string
		open func(t *testing.T) Backend
	}{
		{"memory", Memory},
		{"sqlite", SQLite},
	} {
		t.Run(kind.name, func(t *testing.T) { fn(t, kind.open(t)) })
	}
}

// Memory returns an empty memory backend that is closed when the test ends.
func Memory(t *testing.T) Backend {
	t.Helper()
	b, err := memory.New(memory.Config{})
	return opened(t, b, err)
}

// SQLite returns a backend over a fresh file that is closed when the test ends.
func SQLite(t *testing.T) Backend {
	t.Helper()
	b, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), sqlite.Config{})
	return opened(t, b, err)
}

// opened closes b when the test ends, or fails the test with the error of opening.
func opened(t *testing.T, b Backend, err error) Backend {
	t.Helper()
	if err != nil {
		t.Fatalf("open the backend: %v", err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("close the backend: %v", err)
		}
	})
	return b
}
