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

// A StoreUnderTest is an automation.Store with the transactions it takes part in.
type StoreUnderTest interface {
	storage.Transactor
	Automation() automation.Store
}

// RunStore holds an automation.Store to its rules, each as a subtest named by its id.
// newStore returns a migrated backend. It is called once: the rules share what it returns
// and have a tenant of their own each. The test that asks leaves closing it to newStore.
func RunStore(t *testing.T, newStore func(t *testing.T) StoreUnderTest) {
	t.Helper()
	ruletest.RunStore(t, storeRules(), newStore)
}

// StoreRules returns the rules of [RunStore], in their order.
func StoreRules() []ruletest.Rule { return ruletest.About(storeRules()) }

func storeRules() []storeRule {
	return slices.Concat(basicRules, ruleRules, runRules, runListRules, declaredRules, signalRules, pruneRules, transactionRules)
}

// A storeRule is one thing that has to hold of a store.
type storeRule struct {
	id, name, explanation string
	run                   func(e *env)
}

// About implements ruletest.StoreRule.
func (r storeRule) About() ruletest.Rule {
	return ruletest.Rule{ID: r.id, Name: r.name, Explanation: r.explanation}
}

// Check implements ruletest.StoreRule.
func (r storeRule) Check(t testing.TB, b StoreUnderTest) {
	t.Helper()
	r.About().Check(t, ruletest.StorePatience, func(ctx context.Context) {
		r.run(&env{ruletest.NewStoreEnv(t, ctx, b, b.Automation())})
	})
}

// patience is how long a rule of actions and triggers may take.
const patience = 30 * time.Second

// Rules returns the rules of the suites, in their order.
func Rules() []ruletest.Rule {
	all := StoreRules()
	for _, r := range slices.Concat(actionRules, triggerRules) {
		all = append(all, r.about())
	}
	return all
}

// noon is when most records of the suite were made: equal times make lists tie.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 123_456_000, time.UTC)

// An env is what a rule of stores gets to work with.
type env struct {
	ruletest.StoreEnv[automation.Store]
}

// in is the env in a transaction.
func (e *env) in(ctx context.Context) *env {
	i := *e
	i.Ctx = ctx
	return &i
}

// of is the env of another tenant.
func (e *env) of(tenant string) *env {
	o := *e
	o.Tenant = tenant
	return &o
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
