package audittest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// A StoreUnderTest is what [RunStore] tests: a store of records and the transactions it
// takes part in.
type StoreUnderTest interface {
	storage.Transactor
	Audit() audit.Store
}

// RunStore tests an [audit.Store]. Every rule is a subtest named by its id. newStore
// returns a migrated store; it is called once, and the rules share what it returns, each
// with tenants of its own. Closing the store is left to newStore.
func RunStore(t *testing.T, newStore func(t *testing.T) StoreUnderTest) {
	t.Helper()
	ruletest.RunStore(t, storeRules(), newStore)
}

// StoreRules returns the rules of [RunStore], in their order.
func StoreRules() []ruletest.Rule { return ruletest.About(storeRules()) }

func storeRules() []storeRule {
	return slices.Concat(insertRules, recordedRules, filterRules, listRules)
}

// A storeRule is one thing a store has to keep.
type storeRule struct {
	id, name, explanation string
	run                   func(e *storeEnv)
}

// storePatience is how long a rule may take. Polled lists wait for transactions that are
// open elsewhere in a database.
const storePatience = 60 * time.Second

// Check implements ruletest.StoreRule.
func (r storeRule) Check(t testing.TB, b StoreUnderTest) {
	t.Helper()
	r.About().Check(t, storePatience, func(ctx context.Context) {
		r.run(&storeEnv{TB: t, b: b, store: b.Audit(), ctx: ctx, tenant: "tenant-" + storage.NewID()})
	})
}

// About implements ruletest.StoreRule.
func (r storeRule) About() ruletest.Rule {
	return ruletest.Rule{ID: r.id, Name: r.name, Explanation: r.explanation}
}

// noon is when the events of all rules happened, and were recorded.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 123_456_000, time.UTC)

// A storeEnv is what a rule gets to work with.
type storeEnv struct {
	testing.TB
	b      StoreUnderTest
	store  audit.Store
	ctx    context.Context
	tenant string // one that no other rule uses
}

// row returns a record under an id.
func row(id string) audit.Row {
	canonical, err := json.Marshal(map[string]string{"id": id})
	if err != nil {
		panic(err) // a map of strings always encodes
	}
	return rowOf(id, canonical)
}

func rowOf(id string, canonical []byte) audit.Row {
	return audit.Row{
		Record: audit.Record{
			Canonical: canonical, Leaf: sha256.Sum256(append([]byte{0}, canonical...)), RecordedAt: noon,
		},
		Source: "/orders", ID: id, Time: noon,
		Action: "orders.refund", Category: audit.Activity, Outcome: audit.Success,
		ActorID: "sam", ResourceType: "order", ResourceID: "1001", TraceID: "4bf92f3577b34da6a3ce929d0e0e4736",
	}
}

// rows returns a record for each id.
func rows(ids ...string) []audit.Row {
	list := make([]audit.Row, len(ids))
	for i, id := range ids {
		list[i] = row(id)
	}
	return list
}

// with returns r changed.
func with(r audit.Row, change func(r *audit.Row)) audit.Row {
	change(&r)
	return r
}

// must fails the rule with an error that should not be.
func (e *storeEnv) must(err error, what string) {
	e.Helper()
	if err != nil {
		e.Fatalf("%s: %v", what, err)
	}
}

// want reports an error that is not the one it should be.
func (e *storeEnv) want(err, want error, what string) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Errorf("%s: got %v, want %v", what, err, want)
	}
}

func (e *storeEnv) insert(list ...audit.Row) {
	e.Helper()
	e.must(e.store.Insert(e.ctx, e.tenant, list...), "insert")
}

// undone runs fn in a transaction that is rolled back.
func (e *storeEnv) undone(fn func(ctx context.Context) error) {
	e.Helper()
	err := e.b.InTx(e.ctx, func(ctx context.Context) error {
		if err := fn(ctx); err != nil {
			return err
		}
		return errUndo
	})
	if !errors.Is(err, errUndo) {
		e.Fatalf("the transaction answered %v", err)
	}
}

// get reads the record that must be there.
func (e *storeEnv) get(id string) audit.Record {
	e.Helper()
	r, err := e.store.Get(e.ctx, e.tenant, "/orders", id)
	e.must(err, "get "+id)
	return r
}

// absent holds a record not to be there, by all ways to look for it.
func (e *storeEnv) absent(id string) {
	e.Helper()
	_, err := e.store.Get(e.ctx, e.tenant, "/orders", id)
	e.want(err, storage.ErrNotFound, "get "+id)
	if known, err := e.store.Recorded(e.ctx, e.tenant, "/orders", id); known || err != nil {
		e.Errorf("recorded %s: got %t, %v, want false", id, known, err)
	}
	if got := e.list(audit.Query{}); slices.Contains(got, id) {
		e.Errorf("%s is listed", id)
	}
}

// list pages through the list of a query that ends and returns its ids.
func (e *storeEnv) list(q audit.Query) []string {
	e.Helper()
	return e.listOf(e.ctx, e.tenant, q)
}

func (e *storeEnv) listOf(ctx context.Context, tenant string, q audit.Query) []string {
	e.Helper()
	all := []string{}
	if q.Limit == 0 {
		q.Limit = storage.MaxLimit
	}
	for {
		page, err := e.store.List(ctx, tenant, q)
		e.must(err, "list")
		all = append(all, e.ids(page.Items)...)
		if q.After = page.Next; q.After == "" {
			return all
		}
		if len(page.Items) == 0 || len(all) > 10_000 {
			e.Fatalf("the list goes on for ever")
		}
	}
}

// lists holds the list of a query to its ids.
func (e *storeEnv) lists(q audit.Query, want ...string) {
	e.Helper()
	if got := e.list(q); !slices.Equal(got, want) {
		e.Errorf("got %q, want %q", got, want)
	}
}

// poll asks a polled list until it has given so many records, and returns their ids and
// where it goes on. Transactions that are open elsewhere in the database hold records back.
func (e *storeEnv) poll(q audit.Query, n int) ([]string, audit.Query) {
	e.Helper()
	all := []string{}
	for {
		page, err := e.store.List(e.ctx, e.tenant, q)
		e.must(err, "list")
		if page.Next == "" {
			e.Fatalf("a polled list has ended")
		}
		all = append(all, e.ids(page.Items)...)
		if q.After = page.Next; len(page.Items) == 0 && len(all) >= n {
			return all, q
		}
	}
}

// ids returns the ids that records were made from.
func (e *storeEnv) ids(list []audit.Record) []string {
	e.Helper()
	out := []string{}
	for _, r := range list {
		var about struct{ ID string }
		e.must(json.Unmarshal(r.Canonical, &about), "a listed record")
		out = append(out, about.ID)
	}
	return out
}

// together runs fn in n goroutines that start at once.
func (e *storeEnv) together(n int, fn func(i int) error) {
	e.Helper()
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			if err := fn(i); err != nil {
				e.Errorf("one of %d at once: %v", n, err)
			}
		})
	}
	close(start)
	wg.Wait()
}
