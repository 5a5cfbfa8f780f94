package webhooks_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/cloudevent"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/storage/storagetest/process"
	"github.com/lumelle/adminkit/webhooks"
	"github.com/lumelle/adminkit/webhooks/egress"
	"github.com/lumelle/adminkit/webhooks/webhookstest"
)

func TestMain(m *testing.M) {
	process.Main(process.Roles{"worker": work})
	goleak.VerifyTestMain(m)
}

// A backend is what the kill test needs of one.
type backend interface {
	storage.Transactor
	Webhooks() webhooks.Store
	Jobs() jobs.Store
	Close(ctx context.Context) error
}

// place is a SQLite file, or a Postgres database where it is a URL.
func openPlace(ctx context.Context, place string) (backend, error) {
	if filepath.IsAbs(place) {
		return sqlite.Open(ctx, place, sqlite.Config{})
	}
	return postgres.Open(ctx, place, postgres.Config{})
}

// sender makes a Service and its queue over a place.
func sender(b backend) (*webhooks.Service, *webhooks.Outbox, *jobs.Queue, error) {
	catalog, err1 := audit.NewCatalog(audit.CatalogConfig{}, webhooks.Actions()...)
	queue, err2 := jobs.NewQueue(b.Jobs(), jobs.Config{})
	outbox, err3 := webhooks.NewOutbox(b, b.Webhooks(), queue, cloudevent.MarshalPublic, webhooks.OutboxConfig{})
	governor, err4 := audit.NewGovernor(b, audit.Ungated, audit.Disabled, catalog)
	d, err5 := egress.New(egress.Config{Allow: loopback})
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return nil, nil, nil, err
	}
	s, err := webhooks.New(governor, b.Webhooks(), queue, sealer{}, d, webhooks.Config{})
	return s, outbox, queue, err
}

// work delivers what the place that its argument names asks for.
func work(ctx context.Context, args []string) error {
	b, err := openPlace(ctx, args[0])
	if err != nil {
		return err
	}
	s, _, queue, err := sender(b)
	if err != nil {
		return err
	}
	w, err := jobs.NewWorker(queue, s.Handlers(), jobs.WorkerConfig{Lease: 400 * time.Millisecond, Poll: 20 * time.Millisecond, MaxLost: 10_000})
	if err != nil {
		return err
	}
	if err := w.Start(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	ctx = context.WithoutCancel(ctx)
	return errors.Join(w.Close(ctx), b.Close(ctx))
}

// TestKilledWorkersLoseNothing kills processes that deliver, at random moments, and
// puts others in their place: each message arrives, and what arrives twice has the
// same id and body. ADMINKIT_LONG=1 runs the long form.
func TestKilledWorkersLoseNothing(t *testing.T) {
	messages, kills := 400, 4
	if os.Getenv("ADMINKIT_LONG") == "1" {
		messages, kills = 10_000, 50
	}
	for _, k := range eachtest.Kinds(t) {
		switch k.Name {
		case "sqlite":
			t.Run(k.Name, func(t *testing.T) { killWorkers(t, filepath.Join(t.TempDir(), "kill.db"), messages, kills) })
		case "postgres":
			t.Run(k.Name, func(t *testing.T) { killWorkers(t, eachtest.PostgresDSN(t), messages, kills) })
		}
	}
}

func killWorkers(t *testing.T, place string, messages, kills int) {
	ctx := audit.WithActor(t.Context(), sam)
	r := webhookstest.NewReceiver(t)
	b, err := openPlace(ctx, place)
	must(t, err)
	defer b.Close(context.WithoutCancel(ctx))
	s, outbox, _, err := sender(b)
	must(t, err)
	_, _, err = s.Create(ctx, "acme", webhooks.EndpointInput{URL: r.URL(), EventTypes: []string{"*"}})
	must(t, err)
	events := make([]audit.Event, messages)
	for i := range events {
		events[i] = audit.Event{
			ID: fmt.Sprint("e", i), Source: "/orders", Type: refunded, Action: "orders.refund", Category: audit.Activity, Tenant: "acme",
			Time: day, Actor: sam, Resource: audit.Resource{Type: "order", ID: fmt.Sprint(i)}, Outcome: audit.Success,
		}
	}
	for batch := range slices.Chunk(events, 400) {
		must(t, outbox.Append(ctx, batch...))
	}

	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	workers := []*process.Process{spawn(t, place), spawn(t, place)}
	for i := range kills {
		wait, cancel := context.WithTimeout(ctx, time.Minute)
		_, err := r.Wait(wait, len(r.Requests())+1+random.IntN(messages/kills/3))
		cancel()
		must(t, err)
		must(t, workers[i%2].Kill())
		workers[i%2] = spawn(t, place)
	}
	k := &kit{service: s, ctx: ctx}
	wait, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	_, err = r.Wait(wait, messages)
	must(t, err)
	k.waitFor(t, func() bool {
		page, err := s.Deliveries(ctx, "acme", webhooks.DeliveryQuery{Status: webhooks.Pending, Limit: 1})
		must(t, err)
		return len(page.Items) == 0
	})
	for _, w := range workers {
		must(t, w.Stop())
	}

	seen := map[string][]byte{}
	for _, q := range r.Requests() {
		id := q.Header.Get("webhook-id")
		if body, ok := seen[id]; ok && !bytes.Equal(body, q.Body) {
			t.Errorf("%s arrived with two bodies", id)
		}
		seen[id] = q.Body
	}
	if len(seen) != messages {
		t.Errorf("%d messages arrived, want %d", len(seen), messages)
	}
	recorded := 0
	for q := (webhooks.DeliveryQuery{Limit: 1000}); ; {
		page, err := s.Deliveries(ctx, "acme", q)
		must(t, err)
		for _, d := range page.Items {
			recorded++
			if d.Status != webhooks.Succeeded || d.Attempts != 1 || seen[d.MessageID] == nil {
				t.Errorf("recorded %+v, arrived %t", d, seen[d.MessageID] != nil)
			}
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	if recorded != messages {
		t.Errorf("%d deliveries are recorded, want %d", recorded, messages)
	}
	t.Logf("%d kills, %d messages, %d requests", kills, messages, len(r.Requests()))
}

func spawn(t *testing.T, place string) *process.Process {
	t.Helper()
	p, err := process.Start(process.Config{Role: "worker", Args: []string{place}})
	must(t, err)
	t.Cleanup(func() { p.Kill() })
	return p
}
