package jobs_test

import (
	"context"
	"strconv"
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
	startSweeping(t, newQueue(t, store), handlers{"test": func(context.Context, *jobs.Task) error {
		ran <- struct{}{}
		return nil
	}}, jobs.WorkerConfig{Lease: time.Minute}, 20*time.Millisecond)
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

// While a claim has not committed yet, another one finds all that it leaves. Where writing
// transactions do not overlap, the other one waits for the first.
func TestAClaimUnderWayHidesNoLaneThatItDoesNotTake(t *testing.T) {
	for _, k := range eachtest.Kinds(t) {
		t.Run(k.Name, func(t *testing.T) {
			const lanes = 40
			b := k.Open(t)
			store := b.Jobs()
			var workers [3]int64
			for i := range workers {
				me, err := store.Beat(t.Context(), jobs.Beat{Lease: time.Minute})
				if err != nil {
					t.Fatal(err)
				}
				workers[i] = me.Worker.ID
			}
			var list []jobs.Job
			for i := range lanes {
				j := job(strconv.Itoa(i))
				j.Due = time.Now().Add(-time.Minute)
				list = append(list, j)
			}
			if err := store.Enqueue(t.Context(), list); err != nil {
				t.Fatal(err)
			}
			owners := map[string]int64{}
			took := func(worker int64, lanes []jobs.Lane) {
				for _, l := range lanes {
					if owner, taken := owners[l.LaneID.Lane]; taken {
						t.Errorf("worker %d took lane %s, which is %d's", worker, l.LaneID.Lane, owner)
					}
					owners[l.LaneID.Lane] = worker
				}
			}
			others := make(chan jobs.Claimed, 1)
			other := func() {
				claimed, err := store.Claim(t.Context(), jobs.Claim{Worker: workers[1], Take: 20, Now: time.Now()})
				if err != nil {
					t.Error(err)
				}
				others <- claimed
			}
			err := b.InTx(t.Context(), func(ctx context.Context) error {
				claimed, err := store.Claim(ctx, jobs.Claim{Worker: workers[0], Take: 10, Now: time.Now()})
				if took(workers[0], claimed.Taken); len(claimed.Taken) != 10 {
					t.Errorf("the first claim took %d lanes, want 10", len(claimed.Taken))
				}
				go other()
				if k.Name == "postgres" {
					claimed := receive(t, others, "claim of the other")
					if took(workers[1], claimed.Taken); len(claimed.Taken) != 20 {
						t.Errorf("beside it another took %d lanes, want 20", len(claimed.Taken))
					}
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if k.Name != "postgres" {
				claimed := receive(t, others, "claim of the other")
				if took(workers[1], claimed.Taken); len(claimed.Taken) != 20 {
					t.Errorf("after it another took %d lanes, want 20", len(claimed.Taken))
				}
			}
			took(workers[2], takeLanes(t, store, jobs.Claim{Worker: workers[2], Take: lanes}))
			if len(owners) != lanes {
				t.Errorf("%d lanes were taken, want %d", len(owners), lanes)
			}
		})
	}
}

// A claim that sees no job in a lane deletes the hint that led there, and whoever enqueues
// leaves no second hint beside one that is there: the two may overlap in any order.
func TestAHintStaysForAJobThatIsNotCommittedYet(t *testing.T) {
	if !hasPostgres(t) {
		return // transactions overlap there alone
	}
	due := time.Now().Add(-time.Minute)
	id := jobs.LaneID{Tenant: "acme", Lane: "lane"}
	for name, enqueue := range map[string]func(ctx context.Context, store jobs.Store) error{
		"one job": func(ctx context.Context, store jobs.Store) error {
			return store.Enqueue(ctx, []jobs.Job{{Tenant: id.Tenant, Lane: id.Lane, Kind: "test", Due: due}})
		},
		"jobs of many lanes": func(ctx context.Context, store jobs.Store) error {
			return store.Enqueue(ctx, []jobs.Job{
				{Tenant: id.Tenant, Lane: "beside", Kind: "test", Due: due},
				{Tenant: id.Tenant, Lane: id.Lane, Kind: "test", Due: due},
			})
		},
		"a dead letter": func(ctx context.Context, store jobs.Store) error {
			_, err := store.RequeueAll(ctx, id.Tenant, jobs.Filter{Lane: id.Lane}, due, 1)
			return err
		},
	} {
		for beside, claim := range map[string]func(t *testing.T, store jobs.Store, worker int64){
			"a claim that finds nothing": func(t *testing.T, store jobs.Store, worker int64) {
				takeLanes(t, store, jobs.Claim{Worker: worker, Take: 10})
			},
			"a claim that takes the lane, and its release": func(t *testing.T, store jobs.Store, worker int64) {
				if err := store.Enqueue(t.Context(), []jobs.Job{{Tenant: id.Tenant, Lane: id.Lane, Kind: "test", Due: due}}); err != nil {
					t.Fatal(err)
				}
				if got := takeLanes(t, store, jobs.Claim{Worker: worker, Take: 1, Probe: []jobs.LaneID{id}}); len(got) != 1 || got[0].LaneID != id {
					t.Fatalf("took %v, want the lane", got)
				}
				emptyLane(t, store, id)
				takeLanes(t, store, jobs.Claim{Worker: worker, Release: []jobs.LaneID{id}})
				takeLanes(t, store, jobs.Claim{Worker: worker, Take: 10})
			},
		} {
			t.Run(name+" beside "+beside, func(t *testing.T) {
				b := eachtest.Postgres(t)
				store := b.Jobs()
				worker := hintAtNothing(t, store, id, due)
				err := b.InTx(t.Context(), func(ctx context.Context) error {
					if err := enqueue(ctx, store); err != nil {
						return err
					}
					claim(t, store, worker)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				for _, l := range takeLanes(t, store, jobs.Claim{Worker: worker, Take: 10}) {
					if l.LaneID == id {
						return
					}
				}
				t.Error("the job that committed is not found without its name")
			})
		}
	}
}

// The other order: the claim deletes the hint first, and has not committed yet.
func TestAHintThatIsBeingDeletedIsNoneToWhoeverEnqueues(t *testing.T) {
	if !hasPostgres(t) {
		return // transactions overlap there alone
	}
	due := time.Now().Add(-time.Minute)
	id := jobs.LaneID{Tenant: "acme", Lane: "lane"}
	for name, also := range map[string]string{"one job": "", "jobs of many lanes": "beside"} {
		t.Run(name, func(t *testing.T) {
			b := eachtest.Postgres(t)
			store := b.Jobs()
			worker := hintAtNothing(t, store, id, due)
			err := b.InTx(t.Context(), func(ctx context.Context) error {
				claimed, err := store.Claim(ctx, jobs.Claim{Worker: worker, Take: 10, Now: time.Now()})
				if err != nil || len(claimed.Taken) != 0 {
					t.Errorf("took %v, and %v", claimed.Taken, err)
				}
				list := []jobs.Job{{Tenant: id.Tenant, Lane: id.Lane, Kind: "test", Due: due}}
				if also != "" {
					list = append(list, jobs.Job{Tenant: id.Tenant, Lane: also, Kind: "test", Due: due})
				}
				return store.Enqueue(t.Context(), list)
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range takeLanes(t, store, jobs.Claim{Worker: worker, Take: 10}) {
				if l.LaneID == id {
					return
				}
			}
			t.Error("the job that committed is not found without its name")
		})
	}
}

// hintAtNothing enrols a worker and leaves a hint at a lane in which there is a dead letter,
// and no job.
func hintAtNothing(t *testing.T, store jobs.Store, id jobs.LaneID, due time.Time) (worker int64) {
	t.Helper()
	me, err := store.Beat(t.Context(), jobs.Beat{Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	worker = me.Worker.ID
	j := jobs.Job{Tenant: id.Tenant, Lane: id.Lane, Kind: "test", Due: due}
	if err := store.Enqueue(t.Context(), []jobs.Job{j, j}); err != nil {
		t.Fatal(err)
	}
	list, err := store.Fetch(t.Context(), time.Now(), []jobs.LaneFetch{jobs.FromStart(id, 1)})
	if err != nil || len(list) != 1 {
		t.Fatalf("fetched %d jobs, and %v", len(list), err)
	}
	buried := jobs.Outcome{Job: list[0], Result: jobs.Buried, Started: due, Ended: due}
	if _, err := store.Settle(t.Context(), worker, []jobs.Outcome{buried}); err != nil {
		t.Fatal(err)
	}
	emptyLane(t, store, id)
	return worker
}

// emptyLane cancels the jobs of a lane.
func emptyLane(t *testing.T, store jobs.Store, id jobs.LaneID) {
	t.Helper()
	list, err := store.ListJobs(t.Context(), id.Tenant, jobs.Filter{Lane: id.Lane}, jobs.Position{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range list {
		if _, err := store.Cancel(t.Context(), id.Tenant, j.ID, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
}
