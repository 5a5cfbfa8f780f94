package automation

import (
	"encoding/json"
	"time"
)

// How what a run waited for came out.
const (
	// Approved: the run goes on.
	Approved = "approved"
	// Declined: the run takes its on_decline route, or fails.
	Declined = "declined"
	// Expired: the run takes its on_timeout route, or times out.
	Expired = "expired"
)

// The states of a signal.
const (
	// SignalPending: nobody has waited for it yet, or its run is about to go on.
	SignalPending = "pending"
	// SignalConsumed: a run went on with it.
	SignalConsumed = "consumed"
	// SignalLate: whoever waited for it had gone on without it.
	SignalLate = "late"
)

// A Signal ends the wait of a run: the decision on a request that the run made.
type Signal struct {
	// Key names the wait: the id of the request.
	Key string
	// ID is unique with Key. The same signal again changes nothing.
	ID string
	// Outcome is [Approved], [Declined] or [Expired].
	Outcome string
	// Payload is what came with it, such as a comment: JSON or nil. It becomes a part
	// of the output of the step.
	Payload json.RawMessage
	// TraceID is the trace of whoever sent it.
	TraceID string
	At      time.Time
	// State is one of the constants Signal....
	State string
}

// A Waiter is the step that waits, or waited, for the signals of a key.
type Waiter struct {
	RunID  string
	RuleID string
	// Gen is the generation of the run's wait.
	Gen int64
	// Waiting is false where the run went on or ended.
	Waiting bool
}
