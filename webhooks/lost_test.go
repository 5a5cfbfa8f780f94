package webhooks_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/webhooks"
)

// bereave has a worker announce starts of the first job of an endpoint and be gone with
// them, as often as makes the job a lost one, and then starts another, which works it until
// stop is called.
func (k *kit) bereave(t *testing.T, endpointID string) (stop func()) {
	t.Helper()
	store := k.backend.Jobs()
	p, err := store.Beat(t.Context(), jobs.Beat{Lease: time.Minute})
	must(t, err)
	for range 3 {
		list, err := store.Fetch(t.Context(), time.Now(), []jobs.LaneFetch{jobs.FromStart(jobs.LaneID{Tenant: "acme", Lane: "webhooks/" + endpointID}, 1)})
		must(t, err)
		same(t, len(list), 1)
		_, err = store.Settle(t.Context(), p.Worker.ID, []jobs.Outcome{{Job: list[0], Result: jobs.Begun, Started: time.Now(), Ended: time.Now()}})
		must(t, err)
	}
	_, err = store.Beat(t.Context(), jobs.Beat{Worker: p.Worker.ID, Leave: true})
	must(t, err)
	return k.work(t)
}

func TestADeliveryThatKillsItsProcessesFails(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		sent := always(accepted)
		k := newKit(t, b, kitConfig{deliverer: sent})
		e, _ := k.create(t, "https://hooks.example.com/in", "*")
		k.refund(t, "acme", "r1")
		id := k.deliveries(t, webhooks.DeliveryQuery{})[0].ID
		k.bereave(t, e.ID)
		d := k.until(t, id, is(webhooks.Failed))
		if d.Reason != webhooks.ReasonLost || d.Attempts != 1 || !d.NextAttemptAt.IsZero() {
			t.Errorf("the delivery is %+v", d)
		}
		same(t, len(k.deliveries(t, webhooks.DeliveryQuery{Status: webhooks.Failed})), 1)
		_, attempts, err := k.service.Delivery(k.ctx, "acme", id)
		must(t, err)
		same(t, len(attempts), 1)
		if a := attempts[0]; a.N != 1 || a.Class != webhooks.ClassLost || a.At.IsZero() || a.TraceID != d.TraceID ||
			a.Error != "the process that sent it died, or lost its lease, at least 3 times; the receiver may have it" {
			t.Errorf("the attempt is %+v", a)
		}
		same(t, len(sent.requests()), 0)
		_, health, err := b.Webhooks().GetEndpoint(k.ctx, "acme", e.ID, false)
		must(t, err)
		same(t, health, webhooks.Health{})
		_, err = k.service.Redeliver(k.ctx, "acme", id, "mended")
		must(t, err)
		d = k.until(t, id, is(webhooks.Succeeded))
		same(t, d.Attempts, 2)
		same(t, len(sent.requests()), 1)
	})
}

func TestHeldDeliveriesAreResumedOneByOneWhereThatKillsProcesses(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		sent := always(accepted)
		k := newKit(t, b, kitConfig{deliverer: sent})
		e, _ := k.create(t, "https://hooks.example.com/in", "*")
		for _, id := range []string{"r1", "r2", "r3"} {
			k.refund(t, "acme", id)
		}
		_, err := k.service.Disable(k.ctx, "acme", e.ID, "")
		must(t, err)
		stop := k.work(t)
		for _, d := range k.deliveries(t, webhooks.DeliveryQuery{}) {
			k.until(t, d.ID, func(d webhooks.Delivery) bool { return d.Held })
		}
		stop()
		_, err = k.service.Enable(k.ctx, "acme", e.ID)
		must(t, err)
		var resumed atomic.Int64
		k.worker, err = jobs.NewWorker(k.queue, k.service.Handlers(), jobs.WorkerConfig{OnRun: func(r jobs.Run) {
			if r.Job.Kind == "webhooks.resume" && r.Result == jobs.Completed {
				resumed.Add(1)
			}
		}})
		must(t, err)
		stop = k.bereave(t, e.ID)
		for _, d := range k.deliveries(t, webhooks.DeliveryQuery{}) {
			k.until(t, d.ID, is(webhooks.Succeeded))
		}
		same(t, len(sent.requests()), 3)
		stop()
		same(t, resumed.Load(), 2) // one alone, and then the others
	})
}
