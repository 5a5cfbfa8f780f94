package approvals_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// A watch tells a test of the actions that were recorded in committed transactions.
type watch struct{ seen chan audit.Event }

func (w watch) Append(ctx context.Context, events ...audit.Event) error {
	storage.AfterCommit(ctx, func() {
		for _, e := range events {
			w.seen <- e
		}
	})
	return nil
}

// until waits for an action on a resource.
func (w watch) until(t *testing.T, action, resource string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		select {
		case e := <-w.seen:
			if e.Action == action && e.Resource.ID == resource {
				return
			}
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", action)
		}
	}
}

// Two workers share the jobs: what is approved is applied once, and what is undecided
// expires once.
func TestTwoWorkersApplyAndExpireOnce(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		queue, err := jobs.NewQueue(b.Jobs(), jobs.Config{})
		must(t, err)
		w := watch{make(chan audit.Event, 1000)}
		k := newKit(t, b, options{queue: queue, sinks: []audit.AuditSink{w}})
		var workers []*jobs.Worker
		for range 2 {
			worker, err := jobs.NewWorker(queue, k.service.Handlers(), jobs.WorkerConfig{Poll: 10 * time.Millisecond})
			must(t, err)
			must(t, worker.Start(t.Context()))
			workers = append(workers, worker)
		}
		var want []int
		for amount := 150; amount < 160; amount++ {
			id := k.ask(t, amount).ID
			_, err := k.decide(t, marco, id, approvals.Approve)
			must(t, err)
			w.until(t, "approvals.request.applied", id)
			want = append(want, amount)
		}
		// The clock of the kit stands in the past of the queue's: timers are due at once,
		// and wait until the request is late by the kit's clock too.
		late := k.ask(t, 200).ID
		k.advance(approvals.DefaultTimeout)
		again := k.ask(t, 201).ID
		w.until(t, "approvals.request.expired", late)
		for _, worker := range workers {
			must(t, worker.Close(context.WithoutCancel(t.Context())))
		}
		k.expect(t, again, approvals.StateAwaitingApproval)
		if !slices.Equal(k.refunded, want) {
			t.Errorf("refunded %v, want each once", k.refunded)
		}
		if n := len(k.log.find("approvals.request.expired", audit.Success)); n != 1 {
			t.Errorf("expired %d times, want once", n)
		}
	})
}

// A worker that dies between claiming a request and applying it leaves the work to
// the next one.
func TestApplyingGoesOnAfterItsWorkerWasLost(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	b := eachtest.Memory(t)
	queue, err := jobs.NewQueue(b.Jobs(), jobs.Config{})
	must(t, err)
	w := watch{make(chan audit.Event, 100)}
	k := newKit(t, b, options{
		queue: queue, sinks: []audit.AuditSink{w},
		config: approvals.Config{Backoff: func(int) time.Duration { return 0 }},
	})
	var once sync.Once
	began := make(chan struct{})
	k.fail = func(int) error {
		var err error
		once.Do(func() {
			close(began)
			err = context.Canceled // as when its process goes down
		})
		return err
	}
	id := k.ask(t, 150).ID
	_, err = k.decide(t, marco, id, approvals.Approve)
	must(t, err)
	worker, err := jobs.NewWorker(queue, k.service.Handlers(), jobs.WorkerConfig{Poll: 10 * time.Millisecond})
	must(t, err)
	must(t, worker.Start(t.Context()))
	<-began
	w.until(t, "approvals.request.applied", id)
	must(t, worker.Close(t.Context()))
	if k.expect(t, id, approvals.StateApplied); !slices.Equal(k.refunded, []int{150}) {
		t.Errorf("refunded %v, want 150 once", k.refunded)
	}
}
