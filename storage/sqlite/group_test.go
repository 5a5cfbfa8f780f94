package sqlite_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	driversqlite "modernc.org/sqlite"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/faults"
	"github.com/lumelle/adminkit/storage/storagetest/tabletest"
)

var errOwn = errors.New("own")

// A part is what one member of a group does.
type part struct {
	ctx context.Context // of the test where nil
	fn  func(ctx context.Context) error
}

// together runs parts as members of one group, in this order, and returns what InTx
// answered to each. A part whose goroutine ended without an answer has errNoAnswer.
func together(t *testing.T, b *sqlite.Backend, parts ...part) []error {
	t.Helper()
	begun, proceed := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // keeps the committer busy, in a group that it ends by failing
		b.InTx(t.Context(), func(context.Context) error {
			close(begun)
			<-proceed
			return errOwn
		})
	})
	<-begun
	answers := make([]error, len(parts))
	for i, p := range parts {
		if p.ctx == nil {
			p.ctx = t.Context()
		}
		answers[i] = errNoAnswer
		wg.Go(func() {
			defer func() { recover() }()
			answers[i] = b.InTx(p.ctx, p.fn)
		})
		for b.Waiting() <= i {
			runtime.Gosched()
		}
	}
	close(proceed)
	wg.Wait()
	return answers
}

var errNoAnswer = errors.New("InTx did not return")

// letters returns the first n letters without the i-th.
func letters(n, i int) string {
	var s strings.Builder
	for j := range n {
		if j != i {
			s.WriteByte(byte('a' + j))
		}
	}
	return s.String()
}

func TestAMemberThatFailsIsUndoneAlone(t *testing.T) {
	const members = 4
	for _, failure := range []struct {
		name string
		fail func(ctx context.Context, cancel func()) error
		want error
	}{
		{"by an error", func(context.Context, func()) error { return errOwn }, errOwn},
		{"by a panic", func(context.Context, func()) error { panic("own") }, errNoAnswer},
		{"by leaving its goroutine", func(context.Context, func()) error { runtime.Goexit(); return nil }, errNoAnswer},
		{"by its cancelled ctx", func(_ context.Context, cancel func()) error { cancel(); return nil }, context.Canceled},
	} {
		for position := range members {
			t.Run(fmt.Sprintf("%s at %d", failure.name, position), func(t *testing.T) {
				b := open(t, file(t), sqlite.Config{})
				var parts []part
				for i := range members {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					parts = append(parts, part{ctx, func(ctx context.Context) error {
						if err := tabletest.Insert(ctx, b, string(rune('a'+i))); err != nil || i != position {
							return err
						}
						return failure.fail(ctx, cancel)
					}})
				}
				for i, err := range together(t, b, parts...) {
					if i == position && err != failure.want || i != position && err != nil {
						t.Errorf("member %d: %v", i, err)
					}
				}
				if got, want := tabletest.IDs(t, b), letters(members, position); got != want {
					t.Errorf("stored %q, want %q", got, want)
				}
			})
		}
	}
}

func TestAMemberCancelledWhileItWaitsDoesNotRun(t *testing.T) {
	b := open(t, file(t), sqlite.Config{})
	begun, proceed := make(chan struct{}), make(chan struct{})
	go b.InTx(t.Context(), func(context.Context) error {
		close(begun)
		<-proceed
		return nil
	})
	<-begun
	defer close(proceed)
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error)
	go func() {
		answer <- b.InTx(ctx, func(context.Context) error {
			t.Error("the function ran")
			return nil
		})
	}()
	for b.Waiting() == 0 {
		runtime.Gosched()
	}
	cancel()
	if err := <-answer; err != context.Canceled { // while the other still holds the group
		t.Errorf("InTx = %v, want context.Canceled", err)
	}
}

