//go:build unix

package jobs_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage/jobs"
)

// BenchmarkFairness is the wait from the commit of a job to its start, while jobs come to
// 10,000 lanes one by one: alone, and beside a lane whose handlers hang until the end and
// one with 50,000 jobs waiting. An operation is a job of the others. The ratio says how many
// times as long they wait beside the two.
func BenchmarkFairness(b *testing.B) {
	for _, kind := range []string{"sqlite", "postgres"} {
		b.Run(kind, func(b *testing.B) {
			b.ReportAllocs()
			alone, _ := waits(b, kind, false)
			beside, ran := waits(b, kind, true)
			b.ReportMetric(alone.Seconds()*1000, "p99-ms-alone")
			b.ReportMetric(beside.Seconds()*1000, "p99-ms-beside")
			b.ReportMetric(float64(beside)/float64(alone), "ratio")
			b.ReportMetric(float64(ran), "backlog-done")
		})
	}
}

// waits returns the 99th percentile of the waits of the other lanes' jobs, and how many of
// the backlog were done meanwhile.
func waits(b *testing.B, kind string, bad bool) (p99 time.Duration, done int) {
	b.Helper()
	const lanes, backlog, pause = 10_000, 50_000, 2 * time.Millisecond
	b.StopTimer()
	q, _ := queueAt(b, kind)
	if bad {
		for range backlog / 1000 {
			list := slices.Repeat([]jobs.Job{job("backlog")}, 1000)
			if err := q.Enqueue(b.Context(), list...); err != nil {
				b.Fatal(err)
			}
		}
		if err := q.Enqueue(b.Context(), slices.Repeat([]jobs.Job{job("hangs")}, 100)...); err != nil {
			b.Fatal(err)
		}
	}
	var mu sync.Mutex
	var all []time.Duration
	hang := make(chan struct{})
	w, err := jobs.NewWorker(q, handlers{
		"test": func(ctx context.Context, task *jobs.Task) error {
			if task.Job.Lane == "hangs" {
				<-hang
				return nil
			}
			select { // the backlog's handlers take a while, as handlers do
			case <-hang:
			case <-time.After(5 * time.Millisecond):
			}
			mu.Lock()
			done++
			mu.Unlock()
			return nil
		},
		"other": func(_ context.Context, task *jobs.Task) error {
			waited := time.Since(task.Job.Due)
			mu.Lock()
			all = append(all, waited)
			mu.Unlock()
			return nil
		},
	}, jobs.WorkerConfig{})
	if err != nil {
		b.Fatal(err)
	}
	if err := w.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	time.Sleep(time.Second) // the start is not what is measured
	b.StartTimer()
	for i := range b.N {
		j := job(fmt.Sprint("other", i%lanes))
		j.Kind, j.Due = "other", time.Now()
		if err := q.Enqueue(b.Context(), j); err != nil {
			b.Fatal(err)
		}
		time.Sleep(pause)
	}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(all)
	}
	for count() < b.N {
		time.Sleep(time.Millisecond)
	}
	b.StopTimer()
	mu.Lock()
	ran := done
	slices.Sort(all)
	p99 = all[len(all)*99/100]
	mu.Unlock()
	close(hang)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.Context()), 30*time.Second)
	defer cancel()
	if err := w.Close(ctx); err != nil {
		b.Error(err)
	}
	return p99, ran
}

// BenchmarkParkedJobs parks b.N jobs for a day and reports what they cost a worker that
// waits with them: goroutines and bytes of memory, and the share of a core over five
// seconds.
func BenchmarkParkedJobs(b *testing.B) {
	const span = 5 * time.Second
	for _, kind := range []string{"sqlite", "postgres"} {
		b.Run(kind, func(b *testing.B) {
			q, _ := queueAt(b, kind)
			w, err := jobs.NewWorker(q, handlers{"test": func(context.Context, *jobs.Task) error { return nil }}, jobs.WorkerConfig{})
			if err != nil {
				b.Fatal(err)
			}
			if err := w.Start(b.Context()); err != nil {
				b.Fatal(err)
			}
			time.Sleep(time.Second)
			goroutines, bytes := runtime.NumGoroutine(), heap()
			b.ReportAllocs()
			b.ResetTimer()
			park(b, q, b.N)
			b.StopTimer()
			time.Sleep(time.Second)
			b.ReportMetric(float64(runtime.NumGoroutine()-goroutines), "goroutines")
			b.ReportMetric((heap()-bytes)/float64(b.N), "B/job")
			used := processorTime(b)
			time.Sleep(span)
			b.ReportMetric(100*float64(processorTime(b)-used)/float64(span), "%core")
			if err := w.Close(context.WithoutCancel(b.Context())); err != nil {
				b.Error(err)
			}
		})
	}
}

// heap returns the bytes that are in use after a collection.
func heap() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
