package storagetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/memory"
)

// inside reports whether ctx carries a transaction of b that can be used.
func inside(ctx context.Context, b *memory.Backend) bool {
	tx, err := storage.TxFor(ctx, b)
	return tx != nil && err == nil
}

type autocommits struct{ *memory.Backend }

func (b *autocommits) Audit() audit.Store { return autocommittingAudit{b.Backend.Audit()} }

type autocommittingAudit struct{ audit.Store }

func (s autocommittingAudit) Insert(ctx context.Context, tenant string, rows ...audit.Row) error {
	err := s.Store.Insert(ctx, tenant, rows...)
	if errors.Is(err, storage.ErrTxDone) {
		return s.Store.Insert(storage.Detach(ctx), tenant, rows...)
	}
	return err
}

type commitsPanics struct{ *memory.Backend }

func (b *commitsPanics) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	var p any
	err := b.Backend.InTx(ctx, func(ctx context.Context) error {
		defer func() { p = recover() }()
		return fn(ctx)
	})
	if p != nil {
		panic(p)
	}
	return err
}

type keepsWriter struct {
	*memory.Backend
	writer chan struct{}
}

func newKeepsWriter(b *memory.Backend) Backend {
	k := &keepsWriter{b, make(chan struct{}, 1)}
	k.writer <- struct{}{}
	return k
}

func (b *keepsWriter) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	if inside(ctx, b.Backend) {
		return b.Backend.InTx(ctx, fn)
	}
	select {
	case <-b.writer:
	case <-ctx.Done():
		return ctx.Err()
	}
	err := b.Backend.InTx(ctx, fn)
	b.writer <- struct{}{}
	return err
}

type noSavepoints struct{ *memory.Backend }

func (b *noSavepoints) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	if inside(ctx, b.Backend) {
		return fn(ctx)
	}
	return b.Backend.InTx(ctx, fn)
}

// eagerSavepoints makes a savepoint's writes last by repeating them when the outer
// transaction failed.
type eagerSavepoints struct {
	*memory.Backend
	mu   sync.Mutex
	kept []func(ctx context.Context) error
}

func (b *eagerSavepoints) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	err := b.Backend.InTx(ctx, fn)
	b.mu.Lock()
	defer b.mu.Unlock()
	if inside(ctx, b.Backend) {
		if err == nil {
			b.kept = append(b.kept, fn)
		}
		return err
	}
	kept := b.kept
	b.kept = nil
	if err != nil {
		for _, fn := range kept {
			err = errors.Join(err, b.Backend.InTx(ctx, fn))
		}
	}
	return err
}

type swallowsErrors struct{ *memory.Backend }

func (b *swallowsErrors) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	var own error
	err := b.Backend.InTx(ctx, func(ctx context.Context) error { own = fn(ctx); return own })
	if err == own {
		return nil
	}
	return err
}

type wrapsErrors struct{ *memory.Backend }

func (b *wrapsErrors) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	if err := b.Backend.InTx(ctx, fn); err != nil {
		return fmt.Errorf("transaction: %w", err)
	}
	return nil
}

type commitsErrors struct{ *memory.Backend }

func (b *commitsErrors) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	var own error
	err := b.Backend.InTx(ctx, func(ctx context.Context) error { own = fn(ctx); return nil })
	return errors.Join(err, own)
}

type retries struct{ *memory.Backend }

func (b *retries) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	if err := b.Backend.InTx(ctx, fn); err == nil {
		return nil
	}
	return b.Backend.InTx(ctx, fn)
}

type forgetsToCommit struct{ *memory.Backend }

func (b *forgetsToCommit) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	forgotten := errors.New("forgotten")
	err := b.Backend.InTx(ctx, func(ctx context.Context) error {
		if err := fn(ctx); err != nil {
			return err
		}
		return forgotten
	})
	if errors.Is(err, forgotten) {
		return nil
	}
	return err
}

