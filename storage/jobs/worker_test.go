package jobs_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lumelle/adminkit/storage/jobs"
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

// start returns a worker that runs until the test ends.
func start(t *testing.T, q *jobs.Queue, handlers map[string]jobs.Handler, config jobs.WorkerConfig) *jobs.Worker {
	t.Helper()
	if config.Logger == nil {
		config.Logger = logTo(t)
	}
	w, err := jobs.NewWorker(q, handlers, config)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if err := w.Close(ctx); err != nil {
			t.Errorf("close the worker: %v", err)
		}
	})
	return w
}

// receive returns the next value of a channel, or fails the test when none comes.
func receive[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("no %s within 20 seconds", what)
		panic("unreachable")
	}
}

func enqueue(t *testing.T, q *jobs.Queue, list ...jobs.Job) {
	t.Helper()
	if err := q.Enqueue(t.Context(), list...); err != nil {
		t.Fatal(err)
	}
}

func TestEveryJobRunsOnce(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		q := newQueue(t, b.Jobs())
		const lanes, each = 20, 50
		ran := make(chan int64, 2*lanes*each)
		start(t, q, map[string]jobs.Handler{"count": func(_ context.Context, task *jobs.Task) error {
			ran <- task.Job.ID
			return nil
		}}, jobs.WorkerConfig{})
		for range each {
			var batch []jobs.Job
			for lane := range lanes {
				batch = append(batch, jobs.Job{Tenant: "acme", Lane: fmt.Sprint(lane), Kind: "count"})
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
