package casbinengine_test

import (
	"context"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/authz/casbinengine"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// The shop of these tests: five roles, and a refund that needs approval above 100.00
// and a fresh identity above 1000.00.
var (
	shopWords = casbinengine.Vocabulary{
		Roles:   []string{"owner", "manager", "support", "auditor", "developer"},
		Actions: []string{"orders.refund", "orders.read", "audit.read"},
	}
	shopTime = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
)

func shopRules() []casbinengine.Rule {
	rules := []casbinengine.Rule{
		{
			ID: "refund-approval", Role: casbinengine.Everyone, Action: "orders.refund", Effect: audit.NeedsApproval,
			When: "/payload/amount > 100.00",
		},
		{
			ID: "refund-step-up", Role: casbinengine.Everyone, Action: "orders.refund", Effect: audit.StepUp,
			When:        "/payload/amount > 1000.00",
			Obligations: audit.Obligations{StepUp: &audit.StepUpObligation{MaxAge: 5 * time.Minute}},
		},
	}
	for _, role := range []string{"owner", "manager", "support"} {
		rules = append(rules, casbinengine.Rule{
			ID: "refund-" + role, Role: role, Action: "orders.refund", ResourceType: "order", Effect: audit.Allow,
		})
	}
	for _, role := range shopWords.Roles {
		rules = append(rules, casbinengine.Rule{ID: "audit-" + role, Role: role, Action: "audit.read", Effect: audit.Allow})
	}
	return rules
}

// newShop returns an engine over the store with the people of the shop.
func newShop(t testing.TB, store authz.Store) *casbinengine.Engine {
	t.Helper()
	e, err := casbinengine.New(store, shopWords, casbinengine.Config{Rules: shopRules()})
	if err != nil {
		t.Fatal(err)
	}
	change(t, store, "acme", authz.Change{Expected: 0, Add: []authz.Row{
		withID("sam", casbinengine.Assign("acme", user("sam"), "support")),
		withID("marco", casbinengine.Assign("acme", user("marco"), "manager")),
		withID("audra", casbinengine.Assign("acme", user("audra"), "auditor")),
	}})
	change(t, store, "bloom", authz.Change{Expected: 0, Add: []authz.Row{
		withID("nina", casbinengine.Assign("bloom", user("nina"), "manager")),
	}})
	return e
}

func user(id string) authz.Entity { return authz.Entity{Type: "user", ID: id} }

func withID(id string, r authz.Row) authz.Row {
	r.ID = id
	return r
}

func change(t testing.TB, store authz.Store, tenant string, c authz.Change) authz.Head {
	t.Helper()
	if c.ID == "" {
		c.ID = storage.NewID()
	}
	c.At = shopTime
	h, err := store.Change(t.Context(), tenant, c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func refund(subject, amount string) authz.Request {
	return authz.Request{
		Tenant:   "acme",
		Subject:  user(subject),
		Action:   "orders.refund",
		Resource: authz.Entity{Type: "order", ID: "1001"},
		Payload:  map[string]any{"amount": amount},
		Time:     shopTime,
	}
}

func newMemory(t testing.TB) *memory.Backend {
	t.Helper()
	b, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close(context.WithoutCancel(t.Context())) })
	return b
}

func TestRefundIsDecidedByRoleAmountAndFreshness(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		e := newShop(t, b.Authz())
		ago := func(d time.Duration) *audit.Authn { return &audit.Authn{At: shopTime.Add(-d)} }
		for _, tc := range []struct {
			name    string
			subject string
			amount  string
			authn   *audit.Authn
			want    audit.Effect
			code    string
		}{
			{"support may refund exactly the threshold", "sam", "100.00", nil, audit.Allow, "allowed"},
			{"a cent above the threshold needs approval", "sam", "100.01", nil, audit.NeedsApproval, "approval_required"},
			{"a trailing zero does not move the threshold", "sam", "100.0000", nil, audit.Allow, "allowed"},
			{"the least digit above the threshold counts", "sam", "100.000000000000000000001", nil, audit.NeedsApproval, "approval_required"},
			{"exactly the step-up threshold needs approval only", "sam", "1000.00", nil, audit.NeedsApproval, "approval_required"},
			{"a cent above it asks for step-up first", "sam", "1000.01", nil, audit.StepUp, "step_up_required"},
			{"a proof as old as allowed is fresh, then approval", "sam", "1000.01", ago(5 * time.Minute), audit.NeedsApproval, "approval_required"},
			{"a microsecond older is stale", "sam", "1000.01", ago(5*time.Minute + time.Microsecond), audit.StepUp, "step_up_required"},
			{"a microsecond younger is fresh", "sam", "1000.01", ago(5*time.Minute - time.Microsecond), audit.NeedsApproval, "approval_required"},
			{"a proof from the future is none", "sam", "1000.01", ago(-time.Minute), audit.StepUp, "step_up_required"},
			{"an auditor may not refund", "audra", "1.00", nil, audit.Deny, "no_matching_rule"},
			{"a stranger may not refund", "zoe", "1.00", nil, audit.Deny, "no_matching_rule"},
			{"a manager of another tenant may not refund here", "nina", "1.00", nil, audit.Deny, "no_matching_rule"},
			{"an amount that is no number denies", "sam", "1e2", nil, audit.Deny, "missing_attribute"},
		} {
			t.Run(tc.name, func(t *testing.T) {
				r := refund(tc.subject, tc.amount)
				r.Authn = tc.authn
				got, err := e.Authorize(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				if got.Effect != tc.want || got.Reason.Code != tc.code {
					t.Errorf("got %v (%s, %s), want %v (%s)", got.Effect, got.Reason.Code, got.Reason.Detail, tc.want, tc.code)
				}
				if got.Reason.Text == "" || got.PolicyVersion == "" {
					t.Errorf("got reason %+v and version %q, want both set", got.Reason, got.PolicyVersion)
				}
				if want := got.Effect == audit.StepUp || got.Effect == audit.NeedsApproval; want != (got.Obligations != audit.Obligations{}) {
					t.Errorf("got obligations %+v for %v", got.Obligations, got.Effect)
				}
			})
		}
	})
}

// emptyStore is a store that nobody wrote to.
type emptyStore struct{ authz.Store }

func (emptyStore) Head(context.Context, string) (authz.Head, error) { return authz.Head{}, nil }
