package jobs_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
)

func TestAHandlerThatEndsItsGoroutineTakesNoOtherJobWithIt(t *testing.T) {
	b, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	q := newQueue(t, b.Jobs())
	ran := make(chan string, 3)
	start(t, q, handlers{"test": func(_ context.Context, task *jobs.Task) error {
		ran <- task.Job.Lane
		runtime.Goexit()
		return nil
	}}, jobs.WorkerConfig{Slots: 1, MaxAttempts: 1})
	enqueue(t, q, job("a"), job("b"), job("c"))
	for range 3 {
		receive(t, ran, "job")
	}
}

func TestNoJobWaitsForWhatTheHostIsToldOfTheOneBefore(t *testing.T) {
	for name, told := range map[string]func(c *jobs.WorkerConfig, tell func()){
		"events": func(c *jobs.WorkerConfig, tell func()) { c.OnEvent = func(jobs.Event) { tell() } },
		"runs":   func(c *jobs.WorkerConfig, tell func()) { c.OnRun = func(jobs.Run) { tell() } },
	} {
		t.Run(name, func(t *testing.T) {
			b, err := memory.New(memory.Config{})
			if err != nil {
				t.Fatal(err)
			}
			q := newQueue(t, b.Jobs())
			second := make(chan struct{})
			var jobsRun, tales atomic.Int64
			config := jobs.WorkerConfig{Slots: 1}
			told(&config, func() {
				if tales.Add(1) > 1 {
					return
				}
				select {
				case <-second:
				case <-time.After(patience):
					t.Error("the second job did not run while the host was told of the first")
				}
			})
			start(t, q, handlers{"test": func(ctx context.Context, task *jobs.Task) error {
				if jobsRun.Add(1) == 2 {
					close(second)
				}
				return task.Bury(ctx, "hopeless")
			}}, config)
			enqueue(t, q, job("a"), job("b"))
			eventually(t, "the host is told of both", func() bool { return tales.Load() == 2 })
		})
	}
}
