package approvals

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
)

// A Content is what a request asks for, at one revision.
type Content struct {
	// Payload is what the action shall do, JSON or nil. The approval is bound to it.
	Payload json.RawMessage
	// BaseRevision is the revision of the resource that the change was made for. The
	// approval is bound to it too: a resource that moved is a conflict.
	BaseRevision string
	// Before and After are the resource around the change, JSON or nil, for the
	// people who decide.
	Before, After json.RawMessage
	// Reason is the author's own text.
	Reason string
}

// A Request is a change that waits for the agreement of others. It is made by
// [Gate] when a policy asks for approval, or by [Service.Draft].
type Request struct {
	ID     string
	Tenant string
	State  State
	// Revision counts the contents, from 1. Decisions belong to a revision.
	Revision int
	// Version counts the writes, from 1.
	Version int64

	// Action and Resource say what shall be done to what, as the catalogue names it.
	Action   string
	Resource audit.Resource
	// EventID is the id under which the applied change will be recorded. It is the
	// idempotency key of the [Applier].
	EventID string
	// Source, Origin and Metadata are those of the event that asked.
	Source   string
	Origin   audit.Origin
	Metadata json.RawMessage

	// Requester is who asked, with the proof of identity they gave then.
	Requester audit.Actor
	// Authors are everybody whose change it is: who asked, whom they asked for, and
	// every editor. None of them may decide. The list only grows.
	Authors []audit.Actor

	// Content is that of the current revision.
	Content
	// ContentHash is the hash of the current revision that decisions and the grant
	// are bound to, see [Hash].
	ContentHash string
	// SubmittedAt is when the current revision was asked for. The freshness of the
	// requester's proof of identity is judged at this time.
	SubmittedAt time.Time

	// PolicyName and Policy are the approval policy as it was when the request was
	// submitted. Later edits of the policy do not touch it.
	PolicyName string
	Policy     Policy
	// Stages say how far the current revision has come.
	Stages []Stage
	// Cause is the decision that asked for approval, zero for a draft.
	Cause Cause

	CreatedAt time.Time
	UpdatedAt time.Time
	// TimeoutAt is when the request expires if it is still undecided.
	TimeoutAt time.Time

	// Trace is the trace the request began under and keeps.
	Trace correlation.Trace
	// CausationID is the id of the event that led to the request, and Hops how many steps
	// of causation that was, as the event that asked had them. They go on with the change
	// that is applied, so that a loop through an approval is one.
	CausationID string
	Hops        int
	// PreviousID is the ended request that this one asks for again.
	PreviousID string
	// DedupeKey is equal for requests of one person for the same change, see [Gate].
	DedupeKey string

	// Failure says why a [StateFailed] request failed, nil otherwise.
	Failure *Failure
	// Output is what the [Applier] answered, JSON or nil.
	Output json.RawMessage
}

// A Cause is why a request exists: the verdict that asked for approval.
type Cause struct {
	// DecisionID is the record of the decision.
	DecisionID string `json:"decision_id,omitempty"`
	// Reason is the decision's own.
	Reason audit.Reason `json:"reason"`
	// Rules are the ids of the rules that determined it.
	Rules []string `json:"rules,omitempty"`
	// PolicyVersion is the version of the authorization policy.
	PolicyVersion string `json:"policy_version,omitempty"`
}

// A Failure says why an approved request was not applied.
type Failure struct {
	// Code is one of the Failed... constants.
	Code string `json:"code"`
	// Text is a sentence for the requester. It names no internals.
	Text string `json:"text"`
}

// The codes of a [Failure].
const (
	// FailedConflict: the resource is no longer the one the change was made for.
	FailedConflict = "conflict"
	// FailedDenied: the gate refused the change when it was about to be applied.
	FailedDenied = "denied"
	// FailedInvalid: the applier found the payload wrong.
	FailedInvalid = "invalid"
	// FailedLimit: the tenant has as many as it may of what the change would make.
	FailedLimit = "limit"
	// FailedApplier: the applier answered a permanent error.
	FailedApplier = "applier"
	// FailedUngoverned: the applier changed something without its gate.
	FailedUngoverned = "ungoverned"
	// FailedAttempts: every attempt ended in an error that might have passed.
	FailedAttempts = "attempts"
	// FailedLost: the process that applied it died again and again.
	FailedLost = "lost"
)

