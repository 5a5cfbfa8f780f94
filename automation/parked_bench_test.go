//go:build unix

package automation_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// BenchmarkParked parks one run an iteration, from its event to its wait for approval,
// and then tells what the parked ones cost: goroutines in all, heap and store per run, and
// the CPU of a worker at stock settings with nothing to do, on Linux also that of the
// server of Postgres for its connections. The heap of the memory store holds the runs
// themselves, and the audit record of the event of each: record-B/event is what such a
// record takes of the heap where no rule listens. For the figures of the documentation:
// -benchtime 100000x.
func BenchmarkParked(b *testing.B) {
	for _, kind := range eachtest.Kinds(b) {
		b.Run(kind.Name, func(b *testing.B) { park(b, kind) })
	}
}

const (
	// parkedAtOnce is how many events share a transaction.
	parkedAtOnce = 100
	// parkedRest is longer than a worker keeps a lane without work.
	parkedRest = 12 * time.Second
	// parkedIdle is how long the idle worker is watched.
	parkedIdle = 10 * time.Second
)

func park(b *testing.B, kind eachtest.Kind) {
	ctx := audit.WithActor(b.Context(), sam)
	store, m := openMetered(b, kind)
	h, err := newHost(store)
	must(b, err)
	unheard := heapInUse()
	refundAll(ctx, b, h, "unheard")
	unheard = heapInUse() - unheard
	rule := h.writeRule(ctx, b, definition(b, `"steps":[{"name":"ask","action":"approval.request","with":{"action":"a","resource":{"type":"order","id":"1"}}}]`))
	w, err := jobs.NewWorker(h.queue, h.service.Handlers(), jobs.WorkerConfig{})
	must(b, err)
	must(b, w.Start(ctx))
	defer func() { must(b, w.Close(context.WithoutCancel(ctx))) }()
	time.Sleep(time.Second)
	goroutines, heap, size := runtime.NumGoroutine(), heapInUse(), m.size()
	b.ReportAllocs()
	b.ResetTimer()
	refundAll(ctx, b, h, "e")
	for parked := false; !parked; time.Sleep(10 * time.Millisecond) {
		left, err := store.Jobs().Fetch(ctx, time.Now(), []jobs.LaneFetch{jobs.FromStart(jobs.LaneID{Tenant: acme, Lane: "automation/" + rule.ID}, 1)})
		must(b, err)
		parked = len(left) == 0
	}
	b.StopTimer()
	same(b, "runs that wait", h.count(ctx, b, automation.Waiting), b.N)
	time.Sleep(parkedRest)
	b.ReportMetric(float64(runtime.NumGoroutine()-goroutines), "goroutines")
	b.ReportMetric(float64(max(heapInUse()-heap, 0))/float64(b.N), "heap-B/run")
	b.ReportMetric(float64(max(unheard, 0))/float64(b.N), "record-B/event")
	b.ReportMetric(float64(m.size()-size)/float64(b.N), "store-B/run")
	debug.FreeOSMemory() // what the load took, which the runtime else gives back while the worker idles
	used, served := cpu(b), m.served()
	time.Sleep(parkedIdle)
	b.ReportMetric(100*(cpu(b)-used).Seconds()/parkedIdle.Seconds(), "idle-%core")
	if served > 0 {
		b.ReportMetric(100*(m.served()-served).Seconds()/parkedIdle.Seconds(), "idle-%server")
	}
}

// refundAll records an event an iteration.
func refundAll(ctx context.Context, b *testing.B, h *host, prefix string) {
	b.Helper()
	for n := 0; n < b.N; n += parkedAtOnce {
		must(b, h.backend.InTx(ctx, func(ctx context.Context) error {
			for i := n; i < min(n+parkedAtOnce, b.N); i++ {
				if err := h.governor.Record(ctx, audit.Event{
					ID: fmt.Sprint(prefix, i), Tenant: acme, Action: "orders.refund", Resource: audit.Resource{Type: "order", ID: "1"},
				}); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

// A meter tells what a store takes outside of this process.
type meter struct {
	// size is its length in bytes, with its write-ahead log where that is a file of its
	// own.
	size func() int64
	// served is what its server has used of the processors for the connections there
	// are, zero where that cannot be told.
	served func() time.Duration
}

// openMetered opens a fresh store of a kind.
func openMetered(b *testing.B, kind eachtest.Kind) (backend, meter) {
	b.Helper()
	m := meter{size: func() int64 { return 0 }, served: func() time.Duration { return 0 }}
	var place string
	switch kind.Name {
	case "sqlite":
		place = filepath.Join(b.TempDir(), "parked.db")
		m.size = func() int64 { return fileSize(b, place) + fileSize(b, place+"-wal") }
	case "postgres":
		place = eachtest.PostgresDSN(b)
		m.size = func() int64 {
			return ask(b, place, pgx.RowTo[int64], `SELECT pg_database_size(current_database())`)[0]
		}
		m.served = func() time.Duration { return serverTime(b, place) }
	default:
		return kind.Open(b), m
	}
	store, err := openPlace(b.Context(), place)
	must(b, err)
	b.Cleanup(func() { must(b, store.Close(context.WithoutCancel(b.Context()))) })
	return store, m
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func fileSize(b *testing.B, path string) int64 {
	b.Helper()
	info, err := os.Stat(path)
	must(b, err)
	return info.Size()
}

// cpu is what the process has used so far.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// ask answers a query over a connection of its own.
func ask[T any](b *testing.B, dsn string, row pgx.RowToFunc[T], query string) []T {
	b.Helper()
	ctx := context.WithoutCancel(b.Context())
	conn, err := pgx.Connect(ctx, dsn)
	must(b, err)
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, query)
	must(b, err)
	all, err := pgx.CollectRows(rows, row)
	must(b, err)
	return all
}

// serverTime is what the processes of a server on this machine have used for the
// connections to a database, zero where it is elsewhere or no Linux.
func serverTime(b *testing.B, dsn string) (used time.Duration) {
	b.Helper()
	for _, id := range ask(b, dsn, pgx.RowTo[int], `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`) {
		// Its first field is the time on a processor in nanoseconds.
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", id))
		if err != nil {
			return 0
		}
		field, _, _ := strings.Cut(string(stat), " ")
		nanos, err := strconv.ParseInt(field, 10, 64)
		must(b, err)
		used += time.Duration(nanos)
	}
	return used
}
