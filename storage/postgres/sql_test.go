package postgres_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/storagetest/faults"
	"github.com/lumelle/adminkit/storage/storagetest/tabletest"
)

// overSQL returns a Backend in a host's database/sql.
func overSQL(t *testing.T, dsn string, wrap func(driver.Connector) driver.Connector) (*postgres.Backend, *sql.DB) {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	c := stdlib.GetConnector(*cfg)
	if wrap != nil {
		c = wrap(c)
	}
	db := sql.OpenDB(c)
	t.Cleanup(func() { db.Close() })
	b, err := postgres.NewSQL(t.Context(), db, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return b, db
}

const table = `CREATE TABLE IF NOT EXISTS t (id TEXT PRIMARY KEY, v BIGINT)`

func TestAHostOnDatabaseSQLDecidesAboutItsOwnTransaction(t *testing.T) {
	for _, commit := range []bool{true, false} {
		b, db := overSQL(t, pgtest.DSN(t), nil)
		if _, err := db.Exec(table); err != nil {
			t.Fatal(err)
		}
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(`INSERT INTO t (id) VALUES ('a')`); err != nil {
			t.Fatal(err)
		}
		ctx := b.WithSQLTx(t.Context(), tx)
		if err := tabletest.Insert(ctx, b, "b"); err != nil {
			t.Fatal(err)
		}
		failed := b.InTx(ctx, func(ctx context.Context) error { return tabletest.Insert(ctx, b, "a") })
		if !errors.Is(failed, storage.ErrConflict) {
			t.Errorf("a taken key answers %v, want ErrConflict", failed)
		}
		want := ""
		if commit {
			err, want = tx.Commit(), "ab"
		} else {
			err = tx.Rollback()
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := tabletest.IDs(t, b); got != want {
			t.Errorf("commit %v: stored %q, want %q", commit, got, want)
		}
		if err := tabletest.Insert(ctx, b, "late"); !errors.Is(err, storage.ErrTxDone) {
			t.Errorf("use after the host's end answers %v, want ErrTxDone", err)
		}
	}
}

func TestAHiddenErrorOverDatabaseSQLIsNotACommit(t *testing.T) {
	b, db := overSQL(t, pgtest.DSN(t), nil)
	if _, err := db.Exec(table); err != nil {
		t.Fatal(err)
	}
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		if err := tabletest.Insert(ctx, b, "a"); err != nil {
			return err
		}
		_ = tabletest.Insert(ctx, b, "a")
		return nil
	})
	if !errors.Is(err, storage.ErrConflict) {
		t.Errorf("InTx = %v, want the hidden ErrConflict", err)
	}
	err = b.InTx(t.Context(), func(ctx context.Context) error {
		_ = b.InTx(ctx, func(ctx context.Context) error {
			_ = tabletest.Exec(ctx, b, `INSERT INTO nowhere VALUES (1)`)
			return errOwn
		})
		return tabletest.Insert(ctx, b, "b")
	})
	if err != nil || tabletest.IDs(t, b) != "b" {
		t.Errorf("after an undone savepoint %q is stored, %v; want b", tabletest.IDs(t, b), err)
	}
}

func TestListsReachPostgresUnchanged(t *testing.T) {
	b, _ := overSQL(t, pgtest.DSN(t), nil)
	c, err := b.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	words := []string{"", "plain", `"quoted"`, `back\slash`, `\"`, "{a,b}", "NULL", "null", " space ", "new\nline", "emoji 🙂", "it's"}
	numbers := []int64{0, -1, 1 << 62}
	bytes := [][]byte{{}, {0, 1, 255}, []byte(`\x"`), nil}
	rows, err := c.Query(t.Context(), `SELECT w FROM unnest($1::text[]) WITH ORDINALITY AS x (w, i) ORDER BY i`, words)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for rows.Next() {
		var w string
		if err := rows.Scan(&w); err != nil {
			t.Fatal(err)
		}
		got = append(got, w)
	}
	if err := rows.Close(); err != nil || !slices.Equal(got, words) {
		t.Errorf("%q came back as %q, %v", words, got, err)
	}
	for i, n := range numbers {
		var got int64
		if err := storage.QueryRow(t.Context(), c, `SELECT ($1::bigint[])[$2::int]`, []any{numbers, i + 1}, &got); err != nil || got != n {
			t.Errorf("%d came back as %d, %v", n, got, err)
		}
	}
	for i, b := range bytes {
		var got []byte
		if err := storage.QueryRow(t.Context(), c, `SELECT ($1::bytea[])[$2::int]`, []any{bytes, i + 1}, &got); err != nil ||
			string(got) != string(b) || (got == nil) != (b == nil) {
			t.Errorf("%q came back as %q, %v", b, got, err)
		}
	}
}

func TestNoFaultUnderDatabaseSQLLeavesAChangeHalfDone(t *testing.T) {
	dsn := pgtest.DSN(t)
	clean := openDSN(t, dsn, postgres.Config{})
	fired, unknown := 0, 0
	for p := range faults.Sweep() {
		b, db := overSQL(t, dsn, p.Connector)
		p.Arm()
		err := tabletest.Change(t.Context(), b)
		p.Disarm()
		call, hit := p.Fired()
		if hit {
			fired++
		}
		stored := tabletest.IDs(t, clean)
		switch {
		case stored != "" && stored != "ab":
			t.Errorf("%v: %v: stored %q", p, call, stored)
		case err == nil && stored != "ab":
			t.Errorf("%v: %v: acknowledged and not stored", p, call)
		case errors.Is(err, storage.ErrCommitUnknown):
			unknown++
		case err != nil && stored != "":
			t.Errorf("%v: %v: stored, but the answer was %v", p, call, err)
		}
		if err := tabletest.Change(t.Context(), b); err != nil {
			t.Errorf("%v: %v: the repetition: %v", p, call, err)
		}
		if stored := tabletest.IDs(t, clean); stored != "ab" {
			t.Errorf("%v: %v: after the repetition %q is stored", p, call, stored)
		}
		db.Close()
		if err := clean.InTx(t.Context(), func(ctx context.Context) error { return tabletest.Exec(ctx, clean, `DELETE FROM t`) }); err != nil {
			t.Fatal(err)
		}
	}
	if fired < 25 || unknown < 4 {
		t.Errorf("%d faults, %d unknown commits: fewer than the change has", fired, unknown)
	}
	t.Logf("%d faults, %d unknown commits", fired, unknown)
}
