// Quickstart governs one action, in memory: a flag read through OpenFeature, a policy,
// somebody who has to agree, and a record of all of it. It is the recipe of the README.
//
//	go run ./examples/quickstart
package main

import (
	"context"
	"fmt"
	"slices"

	sdk "github.com/open-feature/go-sdk/openfeature"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/openfeature"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
)

func main() {
	ctx := audit.WithActor(context.Background(), audit.Actor{Type: audit.User, ID: "sam"})
	db := must(memory.New(memory.Config{})) // or sqlite.Open, postgres.Open
	catalog := must(audit.NewCatalog(audit.CatalogConfig{}, slices.Concat(flags.Actions(), approvals.Actions(), []audit.Action{{Name: "price.change"}})...))
	log := must(audit.NewLog(db.Audit(), audit.LogConfig{})) // audit.Tee(log, outbox) tells subscribers too
	queue := must(jobs.NewQueue(db.Jobs(), jobs.Config{}))
	policy := audit.GateFunc(func(_ context.Context, e audit.Event) (audit.Verdict, error) { // or authz.Guard
		if e.Resource.ID == "gold" {
			return audit.Verdict{Effect: audit.NeedsApproval}, nil // the zero verdict denies
		}
		return audit.Verdict{Effect: audit.Allow}, nil
	})
	requests := must(approvals.New(db, db.Approvals(), queue, approvals.DirectoryFunc(roles), catalog, log, approvals.Config{}))
	governor := must(audit.NewGovernor(db, approvals.Gate(policy, requests), log, catalog))
	admin := must(flags.New(governor, db.Flags(), queue, flags.Config{}))
	on := map[string]flags.State{"prod": {Enabled: true, DefaultVariant: "on"}}
	must(admin.Create(ctx, "acme", flags.Flag{Key: "new-prices", Type: flags.TypeOps, Environments: on}, "spring"))
	provider := must(flags.NewProvider(db.Flags(), "prod", flags.ProviderConfig{Tenant: "acme"}))
	go provider.Run(ctx) // follows changes
	must(0, sdk.SetProviderAndWait(must(openfeature.New(provider, openfeature.Config{}))))
	fmt.Println("new prices:", sdk.NewClient("shop").Boolean(ctx, "new-prices", false, sdk.NewEvaluationContext("sam", nil)))
	for _, product := range []string{"tea", "gold"} {
		change := audit.Event{Tenant: "acme", Action: "price.change", Resource: audit.Resource{Type: "product", ID: product}}
		_, err := governor.Change(ctx, change, func(ctx context.Context, e *audit.Event) error {
			return nil // the change itself: your own SQL, in the transaction of ctx
		})
		fmt.Println(product, "changed:", err == nil) // for gold err is an *approvals.PendingError
	}
	for _, e := range must(log.Query(ctx, "acme", audit.Query{})).Items {
		fmt.Println(e.Actor.ID, e.Action, e.Outcome)
	}
}

// roles are who may approve: everybody but whoever asked.
func roles(context.Context, string, audit.Actor) ([]string, error) { return []string{"approver"}, nil }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
