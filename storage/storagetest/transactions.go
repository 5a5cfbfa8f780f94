package storagetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"

	"github.com/lumelle/adminkit/storage"
)

var transactionRules = []rule{
	{"TX-001", "what one transaction wrote into all stores is there after its commit",
		"A governed change is a change, a decision, an audit record and messages. InTx has to commit all of them before it answers nil.",
		aStore, commitKeeps},
	{"TX-002", "a function that fails leaves nothing in any store, and its error comes back as it is",
		"Nothing half done: the first failing step takes every step before it along. Callers match the error with ==, so it must not be wrapped.",
		aStore, errorUndoes},
	{"TX-003", "a panic undoes the transaction and goes on",
		"A host's recovery middleware turns panics into answers. The change must be gone, and the next transaction must find a backend that works.",
		aStore, panicUndoes},
	{"TX-004", "a goroutine that ends inside a transaction undoes it",
		"runtime.Goexit (t.FailNow calls it) runs deferred functions only. A backend that cleans up after fn returned keeps its writer for ever.",
		aStore, goexitUndoes},
	{"TX-005", "a transaction sees its own writes",
		"A policy is checked against what the change just wrote; a store that reads from elsewhere sees the old state.",
		aStore, ownWritesAreSeen},
	{"TX-006", "nobody else sees what is not committed",
		"Workers would deliver messages of changes that are then rolled back.",
		aReader, othersSeeCommittedOnly},
	{"TX-007", "a nested transaction that fails undoes its own part only",
		"The recorded denial of a refused step stays although the step is undone. On Postgres a failed statement without a savepoint poisons the whole transaction.",
		aStore, savepointUndoesItsPart},
	{"TX-008", "a nested transaction that succeeded is undone with the outer one",
		"A savepoint is part of the transaction around it. One that commits by itself leaves half a change.",
		aStore, outerUndoesSavepoint},
	{"TX-009", "savepoints nest and are undone level by level",
		"Services call services. Each level may fail for itself.",
		aStore, savepointsNest},
	{"TX-010", "a ctx that outlived its transaction is refused",
		"A goroutine that kept the ctx would write outside of any transaction: silently, and for good. storage.ErrTxDone, never autocommit.",
		aStore, doneCtxIsRefused},
	{"TX-011", "a ctx that outlived its savepoint is refused",
		"After the savepoint was undone its writes would become part of the outer transaction, which did not ask for them. storage.ErrTxDone.",
		aStore, doneSavepointIsRefused},
	{"TX-012", "an outer ctx is refused while a savepoint is open inside it",
		"Its write would land in the savepoint and vanish with it, although the caller meant the outer transaction. storage.ErrTxBusy.",
		aStore, outerCtxIsRefused},
	{"TX-013", "two goroutines on one ctx are told so or served one after another, and no write is lost",
		"A transaction is one connection. Statements of two goroutines that interleave on it corrupt each other's answers. storage.ErrTxBusy.",
		aStore, concurrentUseIsSafe},
	{"TX-014", "a ctx that carries another backend's transaction is refused",
		"Two databases never take part in one change by accident. storage.ErrForeignTx, from stores and from InTx.",
		aStore, foreignCtxIsRefused},
	{"TX-015", "a ctx that is cancelled before the commit undoes the transaction",
		"The client has gone and will repeat the request. What it was not told about must not be there.",
		aStore, cancelUndoes},
	{"TX-016", "a function is not run for a ctx that is done",
		"Its first statement would fail anyway, after it may have had effects elsewhere.",
		aStore, doneCtxRunsNothing},
	{"TX-017", "AfterCommit runs once, after the writes can be seen, and not at all when they are undone",
		"Workers are woken with it. Woken too early they find nothing; woken for an undone change they find nothing either.",
		aStore, afterCommitRunsOnce},
	{"TX-018", "AfterCommit of a savepoint that was undone is forgotten",
		"What was registered belongs to the writes it was registered with.",
		aStore, afterCommitOfSavepoint},
	{"TX-019", "transactions from many goroutines are all kept",
		"Whatever a backend does to commit them together, each caller's nil is a promise.",
		aStore, concurrentTransactionsAreKept},
	{"TX-020", "a failure among concurrent transactions undoes that one only",
		"Where writers share a physical transaction, one member's error must not take its neighbours along, nor be outvoted by them.",
		aStore, neighboursAreKept},
	{"TX-021", "a closed backend refuses transactions and may be closed again",
		"A worker that is late at shutdown gets storage.ErrUnavailable, which it knows how to handle, not a panic.",
		aStore, closedRefuses},
	{"TX-022", "a backend that was closed and opened again has what was committed",
		"Durable means: after the process is gone.",
		aPlace, reopenKeeps},
	{"TX-023", "AfterCommit belongs to the level whose ctx registered it, wherever that was",
		"A service that keeps the ctx of the outer transaction registers inside a savepoint what goes with the outer writes. Those are committed, so it has to run although the savepoint was undone: nobody else wakes the worker.",
		aStore, afterCommitOfOuterCtx},
}

