package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// shaky is a store of which some calls fail, before they took effect or after.
type shaky struct {
	jobs.Store
	calm atomic.Bool
}

var errShaky = fmt.Errorf("%w: a fault of the test", storage.ErrUnavailable)

// shake runs a call, perhaps, and answers its error, perhaps. Calls in the transaction of
// somebody else fail with it and need no shaking of their own.
func shake[R any](s *shaky, ctx context.Context, call func() (R, error)) (R, error) {
	var zero R
	dice := rand.IntN(30)
	if s.calm.Load() || storage.Detach(ctx) != ctx {
		dice = -1
	}
	if dice == 0 {
		return zero, errShaky
	}
	r, err := call()
	if dice == 1 && err == nil {
		return zero, fmt.Errorf("%w: %w", storage.ErrCommitUnknown, errShaky)
	}
	return r, err
}

func (s *shaky) Beat(ctx context.Context, beat jobs.Beat) (jobs.Presence, error) {
	return shake(s, ctx, func() (jobs.Presence, error) { return s.Store.Beat(ctx, beat) })
}

func (s *shaky) Claim(ctx context.Context, claim jobs.Claim) (jobs.Claimed, error) {
	return shake(s, ctx, func() (jobs.Claimed, error) { return s.Store.Claim(ctx, claim) })
}

func (s *shaky) Fetch(ctx context.Context, now time.Time, lanes []jobs.LaneFetch) ([]jobs.Fetched, error) {
	return shake(s, ctx, func() ([]jobs.Fetched, error) { return s.Store.Fetch(ctx, now, lanes) })
}

func (s *shaky) Settle(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error) {
	return shake(s, ctx, func() ([]int64, error) { return s.Store.Settle(ctx, worker, outcomes) })
}

// Three workers on a store whose calls fail, which are called dead at random while they
// live: each job is completed once, and its effect is there once. What happens when is up
// to the scheduler, so there is no seed to replay.
func TestNothingIsLostOrDoneTwiceWhateverFails(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		stores := make([]*shaky, 3)
		producer := newQueue(t, b.Jobs())
		effects := ledger{producer}
		var seen sync.Map
		handler := func(ctx context.Context, task *jobs.Task) error {
			seen.Store(task.Job.ID, true)
			switch rand.IntN(10) {
			case 0:
				return errors.New("fails")
			case 1:
				return jobs.RetryAt(time.Now().Add(time.Millisecond), nil)
			}
			if task.Job.Kind == "plain" {
				return nil
			}
			return b.InTx(context.WithoutCancel(ctx), func(ctx context.Context) error {
				if err := effects.add(ctx); err != nil {
					return err
				}
				return task.Complete(ctx)
			})
		}
		for i := range stores {
			stores[i] = &shaky{Store: b.Jobs()}
			stores[i].calm.Store(true)
			// Nobody speaks of the jobs of this queue: what a lost hint leaves is the sweep's.
			startSweeping(t, newQueue(t, stores[i]), handlers{"plain": handler, "exact": handler}, jobs.WorkerConfig{
				// On a slow machine too a lease lasts until something is done under it.
				Lease: 5 * time.Second, Heartbeat: 75 * time.Millisecond, Poll: 10 * time.Millisecond,
				Backoff: soon, MaxAttempts: 1000, MaxLost: 1000, Slots: 8,
				OnEvent: func(e jobs.Event) {
					if e.Kind == jobs.EventDouble || e.Kind == jobs.EventBuried {
						t.Errorf("event %+v", e)
					}
				},
			}, time.Second)
			stores[i].calm.Store(false)
		}
		const total, lanes = 300, 12
		for i := range total {
			j := job(fmt.Sprint(rand.IntN(lanes)))
			j.Kind = []string{"plain", "exact"}[i%2]
			enqueue(t, producer, j)
			if rand.IntN(50) == 0 {
				kill(t, b.Jobs())
			}
		}
		eventually(t, "all jobs are done", func() bool { return left(t, b.Jobs(), lanes) == 0 })
		for _, s := range stores {
			s.calm.Store(true)
		}
		completed := 0
		seen.Range(func(id, _ any) bool {
			n := 0
			for _, a := range attemptsOf(t, producer, id.(int64)) {
				if a.Result == jobs.Completed {
					n++
				}
			}
			if n != 1 {
				t.Errorf("job %d was completed %d times", id, n)
			}
			completed += n
			return true
		})
		if completed != total {
			t.Errorf("%d completions, want %d", completed, total)
		}
		if n := effects.count(t, b.Jobs()); n != total/2 {
			t.Errorf("%d effects, want %d", n, total/2)
		}
	})
}

// left counts the jobs that are in lanes 0 to n of acme.
func left(t *testing.T, store jobs.Store, n int) int {
	t.Helper()
	var fetches []jobs.LaneFetch
	for i := range n {
		fetches = append(fetches, jobs.FromStart(jobs.LaneID{Tenant: "acme", Lane: fmt.Sprint(i)}, 1))
	}
	list, err := store.Fetch(t.Context(), time.Now().AddDate(1, 0, 0), fetches)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
