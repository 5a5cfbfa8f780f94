package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// logTo has a worker's log appear beside the test that fails.
func logTo(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, nil))
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(line []byte) (int, error) {
	w.t.Log(string(line))
	return len(line), nil
}

// newQueue returns a queue over a store.
func newQueue(t *testing.T, store jobs.Store) *jobs.Queue {
	t.Helper()
	q, err := jobs.NewQueue(store, jobs.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

type handlers = map[string]jobs.Handler

// start returns a worker that runs until the test ends.
func start(t *testing.T, q *jobs.Queue, hs handlers, config jobs.WorkerConfig) *jobs.Worker {
	t.Helper()
	return startSweeping(t, q, hs, config, time.Minute)
}

// startSweeping starts a worker that looks at all lanes every so often.
func startSweeping(t *testing.T, q *jobs.Queue, hs handlers, config jobs.WorkerConfig, every time.Duration) *jobs.Worker {
	t.Helper()
	if config.Logger == nil {
		config.Logger = logTo(t)
	}
	w, err := jobs.NewWorker(q, hs, config)
	if err != nil {
		t.Fatal(err)
	}
	jobs.SweepEvery(w, every)
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeWorker(t, w) })
	return w
}

func closeWorker(t *testing.T, w *jobs.Worker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	if err := w.Close(ctx); err != nil {
		t.Errorf("close the worker: %v", err)
	}
}

// patience is how long a test waits for what must come: less than the minute after which a
// lease or a sweep would bring what the test is about.
const patience = 45 * time.Second

// receive returns the next value of a channel, or fails the test when none comes.
func receive[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s came", what)
		panic("unreachable")
	}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("it never came that %s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

func enqueue(t *testing.T, q *jobs.Queue, list ...jobs.Job) {
	t.Helper()
	if err := q.Enqueue(t.Context(), list...); err != nil {
		t.Fatal(err)
	}
}

// job returns a job of kind "test" in a lane of acme.
func job(lane string) jobs.Job { return jobs.Job{Tenant: "acme", Lane: lane, Kind: "test"} }

// attemptsOf returns the recorded attempts of a job, the latest first.
func attemptsOf(t *testing.T, q *jobs.Queue, id int64) []jobs.Attempt {
	t.Helper()
	list, err := q.Attempts(t.Context(), "acme", id, 100)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// soon retries after a millisecond.
func soon(int) time.Duration { return time.Millisecond }

func TestEveryJobRunsOnce(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		const lanes, each = 20, 50
		ran := make(chan int64, 2*lanes*each)
		start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
			ran <- task.Job.ID
			return nil
		}}, jobs.WorkerConfig{})
		for range each {
			var batch []jobs.Job
			for lane := range lanes {
				batch = append(batch, job(fmt.Sprint(lane)))
			}
			enqueue(t, q, batch...)
		}
		seen := map[int64]bool{}
		for range lanes * each {
			id := receive(t, ran, "job")
			if seen[id] {
				t.Fatalf("job %d ran twice", id)
			}
			seen[id] = true
		}
	})
}

