package jobs_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// Schedules that are paused or over wait in the year 9999. They are never done with, so
// what is kept of them adds up for as long as the process lives.
func TestJobsThatAreDueFarAheadCrowdOutNoneThatIsDueSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, eachtest.Memory(t).Jobs())
		begin := time.Now()
		ran := make(chan time.Duration, 10)
		start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
			ran <- time.Since(begin)
			if task.Job.Attempt == 0 {
				return jobs.RetryAt(time.Now().Add(5*time.Minute), nil)
			}
			return nil
		}}, jobs.WorkerConfig{Poll: time.Hour})
		parked, near := job("parked"), job("near")
		parked.Due = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
		// No sign of life, and no sweep, happens to find it then.
		near.Due = begin.Add(10*time.Minute + 7*time.Second)
		for range 5 {
			list := make([]jobs.Job, 1000)
			for i := range list {
				list[i] = parked
			}
			enqueue(t, q, list...)
		}
		enqueue(t, q, near)
		for i, want := range []time.Duration{10*time.Minute + 7*time.Second, 15*time.Minute + 7*time.Second} {
			if got := <-ran; got != want {
				t.Errorf("attempt %d started after %s, want %s", i, got, want)
			}
		}
	})
}
