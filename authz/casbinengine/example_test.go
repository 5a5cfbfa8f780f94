package casbinengine_test

import (
	"context"
	"fmt"
	"time"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/authz/casbinengine"
	"github.com/lumelle/adminkit/storage/memory"
)

// Support may refund; above 100.00 somebody else has to agree, and above 1000.00 the
// person has to prove first who it is.
func ExampleNew() {
	backend, err := memory.New(memory.Config{})
	if err != nil {
		panic(err)
	}
	words := casbinengine.Vocabulary{Roles: []string{"support"}, Actions: []string{"orders.refund"}}
	engine, err := casbinengine.New(backend.Authz(), words, casbinengine.Config{Rules: []casbinengine.Rule{
		{ID: "refund", Role: "support", Action: "orders.refund", ResourceType: "order", Effect: audit.Allow},
		{
			ID: "large", Role: casbinengine.Everyone, Action: "orders.refund",
			Effect: audit.NeedsApproval, When: "/payload/amount > 100.00",
		},
		{
			ID: "huge", Role: casbinengine.Everyone, Action: "orders.refund",
			Effect: audit.StepUp, When: "/payload/amount > 1000.00",
			Obligations: audit.Obligations{StepUp: &audit.StepUpObligation{MaxAge: 5 * time.Minute}},
		},
	}})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	sam := authz.Entity{Type: "user", ID: "sam"}
	row := casbinengine.Assign("acme", sam, "support")
	row.ID = "sam-support"
	if _, err := backend.Authz().Change(ctx, "acme", authz.Change{ID: "1", Add: []authz.Row{row}}); err != nil {
		panic(err)
	}

	now := time.Now()
	ask := func(amount string, proof *audit.Authn) {
		d, err := engine.Authorize(ctx, authz.Request{
			Tenant: "acme", Subject: sam, Action: "orders.refund", Resource: authz.Entity{Type: "order", ID: "1001"},
			Payload: map[string]any{"amount": amount}, Authn: proof, Time: now,
		})
		if err != nil {
			panic(err)
		}
		fmt.Println(amount, d.Effect, d.Rules)
	}
	ask("100.00", nil)
	ask("100.01", nil)
	ask("1000.01", nil)
	ask("1000.01", &audit.Authn{At: now.Add(-time.Minute)})
	// Output:
	// 100.00 allow [refund]
	// 100.01 needs_approval [refund large]
	// 1000.01 step_up [refund large huge]
	// 1000.01 needs_approval [refund large]
}

// A model of the host's own: a document may be edited by its owner.
func ExampleNewWithModel() {
	const text = `[request_definition]
r = sub, act, attr
[policy_definition]
p = role, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.act == p.act && g(r.sub, p.role) && attr(r.attr, "/resource/properties/owner") == attr(r.attr, "/subject/id")
`
	backend, err := memory.New(memory.Config{})
	if err != nil {
		panic(err)
	}
	engine, err := casbinengine.NewWithModel(backend.Authz(), text, casbinengine.ModelConfig{Rows: []authz.Row{
		{ID: "edit", Kind: "p", Values: []string{"editor", "docs.edit"}},
		{ID: "sam", Kind: "g", Values: []string{"user:sam", "editor"}},
	}})
	if err != nil {
		panic(err)
	}
	for _, owner := range []string{"sam", "zoe"} {
		d, err := engine.Authorize(context.Background(), authz.Request{
			Tenant: "acme", Subject: authz.Entity{Type: "user", ID: "sam"}, Action: "docs.edit", Time: time.Now(),
			Resource: authz.Entity{Type: "doc", ID: "7", Properties: map[string]any{"owner": owner}},
		})
		if err != nil {
			panic(err)
		}
		fmt.Println("a document of", owner, d.Effect)
	}
	// Output:
	// a document of sam allow
	// a document of zoe deny
}

// casbin's own enforcer over a tenant's rows.
func ExampleNewAdapter() {
	backend, err := memory.New(memory.Config{})
	if err != nil {
		panic(err)
	}
	engine, err := casbinengine.NewWithModel(backend.Authz(), rbacModel, casbinengine.ModelConfig{})
	if err != nil {
		panic(err)
	}
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, authz.Actions()...)
	if err != nil {
		panic(err)
	}
	governor, err := audit.NewGovernor(backend, audit.Ungated, audit.Disabled, catalog)
	if err != nil {
		panic(err)
	}
	policies, err := authz.NewPolicies(backend.Authz(), engine, governor)
	if err != nil {
		panic(err)
	}
	ctx := audit.WithActor(context.Background(), audit.Actor{Type: audit.User, ID: "olivia"})
	adapter, err := casbinengine.NewAdapter(ctx, policies, "acme")
	if err != nil {
		panic(err)
	}
	m, err := model.NewModelFromString(rbacModel)
	if err != nil {
		panic(err)
	}
	enforcer, err := casbin.NewEnforcer(m, adapter)
	if err != nil {
		panic(err)
	}
	if _, err := enforcer.AddPolicy("user:sam", "doc:7", "read"); err != nil {
		panic(err)
	}
	d, err := engine.Authorize(ctx, authz.Request{
		Tenant: "acme", Subject: authz.Entity{Type: "user", ID: "sam"}, Action: "read",
		Resource: authz.Entity{Type: "doc", ID: "7"}, Time: time.Now(),
	})
	fmt.Println(d.Effect, err)
	// Output: allow <nil>
}