func TestTheEndOfAHandlerDecidesWhatBecomesOfItsJob(t *testing.T) {
	errBroken := errors.New("broken")
	cases := []struct {
		name    string
		handler jobs.Handler // is called for each attempt
		results []jobs.Result
		reason  string // of the first attempt
	}{
		{"nil completes", func(context.Context, *jobs.Task) error { return nil }, []jobs.Result{jobs.Completed}, ""},
		{"an error retries until it does not come", func(_ context.Context, task *jobs.Task) error {
			if task.Job.Attempt < 2 {
				return errBroken
			}
			return nil
		}, []jobs.Result{jobs.Retried, jobs.Retried, jobs.Completed}, "broken"},
		{"errors bury when the attempts are used up", func(context.Context, *jobs.Task) error { return errBroken },
			[]jobs.Result{jobs.Retried, jobs.Retried, jobs.Buried}, "broken"},
		{"RetryAt is not refused however often", func(_ context.Context, task *jobs.Task) error {
			if task.Job.Attempt < 5 {
				return fmt.Errorf("wrapped: %w", jobs.RetryAt(time.Time{}, errBroken))
			}
			return nil
		}, []jobs.Result{jobs.Retried, jobs.Retried, jobs.Retried, jobs.Retried, jobs.Retried, jobs.Completed}, "wrapped: broken"},
		{"Bury buries at once", func(context.Context, *jobs.Task) error { return jobs.Bury(errBroken) }, []jobs.Result{jobs.Buried}, "broken"},
		{"a panic is an error", func(_ context.Context, task *jobs.Task) error {
			if task.Job.Attempt == 0 {
				panic("at the disco")
			}
			return nil
		}, []jobs.Result{jobs.Retried, jobs.Completed}, "panic: at the disco"},
		{"so is the end of the goroutine", func(_ context.Context, task *jobs.Task) error {
			if task.Job.Attempt == 0 {
				runtime.Goexit()
			}
			return nil
		}, []jobs.Result{jobs.Retried, jobs.Completed}, "the handler ended its goroutine"},
		{"Complete completes, whatever is returned then", func(ctx context.Context, task *jobs.Task) error {
			if err := task.Complete(ctx); err != nil {
				return err
			}
			return errBroken
		}, []jobs.Result{jobs.Completed}, ""},
		{"a task is retried with a reason", func(ctx context.Context, task *jobs.Task) error {
			if task.Job.Attempt == 0 {
				return task.RetryAt(ctx, time.Time{}, "later")
			}
			return task.Complete(ctx)
		}, []jobs.Result{jobs.Retried, jobs.Completed}, "later"},
		{"a task is buried with a reason", func(ctx context.Context, task *jobs.Task) error {
			return task.Bury(ctx, "hopeless")
		}, []jobs.Result{jobs.Buried}, "hopeless"},
	}
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		events := make(chan jobs.Event, len(cases))
		hs := handlers{}
		var list []jobs.Job
		for _, c := range cases {
			hs[c.name] = c.handler
			list = append(list, jobs.Job{Tenant: "acme", Lane: c.name, Kind: c.name})
		}
		start(t, q, hs, jobs.WorkerConfig{Backoff: soon, MaxAttempts: 3, OnEvent: func(e jobs.Event) { events <- e }})
		enqueue(t, q, list...)
		buried := map[string]jobs.Event{}
		for _, c := range cases {
			if c.results[len(c.results)-1] == jobs.Buried {
				e := receive(t, events, "event")
				buried[e.Job.Kind] = e
			}
		}
		for i, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				id := int64(i + 1)
				eventually(t, "the job ends", func() bool { return len(attemptsOf(t, q, id)) >= len(c.results) })
				got := attemptsOf(t, q, id)
				for i, want := range c.results {
					a := got[len(got)-1-i]
					if a.Result != want || a.Number != i {
						t.Errorf("attempt %d is %s and numbered %d, want %s", i, a.Result, a.Number, want)
					}
				}
				if reason := got[len(got)-1].Reason; reason != c.reason {
					t.Errorf("the reason is %q, want %q", reason, c.reason)
				}
				if c.results[len(c.results)-1] != jobs.Buried {
					return
				}
				if e := buried[c.name]; e.Kind != jobs.EventBuried || e.Job.ID != id || e.Job.Attempt != len(c.results)-1 {
					t.Errorf("got event %+v, want that job %d was buried", e, id)
				}
				dead, err := q.DeadJob(t.Context(), "acme", id)
				if err != nil || dead.Reason != c.reason {
					t.Errorf("got dead letter %+v and %v", dead, err)
				}
			})
		}
	})
}

func TestAJobWithoutAHandlerWaitsForOne(t *testing.T) {
	b := eachtest.Memory(t)
	q := newQueue(t, b.Jobs())
	none := func(context.Context, *jobs.Task) error { return nil }
	w := start(t, q, handlers{"other": none}, jobs.WorkerConfig{Backoff: soon, MaxAttempts: 1000})
	enqueue(t, q, job("lane"))
	eventually(t, "it is tried", func() bool { return len(attemptsOf(t, q, 1)) > 0 })
	if got := attemptsOf(t, q, 1)[0].Reason; got != `no handler for kind "test"` {
		t.Errorf("the reason is %q", got)
	}
	closeWorker(t, w)
	start(t, q, handlers{"test": none}, jobs.WorkerConfig{})
	eventually(t, "it is completed", func() bool { return attemptsOf(t, q, 1)[0].Result == jobs.Completed })
}

// ledger stands for a host's own table: an effect that shares the job's transaction. Each
// of its entries is a job that is not due for a year, which every store can keep.
type ledger struct{ q *jobs.Queue }

func (l ledger) add(ctx context.Context) error {
	return l.q.Enqueue(ctx, jobs.Job{Tenant: "ledger", Lane: "ledger", Kind: "effect", Due: time.Now().AddDate(1, 0, 0)})
}

