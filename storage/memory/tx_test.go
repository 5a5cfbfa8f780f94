package memory

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lumelle/adminkit/storage"
)

func TestRollbackRunsWhatWasRegisteredLastFirst(t *testing.T) {
	b := newBackend(t, Config{})
	boom := errors.New("boom")
	var ran []string
	undo := func(ctx context.Context, name string) {
		if err := b.OnRollback(ctx, func() { ran = append(ran, name) }); err != nil {
			t.Error(err)
		}
	}
	run := func(outer, inner error) {
		t.Helper()
		ran = nil
		err := b.InTx(t.Context(), func(ctx context.Context) error {
			undo(ctx, "first")
			err := b.InTx(ctx, func(ctx context.Context) error {
				undo(ctx, "inner first")
				undo(ctx, "inner second")
				return inner
			})
			if !errors.Is(err, inner) {
				t.Errorf("got %v, want %v", err, inner)
			}
			undo(ctx, "last")
			return outer
		})
		if !errors.Is(err, outer) {
			t.Errorf("got %v, want %v", err, outer)
		}
	}
	for _, tc := range []struct {
		name         string
		outer, inner error
		want         []string
	}{
		{"nothing is undone after a commit", nil, nil, nil},
		{"a savepoint undoes its own part", nil, boom, []string{"inner second", "inner first"}},
		{"the transaction undoes all", boom, nil, []string{"last", "inner second", "inner first", "first"}},
		{"what a savepoint has undone is not undone again", boom, boom, []string{"inner second", "inner first", "last", "first"}},
	} {
		run(tc.outer, tc.inner)
		if !slices.Equal(ran, tc.want) {
			t.Errorf("%s: ran %q, want %q", tc.name, ran, tc.want)
		}
	}
}

func TestRollbackRunsOnPanicToo(t *testing.T) {
	b := newBackend(t, Config{})
	ran := false
	func() {
		defer func() { _ = recover() }()
		_ = b.InTx(t.Context(), func(ctx context.Context) error {
			if err := b.OnRollback(ctx, func() { ran = true }); err != nil {
				t.Error(err)
			}
			panic("boom")
		})
	}()
	if !ran {
		t.Error("what was registered did not run")
	}
}

func TestAPanicOfWhatRunsAfterARollbackIsTheCallersAlone(t *testing.T) {
	b := newBackend(t, Config{})
	func() {
		defer func() {
			if r := recover(); r != "own" {
				t.Errorf("recovered %v, want the function's panic", r)
			}
		}()
		b.InTx(t.Context(), func(ctx context.Context) error {
			if err := b.OnRollback(ctx, func() { panic("own") }); err != nil {
				t.Error(err)
			}
			return errors.New("own error")
		})
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := b.InTx(ctx, func(context.Context) error { return nil }); err != nil {
		t.Errorf("the transaction after it: %v", err)
	}
}

func TestOnRollbackNeedsATransactionThatRuns(t *testing.T) {
	b := newBackend(t, Config{})
	never := func() { t.Error("ran") }
	if err := b.OnRollback(t.Context(), never); !errors.Is(err, storage.ErrNoTx) {
		t.Errorf("without a transaction: got %v, want ErrNoTx", err)
	}
	var kept context.Context
	if err := b.InTx(t.Context(), func(ctx context.Context) error { kept = ctx; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := b.OnRollback(kept, never); !errors.Is(err, storage.ErrTxDone) {
		t.Errorf("after the end: got %v, want ErrTxDone", err)
	}
	if err := newBackend(t, Config{}).OnRollback(kept, never); !errors.Is(err, storage.ErrForeignTx) {
		t.Errorf("of another backend: got %v, want ErrForeignTx", err)
	}
}

// A goroutine that a function left behind writes into a savepoint of its own. It must
// lose its handle when the transaction ends, and not meet the next one.
func TestGoroutineLeftBehindLosesItsTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t, Config{})
		opened, ended := make(chan struct{}), make(chan struct{})
		stray := make(chan error, 1)
		err := b.InTx(t.Context(), func(ctx context.Context) error {
			go func() {
				stray <- b.InTx(ctx, func(ctx context.Context) error {
					close(opened)
					<-ended
					return insert(ctx, b, note{"stray", 1})
				})
			}()
			<-opened
			return nil
		})
		if !errors.Is(err, storage.ErrTxBusy) {
			t.Errorf("commit under an open savepoint: got %v, want ErrTxBusy", err)
		}
		close(ended)
		if err := <-stray; !errors.Is(err, storage.ErrTxDone) {
			t.Errorf("the stray: got %v, want ErrTxDone", err)
		}
		if got := ids(t, t.Context(), b, 0); len(got) != 0 {
			t.Errorf("got %v, want nothing", got)
		}
	})
}

func TestWaitForTheWriterEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t, Config{})
		err := b.InTx(t.Context(), func(ctx context.Context) error {
			detached, cancel := context.WithTimeout(storage.Detach(ctx), time.Minute)
			defer cancel()
			err := b.InTx(detached, func(context.Context) error { t.Error("ran"); return nil })
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want DeadlineExceeded", err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestCloseWaitsForTheTransactionThatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t, Config{})
		running, finish := make(chan struct{}), make(chan struct{})
		done := make(chan error, 1)
		go func() {
			done <- b.InTx(t.Context(), func(ctx context.Context) error {
				close(running)
				<-finish
				return insert(ctx, b, note{"a", 1})
			})
		}()
		<-running
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Close(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: got %v, want DeadlineExceeded", err)
		}
		close(finish)
		if err := <-done; err != nil {
			t.Errorf("the transaction that ran: got %v, want nil", err)
		}
		for name, call := range map[string]func() error{
			"InTx":  func() error { return b.InTx(t.Context(), func(context.Context) error { return nil }) },
			"read":  func() error { return b.read(t.Context(), "notes.List", func(view) error { return nil }) },
			"write": func() error { return insert(t.Context(), b, note{"b", 2}) },
			"Ping":  func() error { return b.Ping(t.Context()) },
		} {
			if err := call(); !errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("%s after Close: got %v, want ErrUnavailable", name, err)
			}
		}
	})
}

// Every call of a change fails once, before it took effect and after. The change is
// whole or absent, and what was answered agrees with what is stored.
func TestFaultsLeaveAChangeWholeOrAbsent(t *testing.T) {
	lost := errors.New("lost")
	change := func(ctx context.Context, b *Backend) error {
		return b.InTx(ctx, func(ctx context.Context) error {
			if err := insert(ctx, b, note{"a", 1}); err != nil {
				return err
			}
			return b.InTx(ctx, func(ctx context.Context) error { return insert(ctx, b, note{"b", 2}) })
		})
	}
	want := []string{CallBegin, "notes.Insert", CallSavepoint, "notes.Insert", CallRelease, CallCommit}
	var calls []string
	counting := newBackend(t, Config{Before: func(_ context.Context, call string) error { calls = append(calls, call); return nil }})
	if err := change(t.Context(), counting); err != nil || !slices.Equal(calls, want) {
		t.Fatalf("got the calls %q, %v, want %q", calls, err, want)
	}
	for _, after := range []bool{false, true} {
		for n := range want {
			count := 0
			fail := func(context.Context, string) error {
				if count++; count == n+1 {
					return lost
				}
				return nil
			}
			config := Config{Before: fail}
			if after {
				config = Config{After: fail}
			}
			b := newBackend(t, config)
			err := change(t.Context(), b)
			if !errors.Is(err, lost) {
				t.Errorf("call %d (%s), after its effect %t: got %v, want the fault", n, want[n], after, err)
			}
			stored := len(b.stored(t))
			switch {
			case after && want[n] == CallCommit:
				if stored != 2 || !errors.Is(err, storage.ErrCommitUnknown) {
					t.Errorf("after the commit: got %d rows, %v, want both rows and ErrCommitUnknown", stored, err)
				}
			case stored != 0:
				t.Errorf("call %d (%s), after its effect %t: got %d rows, want none", n, want[n], after, stored)
			}
		}
	}
}

// stored returns the committed rows past the hooks.
func (b *Backend) stored(t *testing.T) []string {
	t.Helper()
	var got []string
	for n := range notes.ascend(view{base: b.committed.Load()}, 0, note{}) {
		got = append(got, n.id)
	}
	return got
}

func TestReadsFailTooWhenTheirHookSaysSo(t *testing.T) {
	lost := errors.New("lost")
	for name, config := range map[string]Config{
		"before": {Before: func(_ context.Context, call string) error { return only(call, "notes.List", lost) }},
		"after":  {After: func(_ context.Context, call string) error { return only(call, "notes.List", lost) }},
	} {
		b := newBackend(t, config)
		if err := b.read(t.Context(), "notes.List", func(view) error { return nil }); !errors.Is(err, lost) {
			t.Errorf("%s: got %v, want the fault", name, err)
		}
		if err := insert(t.Context(), b, note{"a", 1}); err != nil {
			t.Errorf("%s: another call: got %v, want nil", name, err)
		}
	}
}

func only(call, fails string, err error) error {
	if call == fails {
		return err
	}
	return nil
}

func TestFailedWriteLeavesNothingInItsTransaction(t *testing.T) {
	b := newBackend(t, Config{})
	boom := errors.New("boom")
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		err := b.write(ctx, "notes.Half", func(v view) error {
			notes.put(v, note{"half", 1})
			return boom
		})
		if !errors.Is(err, boom) {
			t.Errorf("got %v, want boom", err)
		}
		return insert(ctx, b, note{"whole", 2})
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := b.stored(t); !slices.Equal(got, []string{"whole"}) {
		t.Errorf("got %v, want whole", got)
	}
}

func TestAfterCommitOnACtxThatHasEndedIsRefused(t *testing.T) {
	b := newBackend(t, Config{})
	var kept context.Context
	if err := b.InTx(t.Context(), func(ctx context.Context) error { kept = ctx; return nil }); err != nil {
		t.Fatal(err)
	}
	if storage.AfterCommit(kept, func() { t.Error("ran") }) {
		t.Error("got true, want false")
	}
}

func TestAfterCommitFromManyGoroutinesIsKept(t *testing.T) {
	b := newBackend(t, Config{})
	ran := 0
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { storage.AfterCommit(ctx, func() { ran++ }) })
		}
		wg.Wait()
		return nil
	})
	if err != nil || ran != 8 {
		t.Errorf("ran %d functions, %v, want 8", ran, err)
	}
}