// full makes the next page that the writer needs one too many.
func full(t *testing.T, b *sqlite.Backend) {
	t.Helper()
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		c, err := b.Conn(ctx)
		if err != nil {
			return err
		}
		var pages int
		if err := storage.QueryRow(ctx, c, `PRAGMA page_count`, nil, &pages); err != nil {
			return err
		}
		_, err = c.Exec(ctx, fmt.Sprintf(`PRAGMA max_page_count = %d`, pages))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// fill inserts more than a page.
func fill(ctx context.Context, b *sqlite.Backend, id string) error {
	return tabletest.Insert(ctx, b, id+strings.Repeat("x", 100_000))
}

// SQLite answers a full disk by rolling back everything, savepoints included. What a
// member did before must not be told as done, and what one does afterwards must not
// commit by itself.
func TestAGroupThatSQLiteEndedTellsAllItsMembers(t *testing.T) {
	const members = 4
	for position := range members {
		for _, swallow := range []bool{false, true} {
			t.Run(fmt.Sprintf("full at %d, swallowed %v", position, swallow), func(t *testing.T) {
				b := open(t, file(t), sqlite.Config{})
				full(t, b)
				var parts []part
				for i := range members {
					parts = append(parts, part{fn: func(ctx context.Context) error {
						if i != position {
							return tabletest.Insert(ctx, b, string(rune('a'+i)))
						}
						err := fill(ctx, b, "z")
						if !errors.Is(err, storage.ErrUnavailable) {
							t.Errorf("a full database answers %v, want ErrUnavailable", err)
						}
						if err := tabletest.Insert(ctx, b, "after"); err == nil {
							t.Error("a statement was issued after SQLite had ended the transaction")
						}
						if swallow {
							return nil
						}
						return err
					}})
				}
				var acknowledged strings.Builder
				for i, err := range together(t, b, parts...) {
					switch {
					case i <= position && !errors.Is(err, storage.ErrUnavailable):
						t.Errorf("member %d: %v, want ErrUnavailable", i, err)
					case i > position && err != nil: // of the next group, on a connection of its own
						t.Errorf("member %d: %v", i, err)
					}
					if err == nil {
						acknowledged.WriteByte(byte('a' + i))
					}
				}
				if got := tabletest.IDs(t, b); got != acknowledged.String() {
					t.Errorf("stored %q, acknowledged %q", got, acknowledged.String())
				}
			})
		}
	}
}

// A conflict with a row that never came to be is no conflict.
func TestAnAnswerThatRestsOnUndoneRowsIsNotGiven(t *testing.T) {
	b := open(t, file(t), sqlite.Config{})
	full(t, b)
	answers := together(t, b,
		part{fn: func(ctx context.Context) error { return tabletest.Insert(ctx, b, "a") }},
		part{fn: func(ctx context.Context) error { return tabletest.Insert(ctx, b, "a") }},
		part{fn: func(ctx context.Context) error { return fill(ctx, b, "z") }},
	)
	for i, err := range answers {
		if !errors.Is(err, storage.ErrUnavailable) || errors.Is(err, storage.ErrConflict) {
			t.Errorf("member %d: %v, want ErrUnavailable", i, err)
		}
	}
}

func TestASavepointAroundAFullDiskDoesNotHideIt(t *testing.T) {
	b := open(t, file(t), sqlite.Config{})
	full(t, b)
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		if err := tabletest.Insert(ctx, b, "a"); err != nil {
			return err
		}
		if err := b.InTx(ctx, func(ctx context.Context) error { return fill(ctx, b, "b") }); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("the savepoint answers %v, want ErrUnavailable", err)
		}
		if err := tabletest.Insert(ctx, b, "c"); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("a statement after it answers %v, want ErrUnavailable", err)
		}
		return nil
	})
	if !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("InTx = %v, want ErrUnavailable", err)
	}
	if got := tabletest.IDs(t, b); got != "" {
		t.Errorf("stored %q, want nothing", got)
	}
}