func commitKeeps(e *env) {
	tenant := e.tenant()
	e.must(e.b.InTx(e.ctx, func(ctx context.Context) error { return e.putAll(ctx, tenant, "a") }), "commit")
	e.expect(tenant, "a", true, "after the commit")
	e.expect(tenant, "b", false, "never written")
}

func errorUndoes(e *env) {
	tenant, boom := e.tenant(), errors.New("boom")
	runs := 0
	err := e.b.InTx(e.ctx, func(ctx context.Context) error {
		runs++
		if err := e.putAll(ctx, tenant, "a"); err != nil {
			return err
		}
		return boom
	})
	if err != boom {
		e.Errorf("got the error %v, want the function's own", err)
	}
	if runs != 1 {
		e.Errorf("the function ran %d times, want once", runs)
	}
	e.expect(tenant, "a", false, "after the error")
}

func panicUndoes(e *env) {
	tenant := e.tenant()
	func() {
		defer func() {
			if p := recover(); p != "boom" {
				e.Errorf("recovered %v, want the function's own panic", p)
			}
		}()
		_ = e.b.InTx(e.ctx, func(ctx context.Context) error {
			if err := e.putAll(ctx, tenant, "a"); err != nil {
				return err
			}
			panic("boom")
		})
		e.Errorf("InTx returned, want the panic")
	}()
	e.expect(tenant, "a", false, "after the panic")
}

func goexitUndoes(e *env) {
	tenant := e.tenant()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = e.b.InTx(e.ctx, func(ctx context.Context) error {
			if err := e.putAll(ctx, tenant, "a"); err != nil {
				return err
			}
			runtime.Goexit()
			return nil
		})
	}()
	<-ended
	e.expect(tenant, "a", false, "after the goroutine ended")
}

func ownWritesAreSeen(e *env) {
	tenant := e.tenant()
	err := e.b.InTx(e.ctx, func(ctx context.Context) error {
		for _, p := range e.probes {
			if err := p.put(ctx, tenant, "a"); err != nil {
				return err
			}
			found, err := p.has(ctx, tenant, "a")
			if err != nil {
				return err
			}
			if !found {
				e.Errorf("%s: the transaction does not see its own write", p.name)
			}
		}
		return nil
	})
	e.must(err, "commit")
}

func othersSeeCommittedOnly(e *env) {
	tenant := e.tenant()
	var readers sync.WaitGroup
	err := e.b.InTx(e.ctx, func(ctx context.Context) error {
		if err := e.putAll(ctx, tenant, "a"); err != nil {
			return err
		}
		for _, p := range e.probes {
			if !p.reads {
				continue
			}
			for name, outside := range map[string]context.Context{"another ctx": e.ctx, "a detached ctx": storage.Detach(ctx)} {
				readers.Go(func() {
					if seen, err := p.has(outside, tenant, "a"); seen || err != nil {
						e.Errorf("%s: with %s: got %t, %v, want nothing and no error", p.name, name, seen, err)
					}
				})
			}
		}
		if !e.readersWait {
			readers.Wait()
		}
		return errUndo
	})
	e.wantErr(err, errUndo, "the transaction")
	readers.Wait()
	e.must(e.b.InTx(e.ctx, func(ctx context.Context) error { return e.putAll(ctx, tenant, "b") }), "commit")
	for _, p := range e.probes {
		if !p.reads {
			continue
		}
		if seen, err := p.has(e.ctx, tenant, "b"); !seen || err != nil {
			e.Errorf("%s: after the commit: got %t, %v, want the record", p.name, seen, err)
		}
	}
}

