package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/sqlstore"
)

// maxGroup bounds how many closures share one commit, so that the first of them is
// not kept waiting by an endless stream of others.
const maxGroup = 256

// A committer runs the closures of concurrent InTx calls one after another inside
// one SQLite transaction and commits once for all of them, because the commit (two
// writes and an fsync) costs far more than what stands in it. It drains what is
// queued when it starts and what arrives while it runs; it never waits for more.
//
// The first closure of a group runs bare, the others in savepoints, so that one
// that fails is undone alone. Closures run on the goroutines of their callers. A
// caller that is alone begins and commits on its own goroutine as well; as soon as
// there are several, a goroutine of the committer, which lives only while there is
// work, hands them their turns, and so outlives a closure that hangs.
type committer struct {
	writer *writer
	busy   time.Duration // how long another process may hold the write lock

	mu      sync.Mutex
	queue   []*member
	running bool
	closed  bool
	idle    chan struct{} // closed when the committer comes to rest after Close
}

// A member is one InTx call that waits for its turn, then for the commit.
type member struct {
	owner   any
	ctx     context.Context
	since   time.Time // when it came
	timeout time.Duration
	turn    chan *sqlstore.Tx // its handle; receives at most once
	ran     chan error        // what its closure came to; receives at most once
	answer  chan error        // what InTx returns; receives exactly once
}

// errAbandoned is what a closure came to that panicked or left its goroutine.
var errAbandoned = errors.New("the closure did not return")

// do runs fn as a member of a group.
func (c *committer) do(ctx context.Context, owner any, timeout time.Duration, fn func(ctx context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m := &member{
		owner: owner, ctx: ctx, since: time.Now(), timeout: timeout,
		turn: make(chan *sqlstore.Tx, 1), ran: make(chan error, 1), answer: make(chan error, 1),
	}
	alone, err := c.enqueue(m)
	if err != nil {
		return err
	}
	if alone {
		if c.writer.keep { // a host's pool may be exhausted, which is to be waited for with ctx
			if g := c.tryBegin(); g != nil {
				return g.lead(fn)
			}
		}
		go c.run()
	}
	var h *sqlstore.Tx
	select {
	case h = <-m.turn:
	case err := <-m.answer:
		return err
	case <-ctx.Done():
		if c.withdraw(m) {
			return ctx.Err()
		}
		select { // its turn came at the same moment
		case h = <-m.turn:
		case err := <-m.answer:
			return err
		}
	}

	returned := false
	defer func() {
		if !returned { // a panic, or runtime.Goexit: it goes on after the undoing
			m.ran <- errAbandoned
			<-m.answer
		}
	}()
	err = h.Run(ctx, fn)
	returned = true
	m.ran <- err
	return m.wait(h)
}

// wait waits for the answer to a member whose closure has run.
func (m *member) wait(h *sqlstore.Tx) error {
	if err := <-m.answer; err != nil {
		return err
	}
	h.Committed()
	return nil
}

// enqueue puts m into the queue. It reports whether the caller has to see to it that
// the committer runs.
func (c *committer) enqueue(m *member) (alone bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false, unavailable(errClosed)
	}
	c.queue = append(c.queue, m)
	alone = !c.running
	c.running = true
	return alone, nil
}

// withdraw takes m out of the queue again. It returns false when m's turn has come.
func (c *committer) withdraw(m *member) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, other := range c.queue {
		if other == m {
			c.queue = append(c.queue[:i], c.queue[i+1:]...)
			return true
		}
	}
	return false
}

// next takes the first member out of the queue, nil when there is none.
func (c *committer) next() *member {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return nil
	}
	m := c.queue[0]
	c.queue[0] = nil
	c.queue = c.queue[1:]
	return m
}

// rest stops the committer when there is nothing to do.
func (c *committer) rest() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) > 0 {
		return false
	}
	c.running = false
	if c.closed {
		close(c.idle)
	}
	return true
}

func (c *committer) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// close refuses new members and waits for those in the queue.
func (c *committer) close(ctx context.Context) error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		c.idle = make(chan struct{})
		if !c.running {
			close(c.idle)
		}
	}
	idle := c.idle
	c.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run forms groups until the queue is empty.
func (c *committer) run() {
	for began := time.Now(); !c.rest(); {
		g, err := c.begin(c.patience(began))
		if err != nil {
			c.refuse(err, began)
			continue
		}
		g.drain()
		began = time.Now()
	}
}

// refuse answers those in the queue with err who have waited for as long as they may since
// a time, and everybody where err is none of waiting. Who comes after the first answer,
// perhaps because of it, gets a try of its own.
func (c *committer) refuse(err error, began time.Time) {
	waited, now := locked(err) || errors.Is(err, errNoConnection), time.Now()
	var refused []*member
	c.mu.Lock()
	c.queue = slices.DeleteFunc(c.queue, func(m *member) bool {
		refuse := !waited || !now.Before(c.until(m, began))
		if refuse {
			refused = append(refused, m)
		}
		return refuse
	})
	c.mu.Unlock()
	for _, m := range refused {
		m.answer <- err
	}
}

