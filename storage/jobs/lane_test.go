package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func setLane(t *testing.T, q *jobs.Queue, lane string, config jobs.LaneConfig) {
	t.Helper()
	if err := q.SetLane(t.Context(), "acme", lane, config); err != nil {
		t.Fatal(err)
	}
}

func TestAFIFOLaneKeepsItsOrderUnderFailures(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		setLane(t, q, "lane", jobs.LaneConfig{Cap: 5, Order: jobs.FIFO})
		const total = 60
		var mu sync.Mutex
		var ran []int64
		tries := map[int64]int{}
		start(t, q, handlers{"test": func(ctx context.Context, task *jobs.Task) error {
			mu.Lock()
			defer mu.Unlock()
			id := task.Job.ID
			tries[id]++
			if n := tries[id]; n <= int(id)%4 { // up to three failures, of all kinds
				switch n {
				case 1:
					return errors.New("fails")
				case 2:
					return jobs.RetryAt(time.Now().Add(2*time.Millisecond), nil)
				}
				return task.RetryAt(context.WithoutCancel(ctx), time.Now().Add(time.Millisecond), "fails in the handler's transaction")
			}
			ran = append(ran, id)
			if id%10 == 0 {
				return jobs.Bury(errors.New("never"))
			}
			return nil
		}}, jobs.WorkerConfig{Lease: time.Minute, Backoff: soon})
		var list []jobs.Job
		for range total {
			list = append(list, job("lane"))
		}
		enqueue(t, q, list[:total/2]...)
		for _, j := range list[total/2:] {
			enqueue(t, q, j)
		}
		done := func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(ran)
		}
		eventually(t, "all jobs ran", func() bool { return done() == total })
		if !slices.IsSorted(ran) {
			t.Errorf("ran in the order %v", ran)
		}
		if n := len(dead(t, q)); n > total/10 {
			t.Errorf("%d dead letters, want at most %d", n, total/10)
		}
	})
}

// A worker is stopped again and again in the middle of the lane, and once called dead under
// its handler: the next goes on where it was.
func TestAFIFOLaneKeepsItsOrderOverItsOwners(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		producer := newQueue(t, b.Jobs())
		setLane(t, producer, "lane", jobs.LaneConfig{Order: jobs.FIFO})
		const total = 40
		var mu sync.Mutex
		var completed []int64
		handler := func(ctx context.Context, task *jobs.Task) error {
			if task.Job.ID%3 == 0 && task.Job.Attempt == 0 {
				return errors.New("fails")
			}
			return b.InTx(context.WithoutCancel(ctx), func(ctx context.Context) error {
				if err := task.Complete(ctx); err != nil {
					return err
				}
				storage.AfterCommit(ctx, func() {
					mu.Lock()
					defer mu.Unlock()
					completed = append(completed, task.Job.ID)
				})
				return nil
			})
		}
		var list []jobs.Job
		for range total {
			list = append(list, job("lane"))
		}
		enqueue(t, producer, list...)
		done := func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(completed)
		}
		for step := 0; done() < total; step++ {
			w := start(t, newQueue(t, b.Jobs()), handlers{"test": handler}, jobs.WorkerConfig{
				Lease: time.Minute, Heartbeat: 50 * time.Millisecond, Poll: 10 * time.Millisecond, Backoff: soon, MaxLost: 1000,
			})
			before := done()
			eventually(t, "the lane goes on", func() bool { return done() >= min(before+8, total) })
			if step%2 == 0 {
				kill(t, b.Jobs())
			}
			closeWorker(t, w)
		}
		if !slices.IsSorted(completed) {
			t.Errorf("completed in the order %v", completed)
		}
	})
}

func TestALaneStartsNoMoreThanItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, eachtest.Memory(t).Jobs())
		setLane(t, q, "lane", jobs.LaneConfig{Rate: 2, Burst: 3})
		begin := time.Now()
		ran := make(chan time.Duration, 100)
		start(t, q, handlers{"test": func(context.Context, *jobs.Task) error {
			ran <- time.Since(begin).Round(time.Millisecond)
			return nil
		}}, jobs.WorkerConfig{})
		var list []jobs.Job
		for range 7 {
			list = append(list, job("lane"))
		}
		enqueue(t, q, list...)
		enqueue(t, q, job("other"))
		var got []time.Duration
		for range 8 {
			got = append(got, <-ran)
		}
		const half = 500 * time.Millisecond
		if want := []time.Duration{0, 0, 0, 0, half, 2 * half, 3 * half, 4 * half}; !slices.Equal(got, want) {
			t.Errorf("started after %v, want %v", got, want)
		}
		setLane(t, q, "lane", jobs.LaneConfig{}) // takes effect on the lane's owner
		time.Sleep(time.Millisecond)
		begin = time.Now()
		enqueue(t, q, list...)
		for range 7 {
			if after := <-ran; after != 0 {
				t.Errorf("started after %s although there is no rate any more", after)
			}
		}
	})
}

func TestAPausedLaneStartsNothingUntilItIsResumed(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		stranger := newQueue(t, b.Jobs()) // as in another process
		started, goOn := make(chan int64, 100), make(chan struct{})
		start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
			started <- task.Job.ID
			<-goOn
			return nil
		}}, jobs.WorkerConfig{Lease: time.Minute, Poll: 50 * time.Millisecond})
		setLane(t, q, "lane", jobs.LaneConfig{Cap: 1})
		for range 50 {
			enqueue(t, q, job("lane"))
		}
		receive(t, started, "first job")
		for i, by := range []*jobs.Queue{q, stranger} {
			if err := by.PauseLane(t.Context(), "acme", "lane"); err != nil {
				t.Fatal(err)
			}
			// The owner hears of it, lets what runs end and gives the lane back. Until it
			// hears it may start another.
			eventually(t, "the lane has no owner", func() bool {
				select {
				case goOn <- struct{}{}:
				default:
				}
				return owner(t, b.Jobs(), "lane") == 0
			})
			for len(started) > 0 {
				<-started
			}
			enqueue(t, q, job("lane"))
			<-time.After(100 * time.Millisecond)
			if len(started) > 0 {
				t.Fatalf("pause %d: job %d was started", i, <-started)
			}
			if err := by.ResumeLane(t.Context(), "acme", "lane"); err != nil {
				t.Fatal(err)
			}
			receive(t, started, "job after the pause")
		}
		close(goOn)
	})
}

// owner returns the worker that owns a lane of acme, zero for none.
func owner(t *testing.T, store jobs.Store, lane string) int64 {
	t.Helper()
	s, err := store.Lane(t.Context(), "acme", lane, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return s.Owner
}

func TestABreakerOpensLetsOneTryAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := eachtest.Memory(t)
		q := newQueue(t, b.Jobs())
		const cooldown = 30 * time.Second
		setLane(t, q, "lane", jobs.LaneConfig{Cap: 2, Breaker: jobs.Breaker{Failures: 3, Cooldown: cooldown}})
		begin := time.Now()
		var broken atomic.Bool
		broken.Store(true)
		ran, events := make(chan time.Duration, 1000), make(chan jobs.EventKind, 100)
		worker := func() *jobs.Worker {
			return start(t, q, handlers{"test": func(context.Context, *jobs.Task) error {
				ran <- time.Since(begin).Round(time.Second)
				time.Sleep(time.Second)
				if broken.Load() {
					return errors.New("broken")
				}
				return nil
			}}, jobs.WorkerConfig{
				MaxAttempts: 1000, Backoff: func(int) time.Duration { return time.Millisecond },
				OnEvent: func(e jobs.Event) { events <- e.Kind },
			})
		}
		w := worker()
		var list []jobs.Job
		for range 10 {
			list = append(list, job("lane"))
		}
		enqueue(t, q, list...)
		time.Sleep(20 * time.Second)
		// Two run at a time: after the third failure nothing starts any more.
		n := len(ran)
		if n != 4 {
			t.Errorf("%d started before the breaker opened, want 4", n)
		}
		for range n {
			<-ran
		}
		closeWorker(t, w) // an open breaker outlives its owner
		w = worker()
		time.Sleep(60 * time.Second)
		if first := <-ran; first != 2*time.Second+cooldown && first != 1*time.Second+cooldown {
			t.Errorf("the first try came after %s, want the cooldown", first)
		}
		if second := <-ran; second < 2*cooldown {
			t.Errorf("the second try came after %s, want another cooldown", second)
		}
		if len(ran) != 0 {
			t.Errorf("%d more were tried", len(ran))
		}
		broken.Store(false)
		time.Sleep(60 * time.Second)
		if n := len(ran); n != 10 {
			t.Errorf("%d ran after it was mended, want all 10", n)
		}
		var kinds []jobs.EventKind
		for len(events) > 0 {
			kinds = append(kinds, <-events)
		}
		want := []jobs.EventKind{jobs.EventBreakerOpened, jobs.EventBreakerOpened, jobs.EventBreakerOpened, jobs.EventBreakerClosed}
		if !slices.Equal(kinds, want) {
			t.Errorf("got events %v, want %v", kinds, want)
		}
		closeWorker(t, w)
	})
}

