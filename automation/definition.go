package automation

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	stdjson "encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/lumelle/adminkit/audit/jcs"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
)

// Limits of a definition.
const (
	// MaxDefinition is the longest definition in bytes of JSON. The audit event of a
	// change carries it whole.
	MaxDefinition = 48 << 10
	// MaxSteps is how many steps a definition has, on all of its paths together.
	MaxSteps = 100
	// MaxNesting is how deep paths nest.
	MaxNesting = 8
	// MaxCases is how many cases a switch has.
	MaxCases = 20
	// MaxName is the longest name of a step in bytes.
	MaxName = 64
)

// A Definition is what a rule does, as a document: when this happens, under these
// conditions, do these steps.
//
//	{
//	  "name": "Tell about large refunds",
//	  "automation_environment": "prod",
//	  "trigger": {"type": "event", "event_type": "lumelle.orders.v1.refunded"},
//	  "conditions": {"all": [{"path": "/data/amount", "op": "gte", "value": 100}]},
//	  "steps": [
//	    {"name": "tell", "action": "http.post", "timeout": "30s",
//	     "with": {"url": "https://example.test/hook", "body": {"order": {"$ref": "/subject"}}}}
//	  ]
//	}
type Definition struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Environment is that of the events that the rule fires on.
	Environment string     `json:"automation_environment"`
	Trigger     TriggerUse `json:"trigger"`
	// Conditions have to hold of the event; paths are JSON pointers into it, and
	// audiences those of [Config.Audiences]. A run
	// whose conditions do not hold ends as [Filtered]. The zero value always holds.
	Conditions targeting.Condition `json:"conditions,omitzero"`
	Steps      []Step              `json:"steps"`
	// OnFailure is done once after a step failed for good or the run timed out. Its
	// steps find at /error what went wrong.
	OnFailure []Step `json:"on_failure,omitempty"`
	// Retry is for steps that have no policy of their own.
	Retry *RetryPolicy `json:"retry,omitempty"`
	// Timeout is how long a run may take, waits included; zero is for ever.
	Timeout Duration `json:"timeout,omitzero"`
}

// A TriggerUse names what starts a rule.
type TriggerUse struct {
	// Type is "event", or the name of a trigger of the [Catalog].
	Type string `json:"type"`
	// EventType is what an "event" trigger listens to: one event type, or all below a
	// prefix ("lumelle.orders.v1.*").
	EventType string `json:"event_type,omitempty"`
}

// TypeEvent is the type of the trigger that listens to event types by name.
const TypeEvent = "event"

// A Step is one thing to do: an action, a choice by a condition, or a choice among
// several. The name is unique in its definition.
type Step struct {
	Name string `json:"name"`

	// Action is the name of an action of the [Catalog], and With its input: JSON in
	// which references stand for what is known when the step starts.
	Action string             `json:"action,omitempty"`
	With   stdjson.RawMessage `json:"with,omitempty"`
	// Retry says when a failed attempt is repeated.
	Retry *RetryPolicy `json:"retry,omitempty"`
	// Timeout bounds the step and its attempts.
	Timeout *TimeoutPolicy `json:"timeout,omitempty"`
	// OnDecline and OnTimeout are for actions that wait for a decision: what is done
	// where it is no, or does not come in time. The run ends after them. Without them
	// the step fails.
	OnDecline []Step `json:"on_decline,omitzero"`
	OnTimeout []Step `json:"on_timeout,omitzero"`

	// If takes Then where it holds, else Else; either may be empty. Then the run goes
	// on behind this step.
	If   *targeting.Condition `json:"if,omitempty"`
	Then []Step               `json:"then,omitempty"`
	Else []Step               `json:"else,omitempty"`

	// Switch takes the steps of the first case that holds, else Default.
	Switch  []Case `json:"switch,omitempty"`
	Default []Step `json:"default,omitempty"`
}

// A Case is one path of a switch.
type Case struct {
	When  targeting.Condition `json:"when"`
	Steps []Step              `json:"steps"`
}