func savepointUndoesItsPart(e *env) {
	tenant, boom := e.tenant(), errors.New("boom")
	err := e.b.InTx(e.ctx, func(ctx context.Context) error {
		if err := e.putAll(ctx, tenant, "before"); err != nil {
			return err
		}
		err := e.b.InTx(ctx, func(ctx context.Context) error {
			if err := e.putAll(ctx, tenant, "inside"); err != nil {
				return err
			}
			return boom
		})
		if err != boom {
			e.Errorf("the nested transaction answered %v, want the function's own error", err)
		}
		func() {
			defer func() { _ = recover() }()
			_ = e.b.InTx(ctx, func(ctx context.Context) error {
				if err := e.putAll(ctx, tenant, "panicked"); err != nil {
					return err
				}
				panic("boom")
			})
		}()
		return e.putAll(ctx, tenant, "behind")
	})
	e.must(err, "the outer transaction")
	e.expect(tenant, "before", true, "written before the savepoint")
	e.expect(tenant, "inside", false, "written inside the savepoint")
	e.expect(tenant, "panicked", false, "written inside the savepoint that panicked")
	e.expect(tenant, "behind", true, "written behind the savepoint")
}

func outerUndoesSavepoint(e *env) {
	tenant, boom := e.tenant(), errors.New("boom")
	err := e.b.InTx(e.ctx, func(ctx context.Context) error {
		if err := e.b.InTx(ctx, func(ctx context.Context) error { return e.putAll(ctx, tenant, "inside") }); err != nil {
			return err
		}
		return boom
	})
	e.wantErr(err, boom, "the outer transaction")
	e.expect(tenant, "inside", false, "after the outer transaction failed")
}

func savepointsNest(e *env) {
	tenant, boom := e.tenant(), errors.New("boom")
	err := e.b.InTx(e.ctx, func(ctx context.Context) error {
		err := e.b.InTx(ctx, func(ctx context.Context) error {
			if err := e.putAll(ctx, tenant, "first"); err != nil {
				return err
			}
			err := e.b.InTx(ctx, func(ctx context.Context) error {
				if err := e.putAll(ctx, tenant, "second"); err != nil {
					return err
				}
				return boom
			})
			e.wantErr(err, boom, "the second level")
			return e.b.InTx(ctx, func(ctx context.Context) error { return e.putAll(ctx, tenant, "third") })
		})
		if err != nil {
			return err
		}
		err = e.b.InTx(ctx, func(ctx context.Context) error {
			if err := e.b.InTx(ctx, func(ctx context.Context) error { return e.putAll(ctx, tenant, "fourth") }); err != nil {
				return err
			}
			return boom
		})
		e.wantErr(err, boom, "the level around the fourth")
		return nil
	})
	e.must(err, "the outer transaction")
	e.expect(tenant, "first", true, "kept")
	e.expect(tenant, "second", false, "undone by itself")
	e.expect(tenant, "third", true, "kept after its neighbour was undone")
	e.expect(tenant, "fourth", false, "undone with the level around it")
}

// refused asserts that a ctx gives no way to write, and that nothing was written.
func (e *env) refused(ctx context.Context, tenant string, want error, when string) {
	e.Helper()
	for _, p := range e.probes {
		e.wantErr(p.put(ctx, tenant, "late"), want, p.name+": a write "+when)
		_, err := p.has(ctx, tenant, "late")
		e.wantErr(err, want, p.name+": a read "+when)
	}
	ran := false
	err := e.b.InTx(ctx, func(context.Context) error { ran = true; return nil })
	e.wantErr(err, want, "a nested transaction "+when)
	if ran {
		e.Errorf("the function of a nested transaction ran %s", when)
	}
}

func doneCtxIsRefused(e *env) {
	tenant := e.tenant()
	for name, end := range map[string]error{"commit": nil, "rollback": errors.New("boom")} {
		var kept context.Context
		err := e.b.InTx(e.ctx, func(ctx context.Context) error { kept = ctx; return end })
		e.wantErr(err, end, "the transaction")
		e.refused(kept, tenant, storage.ErrTxDone, "after the "+name)
		e.refused(context.WithoutCancel(kept), tenant, storage.ErrTxDone, "after the "+name+", without cancel,")
	}
	e.expect(tenant, "late", false, "written with a ctx that outlived its transaction")
}

func doneSavepointIsRefused(e *env) {
	tenant := e.tenant()
	err := e.b.InTx(e.ctx, func(ctx context.Context) error {
		for name, end := range map[string]error{"release": nil, "undoing": errors.New("boom")} {
			var kept context.Context
			err := e.b.InTx(ctx, func(ctx context.Context) error { kept = ctx; return end })
			e.wantErr(err, end, "the savepoint")
			e.refused(kept, tenant, storage.ErrTxDone, "after the savepoint's "+name)
		}
		return e.putAll(ctx, tenant, "outer")
	})
	e.must(err, "the outer transaction")
	e.expect(tenant, "late", false, "written with a ctx that outlived its savepoint")
	e.expect(tenant, "outer", true, "written with the outer ctx")
}

