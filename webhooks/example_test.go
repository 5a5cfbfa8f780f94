package webhooks_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/cloudevent"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/secrets"
	"github.com/lumelle/adminkit/webhooks"
	"github.com/lumelle/adminkit/webhooks/egress"
	"github.com/lumelle/adminkit/webhooks/receiver"
)

// A refund is recorded, and the merchant's own system hears of it.
func Example() {
	ctx := audit.WithActor(context.Background(), audit.Actor{Type: audit.User, ID: "sam"})

	// The sender.
	backend := mustMake(memory.New(memory.Config{}))
	queue := mustMake(jobs.NewQueue(backend.Jobs(), jobs.Config{}))
	log := mustMake(audit.NewLog(backend.Audit(), audit.LogConfig{}))
	catalog := mustMake(audit.NewCatalog(audit.CatalogConfig{}, append(webhooks.Actions(),
		audit.Action{Name: "orders.refund", Type: "lumelle.orders.v1.refunded"})...))
	outbox := mustMake(webhooks.NewOutbox(backend, backend.Webhooks(), queue, cloudevent.MarshalPublic, webhooks.OutboxConfig{}))
	governor := mustMake(audit.NewGovernor(backend, audit.Ungated, audit.Tee(log, outbox), catalog))
	keys := mustMake(secrets.Generate())
	vault := mustMake(secrets.New(keys))
	deliverer := mustMake(egress.New(egress.Config{
		Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, // the receiver below
	}))
	defer deliverer.Close(ctx)
	service := mustMake(webhooks.New(governor, backend.Webhooks(), queue, vault, deliverer, webhooks.Config{}))
	worker := mustMake(jobs.NewWorker(queue, service.Handlers(), jobs.WorkerConfig{}))
	if err := worker.Start(ctx); err != nil {
		panic(err)
	}
	defer worker.Close(ctx)

	// The receiver, and its registration.
	var verifier *receiver.Verifier
	heard := make(chan string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m, err := verifier.Read(w, r); err == nil {
			e, err := cloudevent.Parse(m.Body)
			heard <- fmt.Sprint(e.Type, " of ", e.Subject, ": ", string(e.Data), " ", err)
		}
	}))
	defer server.Close()
	_, secret, err := service.Create(ctx, "acme", webhooks.EndpointInput{
		URL: server.URL, EventTypes: []string{"lumelle.orders.v1.*"},
	})
	if err != nil {
		panic(err)
	}
	verifier = mustMake(receiver.NewVerifier([]string{secret}, receiver.Config{}))

	// The change.
	_, err = governor.Change(ctx, audit.Event{
		Tenant: "acme", Action: "orders.refund", Resource: audit.Resource{Type: "order", ID: "1001"},
		Payload: []byte(`{"amount":"12.50","currency":"EUR"}`),
	}, func(context.Context, *audit.Event) error {
		return nil // the host's own tables, in the same transaction
	})
	fmt.Println(err)
	fmt.Println(<-heard)
	// Output:
	// <nil>
	// lumelle.orders.v1.refunded of order/1001: {"amount":"12.50","currency":"EUR"} <nil>
}

func ExampleService_Redeliver() {
	ctx := audit.WithActor(context.Background(), audit.Actor{Type: audit.User, ID: "sam"})
	service := exampleService(refusing{asked: make(chan struct{}, 1)})
	page, _ := service.Deliveries(ctx, "acme", webhooks.DeliveryQuery{Status: webhooks.Failed})
	d := page.Items[0]
	fmt.Println(d.Status, d.Reason, d.Attempts)

	d, err := service.Redeliver(ctx, "acme", d.ID, "the receiver was mended")
	fmt.Println(d.Status, d.Attempts, err)
	// Output:
	// failed blocked 1
	// pending 1 <nil>
}

// A Deliverer that says nothing of an attempt has it made again.
func ExampleOutcome() {
	var r webhooks.Result
	fmt.Println(r.Outcome, webhooks.Accepted, webhooks.Blocked, webhooks.Gone)
	// Output: retry accepted blocked gone
}

// refusing is a Deliverer that can reach nobody.
type refusing struct{ asked chan struct{} }

func (r refusing) Deliver(context.Context, webhooks.Request) webhooks.Result {
	r.asked <- struct{}{}
	return webhooks.Result{Outcome: webhooks.Blocked, Class: webhooks.ClassBlocked, Error: "not from here"}
}

// exampleService returns a Service after one delivery was tried.
func exampleService(d refusing) *webhooks.Service {
	ctx := audit.WithActor(context.Background(), audit.Actor{Type: audit.User, ID: "sam"})
	backend := mustMake(memory.New(memory.Config{}))
	queue := mustMake(jobs.NewQueue(backend.Jobs(), jobs.Config{}))
	catalog := mustMake(audit.NewCatalog(audit.CatalogConfig{}, append(webhooks.Actions(),
		audit.Action{Name: "orders.refund", Type: "lumelle.orders.v1.refunded"})...))
	outbox := mustMake(webhooks.NewOutbox(backend, backend.Webhooks(), queue, cloudevent.MarshalPublic, webhooks.OutboxConfig{}))
	governor := mustMake(audit.NewGovernor(backend, audit.Ungated, outbox, catalog))
	keys := mustMake(secrets.Generate())
	vault := mustMake(secrets.New(keys))
	service := mustMake(webhooks.New(governor, backend.Webhooks(), queue, vault, d, webhooks.Config{}))
	if _, _, err := service.Create(ctx, "acme", webhooks.EndpointInput{URL: "https://hooks.example.com/", EventTypes: []string{"*"}}); err != nil {
		panic(err)
	}
	if err := governor.Record(ctx, audit.Event{Tenant: "acme", Action: "orders.refund", Resource: audit.Resource{Type: "order", ID: "1001"}}); err != nil {
		panic(err)
	}
	worker := mustMake(jobs.NewWorker(queue, service.Handlers(), jobs.WorkerConfig{}))
	if err := worker.Start(ctx); err != nil {
		panic(err)
	}
	<-d.asked
	worker.Close(ctx) // waits until the attempt is written down
	return service
}

// mustMake returns what a constructor made and panics where it could not.
func mustMake[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
