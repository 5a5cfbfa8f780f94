//go:build unix

package automation_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage/jobs"
)

// BenchmarkParked parks one run an iteration, from its event to its wait for approval,
// and then tells what the parked ones cost: goroutines in all, heap and file per run, and
// the CPU of a worker at stock settings with nothing to do. For the figures of the
// documentation: -benchtime 100000x.
func BenchmarkParked(b *testing.B) {
	ctx := audit.WithActor(b.Context(), sam)
	place := filepath.Join(b.TempDir(), "parked.db")
	store, err := openPlace(ctx, place)
	must(b, err)
	defer func() { must(b, store.Close(context.WithoutCancel(ctx))) }()
	h, err := newHost(store)
	must(b, err)
	h.writeRule(ctx, b, definition(b, `"steps":[{"name":"ask","action":"approval.request","with":{"action":"a","resource":{"type":"order","id":"1"}}}]`))
	w, err := jobs.NewWorker(h.queue, h.service.Handlers(), jobs.WorkerConfig{})
	must(b, err)
	must(b, w.Start(ctx))
	defer func() { must(b, w.Close(context.WithoutCancel(ctx))) }()
	time.Sleep(time.Second)
	goroutines, heap, file := runtime.NumGoroutine(), heapInUse(), size(b, place)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		must(b, h.governor.Record(ctx, audit.Event{
			ID: fmt.Sprint("e", n), Tenant: acme, Action: "orders.refund", Resource: audit.Resource{Type: "order", ID: "1"},
		}))
	}
	for h.count(ctx, b, automation.Waiting) < n {
		time.Sleep(100 * time.Millisecond)
	}
	time.Sleep(2 * time.Second) // the lane is given back
	b.ReportMetric(float64(runtime.NumGoroutine()-goroutines), "goroutines")
	b.ReportMetric(float64(max(heapInUse()-heap, 0))/float64(n), "heap-B/run")
	b.ReportMetric(float64(size(b, place)-file)/float64(n), "file-B/run")
	before := cpu(b)
	time.Sleep(5 * time.Second)
	b.ReportMetric(100*(cpu(b)-before).Seconds()/5, "idle-%core")
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// size is that of a database with its write-ahead log.
func size(b *testing.B, place string) (total int64) {
	b.Helper()
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(place + suffix)
		must(b, err)
		total += info.Size()
	}
	return total
}

// cpu is what the process has used so far.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
