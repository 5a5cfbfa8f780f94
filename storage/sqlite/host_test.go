package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/tabletest"
)

// hosted returns a Backend in a host's database.
func hosted(t *testing.T) (*sqlite.Backend, *sql.DB) {
	t.Helper()
	db := hostDB(t, file(t), nil)
	if _, err := db.Exec(`CREATE TABLE t (id TEXT PRIMARY KEY, v BIGINT)`); err != nil {
		t.Fatal(err)
	}
	b, err := sqlite.New(t.Context(), db, sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close(context.Background()) })
	return b, db
}

func TestTheHostDecidesAboutItsOwnTransaction(t *testing.T) {
	for _, commit := range []bool{true, false} {
		b, db := hosted(t)
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(`INSERT INTO t (id) VALUES ('a')`); err != nil {
			t.Fatal(err)
		}
		ctx := b.WithTx(t.Context(), tx)
		if err := tabletest.Insert(ctx, b, "b"); err != nil {
			t.Fatal(err)
		}
		if err := b.InTx(ctx, func(ctx context.Context) error { return tabletest.Insert(ctx, b, "c") }); err != nil {
			t.Fatal(err)
		}
		failed := b.InTx(ctx, func(ctx context.Context) error {
			if err := tabletest.Insert(ctx, b, "d"); err != nil {
				return err
			}
			return tabletest.Insert(ctx, b, "a")
		})
		if !errors.Is(failed, storage.ErrConflict) {
			t.Errorf("a taken key answers %v, want ErrConflict", failed)
		}
		if storage.AfterCommit(ctx, func() { t.Error("ran after the host's commit") }) {
			t.Error("AfterCommit promised to see the host's commit")
		}
		if _, err := tx.Exec(`INSERT INTO t (id) VALUES ('e')`); err != nil {
			t.Errorf("the host's transaction did not outlive a failed savepoint: %v", err)
		}
		want := ""
		if commit {
			err, want = tx.Commit(), "abce"
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
		if err := b.InTx(ctx, func(context.Context) error { return nil }); !errors.Is(err, storage.ErrTxDone) {
			t.Errorf("InTx after the host's end answers %v, want ErrTxDone", err)
		}
	}
}

// SQLite ends a host's transaction too when the disk is full. Its commit must then
// fail, or the host would take the loss for success.
func TestAHostLearnsThatSQLiteEndedItsTransaction(t *testing.T) {
	b, db := hosted(t)
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	var pages int
	if err := tx.QueryRow(`PRAGMA page_count`).Scan(&pages); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(fmt.Sprintf(`PRAGMA max_page_count = %d`, pages)); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(`INSERT INTO t (id) VALUES ('a')`); err != nil {
		t.Fatal(err)
	}
	ctx := b.WithTx(t.Context(), tx)
	if err := b.InTx(ctx, func(ctx context.Context) error { return fill(ctx, b, "b") }); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("a full database answers %v, want ErrUnavailable", err)
	}
	if err := tabletest.Insert(ctx, b, "c"); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("a statement after it answers %v, want ErrUnavailable", err)
	}
	if err := tx.Commit(); err == nil {
		t.Error("the host's commit succeeded")
	}
	if got := tabletest.IDs(t, b); got != "" {
		t.Errorf("stored %q, want nothing", got)
	}
}

func TestAPoolOfOneConnectionIsEnough(t *testing.T) {
	b, db := hosted(t)
	db.SetMaxOpenConns(1)
	for _, id := range []string{"a", "b"} {
		if err := b.InTx(t.Context(), func(ctx context.Context) error { return tabletest.Insert(ctx, b, id) }); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(`INSERT INTO t (id) VALUES ($1)`, id+id); err != nil {
			t.Fatal(err)
		}
	}
	if got := tabletest.IDs(t, b); got != "aaabbb" {
		t.Errorf("stored %q, want aaabbb", got)
	}
}

func TestAHostsPoolIsWaitedForNoLongerThanTheCtx(t *testing.T) {
	b, db := hosted(t)
	db.SetMaxOpenConns(1)
	held, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	insert := func(ctx context.Context) error { return tabletest.Insert(ctx, b, "a") }
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := b.InTx(ctx, insert); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("InTx = %v, want the end of its ctx", err)
	}
	answer := make(chan error)
	go func() { answer <- b.InTx(t.Context(), insert) }()
	for b.Waiting() == 0 {
		runtime.Gosched()
	}
	held.Close()
	if err := <-answer; err != nil {
		t.Error(err)
	}
	if got := tabletest.IDs(t, b); got != "a" {
		t.Errorf("stored %q, want a", got)
	}
}

func TestAHostsPoolThatStaysExhaustedIsUnavailable(t *testing.T) {
	db := hostDB(t, file(t), nil)
	b, err := sqlite.New(t.Context(), db, sqlite.Config{BusyTimeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	held, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := b.InTx(t.Context(), func(context.Context) error { return nil }); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("InTx = %v, want ErrUnavailable", err)
	}
}

func TestAForeignTransactionIsRefused(t *testing.T) {
	b := open(t, file(t), sqlite.Config{})
	other, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	another := open(t, file(t), sqlite.Config{})
	for name, tx := range map[string]storage.Transactor{"of memory": other, "of another file": another} {
		err := tx.InTx(t.Context(), func(ctx context.Context) error {
			if err := b.InTx(ctx, func(context.Context) error { return nil }); err != storage.ErrForeignTx {
				t.Errorf("InTx in a transaction %s = %v, want ErrForeignTx", name, err)
			}
			if _, err := b.Reader(ctx); err != storage.ErrForeignTx {
				t.Errorf("Reader in a transaction %s = %v, want ErrForeignTx", name, err)
			}
			return b.InTx(storage.Detach(ctx), func(ctx context.Context) error { return tabletest.Insert(ctx, b, name) })
		})
		if err != nil {
			t.Errorf("detached from a transaction %s: %v", name, err)
		}
	}
}

func TestConnNeedsATransaction(t *testing.T) {
	b := open(t, file(t), sqlite.Config{})
	if _, err := b.Conn(t.Context()); err != storage.ErrNoTx {
		t.Errorf("Conn = %v, want ErrNoTx", err)
	}
}

func TestAReaderDoesNotWrite(t *testing.T) {
	b := open(t, file(t), sqlite.Config{})
	c, err := b.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(t.Context(), `INSERT INTO t (id) VALUES ('a')`); err == nil {
		t.Error("the reader wrote outside of a transaction")
	}
}