func (l ledger) count(t *testing.T, store jobs.Store) int {
	t.Helper()
	list, err := store.Fetch(t.Context(), time.Now().AddDate(2, 0, 0), []jobs.LaneFetch{
		jobs.FromStart(jobs.LaneID{Tenant: "ledger", Lane: "ledger"}, 1000),
	})
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestTheEffectAndTheEndOfAJobCommitTogether(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		effects := ledger{q}
		errLate := errors.New("fails after the settlement")
		start(t, q, handlers{"test": func(ctx context.Context, task *jobs.Task) error {
			return b.InTx(ctx, func(ctx context.Context) error {
				if err := effects.add(ctx); err != nil {
					return err
				}
				if err := task.Complete(ctx); err != nil {
					return err
				}
				if task.Job.Attempt < 2 {
					return errLate
				}
				return nil
			})
		}}, jobs.WorkerConfig{Backoff: soon})
		enqueue(t, q, job("lane"))
		eventually(t, "the job is completed", func() bool {
			list := attemptsOf(t, q, 1)
			return len(list) > 0 && list[0].Result == jobs.Completed
		})
		if n := effects.count(t, b.Jobs()); n != 1 {
			t.Errorf("the effect is there %d times, want once", n)
		}
		if list := attemptsOf(t, q, 1); len(list) != 3 || list[2].Reason != errLate.Error() {
			t.Errorf("got attempts %+v, want two that failed and one completed", list)
		}
	})
}

func TestATaskWhoseTransactionWasRolledBackInSilenceFailed(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		start(t, q, handlers{"test": func(ctx context.Context, task *jobs.Task) error {
			if task.Job.Attempt > 0 {
				return nil
			}
			_ = b.InTx(ctx, func(ctx context.Context) error {
				if err := task.Complete(ctx); err != nil {
					return err
				}
				return errors.New("rolls back, and the handler does not say so")
			})
			return nil
		}}, jobs.WorkerConfig{Backoff: soon})
		enqueue(t, q, job("lane"))
		eventually(t, "the job is completed", func() bool { return len(attemptsOf(t, q, 1)) == 2 })
		if got := attemptsOf(t, q, 1)[1]; got.Result != jobs.Retried || got.Reason != "settled in a transaction that did not commit" {
			t.Errorf("the first attempt is %+v", got)
		}
	})
}

func TestACommitWhoseAnswerWasLostIsNotRepeated(t *testing.T) {
	var lose atomic.Bool
	b, err := memory.New(memory.Config{After: func(_ context.Context, call string) error {
		if call == memory.CallCommit && lose.CompareAndSwap(true, false) {
			return errors.New("the answer was lost")
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	q := newQueue(t, b.Jobs())
	effects := ledger{q}
	ran := make(chan error, 10)
	start(t, q, handlers{"test": func(ctx context.Context, task *jobs.Task) error {
		err := b.InTx(ctx, func(ctx context.Context) error {
			if err := effects.add(ctx); err != nil {
				return err
			}
			lose.Store(true)
			return task.Complete(ctx)
		})
		ran <- err
		return err
	}, "last": func(context.Context, *jobs.Task) error {
		ran <- nil
		return nil
	}}, jobs.WorkerConfig{Backoff: soon, Poll: time.Hour, OnEvent: func(e jobs.Event) { t.Errorf("event %+v", e) }})
	enqueue(t, q, job("lane"))
	if err := receive(t, ran, "job"); !errors.Is(err, storage.ErrCommitUnknown) {
		t.Fatalf("the handler heard %v", err)
	}
	enqueue(t, q, jobs.Job{Tenant: "acme", Lane: "lane", Kind: "last", Due: time.Now().Add(20 * time.Millisecond)})
	if err := receive(t, ran, "last job"); err != nil {
		t.Errorf("the first job ran again, with %v", err)
	}
	if n := effects.count(t, b.Jobs()); n != 1 {
		t.Errorf("the effect is there %d times, want once", n)
	}
}

func TestALanesCapIsKept(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		if err := q.SetLane(t.Context(), "acme", "lane", jobs.LaneConfig{Cap: 2}); err != nil {
			t.Fatal(err)
		}
		started, goOn := make(chan int64, 100), make(chan struct{})
		var now, most atomic.Int32
		start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
			n := now.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			started <- task.Job.ID
			<-goOn
			now.Add(-1)
			return nil
		}}, jobs.WorkerConfig{})
		for range 10 {
			enqueue(t, q, job("lane"))
		}
		receive(t, started, "job")
		receive(t, started, "job")
		for range 8 {
			goOn <- struct{}{}
			receive(t, started, "job")
		}
		goOn <- struct{}{}
		goOn <- struct{}{}
		if n := most.Load(); n != 2 {
			t.Errorf("%d ran at a time, want 2", n)
		}
		if err := q.SetLane(t.Context(), "acme", "lane", jobs.LaneConfig{Cap: 5}); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			enqueue(t, q, job("lane"))
		}
		for range 5 { // all of them, before any ends
			receive(t, started, "job")
		}
		close(goOn)
	})
}