func TestResumingClosesABreaker(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		setLane(t, q, "lane", jobs.LaneConfig{Breaker: jobs.Breaker{Failures: 1, Cooldown: time.Hour}})
		var mended atomic.Bool
		opened, ran := make(chan struct{}, 10), make(chan struct{}, 10)
		start(t, q, handlers{"test": func(context.Context, *jobs.Task) error {
			if !mended.Load() {
				return errors.New("broken")
			}
			ran <- struct{}{}
			return nil
		}}, jobs.WorkerConfig{Lease: time.Minute, Backoff: soon, OnEvent: func(e jobs.Event) {
			if e.Kind == jobs.EventBreakerOpened {
				opened <- struct{}{}
			}
		}})
		enqueue(t, q, job("lane"))
		receive(t, opened, "opening")
		mended.Store(true)
		if err := q.ResumeLane(t.Context(), "acme", "lane"); err != nil {
			t.Fatal(err)
		}
		receive(t, ran, "job")
	})
}

// One whose owner gave it back is held by the store alone.
func TestALaneIsNotHeldForWhatItsConfigHasNoMore(t *testing.T) {
	breaker := jobs.Breaker{Failures: 1, Cooldown: time.Hour}
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		for _, c := range []struct {
			lane          string
			before, after jobs.LaneConfig
		}{
			{"breaker", jobs.LaneConfig{Breaker: breaker}, jobs.LaneConfig{}},
			{"order", jobs.LaneConfig{Order: jobs.FIFO}, jobs.LaneConfig{}},
		} {
			for _, owned := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s, owned %t", c.lane, owned), func(t *testing.T) {
					q := newQueue(t, b.Jobs())
					lane := fmt.Sprint(c.lane, owned)
					setLane(t, q, lane, c.before)
					var mended atomic.Bool
					ran := make(chan struct{}, 10)
					worker := func() *jobs.Worker {
						return start(t, q, handlers{"test": func(context.Context, *jobs.Task) error {
							if !mended.Load() {
								return jobs.RetryAt(time.Now().Add(time.Hour), errors.New("broken"))
							}
							ran <- struct{}{}
							return nil
						}}, jobs.WorkerConfig{Lease: time.Hour, Poll: time.Hour})
					}
					w := worker()
					enqueue(t, q, job(lane))
					eventually(t, "the lane is held", func() bool {
						l, err := q.Lane(t.Context(), "acme", lane)
						if err != nil {
							t.Fatal(err)
						}
						return l.Hold != (jobs.Hold{})
					})
					mended.Store(true)
					enqueue(t, q, job(lane))
					if !owned {
						closeWorker(t, w)
						w = worker()
					}
					setLane(t, q, lane, c.after)
					receive(t, ran, "job")
					closeWorker(t, w)
				})
			}
		}
	})
}