// In a bubble time stands still while anybody computes or writes: only the function that hangs can run out of it.
func TestAFunctionThatHangsLosesItsTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for position := range 3 {
			b := open(t, file(t), sqlite.Config{TxTimeout: 30 * time.Millisecond})
			others := make(chan struct{})
			var parts []part
			for i := range 3 {
				parts = append(parts, part{fn: func(ctx context.Context) error {
					if err := tabletest.Insert(ctx, b, string(rune('a'+i))); err != nil {
						return err
					}
					if i == position {
						<-others
						if err := tabletest.Insert(ctx, b, "late"); !errors.Is(err, storage.ErrTxDone) {
							t.Errorf("a late statement answers %v, want ErrTxDone", err)
						}
					}
					return nil
				}})
			}
			// One that waits behind the hanging function, and lets it go when it is done.
			parts = append(parts, part{fn: func(ctx context.Context) error {
				defer close(others)
				return tabletest.Insert(ctx, b, "d")
			}})
			for i, err := range together(t, b, parts...) {
				if i == position && !errors.Is(err, storage.ErrTxDone) || i != position && err != nil {
					t.Errorf("hanging at %d, member %d: %v", position, i, err)
				}
			}
			if got, want := tabletest.IDs(t, b), letters(4, position); got != want {
				t.Errorf("hanging at %d: stored %q, want %q", position, got, want)
			}
		}
	})
}

func TestAStrayGoroutineDoesNotReachTheNextTransaction(t *testing.T) {
	b := open(t, file(t), sqlite.Config{})
	var stray context.Context
	inside, proceed, left := make(chan struct{}), make(chan struct{}), make(chan error)
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		go func() {
			left <- b.InTx(ctx, func(ctx context.Context) error {
				stray = ctx
				close(inside)
				<-proceed
				return nil
			})
		}()
		<-inside
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = b.InTx(t.Context(), func(ctx context.Context) error {
		return b.InTx(ctx, func(ctx context.Context) error {
			if err := tabletest.Insert(stray, b, "stray"); !errors.Is(err, storage.ErrTxDone) {
				t.Errorf("the ctx of a savepoint left behind answers %v, want ErrTxDone", err)
			}
			close(proceed)
			if err := <-left; !errors.Is(err, storage.ErrTxDone) {
				t.Errorf("the savepoint that was left behind answers %v, want ErrTxDone", err)
			}
			return tabletest.Insert(ctx, b, "a")
		})
	})
	if err != nil || tabletest.IDs(t, b) != "a" {
		t.Errorf("stored %q, %v; want a", tabletest.IDs(t, b), err)
	}
}

func TestATransactionServesOneStatementAfterAnother(t *testing.T) {
	b := open(t, file(t), sqlite.Config{})
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		if err := tabletest.Insert(ctx, b, "a"); err != nil {
			return err
		}
		c, err := b.Conn(ctx)
		if err != nil {
			return err
		}
		rows, err := c.Query(ctx, `SELECT id FROM t`)
		if err != nil {
			return err
		}
		if err := tabletest.Insert(ctx, b, "b"); err != storage.ErrTxBusy {
			t.Errorf("a statement while rows are open answers %v, want ErrTxBusy", err)
		}
		if err := rows.Close(); err != nil {
			return err
		}
		return b.InTx(ctx, func(inner context.Context) error {
			if err := tabletest.Insert(ctx, b, "b"); err != storage.ErrTxBusy {
				t.Errorf("a statement beside an open savepoint answers %v, want ErrTxBusy", err)
			}
			return tabletest.Insert(inner, b, "c")
		})
	})
	if err != nil || tabletest.IDs(t, b) != "ac" {
		t.Errorf("stored %q, %v; want ac", tabletest.IDs(t, b), err)
	}
}

func TestWhatRunsAfterTheCommitIsForgottenWithItsSavepoint(t *testing.T) {
	b := open(t, file(t), sqlite.Config{})
	var ran []string
	after := func(ctx context.Context, name string) {
		if !storage.AfterCommit(ctx, func() { ran = append(ran, name+tabletest.IDs(t, b)) }) {
			t.Errorf("%s was refused", name)
		}
	}
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		after(ctx, "outer")
		b.InTx(ctx, func(ctx context.Context) error { after(ctx, "undone"); return errOwn })
		b.InTx(ctx, func(ctx context.Context) error { after(ctx, "kept"); return nil })
		return tabletest.Insert(ctx, b, "!")
	})
	if want := []string{"outer!", "kept!"}; err != nil || !slices.Equal(ran, want) {
		t.Errorf("ran %q, %v; want %q", ran, err, want)
	}
	ran = nil
	b.InTx(t.Context(), func(ctx context.Context) error { after(ctx, "rolled back"); return errOwn })
	if ran != nil {
		t.Errorf("%q ran after a rollback", ran)
	}
}

