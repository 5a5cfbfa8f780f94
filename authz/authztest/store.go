package authztest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// A StoreUnderTest is an authz.Store with the transactions it takes part in.
type StoreUnderTest interface {
	storage.Transactor
	Authz() authz.Store
}

// RunStore holds an authz.Store to its rules, each as a subtest named by its id. newStore
// returns a migrated backend. It is called once: the rules share what it returns and have
// a tenant of their own each. The test that asks leaves closing it to newStore.
func RunStore(t *testing.T, newStore func(t *testing.T) StoreUnderTest) {
	t.Helper()
	ruletest.RunStore(t, storeRules(), newStore)
}

// StoreRules returns the rules of [RunStore], in their order.
func StoreRules() []ruletest.Rule { return ruletest.About(storeRules()) }

func storeRules() []storeRule { return append(rowRules[:len(rowRules):len(rowRules)], policyRules...) }

// A storeRule is one thing a store has to keep.
type storeRule struct {
	id, name, explanation string
	run                   func(e *storeEnv)
}

// Check implements ruletest.StoreRule.
func (r storeRule) Check(t testing.TB, b StoreUnderTest) {
	t.Helper()
	r.About().Check(t, patience, func(ctx context.Context) {
		r.run(&storeEnv{TB: t, b: b, store: b.Authz(), ctx: ctx, tenant: "tenant-" + storage.NewID()})
	})
}

// About implements ruletest.StoreRule.
func (r storeRule) About() ruletest.Rule {
	return ruletest.Rule{ID: r.id, Name: r.name, Explanation: r.explanation}
}

// morning is when policies change.
var morning = time.Date(2026, 3, 1, 9, 0, 0, 123_456_000, time.UTC)

// errUndo ends transactions that are to leave nothing.
var errUndo = errors.New("authztest: undo")

// A storeEnv is what a rule of a store gets to work with.
type storeEnv struct {
	testing.TB
	b      StoreUnderTest
	store  authz.Store
	ctx    context.Context
	tenant string // one that no other rule uses
}

// other is the env of another tenant, whose name goes on where this one's ends.
func (e *storeEnv) other() *storeEnv {
	o := *e
	o.tenant += "-other"
	return &o
}

// in is the env in a transaction.
func (e *storeEnv) in(ctx context.Context) *storeEnv {
	i := *e
	i.ctx = ctx
	return &i
}

func (e *storeEnv) must(err error, what string) {
	e.Helper()
	if err != nil {
		e.Fatalf("%s: %v", what, err)
	}
}

func (e *storeEnv) wantErr(err, want error, what string) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Errorf("%s: got %v, want %v", what, err, want)
	}
}

func (e *storeEnv) same(got, want any, what string) {
	e.Helper()
	if !reflect.DeepEqual(got, want) {
		e.Errorf("%s: got %+v, want %+v", what, got, want)
	}
}

// tx runs fn in a transaction that is committed.
func (e *storeEnv) tx(fn func(e *storeEnv)) {
	e.Helper()
	e.must(e.b.InTx(e.ctx, func(ctx context.Context) error {
		fn(e.in(ctx))
		return nil
	}), "the transaction")
}

// undone runs fn in a transaction, or a savepoint, that is rolled back.
func (e *storeEnv) undone(fn func(e *storeEnv)) {
	e.Helper()
	err := e.b.InTx(e.ctx, func(ctx context.Context) error {
		fn(e.in(ctx))
		return errUndo
	})
	e.wantErr(err, errUndo, "the transaction to be rolled back")
}

// row returns a row whose content is that of no other id.
func row(id string) authz.Row { return authz.Row{ID: id, Kind: "p", Values: []string{"of", id}} }

// rowsOf returns rows of ids.
func rowsOf(ids ...string) (rows []authz.Row) {
	for _, id := range ids {
		rows = append(rows, row(id))
	}
	return rows
}

// adding returns a change of any sequence that adds rows.
func adding(id string, rows ...authz.Row) authz.Change {
	return authz.Change{ID: id, At: morning, Expected: authz.AnySequence, Add: rows}
}

// removing returns a change of any sequence that removes rows.
func removing(id string, rows ...string) authz.Change {
	return authz.Change{ID: id, At: morning, Expected: authz.AnySequence, Remove: rows}
}

// change makes a change that has to succeed.
func (e *storeEnv) change(c authz.Change) authz.Head {
	e.Helper()
	h, err := e.store.Change(e.ctx, e.tenant, c)
	e.must(err, "change")
	return h
}

func (e *storeEnv) head() authz.Head {
	e.Helper()
	h, err := e.store.Head(e.ctx, e.tenant)
	e.must(err, "head")
	return h
}

// rows reads the whole list in pages of limit, and runs between after each.
func (e *storeEnv) rows(limit int, between func(page int)) []authz.Row {
	e.Helper()
	var all []authz.Row
	for page, after := 0, storage.Cursor(""); ; page++ {
		p, err := e.store.Rows(e.ctx, e.tenant, after, limit)
		e.must(err, "rows")
		if len(p.Items) > limit {
			e.Fatalf("got a page of %d, want at most %d", len(p.Items), limit)
		}
		if page > 0 && len(p.Items) == 0 {
			e.Errorf("page %d is empty, and the one before it had a next one", page)
		}
		all = append(all, p.Items...)
		if p.Next == "" {
			return all
		}
		if p.Next == after || len(p.Items) == 0 || page > 1000 {
			e.Fatalf("the list does not end: page %d has %d items and a next one", page, len(p.Items))
		}
		if between != nil {
			between(page)
		}
		after = p.Next
	}
}

// ids returns the ids of all rows, in their order.
func (e *storeEnv) ids() []string {
	e.Helper()
	return idsOf(e.rows(storage.MaxLimit, nil))
}

func idsOf(rows []authz.Row) []string {
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	return ids
}

// unchanged fails the rule where fn changes the policy or its head.
func (e *storeEnv) unchanged(what string, fn func()) {
	e.Helper()
	rows, head := e.rows(storage.MaxLimit, nil), e.head()
	fn()
	e.same(e.rows(storage.MaxLimit, nil), rows, "the rows after "+what)
	e.same(e.head(), head, "the head after "+what)
}

// refused fails the rule unless a change is refused with want and changes nothing.
func (e *storeEnv) refused(c authz.Change, want error, what string) {
	e.Helper()
	e.unchanged(what, func() {
		h, err := e.store.Change(e.ctx, e.tenant, c)
		e.wantErr(err, want, what)
		e.same(h, authz.Head{}, "the head that is answered for "+what)
	})
}

// calls are the methods of a store.
var calls = map[string]func(e *storeEnv) error{
	"Head": func(e *storeEnv) error {
		_, err := e.store.Head(e.ctx, e.tenant)
		return err
	},
	"Rows": func(e *storeEnv) error {
		_, err := e.store.Rows(e.ctx, e.tenant, "", 10)
		return err
	},
	"Change": func(e *storeEnv) error {
		_, err := e.store.Change(e.ctx, e.tenant, adding("late", row("late")))
		return err
	},
}

// spellings are texts that some database takes for each other.
var spellings = []string{"a", "A", "a ", " a", "ä", "a\u0308", "ß", "ss", "%", "_", "'", `\`, "日本", "\U0010ffff", "\n", "\x01", "<&>", "\u2028", `"`}

// numbered returns n ids that are not in the order of their numbers.
func numbered(n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("r%04d", i*37%1009))
	}
	return ids
}
