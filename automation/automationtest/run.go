package automationtest

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// A Backend is a backend of the kit as far as automations need it.
type Backend interface {
	storage.Transactor
	Automation() automation.Store
}

// StoreOptions says how to get at the store under test.
type StoreOptions struct {
	// New returns an empty backend. It leaves closing it to t.Cleanup. It is called
	// once; each rule has a tenant of its own. Required.
	New func(t *testing.T) Backend
}

// RunStore tests an automation.Store. Every rule is a subtest named by its id; when one
// fails, what the rule is for is printed with it.
func RunStore(t *testing.T, o StoreOptions) {
	t.Helper()
	if o.New == nil {
		t.Fatal("automationtest: StoreOptions.New is required")
	}
	b := o.New(t)
	for _, r := range storeRules {
		t.Run(r.about().String(), func(t *testing.T) { r.check(t, b) })
	}
}

// A storeRule is one thing that has to hold of a store.
type storeRule struct {
	id, name, explanation string
	run                   func(e *env)
}

func (r storeRule) about() ruletest.Rule {
	return ruletest.Rule{ID: r.id, Name: r.name, Explanation: r.explanation}
}

// patience is how long a rule may take: a store that keeps its lock would hang the run.
const patience = 30 * time.Second

// check runs the rule and explains it where it fails.
func (r storeRule) check(t testing.TB, b Backend) {
	t.Helper()
	r.about().Check(t, patience, func(ctx context.Context) {
		r.run(&env{TB: t, ctx: ctx, b: b, store: b.Automation(), tenant: "tenant-" + storage.NewID()})
	})
}

// Rules returns the rules of the suites, in their order.
func Rules() []ruletest.Rule {
	var all []ruletest.Rule
	for _, r := range storeRules {
		all = append(all, r.about())
	}
	for _, r := range slices.Concat(actionRules, triggerRules) {
		all = append(all, r.about())
	}
	return all
}

// noon is when most records of the suite were made: equal times make lists tie.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 123_456_000, time.UTC)

// An env is what a rule of stores gets to work with: a backend that all rules share and
// a tenant that no other has.
type env struct {
	testing.TB
	ctx    context.Context
	b      Backend
	store  automation.Store
	tenant string
}

// must ends the rule where err is not nil.
func (e *env) must(err error) {
	e.Helper()
	if err != nil {
		e.Fatalf("unexpected error: %v", err)
	}
}

// equal reports values that differ, as JSON.
func (e *env) equal(what string, got, want any) {
	e.Helper()
	if reflect.DeepEqual(got, want) {
		return
	}
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(want)
	e.Errorf("%s:\n got %s\nwant %s", what, g, w)
}

// ids reports lists whose ids are not those wanted, in order.
func (e *env) ids(what string, got []string, want ...string) {
	e.Helper()
	if !slices.Equal(got, want) {
		e.Errorf("%s: got %q, want %q", what, got, want)
	}
}