func TestASlowLaneDelaysNoOther(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		var slow []jobs.Job
		for range 500 {
			slow = append(slow, job("slow"))
		}
		enqueue(t, q, slow...)
		hang := make(chan struct{})
		fast := make(chan string, 100)
		start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
			if task.Job.Lane == "slow" {
				<-hang
				return nil
			}
			fast <- task.Job.Lane
			return nil
		}}, jobs.WorkerConfig{Slots: jobs.DefaultCap + 1})
		for i := range 50 { // while the slow lane hangs at its cap, one slot serves all others
			enqueue(t, q, job(fmt.Sprint("fast", i%10)))
			receive(t, fast, "job of a fast lane")
		}
		close(hang)
	})
}

func TestJobsOfALaneStartInOrder(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		if err := q.SetLane(t.Context(), "acme", "lane", jobs.LaneConfig{Cap: 1}); err != nil {
			t.Fatal(err)
		}
		var list []jobs.Job
		for range 100 {
			list = append(list, job("lane"))
		}
		enqueue(t, q, list...)
		ran := make(chan int64, 100)
		start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
			ran <- task.Job.ID
			return nil
		}}, jobs.WorkerConfig{})
		last := int64(0)
		for range 100 {
			if id := receive(t, ran, "job"); id <= last {
				t.Fatalf("job %d ran after job %d", id, last)
			} else {
				last = id
			}
		}
	})
}

func TestTimesAreKeptExactlyWithinTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := eachtest.Memory(t)
		q := newQueue(t, b.Jobs())
		begin := time.Now()
		ran := make(chan time.Duration, 10)
		start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
			ran <- time.Since(begin)
			switch task.Job.Attempt {
			case 0:
				return jobs.RetryAt(time.Now().Add(5*time.Minute), nil)
			case 1:
				return errors.New("retried by the backoff")
			}
			return nil
		}}, jobs.WorkerConfig{Poll: time.Hour, Backoff: func(int) time.Duration { return 30 * time.Minute }})
		ahead := job("lane")
		ahead.Due = begin.Add(10 * time.Hour)
		enqueue(t, q, ahead)
		for i, want := range []time.Duration{10 * time.Hour, 10*time.Hour + 5*time.Minute, 10*time.Hour + 35*time.Minute} {
			if got := <-ran; got != want {
				t.Errorf("attempt %d started after %s, want %s", i, got, want)
			}
		}
	})
}

func TestAScanThatTakesLongIsMadeLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const takes, span = 50 * time.Millisecond, time.Minute
		store := &spy{Store: eachtest.Memory(t).Jobs()}
		var scans atomic.Int64
		store.claim = func(ctx context.Context, claim jobs.Claim) (jobs.Claimed, error) {
			if claim.Take > 0 {
				time.Sleep(takes)
				scans.Add(1)
			}
			return store.Store.Claim(ctx, claim)
		}
		q := newQueue(t, store)
		ran := make(chan time.Time, 1)
		start(t, q, handlers{"test": func(context.Context, *jobs.Task) error {
			ran <- time.Now()
			return nil
		}}, jobs.WorkerConfig{})
		time.Sleep(span)
		if n, most := scans.Load(), int64(span/takes/10); n < most/2 || n > most {
			t.Errorf("%d scans of %s in %s, want about a tenth of the time", n, takes, span)
		}
		began := time.Now()
		enqueue(t, q, job("lane"))
		if late := (<-ran).Sub(began); late > 2*takes {
			t.Errorf("a job that the worker heard of started after %s", late)
		}
	})
}