func TestARunWhoseOutcomeIsNotTakenHoldsItsLaneForNothing(t *testing.T) {
	fifo := jobs.LaneConfig{Order: jobs.FIFO}
	breaker := jobs.LaneConfig{Cap: 1, Breaker: jobs.Breaker{Failures: 1, Cooldown: 8 * time.Second}}
	counting := jobs.LaneConfig{Cap: 1, Breaker: jobs.Breaker{Failures: 2, Cooldown: 8 * time.Second}}
	heeds := func(ctx context.Context, _ *jobs.Task) error { return ctx.Err() }
	fails := func(context.Context, *jobs.Task) error { return errors.New("broken") }
	settles := func(ctx context.Context, task *jobs.Task) error {
		return task.RetryAt(context.WithoutCancel(ctx), time.Now().Add(8*time.Second), "broken")
	}
	for _, c := range []struct {
		name    string
		config  jobs.LaneConfig
		unheard bool // the worker does not hear of the cancelling
		end     jobs.Handler
	}{
		{"a FIFO lane, heeded", fifo, false, heeds},
		{"a FIFO lane, settled", fifo, false, settles},
		{"a FIFO lane, unheard", fifo, true, fails},
		{"a FIFO lane, settled and unheard", fifo, true, settles},
		{"a breaker, heeded", breaker, false, heeds},
		{"a breaker, settled", breaker, false, settles},
		{"a breaker, unheard", breaker, true, fails},
		{"a breaker, settled and unheard", breaker, true, settles},
		{"a breaker that counts, heeded", counting, false, heeds},
		{"a breaker that counts, settled", counting, false, settles},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := eachtest.Memory(t).Jobs()
				q := newQueue(t, store)
				desk := q
				if c.unheard {
					desk = newQueue(t, &spy{Store: store}) // which has no signals
				}
				setLane(t, q, "lane", c.config)
				ran, release := make(chan int64, 10), make(chan struct{})
				start(t, q, handlers{"test": func(ctx context.Context, task *jobs.Task) error {
					ran <- task.Job.ID
					switch task.Job.Trace {
					case "cancelled":
						<-release
						return c.end(ctx, task)
					case "fails":
						return jobs.Bury(errors.New("broken"))
					}
					return nil
				}}, jobs.WorkerConfig{Backoff: func(int) time.Duration { return 8 * time.Second }})
				first, second := job("lane"), job("lane")
				first.Trace = "cancelled"
				if c.config.Breaker.Failures == 2 {
					second.Trace = "fails" // the first failure, for which the breaker stays closed
				}
				enqueue(t, q, first, second, job("lane"))
				if err := desk.Cancel(t.Context(), "acme", <-ran); err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				close(release)
				<-ran
				<-ran
				if after := time.Since(begin).Round(time.Second); after != 0 {
					t.Errorf("the others ran %s later, want at once", after)
				}
			})
		})
	}
}

// What a handler settles in a transaction that is rolled back was not so: the attempt failed.
func TestASettlementThatWasRolledBackCountsAsAFailure(t *testing.T) {
	for name, settle := range map[string]func(ctx context.Context, task *jobs.Task) error{
		"completed": func(ctx context.Context, task *jobs.Task) error { return task.Complete(ctx) },
		"buried":    func(ctx context.Context, task *jobs.Task) error { return task.Bury(ctx, "own") },
		"retried": func(ctx context.Context, task *jobs.Task) error {
			return task.RetryAt(ctx, time.Now().Add(time.Second), "own")
		},
		"retried without an error": func(ctx context.Context, task *jobs.Task) error {
			return task.RetryAt(ctx, time.Now().Add(time.Second), "")
		},
	} {
		for _, order := range []jobs.Order{jobs.Parallel, jobs.FIFO} {
			t.Run(fmt.Sprintf("%s, order %q", name, order), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := eachtest.Memory(t)
					q := newQueue(t, b.Jobs())
					setLane(t, q, "lane", jobs.LaneConfig{Cap: 1, Order: order, Breaker: jobs.Breaker{Failures: 3, Cooldown: time.Hour}})
					var ran atomic.Int64
					begin := time.Now()
					start(t, q, handlers{"test": func(ctx context.Context, task *jobs.Task) error {
						ran.Add(1)
						return b.InTx(ctx, func(ctx context.Context) error {
							if err := settle(ctx, task); err != nil {
								return err
							}
							return errors.New("its effect failed")
						})
					}}, jobs.WorkerConfig{MaxAttempts: 1000, Backoff: func(int) time.Duration { return time.Second }})
					enqueue(t, q, job("lane"), job("lane"), job("lane"))
					for hours := range int64(3) { // of which each but the first begins with one try
						time.Sleep(time.Until(begin.Add(time.Duration(hours)*time.Hour + 30*time.Minute)))
						if n := ran.Load(); n != 3+hours {
							t.Errorf("%d attempts after %d hours, want %d", n, hours, 3+hours)
						}
						l, err := q.Lane(t.Context(), "acme", "lane")
						if err != nil {
							t.Fatal(err)
						}
						if l.Hold.Reason != jobs.HeldByBreaker {
							t.Errorf("the lane is held for %q after %d hours, want its breaker", l.Hold.Reason, hours)
						}
					}
				})
			})
		}
	}
}

