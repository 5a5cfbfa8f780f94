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

// serverVariable names the environment variable that names a server.
const serverVariable = "ADMINKIT_POSTGRES_DSN"

// DSN returns the data source name of an empty database, as a URL. The database is
// the test's own until the test has ended.
func DSN(t testing.TB) string {
	t.Helper()
	if server := os.Getenv(serverVariable); server != "" {
		dsn, _ := create(t, server)
		t.Cleanup(func() {
			if err := drop(server, dsn); err != nil {
				t.Errorf("postgres: drop the database: %v", err)
			}
		})
		return dsn
	}
	dsn := blank(t)
	t.Cleanup(func() {
		if renamed, ok := reclaim(t, dsn); ok {
			discard(t, renamed)
		}
	})
	return dsn
}

// blank returns the data source name of an empty database on the shared cluster.
func blank(t testing.TB) string {
	t.Helper()
	server, err := shared()
	if err != nil {
		Unavailable(t, err)
	}
	d, ok := idle.take()
	if !ok {
		d.dsn, _ = create(t, server)
	}
	return d.dsn
}

// discard empties a database, which takes a sixth of the time that it takes to make one, or
// drops it where something is left. What is left of them ends with the cluster.
func discard(t testing.TB, dsn string) {
	t.Helper()
	if left, err := ask(dsn, empty+whatIsLeft); err == nil && left == "0" {
		idle.put(database{dsn: dsn})
		return
	}
	server, err := shared()
	if err == nil {
		err = drop(server, dsn)
	}
	if err != nil {
		t.Errorf("postgres: drop the database: %v", err)
	}
}

// drop drops the database that dsn names, with those who are connected to it.
func drop(server, dsn string) error {
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		return err
	}
	return run(server, "DROP DATABASE "+c.Database+" WITH (FORCE)")
}

// empty brings a database back to the state of a new one, but for what belongs to no schema.
const empty = `
DO $$ DECLARE name TEXT; BEGIN
	FOR name IN SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema' LOOP
		EXECUTE format('DROP SCHEMA %I CASCADE', name);
	END LOOP;
END $$;
CREATE SCHEMA public AUTHORIZATION pg_database_owner;
GRANT USAGE ON SCHEMA public TO PUBLIC;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET ALL', current_database()); END $$;`

// whatIsLeft counts what an empty database has that a new one has not: rows of any system
// catalogue that are not the server's own, and what is said of the database itself.
const whatIsLeft = `
DO $$ DECLARE name REGCLASS; more BIGINT; found BIGINT; BEGIN
	SELECT count(*) INTO found FROM pg_database
	WHERE datname = current_database() AND (datacl IS NOT NULL OR datconnlimit <> -1 OR datdba <> 10);
	FOR name IN SELECT attrelid::regclass FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
		WHERE attname = 'oid' AND relkind = 'r' AND NOT relisshared AND attrelid <> 'pg_namespace'::regclass
	LOOP
		EXECUTE 'SELECT count(*) FROM ' || name || ' WHERE oid >= 16384' INTO more;
		found := found + more;
	END LOOP;
	PERFORM set_config('pgtest.left', found::text, false);
END $$;
SELECT current_setting('pgtest.left')`

// idle holds the empty databases of this process that no test uses.
var idle pool

// A database is one that a test may have. The picture, where not empty, is that of its
// prepared state.
type database struct{ dsn, picture string }

// A pool holds databases that no test uses.
type pool struct {
	mu        sync.Mutex
	databases []database
}

func (p *pool) take() (d database, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.databases) == 0 {
		return database{}, false
	}
	last := len(p.databases) - 1
	d = p.databases[last]
	p.databases = p.databases[:last]
	return d, true
}

func (p *pool) put(d database) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.databases = append(p.databases, d)
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
	name = newName()
	if err := run(server, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("postgres: create a database: %v", err)
	}
	return withDatabase(server, name), name
}

// newName returns a name for a database that none has, and that needs no quotes.
func newName() string { return "adminkit_" + strings.ReplaceAll(storage.NewID(), "-", "") }

// run executes statements on a connection of its own.
func run(dsn, statements string) error {
	_, err := ask(dsn, statements)
	return err
}

// ask executes statements on a connection of its own and returns the first value of the last
// one, if there is any.
func ask(dsn, statements string) (answer string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return "", err
	}
	defer c.Close(ctx)
	results, err := c.PgConn().Exec(ctx, statements).ReadAll()
	if err != nil {
		return "", err
	}
	if last := results[len(results)-1]; len(last.Rows) > 0 {
		answer = string(last.Rows[0][0])
	}
	return answer, nil
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

// Cluster starts a cluster for t alone, or ends t as DSN does. Unlike DSN it needs
// the binaries: nobody's own server is crashed.
func Cluster(t testing.TB) *cluster.Cluster {
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
	return c
}

// NewServer starts a Cluster as a Server.
func NewServer(t testing.TB) *Server {
	t.Helper()
	c := Cluster(t)
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
