package authztest

import (
	"slices"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
)

// gateRules are about what has to happen before the answer is yes.
var gateRules = []rule{
	{
		id: "AU-017", name: "step-up comes before approval",
		explanation: "nobody shall approve the request of a person who has not shown who it is",
		run: func(e *env) {
			d := e.want(refund(sam, "1000.01"), audit.StepUp)
			if d.Obligations.StepUp == nil || d.Obligations.StepUp.MaxAge != 5*time.Minute {
				e.Errorf("the obligation is %+v, want a proof of at most five minutes", d.Obligations.StepUp)
			}
			e.want(proven(refund(sam, "1000.01"), time.Minute), audit.NeedsApproval)
		},
	},
	{
		id: "AU-018", name: "at the threshold of step-up none is asked for",
		explanation: "both thresholds are exact",
		run: func(e *env) {
			e.want(refund(sam, "1000.00"), audit.NeedsApproval)
			e.want(refund(sam, "1000.00000000000000000001"), audit.StepUp)
		},
	},
	{
		id: "AU-019", name: "a proof of exactly the greatest age is fresh, a tick more is not",
		explanation: "freshness is measured against the time of the request, to the microsecond",
		run: func(e *env) {
			e.want(proven(refund(sam, "5000"), 5*time.Minute-time.Microsecond), audit.NeedsApproval)
			e.want(proven(refund(sam, "5000"), 5*time.Minute), audit.NeedsApproval)
			e.want(proven(refund(sam, "5000"), 5*time.Minute+time.Microsecond), audit.StepUp)
		},
	},
	{
		id: "AU-020", name: "a proof from the future or without a time is none",
		explanation: "a clock that is wrong, or a claim that is forged, must not be fresh for ever",
		run: func(e *env) {
			e.want(proven(refund(sam, "5000"), -time.Hour), audit.StepUp)
			r := refund(sam, "5000")
			r.Authn = &audit.Authn{}
			e.want(r, audit.StepUp)
		},
	},
	{
		id: "AU-021", name: "a requirement is not a right",
		explanation: "whoever may not do it at all is denied, and is not sent to an approver",
		run: func(e *env) {
			e.want(refund(user("zoe"), "500.00"), audit.Deny)
			e.want(proven(refund(user("zoe"), "5000.00"), 0), audit.Deny)
		},
	},
	{
		id: "AU-022", name: "obligations stand where something is open and nowhere else",
		explanation: "callers act on obligations; an Allow with one is a contradiction",
		run: func(e *env) {
			for _, r := range []authz.Request{refund(sam, "50.00"), refund(user("zoe"), "50.00"), cancel(marco, LockedID)} {
				if d := e.authorize(r); d.Obligations != (audit.Obligations{}) {
					e.Errorf("%s: %v comes with %+v", describe(r), d.Effect, d.Obligations)
				}
			}
			if d := e.authorize(refund(sam, "500.00")); d.Obligations.Approval == nil || d.Obligations.StepUp != nil {
				e.Errorf("needs_approval comes with %+v", d.Obligations)
			}
		},
	},
	{
		id: "AU-023", name: "every decision says why and by which policy",
		explanation: "a denial without a stable code cannot be handled, one without a sentence cannot be told",
		run: func(e *env) {
			for _, r := range everyKind() {
				first, second := e.authorize(r), e.authorize(r)
				if first.Reason.Code == "" || first.Reason.Text == "" || first.PolicyVersion == "" {
					e.Errorf("%s: the decision lacks its code, text or version: %+v", describe(r), first)
				}
				if first.Effect != second.Effect || first.Reason != second.Reason ||
					first.PolicyVersion != second.PolicyVersion || !slices.Equal(first.Rules, second.Rules) {
					e.Errorf("%s: asked twice, answered %+v and %+v", describe(r), first, second)
				}
			}
		},
	},
	{
		id: "AU-024", name: "what a rule determined names the rule",
		explanation: "an auditor asks which rule allowed it, and which one forbade it",
		run: func(e *env) {
			for _, r := range []authz.Request{refund(sam, "50.00"), refund(sam, "500.00"), refund(sam, "5000.00"), cancel(marco, LockedID)} {
				if d := e.authorize(r); len(d.Rules) == 0 || slices.Contains(d.Rules, "") {
					e.Errorf("%s: %v names the rules %q", describe(r), d.Effect, d.Rules)
				}
			}
		},
	},
}

// everyKind is a request for each kind of answer.
func everyKind() []authz.Request {
	unknown := refund(sam, "50.00")
	unknown.Action = "orders.burn"
	return []authz.Request{
		refund(sam, "50.00"), refund(sam, "500.00"), refund(sam, "5000.00"),
		refund(user("zoe"), "50.00"), refund(sam, nil), cancel(marco, LockedID), unknown,
	}
}
