package jobs_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// The next beat in turn is a quarter of an hour away: nothing waits for it.
func TestAPausedWorkerLeavesAllWorkToTheOthers(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		const lanes = 30
		q := newQueue(t, b.Jobs())
		var ran [2]atomic.Int64
		var workers [2]*jobs.Worker
		for i := range workers {
			workers[i] = start(t, q, handlers{"test": func(context.Context, *jobs.Task) error {
				ran[i].Add(1)
				return nil
			}}, jobs.WorkerConfig{Lease: time.Hour})
		}
		total := int64(0)
		batch := func() {
			t.Helper()
			for lane := range lanes {
				enqueue(t, q, job(fmt.Sprint(lane)))
			}
			total += lanes
			eventually(t, "all jobs ran", func() bool { return ran[0].Load()+ran[1].Load() == total })
		}
		batch()
		workers[0].Pause()
		workers[0].Pause()
		eventually(t, "the paused worker has no lane", func() bool { return workers[0].Stats().Lanes == 0 })
		before := ran[0].Load()
		batch()
		batch()
		if n := ran[0].Load() - before; n != 0 {
			t.Errorf("the paused worker ran %d jobs", n)
		}
		workers[1].Pause()
		eventually(t, "the other one has no lane either", func() bool { return workers[1].Stats().Lanes == 0 })
		other := ran[1].Load()
		for lane := range lanes {
			enqueue(t, q, job(fmt.Sprint(lane)))
		}
		total += lanes
		workers[0].Resume()
		eventually(t, "the resumed worker ran all jobs", func() bool { return ran[0].Load()+ran[1].Load() == total })
		if n := ran[1].Load() - other; n != 0 {
			t.Errorf("the paused worker ran %d jobs", n)
		}
	})
}

func TestAPauseLetsHandlersEndAndStartsNothingThatWasReadAhead(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		if err := q.SetLane(t.Context(), "acme", "lane", jobs.LaneConfig{Cap: 1}); err != nil {
			t.Fatal(err)
		}
		started, release := make(chan int64, 10), make(chan struct{})
		handler := handlers{"test": func(ctx context.Context, task *jobs.Task) error {
			started <- task.Job.ID
			<-release
			return ctx.Err()
		}}
		w := start(t, q, handler, jobs.WorkerConfig{})
		enqueue(t, q, job("lane"), job("lane"), job("lane"))
		first := receive(t, started, "start")
		w.Pause()
		close(release)
		eventually(t, "the first job is completed", func() bool { return len(waiting(t, q, "lane")) == 2 })
		eventually(t, "the lane was given back", func() bool { return w.Stats().Lanes == 0 })
		if a := attemptsOf(t, q, first); len(a) != 1 || a[0].Result != jobs.Completed || len(started) > 0 {
			t.Errorf("got attempts %+v and %d more starts, want the completed one and none", a, len(started))
		}
		other := start(t, q, handler, jobs.WorkerConfig{})
		for range 2 {
			receive(t, started, "start by the other")
		}
		closeWorker(t, other)
	})
}

func TestAWorkerMayBePausedBeforeItsStart(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		ran := make(chan int64, 1)
		w, err := jobs.NewWorker(q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
			ran <- task.Job.ID
			return nil
		}}, jobs.WorkerConfig{Logger: logTo(t)})
		if err != nil {
			t.Fatal(err)
		}
		w.Pause()
		if err := w.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer closeWorker(t, w)
		me, err := b.Jobs().Beat(t.Context(), jobs.Beat{Lease: patience})
		if err != nil || len(me.Peers) != 1 || !me.Peers[0].Resting {
			t.Fatalf("others see %+v and %v, want one worker that rests", me.Peers, err)
		}
		enqueue(t, q, job("lane"))
		if len(ran) > 0 {
			t.Error("it ran a job")
		}
		w.Resume()
		receive(t, ran, "job")
	})
}

// What was paused goes on while a handler of it is still at work, which may be for hours.
func TestWhatIsResumedDoesNotWaitForTheHandlersThatWereAtWork(t *testing.T) {
	for name, c := range map[string]struct {
		pause, resume func(t *testing.T, q *jobs.Queue, w *jobs.Worker)
	}{
		"a lane": {
			func(t *testing.T, q *jobs.Queue, _ *jobs.Worker) {
				if err := q.PauseLane(t.Context(), "acme", "lane"); err != nil {
					t.Error(err)
				}
			},
			func(t *testing.T, q *jobs.Queue, _ *jobs.Worker) {
				if err := q.ResumeLane(t.Context(), "acme", "lane"); err != nil {
					t.Error(err)
				}
			},
		},
		"a worker": {
			func(_ *testing.T, _ *jobs.Queue, w *jobs.Worker) { w.Pause() },
			func(_ *testing.T, _ *jobs.Queue, w *jobs.Worker) { w.Resume() },
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
				q := newQueue(t, b.Jobs())
				if err := q.SetLane(t.Context(), "acme", "lane", jobs.LaneConfig{Cap: 2}); err != nil {
					t.Fatal(err)
				}
				started, release := make(chan string, 3), make(chan struct{})
				w := start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
					started <- string(task.Job.Payload)
					if string(task.Job.Payload) == "long" {
						<-release
					}
					return nil
				}}, jobs.WorkerConfig{})
				defer close(release)
				long, quick := job("lane"), job("lane")
				long.Payload, quick.Payload = []byte("long"), []byte("quick")
				enqueue(t, q, long)
				receive(t, started, "start")
				c.pause(t, q, w)
				enqueue(t, q, quick)
				eventually(t, "the lane is seen as paused", func() bool { return jobs.Leaving(w, "acme", "lane") })
				c.resume(t, q, w)
				if got := receive(t, started, "start"); got != "quick" {
					t.Errorf("%q was started, want the quick job", got)
				}
			})
		})
	}
}