type ignoresCancel struct{ *memory.Backend }

func (b *ignoresCancel) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	return b.Backend.InTx(context.WithoutCancel(ctx), fn)
}

type ignoresForeign struct{ *memory.Backend }

func (b *ignoresForeign) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	err := b.Backend.InTx(ctx, fn)
	if errors.Is(err, storage.ErrForeignTx) {
		return b.Backend.InTx(storage.Detach(ctx), fn)
	}
	return err
}

type hidesBusy struct{ *memory.Backend }

func (b *hidesBusy) Audit() audit.Store { return busyAudit{b.Backend.Audit()} }

type busyAudit struct{ audit.Store }

func (s busyAudit) Insert(ctx context.Context, tenant string, rows ...audit.Row) error {
	err := s.Store.Insert(ctx, tenant, rows...)
	if errors.Is(err, storage.ErrTxBusy) {
		return nil
	}
	return err
}

// readsDirty lets everybody read in the transaction that runs.
type readsDirty struct {
	*memory.Backend
	running atomic.Value // of running
}

type running struct{ ctx context.Context }

func (b *readsDirty) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	return b.Backend.InTx(ctx, func(ctx context.Context) error {
		b.running.Store(running{ctx})
		defer b.running.Store(running{})
		return fn(ctx)
	})
}

func (b *readsDirty) Audit() audit.Store { return dirtyAudit{b.Backend.Audit(), b} }

type dirtyAudit struct {
	audit.Store
	b *readsDirty
}

func (s dirtyAudit) Get(ctx context.Context, tenant, source, id string) (audit.Record, error) {
	if r, _ := s.b.running.Load().(running); r.ctx != nil && !inside(ctx, s.b.Backend) {
		ctx = r.ctx
	}
	return s.Store.Get(ctx, tenant, source, id)
}

type readsCommitted struct{ *memory.Backend }

func (b *readsCommitted) Audit() audit.Store { return committedAudit{b.Backend.Audit()} }

type committedAudit struct{ audit.Store }

func (s committedAudit) Get(ctx context.Context, tenant, source, id string) (audit.Record, error) {
	return s.Store.Get(storage.Detach(ctx), tenant, source, id)
}

// losesCloseWriters answers nil to a transaction that finds another one running, and
// undoes it.
type losesCloseWriters struct {
	*memory.Backend
	waiting atomic.Int64
}

func (b *losesCloseWriters) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	if inside(ctx, b.Backend) {
		return b.Backend.InTx(ctx, fn)
	}
	alone := b.waiting.Add(1) == 1
	defer b.waiting.Add(-1)
	lost := errors.New("lost")
	err := b.Backend.InTx(ctx, func(ctx context.Context) error {
		if err := fn(ctx); err != nil || alone {
			return err
		}
		return lost
	})
	if errors.Is(err, lost) {
		return nil
	}
	return err
}

// takesNeighbours commits transactions two by two, and undoes both where one fails.
type takesNeighbours struct {
	*memory.Backend
	mu   sync.Mutex
	last error
}

func (b *takesNeighbours) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	if inside(ctx, b.Backend) {
		return b.Backend.InTx(ctx, fn)
	}
	return b.Backend.InTx(ctx, func(ctx context.Context) error {
		b.mu.Lock()
		neighbour := b.last
		b.mu.Unlock()
		err := fn(ctx)
		b.mu.Lock()
		b.last = err
		b.mu.Unlock()
		if err == nil && neighbour != nil && !errors.Is(neighbour, errUndo) {
			return neighbour
		}
		return err
	})
}

type neverCloses struct{ *memory.Backend }

func (b *neverCloses) Close(context.Context) error { return nil }

type neverMigrates struct{ *memory.Backend }

func (b *neverMigrates) Migrate(context.Context) error { return nil }

func (b *neverMigrates) Pending(context.Context) ([]string, error) {
	return []string{"0001_first"}, nil
}
