package automation

import (
	"log/slog"

	"github.com/lumelle/adminkit/audit"
)

// SpanAttempt is the span of one attempt: the call of an action.
const SpanAttempt = "automation.attempt"

// The attributes of the span. None of them is payload.
const (
	AttrTenant       = "org_id"
	AttrRule         = "rule_id"
	AttrVersion      = "rule_version"
	AttrEnvironment  = "environment"
	AttrRun          = "run_id"
	AttrStep         = "step"
	AttrAction       = "action"
	AttrAttemptCount = "attempt_count"
)

// attributes describes an attempt of a run for a span.
func (r *Run) attributes(step, action string, attempt int) []slog.Attr {
	return []slog.Attr{
		slog.String(AttrTenant, r.Tenant), slog.String(AttrRule, r.RuleID), slog.Int(AttrVersion, r.RuleVersion),
		slog.String(AttrEnvironment, r.Environment), slog.String(AttrRun, r.ID), slog.String(AttrStep, step),
		slog.String(AttrAction, action), slog.Int(AttrAttemptCount, attempt),
	}
}

// actor is who acts in a run: the owner of the rule, on behalf of the rule.
func (r *Run) actor() audit.Actor {
	a := r.Owner
	// A run long after is no proof that the owner is there.
	a.ActingAs, a.Authn = ResourceRule+"/"+r.RuleID, nil
	return a
}
