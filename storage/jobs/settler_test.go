package jobs_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// TestOutcomesThatPileUpAreWrittenBesideOthers has the first transaction wait, and many
// jobs end meanwhile.
func TestOutcomesThatPileUpAreWrittenBesideOthers(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		const piled = 900
		gate, waits := make(chan struct{}), make(chan struct{})
		var calls, beside atomic.Int64
		store := &spy{Store: b.Jobs()}
		store.settle = func(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error) {
			first := calls.Add(1) == 1
			if first {
				close(waits)
				<-gate
			}
			missed, err := store.Store.Settle(ctx, worker, outcomes)
			if err == nil && !first {
				beside.Add(int64(len(outcomes)))
			}
			return missed, err
		}
		q := newQueue(t, store)
		open := sync.OnceFunc(func() { close(gate) })
		w := start(t, q, handlers{"test": func(context.Context, *jobs.Task) error { return nil }}, jobs.WorkerConfig{Slots: 100})
		t.Cleanup(open) // before the worker is closed, which waits for what is written
		enqueue(t, q, job("first"))
		receive(t, waits, "the first transaction")
		list := make([]jobs.Job, piled)
		for i := range list {
			list[i] = job("piled")
		}
		enqueue(t, q, list...)
		eventually(t, "a second transaction writes what piled up", func() bool { return beside.Load() > 0 })
		open()
		eventually(t, "all is written", func() bool { return w.Stats().Kinds["test"].Completed == piled+1 })
	})
}