func TestWaitingWorkCostsNoGoroutine(t *testing.T) {
	b := eachtest.Memory(t)
	q := newQueue(t, b.Jobs())
	start(t, q, handlers{"test": func(context.Context, *jobs.Task) error { return nil }}, jobs.WorkerConfig{})
	before := runtime.NumGoroutine()
	var list []jobs.Job
	for i := range 10_000 {
		j := job(fmt.Sprint(i % 100))
		j.Due = time.Now().Add(24 * time.Hour)
		list = append(list, j)
	}
	enqueue(t, q, list...)
	enqueue(t, q, job("now"))
	eventually(t, "the job that is due is done", func() bool { return len(attemptsOf(t, q, 10_001)) == 1 })
	if n := runtime.NumGoroutine(); n > before+5 {
		t.Errorf("%d goroutines more than before", n-before)
	}
}

func TestADeadLetterIsRequeued(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		var mended atomic.Bool
		start(t, q, handlers{"test": func(context.Context, *jobs.Task) error {
			if !mended.Load() {
				return jobs.Bury(errors.New("broken"))
			}
			return nil
		}}, jobs.WorkerConfig{})
		enqueue(t, q, job("lane"), job("lane"), job("lane"))
		list := func(query jobs.DeadQuery) storage.Page[jobs.DeadJob] {
			t.Helper()
			page, err := q.DeadJobs(t.Context(), "acme", query)
			if err != nil {
				t.Fatal(err)
			}
			return page
		}
		eventually(t, "all are buried", func() bool { return len(list(jobs.DeadQuery{}).Items) == 3 })
		first := list(jobs.DeadQuery{Limit: 2})
		rest := list(jobs.DeadQuery{Limit: 2, After: first.Next})
		if len(first.Items) != 2 || len(rest.Items) != 1 || rest.Next != "" {
			t.Errorf("got pages of %d and %d, and next %q", len(first.Items), len(rest.Items), rest.Next)
		}
		if _, err := q.DeadJobs(t.Context(), "bloom", jobs.DeadQuery{After: first.Next}); !errors.Is(err, storage.ErrBadCursor) {
			t.Errorf("another tenant's cursor answers %v, want ErrBadCursor", err)
		}
		mended.Store(true)
		if err := q.Requeue(t.Context(), "bloom", 2); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("another tenant requeues with %v, want ErrNotFound", err)
		}
		if err := q.Requeue(t.Context(), "acme", 2); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is completed", func() bool { return attemptsOf(t, q, 2)[0].Result == jobs.Completed })
		if n := len(list(jobs.DeadQuery{}).Items); n != 2 {
			t.Errorf("%d dead letters are left, want 2", n)
		}
	})
}

// A wrongError is an error whose methods need what a nil one has not.
type wrongError struct{ text string }

func (e *wrongError) Error() string { return e.text }

func TestAnErrorOrABackoffThatPanicsIsAPanicOfTheHandler(t *testing.T) {
	for name, c := range map[string]struct {
		err     error
		backoff func(int) time.Duration
	}{
		"an error":  {err: (*wrongError)(nil)},
		"a Backoff": {err: errors.New("failed"), backoff: func(int) time.Duration { panic("own") }},
	} {
		t.Run(name, func(t *testing.T) {
			eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
				q := newQueue(t, b.Jobs())
				ran := make(chan int64, 10)
				w := start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
					ran <- task.Job.ID
					return c.err
				}}, jobs.WorkerConfig{Backoff: c.backoff})
				enqueue(t, q, job("lane"))
				id := receive(t, ran, "start")
				eventually(t, "the attempt is recorded", func() bool { return len(attemptsOf(t, q, id)) > 0 })
				list := attemptsOf(t, q, id)
				if a := list[len(list)-1]; a.Result != jobs.Retried || !strings.HasPrefix(a.Reason, "panic: ") {
					t.Errorf("got attempt %+v, want the job retried for a panic", a)
				}
				closeWorker(t, w)
			})
		})
	}
}

