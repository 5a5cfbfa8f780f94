package sqlite_test

import (
	"context"
	"errors"
	"testing"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/faults"
	"github.com/lumelle/adminkit/storage/storagetest/tabletest"
	"github.com/lumelle/adminkit/storage/tenants"
)

// A group of three, of which the second fails by itself and is undone alone: what each
// is told when the commit of all goes wrong.
func TestAFailedCommitIsToldToEveryMember(t *testing.T) {
	parts := func(b *sqlite.Backend) []part {
		return []part{
			{fn: func(ctx context.Context) error { return tabletest.Insert(ctx, b, "a") }},
			{fn: func(ctx context.Context) error { return tabletest.Insert(ctx, b, "a") }},
			{fn: func(ctx context.Context) error { return tabletest.Insert(ctx, b, "c") }},
		}
	}
	// Which call commits, from a run without a fault.
	counting := faults.New(faults.Before, 0)
	b := open(t, file(t), sqlite.Config{Connector: counting.Connector})
	counting.Arm()
	answers := together(t, b, parts(b)...)
	if answers[0] != nil || !errors.Is(answers[1], storage.ErrConflict) || answers[2] != nil || tabletest.IDs(t, b) != "ac" {
		t.Fatalf("without a fault: %v, stored %q", answers, tabletest.IDs(t, b))
	}
	calls := counting.Count()

	for _, mode := range faults.Modes() {
		commit := faults.Call{}
		var p *faults.Plan
		path := ""
		for n := calls; n > 0 && commit.Op != faults.Commit; n-- { // reads at the end are no commit
			p = faults.New(mode, n)
			path = file(t)
			b = open(t, path, sqlite.Config{Connector: p.Connector})
			p.Arm()
			answers = together(t, b, parts(b)...)
			p.Disarm()
			commit, _ = p.Fired()
		}
		want, stored := storage.ErrCommitUnknown, ""
		switch mode {
		case faults.Before:
			want = storage.ErrUnavailable // the transaction was still open, and was rolled back
		case faults.After, faults.LostAfter:
			stored = "ac"
		}
		for _, i := range []int{0, 2} {
			if !errors.Is(answers[i], want) {
				t.Errorf("%v: member %d: %v, want %v", p, i, answers[i], want)
			}
		}
		// The second was undone for certain, but its conflict may never have been.
		if err := answers[1]; !errors.Is(err, storage.ErrUnavailable) || errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrCommitUnknown) {
			t.Errorf("%v: the member that had failed: %v, want ErrUnavailable alone", p, err)
		}
		if got := tabletest.IDs(t, open(t, path, sqlite.Config{})); got != stored {
			t.Errorf("%v: stored %q, want %q", p, got, stored)
		}
	}
}

// SQLite looks at deferred foreign keys when the group commits, and does not say whose was
// broken.
func TestABrokenDeferredKeyUndoesItsGroupAndIsToldToItsOwnerAlone(t *testing.T) {
	b := open(t, file(t), sqlite.Config{})
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		return tabletest.Exec(ctx, b, `CREATE TABLE child (of TEXT REFERENCES t (id) DEFERRABLE INITIALLY DEFERRED)`)
	})
	if err != nil {
		t.Fatal(err)
	}
	breaks := func(ctx context.Context) error {
		return tabletest.Exec(ctx, b, `INSERT INTO child (of) VALUES ('nobody')`)
	}
	answers := together(t, b,
		part{fn: func(ctx context.Context) error { return tabletest.Insert(ctx, b, "a") }},
		part{fn: breaks},
		part{fn: func(ctx context.Context) error { return tabletest.Insert(ctx, b, "a") }}, // rests on the first
	)
	for i, err := range answers {
		if !errors.Is(err, storage.ErrUnavailable) || errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrCommitUnknown) {
			t.Errorf("member %d: %v, want ErrUnavailable alone", i, err)
		}
	}
	if got := tabletest.IDs(t, b); got != "" {
		t.Errorf("stored %q, want nothing", got)
	}
	if err := b.InTx(t.Context(), breaks); err == nil || errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("alone: %v, want an error that repeating does not help", err)
	}
}

// Nobody may read on in a transaction that was begun although its beginning answered an
// error, as it may where a ctx ends beside it: that reads the same state for ever.
func TestASnapshotWhoseBeginningFailsLeavesNoReaderBehind(t *testing.T) {
	for _, mode := range faults.Modes() {
		for n := 1; n <= 3; n++ {
			p := faults.New(mode, n)
			b, err := sqlite.Open(t.Context(), file(t), sqlite.Config{Connector: p.Connector, Readers: 1})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { b.Close(context.Background()) })
			err = b.InTx(t.Context(), func(ctx context.Context) error {
				return tabletest.Exec(ctx, b, `CREATE TABLE t (id TEXT PRIMARY KEY, v BIGINT)`)
			})
			if got := tabletest.IDs(t, b); err != nil || got != "" { // its statement is prepared
				t.Fatal(got, err)
			}
			p.Arm()
			failed := b.Tenants().Rows(t.Context(), "acme", func(tenants.Table, []any) error { return nil })
			p.Disarm()
			call, _ := p.Fired()
			if failed == nil {
				t.Errorf("%v: %v: no error", p, call)
			}
			if err := b.InTx(t.Context(), func(ctx context.Context) error { return tabletest.Insert(ctx, b, "a") }); err != nil {
				t.Fatal(err)
			}
			if got := tabletest.IDs(t, b); got != "a" {
				t.Errorf("%v: %v: a read sees %q, want a", p, call, got)
			}
			if err := b.Tenants().Rows(t.Context(), "acme", func(tenants.Table, []any) error { return nil }); err != nil {
				t.Errorf("%v: %v: the next snapshot: %v", p, call, err)
			}
		}
	}
}

func TestRowsEndWithTheirTransaction(t *testing.T) {
	b := open(t, file(t), sqlite.Config{})
	var left storage.Rows
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		for _, id := range []string{"a", "b"} {
			if err := tabletest.Insert(ctx, b, id); err != nil {
				return err
			}
		}
		c, err := b.Conn(ctx)
		if err != nil {
			return err
		}
		left, err = c.Query(ctx, `SELECT id FROM t`)
		if err == nil && !left.Next() {
			t.Error("no row")
		}
		return err
	})
	if err != nil {
		t.Fatalf("a function that left rows open: %v", err)
	}
	var id string
	if left.Next() || left.Scan(&id) != storage.ErrTxDone || left.Err() != storage.ErrTxDone {
		t.Errorf("rows outlive their transaction: Err = %v", left.Err())
	}
	if err := left.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	if got := tabletest.IDs(t, b); got != "ab" {
		t.Errorf("stored %q, want ab", got)
	}
}

func TestAStatementThatFailsWhileItsRowsAreReadIsAnError(t *testing.T) {
	b := open(t, file(t), sqlite.Config{})
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		c, err := b.Conn(ctx)
		if err != nil {
			return err
		}
		rows, err := c.Query(ctx, `SELECT 1 UNION ALL SELECT json('{')`)
		if err != nil {
			return nil // at once, by another version of SQLite
		}
		for rows.Next() {
		}
		if rows.Err() == nil || rows.Close() == nil {
			t.Error("rows that ended early have no error")
		}
		return tabletest.Insert(ctx, b, "a") // the transaction is still there
	})
	if err != nil || tabletest.IDs(t, b) != "a" {
		t.Errorf("stored %q, %v; want a", tabletest.IDs(t, b), err)
	}
}
