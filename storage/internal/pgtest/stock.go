package pgtest

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A Stock gives tests databases that are alike, prepared once and used again and again: to
// migrate a database takes much longer than to empty its tables.
//
// A test may do what it likes to its database. Whoever gets it next finds it as it was when it
// was prepared, row by row and down to the system catalogues, or gets another one. The zero
// value with Prepare is ready to use, and safe for concurrent use.
type Stock struct {
	// Prepare brings an empty database to the state that tests find it in: the tables, and the
	// rows of adminkit_migration. Rows that it leaves in other tables are deleted. Required.
	Prepare func(ctx context.Context, dsn string) error

	idle pool
}

// DSN returns the data source name of a prepared database, as DSN does of an empty one.
func (s *Stock) DSN(t testing.TB) string {
	t.Helper()
	if os.Getenv(serverVariable) != "" {
		dsn := DSN(t)
		if err := s.Prepare(t.Context(), dsn); err != nil {
			t.Fatalf("postgres: prepare a database: %v", err)
		}
		return dsn
	}
	d, ok := s.idle.take()
	if !ok {
		d.dsn = blank(t)
		err := s.Prepare(t.Context(), d.dsn)
		if err == nil {
			d.picture, err = ask(d.dsn, reset+takePicture)
		}
		if err != nil {
			t.Fatalf("postgres: prepare a database: %v", err)
		}
	}
	t.Cleanup(func() { s.back(t, d) })
	return d.dsn
}

// back takes a database back from the test that had it.
func (s *Stock) back(t testing.TB, d database) {
	dsn, ok := reclaim(t, d.dsn)
	if !ok {
		return
	}
	// What cannot be reset is emptied too.
	if now, err := ask(dsn, reset+takePicture); err == nil && now == d.picture {
		s.idle.put(database{dsn, d.picture})
		return
	}
	discard(t, dsn)
}

// reclaim takes a database away from everybody who is connected to it, or would connect again
// with its name, and returns its new one. A test that goes on connecting keeps the database.
func reclaim(t testing.TB, dsn string) (renamed string, ok bool) {
	t.Helper()
	server, err := shared()
	if err != nil {
		t.Errorf("postgres: %v", err)
		return "", false
	}
	old, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Errorf("postgres: %v", err)
		return "", false
	}
	name := newName()
	// The second statement waits for those who leave, and fails while somebody is there.
	err = run(server, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '`+old.Database+`';
		ALTER DATABASE `+old.Database+` RENAME TO `+name)
	if refused := (*pgconn.PgError)(nil); errors.As(err, &refused) && refused.Code == objectInUse {
		return "", false
	}
	if err != nil {
		t.Errorf("postgres: rename a database: %v", err)
		return "", false
	}
	return withDatabase(server, name), true
}

// objectInUse is the SQLSTATE of a database that somebody is connected to.
const objectInUse = "55006"

// reset empties every table that has rows, except the books of the migrations, and lets
// sequences begin anew. Triggers that keep evidence do not fire. It only has to try: what it
// has reached is seen in the picture.
const reset = `
SET synchronous_commit = off;
SET session_replication_role = replica;
SET allow_system_table_mods = on;
DO $$ DECLARE tables TEXT; BEGIN
	SELECT string_agg(oid::regclass::text, ', ') INTO tables FROM pg_class
	WHERE oid >= 16384 AND relkind = 'r' AND relname <> 'adminkit_migration' AND (reltuples <> -1 OR pg_relation_size(oid) > 0);
	IF tables IS NOT NULL THEN
		EXECUTE 'TRUNCATE ' || tables || ' CASCADE';
	END IF;
	PERFORM setval(seqrelid, seqstart, false) FROM pg_sequence WHERE pg_sequence_last_value(seqrelid) IS NOT NULL;
	DELETE FROM pg_statistic WHERE starelid >= 16384;
	PERFORM pg_stat_reset();
END $$;`

// takePicture tells two states of one database apart. For every table, those of the system
// catalogue too, it has the number of rows and the sum of the transactions that wrote them.
// Where both are the same no row was added, removed or replaced: as many rows would have
// been added as removed, and each by a later transaction than wrote what was there before.
//
// TRUNCATE replaces rows of pg_class, and a new name the row of a database, so these are
// compared by what they say. Of an index it also forgets how long it is, which nobody minds
// where there is nothing in it.
const takePicture = `
DO $$ DECLARE
	picture TEXT := ''; name REGCLASS; line TEXT;
	written CONSTANT TEXT := 'SELECT count(*) || '' '' || COALESCE(sum(xmin::text::bigint), 0) FROM ';
BEGIN
	FOR name IN SELECT oid::regclass FROM pg_class WHERE relkind IN ('r', 'm') AND relnamespace <> 'pg_toast'::regnamespace
		AND oid NOT IN ('pg_class'::regclass, 'pg_database'::regclass, 'pg_db_role_setting'::regclass,
			'pg_shdepend'::regclass, 'pg_statistic'::regclass)
		ORDER BY oid
	LOOP
		EXECUTE written || name INTO line;
		picture := picture || name || ' ' || line || E'\n';
	END LOOP;
	EXECUTE written || 'pg_db_role_setting WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))' INTO line;
	picture := picture || 'settings ' || line || E'\n';
	EXECUTE written || 'pg_statistic WHERE starelid >= 16384' INTO line;
	picture := picture || 'statistics ' || line || E'\n';
	EXECUTE written || 'pg_class WHERE oid < 16384' INTO line;
	picture := picture || 'pg_class ' || line || E'\n';
	FOR name IN SELECT seqrelid::regclass FROM pg_sequence ORDER BY 1 LOOP
		EXECUTE 'SELECT last_value || '' '' || is_called FROM ' || name INTO line;
		picture := picture || name || ' ' || line || E'\n';
	END LOOP;
	SELECT string_agg((to_jsonb(c) - '{relfilenode,relfrozenxid,relminmxid}'::text[]
			- CASE WHEN relkind = 'i' THEN '{relpages,reltuples}'::text[] ELSE '{}' END)::text, E'\n' ORDER BY oid)
		INTO line FROM pg_class c WHERE oid >= 16384;
	picture := picture || COALESCE(line, '') || E'\n';
	SELECT (to_jsonb(d) - '{datname,datfrozenxid,datminmxid}'::text[])::text INTO line FROM pg_database d WHERE datname = current_database();
	PERFORM set_config('pgtest.picture', picture || line, false);
END $$;
SELECT current_setting('pgtest.picture')`
