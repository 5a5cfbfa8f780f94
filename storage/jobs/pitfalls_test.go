package jobs_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// The prototype of this engine met eleven pitfalls, each of which cost a wrong result
// before it was found. Ten of them are tests here, by their numbers; the eleventh is a
// trap of benchmarks. Pitfalls 1 and 3 are also tested event by event in board_test.go.

// A spy stands between a worker and its store.
type spy struct {
	jobs.Store
	beat   func(ctx context.Context, beat jobs.Beat) (jobs.Presence, error)
	claim  func(ctx context.Context, claim jobs.Claim) (jobs.Claimed, error)
	fetch  func(ctx context.Context, now time.Time, lanes []jobs.LaneFetch) ([]jobs.Fetched, error)
	settle func(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error)
}

func (s *spy) Beat(ctx context.Context, beat jobs.Beat) (jobs.Presence, error) {
	if s.beat != nil {
		return s.beat(ctx, beat)
	}
	return s.Store.Beat(ctx, beat)
}

func (s *spy) Claim(ctx context.Context, claim jobs.Claim) (jobs.Claimed, error) {
	if s.claim != nil {
		return s.claim(ctx, claim)
	}
	return s.Store.Claim(ctx, claim)
}

func (s *spy) Fetch(ctx context.Context, now time.Time, lanes []jobs.LaneFetch) ([]jobs.Fetched, error) {
	if s.fetch != nil {
		return s.fetch(ctx, now, lanes)
	}
	return s.Store.Fetch(ctx, now, lanes)
}

func (s *spy) Settle(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error) {
	if s.settle != nil {
		return s.settle(ctx, worker, outcomes)
	}
	return s.Store.Settle(ctx, worker, outcomes)
}

// kill ends every worker of a store, as an observer does that found them dead.
func kill(t *testing.T, store jobs.Store) {
	t.Helper()
	me, err := store.Beat(t.Context(), jobs.Beat{Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for peers := me.Peers; len(peers) > 0; {
		p, err := store.Beat(t.Context(), jobs.Beat{Worker: me.Worker.ID, Lease: time.Minute, Dead: peers})
		if err != nil {
			t.Fatal(err)
		}
		peers = p.Peers
	}
	if _, err := store.Beat(t.Context(), jobs.Beat{Worker: me.Worker.ID, Leave: true}); err != nil {
		t.Fatal(err)
	}
}

func TestAJobThatIsCancelledWhileItsStartIsAnnouncedIsTold(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		store := &spy{Store: b.Jobs()}
		q := newQueue(t, store)
		store.claim = func(ctx context.Context, claim jobs.Claim) (jobs.Claimed, error) {
			claimed, err := b.Jobs().Claim(ctx, claim)
			for i := range claimed.Taken {
				claimed.Taken[i].Suspect = true
			}
			return claimed, err
		}
		store.settle = func(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error) {
			missed, err := b.Jobs().Settle(ctx, worker, outcomes)
			for _, o := range outcomes {
				if o.Result != jobs.Begun {
					continue
				}
				if err := q.Cancel(ctx, o.Job.Tenant, o.Job.ID); err != nil {
					t.Error(err)
				}
			}
			return missed, err
		}
		causes := make(chan error, 1)
		start(t, q, handlers{"test": func(ctx context.Context, _ *jobs.Task) error {
			select {
			case <-ctx.Done():
			case <-time.After(patience / 2):
			}
			causes <- context.Cause(ctx)
			return ctx.Err()
		}}, jobs.WorkerConfig{})
		enqueue(t, q, job("lane"))
		if cause := receive(t, causes, "end"); cause != jobs.ErrCancelled {
			t.Errorf("the handler's ctx ended with %v, want ErrCancelled", cause)
		}
	})
}

func TestPitfall1AFetchThatIsOlderThanACompletionStartsNothingTwice(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		store := &spy{Store: b.Jobs()}
		q := newQueue(t, store)
		finish, settled := make(chan struct{}), make(chan struct{}, 10)
		var overtaken atomic.Bool
		store.fetch = func(ctx context.Context, now time.Time, lanes []jobs.LaneFetch) ([]jobs.Fetched, error) {
			list, err := store.Store.Fetch(ctx, now, lanes)
			if len(list) == 2 && overtaken.CompareAndSwap(false, true) {
				close(finish) // the answer holds a job that now ends before it is applied
				<-settled
			}
			return list, err
		}
		store.settle = func(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error) {
			missed, err := store.Store.Settle(ctx, worker, outcomes)
			settled <- struct{}{}
			return missed, err
		}
		starts := make(chan int64, 10)
		start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
			starts <- task.Job.ID
			if task.Job.ID == 1 {
				<-finish
			}
			return nil
		}}, jobs.WorkerConfig{Lease: time.Minute})
		enqueue(t, q, job("lane"))
		receive(t, starts, "first job")
		enqueue(t, q, job("lane"))
		if id := receive(t, starts, "second job"); id != 2 {
			t.Fatalf("job %d was started, want 2", id)
		}
		enqueue(t, q, job("lane"))
		if id := receive(t, starts, "third job"); id != 3 {
			t.Errorf("job %d was started, want 3", id)
		}
	})
}

