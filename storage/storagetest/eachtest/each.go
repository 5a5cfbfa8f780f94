// Package eachtest runs a test over every backend of the kit: memory, a SQLite file
// and Postgres.
//
//	func TestAppendIsIdempotent(t *testing.T) {
//		eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
//			log, err := audit.NewLog(b.Audit(), audit.LogConfig{})
//			...
//		})
//	}
//
// Postgres needs a server: the environment variable ADMINKIT_POSTGRES_DSN names one,
// else installed binaries start a throw-away cluster, else the part is skipped in
// one line. With ADMINKIT_STRICT=1 a skip is a failure.
//
// The environment variable ADMINKIT_STORES chooses backends: a list of memory, sqlite
// and postgres with commas between. Empty is all of them.
//
// The package links all three engines. Authors of other backends want package
// storagetest beside it, which links none.
package eachtest

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/idempotency"
	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/listing/saved"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/secrets/credentials"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/cluster"
	"github.com/lumelle/adminkit/storage/tenants"
	"github.com/lumelle/adminkit/webhooks"
)

// A Backend is what all backends of the kit offer.
type Backend interface {
	storage.Transactor

	// Each domain's store; a domain adds its line when all backends have it.

	Approvals() approvals.Store     // change requests, decisions and grants
	Audit() audit.Store             // events
	Authz() authz.Store             // versions of policies
	Automation() automation.Store   // rules, runs and signals
	Credentials() credentials.Store // what integrations sign in with
	Flags() flags.Store             // flags and audiences
	Idempotency() idempotency.Store // keys of repeated requests
	Jobs() jobs.Store               // work that is due
	SavedFilters() saved.Store      // what people ask lists for
	Tenants() tenants.Store         // tenants that leave
	Webhooks() webhooks.Store       // endpoints, messages and deliveries

	// Ping reports whether the store answers.
	Ping(ctx context.Context) error
	// Close waits for what runs and releases the store.
	Close(ctx context.Context) error
}

var (
	_ Backend = (*memory.Backend)(nil)
	_ Backend = (*sqlite.Backend)(nil)
	_ Backend = (*postgres.Backend)(nil)
)

// A Kind is one kind of backend.
type Kind struct {
	Name string
	// Open returns a fresh, migrated backend that is closed when the test ends.
	Open func(t testing.TB) Backend
}

// Kinds returns the kinds that ADMINKIT_STORES chooses. An unknown name in it fails
// the test.
func Kinds(t testing.TB) []Kind {
	t.Helper()
	all := []Kind{{"memory", Memory}, {"sqlite", SQLite}, {"postgres", Postgres}}
	chosen := os.Getenv("ADMINKIT_STORES")
	if chosen == "" {
		return all
	}
	var kinds []Kind
	for name := range strings.SplitSeq(chosen, ",") {
		i := slices.IndexFunc(all, func(k Kind) bool { return k.Name == strings.TrimSpace(name) })
		if i < 0 {
			t.Fatalf("ADMINKIT_STORES names %q; it knows memory, sqlite and postgres", name)
		}
		kinds = append(kinds, all[i])
	}
	return kinds
}

// Run runs fn as a subtest over a fresh backend of each kind.
func Run(t *testing.T, fn func(t *testing.T, b Backend)) {
	t.Helper()
	for _, kind := range Kinds(t) {
		t.Run(kind.Name, func(t *testing.T) { fn(t, kind.Open(t)) })
	}
}

// Memory returns an empty memory backend that is closed when the test ends.
func Memory(t testing.TB) Backend {
	t.Helper()
	b, err := memory.New(memory.Config{})
	return opened(t, b, err)
}

// SQLite returns a backend over a fresh file that is closed when the test ends.
func SQLite(t testing.TB) Backend {
	t.Helper()
	b, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), sqlite.Config{})
	return opened(t, b, err)
}

// Postgres returns a backend over a fresh database that is the test's own until it ends,
// or skips the test where there is no server.
func Postgres(t testing.TB) Backend {
	t.Helper()
	b, err := postgres.Open(t.Context(), MigratedDSN(t), postgres.Config{})
	return opened(t, b, err)
}

// PostgresDSN returns the data source name of an empty database that is the test's own
// until it ends, for tests of programs that open it themselves. It skips the test
// where there is no server.
func PostgresDSN(t testing.TB) string {
	t.Helper()
	return pgtest.DSN(t)
}

// MigratedDSN is PostgresDSN with the tables of the kit, for tests that open many
// databases: these come from other tests, emptied, which takes a fraction of the time to
// migrate one.
func MigratedDSN(t testing.TB) string {
	t.Helper()
	return migrated.DSN(t)
}

// PostgresCluster starts a Postgres server that nobody else works with, for tests that stop
// or crash it. It is closed when the test ends. It skips the test where there are no
// binaries, and takes no server that ADMINKIT_POSTGRES_DSN names.
func PostgresCluster(t testing.TB) *cluster.Cluster {
	t.Helper()
	return pgtest.Cluster(t)
}

var migrated = pgtest.Stock{Prepare: func(ctx context.Context, dsn string) error {
	b, err := postgres.Open(ctx, dsn, postgres.Config{})
	if err != nil {
		return err
	}
	return b.Close(ctx)
}}

// opened closes b when the test ends, or fails the test with the error of opening.
func opened(t testing.TB, b Backend, err error) Backend {
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
