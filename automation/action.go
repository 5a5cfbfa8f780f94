package automation

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"
)

// An Action is something that a step can do. It is an entry of the [Catalog]; package
// automationtest holds implementations to the contract.
type Action interface {
	// Describe says what the action is. It answers the same every time.
	Describe() Descriptor
	// Run does it once. It is called concurrently, returns by the deadline of ctx, and
	// fails with an [ActionError] where it knows what kind of failure it is.
	//
	// A [Transactional] action works in the transaction of ctx, together with what is
	// recorded of the run: both happen or neither does. An [External] action has an
	// effect elsewhere and is called at least once: it hands on [Input.Key], under which
	// the other side recognises what comes twice.
	Run(ctx context.Context, in Input) (Output, error)
}

// An InputChecker is an [Action] that knows inputs with which it could never succeed,
// although its schema allows them: a span of time below zero, an address of another kind.
// Its rules are refused when they are written instead of failing when they run. It is an
// optional power, found by type assertion.
type InputChecker interface {
	// CheckInput is asked with what a step says literally: with is its input without the
	// members of objects that have references, so that nothing in it is required and its
	// schema may not have been asked. It answers a *storage.InvalidError with pointers into
	// with, by with alone and the same every time. Anything else, a panic too, refuses the
	// whole input.
	CheckInput(with json.RawMessage) error
}

// An Effect says what an action leaves behind.
type Effect string

// The effects of actions.
const (
	// NoEffect: it computes, and nothing has changed.
	NoEffect Effect = "none"
	// Transactional: it writes rows in the transaction of ctx, exactly once.
	Transactional Effect = "transactional"
	// External: it reaches out, at least once under one key.
	External Effect = "external"
)

// Effects returns the effects of actions.
func Effects() []Effect { return []Effect{NoEffect, Transactional, External} }

// A Descriptor says what an action is, to people and to the [Catalog].
type Descriptor struct {
	// Name is dot-delimited: "http.post".
	Name        string `json:"name"`
	Label       string `json:"label"`
	Description string `json:"description"`
	// Effect is required.
	Effect Effect `json:"effect"`
	// Input and Output are JSON Schemas (draft 7) of [Input.With] and [Output.Value].
	// Input is required; without Output anything may come.
	Input  json.RawMessage `json:"input_schema"`
	Output json.RawMessage `json:"output_schema,omitempty"`
	// SampleInput is an input, and Sample the output of a test run: JSON that its schema
	// allows. SampleInput is required.
	SampleInput json.RawMessage `json:"sample_input"`
	Sample      json.RawMessage `json:"sample,omitempty"`
	// Waits is set for actions that may answer with an [Await] of a signal. Their steps
	// may have on_decline and on_timeout.
	Waits bool `json:"waits,omitempty"`
	// Permissions, Secrets and Hosts are what the action needs, for those who review a
	// rule.
	Permissions []string `json:"permissions,omitempty"`
	Secrets     []string `json:"secrets,omitempty"`
	Hosts       []string `json:"hosts,omitempty"`
}

// An Input is what an action is called with.
type Input struct {
	Tenant      string
	Environment string
	RuleID      string
	RunID       string
	// Step is the path of the step.
	Step string
	// Key is the idempotency key of the step: the same for every attempt, also after a
	// crash, and for no other step.
	Key string
	// Attempt counts the attempts of the step from 1.
	Attempt int
	// With is what the step gives the action, with references resolved. It has passed
	// the action's schema.
	With json.RawMessage
	// Now is the time of the attempt.
	Now time.Time

	log func(level slog.Level, text string)
}

// Log adds a line to the log of the attempt, at most [MaxLogLines] of [MaxLogText] bytes.
// It is read by those who may see the run, so it holds no secrets.
func (in Input) Log(level slog.Level, text string) {
	if in.log != nil {
		in.log(level, text)
	}
}

// WithLog returns in with a function that gets what is logged, for tests of actions.
func (in Input) WithLog(log func(level slog.Level, text string)) Input {
	in.log = log
	return in
}

// Limits of what an action says and answers.
const (
	MaxLogLines = 100
	MaxLogText  = 1024
	// MaxOutput is the longest output of a step in bytes, and of its input.
	MaxOutput = 256 << 10
	// MaxContext is how long event and outputs of a run are together, in bytes.
	MaxContext = 1 << 20
	// MaxMessage is the longest message of a failure in bytes, and MaxDetail the longest
	// detail.
	MaxMessage = 1024
	MaxDetail  = 8 << 10
)

// An Output is what an action answers. At most one of Await and Stop is set.
type Output struct {
	// Value is the output of the step: JSON of at most [MaxOutput] bytes, or nil.
	Value json.RawMessage
	// Await has the run wait before it goes on.
	Await *Await
	// Stop ends the run.
	Stop *Stop
}

// An Await says what a step waits for. It costs a row and no goroutine.
type Await struct {
	// Key is the key of the [Signal] that ends the wait, empty to wait until Until.
	Key string
	// Until is when the wait is over by itself: a timer is done, and what waited for a
	// signal has timed out. Zero is never, and needs a Key. The timeout of the step bounds
	// a wait for a signal too, and no timer.
	Until time.Time
}

// A Stop ends a run before its last step.
type Stop struct {
	// Status is [Succeeded], [Filtered] or [Failed].
	Status Status
	// Reason is a sentence for the owner of the rule.
	Reason string
}

// An ActionError is a failure that an action can tell something of.
type ActionError struct {
	// Class is one of the constants Class....
	Class string
	// Message is a sentence for the owner of the rule. It names no secret and no
	// internal.
	Message string
	// RetryAfter is how long the next attempt waits at least.
	RetryAfter time.Duration
	// Err is the cause, for operators.
	Err error
}

// Error implements error.
func (e *ActionError) Error() string {
	if e.Err == nil {
		return e.Class + ": " + e.Message
	}
	return fmt.Sprintf("%s: %s: %v", e.Class, e.Message, e.Err)
}

// Unwrap returns the cause.
func (e *ActionError) Unwrap() error { return e.Err }

// Fail returns an *ActionError. cause may be nil.
func Fail(class, message string, cause error) error {
	return &ActionError{Class: class, Message: message, Err: cause}
}