// One that looks up a table of waits has none for the last attempt.
func TestABackoffIsAskedOnlyForTheWaitOfAFailure(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		for _, c := range []struct {
			name string
			end  error
			want jobs.Result
		}{
			{"a success", nil, jobs.Completed},
			{"a retry at a time", jobs.RetryAt(time.Time{}, errors.New("own")), jobs.Retried},
			{"a burial", jobs.Bury(errors.New("own")), jobs.Buried},
			{"the last failure", errors.New("own"), jobs.Buried},
		} {
			q := newQueue(t, b.Jobs())
			id := make(chan int64, 1)
			w := start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
				if task.Job.Trace != c.name || task.Job.Attempt > 0 {
					return nil // what the worker before this one was to try again
				}
				id <- task.Job.ID
				return c.end
			}}, jobs.WorkerConfig{MaxAttempts: 1, Backoff: func(int) time.Duration { panic("asked") }})
			asked := job("lane")
			asked.Trace = c.name
			enqueue(t, q, asked)
			first := receive(t, id, "job")
			eventually(t, c.name+" is recorded", func() bool { return len(attemptsOf(t, q, first)) > 0 })
			list := attemptsOf(t, q, first)
			if got := list[len(list)-1]; got.Result != c.want || strings.Contains(got.Reason, "asked") {
				t.Errorf("%s: got attempt %+v, want it %s", c.name, got, c.want)
			}
			closeWorker(t, w)
		}
	})
}

func TestASettlementThatNeverCommitsEndsInTheDeadLetters(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		setLane(t, q, "lane", jobs.LaneConfig{Order: jobs.FIFO})
		ends := make(chan jobs.Event, 10)
		start(t, q, handlers{"test": func(ctx context.Context, task *jobs.Task) error {
			return b.InTx(ctx, func(ctx context.Context) error {
				if err := task.Complete(ctx); err != nil {
					return err
				}
				return errors.New("its effect failed")
			})
		}}, jobs.WorkerConfig{MaxAttempts: 3, Backoff: soon, OnEvent: func(e jobs.Event) { ends <- e }})
		enqueue(t, q, job("lane"))
		e := receive(t, ends, "end")
		if e.Kind != jobs.EventBuried || e.Reason != "its effect failed" || e.Job.Attempt != 2 {
			t.Errorf("got event %+v, want the job buried at its third attempt", e)
		}
		if list := attemptsOf(t, q, e.Job.ID); len(list) != 3 {
			t.Errorf("%d attempts are recorded, want 3", len(list))
		}
	})
}

func TestABackoffMayAskItsWorker(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		var w *jobs.Worker
		ready, ran := make(chan struct{}), make(chan struct{}, 2)
		w = start(t, q, handlers{"test": func(context.Context, *jobs.Task) error {
			<-ready
			ran <- struct{}{}
			return errors.New("failed")
		}}, jobs.WorkerConfig{MaxAttempts: 2, Backoff: func(int) time.Duration {
			w.Stats()
			return 0
		}})
		close(ready)
		enqueue(t, q, job("lane"))
		receive(t, ran, "start")
		receive(t, ran, "second start")
	})
}

func TestCloseFinishesWhatRunsAndKeepsTheRest(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		const total = 300
		var ran sync.Map
		var count atomic.Int32
		handler := func(_ context.Context, task *jobs.Task) error {
			if _, twice := ran.LoadOrStore(task.Job.ID, true); twice {
				t.Errorf("job %d ran twice", task.Job.ID)
			}
			count.Add(1)
			return nil
		}
		for i := range total {
			enqueue(t, q, job(fmt.Sprint(i%7)))
		}
		// Each worker is closed in the middle of its work, and the next one goes on at once:
		// a lease of a minute would not pass within this test.
		for n := int32(1); count.Load() < total; n++ {
			w := start(t, q, handlers{"test": handler}, jobs.WorkerConfig{Lease: time.Minute, Slots: 4})
			want := min(n*40, total)
			eventually(t, "some jobs are done", func() bool { return count.Load() >= want })
			closeWorker(t, w)
		}
		if n := count.Load(); n != total {
			t.Errorf("%d jobs ran, want %d", n, total)
		}
	})
}

// fetches tells when a worker reads.
type fetches struct {
	jobs.Store
	begun chan struct{}
}

func (f fetches) Fetch(ctx context.Context, now time.Time, lanes []jobs.LaneFetch) ([]jobs.Fetched, error) {
	select {
	case f.begun <- struct{}{}:
	default:
	}
	return f.Store.Fetch(ctx, now, lanes)
}

