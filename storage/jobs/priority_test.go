package jobs_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func prioritized(p jobs.Priority) jobs.Job {
	j := job("lane")
	j.Priority = p
	return j
}

func TestTheHighestPriorityOfALaneStartsFirst(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		if err := q.SetLane(t.Context(), "acme", "lane", jobs.LaneConfig{Cap: 1}); err != nil {
			t.Fatal(err)
		}
		var list []jobs.Job
		for range 30 {
			list = append(list, prioritized(jobs.Low), prioritized(jobs.Normal), prioritized(jobs.High))
		}
		enqueue(t, q, list...)
		started := make(chan jobs.Priority, len(list))
		start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
			started <- task.Job.Priority
			return nil
		}}, jobs.WorkerConfig{Lease: time.Minute})
		for i := range list {
			if p, want := receive(t, started, "job"), jobs.AtLevel(i/30); p != want {
				t.Fatalf("start %d has priority %d, want %d", i, p, want)
			}
		}
	})
}

// The worker has read as many normal jobs as it reads ahead; what is urgent comes later.
func TestAHighJobThatComesBehindAFullWindowStartsNext(t *testing.T) {
	for _, stranger := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := eachtest.Memory(t)
			q := newQueue(t, b.Jobs())
			producer := q
			if stranger { // another queue can only signal that there is something
				producer = newQueue(t, b.Jobs())
			}
			if err := q.SetLane(t.Context(), "acme", "lane", jobs.LaneConfig{Cap: 1}); err != nil {
				t.Fatal(err)
			}
			started, goOn := make(chan jobs.Priority, 100), make(chan struct{})
			start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
				started <- task.Job.Priority
				<-goOn
				return nil
			}}, jobs.WorkerConfig{Lease: 100 * time.Hour, Poll: 50 * time.Hour})
			var list []jobs.Job
			for range 40 {
				list = append(list, prioritized(jobs.Normal))
			}
			enqueue(t, q, list...)
			<-started
			enqueue(t, producer, prioritized(jobs.Low), prioritized(jobs.High), prioritized(jobs.Normal))
			time.Sleep(time.Second) // signals travel
			synctest.Wait()
			goOn <- struct{}{}
			if p := <-started; p != jobs.High {
				t.Errorf("a job of priority %d was started, want %d", p, jobs.High)
			}
			close(goOn)
		})
	}
}

func TestAPriorityThatDoesNotExistIsRefused(t *testing.T) {
	q := newQueue(t, eachtest.Memory(t).Jobs())
	for _, p := range []jobs.Priority{-2, 2} {
		j := job("lane")
		j.Priority = p
		var invalid *storage.InvalidError
		if err := q.Enqueue(t.Context(), j); !errors.As(err, &invalid) || invalid.Fields[0].Pointer != "/0/priority" {
			t.Errorf("priority %d: got %v, want an error at /0/priority", p, err)
		}
	}
}
