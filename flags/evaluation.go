package flags

import (
	"maps"
	"slices"

	"github.com/lumelle/adminkit/flags/targeting"
)

// A Reason says why an evaluation came out as it did. The words are OpenFeature's.
type Reason string

// The reasons.
const (
	// ReasonStatic: the flag has one value and no rules.
	ReasonStatic Reason = "STATIC"
	// ReasonDefault: rules exist and none held, or no value is configured.
	ReasonDefault Reason = "DEFAULT"
	// ReasonTargetingMatch: a rule or an override gave a fixed variant.
	ReasonTargetingMatch Reason = "TARGETING_MATCH"
	// ReasonSplit: the subject's bucket decided.
	ReasonSplit Reason = "SPLIT"
	// ReasonDisabled: the flag is off or killed.
	ReasonDisabled Reason = "DISABLED"
	// ReasonStale: the last known good definition answered while the store is down or
	// its newest definition cannot be read.
	ReasonStale Reason = "STALE"
	// ReasonCached: a result that was kept. The kit's own provider keeps none.
	ReasonCached Reason = "CACHED"
	// ReasonUnknown: a provider did not say.
	ReasonUnknown Reason = "UNKNOWN"
	// ReasonError: there is an error, and the reader's default.
	ReasonError Reason = "ERROR"
)

// An ErrorCode says what kept a flag from being evaluated. The words are
// OpenFeature's.
type ErrorCode string

// The error codes.
const (
	CodeNotReady            ErrorCode = "PROVIDER_NOT_READY"
	CodeFatal               ErrorCode = "PROVIDER_FATAL"
	CodeFlagNotFound        ErrorCode = "FLAG_NOT_FOUND"
	CodeParseError          ErrorCode = "PARSE_ERROR"
	CodeTypeMismatch        ErrorCode = "TYPE_MISMATCH"
	CodeTargetingKeyMissing ErrorCode = "TARGETING_KEY_MISSING"
	CodeInvalidContext      ErrorCode = "INVALID_CONTEXT"
	CodeGeneral             ErrorCode = "GENERAL"
)

// An Error is why an evaluation has no value.
type Error struct {
	Code ErrorCode
	// Message is for developers. It names flags and attributes, never their values.
	Message string
}

// Error implements error.
func (e *Error) Error() string { return "flags: " + string(e.Code) + ": " + e.Message }

// An Evaluation is the answer of a [FlagProvider].
type Evaluation struct {
	// Value is the value of the variant. It is absent (its zero) where the reader's
	// own default is to be used: with an Err, and where the flag has no variant for
	// the case.
	Value targeting.Value
	// Variant is the name of the value, empty where there is none.
	Variant string
	// Reason says why.
	Reason Reason
	// Rule is the name of the rule, or the id of the override, that decided.
	Rule string
	// Version is the revision of the flag's definition.
	Version int64
	// Metadata is that of the flag, nil where it has none; integers are int64, other
	// numbers float64. It is shared: only read it.
	Metadata map[string]any
	// Err is set where the flag could not be evaluated; Reason is then ReasonError.
	Err *Error
}

// Settle reports whether a reader gets the value rather than its own default. fits says
// whether the value is of the type that was asked for, and mismatch is the error of a read
// where it is not. The error is what went wrong, nil where it is only that no value is
// configured.
func (e *Evaluation) Settle(fits bool, mismatch *Error) (bool, *Error) {
	switch {
	case e.Err != nil:
		return false, e.Err
	case e.Variant == "" && e.Value.IsZero():
		return false, nil
	case !fits:
		return false, mismatch
	}
	return true, nil
}

// JSON returns the value as encoding/json decodes it: nil, bool, float64, string, []any or
// map[string]any. Lists and objects are copies that the caller may change.
func (e *Evaluation) JSON() any {
	if f, ok := e.Value.AsFloat(); ok {
		return f
	}
	return clone(e.Value.Any())
}

func clone(v any) any {
	switch v := v.(type) {
	case []any:
		list := slices.Clone(v)
		for i := range list {
			list[i] = clone(list[i])
		}
		return list
	case map[string]any:
		object := maps.Clone(v)
		for name := range object {
			object[name] = clone(object[name])
		}
		return object
	}
	return v
}
