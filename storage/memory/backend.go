package memory

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/signal"
)

// Config adjusts a Backend. Its zero value is ready for use.
type Config struct {
	// Before runs ahead of each call that reaches the backend. When it returns an
	// error the call has no effect and answers that error. Tests count calls with it
	// and fail the one they mean.
	//
	// call is the domain and the method of a Store ("audit.Insert"), or one of
	// [CallBegin], [CallSavepoint], [CallRelease] and [CallCommit]. ctx is the one
	// the call was made with.
	Before func(ctx context.Context, call string) error

	// After runs behind each call that succeeded. When it returns an error the call
	// took effect and answers that error all the same, as when an answer is lost on
	// the wire. An error after CallCommit is answered together with
	// storage.ErrCommitUnknown. After [CallBegin], [CallSavepoint] and [CallRelease]
	// it undoes what was begun.
	After func(ctx context.Context, call string) error
}

// The calls of transactions, as the hooks of [Config] see them.
const (
	CallBegin     = "storage.Begin"
	CallSavepoint = "storage.Savepoint"
	CallRelease   = "storage.Release"
	CallCommit    = "storage.Commit"
)

// A Backend keeps the rows of all domains in memory. It is safe for concurrent use.
type Backend struct {
	config Config

	// slot holds the right to write: whoever takes its one token is the writer.
	slot chan struct{}
	// committed is what readers outside of transactions see. Its trees are never
	// changed once they are in here; a commit swaps the whole.
	committed atomic.Pointer[snapshot]
	closed    atomic.Bool
	signals   *signal.Hub
}

var (
	_ storage.Transactor = (*Backend)(nil)
	_ storage.Signals    = (*Backend)(nil)
)

// New returns an empty Backend.
func New(config Config) (*Backend, error) {
	b := &Backend{config: config, slot: make(chan struct{}, 1), signals: signal.New(nil)}
	b.committed.Store(&snapshot{})
	b.slot <- struct{}{}
	return b, nil
}

// Ping reports storage.ErrUnavailable once the backend was closed.
func (b *Backend) Ping(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return b.open()
}

// Close waits for the transaction that runs, at the longest until ctx is done, and
// drops all rows. Every later call answers storage.ErrUnavailable. Closing again
// does nothing.
func (b *Backend) Close(ctx context.Context) error {
	if b.closed.Swap(true) {
		return nil
	}
	b.signals.Close(ctx)
	select {
	case <-b.slot:
	case <-ctx.Done():
		return fmt.Errorf("close the memory backend: %w", ctx.Err())
	}
	b.committed.Store(&snapshot{})
	b.slot <- struct{}{}
	return nil
}

// Signal implements storage.Signals. There are no other processes to tell.
func (b *Backend) Signal(topic string, origin any, signals ...storage.Signal) {
	b.signals.Signal(topic, origin, signals...)
}

// Listen implements storage.Signals.
func (b *Backend) Listen(topic string, origin any, fn func(signals []storage.Signal)) (stop func()) {
	return b.signals.Listen(topic, origin, fn)
}

// open reports whether calls may still come in.
func (b *Backend) open() error {
	if b.closed.Load() {
		return fmt.Errorf("%w: the memory backend was closed", storage.ErrUnavailable)
	}
	return nil
}

func (b *Backend) before(ctx context.Context, call string) error {
	if b.config.Before == nil {
		return nil
	}
	return b.config.Before(ctx, call)
}

func (b *Backend) after(ctx context.Context, call string) error {
	if b.config.After == nil {
		return nil
	}
	return b.config.After(ctx, call)
}
