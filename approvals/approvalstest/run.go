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

// A StoreUnderTest is an approvals.Store with the transactions it takes part in.
type StoreUnderTest interface {
	storage.Transactor
	Approvals() approvals.Store
}

// RunStore tests an approvals.Store, by itself and below a Service. Every rule is a subtest
// named by its id; when one fails, what the rule is for is printed with it. newStore returns
// a migrated backend. It is called once: the rules share what it returns and have a tenant of
// their own each. The test that asks leaves closing it to newStore.
func RunStore(t *testing.T, newStore func(t *testing.T) StoreUnderTest) {
	t.Helper()
	ruletest.RunStore(t, storeRules(), newStore)
}

// StoreRules returns the rules of [RunStore], in their order.
func StoreRules() []ruletest.Rule { return ruletest.About(storeRules()) }

// storeRules returns the rules of stores, by subject.
func storeRules() []storeRule {
	return slices.Concat(basicRules, grantRules, serviceRules, writeRules, keyRules, readRules, listRules, transactionRules)
}

// A storeRule is one thing a store has to keep.
type storeRule struct {
	id, name, explanation string
	run                   func(e *env)
}

// About implements ruletest.StoreRule.
func (r storeRule) About() ruletest.Rule { return about(r.id, r.name, r.explanation) }

// Check implements ruletest.StoreRule.
func (r storeRule) Check(t testing.TB, b StoreUnderTest) {
	t.Helper()
	r.About().Check(t, ruletest.StorePatience, func(ctx context.Context) {
		r.run(&env{StoreEnv: ruletest.NewStoreEnv(t, ctx, b, b.Approvals())})
	})
}

func about(id, name, explanation string) ruletest.Rule {
	return ruletest.Rule{ID: id, Name: name, Explanation: explanation}
}

// Rules returns the rules of [RunStore], [RunApplier] and [RunApprover], in their order.
func Rules() []ruletest.Rule {
	all := StoreRules()
	for _, r := range applierRules {
		all = append(all, about(r.id, r.name, r.explanation))
	}
	for _, r := range approverRules {
		all = append(all, about(r.id, r.name, r.explanation))
	}
	return all
}

// noon is when all records of the suite were made: equal times make lists tie.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// An env is what a rule of stores gets to work with.
type env struct {
	ruletest.StoreEnv[approvals.Store]
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
