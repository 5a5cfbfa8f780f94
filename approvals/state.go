package approvals

import (
	"fmt"
	"slices"

	"github.com/lumelle/adminkit/storage"
)

// A State is where a [Request] stands.
type State string

// The states of a request. The last five are ends: nothing leads out of them, and
// [Service.Rerequest] makes a new request instead.
const (
	// StateDraft is written by its author and asks nobody yet.
	StateDraft State = "draft"
	// StateAwaitingApproval waits for the decisions of its stages.
	StateAwaitingApproval State = "awaiting_approval"
	// StateChangesRequested waits for its author: an approver wants it changed.
	StateChangesRequested State = "changes_requested"
	// StateApproved has every decision it needs and waits for a worker.
	StateApproved State = "approved"
	// StateApplying is being applied. It can no longer be taken back.
	StateApplying State = "applying"
	// StateApplied is done: the change is made and recorded.
	StateApplied State = "applied"
	// StateRejected was declined by an approver.
	StateRejected State = "rejected"
	// StateCancelled was taken back.
	StateCancelled State = "cancelled"
	// StateExpired was undecided at its timeout.
	StateExpired State = "expired"
	// StateFailed was approved and could not be applied; [Failure] says why.
	StateFailed State = "failed"
)

// States lists every state in the order of a request's life.
func States() []State {
	return []State{
		StateDraft, StateAwaitingApproval, StateChangesRequested, StateApproved, StateApplying,
		StateApplied, StateRejected, StateCancelled, StateExpired, StateFailed,
	}
}

// Ended reports whether s is an end.
func (s State) Ended() bool {
	switch s {
	case StateApplied, StateRejected, StateCancelled, StateExpired, StateFailed:
		return true
	}
	return false
}

// Undecided reports whether a request in state s still waits for decisions.
func (s State) Undecided() bool { return s == StateAwaitingApproval || s == StateChangesRequested }

// A Trigger is what moves a request from state to state.
type Trigger string

// The triggers. [Approve] and [Complete] are both an approver's approval: Complete
// is the one that was still missing.
const (
	Edit           Trigger = "edit"
	Submit         Trigger = "submit"
	Comment        Trigger = "comment"
	Approve        Trigger = "approve"
	Complete       Trigger = "complete"
	RequestChanges Trigger = "request_changes"
	Resubmit       Trigger = "resubmit"
	Decline        Trigger = "decline"
	Revise         Trigger = "revise"
	Cancel         Trigger = "cancel"
	Expire         Trigger = "expire"
	Start          Trigger = "start"
	Finish         Trigger = "finish"
	Fail           Trigger = "fail"
)

// Triggers lists every trigger.
func Triggers() []Trigger {
	return []Trigger{
		Edit, Submit, Comment, Approve, Complete, RequestChanges, Resubmit,
		Decline, Revise, Cancel, Expire, Start, Finish, Fail,
	}
}

// A Transition is one legal move. Verb names the audit event that records it:
// "approvals.request." + Verb.
type Transition struct {
	From    State
	Trigger Trigger
	To      State
	Verb    string
}

// transitions is the state machine. Nothing else in the package decides what is
// legal; whatever is not in the table is an [IllegalTransitionError].
var transitions = [...]Transition{
	{StateDraft, Edit, StateDraft, "drafted"},
	{StateDraft, Submit, StateAwaitingApproval, "submitted"},
	{StateDraft, Cancel, StateCancelled, "cancelled"},

	{StateAwaitingApproval, Comment, StateAwaitingApproval, "commented"},
	{StateAwaitingApproval, Approve, StateAwaitingApproval, "endorsed"},
	{StateAwaitingApproval, Complete, StateApproved, "approved"},
	{StateAwaitingApproval, RequestChanges, StateChangesRequested, "changes_requested"},
	{StateAwaitingApproval, Decline, StateRejected, "rejected"},
	{StateAwaitingApproval, Revise, StateAwaitingApproval, "revised"},
	{StateAwaitingApproval, Cancel, StateCancelled, "cancelled"},
	{StateAwaitingApproval, Expire, StateExpired, "expired"},

	{StateChangesRequested, Comment, StateChangesRequested, "commented"},
	{StateChangesRequested, Resubmit, StateAwaitingApproval, "resubmitted"},
	{StateChangesRequested, Revise, StateAwaitingApproval, "revised"},
	{StateChangesRequested, Cancel, StateCancelled, "cancelled"},
	{StateChangesRequested, Expire, StateExpired, "expired"},

	{StateApproved, Revise, StateAwaitingApproval, "revised"},
	{StateApproved, Cancel, StateCancelled, "cancelled"},
	{StateApproved, Start, StateApplying, "started"},

	{StateApplying, Finish, StateApplied, "applied"},
	{StateApplying, Fail, StateFailed, "failed"},
}

// Transitions returns the state machine: every legal move, once.
func Transitions() []Transition { return slices.Clone(transitions[:]) }

// Next returns the transition that t makes from s, and an [IllegalTransitionError]
// where there is none.
func Next(s State, t Trigger) (Transition, error) {
	for _, tr := range transitions {
		if tr.From == s && tr.Trigger == t {
			return tr, nil
		}
	}
	return Transition{}, &IllegalTransitionError{From: s, Trigger: t}
}

// An IllegalTransitionError reports a move that the state machine does not have:
// most often a decision on a request that was decided meanwhile. It matches
// [storage.ErrConflict].
type IllegalTransitionError struct {
	From    State
	Trigger Trigger
}

// Error implements error.
func (e *IllegalTransitionError) Error() string {
	return fmt.Sprintf("a request that is %s cannot %s", e.From, e.Trigger)
}

// Is reports whether target is [storage.ErrConflict].
func (e *IllegalTransitionError) Is(target error) bool { return target == storage.ErrConflict }
