package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/lumelle/adminkit/storage"
)

// A Session is an engine's side of one open transaction. Its errors are those of
// package storage already. A Session is never used by two goroutines at once: Tx
// sees to that.
type Session interface {
	// Exec runs a statement and returns how many rows it wrote.
	Exec(ctx context.Context, query string, args []any) (int64, error)
	// Query runs a statement and returns its rows, which are read to their end or closed
	// before the next statement.
	Query(ctx context.Context, query string, args []any) (storage.Rows, error)
	// Script runs several statements that take no arguments.
	Script(ctx context.Context, text string) error
}

// A Tx is one level of a transaction as ctx carries it: the transaction itself or a
// savepoint inside it. Both engines share it, so that the rules of package storage
// (use after the end, use by two goroutines, nesting) are kept in one place.
type Tx struct {
	t      *transaction
	parent *Tx
	level  int
	hooks  int         // how many functions were registered when the level began
	ended  atomic.Bool // written under t.mu
}

// transaction is what the levels share.
type transaction struct {
	owner   any
	session Session
	hosted  bool

	// mu is held while a statement runs. Statements take it with TryLock: whoever
	// does not get it at once is a second goroutine.
	mu     sync.Mutex
	top    *Tx     // the innermost open level, the only one that may issue statements
	rows   *txRows // of the last query, while they are open
	broken error   // why nothing more may be issued
	hooks  []hook  // in the order in which they were registered
}

// A hook is a function to run after the commit. It goes when its level is undone, and
// not with a deeper one that was open when it was registered.
type hook struct {
	level int
	fn    func()
}

var (
	_ storage.Tx   = (*Tx)(nil)
	_ storage.Conn = (*Tx)(nil)
)

// NewTx returns the outermost level of a transaction that owner has opened.
func NewTx(owner any, s Session) *Tx {
	h := &Tx{t: &transaction{owner: owner, session: s}}
	h.t.top = h
	return h
}

// JoinTx returns the outermost level of a transaction that the host has opened and
// will end.
func JoinTx(owner any, s Session) *Tx {
	h := NewTx(owner, s)
	h.t.hosted = true
	return h
}

// Owner implements storage.Tx.
func (h *Tx) Owner() any { return h.t.owner }

// AfterCommit implements storage.Tx. What was registered with the ctx of a savepoint is
// forgotten when the savepoint is undone.
func (h *Tx) AfterCommit(fn func()) bool {
	h.t.mu.Lock()
	defer h.t.mu.Unlock()
	if h.t.hosted || h.ended.Load() {
		return false
	}
	h.t.hooks = append(h.t.hooks, hook{h.level, fn})
	return true
}

// Committed runs what AfterCommit registered. The engine calls it once, on the
// goroutine of the outermost InTx.
func (h *Tx) Committed() {
	for _, hook := range h.t.hooks {
		hook.fn()
	}
}

// Run calls fn with a ctx that carries h and ends h when fn has returned, panicked
// or left its goroutine. A ctx that was cancelled meanwhile fails the transaction.
func (h *Tx) Run(ctx context.Context, fn func(ctx context.Context) error) error {
	defer h.End()
	if err := fn(storage.WithTx(ctx, h)); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	h.t.mu.Lock()
	defer h.t.mu.Unlock()
	return h.t.broken
}

// End makes every later use of h, and of savepoints that a goroutine left behind has
// open inside it, answer storage.ErrTxDone. It waits for a statement that is running
// and closes rows that were left open.
func (h *Tx) End() {
	h.t.mu.Lock()
	defer h.t.mu.Unlock()
	h.end()
}

// end is End under t.mu. It returns false where h had ended before.
func (h *Tx) end() bool {
	if h.ended.Load() {
		return false
	}
	h.t.closeRows()
	for h.t.top != h.parent {
		h.t.top.ended.Store(true)
		h.t.top = h.t.top.parent
	}
	return true
}

// Nest runs fn inside a savepoint of h.
func (h *Tx) Nest(ctx context.Context, fn func(ctx context.Context) error) error {
	child, err := h.savepoint(ctx)
	if err != nil {
		return err
	}
	returned := false
	defer func() {
		if !returned { // a panic, or runtime.Goexit: it goes on after the undoing
			child.undo(ctx)
		}
	}()
	err = fn(storage.WithTx(ctx, child))
	returned = true
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		return child.release(ctx)
	}
	child.undo(ctx)
	return err
}

func (h *Tx) savepoint(ctx context.Context) (*Tx, error) {
	if err := h.lock(ctx); err != nil {
		return nil, err
	}
	defer h.t.mu.Unlock()
	child := &Tx{t: h.t, parent: h, level: h.level + 1, hooks: len(h.t.hooks)}
	if _, err := h.t.session.Exec(ctx, "SAVEPOINT "+child.name(), nil); err != nil {
		return nil, err
	}
	h.t.top = child
	return child, nil
}

