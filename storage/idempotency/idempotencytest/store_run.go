package idempotencytest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/idempotency"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// A StoreUnderTest is what is tested: a store of answers and the transactions it takes
// part in.
type StoreUnderTest interface {
	storage.Transactor
	Idempotency() idempotency.Store
}

// RunStore tests a store. Every rule is a subtest named by its id. newStore returns a
// migrated store; it is called once, and the rules share what it returns, each with
// tenants of its own. Closing the store is left to newStore.
func RunStore(t *testing.T, newStore func(t *testing.T) StoreUnderTest) {
	t.Helper()
	ruletest.RunStore(t, storeRules(), newStore)
}

// StoreRules returns the rules of [RunStore], in their order.
func StoreRules() []ruletest.Rule { return ruletest.About(storeRules()) }

func storeRules() []storeRule {
	return slices.Concat(beginRules, keyRules, finishRules, releaseRules, deleteRules, listRules, replaceRules)
}

// A storeRule is one thing a store has to keep.
type storeRule struct {
	id, name, explanation string
	run                   func(e *storeEnv)
}

// patience is how long a rule may take. A store that waits for itself would hang the run
// otherwise.
const patience = 30 * time.Second

// Check implements ruletest.StoreRule.
func (r storeRule) Check(t testing.TB, b StoreUnderTest) {
	t.Helper()
	r.About().Check(t, patience, func(ctx context.Context) {
		r.run(&storeEnv{TB: t, b: b, store: b.Idempotency(), ctx: ctx, tenant: "tenant-" + storage.NewID()})
	})
}

// About implements ruletest.StoreRule.
func (r storeRule) About() ruletest.Rule {
	return ruletest.Rule{ID: r.id, Name: r.name, Explanation: r.explanation}
}

// noon is when the requests of all rules came.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 123_456_000, time.UTC)

// ask is the fingerprint of the rules' request, other that of another one.
var (
	ask   = idempotency.Fingerprint("POST", "/refunds", []byte("150"))
	other = idempotency.Fingerprint("POST", "/refunds", []byte("151"))
)

// errUndo rolls a transaction back.
var errUndo = errors.New("undo")