func TestALockedDatabaseIsWaitedForAWhile(t *testing.T) {
	path := file(t)
	first := open(t, path, sqlite.Config{})
	second := open(t, path, sqlite.Config{BusyTimeout: 30 * time.Millisecond})
	err := first.InTx(t.Context(), func(ctx context.Context) error {
		err := second.InTx(t.Context(), func(context.Context) error { return nil })
		if !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("InTx beside another process' transaction = %v, want ErrUnavailable", err)
		}
		return tabletest.Insert(ctx, first, "a")
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.InTx(t.Context(), func(ctx context.Context) error { return tabletest.Insert(ctx, second, "b") }); err != nil {
		t.Errorf("InTx after the lock was given back: %v", err)
	}
	if got := tabletest.IDs(t, first); got != "ab" {
		t.Errorf("stored %q, want ab", got)
	}
}

// Who comes while another one waits has a wait of its own.
func TestWhoComesWhileAnotherWaitsIsWaitedWithForAsLong(t *testing.T) {
	for _, own := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			const busy = time.Second
			path := file(t)
			var waiting *sqlite.Backend
			var take func() (giveBack func())
			if own { // what is waited for is the lock of another process
				other := open(t, path, sqlite.Config{})
				waiting = open(t, path, sqlite.Config{BusyTimeout: busy})
				take = func() func() {
					begun, end, over := make(chan struct{}), make(chan struct{}), make(chan error)
					go func() {
						over <- other.InTx(t.Context(), func(context.Context) error {
							close(begun)
							<-end
							return nil
						})
					}()
					<-begun
					return func() {
						close(end)
						<-over
					}
				}
			} else { // or the one connection of a host's pool
				db := hostDB(t, path, nil)
				db.SetMaxOpenConns(1)
				var err error
				if waiting, err = sqlite.New(t.Context(), db, sqlite.Config{BusyTimeout: busy}); err != nil {
					t.Fatal(err)
				}
				defer waiting.Close(context.Background())
				take = func() func() {
					c, err := db.Conn(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					return func() { c.Close() }
				}
			}
			giveBack := take()
			answer := func() <-chan error {
				c := make(chan error, 1)
				go func() { c <- waiting.InTx(t.Context(), func(context.Context) error { return nil }) }()
				return c
			}
			first := answer()
			time.Sleep(busy * 9 / 10)
			second := answer()
			time.Sleep(busy * 3 / 10)
			giveBack()
			if err := <-first; !errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("own %v: InTx = %v after %s, want ErrUnavailable", own, err, busy)
			}
			if err := <-second; err != nil {
				t.Errorf("own %v: InTx = %v for who has waited for less than %s", own, err, busy)
			}
		})
	}
}

