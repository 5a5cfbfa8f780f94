package audittest_test

import (
	"context"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/audittest"
	"github.com/lumelle/adminkit/storage/memory"
)

// A host looks at what its change recorded.
func ExampleRecorder() {
	test := func(t *testing.T) {
		backend, err := memory.New(memory.Config{})
		if err != nil {
			t.Fatal(err)
		}
		catalog, err := audit.NewCatalog(audit.CatalogConfig{}, audit.Action{Name: "orders.refund"})
		if err != nil {
			t.Fatal(err)
		}
		sink := audittest.NewRecorder(t)
		governor, err := audit.NewGovernor(backend, audit.Ungated, sink, catalog)
		if err != nil {
			t.Fatal(err)
		}
		ctx := audit.WithActor(t.Context(), audit.Actor{Type: audit.User, ID: "sam"})
		_, err = governor.Change(ctx, audit.Event{
			Action: "orders.refund", Tenant: "acme", Resource: audit.Resource{Type: "order", ID: "1001"},
		}, func(context.Context, *audit.Event) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		sink.Require(t, audit.Event{Action: "orders.refund", Actor: audit.Actor{ID: "sam"}})
	}
	_ = test // go test runs it
}

// An author holds a sink to the contract.
func ExampleRun() {
	test := func(t *testing.T) {
		audittest.Run(t, audittest.Options{New: func(t *testing.T) audittest.Harness {
			backend, err := memory.New(memory.Config{})
			if err != nil {
				t.Fatal(err)
			}
			log, err := audit.NewLog(backend.Audit(), audit.LogConfig{})
			if err != nil {
				t.Fatal(err)
			}
			return audittest.Harness{
				Sink: log,
				Tx:   backend,
				Events: func(ctx context.Context, tenant string) ([]audit.Event, error) {
					page, err := log.Query(ctx, tenant, audit.Query{Limit: 1000})
					return page.Items, err
				},
			}
		}})
	}
	_ = test // go test runs it
}