// release ends the level and keeps its writes as part of the one around it.
func (h *Tx) release(ctx context.Context) error {
	h.t.mu.Lock()
	defer h.t.mu.Unlock()
	if !h.end() {
		return storage.ErrTxDone
	}
	if h.t.broken != nil {
		return h.t.broken
	}
	_, err := h.t.session.Exec(context.WithoutCancel(ctx), "RELEASE SAVEPOINT "+h.name(), nil)
	if err != nil {
		h.rollback(ctx)
		return err
	}
	for i := range h.t.hooks[h.hooks:] {
		hook := &h.t.hooks[h.hooks+i]
		hook.level = min(hook.level, h.parent.level)
	}
	return nil
}

// undo ends the level and drops its writes.
func (h *Tx) undo(ctx context.Context) {
	h.t.mu.Lock()
	defer h.t.mu.Unlock()
	if h.end() && h.t.broken == nil {
		h.rollback(ctx)
	}
}

// rollback drops the writes of the level. Where that fails nobody knows what the
// transaction holds, and it is broken as a whole.
func (h *Tx) rollback(ctx context.Context) {
	kept := slices.DeleteFunc(h.t.hooks[h.hooks:], func(hook hook) bool { return hook.level >= h.level })
	h.t.hooks = h.t.hooks[:h.hooks+len(kept)]
	ctx = context.WithoutCancel(ctx)
	_, err := h.t.session.Exec(ctx, "ROLLBACK TO SAVEPOINT "+h.name(), nil)
	if err == nil {
		_, err = h.t.session.Exec(ctx, "RELEASE SAVEPOINT "+h.name(), nil)
	}
	if err != nil {
		h.t.broken = fmt.Errorf("%w: a savepoint could not be undone: %w", storage.ErrUnavailable, err)
	}
}

func (h *Tx) name() string { return "adminkit_" + strconv.Itoa(h.level) }

// Exec implements storage.Conn.
func (h *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	if err := h.lock(ctx); err != nil {
		return 0, err
	}
	defer h.t.mu.Unlock()
	return h.t.session.Exec(ctx, query, args)
}

// Query implements storage.Conn.
func (h *Tx) Query(ctx context.Context, query string, args ...any) (storage.Rows, error) {
	if err := h.lock(ctx); err != nil {
		return nil, err
	}
	defer h.t.mu.Unlock()
	rows, err := h.t.session.Query(ctx, query, args)
	if err != nil {
		return nil, err
	}
	h.t.rows = &txRows{t: h.t, rows: rows}
	return h.t.rows, nil
}

// Script runs several statements that take no arguments, as migrations are.
func (h *Tx) Script(ctx context.Context, text string) error {
	if err := h.lock(ctx); err != nil {
		return err
	}
	defer h.t.mu.Unlock()
	return h.t.session.Script(ctx, text)
}

// lock takes the transaction for one statement, or says why it cannot be had.
func (h *Tx) lock(ctx context.Context) error {
	if h.ended.Load() {
		return storage.ErrTxDone
	}
	if !h.t.mu.TryLock() {
		return storage.ErrTxBusy
	}
	err := ctx.Err()
	switch {
	case h.ended.Load():
		err = storage.ErrTxDone
	case h.t.broken != nil:
		err = h.t.broken
	case h.t.top != h || h.t.rows != nil:
		err = storage.ErrTxBusy
	}
	if err != nil {
		h.t.mu.Unlock()
	}
	return err
}

// closeRows ends the iteration over rows that are still open.
func (t *transaction) closeRows() {
	if r := t.rows; r != nil {
		r.close()
		r.err = storage.ErrTxDone
	}
}

// txRows keeps the transaction from issuing a statement while rows are open, which
// Postgres could not answer, and ends with the level that asked for them.
type txRows struct {
	t    *transaction
	rows storage.Rows
	busy atomic.Bool // a second goroutine used them

	// Under t.mu.
	closed bool
	err    error
}

// Next implements storage.Rows.
func (r *txRows) Next() bool {
	if !r.t.mu.TryLock() {
		r.busy.Store(true)
		return false
	}
	defer r.t.mu.Unlock()
	return !r.closed && r.rows.Next()
}

// Scan implements storage.Rows.
func (r *txRows) Scan(dest ...any) error {
	if !r.t.mu.TryLock() {
		return storage.ErrTxBusy
	}
	defer r.t.mu.Unlock()
	if r.closed {
		return storage.ErrTxDone
	}
	return r.rows.Scan(dest...)
}

// Err implements storage.Rows.
func (r *txRows) Err() error {
	if r.busy.Load() {
		return storage.ErrTxBusy
	}
	r.t.mu.Lock()
	defer r.t.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	return r.rows.Err()
}

// Close implements storage.Rows.
func (r *txRows) Close() error {
	r.t.mu.Lock()
	defer r.t.mu.Unlock()
	if r.closed {
		return nil
	}
	return r.close()
}

// close is Close under t.mu.
func (r *txRows) close() error {
	r.closed = true
	r.t.rows = nil
	return r.rows.Close()
}
