// Package ruletest is what the conformance suites of the kit are made of: rules that
// explain themselves where they fail, and tests that are expected to fail.
//
// A suite keeps its rules in a table, gives each a subtest, and runs it with
// [Rule.Check]. That a rule finds what it is for is shown with [Try], over an
// implementation that breaks it:
//
//	failures := ruletest.Try(t.Context(), func(t testing.TB) { rule.check(t, broken) })
//	if len(failures) == 0 {
//		t.Errorf("%s does not find it", rule.ID)
//	}
package ruletest

import (
	"context"
	"errors"
	"testing"
	"time"
)

// A Rule is one thing that has to hold of every implementation.
type Rule struct {
	// ID is what the rule is cited by: two letters and three digits. It never changes.
	ID string
	// Name is the rule as a sentence.
	Name string
	// Explanation says what the rule is for, to the author who broke it.
	Explanation string
}

// String returns the id and the name, as the rule's subtest is called.
func (r Rule) String() string { return r.ID + " " + r.Name }

// Check runs a rule in the test that is given, and explains it where it fails. The ctx
// of run ends with the test, and after patience: an implementation that waits for
// itself would hang the run otherwise.
func (r Rule) Check(t testing.TB, patience time.Duration, run func(ctx context.Context)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	defer func() {
		if !t.Failed() {
			return
		}
		t.Logf("%s\n%s", r, r.Explanation)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			t.Logf("The rule ran out of its %v. Something waits for what only the rule itself would end, as a second transaction does for the one of ctx.", patience)
		}
	}()
	run(ctx)
}
