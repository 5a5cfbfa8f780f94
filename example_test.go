package adminkit_test

import (
	"context"
	"fmt"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage/memory"
)

func Example() {
	ctx := audit.WithActor(context.Background(), audit.Actor{Type: audit.User, ID: "sam"})
	db := must(memory.New(memory.Config{})) // or sqlite.Open, postgres.Open
	catalog := must(audit.NewCatalog(audit.CatalogConfig{}, audit.Action{Name: "price.change"}))
	log := must(audit.NewLog(db.Audit(), audit.LogConfig{}))
	freeze := audit.GateFunc(func(_ context.Context, e audit.Event) (audit.Verdict, error) {
		if e.Resource.ID == "p-2" {
			return audit.Verdict{Reason: audit.Reason{Code: "frozen"}}, nil // the zero verdict denies
		}
		return audit.Verdict{Effect: audit.Allow}, nil
	})
	governor := must(audit.NewGovernor(db, freeze, log, catalog))

	for _, id := range []string{"p-1", "p-2"} {
		change := audit.Event{Tenant: "acme", Action: "price.change", Resource: audit.Resource{Type: "product", ID: id}}
		_, err := governor.Change(ctx, change, func(ctx context.Context, e *audit.Event) error {
			e.After = []byte(`{"price":"12.50"}`)
			return nil // the change itself: your own SQL, in the transaction of ctx
		})
		fmt.Println(id, err)
	}
	page := must(log.Query(ctx, "acme", audit.Query{}))
	for _, e := range page.Items {
		fmt.Println(e.Actor.ID, e.Action, e.Resource.ID, e.Outcome, string(e.After))
	}
	// Output:
	// p-1 <nil>
	// p-2 denied: frozen
	// sam price.change p-1 success {"price":"12.50"}
	// sam price.change p-2 denied
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
