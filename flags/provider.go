package flags

import "context"

// A FlagProvider answers evaluations. The kit's own is [Provider]; others put another
// system behind the same reads. Package flagstest proves one.
//
// Evaluate never panics and never blocks for long: it answers from what it knows. It
// does not change s and keeps no reference to it. It is safe for concurrent use. What
// a flag is for one subject depends on the definition and the subject alone.
type FlagProvider interface {
	// Evaluate answers what the flag is for s, or an evaluation with an Err.
	Evaluate(ctx context.Context, key string, s *Subject) Evaluation
}

// A BulkProvider evaluates all flags of a subject's tenant. It is an optional power
// of a [FlagProvider], found by type assertion.
type BulkProvider interface {
	// EvaluateAll calls yield for every flag in order of its key until yield answers
	// false. Each evaluation equals what Evaluate answers, and all are of one state of
	// the definitions. Version changes whenever any of the answers may have changed.
	EvaluateAll(ctx context.Context, s *Subject, yield func(key string, e Evaluation) bool) (version int64, err error)
}

// A WatchProvider tells of changes. It is an optional power of a [FlagProvider],
// found by type assertion.
type WatchProvider interface {
	// Watch calls fn after each change until ctx ends, one call at a time, starting
	// with the present status. fn must not block for long.
	Watch(ctx context.Context, fn func(Change)) error
}

// An ExplainProvider shows the way to an evaluation. It is an optional power of a
// [FlagProvider], found by type assertion.
type ExplainProvider interface {
	// Explain answers as Evaluate does, with each step that led there. It leaves no
	// exposure.
	Explain(ctx context.Context, key string, s *Subject) Explanation
}

// A Status says whether a provider can answer.
type Status string

// The states of a provider.
const (
	StatusNotReady Status = "NOT_READY"
	StatusReady    Status = "READY"
	// StatusStale: it answers from what it last knew.
	StatusStale Status = "STALE"
	StatusError Status = "ERROR"
	StatusFatal Status = "FATAL"
)

// A Change is what a [WatchProvider] tells.
type Change struct {
	// Tenant is whose flags are meant, empty for all.
	Tenant string
	// Status is that of the provider after the change.
	Status Status
	// Keys are the flags whose definition changed; nil where only the status did.
	Keys []string
	// Err is why the status is not StatusReady, nil otherwise.
	Err error
}

// An Explanation is an evaluation and the way to it.
type Explanation struct {
	Evaluation
	// Steps are in the order they were taken.
	Steps []Step `json:"steps"`
}

// A Step is one question on the way to an evaluation and its answer.
type Step struct {
	// Kind is "kill", "enabled", "context", "override", "rule", "split", "default" or
	// "off".
	Kind string `json:"kind"`
	// Name is the rule or override.
	Name string `json:"name,omitempty"`
	// Matched says whether this step decided.
	Matched bool `json:"matched"`
	// Detail says why in a sentence: the clause that failed, the bucket and its
	// range. It names attributes, and values only of the definition.
	Detail string `json:"detail,omitempty"`
}
