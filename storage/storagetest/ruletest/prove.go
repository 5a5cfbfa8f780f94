package ruletest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// A Mutant is an implementation that is broken in one way.
type Mutant struct {
	// Rule is the id of the rule that has to find it.
	Rule string
	// Name says what it does, as the end of "an implementation that".
	Name string
	// Check runs the rule of an id over a fresh mutant.
	Check func(t testing.TB, rule string)
}

// mutantPatience is how long a rule may wait over a mutant, which need not answer at all.
const mutantPatience = 5 * time.Second

// mutantTries is how often a rule may look for its mutant: some break only where two calls
// overlap, which no run promises.
const mutantTries = 20

// Prove shows that rules find what they are for. It fails the test where two rules share
// an id, where a mutant is not found by its rule, where a rule has no mutant, and where a
// mutant is found by more than half of the rules: one that is broken altogether proves
// none of them. A rule has several tries at its mutant, as what breaks under contention
// only may need them.
//
// A rule that nothing can break stands in unbroken with the reason, and must then have no
// mutant.
func Prove(t *testing.T, rules []Rule, mutants []Mutant, unbroken map[string]string) {
	t.Helper()
	for _, problem := range missing(rules, mutants, unbroken) {
		t.Error(problem)
	}
	for _, m := range mutants {
		t.Run(m.Rule+" "+m.Name, func(t *testing.T) {
			t.Parallel()
			if problem := m.prove(t.Context(), rules); problem != "" {
				t.Error(problem)
			}
		})
	}
}

// missing says which rules are there twice and which lack a mutant or a reason.
func missing(rules []Rule, mutants []Mutant, unbroken map[string]string) (problems []string) {
	for i, r := range rules {
		if slices.ContainsFunc(rules[:i], func(prior Rule) bool { return prior.ID == r.ID }) {
			problems = append(problems, fmt.Sprintf("there are two rules %s", r.ID))
		}
		broken := slices.ContainsFunc(mutants, func(m Mutant) bool { return m.Rule == r.ID })
		if reason := unbroken[r.ID]; broken == (reason != "") {
			problems = append(problems, fmt.Sprintf("%s: has a mutant: %t, reason to have none: %q", r, broken, reason))
		}
	}
	for id := range unbroken {
		if !slices.ContainsFunc(rules, func(r Rule) bool { return r.ID == id }) {
			problems = append(problems, fmt.Sprintf("there is no rule %s that a reason is given for", id))
		}
	}
	return problems
}

// prove says what is wrong with a mutant, "" where it proves its rule.
func (m Mutant) prove(ctx context.Context, rules []Rule) string {
	if !slices.ContainsFunc(rules, func(r Rule) bool { return r.ID == m.Rule }) {
		return "there is no such rule"
	}
	if len(Find(ctx, func(t testing.TB) { m.Check(t, m.Rule) })) == 0 {
		return fmt.Sprintf("the rule does not find it in %d tries", mutantTries)
	}
	var by []string
	for _, r := range rules {
		if m.found(ctx, r.ID) {
			by = append(by, r.ID)
		}
	}
	if len(rules) > 3 && len(by) > len(rules)/2 {
		return "it is broken altogether, found by " + strings.Join(by, ", ")
	}
	return ""
}

func (m Mutant) found(ctx context.Context, rule string) bool {
	return len(tryPatiently(ctx, func(t testing.TB) { m.Check(t, rule) })) > 0
}

// Find runs fn as [Try] does until it reports a failure, as often as [Prove] lets a rule
// look for its mutant, and returns what it reported: nothing where no try did. It is for
// suites that keep their zoo themselves. fn makes a fresh mutant each time.
func Find(ctx context.Context, fn func(t testing.TB)) []string {
	for range mutantTries {
		if failures := tryPatiently(ctx, fn); len(failures) > 0 {
			return failures
		}
	}
	return nil
}

func tryPatiently(ctx context.Context, fn func(t testing.TB)) []string {
	ctx, cancel := context.WithTimeout(ctx, mutantPatience)
	defer cancel()
	return Try(ctx, fn)
}
