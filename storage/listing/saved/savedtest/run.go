package savedtest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/storage/listing/saved"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// A StoreUnderTest is a saved.Store with the transactions it takes part in.
type StoreUnderTest interface {
	storage.Transactor
	SavedFilters() saved.Store
}

// RunStore holds a saved.Store to its rules, each as a subtest named by its id. newStore
// returns a migrated backend. It is called once: the rules share what it returns and have a
// tenant of their own each. The test that asks leaves closing it to newStore.
func RunStore(t *testing.T, newStore func(t *testing.T) StoreUnderTest) {
	t.Helper()
	ruletest.RunStore(t, storeRules(), newStore)
}

// StoreRules returns the rules of [RunStore], in their order.
func StoreRules() []ruletest.Rule { return ruletest.About(storeRules()) }

func storeRules() []storeRule {
	return slices.Concat(recordRules, listRules, limitRules, transactionRules)
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
		r.run(&env{ruletest.NewStoreEnv(t, ctx, b, b.SavedFilters())})
	})
}

// An env is what a rule works in.
type env struct {
	ruletest.StoreEnv[saved.Store]
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

// noon is when all filters of the suite were made.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

// The list, and its people, of most rules.
const (
	orders = "shop.orders"
	sam    = "user:sam"
	olivia = "user:olivia"
)

// filter returns sam's filter of the env's tenant with every field set. Its name is its id.
func (e *env) filter(id string) saved.Filter {
	return saved.Filter{
		ID: id, Tenant: e.Tenant, List: orders, Owner: sam, Name: id,
		Filters:  []listing.Filter{listing.Is("status", "open"), {Field: "country", Op: listing.In, Values: []string{"DE", "FR"}}},
		Sort:     listing.Sort{Field: "total", Descending: true},
		Revision: 1, CreatedAt: noon, UpdatedAt: noon.Add(time.Microsecond),
	}
}

// shared returns the filter without an owner.
func (e *env) shared(id string) saved.Filter {
	f := e.filter(id)
	f.Owner = ""
	return f
}

// next returns the revision after f, under another name and with other conditions.
func next(f saved.Filter) saved.Filter {
	f.Revision++
	f.Name, f.Filters, f.Sort = f.Name+" anew", []listing.Filter{listing.Is("status", "paid")}, listing.Sort{Field: "at"}
	f.UpdatedAt = f.UpdatedAt.Add(time.Minute)
	return f
}

// put inserts a filter and returns it.
func (e *env) put(f saved.Filter) saved.Filter {
	e.Helper()
	e.Must(e.Store.Insert(e.Ctx, e.Tenant, f, storage.Unlimited), "insert "+f.ID)
	return f
}

// insert adds sam's filter with every field set and returns it.
func (e *env) insert(id string) saved.Filter {
	e.Helper()
	return e.put(e.filter(id))
}

// stored fails the rule where the tenant's filter is not want.
func (e *env) stored(want saved.Filter) {
	e.Helper()
	got, err := e.Store.Get(e.Ctx, e.Tenant, want.ID)
	e.Must(err, "get "+want.ID)
	e.Same(got, want, want.ID)
}

// absent holds a filter of sam not to be there.
func (e *env) absent(id string) {
	e.Helper()
	_, err := e.Store.Get(e.Ctx, e.Tenant, id)
	e.WantErr(err, storage.ErrNotFound, "get "+id)
	if slices.Contains(e.ids(saved.Query{List: orders, Viewer: sam}), id) {
		e.Errorf("%s is listed", id)
	}
}

// ids returns the ids of a list in pages of q.Limit.
func (e *env) ids(q saved.Query) []string {
	e.Helper()
	all := []string{}
	for range 100 {
		page, err := e.Store.List(e.Ctx, e.Tenant, q)
		e.Must(err, "list")
		for _, f := range page.Items {
			all = append(all, f.ID)
		}
		if q.After = page.Next; q.After == "" {
			return all
		}
	}
	e.Fatal("the list does not end")
	return nil
}

func (e *env) count() int64 {
	e.Helper()
	n, err := e.Store.Count(e.Ctx, e.Tenant)
	e.Must(err, "count")
	return n
}