// A host may have rows open on all connections while it closes its worker.
func TestCloseDoesNotWaitForAConnection(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	b, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "jobs.db"), sqlite.Config{Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(context.Background())
	begun := make(chan struct{}, 1)
	q := newQueue(t, fetches{b.Jobs(), begun})
	worked := make(chan struct{}, 2)
	w := start(t, q, handlers{"test": func(context.Context, *jobs.Task) error {
		worked <- struct{}{}
		return nil
	}}, jobs.WorkerConfig{})
	enqueue(t, q, job("lane"))
	receive(t, worked, "job") // so the lane has its owner
	c, err := b.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows, err := c.Query(t.Context(), `SELECT 1 UNION ALL SELECT 2`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	select {
	case <-begun:
	default:
	}
	enqueue(t, q, job("lane"))
	receive(t, begun, "fetch")
	soon, cancel := context.WithCancel(t.Context())
	cancel()
	closed := make(chan error, 1)
	go func() { closed <- w.Close(soon) }()
	receive(t, closed, "end of Close")
}

func TestCloseThatRunsOutOfTimeEndsTheHandlersAndFencesThem(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		started := make(chan struct{}, 1)
		ended := make(chan error, 1)
		w := start(t, q, handlers{"test": func(ctx context.Context, task *jobs.Task) error {
			if task.Job.Attempt > 0 {
				return errors.New("counted a start that was cut off")
			}
			started <- struct{}{}
			<-ctx.Done()
			ended <- task.Complete(context.WithoutCancel(ctx))
			return nil
		}}, jobs.WorkerConfig{})
		enqueue(t, q, job("lane"))
		receive(t, started, "job")
		soon, cancel := context.WithCancel(t.Context())
		cancel()
		err := w.Close(soon)
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "1 jobs run") {
			t.Errorf("Close answered %v", err)
		}
		if err := receive(t, ended, "end of the handler"); err != nil && !errors.Is(err, jobs.ErrFenced) {
			t.Errorf("the handler settled with %v, want ErrFenced", err)
		} else if err == nil {
			return // it was faster than Close gave the lanes up, and the job is completed
		}
		again := make(chan int, 1)
		start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
			again <- task.Job.Attempt
			return nil
		}}, jobs.WorkerConfig{})
		if n := receive(t, again, "second start"); n != 0 {
			t.Errorf("the second start is attempt %d, want 0", n)
		}
	})
}

func TestAWorkerIsStartedOnceAndClosedAnyNumberOfTimes(t *testing.T) {
	b := eachtest.Memory(t)
	q := newQueue(t, b.Jobs())
	w, err := jobs.NewWorker(q, handlers{"test": func(context.Context, *jobs.Task) error { return nil }}, jobs.WorkerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Start(t.Context()); err == nil {
		t.Error("it was started twice")
	}
	closeWorker(t, w)
	closeWorker(t, w)
	if err := w.Start(t.Context()); err == nil {
		t.Error("it was started after it was closed")
	}
}

func TestStartAnswersTheErrorOfTheStore(t *testing.T) {
	b := eachtest.Memory(t)
	q := newQueue(t, b.Jobs())
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	w, err := jobs.NewWorker(q, handlers{"test": func(context.Context, *jobs.Task) error { return nil }}, jobs.WorkerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Start(t.Context()); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	closeWorker(t, w)
}

func TestEnqueueRefusesWhatNoStoreCouldKeep(t *testing.T) {
	b := eachtest.Memory(t)
	q := newQueue(t, b.Jobs())
	for _, c := range []struct {
		name    string
		change  func(j *jobs.Job)
		pointer string
	}{
		{"a job without tenant", func(j *jobs.Job) { j.Tenant = "" }, "/1/tenant"},
		{"a job without lane", func(j *jobs.Job) { j.Lane = "" }, "/1/lane"},
		{"a job without kind", func(j *jobs.Job) { j.Kind = "" }, "/1/kind"},
		{"a lane with a NUL", func(j *jobs.Job) { j.Lane = "a\x00" }, "/1/lane"},
		{"a lane that is too long", func(j *jobs.Job) { j.Lane = strings.Repeat("a", 256) }, "/1/lane"},
		{"a payload that is too long", func(j *jobs.Job) { j.Payload = make([]byte, jobs.MaxPayload+1) }, "/1/payload"},
		{"a trace that is not UTF-8", func(j *jobs.Job) { j.Trace = "\xff" }, "/1/trace"},
		{"a time that does not fit", func(j *jobs.Job) { j.Due = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC) }, "/1/due"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := job("lane")
			c.change(&bad)
			err := q.Enqueue(t.Context(), job("lane"), bad)
			var invalid *storage.InvalidError
			if !errors.As(err, &invalid) || len(invalid.Fields) != 1 || invalid.Fields[0].Pointer != c.pointer {
				t.Fatalf("got %v, want one at %s", err, c.pointer)
			}
		})
	}
	list, err := b.Jobs().Fetch(t.Context(), time.Now().Add(time.Hour), []jobs.LaneFetch{jobs.FromStart(jobs.LaneID{Tenant: "acme", Lane: "lane"}, 10)})
	if err != nil || len(list) != 0 {
		t.Errorf("%d jobs were stored, and %v", len(list), err)
	}
	if err := q.SetLane(t.Context(), "acme", "lane", jobs.LaneConfig{Cap: -1}); !errors.Is(err, storage.ErrInvalid) {
		t.Errorf("a negative cap: got %v, want ErrInvalid", err)
	}
}

