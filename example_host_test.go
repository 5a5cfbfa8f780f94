package adminkit_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/cloudevent"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/authz/casbinengine"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/secrets"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/webhooks"
	"github.com/lumelle/adminkit/webhooks/egress"
	"github.com/lumelle/adminkit/webhooks/receiver"
)

// A whole host on a SQLite file. A clerk changes prices; above 100.00 a manager has to
// agree, and the shop's own system hears of every change.
func Example_host() {
	ctx := context.Background()
	as := func(kind, id string) context.Context { // a host has it from its authentication
		return audit.WithActor(ctx, audit.Actor{Type: kind, ID: id})
	}
	dir := must(os.MkdirTemp("", "host"))
	defer os.RemoveAll(dir)
	db := must(sqlite.Open(ctx, filepath.Join(dir, "shop.db"), sqlite.Config{}))
	defer db.Close(ctx)
	exec := func(ctx context.Context, statement string, args ...any) (int64, error) {
		c, err := db.Conn(ctx)
		if err != nil {
			return 0, err
		}
		return c.Exec(ctx, statement, args...)
	}
	for _, statement := range []string{
		`CREATE TABLE products (id TEXT PRIMARY KEY, price TEXT NOT NULL, revision INTEGER NOT NULL)`,
		`INSERT INTO products VALUES ('p-1', '10.00', 1)`,
	} {
		panicOn(db.InTx(ctx, func(ctx context.Context) error {
			_, err := exec(ctx, statement)
			return err
		}))
	}

	// What can happen, and where it is written down.
	catalog := must(audit.NewCatalog(audit.CatalogConfig{Prefix: "shop"}, slices.Concat(
		authz.Actions(), approvals.Actions(), webhooks.Actions(),
		[]audit.Action{{Name: "price.change", Type: "shop.price.v1.changed", ResourceTypes: []string{"product"}}},
	)...))
	log := must(audit.NewLog(db.Audit(), audit.LogConfig{}))
	queue := must(jobs.NewQueue(db.Jobs(), jobs.Config{}))
	outbox := must(webhooks.NewOutbox(db, db.Webhooks(), queue, cloudevent.MarshalPublic, webhooks.OutboxConfig{}))
	sink := audit.Tee(log, outbox)

	// Who may. The first roles are given through a governor without a gate.
	words := casbinengine.Vocabulary{Roles: []string{"clerk", "manager"}, Actions: []string{"price.change", webhooks.ActionCreate}}
	engine := must(casbinengine.New(db.Authz(), words, casbinengine.Config{Rules: []casbinengine.Rule{
		{ID: "price", Role: "clerk", Action: "price.change", ResourceType: "product", Effect: audit.Allow},
		{ID: "large", Role: casbinengine.Everyone, Action: "price.change", Effect: audit.NeedsApproval, When: "/payload/amount > 100.00"},
		{ID: "hooks", Role: "manager", Action: webhooks.ActionCreate, Effect: audit.Allow},
	}}))
	policies := must(authz.NewPolicies(db.Authz(), engine, must(audit.NewGovernor(db, audit.Ungated, sink, catalog))))
	must(policies.Change(as(audit.SystemActor, "setup"), "acme", authz.Change{Add: []authz.Row{
		casbinengine.Assign("acme", authz.Entity{Type: audit.User, ID: "sam"}, "clerk"),
		casbinengine.Assign("acme", authz.Entity{Type: audit.User, ID: "mia"}, "manager"),
	}}))
	guard := must(authz.New(engine, db, sink, catalog, authz.Config{}))

	// Who must agree, and the governor that everything goes through.
	roles := approvals.DirectoryFunc(func(ctx context.Context, tenant string, a audit.Actor) ([]string, error) {
		return engine.Roles(ctx, tenant, authz.Entity{Type: a.Type, ID: a.ID})
	})
	requests := must(approvals.New(db, db.Approvals(), queue, roles, catalog, sink, approvals.Config{
		Policies: map[string]approvals.Policy{"": {Stages: []approvals.StageRule{{Name: "manager", Roles: []string{"manager"}}}}},
	}))
	governor := must(audit.NewGovernor(db, approvals.Gate(guard, requests), sink, catalog))

	// The action of the host.
	type price struct {
		Amount string `json:"amount"`
	}
	prices := must(approvals.NewGuard(governor, requests, "price.change", func(ctx context.Context, e *audit.Event, p price) error {
		n, err := exec(ctx, `UPDATE products SET price = $1, revision = revision + 1 WHERE id = $2 AND revision = $3`,
			p.Amount, e.Resource.ID, e.BaseRevision)
		if err == nil && n == 0 {
			err = storage.ErrConflict
		}
		return err
	}, approvals.GuardConfig{}))

	// Who is told.
	vault := must(secrets.New(must(secrets.OpenFile(filepath.Join(dir, "admin.keys")))))
	deliverer := must(egress.New(egress.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})) // the receiver below
	defer deliverer.Close(ctx)
	hooks := must(webhooks.New(governor, db.Webhooks(), queue, vault, deliverer, webhooks.Config{}))

	// One worker does the work of all services.
	handlers := requests.Handlers()
	maps.Copy(handlers, hooks.Handlers())
	worker := must(jobs.NewWorker(queue, handlers, jobs.WorkerConfig{}))
	panicOn(worker.Start(ctx))
	defer worker.Close(ctx)

	// Now it runs.
	sam, mia := as(audit.User, "sam"), as(audit.User, "mia")
	var verifier *receiver.Verifier
	heard := make(chan string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m, err := verifier.Read(w, r); err == nil {
			heard <- string(must(cloudevent.Parse(m.Body)).Data)
		}
	}))
	defer server.Close()
	_, secret, err := hooks.Create(mia, "acme", webhooks.EndpointInput{URL: server.URL, EventTypes: []string{"shop.price.*"}})
	panicOn(err)
	verifier = must(receiver.NewVerifier([]string{secret}, receiver.Config{}))

	change := approvals.Change[price]{
		Tenant: "acme", Resource: audit.Resource{Type: "product", ID: "p-1"}, Payload: price{"12.50"}, BaseRevision: "1",
	}
	must(prices.Do(sam, change))
	fmt.Println("heard of", <-heard)

	change.Payload, change.BaseRevision = price{"150.00"}, "2"
	_, err = prices.Do(sam, change)
	pending, ok := errors.AsType[*approvals.PendingError](err)
	fmt.Println("waits for approval:", ok)
	must(requests.Decide(mia, "acme", pending.RequestID, approvals.Choice{Decision: approvals.Approve, Revision: 1}))
	fmt.Println("heard of", <-heard)

	for _, e := range must(log.Query(ctx, "acme", audit.Query{Action: "price.change"})).Items {
		fmt.Println(e.Subject().ID, e.Action, e.Resource.ID, e.Outcome, len(e.ApprovedBy))
	}
	// Output:
	// heard of {"amount":"12.50"}
	// waits for approval: true
	// heard of {"amount":"150.00"}
	// sam price.change p-1 success 0
	// sam price.change p-1 pending 0
	// sam price.change p-1 success 1
}

// panicOn is must for what returns no more than an error.
func panicOn(err error) {
	if err != nil {
		panic(err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