// until is when m has waited for as long as it may for what has been missing since began.
func (c *committer) until(m *member, began time.Time) time.Time {
	if m.since.After(began) {
		began = m.since
	}
	return began.Add(c.busy)
}

// patience is when the first in the queue has waited for as long as it may.
func (c *committer) patience(began time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return began.Add(c.busy)
	}
	return c.until(c.queue[0], began)
}

// begin opens the transaction of a group, and waits until a time for what others hold.
func (c *committer) begin(until time.Time) (*group, error) {
	if err := c.patiently(until, func() error { return c.open(until) }); err != nil {
		return nil, fmt.Errorf("begin: %w", translate(err))
	}
	return c.group(), nil
}

// tryBegin is begin without patience: it returns nil where that is needed.
func (c *committer) tryBegin() *group {
	if c.open(time.Now().Add(c.busy)) != nil {
		return nil
	}
	return c.group()
}

func (c *committer) open(until time.Time) error {
	conn, err := c.connect(until)
	if err == nil {
		_, err = conn.ExecContext(context.Background(), "BEGIN IMMEDIATE")
	}
	return c.spare(err)
}

// errNoConnection is the cause of storage.ErrUnavailable where a host's pool is exhausted.
var errNoConnection = errors.New("no connection of the pool came free")

// connect takes the connection for a group. For one of a host's pool it waits until a time.
func (c *committer) connect(until time.Time) (*sql.Conn, error) {
	if c.writer.conn != nil {
		return c.writer.conn, nil
	}
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	conn, err := c.writer.acquire(ctx)
	if err != nil && ctx.Err() != nil {
		err = unavailable(errNoConnection)
	}
	return conn, err
}

// spare decides what becomes of the connection after err: one that only found the
// database locked is still good.
func (c *committer) spare(err error) error {
	switch {
	case err == nil:
	case locked(err):
		c.writer.release()
	default:
		c.writer.discard()
	}
	return err
}

func (c *committer) group() *group {
	return &group{c: c, session: c.writer.session(c.writer.conn)}
}

const (
	// retryMin and retryMax bound the wait for the lock of another process between two
	// tries. Processes that write all the time leave it free for moments only: who tried
	// seldom would hardly ever find one.
	retryMin, retryMax = 500 * time.Microsecond, 20 * time.Millisecond
	// retryPart is which part of the time that it has waited already a process waits for
	// its next try.
	retryPart = 64
)

// patiently repeats try until a time where another process holds the lock it needs.
// SQLite's own busy handler would sleep up to 100 ms at a time.
func (c *committer) patiently(until time.Time, try func() error) error {
	for began := time.Now(); ; {
		err := try()
		if err == nil || !locked(err) || !time.Now().Before(until) {
			return err
		}
		waited := time.Since(began)
		wait := max(retryMin, min(waited/retryPart, retryMax))
		time.Sleep(wait/2 + rand.N(wait))
	}
}

// wal turns the write-ahead log on, before the committer runs.
func (c *committer) wal(ctx context.Context) error {
	err := c.patiently(time.Now().Add(c.busy), func() error {
		conn, err := c.writer.acquire(ctx)
		if err != nil {
			return err
		}
		var mode string
		if err := conn.QueryRowContext(ctx, "PRAGMA journal_mode=WAL").Scan(&mode); err != nil {
			return c.spare(err)
		}
		if mode != "wal" {
			return fmt.Errorf("the write-ahead log cannot be had here, journal_mode is %s", mode)
		}
		return nil
	})
	return translate(err)
}

// A group is one transaction with the members that take part in it.
type group struct {
	c       *committer
	session *session
	members []outcome
}

// An outcome is what the closure of a member came to.
type outcome struct {
	m   *member
	err error
	// cause says that the transaction was lost in the closure.
	cause bool
}

// open reports whether a further member may join.
func (g *group) open() bool {
	return g.session.lost == nil && len(g.members) < maxGroup && !(len(g.members) == 1 && g.members[0].err != nil)
}

// drain gives everybody in the queue a turn while there is room, and ends the group.
func (g *group) drain() {
	for g.open() {
		m := g.c.next()
		if m == nil {
			break
		}
		g.run(m)
	}
	g.finish()
}

// lead runs the closure of the first member, which begins the group on its own
// goroutine, and commits there too unless others have come meanwhile.
func (g *group) lead(fn func(ctx context.Context) error) error {
	m := g.c.next()
	h := sqlstore.NewTx(m.owner, g.session)
	var over atomic.Bool // the closure has returned, or has lost its transaction
	end := func(err error) bool {
		if !over.CompareAndSwap(false, true) {
			return false
		}
		g.members = append(g.members, outcome{m, err, true})
		return true
	}
	if m.timeout > 0 {
		defer time.AfterFunc(m.timeout, func() {
			if end(m.late()) {
				h.End()
				g.drain()
				g.c.run()
			}
		}).Stop()
	}
	returned := false
	defer func() {
		if !returned && end(errAbandoned) { // a panic, or runtime.Goexit
			g.drain()
			go g.c.run()
		}
	}()
	err := h.Run(m.ctx, fn)
	returned = true
	if end(err) {
		g.follow()
	}
	return m.wait(h)
}

