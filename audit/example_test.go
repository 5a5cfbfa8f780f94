package audit_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage/memory"
)

// A refund is decided, made and recorded in one transaction.
func ExampleGovernor_Change() {
	backend, err := memory.New(memory.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	log, err := audit.NewLog(backend.Audit(), audit.LogConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, audit.Action{
		Name: "orders.refund", Type: "lumelle.orders.v1.refunded",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	onlySam := audit.GateFunc(func(_ context.Context, e audit.Event) (audit.Verdict, error) {
		if e.Actor.ID != "sam" {
			return audit.Verdict{Reason: audit.Reason{Code: "not_sam"}}, nil
		}
		return audit.Verdict{Effect: audit.Allow}, nil
	})
	governor, err := audit.NewGovernor(backend, onlySam, log, catalog)
	if err != nil {
		fmt.Println(err)
		return
	}

	refund := audit.Event{
		Action: "orders.refund", Tenant: "acme", Resource: audit.Resource{Type: "order", ID: "1001"},
		Payload: []byte(`{"amount": "12.50", "currency": "EUR"}`),
	}
	for _, person := range []string{"sam", "dana"} {
		ctx := audit.WithActor(context.Background(), audit.Actor{Type: audit.User, ID: person})
		_, err := governor.Change(ctx, refund, func(_ context.Context, e *audit.Event) error {
			e.After = []byte(`{"status": "refunded"}`) // and the host's own rows
			return nil
		})
		fmt.Println(person, err, errors.Is(err, audit.ErrDenied))
	}
	page, err := log.Query(context.Background(), "acme", audit.Query{})
	for _, e := range page.Items {
		fmt.Println(e.Type, e.Actor.ID, e.Outcome, e.Reason, string(e.Payload))
	}
	fmt.Println(err)
	// Output:
	// sam <nil> false
	// dana denied: not_sam true
	// lumelle.orders.v1.refunded sam success  {"amount":"12.50","currency":"EUR"}
	// lumelle.orders.v1.refunded dana denied not_sam {"amount":"12.50","currency":"EUR"}
	// <nil>
}

// A poller asks again with the Next it was given.
func ExampleLog_Query() {
	ctx := audit.WithActor(context.Background(), audit.Actor{Type: audit.User, ID: "sam"})
	backend, err := memory.New(memory.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	catalog, err := audit.NewCatalog(audit.CatalogConfig{Open: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	log, err := audit.NewLog(backend.Audit(), audit.LogConfig{Catalog: catalog})
	if err != nil {
		fmt.Println(err)
		return
	}
	q := audit.Query{Since: catalog.Now().AddDate(0, 0, -1)}
	for _, action := range []string{"orders.refund", "orders.cancel"} {
		err := log.Append(ctx, audit.Event{Action: action, Tenant: "acme", Resource: audit.Resource{Type: "order", ID: "1"}})
		if err != nil {
			fmt.Println(err)
			return
		}
		page, err := log.Query(ctx, "acme", q)
		for _, e := range page.Items {
			fmt.Println(e.Action, err)
		}
		q.After = page.Next
	}
	// Output:
	// orders.refund <nil>
	// orders.cancel <nil>
}

func ExampleNewCatalog() {
	catalog, err := audit.NewCatalog(audit.CatalogConfig{Prefix: "shop"},
		audit.Action{Name: "orders.refund", Type: "shop.orders.v1.refunded", Label: "Refund", ResourceTypes: []string{"order"}},
		audit.Action{Name: "orders.read", Category: audit.DataAccess},
	)
	for _, a := range catalog.Actions() {
		fmt.Println(a.Name, a.Type, a.Category)
	}
	fmt.Println(err)

	e := audit.Event{Action: "orders.delete", Tenant: "acme"}
	fmt.Println(catalog.Complete(context.Background(), &e))
	// Output:
	// orders.read shop.audit.v1.orders.read data_access
	// orders.refund shop.orders.v1.refunded activity
	// <nil>
	// invalid input: /action: is not in the catalogue
}

func ExampleTee() {
	counts := 0
	counter := sinkFunc(func(_ context.Context, events ...audit.Event) error {
		counts += len(events)
		return nil
	})
	full := sinkFunc(func(context.Context, ...audit.Event) error { return errors.New("disk full") })
	fmt.Println(audit.Tee(counter, full).Append(context.Background(), audit.Event{}), counts)
	// Output: disk full 1
}

type sinkFunc func(ctx context.Context, events ...audit.Event) error

func (f sinkFunc) Append(ctx context.Context, events ...audit.Event) error { return f(ctx, events...) }
