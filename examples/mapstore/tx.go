package mapstore

import (
	"context"
	"sync"

	"github.com/lumelle/adminkit/storage"
)

// A tx is a transaction, or a savepoint on top of one. It holds what was written at its
// level; a read goes through the levels from the top, and ends at what is committed.
// A nil tx is what is committed.
type tx struct {
	b      *Backend
	parent *tx         // nil for the transaction itself
	call   *sync.Mutex // one for all levels, held while a method works

	// The rest is guarded by call.
	ended  bool
	child  *tx // the savepoint that is open on top
	after  []func()
	writes map[any]writes // by the table they are for
}

// writes are what one level wrote into one table.
type writes interface {
	// moveTo adds them to what another level wrote.
	moveTo(t *tx)
	// publish writes them into the table.
	publish()
}

var (
	_ storage.Transactor = (*Backend)(nil)
	_ storage.Tx         = (*tx)(nil)
)

// Owner implements storage.Tx.
func (t *tx) Owner() any { return t.b }

// AfterCommit implements storage.Tx.
func (t *tx) AfterCommit(fn func()) bool {
	t.call.Lock()
	defer t.call.Unlock()
	if t.ended {
		return false
	}
	t.after = append(t.after, fn)
	return true
}

// enter begins the work of one method on t, which ends with t.call.Unlock.
func (t *tx) enter() error {
	if !t.call.TryLock() {
		return storage.ErrTxBusy // another goroutine is inside
	}
	switch {
	case t.ended:
		t.call.Unlock()
		return storage.ErrTxDone
	case t.child != nil:
		t.call.Unlock()
		return storage.ErrTxBusy // the write would become part of the savepoint
	}
	return nil
}

// end ends t, and the levels that were left open on top of it.
func (t *tx) end() {
	for l := t; l != nil; l = l.child {
		l.ended = true
	}
	t.child = nil
	if t.parent != nil && t.parent.child == t {
		t.parent.child = nil
	}
}

// handle returns the transaction of ctx, nil where it carries none.
func (b *Backend) handle(ctx context.Context) (*tx, error) {
	h, err := storage.TxFor(ctx, b)
	if err != nil || h == nil {
		return nil, err
	}
	return h.(*tx), nil // b owns handles of this type only
}

// InTx implements storage.Transactor. Writers take turns: who begins while another
// transaction runs waits for its end or for that of ctx.
func (b *Backend) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	outer, err := b.handle(ctx)
	if err != nil {
		return err
	}
	if outer != nil {
		return b.savepoint(ctx, outer, fn)
	}
	after, err := b.transaction(ctx, fn)
	if err != nil {
		return err
	}
	for _, fn := range after { // the turn was given back: these may use the backend
		fn()
	}
	return nil
}

// transaction runs fn in a transaction and returns what is to run after the commit.
func (b *Backend) transaction(ctx context.Context, fn func(ctx context.Context) error) ([]func(), error) {
	if err := b.ready(ctx); err != nil {
		return nil, err
	}
	select {
	case <-b.turn:
	case <-b.closed:
		return nil, storage.ErrUnavailable
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { b.turn <- struct{}{} }()
	if err := b.ready(ctx); err != nil { // select chooses any that is ready
		return nil, err
	}

	t := &tx{b: b, call: new(sync.Mutex)}
	err := t.run(ctx, fn, func() {
		b.committed.Lock()
		defer b.committed.Unlock()
		for _, w := range t.writes {
			w.publish()
		}
	})
	return t.after, err
}

// savepoint runs fn on a level of its own on top of outer.
func (b *Backend) savepoint(ctx context.Context, outer *tx, fn func(ctx context.Context) error) error {
	if err := outer.enter(); err != nil {
		return err
	}
	t := &tx{b: b, parent: outer, call: outer.call}
	err := b.ready(ctx)
	if err == nil {
		outer.child = t
	}
	outer.call.Unlock()
	if err != nil {
		return err
	}
	return t.run(ctx, fn, func() {
		for _, w := range t.writes {
			w.moveTo(outer)
		}
		outer.after = append(outer.after, t.after...)
	})
}

// run runs fn with t in its ctx, then keep where nothing speaks against it, and ends t in
// any case: also where fn panics or ends its goroutine. It does not recover, so that a
// panic goes on by itself.
func (t *tx) run(ctx context.Context, fn func(ctx context.Context) error, keep func()) (err error) {
	returned := false
	defer func() {
		t.call.Lock() // waits for a method in another goroutine
		defer t.call.Unlock()
		switch {
		case !returned || err != nil:
		case t.ended: // the level below ended first
			err = storage.ErrTxDone
		case ctx.Err() != nil:
			err = ctx.Err()
		default:
			keep()
		}
		t.end()
	}()
	err = fn(storage.WithTx(ctx, t))
	returned = true
	return err
}

// read calls fn with the transaction of ctx, or with what was committed last.
func (b *Backend) read(ctx context.Context, fn func(t *tx) error) error {
	t, err := b.handle(ctx)
	if err != nil {
		return err
	}
	if t == nil {
		if err := b.ready(ctx); err != nil {
			return err
		}
		b.committed.RLock()
		defer b.committed.RUnlock()
		return fn(nil)
	}
	if err := t.enter(); err != nil {
		return err
	}
	defer t.call.Unlock()
	if err := b.ready(ctx); err != nil {
		return err
	}
	return fn(t)
}

// write calls fn with a level of its own: a savepoint of the transaction of ctx, or a
// transaction. So a method happens as a whole or not at all, and what is around it goes
// on after a refusal.
func (b *Backend) write(ctx context.Context, fn func(t *tx) error) error {
	return b.InTx(ctx, func(ctx context.Context) error {
		t, err := b.handle(ctx)
		if err != nil {
			return err
		}
		if err := t.enter(); err != nil {
			return err
		}
		defer t.call.Unlock()
		return fn(t)
	})
}

// needTx is storage.ErrNoTx where ctx carries no transaction.
func (b *Backend) needTx(ctx context.Context) error {
	t, err := b.handle(ctx)
	if err == nil && t == nil {
		err = storage.ErrNoTx
	}
	return err
}
