package correlation_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit/correlation"
)

func TestTraceTravelsInContext(t *testing.T) {
	t.Parallel()
	if got := correlation.From(t.Context()); got != (correlation.Trace{}) {
		t.Errorf("From of a fresh ctx = %+v", got)
	}
	trace := correlation.New()
	if got := correlation.From(correlation.With(t.Context(), trace)); got != trace {
		t.Errorf("From = %+v, want %+v", got, trace)
	}
}

func TestChildKeepsTheTrace(t *testing.T) {
	t.Parallel()
	parent := correlation.New()
	parent.State = "a=1"
	child := parent.Child()
	if child.TraceID != parent.TraceID || child.State != "a=1" || child.Flags != parent.Flags || child.SpanID == parent.SpanID || !child.Valid() {
		t.Errorf("child %+v of %+v", child, parent)
	}
	if root := (correlation.Trace{}).Child(); !root.Valid() || root.Flags != correlation.Sampled {
		t.Errorf("child of nothing %+v, want a new trace", root)
	}
	if got := (correlation.Trace{TraceID: parent.TraceID}).Traceparent(); got != "" {
		t.Errorf("a trace without a span has traceparent %q", got)
	}
	sent := 0
	correlation.Inject(correlation.Trace{}, func(string, string) { sent++ })
	if sent != 0 {
		t.Error("no trace was injected")
	}
}

func TestUntracedHandsOutSpans(t *testing.T) {
	t.Parallel()
	trace := correlation.New()
	ctx, span := correlation.Untraced.Start(correlation.With(t.Context(), trace), "work")
	defer span.End(nil)
	span.Set()
	if got := correlation.From(ctx); got.TraceID != trace.TraceID || got.SpanID == trace.SpanID {
		t.Errorf("the span works under %+v, below %+v", got, trace)
	}
}

// known is a source that knows entries.
type known []correlation.Entry

func (k known) Timeline(_ context.Context, tenant, traceID string) ([]correlation.Entry, error) {
	if tenant != "acme" || traceID != "t" {
		return nil, nil
	}
	return k, nil
}

type broken struct{ err error }

func (b broken) Timeline(context.Context, string, string) ([]correlation.Entry, error) {
	return nil, b.err
}

func TestTimelineIsInOrderOfTimeThenOfCause(t *testing.T) {
	t.Parallel()
	at := func(seconds int64, id string) correlation.Entry {
		return correlation.Entry{At: time.Unix(seconds, 0), ID: id}
	}
	// A nanosecond is less than stores keep, and does not break a tie.
	soon := at(5, "b1")
	soon.At = soon.At.Add(time.Nanosecond)
	got, err := correlation.Timeline(t.Context(), "acme", "t",
		known{at(9, "a2"), at(5, "a1")}, known{soon, at(1, "b0")}, known{at(5, "c1")})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, e := range got {
		ids = append(ids, e.ID)
	}
	if want := []string{"b0", "a1", "b1", "c1", "a2"}; !slices.Equal(ids, want) {
		t.Errorf("timeline %q, want %q", ids, want)
	}
	if got, err := correlation.Timeline(t.Context(), "bloom", "t", known{at(1, "a")}); err != nil || len(got) != 0 {
		t.Errorf("another tenant's timeline %v, %v", got, err)
	}
}

func TestTimelineIsWholeOrAnError(t *testing.T) {
	t.Parallel()
	one, two := errors.New("one"), errors.New("two")
	got, err := correlation.Timeline(t.Context(), "acme", "t", known{{ID: "a"}}, broken{one}, broken{two})
	if got != nil || !errors.Is(err, one) || !errors.Is(err, two) {
		t.Errorf("Timeline = %v, %v; want both errors and no part", got, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
		"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		trace, ok := correlation.Parse(value)
		if !ok {
			if trace != (correlation.Trace{}) && trace.Valid() {
				t.Errorf("Parse(%q) refuses a valid trace %+v", value, trace)
			}
			return
		}
		again, ok := correlation.Parse(trace.Traceparent())
		if !ok || again != trace {
			t.Errorf("Parse(%q) = %+v; its traceparent reads as %+v, %t", value, trace, again, ok)
		}
	})
}

func FuzzParseState(f *testing.F) {
	for _, seed := range []string{"a=1,b=2", " a=1 ,\t, b=2 ", "a=1,a=2", "tenant@vendor=x", strings.Repeat("a=1,", 40), "a=b=c", "a= "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		state, ok := correlation.ParseState(value)
		if !ok {
			if state != "" {
				t.Errorf("ParseState(%q) refuses and answers %q", value, state)
			}
			return
		}
		if again, ok := correlation.ParseState(state); !ok || again != state {
			t.Errorf("ParseState(%q) = %q, which reads as %q, %t", value, state, again, ok)
		}
		if strings.ContainsAny(state, "\r\n") {
			t.Errorf("ParseState(%q) = %q would split a header", value, state)
		}
	})
}

func ExampleExtract() {
	header := map[string][]string{
		"Traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
		"Tracestate":  {"vendor=1 , , other=2"},
	}
	trace := correlation.Extract(header)
	fmt.Println(trace.TraceID)
	fmt.Println(trace.State)

	// The next request carries the same trace and a span of its own.
	next := trace.Child()
	correlation.Inject(next, func(name, value string) { fmt.Println(name, len(value)) })
	// Output:
	// 4bf92f3577b34da6a3ce929d0e0e4736
	// vendor=1,other=2
	// Traceparent 55
	// Tracestate 16
}

func ExampleTimeline() {
	decisions := known{{At: time.Unix(1, 0), Kind: correlation.KindDecision, Summary: "allowed"}}
	deliveries := known{{At: time.Unix(3, 0), Kind: correlation.KindAttempt, Summary: "200"}, {At: time.Unix(2, 0), Kind: correlation.KindDelivery, Summary: "due"}}
	entries, err := correlation.Timeline(context.Background(), "acme", "t", decisions, deliveries)
	for _, e := range entries {
		fmt.Println(e.Kind, e.Summary)
	}
	fmt.Println(err)
	// Output:
	// decision allowed
	// delivery due
	// attempt 200
	// <nil>
}