// Of a job that failed while somebody set the lane anew.
func TestAHoldThatComesAfterTheConfigThatHasNoCauseForItHoldsNothing(t *testing.T) {
	for name, before := range map[string]jobs.LaneConfig{
		"a breaker": {Cap: 1, Breaker: jobs.Breaker{Failures: 1, Cooldown: time.Hour}},
		"a retry":   {Order: jobs.FIFO},
	} {
		t.Run(name, func(t *testing.T) {
			eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
				store := &spy{Store: b.Jobs()}
				q := newQueue(t, store)
				setLane(t, q, "lane", before)
				var once sync.Once
				store.settle = func(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error) {
					once.Do(func() { setLane(t, q, "lane", jobs.LaneConfig{Cap: 1}) })
					return b.Jobs().Settle(ctx, worker, outcomes)
				}
				ran := make(chan struct{}, 10)
				w := start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
					ran <- struct{}{}
					if task.Job.Trace == "fails" {
						return jobs.RetryAt(time.Now().Add(time.Hour), errors.New("own"))
					}
					return nil
				}}, jobs.WorkerConfig{Lease: time.Second})
				first := job("lane")
				first.Trace = "fails"
				enqueue(t, q, first)
				receive(t, ran, "start of the first job")
				enqueue(t, q, job("lane"))
				receive(t, ran, "start of the second job")
				closeWorker(t, w)
				if l, err := q.Lane(t.Context(), "acme", "lane"); err != nil || l.Hold != (jobs.Hold{}) {
					t.Errorf("the lane is held by %+v, %v; want nothing", l.Hold, err)
				}
			})
		})
	}
}

func TestALaneKeepsItsRateWhileItRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, eachtest.Memory(t).Jobs())
		setLane(t, q, "lane", jobs.LaneConfig{Rate: 1.0 / 600})
		ran := make(chan time.Time, 10)
		start(t, q, handlers{"test": func(context.Context, *jobs.Task) error {
			ran <- time.Now()
			return nil
		}}, jobs.WorkerConfig{})
		enqueue(t, q, job("lane"))
		first := <-ran
		time.Sleep(time.Minute)
		enqueue(t, q, job("lane"))
		if after := (<-ran).Sub(first).Round(time.Second); after != 10*time.Minute {
			t.Errorf("the second job started %s after the first, want 10 minutes", after)
		}
		time.Sleep(15 * time.Minute)
		if l, err := q.Lane(t.Context(), "acme", "lane"); err != nil || l.Owner != 0 {
			t.Errorf("the lane is owned by %d, %v; want it to be free once it has its burst again", l.Owner, err)
		}
	})
}

func TestAnOutcomeThatIsPerhapsStoredHoldsItsLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &spy{Store: eachtest.Memory(t).Jobs()}
		var calls atomic.Int64
		store.settle = func(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error) {
			missed, err := store.Store.Settle(ctx, worker, outcomes)
			if calls.Add(1) == 1 {
				err = errors.New("the answer was lost")
			}
			return missed, err
		}
		q := newQueue(t, store)
		setLane(t, q, "lane", jobs.LaneConfig{Order: jobs.FIFO})
		ran := make(chan int, 10)
		start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
			ran <- task.Job.Attempt
			if task.Job.Attempt == 0 {
				return errors.New("broken")
			}
			return nil
		}}, jobs.WorkerConfig{Backoff: func(int) time.Duration { return 8 * time.Second }})
		enqueue(t, q, job("lane"))
		<-ran
		begin := time.Now()
		<-ran
		if after := time.Since(begin).Round(time.Second); after != 8*time.Second {
			t.Errorf("it was tried again %s later, want after its backoff", after)
		}
	})
}

