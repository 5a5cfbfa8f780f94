package casbinengine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/authz/casbinengine"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// pointers returns the fields that an error names.
func pointers(err error) []string {
	var invalid *storage.InvalidError
	if !errors.As(err, &invalid) {
		return nil
	}
	var list []string
	for _, f := range invalid.Fields {
		list = append(list, f.Pointer)
	}
	return list
}

func TestABadRowIsRefusedByItsFieldAndNeverStored(t *testing.T) {
	rule := func(change func(v []string)) authz.Row {
		v := []string{"support", "orders.refund", "order", "*", "allow", "", ""}
		change(v)
		return authz.Row{Kind: "p", Values: v}
	}
	assignment := func(values ...string) authz.Row { return authz.Row{Kind: "g", Values: values} }
	set := func(column int, value string) authz.Row { return rule(func(v []string) { v[column] = value }) }
	requirement := func(effect, when, then string) authz.Row {
		return rule(func(v []string) { v[4], v[5], v[6] = effect, when, then })
	}
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		engine := newShop(t, b.Authz())
		policies, _ := newPolicies(t, b, engine, audit.Ungated)
		before, err := policies.Head(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		for _, tc := range []struct {
			name string
			row  authz.Row
			at   string
		}{
			{"a missing column", authz.Row{Kind: "p", Values: []string{"support", "orders.refund", "order", "*", "allow", ""}}, "/add/0/values"},
			{"a column too many", authz.Row{Kind: "p", Values: []string{"support", "orders.refund", "order", "*", "allow", "", "", ""}}, "/add/0/values"},
			{"no columns", authz.Row{Kind: "p"}, "/add/0/values"},
			{"an unknown kind", authz.Row{Kind: "p2", Values: []string{"x"}}, "/add/0/kind"},
			{"no kind", authz.Row{Values: []string{"x"}}, "/add/0/kind"},
			{"a role with a typo", set(0, "suport"), "/add/0/values/0"},
			{"a role in another case", set(0, "Support"), "/add/0/values/0"},
			{"no role", set(0, ""), "/add/0/values/0"},
			{"a right for everyone", set(0, "*"), "/add/0/values/0"},
			{"an action with a typo", set(1, "orders.refnud"), "/add/0/values/1"},
			{"an action with a blank", set(1, "orders.refund "), "/add/0/values/1"},
			{"any action", set(1, "*"), "/add/0/values/1"},
			{"no action", set(1, ""), "/add/0/values/1"},
			{"no type", set(2, ""), "/add/0/values/2"},
			{"a pattern as a type", set(2, "ord*"), "/add/0/values/2"},
			{"a type with a colon", set(2, "order:1"), "/add/0/values/2"},
			{"no id", set(3, ""), "/add/0/values/3"},
			{"a star inside an id", set(3, "a*b*"), "/add/0/values/3"},
			{"an effect with a typo", set(4, "alow"), "/add/0/values/4"},
			{"no effect", set(4, ""), "/add/0/values/4"},
			{"an effect in another case", set(4, "Allow"), "/add/0/values/4"},
			{"a condition without an operator", set(5, "/payload/amount 100"), "/add/0/values/5"},
			{"a condition on nothing a request has", set(5, "/paylod/amount > 100"), "/add/0/values/5"},
			{"a condition with an exponent", set(5, "/payload/amount > 1e2"), "/add/0/values/5"},
			{"a condition that is code", set(5, `g(r.sub, "manager")`), "/add/0/values/5"},
			{"an obligation on an allow", set(6, "max_age=5m"), "/add/0/values/6"},
			{"step-up without a measure", requirement("step_up", "", ""), "/add/0/values/6"},
			{"step-up with a negative age", requirement("step_up", "", "max_age=-5m"), "/add/0/values/6"},
			{"step-up with an age of nothing", requirement("step_up", "", "max_age=0s"), "/add/0/values/6"},
			{"step-up with a number for an age", requirement("step_up", "", "max_age=300"), "/add/0/values/6"},
			{"step-up with a word twice", requirement("step_up", "", "max_age=5m max_age=6m"), "/add/0/values/6"},
			{"approval with an age", requirement("needs_approval", "", "max_age=5m"), "/add/0/values/6"},
			{"approval by a policy without a name", requirement("needs_approval", "", "policy="), "/add/0/values/6"},
			{"a NUL", set(3, "a\x00b"), "/add/0/values/3"},
			{"bytes that are no text", set(3, "\xff"), "/add/0/values/3"},
			{"an assignment without a tenant", assignment("user:sam", "manager"), "/add/0/values"},
			{"an assignment in another tenant", assignment("user:sam", "manager", "bloom"), "/add/0/values/2"},
			{"an assignment in every tenant", assignment("user:sam", "manager", "*"), "/add/0/values/2"},
			{"an assignment of a role with a typo", assignment("user:sam", "manger", "acme"), "/add/0/values/1"},
			{"an assignment of everybody's role", assignment("user:sam", "*", "acme"), "/add/0/values/1"},
			{"an assignment of no role", assignment("user:sam", "", "acme"), "/add/0/values/1"},
			{"an assignment to a subject without a type", assignment("sam", "manager", "acme"), "/add/0/values/0"},
			{"an assignment to a subject without an id", assignment("user:", "manager", "acme"), "/add/0/values/0"},
			{"an assignment to nobody", assignment("", "manager", "acme"), "/add/0/values/0"},
			{"a role that inherits itself", assignment("manager", "manager", "acme"), "/add/0/values/1"},
			{"the id of a rule of all tenants", authz.Row{ID: "refund-support", Kind: "p", Values: set(1, "orders.read").Values}, "/add/0/id"},
		} {
			t.Run(tc.name, func(t *testing.T) {
				_, err := policies.Change(asOlivia(t), "acme", authz.Change{Expected: authz.AnySequence, Add: []authz.Row{tc.row}})
				if !errors.Is(err, storage.ErrInvalid) || !slices.Contains(pointers(err), tc.at) {
					t.Errorf("got %v, want it refused at %s", err, tc.at)
				}
				if head, err := policies.Head(t.Context(), "acme"); err != nil || head != before {
					t.Errorf("got head %+v, %v afterwards, want %+v", head, err, before)
				}
			})
		}
		if got, err := engine.Authorize(t.Context(), refund("sam", "1.00")); err != nil || got.Effect != audit.Allow {
			t.Errorf("got %v, %v after nothing but refusals, want decisions as before", got.Effect, err)
		}
	})
}

