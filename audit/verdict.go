package audit

import (
	"context"
	"errors"
	"time"
)

// An Effect is what a gate says of a change. The zero value denies.
type Effect uint8

// The effects of a verdict.
const (
	Deny Effect = iota
	Allow
	NeedsApproval
	StepUp
)

// String returns the word of the effect as it stands in records and over HTTP.
func (e Effect) String() string {
	switch e {
	case Allow:
		return "allow"
	case NeedsApproval:
		return "needs_approval"
	case StepUp:
		return "step_up"
	}
	return "deny"
}

// A Reason says why, in a stable code for programs and a sentence for people. Text
// may be shown to whoever asked; Detail is for operators only.
type Reason struct {
	Code   string `json:"code"`
	Text   string `json:"text,omitempty"`
	Detail string `json:"-"`
}

// A StepUpObligation asks for a fresher or stronger proof of identity (RFC 9470).
type StepUpObligation struct {
	ACRValues []string      `json:"acr_values,omitempty"`
	MaxAge    time.Duration `json:"-"`
}

// An ApprovalObligation asks for the agreement of others.
type ApprovalObligation struct {
	// Policy names the approval policy to use; empty is the default one.
	Policy string `json:"policy,omitempty"`
}

// Obligations are what has to happen before the answer is yes.
type Obligations struct {
	StepUp   *StepUpObligation   `json:"step_up,omitempty"`
	Approval *ApprovalObligation `json:"approval,omitempty"`
}

// A Verdict is a gate's answer. The zero Verdict denies.
type Verdict struct {
	Effect Effect
	Reason Reason
	// Rules are the ids of the rules that determined the effect.
	Rules []string
	// PolicyVersion is the version of the policy that was asked.
	PolicyVersion string
	Obligations   Obligations
	// DecisionID is the record of the decision, empty where none was made.
	DecisionID string
	// ApprovalID and ApprovedBy are set on an Allow that an approval gave. On a refusal
	// ApprovalID is the request that is waited for, or that came to nothing.
	ApprovalID string
	ApprovedBy []Actor
}

// A Gate is asked before a change. An error denies, and so does a panic.
//
// Check runs in the transaction of the change. It may write rows of its own, such
// as the record of its decision or a change request; they are committed with the
// recorded attempt when the change is refused, with the change when it is not, and
// undone where Check fails with an error that is no [Refusal].
type Gate interface {
	Check(ctx context.Context, e Event) (Verdict, error)
}

// GateFunc is a function as a [Gate].
type GateFunc func(ctx context.Context, e Event) (Verdict, error)

// Check implements [Gate].
func (f GateFunc) Check(ctx context.Context, e Event) (Verdict, error) { return f(ctx, e) }

// Ungated is the gate that allows everything. A host that wants no gate says so by
// this name.
var Ungated Gate = GateFunc(func(context.Context, Event) (Verdict, error) {
	return Verdict{Effect: Allow, Reason: Reason{Code: "ungated"}}, nil
})

var (
	// ErrDenied reports a change that a gate refused. [DeniedError] carries the verdict.
	ErrDenied = errors.New("denied")
	// ErrStepUp reports a change that needs a fresher proof of identity.
	// [StepUpError] carries the verdict.
	ErrStepUp = errors.New("step-up required")
	// ErrNoActor reports an event without anybody who acts: neither the event nor
	// ctx names one.
	ErrNoActor = errors.New("no actor in the event or its context")
	// ErrAlreadyRecorded reports a change under an id that is durable already. The
	// change happened before and did not happen again.
	ErrAlreadyRecorded = errors.New("already recorded")
)

// A DeniedError is a refusal with its verdict. It matches [ErrDenied].
type DeniedError struct {
	Verdict Verdict
	// Err is the error of the gate, where that was the reason.
	Err error
}

// Error implements error. It names the code and never the cause, and says where an
// approval was wanted that no gate opens a request for.
func (e *DeniedError) Error() string {
	s := because("denied", e.Verdict)
	if e.Verdict.Effect == NeedsApproval {
		s += " (needs approval, and no gate took that up)"
	}
	return s
}

// Is reports whether target is [ErrDenied].
func (e *DeniedError) Is(target error) bool { return target == ErrDenied }

// Unwrap returns the error of the gate, for operators.
func (e *DeniedError) Unwrap() error { return e.Err }

// A StepUpError is a request for step-up with its verdict. It matches [ErrStepUp].
type StepUpError struct{ Verdict Verdict }

// Error implements error.
func (e *StepUpError) Error() string { return because("step-up required", e.Verdict) }

// Is reports whether target is [ErrStepUp].
func (e *StepUpError) Is(target error) bool { return target == ErrStepUp }

// A Refusal is an error of a gate that knows how the attempt shall be recorded. A
// gate that answers one has done its part: the transaction of the attempt commits.
type Refusal interface {
	error
	// Refused returns the outcome of the attempt: [Denied] or [Pending].
	Refused() Outcome
}

// Refused implements [Refusal].
func (e *DeniedError) Refused() Outcome { return Denied }

// Refused implements [Refusal].
func (e *StepUpError) Refused() Outcome { return Denied }

// because adds the code of a verdict to what it means, where it has one.
func because(what string, v Verdict) string {
	if v.Reason.Code == "" {
		return what
	}
	return what + ": " + v.Reason.Code
}
