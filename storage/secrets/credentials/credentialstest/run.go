package credentialstest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/secrets/credentials"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// A StoreUnderTest is a credentials.Store with the transactions it takes part in.
type StoreUnderTest interface {
	storage.Transactor
	Credentials() credentials.Store
}

// RunStore holds a credentials.Store to its rules, each as a subtest named by its id.
// newStore returns a migrated backend. It is called once: the rules share what it returns
// and have a tenant of their own each. The test that asks leaves closing it to newStore.
func RunStore(t *testing.T, newStore func(t *testing.T) StoreUnderTest) {
	t.Helper()
	ruletest.RunStore(t, storeRules(), newStore)
}

// StoreRules returns the rules of [RunStore], in their order.
func StoreRules() []ruletest.Rule { return ruletest.About(storeRules()) }

func storeRules() []storeRule {
	return slices.Concat(basicRules, recordRules, limitRules, transactionRules)
}

// A storeRule is one thing a store has to keep.
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
		r.run(&env{ruletest.NewStoreEnv(t, ctx, b, b.Credentials())})
	})
}

// An env is what a rule works in.
type env struct {
	ruletest.StoreEnv[credentials.Store]
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

// noon is when all records of the suite were made.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

// record returns a record of the env's tenant with every field set.
func (e *env) record(name string) credentials.Record {
	return credentials.Record{
		Credential: credentials.Credential{
			Name: name, Tenant: e.Tenant, Kind: "api_key", KeyID: "1a2b3c4d", Revision: 1,
			CreatedAt: noon, UpdatedAt: noon.Add(time.Microsecond), LastUsedAt: noon.Add(time.Hour),
		},
		Sealed: []byte{1, 0, 255, 'x'},
	}
}

// insert adds a record with every field set and returns it.
func (e *env) insert(name string) credentials.Record {
	e.Helper()
	r := e.record(name)
	e.must(e.Store.Insert(e.Ctx, e.Tenant, r, storage.Unlimited))
	return r
}

func (e *env) must(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

func (e *env) wantErr(err, want error) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Errorf("got error %v, want %v", err, want)
	}
}

// stored fails the rule where the tenant's record is not want.
func (e *env) stored(want credentials.Record) {
	e.Helper()
	got, err := e.Store.Get(e.Ctx, e.Tenant, want.Name)
	if err != nil || !reflect.DeepEqual(got, want) {
		e.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

// list returns the names of the tenant's records in pages of limit.
func (e *env) list(kind string, limit int) []string {
	e.Helper()
	var names []string
	q := credentials.Query{Kind: kind, Limit: limit}
	for range 100 {
		page, err := e.Store.List(e.Ctx, e.Tenant, q)
		e.must(err)
		for _, r := range page.Items {
			names = append(names, r.Name)
		}
		if q.After = page.Next; q.After == "" {
			return names
		}
	}
	e.Fatal("the list does not end")
	return nil
}
