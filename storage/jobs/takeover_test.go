package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestTheLanesOfAProcessThatIsCutOffAreTakenOver(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		// The first worker loses its store, as behind a broken network, while its job runs.
		var cut atomic.Bool
		errCut := fmt.Errorf("%w: the network is gone", storage.ErrUnavailable)
		store := &spy{Store: b.Jobs()}
		store.beat = func(ctx context.Context, beat jobs.Beat) (jobs.Presence, error) {
			if cut.Load() {
				return jobs.Presence{}, errCut
			}
			return store.Store.Beat(ctx, beat)
		}
		store.claim = func(ctx context.Context, claim jobs.Claim) (jobs.Claimed, error) {
			if cut.Load() {
				return jobs.Claimed{}, errCut
			}
			return store.Store.Claim(ctx, claim)
		}
		store.settle = func(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error) {
			if cut.Load() {
				return nil, errCut
			}
			return store.Store.Settle(ctx, worker, outcomes)
		}
		config := jobs.WorkerConfig{Lease: 300 * time.Millisecond, Poll: 10 * time.Millisecond, Backoff: soon}
		q := newQueue(t, store)
		started, ended := make(chan struct{}, 100), make(chan error, 100)
		start(t, q, handlers{"test": func(ctx context.Context, task *jobs.Task) error {
			started <- struct{}{}
			<-ctx.Done() // it ends when the lease could not be kept
			ended <- context.Cause(ctx)
			return nil
		}}, config)
		enqueue(t, q, job("lane"))
		receive(t, started, "start")
		cut.Store(true)

		heir := newQueue(t, b.Jobs())
		attempt := make(chan int, 100)
		start(t, heir, handlers{"test": func(_ context.Context, task *jobs.Task) error {
			attempt <- task.Job.Attempt
			return nil
		}}, config)
		if err := receive(t, ended, "end of the first handler"); !errors.Is(err, jobs.ErrFenced) {
			t.Errorf("the first handler's ctx ended with %v, want ErrFenced", err)
		}
		if n := receive(t, attempt, "start by the heir"); n != 0 {
			t.Errorf("the heir starts attempt %d, want 0: the first was never settled", n)
		}
		eventually(t, "the job is completed", func() bool { return len(attemptsOf(t, heir, 1)) == 1 })
	})
}

func TestABeatWaitsForNoSettlement(t *testing.T) {
	if !hasPostgres(t) {
		return // the other stores run one transaction at a time: nothing can wait
	}
	b := eachtest.Postgres(t)
	store := b.Jobs()
	q := newQueue(t, store)
	me, err := store.Beat(t.Context(), jobs.Beat{Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	enqueue(t, q, job("lane"))
	list, err := store.Fetch(t.Context(), time.Now(), []jobs.LaneFetch{jobs.FromStart(jobs.LaneID{Tenant: "acme", Lane: "lane"}, 1)})
	if err != nil || len(list) != 1 {
		t.Fatalf("fetched %d jobs, and %v", len(list), err)
	}
	err = b.InTx(t.Context(), func(ctx context.Context) error {
		if _, err := store.Settle(ctx, me.Worker.ID, []jobs.Outcome{{Job: list[0], Result: jobs.Completed}}); err != nil {
			return err
		}
		beside, cancel := context.WithTimeout(storage.Detach(ctx), patience)
		defer cancel()
		if _, err := store.Beat(beside, jobs.Beat{Worker: me.Worker.ID, Lease: time.Minute}); err != nil {
			return fmt.Errorf("the worker's own beat: %w", err)
		}
		other, err := store.Beat(beside, jobs.Beat{Lease: time.Minute})
		if err != nil {
			return fmt.Errorf("another's beat: %w", err)
		}
		p, err := store.Beat(beside, jobs.Beat{Worker: other.Worker.ID, Lease: time.Minute, Dead: other.Peers})
		if err != nil {
			return fmt.Errorf("a beat that finds the worker dead: %w", err)
		}
		if len(p.Peers) != 1 {
			return errors.New("the worker was ended under its settlement")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func hasPostgres(t *testing.T) bool {
	for _, k := range eachtest.Kinds(t) {
		if k.Name == "postgres" {
			return true
		}
	}
	return false
}
