package jobs_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/sqlite"
)

// BenchmarkDrain works b.N jobs of 100 lanes that wait when the worker starts. An
// operation is a job, with its attempt recorded and the store empty at the end.
func BenchmarkDrain(b *testing.B) {
	for _, kind := range []struct {
		name string
		open func(b *testing.B) (jobs.Store, error)
	}{
		{"memory", func(*testing.B) (jobs.Store, error) {
			m, err := memory.New(memory.Config{})
			if err != nil {
				return nil, err
			}
			return m.Jobs(), nil
		}},
		{"sqlite", func(b *testing.B) (jobs.Store, error) {
			s, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "jobs.db"), sqlite.Config{})
			if err != nil {
				return nil, err
			}
			b.Cleanup(func() { s.Close(context.WithoutCancel(b.Context())) })
			return s.Jobs(), nil
		}},
		{"postgres", func(b *testing.B) (jobs.Store, error) {
			p, err := postgres.Open(b.Context(), pgtest.DSN(b), postgres.Config{})
			if err != nil {
				return nil, err
			}
			b.Cleanup(func() { p.Close(context.WithoutCancel(b.Context())) })
			return p.Jobs(), nil
		}},
	} {
		b.Run(kind.name, func(b *testing.B) {
			store, err := kind.open(b)
			if err != nil {
				b.Fatal(err)
			}
			drain(b, store)
		})
	}
}

func drain(b *testing.B, store jobs.Store) {
	const lanes, batch = 100, 1000
	q, err := jobs.NewQueue(store, jobs.Config{})
	if err != nil {
		b.Fatal(err)
	}
	for n := 0; n < b.N; n += batch {
		list := make([]jobs.Job, min(batch, b.N-n))
		for i := range list {
			list[i] = jobs.Job{Tenant: "acme", Lane: fmt.Sprint(i % lanes), Kind: "test", Payload: make([]byte, 170)}
		}
		if err := q.Enqueue(b.Context(), list...); err != nil {
			b.Fatal(err)
		}
	}
	var ran atomic.Int64
	w, err := jobs.NewWorker(q, map[string]jobs.Handler{"test": func(context.Context, *jobs.Task) error {
		ran.Add(1)
		return nil
	}}, jobs.WorkerConfig{Slots: 1000})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	if err := w.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	for ran.Load() < int64(b.N) {
		<-time.After(time.Millisecond)
	}
	if err := w.Close(context.WithoutCancel(b.Context())); err != nil { // waits for the last outcomes
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}
