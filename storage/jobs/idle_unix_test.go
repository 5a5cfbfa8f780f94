//go:build unix

package jobs_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage/jobs"
)

// BenchmarkIdle is what a worker at stock settings costs that has nothing to do: the share
// of one core that this process takes over five seconds, without what the server of
// Postgres takes for it. Parked jobs are due in a day.
func BenchmarkIdle(b *testing.B) {
	const span = 5 * time.Second
	for _, kind := range []string{"sqlite", "postgres"} {
		for _, parked := range []int{0, 100_000} {
			b.Run(fmt.Sprintf("%s/%d-parked", kind, parked), func(b *testing.B) {
				q, _ := queueAt(b, kind)
				park(b, q, parked)
				w, err := jobs.NewWorker(q, handlers{"test": func(context.Context, *jobs.Task) error {
					return nil
				}}, jobs.WorkerConfig{})
				if err != nil {
					b.Fatal(err)
				}
				if err := w.Start(b.Context()); err != nil {
					b.Fatal(err)
				}
				time.Sleep(time.Second) // the start is not idling
				b.ReportAllocs()
				b.ResetTimer()
				used := processorTime(b)
				for range b.N {
					time.Sleep(span)
				}
				b.StopTimer()
				used = processorTime(b) - used
				b.ReportMetric(100*float64(used)/float64(b.Elapsed()), "%core")
				if err := w.Close(context.WithoutCancel(b.Context())); err != nil {
					b.Error(err)
				}
			})
		}
	}
}

// park enqueues jobs of a thousand lanes that are due in a day.
func park(b *testing.B, q *jobs.Queue, n int) {
	b.Helper()
	due := time.Now().Add(24 * time.Hour)
	for n > 0 {
		list := make([]jobs.Job, min(n, 1000))
		for i := range list {
			list[i] = job(fmt.Sprint("lane", i))
			list[i].Due = due
			list[i].Payload = []byte(strings.Repeat("p", 100))
		}
		if err := q.Enqueue(b.Context(), list...); err != nil {
			b.Fatal(err)
		}
		n -= len(list)
	}
}

// processorTime returns what this process has used of the processors.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
