//go:build unix

package jobs_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lumelle/adminkit/storage/jobs"
)

// BenchmarkIdle is what a worker at stock settings costs that has nothing to do: the share
// of one core that this process takes over five seconds, and on Linux the share that the
// server of Postgres takes for its connections. Parked jobs are due in a day.
func BenchmarkIdle(b *testing.B) {
	const span = 5 * time.Second
	for _, kind := range []string{"sqlite", "postgres"} {
		for _, parked := range []int{0, 100_000} {
			b.Run(fmt.Sprintf("%s/%d-parked", kind, parked), func(b *testing.B) {
				q, at := queueAt(b, kind)
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
				served, serves := serverTime(b, kind, at)
				used := processorTime(b)
				for range b.N {
					time.Sleep(span)
				}
				b.StopTimer()
				used = processorTime(b) - used
				b.ReportMetric(100*float64(used)/float64(b.Elapsed()), "%core")
				if serves {
					after, _ := serverTime(b, kind, at)
					b.ReportMetric(100*float64(after-served)/float64(b.Elapsed()), "%server")
				}
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

// serverTime returns what the connections to the database have used of the processors of a
// server on this machine, to a hundredth of a second, and whether that can be told.
func serverTime(b *testing.B, kind, dsn string) (used time.Duration, ok bool) {
	b.Helper()
	if kind != "postgres" {
		return 0, false
	}
	conn, err := pgx.Connect(b.Context(), dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(b.Context()))
	rows, err := conn.Query(b.Context(), `
		SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	if err != nil {
		b.Fatal(err)
	}
	processes, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		b.Fatal(err)
	}
	for _, id := range processes {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id))
		if err != nil {
			return 0, false
		}
		// Behind the name, which is in brackets, the 12th and 13th fields are ticks of
		// 10 ms: in the process, and in the kernel for it.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		for _, field := range fields[11:13] {
			ticks, err := strconv.Atoi(field)
			if err != nil {
				b.Fatal(err)
			}
			used += time.Duration(ticks) * 10 * time.Millisecond
		}
	}
	return used, len(processes) > 0
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