// A Duration is a time span, written in JSON as "90s" or "1h30m", or as a number of
// seconds.
type Duration time.Duration

// String returns the span as "1h30m0s".
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalJSON writes the span as a string.
func (d Duration) MarshalJSON() ([]byte, error) { return []byte(strconv.Quote(d.String())), nil }

// maxSpan is the longest span: ten years.
const maxSpan = Duration(10 * 365 * 24 * time.Hour)

// UnmarshalJSON reads a span, which is not negative and at most ten years. The error is
// a *storage.InvalidError.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var text string
	var span time.Duration
	if stdjson.Unmarshal(data, &text) == nil {
		parsed, err := time.ParseDuration(text)
		if err != nil {
			return storage.Invalid("", `must be a time span such as "90s" or "1h30m"`)
		}
		span = parsed
	} else {
		seconds, err := strconv.ParseFloat(string(bytes.TrimSpace(data)), 64)
		if err != nil || seconds < 0 || seconds > time.Duration(maxSpan).Seconds() {
			return storage.Invalid("", "must be a time span between 0 and ten years")
		}
		span = time.Duration(seconds * float64(time.Second))
	}
	if span < 0 || Duration(span) > maxSpan {
		return storage.Invalid("", "must be a time span between 0 and ten years")
	}
	*d = Duration(span)
	return nil
}

// ParseDefinition reads a definition: at most [MaxDefinition] bytes of JSON without
// unknown or repeated keys. The error is a *storage.InvalidError. Whether it can be run
// is for [Catalog.Compile] to say.
func ParseDefinition(document []byte) (Definition, error) {
	var d Definition
	if len(document) > MaxDefinition {
		return d, storage.Invalid("", "is longer than 48 KiB")
	}
	canonical, err := jcs.Canonicalize(document)
	if bad, ok := errors.AsType[*jcs.Error](err); ok {
		return d, storage.Invalid(bad.Pointer, bad.Message)
	}
	err = json.Unmarshal(canonical, &d, json.RejectUnknownMembers(true))
	if err == nil {
		return d, nil
	}
	pointer, message := "", "has the wrong type or form"
	if at, ok := errors.AsType[*json.SemanticError](err); ok {
		pointer = string(at.JSONPointer)
		if errors.Is(err, json.ErrUnknownName) {
			message = "is not a known field"
		}
	}
	var bad *storage.InvalidError
	if invalid, ok := errors.AsType[*storage.InvalidError](err); ok {
		bad = below(bad, pointer, invalid)
	} else if invalid, ok := errors.AsType[*targeting.InvalidError](err); ok {
		bad = belowTargeting(bad, pointer, invalid)
	} else {
		bad = bad.Add(pointer, message)
	}
	return d, bad.Err()
}

// below adds what is wrong with the value at pointer.
func below(bad *storage.InvalidError, pointer string, err *storage.InvalidError) *storage.InvalidError {
	for _, f := range err.Fields {
		bad = bad.Add(pointer+f.Pointer, f.Message)
	}
	return bad
}

// belowTargeting adds what is wrong with the condition at pointer.
func belowTargeting(bad *storage.InvalidError, pointer string, err *targeting.InvalidError) *storage.InvalidError {
	for _, f := range err.Fields {
		bad = bad.Add(pointer+f.Pointer, f.Message)
	}
	return bad
}

// Document returns the definition in canonical JSON (RFC 8785) with its SHA-256 in
// hexadecimal digits. The error is a *storage.InvalidError.
func (d Definition) Document() (document stdjson.RawMessage, hash string, err error) {
	plain, err := stdjson.Marshal(d)
	if err != nil {
		return nil, "", storage.Invalid("", "has a value that is not JSON")
	}
	document, err = jcs.Canonicalize(plain)
	if bad, ok := errors.AsType[*jcs.Error](err); ok {
		return nil, "", storage.Invalid(bad.Pointer, bad.Message)
	}
	if len(document) > MaxDefinition {
		return nil, "", storage.Invalid("", "is longer than 48 KiB")
	}
	sum := sha256.Sum256(document)
	return document, hex.EncodeToString(sum[:]), nil
}