func TestPitfall2TheTokenTravelsWithTheLane(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		if err := q.SetLane(t.Context(), "acme", "lane", jobs.LaneConfig{Cap: 1}); err != nil {
			t.Fatal(err)
		}
		effects := ledger{q}
		asleep, awake := make(chan struct{}), make(chan struct{})
		late := make(chan error, 1)
		lost := make(chan struct{}, 10)
		var first atomic.Bool
		start(t, q, handlers{"test": func(ctx context.Context, task *jobs.Task) error {
			slept := first.CompareAndSwap(false, true)
			if slept { // the process stops, and goes on after its lease
				close(asleep)
				<-awake
			}
			err := b.InTx(context.WithoutCancel(ctx), func(ctx context.Context) error {
				if err := effects.add(ctx); err != nil {
					return err
				}
				return task.Complete(ctx)
			})
			if slept {
				late <- err
				if cause := context.Cause(ctx); !errors.Is(cause, jobs.ErrFenced) {
					t.Errorf("the handler's ctx ended with %v, want ErrFenced", cause)
				}
			}
			return err
		}}, jobs.WorkerConfig{Lease: time.Minute, Heartbeat: 50 * time.Millisecond, OnEvent: func(e jobs.Event) {
			if e.Kind == jobs.EventLeaseLost {
				lost <- struct{}{}
			}
		}})
		enqueue(t, q, job("lane"), job("lane"), job("lane")) // one runs, two are read ahead
		receive(t, asleep, "start")
		kill(t, b.Jobs())
		receive(t, lost, "loss of the lease")
		eventually(t, "the others ran under the new lease", func() bool { return effects.count(t, b.Jobs()) == 3 })
		close(awake)
		if err := receive(t, late, "end of the late handler"); !errors.Is(err, jobs.ErrFenced) {
			t.Errorf("the late handler settled with %v, want ErrFenced", err)
		}
		if n := effects.count(t, b.Jobs()); n != 3 {
			t.Errorf("%d effects, want 3", n)
		}
		for id := int64(1); id <= 3; id++ {
			completed := 0
			for _, a := range attemptsOf(t, q, id) {
				if a.Result == jobs.Completed {
					completed++
				}
			}
			if completed != 1 {
				t.Errorf("job %d was completed %d times", id, completed)
			}
		}
	})
}

func TestPitfall3AnAnswerOfAnEarlierTenureIsNotApplied(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		store := &spy{Store: b.Jobs()}
		q := newQueue(t, store)
		lost, read := make(chan struct{}, 10), make(chan struct{})
		var held atomic.Bool
		store.fetch = func(ctx context.Context, now time.Time, lanes []jobs.LaneFetch) ([]jobs.Fetched, error) {
			list, err := store.Store.Fetch(ctx, now, lanes)
			if len(list) > 0 && held.CompareAndSwap(false, true) {
				close(read)
				<-lost // until the lane was given away, and taken again
			}
			return list, err
		}
		starts := make(chan int64, 10)
		start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
			starts <- task.Job.ID
			return nil
		}}, jobs.WorkerConfig{Lease: time.Minute, Heartbeat: 50 * time.Millisecond, OnEvent: func(e jobs.Event) {
			if e.Kind == jobs.EventLeaseLost {
				lost <- struct{}{}
			} else {
				t.Errorf("event %+v", e)
			}
		}})
		enqueue(t, q, job("lane"))
		receive(t, read, "fetch")
		kill(t, b.Jobs())
		receive(t, starts, "job")
		enqueue(t, q, job("lane"))
		if id := receive(t, starts, "second job"); id != 2 {
			t.Errorf("job %d was started, want 2", id)
		}
	})
}

func TestPitfall4ALaneIsReadAfterItWasTaken(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		store := b.Jobs()
		var list []jobs.Job
		const total = 120
		for range total {
			j := job("lane")
			j.Due = time.Now().Add(-time.Hour)
			list = append(list, j)
		}
		if err := store.Enqueue(t.Context(), list); err != nil {
			t.Fatal(err)
		}
		// The lane goes round between workers that each settle one job of it. A worker that
		// reads jobs as they were before it had the lane settles one that is gone.
		var settled atomic.Int32
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := passLane(t.Context(), store, &settled, total); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := settled.Load(); n != total {
			t.Errorf("%d jobs were settled, want %d", n, total)
		}
	})
}

