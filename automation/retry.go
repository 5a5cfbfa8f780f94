package automation

import (
	"bytes"
	"encoding/binary"
	stdjson "encoding/json"
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// The classes of failures.
const (
	ClassTransient   = "transient"     // it may pass by itself
	ClassRateLimited = "rate_limited"  // the other side asked for patience
	ClassTimeout     = "timeout"       // it took too long
	ClassUnknown     = "unknown"       // the action did not say
	ClassAuth        = "auth"          // the other side does not accept who asks
	ClassDenied      = "denied"        // the owner of the rule may not do this
	ClassDeclined    = "declined"      // a person said no
	ClassPermanent   = "permanent"     // another attempt would not help
	ClassInvalid     = "invalid_input" // the action cannot work with what it was given
	ClassCancelled   = "cancelled"     // somebody ended it
	ClassLoop        = "loop"          // rules set each other off in a circle
)

// Classes returns the classes of failures.
func Classes() []string {
	return []string{ClassTransient, ClassRateLimited, ClassTimeout, ClassUnknown, ClassAuth, ClassDenied,
		ClassDeclined, ClassPermanent, ClassInvalid, ClassCancelled, ClassLoop}
}

// Limits of a retry policy.
const (
	// MaxAttempts is how many attempts a step has at most.
	MaxAttempts = 50
	// MaxBackoff is the highest factor between two delays.
	MaxBackoff = 10
)

// A RetryPolicy says when a failed attempt is repeated. The zero value makes three
// attempts, the second after 5 seconds, the third after 10, each a fifth earlier or
// later. In JSON a policy may also be the name of one that the host defined.
//
// After attempt n the next one waits min(MaxDelay, Delay·Backoffⁿ⁻¹), times a factor
// between 1-Jitter and 1+Jitter that follows from run, step and n alone; a longer
// Retry-After of the other side is kept to.
type RetryPolicy struct {
	// Policy is the name of the host's policy that this one is.
	Policy string `json:"policy,omitempty"`
	// Attempts counts all attempts, the first one too: at most [MaxAttempts], and 3
	// where it is zero.
	Attempts int `json:"attempts,omitempty"`
	// Delay is what the first repetition waits, 5 seconds where it is zero.
	Delay Duration `json:"delay,omitzero"`
	// Backoff is the factor from one delay to the next: 1 to [MaxBackoff], and 2 where
	// it is zero.
	Backoff float64 `json:"backoff,omitempty"`
	// MaxDelay bounds a delay, 5 minutes where it is zero.
	MaxDelay Duration `json:"max_delay,omitzero"`
	// Jitter is between 0 and 1, a fifth where it is nil.
	Jitter *float64 `json:"jitter,omitempty"`
	// RetryOn are the classes that are repeated: transient, rate_limited, timeout and
	// unknown where it is empty. NeverOn takes classes away.
	RetryOn []string `json:"retry_on,omitempty"`
	NeverOn []string `json:"never_on,omitempty"`
}

// UnmarshalJSON reads a policy, or the name of one.
func (p *RetryPolicy) UnmarshalJSON(data []byte) error {
	type plain RetryPolicy
	if name, ok := name(data); ok {
		*p = RetryPolicy{Policy: name}
		return nil
	}
	return strictly(data, (*plain)(p))
}

// A TimeoutPolicy bounds how long a step takes. In JSON it may also be a time span, which
// is Step, or the name of one that the host defined.
type TimeoutPolicy struct {
	// Policy is the name of the host's policy that this one is.
	Policy string `json:"policy,omitempty"`
	// Step bounds the whole step: all attempts, the delays between them, and what it
	// waits for. Zero is for ever.
	Step Duration `json:"step,omitzero"`
	// Attempt bounds one attempt, whose ctx then ends; 30 seconds where it is zero.
	Attempt Duration `json:"attempt,omitzero"`
}

// UnmarshalJSON reads a policy, a time span, or the name of a policy.
func (p *TimeoutPolicy) UnmarshalJSON(data []byte) error {
	type plain TimeoutPolicy
	*p = TimeoutPolicy{}
	if data = bytes.TrimSpace(data); len(data) > 0 && data[0] == '{' {
		return strictly(data, (*plain)(p))
	}
	if name, ok := name(data); ok {
		if _, err := time.ParseDuration(name); err != nil {
			p.Policy = name
			return nil
		}
	}
	return p.Step.UnmarshalJSON(data)
}

// name reads a JSON string.
func name(data []byte) (s string, ok bool) {
	err := stdjson.Unmarshal(data, &s)
	return s, err == nil && len(data) > 0 && data[0] == '"'
}

// strictly reads an object without unknown keys.
func strictly(data []byte, v any) error {
	d := stdjson.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if invalid, ok := err.(*storage.InvalidError); ok {
		return invalid
	}
	if err != nil {
		return storage.Invalid("", "has an unknown field, or one of the wrong type or form")
	}
	return nil
}

// Defaults of the policies.
const (
	defaultAttempts = 3
	defaultDelay    = Duration(5 * time.Second)
	defaultBackoff  = 2
	defaultMaxDelay = Duration(5 * time.Minute)
	defaultJitter   = 0.2
	defaultAttempt  = Duration(30 * time.Second)
)

// check reports what is wrong with a policy.
func (p RetryPolicy) check(bad *storage.InvalidError, pointer string) *storage.InvalidError {
	if p.Attempts < 0 || p.Attempts > MaxAttempts {
		bad = bad.Add(pointer+"/attempts", "must be between 0 and 50")
	}
	if p.Backoff != 0 && !(p.Backoff >= 1 && p.Backoff <= MaxBackoff) {
		bad = bad.Add(pointer+"/backoff", "must be between 1 and 10")
	}
	if p.Jitter != nil && !(*p.Jitter >= 0 && *p.Jitter <= 1) {
		bad = bad.Add(pointer+"/jitter", "must be between 0 and 1")
	}
	if p.Delay < 0 || p.Delay > maxSpan || p.MaxDelay < 0 || p.MaxDelay > maxSpan {
		bad = bad.Add(pointer, "has a delay below 0 or above ten years")
	}
	for field, classes := range map[string][]string{"/retry_on": p.RetryOn, "/never_on": p.NeverOn} {
		for i, class := range classes {
			if !slices.Contains(Classes(), class) {
				bad = bad.Add(pointer+field+"/"+strconv.Itoa(i), "is no class of failures")
			}
		}
	}
	return bad
}

// attempts is how many attempts the policy makes.
func (p *RetryPolicy) attempts() int {
	if p.Attempts == 0 {
		return defaultAttempts
	}
	return p.Attempts
}

// repeats reports whether a failure of a class is repeated at all.
func (p *RetryPolicy) repeats(class string) bool {
	if slices.Contains(p.NeverOn, class) {
		return false
	}
	if len(p.RetryOn) > 0 {
		return slices.Contains(p.RetryOn, class)
	}
	switch class {
	case ClassTransient, ClassRateLimited, ClassTimeout, ClassUnknown:
		return true
	}
	return false
}

// Wait returns how long the next attempt waits after attempt n of a step failed.
func (p RetryPolicy) Wait(runID, step string, n int) time.Duration {
	delay, backoff, most, jitter := p.Delay, p.Backoff, p.MaxDelay, defaultJitter
	if delay == 0 {
		delay = defaultDelay
	}
	if backoff == 0 {
		backoff = defaultBackoff
	}
	if most == 0 {
		most = defaultMaxDelay
	}
	if p.Jitter != nil {
		jitter = *p.Jitter
	}
	wait := math.Min(float64(most), float64(delay)*math.Pow(backoff, float64(n-1)))
	wait *= 1 + jitter*spread(runID, step, n)
	return time.Duration(math.Min(wait, float64(maxSpan))).Truncate(time.Microsecond)
}

// spread is a number between -1 and 1 that follows from a run, a step and an attempt, so
// that whoever computes it again gets the same.
func spread(runID, step string, n int) float64 {
	h := fnv.New64a()
	var number [8]byte
	binary.BigEndian.PutUint64(number[:], uint64(n))
	for _, part := range [][]byte{[]byte(runID), {0}, []byte(step), {0}, number[:]} {
		h.Write(part)
	}
	// FNV leaves the high bits of similar keys alike; this mixes them.
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return float64(x>>11)/(1<<52) - 1
}

// check reports what is wrong with a policy.
func (p TimeoutPolicy) check(bad *storage.InvalidError, pointer string) *storage.InvalidError {
	if p.Step < 0 || p.Step > maxSpan || p.Attempt < 0 || p.Attempt > Duration(time.Hour) {
		bad = bad.Add(pointer, "must be between 0 and ten years, and an attempt at most an hour")
	}
	return bad
}

// attempt is how long one attempt may take.
func (p *TimeoutPolicy) attempt() time.Duration {
	if p.Attempt == 0 {
		return time.Duration(defaultAttempt)
	}
	return time.Duration(p.Attempt)
}
