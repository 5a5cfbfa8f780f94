package casbinengine_test

import (
	"context"
	"errors"
	"testing"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/authz/casbinengine"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// newPolicies returns governed policies over a backend, behind the given gate.
func newPolicies(t *testing.T, b eachtest.Backend, checker authz.RowChecker, gate audit.Gate) (*authz.Policies, *audit.Log) {
	t.Helper()
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, authz.Actions()...)
	if err != nil {
		t.Fatal(err)
	}
	log, err := audit.NewLog(b.Audit(), audit.LogConfig{})
	if err != nil {
		t.Fatal(err)
	}
	governor, err := audit.NewGovernor(b, gate, log, catalog)
	if err != nil {
		t.Fatal(err)
	}
	p, err := authz.NewPolicies(b.Authz(), checker, governor)
	if err != nil {
		t.Fatal(err)
	}
	return p, log
}

func asOlivia(t *testing.T) context.Context {
	return audit.WithActor(t.Context(), audit.Actor{Type: audit.User, ID: "olivia"})
}

const rbacModel = `[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act
`

func TestACasbinEnforcerReadsAndWritesThroughTheAdapter(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		engine, err := casbinengine.NewWithModel(b.Authz(), rbacModel, casbinengine.ModelConfig{})
		if err != nil {
			t.Fatal(err)
		}
		policies, _ := newPolicies(t, b, engine, audit.Ungated)
		adapter, err := casbinengine.NewAdapter(asOlivia(t), policies, "acme")
		if err != nil {
			t.Fatal(err)
		}
		open := func() *casbin.Enforcer {
			m, err := model.NewModelFromString(rbacModel)
			if err != nil {
				t.Fatal(err)
			}
			return stock(t, m, adapter)
		}
		must := func(ok bool, err error) {
			t.Helper()
			if err != nil || !ok {
				t.Fatalf("got %t, %v", ok, err)
			}
		}
		// want asks a fresh enforcer and the engine.
		want := func(allowed bool, sub, obj, act string) {
			t.Helper()
			if got, err := open().Enforce("user:"+sub, obj, act); err != nil || got != allowed {
				t.Errorf("enforcer: got %t, %v for %s %s %s, want %t", got, err, sub, obj, act, allowed)
			}
			r := authz.Request{Tenant: "acme", Subject: user(sub), Action: act, Time: shopTime, Resource: authz.Entity{Type: "data", ID: obj[len("data:"):]}}
			if got, err := engine.Authorize(t.Context(), r); err != nil || (got.Effect == audit.Allow) != allowed {
				t.Errorf("engine: got %v, %v for %s %s %s, want allowed = %t", got.Effect, err, sub, obj, act, allowed)
			}
		}

		e := open()
		e.EnableAutoSave(true)
		must(e.AddPolicies([][]string{{"admin", "data:1", "read"}, {"admin", "data:2", "read"}, {"user:bob", "data:1", "write"}}))
		must(e.AddGroupingPolicy("user:alice", "admin"))
		want(true, "alice", "data:2", "read")
		want(true, "bob", "data:1", "write")

		must(e.RemoveFilteredPolicy(0, "admin", "data:2"))
		want(false, "alice", "data:2", "read")
		want(true, "alice", "data:1", "read")

		must(e.RemovePolicy("user:bob", "data:1", "write"))
		want(false, "bob", "data:1", "write")

		must(e.RemoveGroupingPolicy("user:alice", "admin"))
		want(false, "alice", "data:1", "read")

		e.EnableAutoSave(false)
		e.ClearPolicy()
		must(e.AddPolicy("user:carol", "data:9", "read"))
		if err := e.SavePolicy(); err != nil {
			t.Fatal(err)
		}
		want(true, "carol", "data:9", "read")
		want(false, "alice", "data:1", "read")
	})
}

func TestTheAdapterCannotWriteWhatAGateOrTheModelRefuses(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		engine, err := casbinengine.NewWithModel(b.Authz(), rbacModel, casbinengine.ModelConfig{})
		if err != nil {
			t.Fatal(err)
		}
		deny := audit.GateFunc(func(context.Context, audit.Event) (audit.Verdict, error) { return audit.Verdict{}, nil })
		policies, _ := newPolicies(t, b, engine, deny)
		adapter, err := casbinengine.NewAdapter(asOlivia(t), policies, "acme")
		if err != nil {
			t.Fatal(err)
		}
		if err := adapter.AddPolicy("p", "p", []string{"admin", "data:1", "read"}); !errors.Is(err, audit.ErrDenied) {
			t.Errorf("got %v, want a denial", err)
		}
		if err := adapter.AddPolicy("p", "p", []string{"admin", "data:1"}); !errors.Is(err, storage.ErrInvalid) {
			t.Errorf("got %v for a row without its last column, want it refused", err)
		}
		if head, err := policies.Head(t.Context(), "acme"); err != nil || head != (authz.Head{}) {
			t.Errorf("got head %+v, %v after nothing but refusals", head, err)
		}
	})
}