// passLane takes the lane, settles its first job and gives it back, until all are settled.
func passLane(ctx context.Context, store jobs.Store, settled *atomic.Int32, total int32) error {
	me, err := store.Beat(ctx, jobs.Beat{Lease: time.Minute})
	if err != nil {
		return err
	}
	for settled.Load() < total {
		claimed, err := store.Claim(ctx, jobs.Claim{Worker: me.Worker.ID, Take: 1, Now: time.Now()})
		if err != nil {
			return err
		}
		for _, l := range claimed.Taken {
			list, err := store.Fetch(ctx, time.Now(), []jobs.LaneFetch{jobs.FromStart(l.LaneID, 1)})
			if err != nil {
				return err
			}
			for _, f := range list {
				missed, err := store.Settle(ctx, me.Worker.ID, []jobs.Outcome{{Job: f, Result: jobs.Completed, Started: time.Now(), Ended: time.Now()}})
				if err != nil || len(missed) > 0 {
					return fmt.Errorf("job %d was read by two owners: missed %v, %w", f.ID, missed, err)
				}
				settled.Add(1)
			}
			if _, err := store.Claim(ctx, jobs.Claim{Worker: me.Worker.ID, Release: []jobs.LaneID{l.LaneID}, Now: time.Now()}); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestPitfall5AJobThatIsCommittedLateIsFound(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		ran := make(chan string, 100)
		start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
			ran <- string(task.Job.Payload)
			return nil
		}}, jobs.WorkerConfig{Lease: time.Minute})
		enqueue(t, q, job("lane")) // the lane is owned and read from now on
		receive(t, ran, "first job")
		// A second queue has no worker to wake: the worker finds the job by its poll, which
		// looks at the lane many times while the transaction is open.
		stranger := newQueue(t, b.Jobs())
		late := job("lane")
		late.Due, late.Payload = time.Now().Add(-time.Minute), []byte("late")
		err := b.InTx(t.Context(), func(ctx context.Context) error {
			if err := stranger.Enqueue(ctx, late); err != nil {
				return err
			}
			<-time.After(300 * time.Millisecond)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := receive(t, ran, "late job"); got != "late" {
			t.Errorf("job %q ran", got)
		}
	})
}

func TestPitfall6ASecondProcessGetsItsShareOfTheLanes(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		// Each worker has a queue of its own, as processes have. A job enqueues the next of
		// its lane, so that there is always work everywhere.
		const lanes = 40
		var done atomic.Bool
		var counts [2]sync.Map
		config := jobs.WorkerConfig{Lease: time.Minute, Heartbeat: 100 * time.Millisecond, Poll: 20 * time.Millisecond, Slots: 16}
		worker := func(i int) *jobs.Queue {
			q := newQueue(t, b.Jobs())
			start(t, q, handlers{"test": func(ctx context.Context, task *jobs.Task) error {
				counts[i].Store(task.Job.Lane, true)
				if done.Load() {
					return nil
				}
				return q.Enqueue(ctx, job(task.Job.Lane))
			}}, config)
			return q
		}
		first := worker(0)
		var list []jobs.Job
		for i := range lanes {
			list = append(list, job(fmt.Sprint(i)))
		}
		enqueue(t, first, list...)
		eventually(t, "the first worker has all lanes", func() bool { return size(&counts[0]) == lanes })
		worker(1)
		eventually(t, "the second worker has a good part of them", func() bool { return size(&counts[1]) > lanes/3 })
		done.Store(true)
	})
}

func size(m *sync.Map) (n int) {
	m.Range(func(any, any) bool { n++; return true })
	return n
}

func TestPitfall7LanesOfOthersAreScannedForOnce(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		// Two workers listen to one queue, so each hears of every job of the other's lane.
		var scans [2]atomic.Int32
		q := newQueue(t, b.Jobs())
		ran := make(chan struct{}, 1000)
		for i := range scans {
			store := &spy{Store: b.Jobs()}
			store.claim = func(ctx context.Context, claim jobs.Claim) (jobs.Claimed, error) {
				if claim.Take > 0 {
					scans[i].Add(1)
				}
				return store.Store.Claim(ctx, claim)
			}
			start(t, jobs.Share(q, store), handlers{"test": func(context.Context, *jobs.Task) error {
				ran <- struct{}{}
				return nil
			}}, jobs.WorkerConfig{Lease: time.Minute, Poll: time.Hour})
			if i == 0 { // the first owns the lane
				enqueue(t, q, job("lane"))
				receive(t, ran, "first job")
			}
		}
		for range 200 {
			enqueue(t, q, job("lane"))
			receive(t, ran, "job")
		}
		for i := range scans {
			if n := scans[i].Load(); n > 5 {
				t.Errorf("worker %d scanned %d times for 200 jobs of one lane", i, n)
			}
		}
	})
}

