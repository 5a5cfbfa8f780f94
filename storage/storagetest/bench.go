package storagetest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/webhooks"
)

// Bench measures a backend in what the kit does most: changes with their record and
// message, jobs that are taken and done, pages of the log. fresh returns an empty backend and
// leaves closing it to b.Cleanup. What the backend has no store for is left out.
//
// Figures of different runs do not compare. Measure another backend beside yours:
//
//	func BenchmarkBackends(b *testing.B) {
//		b.Run("mine", func(b *testing.B) { storagetest.Bench(b, openMine) })
//		b.Run("memory", func(b *testing.B) { storagetest.Bench(b, openMemory) })
//	}
func Bench(b *testing.B, fresh func(b *testing.B) Backend) {
	b.Helper()
	has := fresh(b)
	_, log := has.(logger)
	_, work := has.(worker)
	_, messages := has.(messenger)
	for _, c := range []struct {
		name string
		of   bool // the backend has what it needs
		run  func(b *testing.B, backend Backend)
	}{
		{"change", log && messages && work, benchChange},
		{"change/parallel", log && messages && work, benchChanges},
		{"job", work, benchJob},
		{"page", log, benchPage},
	} {
		if !c.of {
			b.Logf("%s is not measured: the backend lacks a store for it", c.name)
			continue
		}
		b.Run(c.name, func(b *testing.B) { c.run(b, fresh(b)) })
	}
}

// The stores that are measured.
type (
	logger    interface{ Audit() audit.Store }
	worker    interface{ Jobs() jobs.Store }
	messenger interface{ Webhooks() webhooks.Store }
)

// benchTenant is whose records are measured.
const benchTenant = "acme"

// record returns an audit record of the usual size.
func record() audit.Row {
	r := audit.Row{Source: "/orders", ID: storage.NewID(), Time: noon, Action: "orders.refund", ActorID: "sam", ResourceType: "order", ResourceID: "1001"}
	r.Canonical, r.RecordedAt = fmt.Appendf(nil, `{"id":%q,"note":"%0600d"}`, r.ID, 0), noon
	r.Leaf = sha256.Sum256(r.Canonical)
	return r
}

// change returns a transaction with a record, a message to one endpoint, and the job that
// delivers it.
func change(ctx context.Context, backend Backend) func() error {
	log, messages, work := backend.(logger).Audit(), backend.(messenger).Webhooks(), backend.(worker).Jobs()
	write := func(ctx context.Context) error {
		r := record()
		if err := log.Insert(ctx, benchTenant, r); err != nil {
			return err
		}
		message := webhooks.Message{ID: r.ID, EventSource: r.Source, EventID: r.ID, EventType: r.Action, Body: r.Canonical, CreatedAt: noon}
		delivery := webhooks.Delivery{ID: r.ID, MessageID: r.ID, EndpointID: "e-1", EventType: r.Action, Status: webhooks.Pending, CreatedAt: noon, UpdatedAt: noon}
		if _, err := messages.InsertMessage(ctx, benchTenant, message, []webhooks.Delivery{delivery}); err != nil {
			return err
		}
		return work.Enqueue(ctx, []jobs.Job{{Tenant: benchTenant, Lane: "e-1", Kind: "deliver", Due: noon, Payload: []byte(r.ID)}})
	}
	return func() error { return backend.InTx(ctx, write) }
}

// benchChange is a writer that is alone.
func benchChange(b *testing.B, backend Backend) {
	write := change(b.Context(), backend)
	b.ReportAllocs()
	for b.Loop() {
		if err := write(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
}

// benchChanges is sixteen writers for each processor.
func benchChanges(b *testing.B, backend Backend) {
	write := change(b.Context(), backend)
	b.ReportAllocs()
	b.SetParallelism(16)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := write(); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
}

// benchBatch is how many jobs a worker takes at a time.
const benchBatch = 50

// benchJob is a batch of jobs from enqueueing to completion by a worker that owns their
// lane.
func benchJob(b *testing.B, backend Backend) {
	s, lane := backend.(worker).Jobs(), jobs.LaneID{Tenant: benchTenant, Lane: "e-1"}
	here, err := s.Beat(b.Context(), jobs.Beat{})
	if err != nil {
		b.Fatal(err)
	}
	batch := make([]jobs.Job, benchBatch)
	for i := range batch {
		batch[i] = jobs.Job{Tenant: lane.Tenant, Lane: lane.Lane, Kind: "deliver", Due: noon, Payload: []byte("d-1")}
	}
	done := 0
	round := func() error {
		if err := s.Enqueue(b.Context(), batch); err != nil {
			return err
		}
		if _, err := s.Claim(b.Context(), jobs.Claim{Worker: here.Worker.ID, Take: 1, Now: noon}); err != nil {
			return err
		}
		due, err := s.Fetch(b.Context(), noon, []jobs.LaneFetch{jobs.FromStart(lane, benchBatch)})
		if err != nil {
			return err
		}
		outcomes := make([]jobs.Outcome, len(due))
		for i, d := range due {
			outcomes[i] = jobs.Outcome{Job: d, Result: jobs.Completed, Started: noon, Ended: noon}
		}
		if _, err := s.Settle(b.Context(), here.Worker.ID, outcomes); err != nil {
			return err
		}
		done += len(due)
		return nil
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := round(); err != nil {
			b.Fatal(err)
		}
	}
	if done != b.N*benchBatch {
		b.Errorf("%d jobs were done in %d rounds of %d", done, b.N, benchBatch)
	}
	b.ReportMetric(float64(done)/b.Elapsed().Seconds(), "jobs/s")
}

// benchRecords is how long the log is that pages are read of.
const benchRecords = 5000

// benchPage is the latest page of fifty.
func benchPage(b *testing.B, backend Backend) {
	s := backend.(logger).Audit()
	for range benchRecords / 500 {
		rows := make([]audit.Row, 500)
		for i := range rows {
			rows[i] = record()
		}
		if err := s.Insert(b.Context(), benchTenant, rows...); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		page, err := s.List(b.Context(), benchTenant, audit.Query{Limit: 50, Descending: true})
		if err != nil {
			b.Fatal(err)
		}
		if len(page.Items) != 50 {
			b.Fatalf("the page has %d records", len(page.Items))
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pages/s")
}