func TestTwoProcessesShareAFile(t *testing.T) {
	path := file(t)
	var wg sync.WaitGroup
	const each = 50
	for range 2 {
		b := open(t, path, sqlite.Config{})
		for range 4 {
			wg.Go(func() {
				for range each {
					if err := b.InTx(t.Context(), func(ctx context.Context) error { return tabletest.Insert(ctx, b, storage.NewID()) }); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	if n := tabletest.Count(t, open(t, path, sqlite.Config{})); n != 8*each {
		t.Errorf("%d rows stored, want %d", n, 8*each)
	}
}

func TestCloseWaitsForWhatIsQueuedAndRefusesTheRest(t *testing.T) {
	b := open(t, file(t), sqlite.Config{})
	begun, proceed := make(chan struct{}), make(chan struct{})
	answer := make(chan error)
	go func() {
		answer <- b.InTx(t.Context(), func(ctx context.Context) error {
			close(begun)
			<-proceed
			return tabletest.Insert(ctx, b, "a")
		})
	}()
	<-begun
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := b.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close beside a transaction = %v, want DeadlineExceeded", err)
	}
	if err := b.InTx(t.Context(), func(context.Context) error { return nil }); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("InTx after Close = %v, want ErrUnavailable", err)
	}
	close(proceed)
	if err := <-answer; err != nil {
		t.Errorf("the transaction that Close waited for: %v", err)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Errorf("Close = %v", err)
	}
	if err := b.Ping(t.Context()); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("Ping after Close = %v, want ErrUnavailable", err)
	}
}

// A handler of signals closes the Backend, and so does the defer of what it stops.
func TestTwoMayCloseAtTheSameTime(t *testing.T) {
	for range 10 {
		b := open(t, file(t), sqlite.Config{})
		begun, proceed := make(chan struct{}), make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			err := b.InTx(t.Context(), func(ctx context.Context) error {
				close(begun)
				<-proceed
				return tabletest.Insert(ctx, b, "a")
			})
			if err != nil {
				t.Errorf("the transaction that both wait for: %v", err)
			}
		})
		<-begun
		for range 2 {
			wg.Go(func() {
				if err := b.Close(t.Context()); err != nil {
					t.Errorf("Close beside another one = %v", err)
				}
			})
		}
		close(proceed)
		wg.Wait()
	}
}

func TestNoFaultLeavesAChangeHalfDone(t *testing.T) {
	for _, own := range []bool{true, false} {
		fired, unknown := 0, 0
		for p := range faults.Sweep() {
			path := file(t)
			clean := open(t, path, sqlite.Config{})
			b := faulty(t, path, p, own)
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
			case err != nil && !errors.Is(err, faults.ErrInjected) && !errors.Is(err, storage.ErrUnavailable):
				t.Errorf("%v: %v: %v", p, call, err)
			}
			if err := tabletest.Change(t.Context(), b); err != nil {
				t.Errorf("%v: %v: the repetition: %v", p, call, err)
			}
			if stored := tabletest.IDs(t, clean); stored != "ab" {
				t.Errorf("%v: %v: after the repetition %q is stored", p, call, stored)
			}
		}
		// Of the four ways in which the commit fails one is certain: the transaction is
		// still open.
		if fired < 30 || unknown != 3 {
			t.Errorf("own connections %v: %d faults, %d unknown commits; want 30 at least, and 3", own, fired, unknown)
		}
		t.Logf("own connections %v: %d faults, %d unknown commits", own, fired, unknown)
	}
}

// The answers of a group that could not begin go out one after another. Who hears his and asks
// again at once must not be given the same answer for it.
func TestWhoAsksAgainAfterAGroupThatCouldNotBeginIsTriedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var door doorway
		db := hostDB(t, file(t), door.connector)
		db.SetMaxIdleConns(-1) // each group opens a connection of its own
		b, err := sqlite.New(t.Context(), db, sqlite.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close(context.Background())
		for range 20 {
			proceed := door.failOnce()
			var wg sync.WaitGroup
			for range 64 {
				wg.Go(func() {
					nothing := func(context.Context) error { return nil }
					if err := b.InTx(t.Context(), nothing); !errors.Is(err, errShut) {
						t.Errorf("InTx in a group that gets no connection = %v, want what the driver said", err)
					}
					if err := b.InTx(t.Context(), nothing); err != nil {
						t.Errorf("InTx once connections are to be had = %v", err)
					}
				})
			}
			synctest.Wait() // all are in the queue
			close(proceed)
			wg.Wait()
			if t.Failed() {
				return
			}
		}
	})
}

// errShut is what a doorway says that fails.
var errShut = errors.New("the doorway is shut")

// A doorway wraps a connector. The next connection after failOnce waits to be told, and fails.
type doorway struct {
	driver.Connector
	fails atomic.Pointer[chan struct{}]
}

func (d *doorway) connector(c driver.Connector) driver.Connector {
	d.Connector = c
	return d
}

func (d *doorway) failOnce() (proceed chan struct{}) {
	proceed = make(chan struct{})
	d.fails.Store(&proceed)
	return proceed
}

