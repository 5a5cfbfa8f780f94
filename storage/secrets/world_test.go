package secrets_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/cloudevent"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/secrets"
	"github.com/lumelle/adminkit/storage/secrets/credentials"
	"github.com/lumelle/adminkit/storage/secrets/sealed"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/webhooks"
	"github.com/lumelle/adminkit/webhooks/egress"
	"github.com/lumelle/adminkit/webhooks/webhookadmin"
)

// A world is one process of a host, with everything that secrets pass through.
type world struct {
	ctx      context.Context // acts as sam
	backend  eachtest.Backend
	vault    *secrets.Vault
	log      *slog.Logger
	governor *audit.Governor
	hooks    *webhooks.Service
	worker   *jobs.Worker
	creds    *credentials.Service
	stream   *secrets.Stream
	api      http.Handler
}

// newWorld makes a process over a backend. What it logs, at every level, goes to out.
func newWorld(t *testing.T, b eachtest.Backend, keys *secrets.Keys, out io.Writer) *world {
	t.Helper()
	sam := audit.Actor{Type: audit.User, ID: "sam"}
	w := &world{
		ctx: audit.WithActor(t.Context(), sam), backend: b, vault: newVault(t, keys),
		log: slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug - 4})),
	}
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, append(webhooks.Actions(),
		audit.Action{Name: "orders.refund", Type: "lumelle.orders.v1.refunded"},
		audit.Action{Name: credentials.ActionCreate}, audit.Action{Name: credentials.ActionRotate},
		audit.Action{Name: credentials.ActionUse}, audit.Action{Name: credentials.ActionDelete})...)
	must(t, err)
	log, err := audit.NewLog(b.Audit(), audit.LogConfig{})
	must(t, err)
	queue, err := jobs.NewQueue(b.Jobs(), jobs.Config{})
	must(t, err)
	outbox, err := webhooks.NewOutbox(b, b.Webhooks(), queue, cloudevent.MarshalPublic, webhooks.OutboxConfig{})
	must(t, err)
	w.governor, err = audit.NewGovernor(b, audit.Ungated, audit.Tee(log, outbox), catalog)
	must(t, err)
	deliverer, err := egress.New(egress.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	must(t, err)
	t.Cleanup(func() { deliverer.Close(context.WithoutCancel(t.Context())) })
	w.hooks, err = webhooks.New(w.governor, b.Webhooks(), queue, w.vault, deliverer, webhooks.Config{})
	must(t, err)
	w.worker, err = jobs.NewWorker(queue, w.hooks.Handlers(), jobs.WorkerConfig{Logger: w.log})
	must(t, err)
	cfg := credentials.Config{Govern: w.govern}
	w.creds, err = credentials.New(b.Credentials(), w.vault, cfg)
	must(t, err)
	w.stream, err = secrets.NewStream(b.Credentials(), w.vault, cfg)
	must(t, err)
	w.api, err = webhookadmin.New(w.hooks, webhookadmin.Config{Config: httpapi.Config{
		Identify: func(r *http.Request) (httpapi.Identity, error) {
			return httpapi.Identity{Tenant: r.Header.Get("X-Tenant"), Actor: sam}, nil
		},
		Tx: b, Idempotency: b.Idempotency(), Vault: w.vault, Logger: w.log,
	}})
	must(t, err)
	return w
}

// govern records what happens to credentials, whole.
func (w *world) govern(ctx context.Context, c credentials.Change, apply func(ctx context.Context) error) error {
	e := audit.Event{Action: c.Action, Tenant: c.Tenant, Resource: audit.Resource{Type: "credential", ID: c.Name}}
	if c.After != nil {
		e.Payload = encode(c.After)
	}
	if c.Before != nil {
		e.Before = encode(c.Before)
	}
	_, err := w.governor.Change(ctx, e, func(ctx context.Context, _ *audit.Event) error { return apply(ctx) })
	return err
}

// post sends a request under an idempotency key and returns status and body.
func (w *world) post(tenant, path, key, body string) (int, string) {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body)).WithContext(w.ctx)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", key)
	r.Header.Set("X-Tenant", tenant)
	rec := httptest.NewRecorder()
	w.api.ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

// rotator returns a Rotator over everything that the world seals.
func (w *world) rotator(t *testing.T, cfg secrets.RotatorConfig, ids ...string) *secrets.Rotator {
	t.Helper()
	r, err := secrets.NewRotator(w.vault, tenants(ids...), []sealed.Source{
		webhooks.SealedSecrets(w.backend.Webhooks()),
		credentials.SealedValues(w.backend.Credentials()),
		httpapi.SealedAnswers(w.backend.Idempotency()),
	}, cfg)
	must(t, err)
	return r
}
