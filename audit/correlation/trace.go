package correlation

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// A Trace is the W3C trace context of one piece of work: the trace it belongs to
// and the span that does it. The zero value is no trace.
type Trace struct {
	// TraceID is 32 lower-case hexadecimal digits, not all zero.
	TraceID string
	// SpanID is 16 lower-case hexadecimal digits, not all zero.
	SpanID string
	// Flags are the trace flags; bit 0 says sampled.
	Flags byte
	// State is the tracestate header to pass on, empty where there is none.
	State string
}

// Sampled is the flag of a trace whose caller records it.
const Sampled = 0x01

// New starts a trace of its own.
func New() Trace {
	return Trace{TraceID: randomHex(16), SpanID: randomHex(8), Flags: Sampled}
}

// Child returns the context of a new span in the same trace; a new trace where t
// is no trace.
func (t Trace) Child() Trace {
	if !t.Valid() {
		return New()
	}
	t.SpanID = randomHex(8)
	return t
}

// Valid reports whether t names a trace and a span.
func (t Trace) Valid() bool {
	return validHex(t.TraceID, 32) && validHex(t.SpanID, 16)
}

// Traceparent is the header value that continues the trace, empty where t is no
// trace.
func (t Trace) Traceparent() string {
	if !t.Valid() {
		return ""
	}
	return "00-" + t.TraceID + "-" + t.SpanID + "-" + hex.EncodeToString([]byte{t.Flags})
}

// Parse reads a traceparent value of W3C Trace Context Level 1 or 2. Surrounding
// blanks are trimmed. It reports false for what a receiver must ignore: wrong
// length, upper case, all-zero ids, version ff, or trailing bytes in version 00.
func Parse(traceparent string) (Trace, bool) {
	s := strings.Trim(traceparent, " \t")
	if len(s) < 55 || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return Trace{}, false
	}
	version, flags := s[0:2], s[53:55]
	if !lowerHex(version) || version == "ff" || !lowerHex(flags) {
		return Trace{}, false
	}
	if len(s) > 55 && (version == "00" || s[55] != '-') {
		return Trace{}, false
	}
	b, err := hex.DecodeString(flags)
	if err != nil {
		return Trace{}, false
	}
	t := Trace{TraceID: s[3:35], SpanID: s[36:52], Flags: b[0]}
	return t, t.Valid()
}

type traceKey struct{}

// With returns a ctx under which work belongs to t.
func With(ctx context.Context, t Trace) context.Context {
	return context.WithValue(ctx, traceKey{}, t)
}

// From returns the trace that ctx works under, the zero Trace where there is none.
func From(ctx context.Context) Trace {
	t, _ := ctx.Value(traceKey{}).(Trace)
	return t
}

func randomHex(n int) string {
	b := make([]byte, n)
	for {
		rand.Read(b) // never fails since Go 1.24
		if s := hex.EncodeToString(b); validHex(s, 2*n) {
			return s
		}
	}
}

func validHex(s string, n int) bool {
	return len(s) == n && lowerHex(s) && strings.Trim(s, "0") != ""
}

func lowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
