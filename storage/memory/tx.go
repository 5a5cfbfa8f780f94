package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lumelle/adminkit/storage"
)

// A tx is the handle of one transaction or of one savepoint inside it. Each InTx
// makes its own, so that a ctx which outlives its savepoint is told from one that
// is still good.
type tx struct {
	b      *Backend
	parent *tx // nil in the outermost
	shared *shared

	// own holds the trees that this level changed, by table.
	own snapshot

	// ended is set under shared.call, when the level is committed or undone.
	ended atomic.Bool
	// child is the savepoint that is open on top of the level, under shared.call.
	child *tx

	// Under shared.hooks.
	commits   []func()
	rollbacks []func()
}

// shared is what the levels of one transaction have in common.
type shared struct {
	// base is the committed state the transaction began on.
	base *snapshot
	// call is held while a call runs. Calls only try it: a transaction serves one
	// after another. Whoever ends a level waits for it, so that a goroutine that was
	// left behind never meets the next transaction.
	call sync.Mutex
	// hooks guards the functions registered for the end.
	hooks sync.Mutex
}

var _ storage.Tx = (*tx)(nil)

// Owner implements storage.Tx.
func (t *tx) Owner() any { return t.b }

// AfterCommit implements storage.Tx. What a savepoint registered is forgotten when
// the savepoint is rolled back. It answers false on a handle that has ended.
func (t *tx) AfterCommit(fn func()) bool {
	t.shared.hooks.Lock()
	defer t.shared.hooks.Unlock()
	if t.ended.Load() {
		return false
	}
	t.commits = append(t.commits, fn)
	return true
}

// enter claims the transaction for one call; leave gives it back. It finds calls
// from two goroutines, and calls on an outer ctx while a savepoint is open, which
// would silently become part of that savepoint.
func (t *tx) enter() error {
	if !t.shared.call.TryLock() {
		return storage.ErrTxBusy
	}
	switch {
	case t.ended.Load():
		t.shared.call.Unlock()
		return storage.ErrTxDone
	case t.child != nil:
		t.shared.call.Unlock()
		return storage.ErrTxBusy
	}
	return nil
}

func (t *tx) leave() { t.shared.call.Unlock() }

// level returns a new level on top of t.
func (t *tx) level() *tx {
	return &tx{b: t.b, parent: t, shared: t.shared}
}

// merge makes the work of a level part of the one below it.
func (t *tx) merge() {
	p := t.parent
	if p.own == nil {
		p.own = t.own
	} else {
		maps.Copy(p.own, t.own)
	}
	t.shared.hooks.Lock()
	defer t.shared.hooks.Unlock()
	p.commits = append(p.commits, t.commits...)
	p.rollbacks = append(p.rollbacks, t.rollbacks...)
}

// end marks t, and the savepoints that a goroutine left open on top of it, as ended.
// The caller holds shared.call.
func (t *tx) end() {
	for l := t; l != nil; l = l.child {
		l.ended.Store(true)
	}
	if t.parent != nil {
		t.parent.child = nil
	}
}

// undo ends the level and runs what was registered with OnRollback, last first. The
// rows need no undoing: the level's trees are dropped with it.
func (t *tx) undo() {
	t.shared.call.Lock()
	t.end()
	t.shared.call.Unlock()
	_, rollbacks := t.registered()
	for _, fn := range slices.Backward(rollbacks) {
		fn()
	}
}

// registered returns the functions to run at the end of a level that has ended.
func (t *tx) registered() (commits, rollbacks []func()) {
	t.shared.hooks.Lock()
	defer t.shared.hooks.Unlock()
	return t.commits, t.rollbacks
}

// current returns the transaction that ctx carries for b, nil where there is none.
func (b *Backend) current(ctx context.Context) (*tx, error) {
	h, err := storage.TxFor(ctx, b)
	if h == nil || err != nil {
		return nil, err
	}
	return h.(*tx), nil
}

// required is current for what cannot do without a transaction.
func (b *Backend) required(ctx context.Context) (*tx, error) {
	t, err := b.current(ctx)
	if t == nil && err == nil {
		err = storage.ErrNoTx
	}
	return t, err
}

// InTx implements storage.Transactor. One transaction runs at a time; the others
// wait for it until their ctx is done. A transaction begun with a detached ctx
// inside another one therefore waits for itself.
//
// A ctx that is done when fn returns rolls the transaction back and answers its
// error.
func (b *Backend) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	outer, err := b.current(ctx)
	if err != nil {
		return err
	}
	if outer != nil {
		return b.savepoint(ctx, outer, fn)
	}
	if err := b.open(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := b.before(ctx, CallBegin); err != nil {
		return err
	}
	select {
	case <-b.slot:
	case <-ctx.Done():
		return ctx.Err()
	}
	commits, err := b.transact(ctx, fn)
	for _, fn := range commits {
		fn()
	}
	return err
}

