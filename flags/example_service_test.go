package flags_test

import (
	"context"
	"fmt"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
)

// A flag is defined, asked about and killed. Each change passes the gate, is a version
// and is in the audit log.
func ExampleService() {
	ctx := audit.WithActor(context.Background(), audit.Actor{Type: audit.User, ID: "dana"})
	service, log := newExample()

	_, err := service.Create(ctx, "acme", flags.Flag{
		Key: "checkout", Type: flags.TypeRelease, Owner: "payments",
		Environments: map[string]flags.State{"prod": {
			Enabled: true, DefaultVariant: "off",
			Rules: []flags.Rule{{
				Name: "gb", When: &targeting.Condition{Path: "country", Op: targeting.Equal, Value: targeting.String("GB")},
				Serve: &flags.Serve{Variant: "on"},
			}},
		}},
	}, "the new checkout")
	if err != nil {
		fmt.Println(err)
		return
	}
	shop := &flags.Subject{Tenant: "acme", Key: "shop-1", Attributes: targeting.Attributes{"country": targeting.String("GB")}}
	ask := func() {
		e, err := service.Evaluate(ctx, "acme", "checkout", "prod", shop, nil)
		fmt.Println(e.Variant, e.Reason, err)
	}
	ask()
	if _, err := service.Kill(ctx, "acme", "checkout", "prod", "payments fail"); err != nil {
		fmt.Println(err)
		return
	}
	ask()
	changes, err := service.Diff(ctx, "acme", "checkout", 1, 2)
	fmt.Println(len(changes), changes[0].Path, err)

	page, err := log.Query(ctx, "acme", audit.Query{ResourceType: flags.ResourceFlag})
	for _, e := range page.Items {
		fmt.Println(e.Action, e.Actor.ID, e.Reason)
	}
	fmt.Println(err)
	// Output:
	// on TARGETING_MATCH <nil>
	// off DISABLED <nil>
	// 1 /environments/prod/killed <nil>
	// flags.flag.created dana the new checkout
	// flags.flag.killed dana payments fail
	// <nil>
}

// newExample wires a service to a store in memory. A host has a real gate in place of
// audit.Ungated.
func newExample() (*flags.Service, *audit.Log) {
	store, err := memory.New(memory.Config{})
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	must(err)
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, flags.Actions()...)
	must(err)
	log, err := audit.NewLog(store.Audit(), audit.LogConfig{})
	must(err)
	governor, err := audit.NewGovernor(store, audit.Ungated, log, catalog)
	must(err)
	queue, err := jobs.NewQueue(store.Jobs(), jobs.Config{})
	must(err)
	service, err := flags.New(governor, store.Flags(), queue, flags.Config{})
	must(err)
	return service, log
}
