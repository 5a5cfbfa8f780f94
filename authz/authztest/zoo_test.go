package authztest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// asks is a breaking that changes what is asked.
func asks(change func(r *authz.Request)) func(h *Harness) {
	return func(h *Harness) {
		inner := h.Authorizer
		h.Authorizer = authz.AuthorizerFunc(func(ctx context.Context, r authz.Request) (authz.Decision, error) {
			change(&r)
			return inner.Authorize(ctx, r)
		})
	}
}

// answers is a breaking that changes what is answered.
func answers(change func(r authz.Request, d *authz.Decision, err *error)) func(h *Harness) {
	return func(h *Harness) {
		inner := h.Authorizer
		h.Authorizer = authz.AuthorizerFunc(func(ctx context.Context, r authz.Request) (authz.Decision, error) {
			d, err := inner.Authorize(ctx, r)
			change(r, &d, &err)
			return d, err
		})
	}
}

// turns is a breaking that answers a code with another effect.
func turns(code string, effect audit.Effect) func(h *Harness) {
	return answers(func(_ authz.Request, d *authz.Decision, _ *error) {
		if d.Reason.Code == code {
			d.Effect = effect
		}
	})
}

// remembers is a breaking that keeps the answers that it is told to, for ever.
func remembers(keep func(d authz.Decision) bool) func(h *Harness) {
	return func(h *Harness) {
		inner := h.Authorizer
		known := map[string]authz.Decision{}
		h.Authorizer = authz.AuthorizerFunc(func(ctx context.Context, r authz.Request) (authz.Decision, error) {
			if d, ok := known[describe(r)]; ok {
				return d, nil
			}
			d, err := inner.Authorize(ctx, r)
			if err == nil && keep(d) {
				known[describe(r)] = d
			}
			return d, err
		})
	}
}

// amountIs reports whether the request is about exactly this text.
func amountIs(r authz.Request, text string) bool { return r.Payload["amount"] == text }

// withAmount replaces the amount without touching the caller's map.
func withAmount(r *authz.Request, amount any) {
	r.Payload = maps.Clone(r.Payload)
	r.Payload["amount"] = amount
}