// Connect implements driver.Connector.
func (d *doorway) Connect(ctx context.Context) (driver.Conn, error) {
	if proceed := d.fails.Swap(nil); proceed != nil {
		<-*proceed
		return nil, errShut
	}
	return d.Connector.Connect(ctx)
}

// commitOf returns which call of the change is its commit.
func commitOf(t *testing.T) int {
	t.Helper()
	p := faults.New(faults.Before, 0)
	b := faulty(t, file(t), p, false)
	if err := b.InTx(t.Context(), func(ctx context.Context) error {
		return tabletest.Exec(ctx, b, `CREATE TABLE t (id TEXT PRIMARY KEY, v BIGINT)`)
	}); err != nil {
		t.Fatal(err)
	}
	p.Arm()
	if err := tabletest.Change(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return p.Count()
}

func TestAHostDoesNotGetAConnectionBackInATransaction(t *testing.T) {
	p := faults.New(faults.Before, commitOf(t))
	path := file(t)
	clean := open(t, path, sqlite.Config{})
	db := hostDB(t, path, p.Connector)
	db.SetMaxOpenConns(1)
	b, err := sqlite.New(t.Context(), db, sqlite.Config{NoMigrate: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Ping(t.Context()); err != nil { // connects
		t.Fatal(err)
	}
	p.Arm()
	err = tabletest.Change(t.Context(), b)
	p.Disarm()
	if call, _ := p.Fired(); call.Op != faults.Commit || !errors.Is(err, storage.ErrUnavailable) {
		t.Fatalf("%v failed and the change answers %v; want the commit, and ErrUnavailable", call, err)
	}
	if _, err := db.Exec(`INSERT INTO t (id) VALUES ('host')`); err != nil {
		t.Fatal(err)
	}
	if got := tabletest.IDs(t, clean); got != "host" {
		t.Errorf("stored %q, want host: what the host wrote on its own", got)
	}
}

// faulty returns a Backend on path with the faults of p: with connections of its own
// or in a host's database.
func faulty(t *testing.T, path string, p *faults.Plan, own bool) *sqlite.Backend {
	t.Helper()
	if own {
		return open(t, path, sqlite.Config{Connector: p.Connector})
	}
	b, err := sqlite.New(t.Context(), hostDB(t, path, p.Connector), sqlite.Config{NoMigrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close(context.Background()) })
	return b
}

// hostDB returns a host's own pool for path.
func hostDB(t *testing.T, path string, wrap func(driver.Connector) driver.Connector) *sql.DB {
	t.Helper()
	db, err := hostOf(path, "", wrap)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// hostOf opens a host's own pool for path, with more parameters of the driver.
func hostOf(path, parameters string, wrap func(driver.Connector) driver.Connector) (*sql.DB, error) {
	c, err := driversqlite.NewConnector("file:" + path + "?_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)&_pragma=journal_mode(wal)&_txlock=immediate" + parameters)
	if err != nil {
		return nil, err
	}
	if wrap != nil {
		c = wrap(c)
	}
	return sql.OpenDB(c), nil
}

func TestAFunctionThatHangsAloneDoesNotKeepOthersWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, file(t), sqlite.Config{TxTimeout: 30 * time.Millisecond})
		begun, proceed, answer := make(chan struct{}), make(chan struct{}), make(chan error)
		go func() {
			answer <- b.InTx(t.Context(), func(ctx context.Context) error {
				if err := tabletest.Insert(ctx, b, "a"); err != nil {
					return err
				}
				close(begun)
				<-proceed
				return tabletest.Insert(ctx, b, "late")
			})
		}()
		<-begun
		if err := b.InTx(t.Context(), func(ctx context.Context) error { return tabletest.Insert(ctx, b, "b") }); err != nil {
			t.Error(err)
		}
		close(proceed)
		if err := <-answer; !errors.Is(err, storage.ErrTxDone) {
			t.Errorf("the function that hung answers %v, want ErrTxDone", err)
		}
		if got := tabletest.IDs(t, b); got != "b" {
			t.Errorf("stored %q, want b", got)
		}
	})
}
