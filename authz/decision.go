package authz

import (
	"context"
	"time"

	"github.com/lumelle/adminkit/audit"
)

// An Authorizer answers whether a request is allowed. It is what authors of engines
// implement; hosts hold a [Guard] around one.
//
// An error means Deny, and so does the zero Decision. Authorize honours ctx, reads
// through the transaction that ctx carries, and must not keep or change the maps of
// r. It is safe for concurrent use. Package authztest judges an implementation.
type Authorizer interface {
	Authorize(ctx context.Context, r Request) (Decision, error)
}

// AuthorizerFunc is a function as an [Authorizer].
type AuthorizerFunc func(ctx context.Context, r Request) (Decision, error)

// Authorize implements [Authorizer].
func (f AuthorizerFunc) Authorize(ctx context.Context, r Request) (Decision, error) { return f(ctx, r) }

// A Decision is the answer to a [Request]. The zero Decision denies.
type Decision struct {
	Effect audit.Effect
	// Reason says why. Its Text may be shown to whoever asked, its Detail is for
	// operators.
	Reason audit.Reason
	// Rules are the ids of the rules that determined the effect, in order of the
	// policy. Empty where no rule matched.
	Rules []string
	// PolicyVersion names the exact policy that was asked.
	PolicyVersion string
	// Obligations are what has to happen before the answer is yes; empty on Allow
	// and Deny.
	Obligations audit.Obligations
	// ID is the id of the event that recorded the decision, empty where none did.
	ID string
}

// Verdict returns the decision as the answer of a gate.
func (d Decision) Verdict() audit.Verdict {
	return audit.Verdict{
		Effect:        d.Effect,
		Reason:        d.Reason,
		Rules:         d.Rules,
		PolicyVersion: d.PolicyVersion,
		Obligations:   d.Obligations,
		DecisionID:    d.ID,
	}
}

// The codes of reasons. They are stable: programs branch on them. An engine may
// have further ones.
const (
	// CodeAllowed: a rule allows it.
	CodeAllowed = "allowed"
	// CodeApprovalRequired: allowed once others agree.
	CodeApprovalRequired = "approval_required"
	// CodeStepUpRequired: allowed after a fresher or stronger proof of identity.
	CodeStepUpRequired = "step_up_required"
	// CodeNoMatchingRule: no rule allows it to this subject.
	CodeNoMatchingRule = "no_matching_rule"
	// CodeConditionNotMet: a rule of the subject's role names the action, but its
	// resource or its condition does not fit.
	CodeConditionNotMet = "condition_not_met"
	// CodeExplicitDeny: a rule forbids it.
	CodeExplicitDeny = "explicit_deny"
	// CodeUnknownAction: the policy does not know the action.
	CodeUnknownAction = "unknown_action"
	// CodeInvalidInput: the request is ill-formed.
	CodeInvalidInput = "invalid_input"
	// CodeMissingAttribute: a condition reads an attribute that the request lacks, or
	// one of another type.
	CodeMissingAttribute = "missing_attribute"
	// CodePolicyEmpty: the tenant has no policy.
	CodePolicyEmpty = "policy_empty"
	// CodePolicyUnavailable: the policy could not be read or not be evaluated.
	CodePolicyUnavailable = "policy_unavailable"
	// CodeTimeout: the decision took too long.
	CodeTimeout = "timeout"
)

// text is the sentence of a code, for decisions whose author left it out.
func text(code string) string {
	switch code {
	case CodeAllowed:
		return "Allowed."
	case CodeApprovalRequired:
		return "This needs the approval of somebody else."
	case CodeStepUpRequired:
		return "Please confirm who you are and try again."
	case CodeNoMatchingRule:
		return "None of your roles allows this."
	case CodeConditionNotMet:
		return "Your role allows this only under conditions that are not met."
	case CodeExplicitDeny:
		return "A rule forbids this."
	case CodeUnknownAction:
		return "This action is not known."
	case CodeInvalidInput:
		return "The request is not complete."
	case CodeMissingAttribute:
		return "The request lacks something that the rules ask for."
	case CodePolicyEmpty:
		return "Nobody may do this yet: there is no policy."
	case CodePolicyUnavailable, CodeTimeout:
		return "The permission could not be checked. Please try again."
	}
	return "This is not allowed."
}

// Explain returns the reason with its code and the kit's sentence for it.
func Explain(code string) audit.Reason { return audit.Reason{Code: code, Text: text(code)} }

// Settle completes a decision and puts the gates in their order: whether it is
// allowed at all, then the freshness of the subject's identity, then approval. Every
// Authorizer may end with it, and a [Guard] does it again.
//
// An obligation that r fulfils already is dropped; one that is open turns Allow into
// StepUp or NeedsApproval. Nothing turns a denial, or a demand without an
// obligation, into something weaker. A missing reason is filled in.
func (d Decision) Settle(r Request) Decision {
	asked := d.Effect
	if !known(d.Effect) || d.Effect == audit.Deny {
		d.Effect, d.Obligations = audit.Deny, audit.Obligations{}
	} else {
		d.Effect, d.Obligations = d.gates(r)
	}
	if d.Effect != asked {
		d.Reason.Code, d.Reason.Text = "", ""
	}
	if d.Reason.Code == "" {
		d.Reason.Code = codeOf(d.Effect)
	}
	if d.Reason.Text == "" {
		d.Reason.Text = text(d.Reason.Code)
	}
	return d
}

// gates walks a decision that is not a denial through step-up and approval.
func (d Decision) gates(r Request) (audit.Effect, audit.Obligations) {
	open := d.Obligations
	if d.Effect == audit.StepUp && open.StepUp == nil {
		open.StepUp = &audit.StepUpObligation{}
	}
	if d.Effect == audit.NeedsApproval && open.Approval == nil {
		open.Approval = &audit.ApprovalObligation{}
	}
	if open.StepUp != nil && Fresh(r.Authn, r.Time, *open.StepUp) {
		open.StepUp = nil
	}
	switch {
	case open.StepUp != nil:
		return audit.StepUp, open
	case open.Approval != nil:
		return audit.NeedsApproval, open
	}
	return audit.Allow, open
}

func known(e audit.Effect) bool {
	return e == audit.Deny || e == audit.Allow || e == audit.NeedsApproval || e == audit.StepUp
}

func codeOf(e audit.Effect) string {
	switch e {
	case audit.Allow:
		return CodeAllowed
	case audit.NeedsApproval:
		return CodeApprovalRequired
	case audit.StepUp:
		return CodeStepUpRequired
	}
	return CodeNoMatchingRule
}

// MaxSkew is how far the clock that an identity was proved by may be ahead of ours.
// A proof from further in the future is none.
const MaxSkew = 5 * time.Second

// Fresh reports whether the proof of identity a fulfils o at the given time: it is
// not older than o.MaxAge, and of one of the classes that o names. A MaxAge of zero
// sets no limit of age. An obligation that asks for neither is never fulfilled, so
// that a demand without particulars stays one.
func Fresh(a *audit.Authn, at time.Time, o audit.StepUpObligation) bool {
	if a == nil || a.At.IsZero() || o.MaxAge <= 0 && len(o.ACRValues) == 0 {
		return false
	}
	age := at.Sub(a.At)
	if age < -MaxSkew || o.MaxAge > 0 && age > o.MaxAge {
		return false
	}
	if len(o.ACRValues) == 0 {
		return true
	}
	for _, acr := range o.ACRValues {
		if acr != "" && acr == a.ACR {
			return true
		}
	}
	return false
}