// transact runs one transaction while it holds the slot, and returns what is to be
// run now that it is committed.
func (b *Backend) transact(ctx context.Context, fn func(ctx context.Context) error) ([]func(), error) {
	t := &tx{b: b, shared: &shared{base: b.committed.Load()}}
	committed := false
	// Deferred, because fn may panic or end its goroutine, and so may what it registered.
	defer func() { b.slot <- struct{}{} }()
	defer func() {
		if !committed {
			t.undo()
		}
	}()
	if err := b.open(); err != nil {
		return nil, err
	}
	if err := b.after(ctx, CallBegin); err != nil {
		return nil, err
	}
	if err := fn(storage.WithTx(ctx, t)); err != nil {
		return nil, err
	}
	if err := b.commit(ctx, t); err != nil {
		return nil, err
	}
	committed = true
	if err := b.after(ctx, CallCommit); err != nil {
		return nil, fmt.Errorf("%w: %w", storage.ErrCommitUnknown, err)
	}
	commits, _ := t.registered()
	return commits, nil
}

// commit publishes the rows of t. Where it fails, t is still to be undone.
func (b *Backend) commit(ctx context.Context, t *tx) error {
	// A goroutine that fn left behind may still be inside a call: its writes must
	// not be cut in half.
	if err := t.enter(); err != nil {
		return err
	}
	defer t.leave()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := b.before(ctx, CallCommit); err != nil {
		return err
	}
	t.end()
	if len(t.own) > 0 {
		next := maps.Clone(*t.shared.base)
		maps.Copy(next, t.own)
		b.committed.Store(&next)
	}
	return nil
}

// savepoint runs fn in a level of its own on top of outer.
func (b *Backend) savepoint(ctx context.Context, outer *tx, fn func(ctx context.Context) error) error {
	t, err := b.push(ctx, outer)
	if err != nil {
		return err
	}
	released := false
	defer func() {
		if !released {
			t.undo()
		}
	}()
	if err := b.after(ctx, CallSavepoint); err != nil {
		return err
	}
	if err := fn(storage.WithTx(ctx, t)); err != nil {
		return err
	}
	if err := b.release(ctx, t); err != nil {
		return err
	}
	released = true
	return nil
}

// push opens a level on top of outer for a savepoint.
func (b *Backend) push(ctx context.Context, outer *tx) (*tx, error) {
	if err := outer.enter(); err != nil {
		return nil, err
	}
	defer outer.leave()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := b.before(ctx, CallSavepoint); err != nil {
		return nil, err
	}
	outer.child = outer.level()
	return outer.child, nil
}

// release makes a savepoint part of what it stands on. Where it fails, t is still
// to be undone.
func (b *Backend) release(ctx context.Context, t *tx) error {
	if err := t.enter(); err != nil {
		return err
	}
	defer t.leave()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := b.before(ctx, CallRelease); err != nil {
		return err
	}
	if err := b.after(ctx, CallRelease); err != nil {
		return err
	}
	t.end()
	t.merge()
	return nil
}

// OnRollback registers fn to run when the transaction of ctx, or the savepoint of
// ctx, is rolled back. A host that keeps state of its own in memory undoes it there:
//
//	orders[id] = refunded
//	backend.OnRollback(ctx, func() { orders[id] = paid })
//
// The functions run in reverse order, before the next transaction begins; they must
// not use the backend. It answers storage.ErrNoTx where ctx carries no transaction.
func (b *Backend) OnRollback(ctx context.Context, fn func()) error {
	t, err := b.required(ctx)
	if err != nil {
		return err
	}
	if err := t.enter(); err != nil {
		return err
	}
	defer t.leave()
	t.shared.hooks.Lock()
	defer t.shared.hooks.Unlock()
	t.rollbacks = append(t.rollbacks, fn)
	return nil
}

// read runs fn on the rows that ctx may see: those of its transaction, else what
// was committed last.
func (b *Backend) read(ctx context.Context, call string, fn func(v view) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t, err := b.current(ctx)
	if err != nil {
		return err
	}
	v := view{tx: t}
	if t == nil {
		if err := b.open(); err != nil {
			return err
		}
		v.base = b.committed.Load()
	} else {
		if err := t.enter(); err != nil {
			return err
		}
		defer t.leave()
		v.base = t.shared.base
	}
	if err := b.before(ctx, call); err != nil {
		return err
	}
	if err := fn(v); err != nil {
		return err
	}
	return b.after(ctx, call)
}

// write runs fn on the rows of the transaction of ctx, or in one of its own. When
// fn fails, none of its writes stay.
func (b *Backend) write(ctx context.Context, call string, fn func(v view) error) error {
	t, err := b.current(ctx)
	if err != nil {
		return err
	}
	if t == nil {
		return b.InTx(ctx, func(ctx context.Context) error { return b.write(ctx, call, fn) })
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := t.enter(); err != nil {
		return err
	}
	defer t.leave()
	if err := b.before(ctx, call); err != nil {
		return err
	}
	level := t.level()
	if err := fn(view{tx: level, base: t.shared.base}); err != nil {
		return err
	}
	level.merge()
	return b.after(ctx, call)
}
