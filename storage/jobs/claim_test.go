package jobs_test

import (
	"context"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// overlap has a job committed whose lane had an owner when it was written and has none when
// it commits: whoever wrote it saw no reason to note that the lane is to be looked at, and
// the owner that left saw no job. Transactions overlap on Postgres alone.
func overlap(t *testing.T) (store jobs.Store, worker int64) {
	t.Helper()
	b := eachtest.Postgres(t)
	store = b.Jobs()
	me, err := store.Beat(t.Context(), jobs.Beat{Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	worker = me.Worker.ID
	j := job("lane")
	j.Due = time.Now().Add(-time.Minute)
	if err := store.Enqueue(t.Context(), []jobs.Job{j}); err != nil {
		t.Fatal(err)
	}
	if n := len(takeLanes(t, store, jobs.Claim{Worker: worker, Take: 10})); n != 1 {
		t.Fatalf("took %d lanes, want 1", n)
	}
	err = b.InTx(t.Context(), func(ctx context.Context) error {
		if err := store.Enqueue(ctx, []jobs.Job{j}); err != nil {
			return err
		}
		list, err := store.Fetch(t.Context(), time.Now(), []jobs.LaneFetch{jobs.FromStart(jobs.LaneID{Tenant: "acme", Lane: "lane"}, 10)})
		if err != nil || len(list) != 1 {
			t.Errorf("fetched %d jobs, and %v", len(list), err)
			return err
		}
		o := jobs.Outcome{Job: list[0], Result: jobs.Completed, Started: time.Now(), Ended: time.Now()}
		if _, err := store.Settle(t.Context(), worker, []jobs.Outcome{o}); err != nil {
			return err
		}
		_, err = store.Claim(t.Context(), jobs.Claim{Worker: worker, Now: time.Now(), Release: []jobs.LaneID{{Tenant: "acme", Lane: "lane"}}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := takeLanes(t, store, jobs.Claim{Worker: worker, Take: 10}); len(got) != 0 {
		t.Fatalf("took %v: the transactions did not overlap as they were to", got)
	}
	return store, worker
}

func takeLanes(t *testing.T, store jobs.Store, claim jobs.Claim) []jobs.Lane {
	t.Helper()
	claim.Now = time.Now()
	claimed, err := store.Claim(t.Context(), claim)
	if err != nil {
		t.Fatal(err)
	}
	return claimed.Taken
}

func TestAJobThatCommitsAfterItsLaneWasGivenBackIsFoundByItsName(t *testing.T) {
	if !hasPostgres(t) {
		return // transactions overlap there alone
	}
	store, worker := overlap(t)
	probe := []jobs.LaneID{{Tenant: "acme", Lane: "lane"}}
	if got := takeLanes(t, store, jobs.Claim{Worker: worker, Take: 10, Probe: probe}); len(got) != 1 {
		t.Errorf("took %v, want the lane that was named", got)
	}
}

func TestAJobThatCommitsAfterItsLaneWasGivenBackIsFoundByTheSweep(t *testing.T) {
	if !hasPostgres(t) {
		return // transactions overlap there alone
	}
	store, worker := overlap(t)
	if got := takeLanes(t, store, jobs.Claim{Worker: worker, Take: 10, Sweep: &jobs.Sweep{Limit: 100}}); len(got) != 1 {
		t.Errorf("took %v, want the lane that was swept", got)
	}
}

func TestAWorkerSweepsAllLanesOfItself(t *testing.T) {
	if !hasPostgres(t) {
		return // transactions overlap there alone
	}
	store, worker := overlap(t)
	if _, err := store.Beat(t.Context(), jobs.Beat{Worker: worker, Leave: true}); err != nil {
		t.Fatal(err)
	}
	ran := make(chan struct{}, 10)
	w := jobs.SweepEvery(newQueue(t, store), handlers{"test": func(context.Context, *jobs.Task) error {
		ran <- struct{}{}
		return nil
	}}, 20*time.Millisecond)
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer closeWorker(t, w)
	receive(t, ran, "job that nobody spoke of")
}

// The alarm of a lane may ring in the round in which another is given back.
func TestALaneThatIsHeardOfWhileAnotherIsGivenBackIsTaken(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		store := &spy{Store: b.Jobs()}
		q := newQueue(t, store)
		ran := make(chan string, 100)
		var released bool
		store.claim = func(ctx context.Context, claim jobs.Claim) (jobs.Claimed, error) {
			if len(claim.Release) > 0 && !released {
				released = true
				// Two more are heard of, while the claim that releases is under way.
				if err := q.Enqueue(context.WithoutCancel(t.Context()), job("second")); err != nil {
					t.Error(err)
				}
			}
			return store.Store.Claim(ctx, claim)
		}
		start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
			ran <- task.Job.Lane
			return nil
		}}, jobs.WorkerConfig{Lease: time.Minute, Poll: time.Hour})
		enqueue(t, q, job("first"))
		receive(t, ran, "first job")
		if err := q.PauseLane(t.Context(), "acme", "first"); err != nil { // has it given back
			t.Fatal(err)
		}
		if lane := receive(t, ran, "second job"); lane != "second" {
			t.Errorf("lane %s ran", lane)
		}
	})
}