// A storeEnv is what a rule gets to work with.
type storeEnv struct {
	testing.TB
	b      StoreUnderTest
	store  idempotency.Store
	ctx    context.Context
	tenant string // one that no other rule uses
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

// in runs fn in a transaction that has to be committed.
func (e *storeEnv) in(fn func(ctx context.Context) error) {
	e.Helper()
	e.must(e.b.InTx(e.ctx, fn), "the transaction")
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

// claims is fn of a transaction that claims a key of sam.
func (e *storeEnv) claims(ctx context.Context, key string) error {
	done, err := e.store.Begin(ctx, e.tenant, "sam", key, ask, noon)
	if err == nil && done != nil {
		err = fmt.Errorf("key %q has an answer: %+v", key, *done)
	}
	return err
}

// finishes is fn of a transaction that claims a key of sam and finishes it.
func (e *storeEnv) finishes(ctx context.Context, key, body string) error {
	if err := e.claims(ctx, key); err != nil {
		return err
	}
	return e.store.Finish(ctx, e.tenant, "sam", key, 200, nil, []byte(body))
}

// finish stores an answer that is its key.
func (e *storeEnv) finish(tenant, actor, key string, at time.Time) {
	e.Helper()
	e.in(func(ctx context.Context) error { return e.finishIn(ctx, tenant, actor, key, at) })
}

func (e *storeEnv) finishIn(ctx context.Context, tenant, actor, key string, at time.Time) error {
	done, err := e.store.Begin(ctx, tenant, actor, key, ask, at)
	if err == nil && done != nil {
		err = fmt.Errorf("key %q of %q has an answer: %+v", key, actor, *done)
	}
	if err != nil {
		return err
	}
	return e.store.Finish(ctx, tenant, actor, key, 202, map[string]string{"Location": "/requests/1"}, []byte(key))
}

// many stores n answers of sam, a microsecond apart, in one transaction.
func (e *storeEnv) many(n int) {
	e.Helper()
	e.in(func(ctx context.Context) error {
		for i := range n {
			if err := e.finishIn(ctx, e.tenant, "sam", fmt.Sprintf("k%04d", i), noon.Add(time.Duration(i)*time.Microsecond)); err != nil {
				return err
			}
		}
		return nil
	})
}

// repeat asks for the answer under a key, and leaves the key as it was.
func (e *storeEnv) repeat(tenant, actor, key string, fingerprint [32]byte) (done *idempotency.Record, failed error) {
	e.Helper()
	err := e.b.InTx(e.ctx, func(ctx context.Context) error {
		done, failed = e.store.Begin(ctx, tenant, actor, key, fingerprint, noon.Add(time.Hour))
		return errUndo
	})
	if !errors.Is(err, errUndo) {
		e.Fatalf("the transaction answered %v", err)
	}
	return done, failed
}

// answer reads the answer that sam's key must have.
func (e *storeEnv) answer(key string) idempotency.Record {
	e.Helper()
	return e.answerOf(e.tenant, "sam", key)
}

func (e *storeEnv) answerOf(tenant, actor, key string) idempotency.Record {
	e.Helper()
	done, err := e.repeat(tenant, actor, key, ask)
	if err != nil || done == nil {
		e.Fatalf("key %q of %q has the answer %v, %v, want one", key, actor, done, err)
	}
	return *done
}

// free holds sam's key to be claimed by nobody.
func (e *storeEnv) free(key string) {
	e.Helper()
	if done, err := e.repeat(e.tenant, "sam", key, ask); done != nil || err != nil {
		e.Errorf("key %q has the answer %v, %v, want it to be free", key, done, err)
	}
}

// list reads the whole list of a tenant in pages.
func (e *storeEnv) list(tenant string, limit int) []idempotency.Record {
	e.Helper()
	var all []idempotency.Record
	for after := storage.Cursor(""); ; {
		page, err := e.store.List(e.ctx, tenant, after, limit)
		e.must(err, "list")
		all = append(all, page.Items...)
		if page.Next == "" {
			return all
		}
		if after = page.Next; len(page.Items) == 0 || len(all) > 10_000 {
			e.Fatalf("the list goes on for ever")
		}
	}
}

// listed returns the actors and keys of a list.
func listed(records []idempotency.Record) []string {
	out := []string{}
	for _, r := range records {
		out = append(out, r.Actor+"/"+r.Key)
	}
	return out
}

// unfit are identifiers that are refused, by what is wrong with them.
func unfit() map[string]string {
	return map[string]string{
		"empty":     "",
		"too long":  string(slices.Repeat([]byte("k"), storage.MaxID+1)),
		"a NUL":     "k\x00",
		"not UTF-8": "k\xff",
	}
}

// refusesUnfit holds a method to refuse unfit tenants, actors and keys by their field.
func (e *storeEnv) refusesUnfit(method func(ctx context.Context, tenant, actor, key string) error) {
	e.Helper()
	for what, bad := range unfit() {
		for field, args := range map[string][3]string{
			"/tenant": {bad, "sam", "k"}, "/actor": {e.tenant, bad, "k"}, "/key": {e.tenant, "sam", bad},
		} {
			e.undone(func(ctx context.Context) error {
				if !e.refused(method(ctx, args[0], args[1], args[2]), field) {
					e.Logf("%s is %s", field, what)
				}
				return nil
			})
		}
	}
}

// refused holds an error to be storage.ErrInvalid for a field, and reports whether it is.
func (e *storeEnv) refused(err error, field string) bool {
	e.Helper()
	invalid, ok := errors.AsType[*storage.InvalidError](err)
	if !ok || len(invalid.Fields) != 1 || invalid.Fields[0].Pointer != field {
		e.Errorf("got %v, want storage.ErrInvalid for %s", err, field)
		return false
	}
	return true
}
