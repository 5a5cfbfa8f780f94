package credentialstest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/secrets/credentials"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// A Backend is a backend of the kit as far as credentials need it.
type Backend interface {
	storage.Transactor
	Credentials() credentials.Store
}

// Options says how to get at the store under test.
type Options struct {
	// New returns a backend. It leaves closing it to t.Cleanup. Required.
	New func(t *testing.T) Backend
}

// Run tests a credentials.Store. Every rule is a subtest named by its id; when one fails,
// what the rule is for is printed with it. Rules work in tenants of their own.
func Run(t *testing.T, o Options) {
	t.Helper()
	if o.New == nil {
		t.Fatal("credentialstest: Options.New is required")
	}
	b := o.New(t)
	for _, r := range rules {
		t.Run(r.about().String(), func(t *testing.T) { r.check(t, b) })
	}
}

// Rules returns the rules of [Run] in their order.
func Rules() []ruletest.Rule {
	var all []ruletest.Rule
	for _, r := range rules {
		all = append(all, r.about())
	}
	return all
}

// A rule is one thing that has to hold.
type rule struct {
	id, name, explanation string
	run                   func(e *env)
}

func (r rule) about() ruletest.Rule {
	return ruletest.Rule{ID: r.id, Name: r.name, Explanation: r.explanation}
}

// patience is how long a rule may take: a store that keeps its lock would hang the run.
const patience = 30 * time.Second

// check runs the rule and explains it where it fails.
func (r rule) check(t testing.TB, b Backend) {
	t.Helper()
	r.about().Check(t, patience, func(ctx context.Context) {
		r.run(&env{TB: t, ctx: ctx, b: b, Store: b.Credentials(), tenant: "tenant-" + storage.NewID()})
	})
}

// An env is what a rule works in.
type env struct {
	testing.TB
	credentials.Store
	ctx    context.Context
	b      Backend
	tenant string
}

// noon is when all records of the suite were made.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

// record returns a record of the env's tenant with every field set.
func (e *env) record(name string) credentials.Record {
	return credentials.Record{
		Credential: credentials.Credential{
			Name: name, Tenant: e.tenant, Kind: "api_key", KeyID: "1a2b3c4d", Revision: 1,
			CreatedAt: noon, UpdatedAt: noon.Add(time.Microsecond), LastUsedAt: noon.Add(time.Hour),
		},
		Sealed: []byte{1, 0, 255, 'x'},
	}
}

// insert adds a record with every field set and returns it.
func (e *env) insert(name string) credentials.Record {
	e.Helper()
	r := e.record(name)
	e.must(e.Insert(e.ctx, e.tenant, r, storage.Unlimited))
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
	got, err := e.Get(e.ctx, e.tenant, want.Name)
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
		page, err := e.List(e.ctx, e.tenant, q)
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