func outerCtxIsRefused(e *env) {
	tenant := e.tenant()
	err := e.b.InTx(e.ctx, func(outer context.Context) error {
		return e.b.InTx(outer, func(ctx context.Context) error {
			e.refused(outer, tenant, storage.ErrTxBusy, "with the outer ctx")
			return e.putAll(ctx, tenant, "inner")
		})
	})
	e.must(err, "the transaction")
	e.expect(tenant, "late", false, "written with the outer ctx")
	e.expect(tenant, "inner", true, "written with the inner ctx")
}

func concurrentUseIsSafe(e *env) {
	const goroutines, tries = 4, 1000
	tenant := e.tenant()
	for _, p := range e.probes {
		var mu sync.Mutex
		var kept []string
		met := false
		err := e.b.InTx(e.ctx, func(ctx context.Context) error {
			for try := 0; try < tries && !met; try++ { // until two have met
				together(1, goroutines, func(g, _ int) {
					id := fmt.Sprintf("%d-%d", try, g)
					err := p.put(ctx, tenant, id)
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil:
						kept = append(kept, id)
					case errors.Is(err, storage.ErrTxBusy):
						met = true
					default:
						e.Errorf("%s: got %v, want nil or ErrTxBusy", p.name, err)
					}
				})
			}
			return nil
		})
		e.must(err, p.name+": the transaction")
		e.same(p, kept, func(id string) (string, string) { return tenant, id },
			func(string) bool { return true }, "each id that was answered nil")
	}
}

func foreignCtxIsRefused(e *env) {
	tenant, other := e.tenant(), e.fresh()
	err := other.InTx(e.ctx, func(ctx context.Context) error {
		e.refused(ctx, tenant, storage.ErrForeignTx, "in another backend's transaction")
		return nil
	})
	e.must(err, "the other backend's transaction")
	e.expect(tenant, "late", false, "written in another backend's transaction")
}

func cancelUndoes(e *env) {
	tenant := e.tenant()
	ctx, cancel := context.WithCancel(e.ctx)
	err := e.b.InTx(ctx, func(ctx context.Context) error {
		if err := e.putAll(ctx, tenant, "a"); err != nil {
			return err
		}
		cancel()
		return nil
	})
	e.wantErr(err, context.Canceled, "the transaction")
	e.expect(tenant, "a", false, "after the cancellation")
}

func doneCtxRunsNothing(e *env) {
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	ran := false
	err := e.b.InTx(ctx, func(context.Context) error { ran = true; return nil })
	e.wantErr(err, context.Canceled, "the transaction")
	if ran {
		e.Errorf("the function ran")
	}
}

func afterCommitRunsOnce(e *env) {
	tenant := e.tenant()
	runs := 0
	err := e.b.InTx(e.ctx, func(ctx context.Context) error {
		if err := e.putAll(ctx, tenant, "a"); err != nil {
			return err
		}
		for _, register := range []func(ctx context.Context) error{
			func(ctx context.Context) error {
				if !storage.AfterCommit(ctx, func() { runs++; e.expect(tenant, "a", true, "in AfterCommit") }) {
					e.Errorf("AfterCommit answered false in the backend's own transaction")
				}
				return nil
			},
		} {
			if err := register(ctx); err != nil {
				return err
			}
			if err := e.b.InTx(ctx, register); err != nil {
				return err
			}
		}
		if runs != 0 {
			e.Errorf("AfterCommit ran before the commit")
		}
		return nil
	})
	e.must(err, "the transaction")
	if runs != 2 {
		e.Errorf("AfterCommit ran %d functions, want the 2 that were registered", runs)
	}
	boom := errors.New("boom")
	err = e.b.InTx(e.ctx, func(ctx context.Context) error {
		storage.AfterCommit(ctx, func() { e.Errorf("AfterCommit ran although the transaction failed") })
		return boom
	})
	e.wantErr(err, boom, "the transaction that fails")
}

func afterCommitOfSavepoint(e *env) {
	boom := errors.New("boom")
	err := e.b.InTx(e.ctx, func(ctx context.Context) error {
		err := e.b.InTx(ctx, func(ctx context.Context) error {
			storage.AfterCommit(ctx, func() { e.Errorf("AfterCommit ran although its savepoint was undone") })
			return boom
		})
		e.wantErr(err, boom, "the savepoint")
		return nil
	})
	e.must(err, "the transaction")
}

