package automation

import (
	"encoding/json"
	"log/slog"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
)

// A Status is where a run, or a step of one, stands.
type Status string

// The statuses of runs. Steps know Pending and Skipped too, and no Filtered.
const (
	// Running: a worker is on it, or will be as soon as there is one.
	Running Status = "running"
	// Waiting: for a decision, a time or the next attempt. It costs a row.
	Waiting Status = "waiting"
	// Succeeded: the last step is done.
	Succeeded Status = "succeeded"
	// Failed: a step failed for good.
	Failed Status = "failed"
	// Filtered: the conditions did not hold, or a step said that there is nothing to do.
	Filtered Status = "filtered"
	// Cancelled: somebody ended it.
	Cancelled Status = "cancelled"
	// TimedOut: the run, or the step it failed at, took too long.
	TimedOut Status = "timed_out"
	// Pending steps were not reached yet. Only reads show them.
	Pending Status = "pending"
	// Skipped steps were on no path that the run took. Only reads show them.
	Skipped Status = "skipped"
)

// Statuses returns the statuses of runs.
func Statuses() []Status {
	return []Status{Running, Waiting, Succeeded, Failed, Filtered, Cancelled, TimedOut}
}

// Ended reports whether a run or step in s has ended. An end is final.
func (s Status) Ended() bool {
	switch s {
	case Running, Waiting, Pending:
		return false
	}
	return true
}

// What started a run.
const (
	// ByEvent: an event that the rule's trigger listens to.
	ByEvent = "event"
	// ByRerun: a person, with the inputs of an earlier run.
	ByRerun = "rerun"
)

// Triggers returns what runs can be started by.
func Triggers() []string { return []string{ByEvent, ByRerun} }

// A Run is one execution of a version of a rule.
type Run struct {
	ID          string
	Tenant      string
	RuleID      string
	RuleVersion int
	Environment string
	Status      Status
	// Trigger is [ByEvent] or [ByRerun].
	Trigger string
	// EventKey leads to the [TriggerEvent] whose body is the input of the run.
	EventKey  string
	EventType string
	// ParentID is the run that this one repeats, empty where it repeats none. Among
	// the runs without a parent there is one for a rule, an environment and an event.
	ParentID string
	// Owner is whose rights the run uses: the owner of the rule when it started.
	Owner audit.Actor
	// Audiences are the audiences that the event of the run was of when the run started,
	// of those that the conditions of its version name, in order. Conditions go by them
	// for as long as the run takes.
	Audiences []string
	// Cursor is the path of the step that the run is at, empty before the first and
	// after the last.
	Cursor string
	// Failing is set while the run is on its on_failure route, and after.
	Failing bool
	// Wait is what a waiting run waits for. Its Gen stays when the wait is over.
	Wait Wait
	// Job is the id of the job that carries the run on while it is running. Another job
	// of the same run, such as the timer of a wait that is over, leaves it alone.
	Job int64
	// Failure is what the run failed with, nil where nothing failed.
	Failure *Failure
	// Reason says in words why the run was filtered, stopped or cancelled.
	Reason string
	// Level is the highest level of the log lines of the run.
	Level slog.Level
	// Hops counts the steps of causation before the run's own events.
	Hops int
	// Trace is the trace that the event's work began under.
	Trace correlation.Trace
	// DeadlineAt is when the run times out, zero for never.
	DeadlineAt time.Time
	StartedAt  time.Time
	UpdatedAt  time.Time
	// EndedAt is zero until the run has ended.
	EndedAt time.Time
	// Version counts the writes of the run, from 1.
	Version int64
}

// What a run waits for.
const (
	// ForTimer: until a time.
	ForTimer = "timer"
	// ForSignal: for a [Signal], such as the decision on a request for approval.
	ForSignal = "approval"
	// ForRetry: for the next attempt of its step.
	ForRetry = "retry"
)

// A Wait is what a run waits for. A run that waits is a row: it holds no goroutine,
// and a job only where it ends by itself.
type Wait struct {
	// Kind is [ForTimer], [ForSignal] or [ForRetry], empty where the run does not wait.
	Kind string `json:"kind,omitempty"`
	// Key is the key of the signal that ends a wait [ForSignal].
	Key string `json:"key,omitempty"`
	// DueAt is when the wait is over by itself, zero for never. A wait [ForSignal]
	// has then timed out.
	DueAt time.Time `json:"due_at,omitzero"`
	// Gen counts the waits of the run. A timer or signal of an earlier wait is void.
	Gen int64 `json:"gen,omitempty"`
}

// A Failure is what a step, and with it its run, failed with.
type Failure struct {
	// Step is the path of the step.
	Step string `json:"step,omitempty"`
	// Class sorts the failure; the constants Class... name them.
	Class string `json:"class"`
	// Message is a sentence for the owner of the rule.
	Message string `json:"message"`
	// Attempt is the attempt that failed, from 1.
	Attempt int `json:"attempt,omitempty"`
}

// A StepRun is a step of a run that was reached.
type StepRun struct {
	// Path is the step's place in its run: its name, which is unique in a definition.
	Path string
	// Seq is the place in the order in which the steps of the run were reached, from 1.
	Seq int
	// Action is the action's name, or "if" or "switch".
	Action string
	Status Status
	// Attempts counts the attempts that were recorded.
	Attempts int
	// Input is what the action was given, once it was rendered, and Output what it
	// answered: JSON or nil.
	Input, Output json.RawMessage
	// Branch names the path that an if or a switch, or the end of a wait, led to.
	Branch string
	// WaitKey is the key of the signal that the step waits or waited for.
	WaitKey string
	// LinkID is the trace id of whoever ended the wait.
	LinkID    string
	Failure   *Failure
	StartedAt time.Time
	EndedAt   time.Time
}

// An Attempt is one call of an action and what came of it. It is never changed.
type Attempt struct {
	// Step is the path of the step.
	Step string
	// N counts the attempts of the step from 1.
	N int
	// At is when it began, and Duration how long it took, in microseconds.
	At       time.Time
	Duration time.Duration
	// Class is empty for success, else one of the constants Class....
	Class string
	// Error is a sentence for the owner of the rule, empty on success.
	Error string
	// Detail is the error with all its causes, and the stack of a panic. It is for
	// operators.
	Detail string
	// Logs are what the action had to say, in order.
	Logs []LogLine
	// TraceID and SpanID are the span of the attempt.
	TraceID, SpanID string
}

// A LogLine is a line of the log of an attempt.
type LogLine struct {
	At    time.Time  `json:"at"`
	Level slog.Level `json:"level"`
	Text  string     `json:"text"`
}

// A TriggerEvent is an event that started runs. It is kept once, for all of them.
type TriggerEvent struct {
	// Key stands for Tenant, Source and ID.
	Key         string
	Tenant      string
	Source      string
	ID          string
	Type        string
	Environment string
	// Body is the event as a CloudEvent in JSON: the input of its runs.
	Body json.RawMessage
	// Trace is the trace that the event's work began under, and Hops how many steps
	// of causation led to it.
	Trace     correlation.Trace
	Hops      int
	CreatedAt time.Time
}
