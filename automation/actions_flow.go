package automation

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lumelle/adminkit/storage"
)

// The actions that every catalogue has.
const (
	actionWait = "wait"
	actionStop = "stop"
)

// waitAction is the action "wait": it lets time pass.
type waitAction struct{}

func (waitAction) Describe() Descriptor {
	return Descriptor{
		Name: actionWait, Label: "Wait", Description: "Lets a time span pass, or waits until a time.", Effect: NoEffect,
		Input: json.RawMessage(`{"type":"object","additionalProperties":false,"properties":{
			"duration":{"type":["string","number"],"description":"A time span such as 90s or 1h30m, or seconds."},
			"until":{"type":"string","description":"A time in RFC 3339."}},
			"oneOf":[{"required":["duration"]},{"required":["until"]}]}`),
		SampleInput: json.RawMessage(`{"duration":"24h"}`),
		Output:      json.RawMessage(`{"type":"object","properties":{"until":{"type":"string"}},"required":["until"]}`),
		Sample:      json.RawMessage(`{"until":"2026-03-02T12:00:00Z"}`),
	}
}

// readWait reads an input of "wait", of which one is there: how long, or until when. The
// error is a *storage.InvalidError.
func readWait(raw json.RawMessage) (span *Duration, until *time.Time, err error) {
	var with struct {
		Duration *Duration `json:"duration"`
		Until    *string   `json:"until"`
	}
	if err := json.Unmarshal(raw, &with); err != nil {
		return nil, nil, storage.Invalid("/duration", `must be a time span between 0 and ten years, such as "90s" or "1h30m"`)
	}
	if with.Until != nil {
		at, err := time.Parse(time.RFC3339Nano, *with.Until)
		// In UTC: the last hours of 9999 west of it lie in a year that JSON has no times of.
		if at = at.UTC(); err != nil || at.Year() > 9999 || at.Year() < 0 {
			return nil, nil, storage.Invalid("/until", "must be a time in RFC 3339")
		}
		until = &at
	}
	return with.Duration, until, nil
}

// CheckInput implements [InputChecker].
func (waitAction) CheckInput(with json.RawMessage) error {
	_, _, err := readWait(with)
	return err
}

func (waitAction) Run(_ context.Context, in Input) (Output, error) {
	span, until, err := readWait(in.With)
	if err != nil {
		return Output{}, Fail(ClassInvalid, err.Error(), nil)
	}
	end := in.Now
	switch {
	case span != nil:
		end = end.Add(time.Duration(*span))
	case until != nil:
		end = *until
	default:
		return Output{}, Fail(ClassInvalid, "a duration, or until when, is needed", nil)
	}
	value := encode(map[string]string{"until": end.Format(time.RFC3339Nano)})
	return Output{Value: value, Await: &Await{Until: end}}, nil
}

// stopAction is the action "stop": it ends the run here.
type stopAction struct{}

func (stopAction) Describe() Descriptor {
	return Descriptor{
		Name: actionStop, Label: "Stop", Description: "Ends the run before its last step.", Effect: NoEffect,
		Input: json.RawMessage(`{"type":"object","additionalProperties":false,"properties":{
			"status":{"enum":["succeeded","filtered","failed"],"description":"How the run ends; succeeded by default."},
			"reason":{"type":"string","maxLength":1024}}}`),
		SampleInput: json.RawMessage(`{"status":"filtered","reason":"the order is too old"}`),
	}
}

// readStop reads an input of "stop". The error is a *storage.InvalidError.
func readStop(raw json.RawMessage) (Stop, error) {
	var with struct {
		Status *Status `json:"status"`
		Reason string  `json:"reason"`
	}
	if err := json.Unmarshal(raw, &with); err != nil {
		return Stop{}, wrongType(err)
	}
	stop := Stop{Status: Succeeded, Reason: with.Reason}
	if with.Status != nil {
		stop.Status = *with.Status
	}
	var bad *storage.InvalidError
	if !slices.Contains([]Status{Succeeded, Filtered, Failed}, stop.Status) {
		bad = bad.Add("/status", "must be succeeded, filtered or failed")
	}
	if utf8.RuneCountInString(stop.Reason) > maxStopReason {
		bad = bad.Add("/reason", "is too long")
	}
	return stop, bad.Err()
}

// maxStopReason is the longest reason of "stop" in characters, as its schema has it.
const maxStopReason = 1024

// CheckInput implements [InputChecker].
func (stopAction) CheckInput(with json.RawMessage) error {
	_, err := readStop(with)
	return err
}

func (stopAction) Run(_ context.Context, in Input) (Output, error) {
	stop, err := readStop(in.With)
	if err != nil {
		return Output{}, Fail(ClassInvalid, err.Error(), nil)
	}
	return Output{Stop: &stop}, nil
}

// wrongType says which member of an input made json.Unmarshal fail with err.
func wrongType(err error) error {
	pointer := ""
	if at, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && at.Field != "" {
		pointer = "/" + strings.ReplaceAll(at.Field, ".", "/")
	}
	return storage.Invalid(pointer, "has the wrong type")
}

// encode marshals values of this package's own plain types, which cannot fail.
func encode(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
