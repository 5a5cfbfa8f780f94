package casbinengine_test

import (
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/authz/casbinengine"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestRulesThatNameDifferentApprovalPoliciesDenyWhereBothMatch(t *testing.T) {
	approval := func(id, when, policy string) casbinengine.Rule {
		return casbinengine.Rule{
			ID: id, Role: casbinengine.Everyone, Action: "orders.refund", Effect: audit.NeedsApproval, When: when,
			Obligations: audit.Obligations{Approval: &audit.ApprovalObligation{Policy: policy}},
		}
	}
	words := casbinengine.Vocabulary{Roles: []string{"support"}, Actions: []string{"orders.refund"}}
	b := eachtest.Memory(t)
	change(t, b.Authz(), "acme", authz.Change{Add: []authz.Row{withID("sam", casbinengine.Assign("acme", user("sam"), "support"))}})
	e, err := casbinengine.New(b.Authz(), words, casbinengine.Config{Rules: []casbinengine.Rule{
		{ID: "refund", Role: "support", Action: "orders.refund", Effect: audit.Allow},
		approval("above-100", "/payload/amount > 100.00", "one_manager"),
		approval("above-200", "/payload/amount > 200.00", ""),
		approval("above-1000", "/payload/amount > 1000.00", "two_owners"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, amount := range []string{"150.00", "250.00"} {
		d := wantEffect(t, t.Context(), e, refund("sam", amount), audit.NeedsApproval)
		if got := d.Obligations.Approval.Policy; got != "one_manager" {
			t.Errorf("a refund of %s asks for the policy %q", amount, got)
		}
	}
	d, err := e.Authorize(t.Context(), refund("sam", "5000.00"))
	if err == nil || d.Effect != audit.Deny {
		t.Errorf("got %v, %v, want a denial with its cause: the stricter of two policies is not known", d.Effect, err)
	}
}