// A StageStatus is how far a stage has come.
type StageStatus string

// The statuses of a stage. A pending stage is open when its OpenedAt is set.
const (
	StagePending  StageStatus = "pending"
	StageApproved StageStatus = "approved"
	StageDeclined StageStatus = "declined"
	// StageSkipped is a stage that nobody is asked at, because of its [StageRule.When].
	StageSkipped StageStatus = "skipped"
	StageExpired StageStatus = "expired"
)

// A Stage is one step of the approval at the current revision.
type Stage struct {
	Name   string      `json:"name"`
	Status StageStatus `json:"status"`
	// Reason says why a stage with a condition is skipped, or asked although the
	// condition does not hold, see [Route]. It is zero for any other.
	Reason audit.Reason `json:"reason,omitzero"`
	// Required is how many different people must approve.
	Required int `json:"required"`
	// ApprovedBy lists who did, in order.
	ApprovedBy []audit.Actor `json:"approved_by,omitempty"`
	// OpenedAt is when the stage began to wait, zero while an earlier one is open.
	OpenedAt time.Time `json:"opened_at,omitzero"`
}

// OpenStage returns the index of the stage that waits for decisions, -1 where none does.
func (r *Request) OpenStage() int {
	if !r.State.Undecided() {
		return -1
	}
	return slices.IndexFunc(r.Stages, func(s Stage) bool { return s.Status == StagePending })
}

// ApprovedBy lists everybody who approved the current revision, in order of the
// stages and of their decisions, each person once.
func (r *Request) ApprovedBy() []audit.Actor {
	var all []audit.Actor
	for _, s := range r.Stages {
		for _, a := range s.ApprovedBy {
			if !slices.ContainsFunc(all, a.Same) {
				all = append(all, a)
			}
		}
	}
	return all
}

// A Revision is the content of a request at one time. Revisions are never deleted.
type Revision struct {
	Number int
	Content
	ContentHash string
	// Editor is who wrote it.
	Editor audit.Actor
	At     time.Time
}

// A Decision is what one person said of one revision.
type Decision struct {
	// ID is unique in its request. Deciding again under the same ID is a no-op.
	ID       string
	Revision int
	// Stage is the index of the stage that was open.
	Stage int
	// Choice is [Approve], [RequestChanges], [Decline] or [Comment].
	Choice  Trigger
	Actor   audit.Actor
	Comment string
	// ContentHash is that of the revision that was seen.
	ContentHash string
	At          time.Time
	// Trace is the trace the decision was made under.
	Trace correlation.Trace
}

// A Step is one transition that a request made: its history is a list of them. The
// step and the audit event that records it are written together.
type Step struct {
	// Seq is the version of the request after the step.
	Seq     int64
	At      time.Time
	Trigger Trigger
	Verb    string
	From    State
	To      State
	// Revision is the revision after the step.
	Revision int
	Actor    audit.Actor
	// Comment is the text that came with the step.
	Comment string
	// TraceID is the request's trace, LinkID the one of whoever made the step where
	// that is another.
	TraceID string
	LinkID  string
}

// A Grant is the right to make one approved change once. It is a row that the gate
// consumes in the transaction of the change.
type Grant struct {
	RequestID string
	Revision  int
	// ContentHash is what was approved, EventID the id it is recorded under.
	ContentHash string
	EventID     string
	At          time.Time
}

// A History is everything that happened to a request, oldest first.
type History struct {
	Revisions []Revision
	Decisions []Decision
	Steps     []Step
}

// A Tab is a part of the inbox.
type Tab string

// The tabs of the inbox. Drafts are in none of them: they ask nobody.
const (
	// TabPending has the requests that wait for decisions.
	TabPending Tab = "Pending"
	// TabSnoozed has those that were put off.
	TabSnoozed Tab = "Snoozed"
	// TabDone has the decided and the ended ones.
	TabDone Tab = "Done"
)

// Tab returns the tab a request in state s is found under, empty for a draft.
func (s State) Tab() Tab {
	switch {
	case s == StateDraft:
		return ""
	case s.Undecided():
		return TabPending
	}
	return TabDone
}
