package pgtest_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lumelle/adminkit/storage/internal/pgtest"
)

// prepared is a database with some of everything: an append-only table, tables that refer to
// each other, a sequence, and the books of a migration.
const prepared = `
CREATE TABLE adminkit_migration (name TEXT PRIMARY KEY, checksum TEXT);
INSERT INTO adminkit_migration VALUES ('0001_all.sql', 'a'), ('0002_more.sql', 'b');
CREATE TABLE parent (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name TEXT);
CREATE TABLE child (id BIGINT PRIMARY KEY, parent BIGINT NOT NULL REFERENCES parent, note TEXT DEFAULT 'none', CHECK (id > 0));
CREATE INDEX child_parent ON child (parent);
CREATE TABLE evidence (id TEXT PRIMARY KEY, body BYTEA);
CREATE FUNCTION refuse() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'append only'; END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON evidence FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON evidence EXECUTE FUNCTION refuse();
CREATE SEQUENCE numbers START 7;
CREATE VIEW named AS SELECT name FROM parent`

// look is what somebody sees who looks at such a database.
var look = []string{
	`SELECT * FROM adminkit_migration ORDER BY name`, `SELECT * FROM parent`, `SELECT * FROM child`, `SELECT id FROM evidence`,
	`SELECT last_value, is_called FROM numbers`, `SELECT last_value, is_called FROM parent_id_seq`, `SELECT * FROM named`,
	`SELECT nspname, nspacl FROM pg_namespace WHERE nspname NOT LIKE 'pg\_t%' ORDER BY nspname`,
	`SELECT table_schema, table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns
		WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY table_schema, table_name, column_name`,
	`SELECT relname, relkind, relacl, relpages, reltuples, relrowsecurity, reloptions, pg_relation_size(oid) FROM pg_class
		WHERE relkind IN ('r', 'v', 'S') AND oid >= 16384 ORDER BY relname`,
	`SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexdef`,
	`SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE oid >= 16384 ORDER BY conname`,
	`SELECT tgname, tgenabled, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgname`,
	`SELECT pg_get_functiondef(oid), proacl FROM pg_proc WHERE oid >= 16384 AND pronamespace = 'public'::regnamespace ORDER BY proname`,
	`SELECT typname FROM pg_type WHERE oid >= 16384 ORDER BY typname`, `SELECT polname FROM pg_policy`,
	`SELECT definition FROM pg_views WHERE schemaname = 'public'`, `SELECT rulename FROM pg_rules WHERE schemaname = 'public'`, `SELECT defaclacl FROM pg_default_acl`,
	`SELECT description FROM pg_description WHERE objoid >= 16384`, `SELECT tablename FROM pg_stats WHERE schemaname = 'public'`,
	`SELECT stxname FROM pg_statistic_ext`, `SELECT count(*) FROM pg_largeobject_metadata`, `SELECT evtname FROM pg_event_trigger`,
	`SELECT pubname FROM pg_publication`, `SELECT extname FROM pg_extension`, `SELECT current_setting('work_mem'), current_setting('default_transaction_read_only')`,
	`SELECT datacl, datconnlimit FROM pg_database WHERE datname = current_database()`,
	`SELECT l.locktype, l.mode FROM pg_locks l JOIN pg_stat_activity a USING (pid)
		WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' AND (l.locktype = 'advisory' OR relation >= 16384)
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY l.locktype, l.mode`,
}

func see(t *testing.T, dsn string) string {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	var b strings.Builder
	for _, query := range look {
		rows, err := c.Query(t.Context(), query)
		if err == nil {
			for rows.Next() {
				values, err := rows.Values()
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintln(&b, values...)
			}
			err = rows.Err()
		}
		fmt.Fprintln(&b, "--", err)
	}
	return b.String()
}

