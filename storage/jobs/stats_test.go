package jobs_test

import (
	"context"
	"errors"
	"maps"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestStatsAndRunsTellWhatAWorkerDid(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		runs := make(chan jobs.Run, 100)
		started := make(chan int64, 1)
		w := start(t, q, handlers{
			"good": func(context.Context, *jobs.Task) error { return nil },
			"bad":  func(context.Context, *jobs.Task) error { return jobs.Bury(errors.New("no")) },
			"late": func(_ context.Context, task *jobs.Task) error {
				if task.Job.Attempt == 0 {
					return errors.New("not yet")
				}
				return task.Complete(context.Background())
			},
			"slow": func(ctx context.Context, task *jobs.Task) error {
				started <- task.Job.ID
				<-ctx.Done()
				return ctx.Err()
			},
		}, jobs.WorkerConfig{Backoff: soon, OnRun: func(r jobs.Run) { runs <- r }})
		of := func(kind string) jobs.Job { return jobs.Job{Tenant: "acme", Lane: kind, Kind: kind} }
		enqueue(t, q, of("good"), of("good"), of("bad"), of("late"), of("slow"), of("nobody's"))
		id := receive(t, started, "start")
		if s := w.Stats(); s.Running == 0 || s.Lanes == 0 || s.Paused {
			t.Errorf("while a job runs the stats are %+v", s)
		}
		if err := q.Cancel(t.Context(), "acme", id); err != nil {
			t.Fatal(err)
		}
		want := map[string]jobs.Totals{
			"good": {Completed: 2}, "bad": {Buried: 1}, "late": {Retried: 1, Completed: 1}, "slow": {Cancelled: 1},
		}
		told := map[string]jobs.Totals{}
		for !maps.Equal(told, want) {
			r := receive(t, runs, "run")
			if r.Job.Kind == "nobody's" { // it is tried again all the time
				continue
			}
			got := told[r.Job.Kind]
			switch r.Result {
			case jobs.Completed:
				got.Completed++
			case jobs.Retried:
				got.Retried++
			case jobs.Buried:
				got.Buried++
			case jobs.Cancelled:
				got.Cancelled++
			}
			told[r.Job.Kind] = got
			if r.Worker == 0 || r.Wait < 0 || r.Took < 0 {
				t.Errorf("got run %+v", r)
			}
		}
		s := w.Stats()
		for kind, totals := range want {
			if s.Kinds[kind] != totals {
				t.Errorf("%s: got %+v, want %+v", kind, s.Kinds[kind], totals)
			}
		}
		if s.Kinds[""].Retried == 0 {
			t.Error("the jobs of a kind without a handler are not counted")
		}
		var waits uint64
		for _, n := range s.Wait.Counts {
			waits += n
		}
		if waits < 6 || len(s.Wait.Counts) != len(s.Wait.Bounds)+1 {
			t.Errorf("%d waits were counted, want 6 and more", waits)
		}
	})
}

func TestTheWaitOfAJobIsCountedInItsBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := memory.New(memory.Config{})
		if err != nil {
			t.Fatal(err)
		}
		q := newQueue(t, b.Jobs())
		late := job("lane")
		late.Due = time.Now().Add(-40 * time.Second)
		enqueue(t, q, late)
		w := start(t, q, handlers{"test": func(context.Context, *jobs.Task) error { return nil }}, jobs.WorkerConfig{})
		synctest.Wait()
		s := w.Stats().Wait
		for i, n := range s.Counts {
			want := uint64(0)
			if i < len(s.Bounds) && s.Bounds[i] == time.Minute {
				want = 1
			}
			if n != want {
				t.Errorf("bucket %d has %d, want %d", i, n, want)
			}
		}
		if s.Sum != 40*time.Second {
			t.Errorf("the sum is %s, want 40s", s.Sum)
		}
	})
}

// A host that prunes by a schedule has no worker that does so as well.
func TestPruningIsLeftToTheHostWhereItSaysSo(t *testing.T) {
	for _, leave := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b, err := memory.New(memory.Config{})
			if err != nil {
				t.Fatal(err)
			}
			q := newQueue(t, b.Jobs())
			var ran atomic.Int64
			start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
				ran.Store(task.Job.ID)
				return nil
			}}, jobs.WorkerConfig{Lease: time.Hour, Poll: time.Minute, LeavePruning: leave})
			enqueue(t, q, job("lane"))
			time.Sleep(8 * 24 * time.Hour)
			synctest.Wait()
			if kept := len(attemptsOf(t, q, ran.Load())) == 1; kept != leave {
				t.Errorf("leaving it %t: the old attempt is kept: %t", leave, kept)
			}
			if !leave {
				return
			}
			if n, err := q.Prune(t.Context(), time.Now()); n != 1 || err != nil {
				t.Errorf("pruned %d and %v, want 1", n, err)
			}
		})
	}
}