func TestEveryBadFieldOfARowIsNamed(t *testing.T) {
	engine := newShop(t, newMemory(t).Authz())
	err := engine.CheckRows("acme", []authz.Row{
		{ID: "1", Kind: "g", Values: []string{"user:sam", "support", "acme"}},
		{ID: "2", Kind: "p", Values: []string{"nobody", "nothing", "", "", "perhaps", "??", "x"}},
	})
	want := []string{"/add/1/values/4", "/add/1/values/5", "/add/1/values/6", "/add/1/values/0", "/add/1/values/1", "/add/1/values/2", "/add/1/values/3"}
	if got := pointers(err); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAPolicyChangeIsGatedAndRecorded(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		engine := newShop(t, b.Authz())
		assign := authz.Change{Expected: 1, Add: []authz.Row{casbinengine.Assign("acme", user("zoe"), "support")}}

		closed, log := newPolicies(t, b, engine, audit.GateFunc(func(context.Context, audit.Event) (audit.Verdict, error) {
			return audit.Verdict{}, nil
		}))
		if _, err := closed.Change(asOlivia(t), "acme", assign); !errors.Is(err, audit.ErrDenied) {
			t.Fatalf("got %v, want a denial", err)
		}
		if got, _ := engine.Authorize(t.Context(), refund("zoe", "1.00")); got.Effect != audit.Deny {
			t.Errorf("got %v after a refused change", got.Effect)
		}

		open, _ := newPolicies(t, b, engine, audit.Ungated)
		head, err := open.Change(asOlivia(t), "acme", assign)
		if err != nil || head.Sequence != 2 {
			t.Fatalf("got %+v, %v", head, err)
		}
		if got, _ := engine.Authorize(t.Context(), refund("zoe", "1.00")); got.Effect != audit.Allow {
			t.Errorf("got %v after the change", got.Effect)
		}
		page, err := log.Query(t.Context(), "acme", audit.Query{Action: authz.ActionPolicyChange})
		if err != nil {
			t.Fatal(err)
		}
		var outcomes []string
		for _, e := range page.Items {
			outcomes = append(outcomes, string(e.Outcome))
			if !strings.Contains(string(e.Payload), "user:zoe") || e.Actor.ID != "olivia" || e.BaseRevision != "1" {
				t.Errorf("got event by %s on %q with payload %s", e.Actor.ID, e.BaseRevision, e.Payload)
			}
		}
		if want := []string{"denied", "success"}; !slices.Equal(outcomes, want) {
			t.Errorf("got outcomes %v, want %v", outcomes, want)
		}
		if _, err := open.Change(asOlivia(t), "acme", assign); !errors.Is(err, storage.ErrConflict) {
			t.Errorf("got %v for a stale sequence, want a conflict", err)
		}
	})
}

func TestAPolicyChangeIsRepeatedUnderItsID(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		engine := newShop(t, b.Authz())
		policies, log := newPolicies(t, b, engine, audit.Ungated)
		c := authz.Change{ID: "zoe-joins", Expected: 1, Add: []authz.Row{casbinengine.Assign("acme", user("zoe"), "support")}}
		first, err := policies.Change(asOlivia(t), "acme", c)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := policies.Change(asOlivia(t), "acme", c); err != nil || again != first {
			t.Errorf("got %+v, %v for the repeated change, want %+v", again, err, first)
		}
		page, err := log.Query(t.Context(), "acme", audit.Query{Action: authz.ActionPolicyChange})
		if err != nil || len(page.Items) != 1 {
			t.Errorf("got %d events, %v, want one", len(page.Items), err)
		}
	})
}

func TestALargeChangeIsRecordedByItsSize(t *testing.T) {
	b := eachtest.Memory(t)
	engine := newShop(t, b.Authz())
	policies, log := newPolicies(t, b, engine, audit.Ungated)
	var add []authz.Row
	for i := range 5000 {
		add = append(add, casbinengine.Assign("acme", user(fmt.Sprint("u", i)), "support"))
	}
	if _, err := policies.Change(asOlivia(t), "acme", authz.Change{Expected: 1, Add: add}); err != nil {
		t.Fatal(err)
	}
	page, err := log.Query(t.Context(), "acme", audit.Query{Action: authz.ActionPolicyChange})
	if err != nil || len(page.Items) != 1 {
		t.Fatalf("got %d events, %v", len(page.Items), err)
	}
	if got, want := string(page.Items[0].Payload), `{"added":5000,"removed":0}`; got != want {
		t.Errorf("got payload %s, want %s", got, want)
	}
	big := make([]authz.Row, authz.MaxChangeRows+1)
	if _, err := policies.Change(asOlivia(t), "acme", authz.Change{Expected: 2, Add: big}); !errors.Is(err, storage.ErrInvalid) {
		t.Errorf("got %v for too many rows", err)
	}
	if _, err := policies.Change(asOlivia(t), "acme", authz.Change{Expected: 2}); !errors.Is(err, storage.ErrInvalid) {
		t.Errorf("got %v for a change that changes nothing", err)
	}
}
