package restoretest

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/cloudevent"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/secrets"
	"github.com/lumelle/adminkit/storage/secrets/credentials"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/webhooks"
	"github.com/lumelle/adminkit/webhooks/egress"
)

const (
	tenant = "acme"
	refund = "orders.refund"
	value  = "what the shop signs in with"
)

// A world is one process of a host that makes changes, delivers them, and keeps secrets.
type world struct {
	ctx      context.Context // acts as sam
	b        eachtest.Backend
	vault    *secrets.Vault
	log      *audit.Log
	governor *audit.Governor
	queue    *jobs.Queue
	hooks    *webhooks.Service
	creds    *credentials.Service
}

func newWorld(t *testing.T, b eachtest.Backend, keys *secrets.Keys) *world {
	t.Helper()
	w := &world{ctx: audit.WithActor(t.Context(), audit.Actor{Type: audit.User, ID: "sam"}), b: b}
	var err error
	w.vault, err = secrets.New(keys)
	must(t, err)
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, append(webhooks.Actions(),
		audit.Action{Name: refund, Type: "lumelle.orders.v1.refunded"})...)
	must(t, err)
	w.log, err = audit.NewLog(b.Audit(), audit.LogConfig{})
	must(t, err)
	w.queue, err = jobs.NewQueue(b.Jobs(), jobs.Config{})
	must(t, err)
	outbox, err := webhooks.NewOutbox(b, b.Webhooks(), w.queue, cloudevent.MarshalPublic, webhooks.OutboxConfig{})
	must(t, err)
	w.governor, err = audit.NewGovernor(b, audit.Ungated, audit.Tee(w.log, outbox), catalog)
	must(t, err)
	deliverer, err := egress.New(egress.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	must(t, err)
	t.Cleanup(func() { deliverer.Close(context.WithoutCancel(t.Context())) })
	w.hooks, err = webhooks.New(w.governor, b.Webhooks(), w.queue, w.vault, deliverer, webhooks.Config{})
	must(t, err)
	w.creds, err = credentials.New(b.Credentials(), w.vault, credentials.Config{})
	must(t, err)
	return w
}

// change makes a governed change that webhooks tell of.
func (w *world) change(ctx context.Context) error {
	_, err := w.governor.Change(ctx, audit.Event{
		Tenant: tenant, Action: refund, Resource: audit.Resource{Type: "order", ID: "1001"}, Payload: []byte(`{"amount":"12.50"}`),
	}, func(context.Context, *audit.Event) error { return nil })
	return err
}

// use opens the credential that was there before the backup.
func (w *world) use() error {
	return w.creds.Use(w.ctx, tenant, "secret://shop", func(_ context.Context, _ credentials.Credential, got []byte) error {
		if !bytes.Equal(got, []byte(value)) {
			return errors.New("the credential has another value")
		}
		return nil
	})
}

// work starts a worker until the test ends, and returns what receives for each job of the
// host's own.
func (w *world) work(t *testing.T) (done chan struct{}) {
	t.Helper()
	done = make(chan struct{}, 1)
	handlers := w.hooks.Handlers()
	handlers["shop.work"] = func(context.Context, *jobs.Task) error {
		done <- struct{}{}
		return nil
	}
	worker, err := jobs.NewWorker(w.queue, handlers, jobs.WorkerConfig{})
	must(t, err)
	must(t, worker.Start(w.ctx))
	t.Cleanup(func() {
		if err := worker.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("close the worker: %v", err)
		}
	})
	return done
}