func TestPitfall8NobodyIsWokenBeforeTheCommit(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		store := &spy{Store: b.Jobs()}
		q := newQueue(t, store)
		var inside atomic.Bool
		ran := make(chan struct{}, 10)
		start(t, q, handlers{"test": func(context.Context, *jobs.Task) error {
			if inside.Load() {
				t.Error("the job ran before its commit")
			}
			ran <- struct{}{}
			return nil
		}}, jobs.WorkerConfig{Lease: time.Minute, Poll: time.Hour}) // only a wake makes it run
		for _, fails := range []error{errors.New("rolled back"), nil} {
			err := b.InTx(t.Context(), func(ctx context.Context) error {
				inside.Store(true)
				defer inside.Store(false)
				if err := q.Enqueue(ctx, job("lane")); err != nil {
					return err
				}
				return fails
			})
			if !errors.Is(err, fails) {
				t.Fatal(err)
			}
		}
		receive(t, ran, "job")
		enqueue(t, q, job("other"))
		receive(t, ran, "second job")
		if len(ran) > 0 {
			t.Error("the job that was rolled back ran")
		}
	})
}

func TestPitfall9TheIDOfTheLastJobIsNotGivenAgain(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		ids := make(chan int64, 10)
		start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
			ids <- task.Job.ID
			return nil
		}}, jobs.WorkerConfig{})
		var seen []int64
		for range 5 {
			enqueue(t, q, job("lane"))
			id := receive(t, ids, "job")
			if slices.Contains(seen, id) {
				t.Fatalf("id %d was given twice", id)
			}
			seen = append(seen, id)
			eventually(t, "the table is empty", func() bool { return len(attemptsOf(t, q, id)) == 1 })
		}
	})
}

func TestPitfall10ADoubleOutcomeRaisesAnAlarm(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		events := make(chan jobs.Event, 10)
		started, goOn := make(chan struct{}), make(chan struct{})
		start(t, q, handlers{"test": func(context.Context, *jobs.Task) error {
			close(started)
			<-goOn
			return nil
		}}, jobs.WorkerConfig{Lease: time.Minute, OnEvent: func(e jobs.Event) { events <- e }})
		enqueue(t, q, job("lane"))
		receive(t, started, "start")
		// Somebody who does not own the lane settles its job.
		store := b.Jobs()
		intruder, err := store.Beat(t.Context(), jobs.Beat{Lease: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		list, err := store.Fetch(t.Context(), time.Now(), []jobs.LaneFetch{jobs.FromStart(jobs.LaneID{Tenant: "acme", Lane: "lane"}, 1)})
		if err != nil || len(list) != 1 {
			t.Fatalf("fetched %d jobs, and %v", len(list), err)
		}
		// An attempt without a time would be pruned at once as one of long ago.
		now := time.Now()
		missed, err := store.Settle(t.Context(), intruder.Worker.ID,
			[]jobs.Outcome{{Job: list[0], Result: jobs.Completed, Started: now, Ended: now}})
		if err != nil || len(missed) > 0 {
			t.Fatalf("missed %v, and %v", missed, err)
		}
		close(goOn)
		if e := receive(t, events, "alarm"); e.Kind != jobs.EventDouble || e.Job.ID != 1 {
			t.Errorf("got event %+v, want a double outcome of job 1", e)
		}
		if n := len(attemptsOf(t, q, 1)); n != 1 {
			t.Errorf("%d attempts were recorded, want the intruder's one", n)
		}
	})
}

func TestAJobOfAHostsOwnTransactionIsFoundByThePoll(t *testing.T) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "host.db")+"?_pragma=journal_mode(wal)&_pragma=busy_timeout(5000)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	b, err := sqlite.New(t.Context(), db, sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(context.WithoutCancel(t.Context()))
	q := newQueue(t, b.Jobs())
	ran := make(chan struct{}, 1)
	w := start(t, q, handlers{"test": func(context.Context, *jobs.Task) error {
		ran <- struct{}{}
		return nil
	}}, jobs.WorkerConfig{})
	defer closeWorker(t, w)
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Enqueue(b.WithTx(t.Context(), tx), job("lane")); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	receive(t, ran, "job")
}
