package pgtest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/storagetest/cluster"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

func TestADatabaseIsEmptyWhenItIsUsedAgain(t *testing.T) {
	for range 3 {
		t.Run("", func(t *testing.T) {
			c, err := pgx.Connect(t.Context(), pgtest.DSN(t))
			if err != nil {
				t.Fatal(err)
			}
			var n int
			if err := c.QueryRow(t.Context(), `SELECT COUNT(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace`).Scan(&n); err != nil || n != 0 {
				t.Errorf("%d relations in a new database, %v", n, err)
			}
			if err := c.QueryRow(t.Context(), `SELECT COUNT(*) FROM pg_namespace WHERE nspname = 'of the test'`).Scan(&n); err != nil || n != 0 {
				t.Errorf("%d schemas in a new database, %v", n, err)
			}
			var off string
			if err := c.QueryRow(t.Context(), `SELECT current_setting('synchronous_commit')`).Scan(&off); err != nil || off != "on" {
				t.Errorf("synchronous_commit is %s, %v", off, err)
			}
			// The connection stays open, as that of a careless test would.
			if _, err := c.Exec(t.Context(), `CREATE TABLE t (id TEXT); INSERT INTO t VALUES ('a');
				CREATE SCHEMA "of the test"; CREATE TABLE "of the test".t (id TEXT);
				DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$;
				BEGIN; LOCK TABLE t`); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAStrictRunFailsWithoutAPooler(t *testing.T) {
	t.Setenv("ADMINKIT_STRICT", "1")
	failures := ruletest.Try(t.Context(), func(t testing.TB) { pgtest.Unavailable(t, cluster.ErrNoPooler) })
	if got := fmt.Sprint(failures); got != "[postgres: no pgbouncer]" {
		t.Errorf("the test failed with %s", got)
	}
}

func TestEachCallGivesADatabaseOfItsOwn(t *testing.T) {
	for range 2 {
		c, err := pgx.Connect(t.Context(), pgtest.DSN(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close(context.Background()) })
		if _, err := c.Exec(t.Context(), `CREATE TABLE t (id TEXT)`); err != nil {
			t.Error(err)
		}
		for setting, want := range map[string]string{"fsync": "on", "synchronous_commit": "on", "server_encoding": "UTF8"} {
			var got string
			if err := c.QueryRow(t.Context(), `SELECT current_setting($1)`, setting).Scan(&got); err != nil || got != want {
				t.Errorf("%s = %q, %v; want %q", setting, got, err, want)
			}
		}
	}
}

func TestAServerThatTheEnvironmentNamesIsUsed(t *testing.T) {
	server := pgtest.NewServer(t)
	cfg, err := pgx.ParseConfig(server.DSN)
	if err != nil {
		t.Fatal(err)
	}
	for _, dsn := range []string{server.DSN, "host=" + cfg.Host + " user=postgres dbname=postgres"} {
		t.Run("", func(t *testing.T) {
			t.Setenv("ADMINKIT_POSTGRES_DSN", dsn)
			c, err := pgx.Connect(t.Context(), pgtest.DSN(t))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close(context.Background())
			if got := c.Config(); got.Host != cfg.Host || got.Database == "postgres" {
				t.Errorf("database %s on %s, want one of its own on %s", got.Database, got.Host, cfg.Host)
			}
		})
	}
	clean, err := pgx.Connect(t.Context(), server.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer clean.Close(context.Background())
	var left int
	if err := clean.QueryRow(t.Context(), `SELECT COUNT(*) FROM pg_database WHERE datname LIKE 'adminkit%'`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d databases are left on somebody else's server, %v", left, err)
	}
}