// follow goes on after the closure of the first member: at once where it is alone,
// else on a goroutine that can outlive what comes.
func (g *group) follow() {
	c := g.c
	c.mu.Lock()
	alone := len(c.queue) == 0
	c.mu.Unlock()
	if !alone {
		go func() {
			g.drain()
			c.run()
		}()
		return
	}
	g.finish()
	if !c.rest() {
		go c.run()
	}
}

// run gives m its turn.
func (g *group) run(m *member) {
	if err := m.ctx.Err(); err != nil {
		m.answer <- err
		return
	}
	first := len(g.members) == 0
	err := error(nil)
	if !first {
		_, err = g.session.Exec(m.ctx, "SAVEPOINT adminkit_member", nil)
	}
	if err == nil {
		err = g.turn(m)
	}
	cause := first || g.session.lost != nil
	if !cause {
		g.settle(m, err)
	}
	g.members = append(g.members, outcome{m, err, cause})
}

// turn runs the closure of m on its caller's goroutine and waits for it. One that
// takes too long loses its handle, and the others go on.
func (g *group) turn(m *member) error {
	h := sqlstore.NewTx(m.owner, g.session)
	m.turn <- h
	if m.timeout <= 0 {
		return <-m.ran
	}
	timer := time.NewTimer(m.timeout)
	defer timer.Stop()
	select {
	case err := <-m.ran:
		return err
	case <-timer.C:
		h.End()
		return m.late()
	}
}

// late is what a closure comes to that ran for too long.
func (m *member) late() error {
	return fmt.Errorf("sqlite: the function ran for more than %v: %w", m.timeout, storage.ErrTxDone)
}

// settle keeps or undoes the savepoint of a member. Where that fails the group is
// lost: nobody knows what the transaction holds.
func (g *group) settle(m *member, err error) {
	if err != nil {
		g.must(m, "ROLLBACK TO SAVEPOINT adminkit_member")
	}
	g.must(m, "RELEASE SAVEPOINT adminkit_member")
}

func (g *group) must(m *member, statement string) {
	if g.session.lost != nil {
		return
	}
	if _, err := g.session.Exec(m.ctx, statement, nil); err != nil && g.session.lost == nil {
		g.session.lost = fmt.Errorf("%w: the transaction could not be kept apart: %w", storage.ErrUnavailable, err)
	}
}

// finish commits or rolls back, and answers everybody.
func (g *group) finish() {
	err := g.end()
	for _, o := range g.members {
		o.m.answer <- verdict(o, err)
	}
}

// verdict is the answer to a member in a group that ended with err.
//
// The error of a closure that ran after others may rest on what those had written: a
// conflict with a row that never came to be. So where the group failed it is passed on only
// where it is what the group failed of.
func verdict(o outcome, err error) error {
	switch {
	case err == nil || o.err != nil && o.cause:
		return o.err
	case o.err != nil && errors.Is(err, storage.ErrCommitUnknown):
		return fmt.Errorf("sqlite: %w: the transaction it ran in was not committed for certain", storage.ErrUnavailable)
	}
	return err
}

// end ends the transaction of the group.
func (g *group) end() error {
	ctx := context.Background()
	w := g.c.writer
	if g.session.lost != nil {
		w.discard()
		return g.session.lost
	}
	if len(g.members) == 0 || len(g.members) == 1 && g.members[0].err != nil {
		if _, err := g.session.on.ExecContext(ctx, "ROLLBACK"); err != nil {
			w.discard()
			return translate(err)
		}
		w.release()
		return nil
	}
	_, err := g.session.on.ExecContext(ctx, "COMMIT")
	if err == nil {
		w.release()
		return nil
	}
	return g.commitFailed(ctx, err)
}

// commitFailed finds out what a COMMIT that answered an error has done. Where the
// transaction is still open nothing was committed; where SQLite rolled it back
// because it had no room, neither. Everything else is unknown. Whose deferred foreign key it
// was is known only where nobody else took part.
func (g *group) commitFailed(ctx context.Context, cause error) error {
	defer g.c.writer.discard() // closing the connection rolls back what is open
	open := inTransaction(ctx, g.session.on)
	switch primary := code(cause) & 0xff; {
	case open && primary == codeConstraint && len(g.members) == 1: // a deferred foreign key
		return translate(cause)
	case open, primary == codeFull, primary == codeNoMem, primary == codeBusy:
		return fmt.Errorf("commit: %w", unavailable(cause))
	}
	return fmt.Errorf("sqlite: commit: %w: %w", storage.ErrCommitUnknown, cause)
}