// zoo lists authorizers that are broken in one way, and the rule that finds it.
var zoo = []struct {
	rule, name string
	breaks     func(h *Harness)
}{
	{"AU-001", "denies everything", answers(func(_ authz.Request, d *authz.Decision, _ *error) { d.Effect = audit.Deny })},
	{"AU-002", "allows whom no rule mentions", turns(authz.CodeNoMatchingRule, audit.Allow)},
	{"AU-003", "allows an unknown action", turns(authz.CodeUnknownAction, audit.Allow)},
	{"AU-004", "matches actions by prefix", asks(func(r *authz.Request) {
		if strings.HasPrefix(r.Action, Refund) {
			r.Action = Refund
		}
	})},
	{"AU-005", "matches types by prefix", asks(func(r *authz.Request) {
		if strings.HasPrefix(r.Resource.Type, Order) {
			r.Resource.Type = Order
		}
	})},
	{"AU-006", "crosses tenants", func(h *Harness) {
		inner := h.Authorizer
		h.Authorizer = authz.AuthorizerFunc(func(ctx context.Context, r authz.Request) (authz.Decision, error) {
			d, err := inner.Authorize(ctx, r)
			if d.Reason.Code == authz.CodeNoMatchingRule {
				r.Tenant = "bloom"
				return inner.Authorize(ctx, r)
			}
			return d, err
		})
	}},
	{"AU-007", "takes no tenant for the first one", asks(func(r *authz.Request) {
		if r.Tenant == "" {
			r.Tenant = "acme"
		}
	})},
	{"AU-007", "trims the tenant", asks(func(r *authz.Request) { r.Tenant = strings.TrimSpace(r.Tenant) })},
	{"AU-008", "folds the case of subjects", asks(func(r *authz.Request) { r.Subject.ID = strings.ToLower(r.Subject.ID) })},
	{"AU-008", "strips combining characters", asks(func(r *authz.Request) { r.Subject.ID = strings.TrimSuffix(r.Subject.ID, "\u0301") })},
	{"AU-009", "forgets the type of a subject", asks(func(r *authz.Request) { r.Subject.Type = audit.User })},
	{"AU-009", "joins type and id ambiguously", asks(func(r *authz.Request) {
		r.Subject.Type, r.Subject.ID, _ = strings.Cut(r.Subject.Type+":"+r.Subject.ID, ":")
	})},
	{"AU-010", "gives everybody the role of their name", asks(func(r *authz.Request) {
		if r.Subject.ID == Manager {
			r.Subject.ID = "marco"
		}
	})},
	{"AU-011", "lets an allow override a denial", turns(authz.CodeExplicitDeny, audit.Allow)},
	{"AU-011", "does not tell a denial from no rule", answers(func(_ authz.Request, d *authz.Decision, _ *error) {
		if d.Effect == audit.Deny {
			d.Reason = authz.Explain(authz.CodeNoMatchingRule)
		}
	})},
	{"AU-012", "takes the threshold for above it", answers(func(r authz.Request, d *authz.Decision, _ *error) {
		if amountIs(r, "100.00") {
			d.Effect = audit.NeedsApproval
		}
	})},
	{"AU-013", "compares floating point", asks(func(r *authz.Request) {
		if s, ok := r.Payload["amount"].(string); ok {
			if f, err := strconv.ParseFloat(s, 64); err == nil {
				withAmount(r, f)
			}
		}
	})},
	{"AU-014", "wants strings only", asks(func(r *authz.Request) {
		if _, ok := r.Payload["amount"].(string); !ok {
			withAmount(r, "")
		}
	})},
	{"AU-015", "skips a rule whose attribute is missing", answers(func(r authz.Request, d *authz.Decision, _ *error) {
		if d.Reason.Code == authz.CodeMissingAttribute && r.Payload["amount"] == nil {
			d.Effect = audit.Allow
		}
	})},
	{"AU-016", "reads the digits that it finds", asks(func(r *authz.Request) {
		var f float64
		if n, _ := fmt.Sscan(fmt.Sprint(r.Payload["amount"]), &f); n == 1 {
			withAmount(r, json.Number(strconv.FormatFloat(f, 'f', 2, 64)))
		}
	})},
	{"AU-017", "asks for approval before step-up", answers(func(_ authz.Request, d *authz.Decision, _ *error) {
		if d.Effect == audit.StepUp {
			d.Effect = audit.NeedsApproval
		}
	})},
	{"AU-017", "does not say how fresh", answers(func(_ authz.Request, d *authz.Decision, _ *error) {
		if d.Effect == audit.StepUp {
			d.Obligations.StepUp = &audit.StepUpObligation{}
		}
	})},
	{"AU-018", "asks for step-up at the threshold", answers(func(r authz.Request, d *authz.Decision, _ *error) {
		if amountIs(r, "1000.00") {
			d.Effect = audit.StepUp
		}
	})},
	{"AU-019", "rounds the age to seconds", asks(func(r *authz.Request) {
		if r.Authn != nil {
			age := r.Time.Sub(r.Authn.At).Truncate(time.Second)
			r.Authn = &audit.Authn{At: r.Time.Add(-age)}
		}
	})},
	{"AU-019", "takes the greatest age for too old", asks(func(r *authz.Request) {
		if r.Authn != nil {
			r.Authn = &audit.Authn{At: r.Authn.At.Add(-time.Microsecond)}
		}
	})},
	{"AU-020", "takes the future for now", asks(func(r *authz.Request) {
		if r.Authn != nil && r.Authn.At.After(r.Time) {
			r.Authn = &audit.Authn{At: r.Time}
		}
	})},
	{"AU-020", "takes no time for now", asks(func(r *authz.Request) {
		if r.Authn != nil && r.Authn.At.IsZero() {
			r.Authn = &audit.Authn{At: r.Time}
		}
	})},
	{"AU-021", "sends strangers to an approver", answers(func(r authz.Request, d *authz.Decision, _ *error) {
		if d.Reason.Code == authz.CodeNoMatchingRule && amountIs(r, "500.00") {
			d.Effect = audit.NeedsApproval
		}
	})},
	{"AU-022", "leaves an obligation on an allow", answers(func(_ authz.Request, d *authz.Decision, _ *error) {
		if d.Effect == audit.Allow {
			d.Obligations.Approval = &audit.ApprovalObligation{}
		}
	})},
	{"AU-022", "forgets what approval it asks for", answers(func(_ authz.Request, d *authz.Decision, _ *error) {
		if d.Effect == audit.NeedsApproval {
			d.Obligations.Approval = nil
		}
	})},
	{"AU-023", "denies without a word", answers(func(_ authz.Request, d *authz.Decision, _ *error) {
		if d.Effect == audit.Deny {
			d.Reason.Text = ""
		}
	})},
	{"AU-023", "has a new code each time", func(h *Harness) {
		n := 0
		answers(func(_ authz.Request, d *authz.Decision, _ *error) {
			n++
			d.Reason.Code = fmt.Sprint(n)
		})(h)
	}},
	{"AU-024", "names no rule", answers(func(_ authz.Request, d *authz.Decision, _ *error) { d.Rules = nil })},
	{"AU-025", "caches what it allowed", remembers(func(d authz.Decision) bool { return d.Effect == audit.Allow })},
	{"AU-026", "caches what it denied", remembers(func(d authz.Decision) bool { return d.Effect == audit.Deny })},
	{"AU-027", "has one version for ever", answers(func(_ authz.Request, d *authz.Decision, _ *error) { d.PolicyVersion = "1" })},
	{"AU-028", "acknowledges a revocation before it is made", func(h *Harness) {
		grant, revoke := h.Grant, h.Revoke
		late := func() error { return nil }
		h.Revoke = func(ctx context.Context, tenant string, subject authz.Entity, role string) error {
			late = func() error { return revoke(ctx, tenant, subject, role) }
			return nil
		}
		h.Grant = func(ctx context.Context, tenant string, subject authz.Entity, role string) error {
			if err := late(); err != nil {
				return err
			}
			late = func() error { return nil }
			return grant(ctx, tenant, subject, role)
		}
	}},
	{"AU-029", "panics without a subject", asks(func(r *authz.Request) { _ = r.Subject.ID[0] })},
	{"AU-030", "takes a subject for a pattern", asks(func(r *authz.Request) {
		if regexp.MustCompile("^" + r.Subject.ID + "$").MatchString("sam") {
			r.Subject.ID = "sam"
		}
	})},
	{"AU-031", "allows on an error", answers(func(_ authz.Request, d *authz.Decision, err *error) {
		if *err != nil {
			*d, *err = authz.Decision{Effect: audit.Allow}, nil
		}
	})},
	{"AU-031", "allows beside an error", answers(func(_ authz.Request, d *authz.Decision, err *error) {
		if *err != nil {
			d.Effect = audit.Allow
		}
	})},
	{"AU-032", "ignores ctx", func(h *Harness) {
		inner := h.Authorizer
		h.Authorizer = authz.AuthorizerFunc(func(ctx context.Context, r authz.Request) (authz.Decision, error) {
			return inner.Authorize(context.WithoutCancel(ctx), r)
		})
	}},
	{"AU-033", "tells the caller what the operator should read", answers(func(_ authz.Request, d *authz.Decision, _ *error) {
		d.Reason.Text += d.Reason.Detail
	})},
	{"AU-034", "marks the payload", asks(func(r *authz.Request) {
		if r.Payload != nil {
			r.Payload["checked"] = true
		}
	})},
}

func TestEachBrokenAuthorizerIsCaughtByItsRule(t *testing.T) {
	all := map[string]rule{}
	for _, r := range rules() {
		if _, twice := all[r.id]; twice {
			t.Errorf("there are two rules %s", r.id)
		}
		if r.name == "" || r.explanation == "" {
			t.Errorf("rule %s does not explain itself", r.id)
		}
		all[r.id] = r
	}
	proven := map[string]bool{}
	for _, m := range zoo {
		proven[m.rule] = true
		t.Run(m.rule+" an authorizer that "+m.name, func(t *testing.T) {
			t.Parallel()
			h := reference(t)
			m.breaks(&h)
			failures := ruletest.Try(t.Context(), func(t testing.TB) { all[m.rule].check(t, h) })
			if len(failures) == 0 {
				t.Error("the rule does not catch it")
			}
			t.Log(strings.Join(failures, "\n"))
		})
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if !proven[id] {
			t.Errorf("no broken authorizer proves rule %s", id)
		}
	}
}
