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
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/cluster"
)

// DSN returns the data source name of an empty database, as a URL. The database is
// the test's own until the test has ended.
func DSN(t testing.TB) string {
	t.Helper()
	if server := os.Getenv("ADMINKIT_POSTGRES_DSN"); server != "" {
		dsn, name := create(t, server)
		t.Cleanup(func() {
			if err := run(server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
				t.Errorf("postgres: drop the database: %v", err)
			}
		})
		return dsn
	}
	server, err := shared()
	if err != nil {
		Unavailable(t, err)
	}
	dsn, ok := idle.take()
	if !ok {
		dsn, _ = create(t, server)
	}
	t.Cleanup(func() {
		// To make a database takes six times as long as to empty one. What is left of
		// them ends with the cluster.
		if err := run(dsn, empty); err != nil {
			t.Errorf("postgres: empty the database: %v", err)
			return
		}
		idle.put(dsn)
	})
	return dsn
}

// empty brings a database back to the state of a new one.
const empty = `
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
DO $$ DECLARE name TEXT; BEGIN
	FOR name IN SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema' LOOP
		EXECUTE format('DROP SCHEMA %I CASCADE', name);
	END LOOP;
END $$;
CREATE SCHEMA public;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET ALL', current_database()); END $$`

// idle holds the databases of this process that no test uses.
var idle pool

type pool struct {
	mu   sync.Mutex
	dsns []string
}

func (p *pool) take() (dsn string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.dsns) == 0 {
		return "", false
	}
	dsn = p.dsns[len(p.dsns)-1]
	p.dsns = p.dsns[:len(p.dsns)-1]
	return dsn, true
}

func (p *pool) put(dsn string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dsns = append(p.dsns, dsn)
}

// Unavailable ends a test that cannot have the Postgres, or the pooler, that it needs: it skips, and fails
// where ADMINKIT_STRICT=1 forbids to skip.
func Unavailable(t testing.TB, err error) {
	t.Helper()
	missing := errors.Is(err, cluster.ErrMissing) || errors.Is(err, cluster.ErrNoPooler)
	if errors.Is(err, cluster.ErrMissing) {
		err = fmt.Errorf("%w, and ADMINKIT_POSTGRES_DSN is not set", err)
	}
	if !missing || os.Getenv("ADMINKIT_STRICT") == "1" {
		t.Fatalf("postgres: %v", err)
	}
	t.Skipf("postgres: %v", err)
}

// create makes a database on the server that dsn names.
func create(t testing.TB, server string) (dsn, name string) {
	t.Helper()
	name = "adminkit_" + strings.ReplaceAll(storage.NewID(), "-", "")
	if err := run(server, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("postgres: create a database: %v", err)
	}
	return withDatabase(server, name), name
}

// run executes statements on a connection of its own.
func run(dsn, statements string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	_, err = c.Exec(ctx, statements)
	return err
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

	cluster *cluster.Cluster
}

// NewServer starts a cluster for t alone, or ends t as DSN does. Unlike DSN it needs
// the binaries: nobody's own server is crashed.
func NewServer(t testing.TB) *Server {
	t.Helper()
	c, err := cluster.Start(os.Getpid(), "")
	if err != nil {
		Unavailable(t, err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("postgres: %v", err)
		}
	})
	return &Server{DSN: c.DSN(), cluster: c}
}

// Pooler starts a PgBouncer in transaction mode in front of the server and returns what
// gives the data source name of a database through it. Where it is not installed it ends t
// as DSN does without a server.
func (s *Server) Pooler(t testing.TB) (dsn func(database string) string) {
	t.Helper()
	p, err := s.cluster.StartPooler()
	if err != nil {
		Unavailable(t, err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("pgbouncer: %v", err)
		}
	})
	return p.DSN
}

// Dump returns a backup of the server's database.
func (s *Server) Dump(t testing.TB) []byte {
	t.Helper()
	var backup bytes.Buffer
	if err := s.cluster.Dump(&backup); err != nil {
		t.Fatalf("postgres: %v", err)
	}
	return backup.Bytes()
}

// Restore reads a backup into the server's database.
func (s *Server) Restore(t testing.TB, backup []byte) {
	t.Helper()
	if err := s.cluster.Restore(bytes.NewReader(backup)); err != nil {
		t.Fatalf("postgres: %v", err)
	}
}

// Snapshot keeps what is on the server's disk, and returns what puts it back to that. Both
// crash the server.
func (s *Server) Snapshot(t testing.TB) (back func()) {
	t.Helper()
	restore, err := s.cluster.Snapshot()
	if err != nil {
		t.Fatalf("postgres: %v", err)
	}
	return func() {
		t.Helper()
		if err := restore(); err != nil {
			t.Fatalf("postgres: %v", err)
		}
	}
}

// Database makes an empty database on the server, which ends with it, and returns its data
// source name and its own name.
func (s *Server) Database(t testing.TB) (dsn, name string) {
	t.Helper()
	return create(t, s.DSN)
}

// Crash ends the server as a power cut would, in the middle of whatever it does, and
// starts it again. It returns when the server has recovered.
func (s *Server) Crash(t testing.TB) {
	t.Helper()
	if err := s.cluster.Crash(); err != nil {
		t.Fatalf("postgres: %v", err)
	}
}
