package approvalstest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// A Backend is a backend of the kit as far as approvals need it.
type Backend interface {
	storage.Transactor
	Approvals() approvals.Store
}

// Options says how to get at the store under test.
type Options struct {
	// New returns an empty backend. It leaves closing it to t.Cleanup. Required.
	New func(t *testing.T) Backend
}

// Run tests an approvals.Store, by itself and below a Service. Every rule is a subtest
// named by its id; when one fails, what the rule is for is printed with it.
func Run(t *testing.T, o Options) {
	t.Helper()
	if o.New == nil {
		t.Fatal("approvalstest: Options.New is required")
	}
	b := o.New(t)
	for _, r := range rules() {
		t.Run(r.id+" "+r.name, func(t *testing.T) { r.check(t, b) })
	}
}

// A rule is one thing that has to hold.
type rule struct {
	id, name, explanation string
	run                   func(e *env)
}

// patience is how long a rule may take: a store that keeps its lock would hang the run.
const patience = 30 * time.Second

// check runs the rule and explains it where it fails.
func (r rule) check(t testing.TB, b Backend) {
	t.Helper()
	about(r.id, r.name, r.explanation).Check(t, patience, func(ctx context.Context) {
		r.run(&env{TB: t, ctx: ctx, b: b, store: b.Approvals(), tenant: "tenant-" + storage.NewID(), clock: noon})
	})
}

func about(id, name, explanation string) ruletest.Rule {
	return ruletest.Rule{ID: id, Name: name, Explanation: explanation}
}

// Rules returns the rules of [Run], [RunApplier] and [RunApprover], in their order.
func Rules() []ruletest.Rule {
	var all []ruletest.Rule
	for _, r := range rules() {
		all = append(all, about(r.id, r.name, r.explanation))
	}
	for _, r := range applierRules {
		all = append(all, about(r.id, r.name, r.explanation))
	}
	for _, r := range approverRules {
		all = append(all, about(r.id, r.name, r.explanation))
	}
	return all
}

// rules returns the rules of stores, by subject.
func rules() []rule { return slices.Concat(storeRules, grantRules, serviceRules) }

// noon is when all records of the suite were made: equal times make lists tie.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// An env is what a rule gets to work with: a backend that all rules share and a
// tenant that no other has.
type env struct {
	testing.TB
	ctx    context.Context
	b      Backend
	store  approvals.Store
	tenant string
	clock  time.Time
}

// must ends the rule where err is not nil.
func (e *env) must(err error) {
	e.Helper()
	if err != nil {
		e.Fatalf("unexpected error: %v", err)
	}
}

// id returns an id of a hundred that order as numbered.
func id(n int) string { return "request-" + string(rune('0'+n/10)) + string(rune('0'+n%10)) }

// words joins what a list has, for messages.
func words(ids []string) string { return "[" + strings.Join(ids, " ") + "]" }
