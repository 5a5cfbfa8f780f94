package correlation_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage/storagetest/suitetest"
)

// TestSuite runs the header cases of W3C Trace Context, all of them.
func TestSuite(t *testing.T) {
	dir := suitetest.Dir(t, "trace-context")
	faults := map[string]string{}
	runPropagation(t, dir, faults)
	runParents(t, dir, faults)
	runStates(t, dir, faults)
	for id, fault := range faults {
		if fault != "" {
			t.Errorf("%s: %s", id, fault)
		}
	}
	if len(faults) != 153 {
		t.Errorf("ran %d cases, want 153", len(faults))
	}
}

// load decodes a file of the suite and refuses an id that stands twice.
func load[C any](t *testing.T, dir, name string) []C {
	t.Helper()
	var file struct{ Cases []C }
	if err := json.Unmarshal(suitetest.Read(t, dir, name), &file); err != nil {
		t.Fatal(err)
	}
	return file.Cases
}

type propagation struct {
	ID      string
	Headers [][2]string
	Expect  struct {
		Trace        string
		TraceID      string              `json:"trace_id"`
		TraceIDNot   []string            `json:"trace_id_not"`
		State        string              `json:"tracestate"`
		Members      map[string]string   `json:"members"`
		MembersAny   map[string][]string `json:"members_any"`
		Order        []string
		MemberCount  int    `json:"member_count"`
		FlagsMaskSet string `json:"flags_mask_set"`
	}
}

func runPropagation(t *testing.T, dir string, faults map[string]string) {
	t.Helper()
	for _, c := range load[propagation](t, dir, "propagation_cases.json") {
		received := map[string][]string{}
		for _, h := range c.Headers {
			received[h[0]] = append(received[h[0]], h[1])
		}
		in := correlation.Extract(received)
		sent := map[string][]string{}
		out := in.Child()
		correlation.Inject(out, func(name, value string) { sent[name] = []string{value} })
		faults["propagation/"+c.ID] = c.fault(in, correlation.Extract(sent))
	}
}

// fault says what is wrong with the trace that was sent on.
func (c *propagation) fault(received, sent correlation.Trace) string {
	want := c.Expect
	switch {
	case !sent.Valid():
		return "nothing usable was sent"
	case want.Trace == "continue" && sent.TraceID != want.TraceID:
		return "the trace was restarted"
	case want.Trace == "continue" && sent.SpanID == received.SpanID:
		return "the parent was sent on as it was"
	case want.Trace == "restart" && (received.Valid() || slices.Contains(want.TraceIDNot, sent.TraceID)):
		return "the trace was continued as " + sent.TraceID
	}
	if mask, err := strconv.ParseUint(want.FlagsMaskSet, 16, 8); err == nil && uint64(sent.Flags)&mask != mask {
		return "flags are missing"
	}
	keys, members := membersOf(sent.State)
	switch want.State {
	case "none":
		if sent.State != "" {
			return "tracestate was sent: " + sent.State
		}
	case "members":
		for key, value := range want.Members {
			if members[key] != value {
				return "member " + key + " is " + members[key]
			}
		}
	case "members_any":
		for key, values := range want.MembersAny {
			if have, ok := members[key]; ok && !slices.Contains(values, have) {
				return "member " + key + " is " + have
			}
		}
	default:
		return "the case expects " + want.State
	}
	if want.Order != nil && !slices.Equal(keys, want.Order) {
		return "members in the order " + strings.Join(keys, " ")
	}
	if want.MemberCount != 0 && len(keys) != want.MemberCount {
		return strconv.Itoa(len(keys)) + " members"
	}
	return ""
}

func membersOf(state string) (keys []string, members map[string]string) {
	members = map[string]string{}
	if state == "" {
		return nil, members
	}
	for m := range strings.SplitSeq(state, ",") {
		key, value, _ := strings.Cut(m, "=")
		keys = append(keys, key)
		members[key] = value
	}
	return keys, members
}

func runParents(t *testing.T, dir string, faults map[string]string) {
	t.Helper()
	for _, c := range load[struct {
		ID, Value, Flags string
		Valid, Sampled   bool
		TraceID          string `json:"trace_id"`
		ParentID         string `json:"parent_id"`
	}](t, dir, "traceparent_values.json") {
		got, ok := correlation.Parse(c.Value)
		fault := ""
		switch {
		case ok != c.Valid:
			fault = "valid is " + strconv.FormatBool(ok)
		case ok && (got.TraceID != c.TraceID || got.SpanID != c.ParentID || strconv.FormatUint(uint64(got.Flags)|0x100, 16)[1:] != c.Flags):
			fault = "reads as " + got.Traceparent()
		case ok && (got.Flags&correlation.Sampled != 0) != c.Sampled:
			fault = "sampled is wrong"
		}
		faults["traceparent/"+c.ID] = fault
	}
}

func runStates(t *testing.T, dir string, faults map[string]string) {
	t.Helper()
	for _, c := range load[struct {
		ID, Value string
		Valid     bool
		Members   [][2]string
	}](t, dir, "tracestate_values.json") {
		got, ok := correlation.ParseState(c.Value)
		var want []string
		for _, m := range c.Members {
			want = append(want, m[0]+"="+m[1])
		}
		fault := ""
		switch {
		case ok != c.Valid:
			fault = "valid is " + strconv.FormatBool(ok)
		case ok && got != strings.Join(want, ","):
			fault = "reads as " + got
		}
		faults["tracestate/"+c.ID] = fault
	}
}
