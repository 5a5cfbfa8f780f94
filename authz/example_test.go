package authz_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/authz/casbinengine"
	"github.com/lumelle/adminkit/storage/memory"
)

// A kit is what the examples share: everything in memory, sam in the role support.
type kit struct {
	backend *memory.Backend
	log     *audit.Log
	catalog *audit.Catalog
	engine  *casbinengine.Engine
}

func newKit() (kit, error) {
	var k kit
	var err error
	if k.backend, err = memory.New(memory.Config{}); err != nil {
		return k, err
	}
	if k.log, err = audit.NewLog(k.backend.Audit(), audit.LogConfig{}); err != nil {
		return k, err
	}
	actions := append(authz.Actions(), audit.Action{Name: "orders.refund"})
	if k.catalog, err = audit.NewCatalog(audit.CatalogConfig{}, actions...); err != nil {
		return k, err
	}
	words := casbinengine.Vocabulary{
		Roles:   []string{"manager", "support"},
		Actions: []string{"orders.refund", "orders.read"},
	}
	k.engine, err = casbinengine.New(k.backend.Authz(), words, casbinengine.Config{Rules: []casbinengine.Rule{
		{ID: "refund", Role: "support", Action: "orders.refund", ResourceType: "order", Effect: audit.Allow},
		{ID: "large", Role: casbinengine.Everyone, Action: "orders.refund", Effect: audit.NeedsApproval, When: "/payload/amount > 100.00"},
	}})
	if err != nil {
		return k, err
	}
	_, err = k.backend.Authz().Change(context.Background(), "acme", authz.Change{ID: "1", Add: []authz.Row{
		{ID: "sam", Kind: "g", Values: []string{"user:sam", "support", "acme"}},
	}})
	return k, err
}

// A handler asks before it shows a button. The answer is recorded.
func ExampleGuard_Authorize() {
	k, err := newKit()
	if err != nil {
		panic(err)
	}
	guard, err := authz.New(k.engine, k.backend, k.log, k.catalog, authz.Config{})
	if err != nil {
		panic(err)
	}
	ctx := audit.WithActor(context.Background(), audit.Actor{Type: audit.User, ID: "sam"})
	for _, amount := range []string{"100.00", "100.01"} {
		decision, err := guard.Authorize(ctx, authz.Request{
			Tenant:   "acme",
			Subject:  authz.Entity{Type: audit.User, ID: "sam"},
			Action:   "orders.refund",
			Resource: authz.Entity{Type: "order", ID: "1001"},
			Payload:  map[string]any{"amount": amount},
		})
		if err != nil {
			panic(err)
		}
		fmt.Println(amount, decision.Effect, decision.Reason.Code, decision.Rules)
	}
	// Output:
	// 100.00 allow allowed [refund]
	// 100.01 needs_approval approval_required [refund large]
}

// A guard is the gate of a governor: the change happens where the policy allows it,
// and the decision is recorded with it.
func ExampleNew() {
	k, err := newKit()
	if err != nil {
		panic(err)
	}
	guard, err := authz.New(k.engine, k.backend, k.log, k.catalog, authz.Config{})
	if err != nil {
		panic(err)
	}
	governor, err := audit.NewGovernor(k.backend, guard, k.log, k.catalog)
	if err != nil {
		panic(err)
	}
	for _, person := range []string{"sam", "zoe"} {
		ctx := audit.WithActor(context.Background(), audit.Actor{Type: audit.User, ID: person})
		_, err = governor.Change(ctx, audit.Event{
			Action: "orders.refund", Tenant: "acme",
			Resource: audit.Resource{Type: "order", ID: "1001"},
			Payload:  []byte(`{"amount":"12.50"}`),
		}, func(context.Context, *audit.Event) error {
			fmt.Println("refunded by", person)
			return nil
		})
		if denied, ok := errors.AsType[*audit.DeniedError](err); ok {
			fmt.Println(person, "may not:", denied.Verdict.Reason.Text)
		}
	}
	// Output:
	// refunded by sam
	// zoe may not: None of your roles allows this.
}

// A policy is changed in the open: checked, gated, recorded, and in force at once.
func ExamplePolicies_Change() {
	k, err := newKit()
	if err != nil {
		panic(err)
	}
	governor, err := audit.NewGovernor(k.backend, audit.Ungated, k.log, k.catalog)
	if err != nil {
		panic(err)
	}
	policies, err := authz.NewPolicies(k.backend.Authz(), k.engine, governor)
	if err != nil {
		panic(err)
	}
	ctx := audit.WithActor(context.Background(), audit.Actor{Type: audit.User, ID: "olivia"})
	marco := authz.Entity{Type: audit.User, ID: "marco"}
	for _, role := range []string{"manger", "manager"} {
		head, err := policies.Change(ctx, "acme", authz.Change{
			Expected: 1,
			Add:      []authz.Row{casbinengine.Assign("acme", marco, role)},
		})
		fmt.Println(head.Sequence, err)
	}
	roles, err := k.engine.Roles(ctx, "acme", marco)
	fmt.Println(roles, err)
	// Output:
	// 0 invalid input: /add/0/values/1: is not a known role
	// 2 <nil>
	// [manager] <nil>
}