func afterCommitOfOuterCtx(e *env) {
	boom := errors.New("boom")
	var ran []string
	after := func(ctx context.Context, name string) {
		if !storage.AfterCommit(ctx, func() { ran = append(ran, name) }) {
			e.Errorf("AfterCommit refused %q, whose level is open", name)
		}
	}
	err := e.b.InTx(e.ctx, func(outer context.Context) error {
		after(outer, "1")
		err := e.b.InTx(outer, func(undone context.Context) error {
			after(undone, "undone")
			after(outer, "2")
			err := e.b.InTx(undone, func(released context.Context) error {
				after(released, "released into what is undone")
				after(outer, "3")
				after(undone, "undone, from inside")
				return nil
			})
			e.must(err, "the savepoint inside the one that fails")
			after(outer, "4")
			return boom
		})
		e.wantErr(err, boom, "the savepoint that fails")
		after(outer, "5")
		return e.b.InTx(outer, func(kept context.Context) error {
			after(kept, "6")
			err := e.b.InTx(kept, func(undone context.Context) error {
				after(kept, "7")
				after(undone, "undone")
				return boom
			})
			e.wantErr(err, boom, "the savepoint inside the one that is kept")
			after(kept, "8")
			return nil
		})
	})
	e.must(err, "the transaction")
	if want := []string{"1", "2", "3", "4", "5", "6", "7", "8"}; !slices.Equal(ran, want) {
		e.Errorf("AfterCommit ran %q, want %q", ran, want)
	}
}

// writers and rounds size the rules about concurrency: enough for transactions to
// meet, few enough for a slow disk.
const writers, rounds = 8, 5

// together runs fn on several goroutines at the same time, round after round.
func together(rounds, goroutines int, fn func(goroutine, round int)) {
	for round := range rounds {
		start := make(chan struct{})
		var wg sync.WaitGroup
		for g := range goroutines {
			wg.Go(func() { <-start; fn(g, round) })
		}
		close(start)
		wg.Wait()
	}
}

// putSlowly is putAll that lets the other writers catch up before it returns.
func (e *env) putSlowly(ctx context.Context, tenant, id string) error {
	err := e.putAll(ctx, tenant, id)
	runtime.Gosched()
	return err
}

// written asserts that exactly the records of the writers that were told so are there.
func (e *env) written(tenant string, kept func(writer int) bool) {
	e.Helper()
	want := map[string]bool{}
	for w := range writers {
		for i := range rounds {
			want[fmt.Sprintf("%d-%d", w, i)] = kept(w)
		}
	}
	for _, p := range e.probes {
		e.same(p, slices.Sorted(maps.Keys(want)), func(id string) (string, string) { return tenant, id },
			func(id string) bool { return want[id] }, "what all writers were told")
	}
}

func concurrentTransactionsAreKept(e *env) {
	tenant := e.tenant()
	together(rounds, writers, func(w, i int) {
		err := e.b.InTx(e.ctx, func(ctx context.Context) error { return e.putSlowly(ctx, tenant, fmt.Sprintf("%d-%d", w, i)) })
		if err != nil {
			e.Errorf("writer %d: %v", w, err)
		}
	})
	e.written(tenant, func(int) bool { return true })
}

func neighboursAreKept(e *env) {
	tenant, boom := e.tenant(), errors.New("boom")
	together(rounds, writers, func(w, i int) {
		err := e.b.InTx(e.ctx, func(ctx context.Context) error {
			if err := e.putSlowly(ctx, tenant, fmt.Sprintf("%d-%d", w, i)); err != nil {
				return err
			}
			if w%2 == 1 {
				return boom
			}
			return nil
		})
		if w%2 == 1 && err != boom || w%2 == 0 && err != nil {
			e.Errorf("writer %d: got %v", w, err)
		}
	})
	e.written(tenant, func(w int) bool { return w%2 == 0 })
}

func closedRefuses(e *env) {
	b := e.fresh()
	e.must(b.Close(e.ctx), "close")
	ran := false
	err := b.InTx(e.ctx, func(context.Context) error { ran = true; return nil })
	e.wantErr(err, storage.ErrUnavailable, "a transaction after Close")
	if ran {
		e.Errorf("the function ran after Close")
	}
	e.must(b.Close(e.ctx), "close again")
}

func reopenKeeps(e *env) {
	open, tenant := e.shared(), e.tenant()
	b, err := open(e.ctx)
	e.must(err, "open")
	e.b, e.probes = b, probes(b)
	e.must(b.InTx(e.ctx, func(ctx context.Context) error { return e.putAll(ctx, tenant, "a") }), "commit")
	e.must(b.Close(e.ctx), "close")
	b, err = open(e.ctx)
	e.must(err, "open again")
	e.b, e.probes = b, probes(b)
	e.expect(tenant, "a", true, "after opening again")
	e.must(b.Close(e.ctx), "close")
}