func TestSubLanesAreSharedByProcessesAndKeepTheOrderOfAKey(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		const split, keys, least = 8, 16, 5
		producer := newQueue(t, b.Jobs())
		for _, lane := range jobs.SubLanes("hot", split) {
			setLane(t, producer, lane, jobs.LaneConfig{Order: jobs.FIFO})
		}
		var mu sync.Mutex
		ran := map[string][]string{} // payloads by key
		var workers [2]map[string]bool
		for i := range workers {
			workers[i] = map[string]bool{}
			start(t, newQueue(t, b.Jobs()), handlers{"test": func(_ context.Context, task *jobs.Task) error {
				<-time.After(2 * time.Millisecond)
				mu.Lock()
				defer mu.Unlock()
				workers[i][task.Job.Lane] = true
				ran[task.Job.Trace] = append(ran[task.Job.Trace], string(task.Job.Payload))
				return nil
			}}, jobs.WorkerConfig{Lease: time.Minute, Heartbeat: 100 * time.Millisecond, Poll: 20 * time.Millisecond})
		}
		shared := func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(workers[0]) > 0 && len(workers[1]) > 0
		}
		each := 0
		eventually(t, "both have a part of the lane", func() bool {
			for k := range keys {
				key := fmt.Sprint("key", k)
				j := job(jobs.SubLane("hot", key, split))
				j.Trace, j.Payload = key, fmt.Appendf(nil, "%05d", each)
				enqueue(t, producer, j)
			}
			each++
			return each >= least && shared()
		})
		eventually(t, "all ran", func() bool {
			mu.Lock()
			defer mu.Unlock()
			n := 0
			for _, list := range ran {
				n += len(list)
			}
			return n >= keys*each
		})
		mu.Lock()
		defer mu.Unlock()
		for key, list := range ran {
			if list = slices.Compact(list); !slices.IsSorted(list) {
				t.Errorf("%s ran in the order %v", key, list)
			}
		}
	})
}

func TestSubLanes(t *testing.T) {
	for _, c := range []struct {
		name string
		got  []string
		want []string
	}{
		{"a lane that is not split is itself", append(jobs.SubLanes("a", 1), jobs.SubLane("a", "key", 0)), []string{"a", "a"}},
		{"sub-lanes are numbered", jobs.SubLanes("a", 3), []string{"a/0", "a/1", "a/2"}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, c.got, c.want)
		}
	}
	seen := map[string]bool{}
	for i := range 100 {
		lane := jobs.SubLane("a", fmt.Sprint(i), 4)
		if lane != jobs.SubLane("a", fmt.Sprint(i), 4) || !slices.Contains(jobs.SubLanes("a", 4), lane) {
			t.Fatalf("key %d is in %s", i, lane)
		}
		seen[lane] = true
	}
	if len(seen) != 4 {
		t.Errorf("a hundred keys are in %d of 4 lanes", len(seen))
	}
}

func TestALaneConfigThatMakesNoSenseIsRefused(t *testing.T) {
	q := newQueue(t, eachtest.Memory(t).Jobs())
	nan := 0.0
	nan /= nan
	for _, c := range []struct {
		pointer string
		config  jobs.LaneConfig
	}{
		{"/cap", jobs.LaneConfig{Cap: -1}},
		{"/cap", jobs.LaneConfig{Cap: jobs.MaxCap + 1}},
		{"/rate", jobs.LaneConfig{Rate: -1}},
		{"/rate", jobs.LaneConfig{Rate: nan}},
		{"/rate", jobs.LaneConfig{Rate: 2 * jobs.MaxRate}},
		{"/burst", jobs.LaneConfig{Burst: -1}},
		{"/order", jobs.LaneConfig{Order: "lifo"}},
		{"/breaker/failures", jobs.LaneConfig{Breaker: jobs.Breaker{Failures: -1}}},
		{"/breaker/cooldown", jobs.LaneConfig{Breaker: jobs.Breaker{Failures: 1}}},
		{"/breaker/cooldown", jobs.LaneConfig{Breaker: jobs.Breaker{Cooldown: -1}}},
	} {
		var invalid *storage.InvalidError
		if err := q.SetLane(t.Context(), "acme", "lane", c.config); !errors.As(err, &invalid) || invalid.Fields[0].Pointer != c.pointer {
			t.Errorf("%+v: got %v, want an error at %s", c.config, err, c.pointer)
		}
	}
}