func TestAConfigThatMakesNoSenseIsRefused(t *testing.T) {
	b := eachtest.Memory(t)
	q := newQueue(t, b.Jobs())
	ok := handlers{"test": func(context.Context, *jobs.Task) error { return nil }}
	for _, c := range []struct {
		name     string
		queue    *jobs.Queue
		handlers handlers
		config   jobs.WorkerConfig
	}{
		{"no queue", nil, ok, jobs.WorkerConfig{}},
		{"no handlers", q, nil, jobs.WorkerConfig{}},
		{"a nil handler", q, handlers{"test": nil}, jobs.WorkerConfig{}},
		{"a lease that is too short", q, ok, jobs.WorkerConfig{Lease: time.Millisecond}},
		{"a heartbeat slower than half the lease", q, ok, jobs.WorkerConfig{Lease: time.Second, Heartbeat: 600 * time.Millisecond}},
		{"negative slots", q, ok, jobs.WorkerConfig{Slots: -1}},
		{"a negative poll", q, ok, jobs.WorkerConfig{Poll: -1}},
	} {
		if _, err := jobs.NewWorker(c.queue, c.handlers, c.config); err == nil {
			t.Errorf("%s: no error", c.name)
		}
	}
	if _, err := jobs.NewQueue(nil, jobs.Config{}); err == nil {
		t.Error("a queue without store: no error")
	}
}

func TestAJobWhoseStartsWereLostGoesToItsOtherHandler(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		for _, c := range []struct {
			name   string
			lost   int
			handed bool
		}{
			{"as often as is allowed", 3, true},
			{"once less than twice as often, by the other handler too", 5, true},
			{"twice as often", 6, false},
		} {
			t.Run(c.name, func(t *testing.T) {
				q := newQueue(t, b.Jobs())
				lane := "lane of " + c.name
				enqueue(t, q, job(lane))
				lose(t, b.Jobs(), lane, c.lost)
				handed, ended := make(chan *jobs.Task, 1), make(chan jobs.Event, 1)
				w := start(t, q, handlers{
					"test": func(context.Context, *jobs.Task) error {
						t.Error("the handler that loses its starts was called again")
						return nil
					},
					jobs.Lost("test"): func(_ context.Context, task *jobs.Task) error {
						handed <- task
						return nil
					},
				}, jobs.WorkerConfig{OnEvent: func(e jobs.Event) { ended <- e }})
				defer closeWorker(t, w)
				if !c.handed {
					if e := receive(t, ended, "event"); e.Kind != jobs.EventBuried {
						t.Errorf("got the event %+v, want that the job is buried", e)
					}
					return
				}
				task := receive(t, handed, "task")
				if task.Lost != c.lost || task.Job.Kind != "test" {
					t.Errorf("handed over with %d lost starts as kind %q, want %d as test", task.Lost, task.Job.Kind, c.lost)
				}
				eventually(t, "the job is completed", func() bool {
					list := attemptsOf(t, q, task.Job.ID)
					return len(list) == 1 && list[0].Result == jobs.Completed
				})
			})
		}
	})
}

// lose has a worker announce starts of the one job of a lane and be gone each time.
func lose(t *testing.T, store jobs.Store, lane string, n int) {
	t.Helper()
	p, err := store.Beat(t.Context(), jobs.Beat{Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		list, err := store.Fetch(t.Context(), time.Now(), []jobs.LaneFetch{jobs.FromStart(jobs.LaneID{Tenant: "acme", Lane: lane}, 2)})
		if err != nil || len(list) != 1 {
			t.Fatalf("fetched %d jobs, and %v", len(list), err)
		}
		if _, err := store.Settle(t.Context(), p.Worker.ID, []jobs.Outcome{{Job: list[0], Result: jobs.Begun}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.Beat(t.Context(), jobs.Beat{Worker: p.Worker.ID, Leave: true}); err != nil {
		t.Fatal(err)
	}
}