func TestWhoeverGetsADatabaseNextFindsItAsItWasPrepared(t *testing.T) {
	stock := pgtest.Stock{Prepare: func(ctx context.Context, dsn string) error {
		c, err := pgx.Connect(ctx, dsn)
		if err != nil {
			return err
		}
		defer c.Close(ctx)
		_, err = c.Exec(ctx, prepared)
		return err
	}}
	var want string
	t.Run("the first", func(t *testing.T) { want = see(t, stock.DSN(t)) })
	if !strings.Contains(want, "0002_more.sql b") {
		t.Fatalf("the first sees\n%s", want)
	}
	before := "nothing"
	for name, dirt := range map[string]string{ // each sees that the one before it left nothing
		"rows":                               `INSERT INTO parent (name) VALUES ('a'), ('b'); INSERT INTO child VALUES (1, 1)`,
		"rows that may not be deleted":       `INSERT INTO evidence SELECT n, decode(repeat('ab', 9000), 'hex') FROM generate_series(1, 50) n`,
		"rows that were deleted again":       `INSERT INTO child SELECT n, n FROM generate_series(1, 0) n; INSERT INTO parent (name) VALUES ('a'); DELETE FROM parent`,
		"a prepared row that is gone":        `DELETE FROM adminkit_migration WHERE name = '0002_more.sql'`,
		"a prepared row that was changed":    `UPDATE adminkit_migration SET checksum = 'c' WHERE name = '0001_all.sql'`,
		"a row more than was prepared":       `INSERT INTO adminkit_migration VALUES ('0003_of_the_test.sql', 'c')`,
		"a row for one that was prepared":    `DELETE FROM adminkit_migration; INSERT INTO adminkit_migration VALUES ('0001_all.sql', 'a'), ('0002_more.sql', 'x')`,
		"a number":                           `SELECT nextval('numbers')`,
		"a sequence that begins elsewhere":   `ALTER SEQUENCE numbers START 9 RESTART`,
		"a table":                            `CREATE TABLE mine (id TEXT); INSERT INTO mine VALUES ('a')`,
		"no table":                           `DROP TABLE child`,
		"another table of the name":          `DROP TABLE child; CREATE TABLE child (id BIGINT PRIMARY KEY, parent BIGINT)`,
		"a column":                           `ALTER TABLE child ADD COLUMN more TEXT`,
		"a column of another type":           `ALTER TABLE child ALTER COLUMN note TYPE VARCHAR(9)`,
		"another default":                    `ALTER TABLE child ALTER COLUMN note SET DEFAULT 'some'`,
		"an index":                           `CREATE INDEX mine ON child (note)`,
		"no index":                           `DROP INDEX child_parent`,
		"a constraint":                       `ALTER TABLE child ADD CONSTRAINT mine CHECK (id < 9)`,
		"no constraint":                      `ALTER TABLE child DROP CONSTRAINT child_parent_fkey`,
		"a trigger":                          `CREATE TRIGGER mine BEFORE INSERT ON child FOR EACH ROW EXECUTE FUNCTION refuse()`,
		"a trigger that does not fire":       `ALTER TABLE evidence DISABLE TRIGGER append_only`,
		"another function":                   `CREATE OR REPLACE FUNCTION refuse() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$`,
		"a function":                         `CREATE FUNCTION mine() RETURNS INT LANGUAGE sql AS 'SELECT 1'`,
		"another view":                       `CREATE OR REPLACE VIEW named AS SELECT 'x' || name AS name FROM parent`,
		"a rule":                             `CREATE RULE mine AS ON INSERT TO child DO INSTEAD NOTHING`,
		"a policy":                           `ALTER TABLE child ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON child USING (false)`,
		"a schema":                           `CREATE SCHEMA "of the test"; CREATE TABLE "of the test".child (id TEXT)`,
		"a type":                             `CREATE TYPE mine AS ENUM ('a')`,
		"a grant":                            `GRANT SELECT ON child TO PUBLIC`,
		"a grant on the schema":              `REVOKE USAGE ON SCHEMA public FROM PUBLIC; GRANT ALL ON SCHEMA public TO PUBLIC`,
		"a grant on the database":            `DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()); END $$`,
		"a grant on what is made later":      `ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC`,
		"a comment":                          `COMMENT ON TABLE child IS 'mine'`,
		"an option of storage":               `ALTER TABLE child SET (fillfactor = 50)`,
		"a setting of the database":          `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''1MB''', current_database()); END $$`,
		"a limit of connections":             `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 50', current_database()); END $$`,
		"what the planner knows of rows":     `INSERT INTO parent (name) SELECT 'n' FROM generate_series(1, 500); ANALYZE parent`,
		"what the planner knows of no row":   `INSERT INTO parent (name) VALUES ('a'); DELETE FROM parent; ANALYZE parent`,
		"what the planner knows of columns":  `CREATE STATISTICS mine ON id, parent FROM child`,
		"a large object":                     `SELECT lo_from_bytea(0, 'a')`,
		"a publication":                      `CREATE PUBLICATION mine FOR TABLE child`,
		"an event trigger":                   `CREATE FUNCTION mine() RETURNS EVENT_TRIGGER LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER mine ON sql_drop EXECUTE FUNCTION mine()`,
		"a transaction with locks":           `BEGIN; INSERT INTO parent (name) VALUES ('a'); LOCK TABLE child IN SHARE MODE`,
		"a lock of the session, and an ear":  `SELECT pg_advisory_lock(1); LISTEN mine`,
		"a table of the session":             `CREATE TEMPORARY TABLE child (id TEXT)`,
		"a database that is read-only":       `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$`,
		"no language":                        `DROP EXTENSION plpgsql CASCADE`,
		"nothing of what there is in public": `DROP SCHEMA public CASCADE`,
	} {
		t.Run(name, func(t *testing.T) {
			dsn := stock.DSN(t)
			if got := see(t, dsn); got != want {
				t.Fatalf("after %s there is\n%s", before, differs(want, got))
			}
			// The connection stays open, as that of a careless test would.
			c, err := pgx.Connect(t.Context(), dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer runtime.KeepAlive(c) // one that is garbage closes its socket
			if _, err := c.Exec(t.Context(), dirt); err != nil {
				t.Fatal(err)
			}
			if see(t, dsn) == want {
				t.Error("nobody sees it")
			}
		})
		before = name
	}
	t.Run("nothing", func(t *testing.T) {
		if got := see(t, stock.DSN(t)); got != want {
			t.Errorf("after %s there is\n%s", before, differs(want, got))
		}
	})
}

// differs returns the lines that only one of the texts has.
func differs(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	only := func(sign string, a, b []string) (lines []string) {
		for _, line := range a {
			if !slices.Contains(b, line) {
				lines = append(lines, sign+line)
			}
		}
		return lines
	}
	return strings.Join(append(only("-", w, g), only("+", g, w)...), "\n")
}

func TestADatabaseThatWasGivenBackIsNotFoundUnderItsOldName(t *testing.T) {
	stock := pgtest.Stock{Prepare: func(context.Context, string) error { return nil }}
	for what, dsn := range map[string]func(t testing.TB) string{"an empty one": pgtest.DSN, "a prepared one": stock.DSN} {
		var old string
		t.Run(what, func(t *testing.T) { old = dsn(t) })
		if c, err := pgx.Connect(t.Context(), old); err == nil {
			c.Close(context.Background())
			t.Errorf("%s: a test that goes on after its end reaches the database of the next", what)
		}
	}
}

func TestAPreparedDatabaseIsUsedAgain(t *testing.T) {
	prepared := 0
	stock := pgtest.Stock{Prepare: func(ctx context.Context, dsn string) error {
		prepared++
		c, err := pgx.Connect(ctx, dsn)
		if err != nil {
			return err
		}
		defer c.Close(ctx)
		_, err = c.Exec(ctx, `CREATE TABLE t (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v TEXT)`)
		return err
	}}
	const tests = 12
	dirts := []string{`INSERT INTO t (v) VALUES ('a')`, `INSERT INTO t (v) SELECT repeat('v', 9000) FROM generate_series(1, 100); ANALYZE t`, `SELECT 1`}
	for i := range tests {
		t.Run("", func(t *testing.T) {
			c, err := pgx.Connect(t.Context(), stock.DSN(t))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close(context.Background())
			if _, err := c.Exec(t.Context(), dirts[i%len(dirts)]); err != nil {
				t.Fatal(err)
			}
		})
	}
	// Now and then autovacuum comes in between.
	if prepared > tests/2 {
		t.Errorf("%d databases were prepared for %d tests that left no more than rows, want one", prepared, tests)
	}
}
