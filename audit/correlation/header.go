package correlation

import "strings"

// Limits of a tracestate (W3C Trace Context section 3.3).
const (
	maxStateMembers = 32
	maxStateBytes   = 8192
)

// Extract reads the trace of a request from its headers. Names match without regard
// to case. An unusable or repeated traceparent answers the zero Trace; an unusable
// tracestate is dropped while the trace goes on.
func Extract(header map[string][]string) Trace {
	parents := headerValues(header, "traceparent")
	if len(parents) != 1 {
		return Trace{}
	}
	t, ok := Parse(parents[0])
	if !ok {
		return Trace{}
	}
	if states := headerValues(header, "tracestate"); len(states) > 0 {
		t.State, _ = ParseState(strings.Join(states, ","))
	}
	return t
}

// Inject sets the headers that continue t, and none where t is no trace.
func Inject(t Trace, set func(name, value string)) {
	parent := t.Traceparent()
	if parent == "" {
		return
	}
	set("Traceparent", parent)
	if t.State != "" {
		set("Tracestate", t.State)
	}
}

func headerValues(header map[string][]string, name string) []string {
	var values []string
	for k, v := range header {
		if strings.EqualFold(k, name) {
			values = append(values, v...)
		}
	}
	return values
}

// ParseState checks a combined tracestate value and returns it in normal form:
// members joined by single commas, blanks and empty members gone. It reports false
// for a list that a receiver must drop: a malformed member, a repeated key, more
// than 32 members.
func ParseState(value string) (string, bool) {
	if len(value) > maxStateBytes {
		return "", false
	}
	var members []string
	seen := map[string]bool{}
	for m := range strings.SplitSeq(value, ",") {
		m = strings.Trim(m, " \t")
		if m == "" {
			continue
		}
		key, v, ok := strings.Cut(m, "=")
		if !ok || !validStateKey(key) || !validStateValue(v) || seen[key] {
			return "", false
		}
		seen[key] = true
		members = append(members, m)
	}
	if len(members) > maxStateMembers {
		return "", false
	}
	return strings.Join(members, ","), true
}

// validStateKey follows Level 2: one grammar for simple and multi-tenant keys.
func validStateKey(key string) bool {
	if key == "" || len(key) > 256 {
		return false
	}
	if c := key[0]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
		return false
	}
	return strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789_-*/@") == ""
}

// validStateValue wants 1 to 256 printable characters without comma and equals sign
// that do not end in a blank.
func validStateValue(v string) bool {
	if v == "" || len(v) > 256 || v[len(v)-1] == ' ' {
		return false
	}
	for _, c := range []byte(v) {
		if c < 0x20 || c > 0x7e || c == ',' || c == '=' {
			return false
		}
	}
	return true
}
