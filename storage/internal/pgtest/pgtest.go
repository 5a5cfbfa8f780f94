// Package pgtest gives tests a Postgres database of their own.
//
// Where ADMINKIT_POSTGRES_DSN names a server, databases are made there. Otherwise a
// throw-away cluster is started from installed binaries, found in PATH or where Linux
// distributions put them. All test processes of one go test run share it; it ends with
// that run, whichever way the run ends, because a small shell process watches the run
// and stops the cluster. The cluster listens on a Unix socket in a private directory
// only, and syncs to disk as a real one does. Where tests run as root, which Postgres
// refuses, it runs as the user postgres or nobody.
//
// Without a server and without binaries tests skip in one line; with ADMINKIT_STRICT=1
// they fail.
package pgtest

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lumelle/adminkit/storage"
)

// errMissing reports that there is neither a server nor binaries to start one.
var errMissing = errors.New("neither ADMINKIT_POSTGRES_DSN nor Postgres binaries")

// DSN returns the data source name of a fresh, empty database as a URL. The database
// is dropped when the test has ended.
func DSN(t testing.TB) string {
	t.Helper()
	server := os.Getenv("ADMINKIT_POSTGRES_DSN")
	if server == "" {
		var err error
		if server, err = shared(); err != nil {
			Unavailable(t, err)
		}
	}
	return database(t, server)
}

// Unavailable ends a test that cannot have the Postgres it needs: it skips, and fails
// where ADMINKIT_STRICT=1 forbids to skip.
func Unavailable(t testing.TB, err error) {
	t.Helper()
	if !errors.Is(err, errMissing) || os.Getenv("ADMINKIT_STRICT") == "1" {
		t.Fatalf("postgres: %v", err)
	}
	t.Skipf("postgres: %v", err)
}

// database makes a database on the server that dsn names.
func database(t testing.TB, dsn string) string {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatalf("postgres: %v", err)
	}
	name := "adminkit_" + strings.ReplaceAll(storage.NewID(), "-", "")
	admin := func(statement string) error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		c, err := pgx.ConnectConfig(ctx, cfg)
		if err != nil {
			return err
		}
		defer c.Close(ctx)
		_, err = c.Exec(ctx, statement)
		return err
	}
	if err := admin("CREATE DATABASE " + name); err != nil {
		t.Fatalf("postgres: create a database: %v", err)
	}
	t.Cleanup(func() {
		if err := admin("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("postgres: drop the database: %v", err)
		}
	})
	return withDatabase(dsn, name)
}

// withDatabase returns dsn, a URL or keywords, with another database.
func withDatabase(dsn, name string) string {
	if !strings.Contains(dsn, "://") {
		return dsn + " dbname=" + name // the last one counts
	}
	scheme, rest, _ := strings.Cut(dsn, "://")
	rest, query, asked := strings.Cut(rest, "?")
	host, _, _ := strings.Cut(rest, "/")
	dsn = scheme + "://" + host + "/" + name
	if asked {
		dsn += "?" + query
	}
	return dsn
}

// A Server is a cluster of one test, for tests that crash it.
type Server struct {
	// DSN names its database.
	DSN string

	crash func() error
}

// NewServer starts a cluster for t alone, or ends t as DSN does. Unlike DSN it needs
// the binaries: nobody's own server is crashed.
func NewServer(t testing.TB) *Server {
	t.Helper()
	s, err := private(t)
	if err != nil {
		Unavailable(t, err)
	}
	return s
}

// Crash ends the server as a power cut would, in the middle of whatever it does, and
// starts it again. It returns when the server has recovered.
func (s *Server) Crash(t testing.TB) {
	t.Helper()
	if err := s.crash(); err != nil {
		t.Fatalf("postgres: %v", err)
	}
}
