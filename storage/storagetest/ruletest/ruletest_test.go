package ruletest_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// A counter by somebody else is held to a rule that it breaks.
func ExampleTry() {
	rule := ruletest.Rule{
		ID: "CO-001", Name: "a counter goes up",
		Explanation: "Whoever counts twice and reads the same number has lost one.",
	}
	stuck := func() int { return 1 }
	failures := ruletest.Try(context.Background(), func(t testing.TB) {
		rule.Check(t, time.Second, func(context.Context) {
			if first, second := stuck(), stuck(); second <= first {
				t.Errorf("counted %d and then %d", first, second)
			}
		})
	})
	fmt.Printf("%s: %q\n", rule, failures)
	// Output: CO-001 a counter goes up: ["counted 1 and then 1"]
}

func TestTryCollectsWhatATestReports(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fn   func(t testing.TB)
		want []string
	}{
		"nothing":              {func(t testing.TB) { t.Log("a"); t.Logf("b"); t.Helper() }, nil},
		"an error and goes on": {func(t testing.TB) { t.Error("a", 1); t.Errorf("b %d", 2) }, []string{"a 1", "b 2"}},
		"a fatal and ends":     {func(t testing.TB) { t.Fatalf("a"); t.Error("not reached") }, []string{"a"}},
		"another fatal":        {func(t testing.TB) { t.Fatal("a"); t.Error("not reached") }, []string{"a"}},
		"a panic":              {func(testing.TB) { panic("a") }, []string{"panic: a"}},
		"in its cleanups, the last first, with a ctx that is done": {func(t testing.TB) {
			t.Cleanup(func() { t.Error("first", t.Context().Err()) })
			t.Cleanup(func() { t.Fatal("last", t.Failed()) })
		}, []string{"last false", "first context canceled"}},
	} {
		if got := ruletest.Try(t.Context(), c.fn); !slices.Equal(got, c.want) {
			t.Errorf("a test that reports %s: got %q, want %q", name, got, c.want)
		}
	}
}

// A log is what a rule writes where it fails.
type log struct {
	testing.TB
	failed bool
	lines  []string
}

func (l *log) Helper()                  {}
func (l *log) Failed() bool             { return l.failed }
func (l *log) Context() context.Context { return l.TB.Context() }
func (l *log) Logf(format string, args ...any) {
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}
func (l *log) Errorf(format string, args ...any) { l.failed = true }

func TestARuleExplainsItselfWhereItFails(t *testing.T) {
	t.Parallel()
	rule := ruletest.Rule{ID: "CO-001", Name: "n", Explanation: "because"}
	kept, broken, late := &log{TB: t}, &log{TB: t}, &log{TB: t}
	rule.Check(kept, time.Hour, func(context.Context) {})
	rule.Check(broken, time.Hour, func(context.Context) { broken.Errorf("") })
	rule.Check(late, time.Nanosecond, func(ctx context.Context) {
		<-ctx.Done()
		late.Errorf("")
	})
	if len(kept.lines) != 0 {
		t.Errorf("a rule that is kept says %q", kept.lines)
	}
	if !slices.Equal(broken.lines, []string{"CO-001 n\nbecause"}) {
		t.Errorf("a rule that is broken says %q", broken.lines)
	}
	if len(late.lines) != 2 {
		t.Errorf("a rule that ran out of its time says %q", late.lines)
	}
}
