package ruletest

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// A StoreRule is a rule of stores as a suite keeps it. B is a backend that has the store.
type StoreRule[B any] interface {
	// About says what the rule is.
	About() Rule
	// Check runs the rule over a backend, and explains it where it fails.
	Check(t testing.TB, b B)
}

// RunStore runs rules of stores, each as a subtest named by its id. newStore returns a
// migrated backend. It is called once: the rules share what it returns and have a tenant of
// their own each. The test that asks leaves closing it to newStore.
func RunStore[B any, R StoreRule[B]](t *testing.T, rules []R, newStore func(t *testing.T) B) {
	t.Helper()
	if newStore == nil {
		t.Fatal("a function that returns the store is required")
	}
	b := newStore(t)
	for _, r := range rules {
		t.Run(r.About().String(), func(t *testing.T) { r.Check(t, b) })
	}
}

// About returns what rules are, in their order.
func About[R interface{ About() Rule }](rules []R) []Rule {
	all := make([]Rule, len(rules))
	for i, r := range rules {
		all[i] = r.About()
	}
	return all
}

// StorePatience is how long a rule of a store may take. A store that waits for itself would
// hang the run otherwise.
const StorePatience = time.Minute

// Writers is how many goroutines [Together] starts.
const Writers = 8

// errUndo ends transactions that are to leave nothing.
var errUndo = errors.New("ruletest: undo")

// A StoreEnv is what a rule of a store gets to work with. Suites embed it in an env that
// knows the records of their domain.
type StoreEnv[S any] struct {
	testing.TB
	// Ctx ends with the rule, and carries a transaction inside of one.
	Ctx context.Context
	// Backend runs transactions.
	Backend storage.Transactor
	Store   S
	// Tenant is one that no other rule uses.
	Tenant string
}

// NewStoreEnv returns the env of one rule, with a tenant that no other has.
func NewStoreEnv[S any](t testing.TB, ctx context.Context, b storage.Transactor, store S) StoreEnv[S] {
	return StoreEnv[S]{TB: t, Ctx: ctx, Backend: b, Store: store, Tenant: "tenant-" + storage.NewID()}
}

// Must ends the rule with an error that should not be.
func (e *StoreEnv[S]) Must(err error, what string) {
	e.Helper()
	if err != nil {
		e.Fatalf("%s: %v", what, err)
	}
}

// WantErr fails the rule unless err is want.
func (e *StoreEnv[S]) WantErr(err, want error, what string) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Errorf("%s: got %v, want %v", what, err, want)
	}
}

// Same fails the rule unless got and want are equal to the last byte.
func (e *StoreEnv[S]) Same(got, want any, what string) {
	e.Helper()
	if !reflect.DeepEqual(got, want) {
		e.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// Tx runs fn in a transaction, or a savepoint, that has to be kept.
func (e *StoreEnv[S]) Tx(fn func(ctx context.Context) error) {
	e.Helper()
	e.Must(e.Backend.InTx(e.Ctx, fn), "the transaction")
}

// Undone runs fn in a transaction, or a savepoint, that is rolled back.
func (e *StoreEnv[S]) Undone(fn func(ctx context.Context) error) {
	e.Helper()
	err := e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
		if err := fn(ctx); err != nil {
			return err
		}
		return errUndo
	})
	if !errors.Is(err, errUndo) {
		e.Fatalf("the transaction to be rolled back: got %v", err)
	}
}

// OneOf fails the rule unless one of the errors is nil and the others are
// storage.ErrConflict.
func (e *StoreEnv[S]) OneOf(errs []error, what string) {
	e.Helper()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, storage.ErrConflict):
			e.Errorf("%s: got %v, want ErrConflict", what, err)
		}
	}
	if won != 1 {
		e.Errorf("%s: %d succeeded, want 1", what, won)
	}
}

// Refuses holds calls to answer an error that belongs to ctx, by their names.
func (e *StoreEnv[S]) Refuses(ctx context.Context, want error, calls map[string]func(ctx context.Context) error) {
	e.Helper()
	for name, call := range calls {
		e.WantErr(call(ctx), want, name)
	}
}

// Ended returns a ctx whose transaction has ended.
func (e *StoreEnv[S]) Ended() (ended context.Context) {
	e.Helper()
	e.Undone(func(ctx context.Context) error {
		ended = ctx
		return nil
	})
	return ended
}

// Foreign returns a ctx that carries a transaction of no backend that is tested.
func (e *StoreEnv[S]) Foreign() context.Context { return storage.WithTx(e.Ctx, foreignTx{}) }

type foreignTx struct{}

var _ storage.Tx = foreignTx{}

func (foreignTx) Owner() any              { return foreignTx{} }
func (foreignTx) AfterCommit(func()) bool { return false }

// Together calls fn from [Writers] goroutines that start at once, and returns their errors.
func Together(fn func(i int) error) []error {
	errs := make([]error, Writers)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			<-start
			errs[i] = fn(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// Spellings are texts that some database takes for each other, or changes.
func Spellings() []string {
	return []string{
		"a", "A", "a ", " a", "ä", "a\u0308", "Ä", "ß", "ss", "i", "İ", "%", "_", "'", `\`, "日本",
		"\U0010ffff", "\n", "\x01", "<&>", "\u2028", `"`, "null", "0", "00",
	}
}

// A StoreMutant is a store that is broken in one way.
type StoreMutant[B any] struct {
	// Rule is the id of the rule that has to find it.
	Rule string
	// Name says what it does, as the end of "a store that".
	Name string
	// Make returns a fresh one.
	Make func(t testing.TB) B
}

// ProveStore is [Prove] for rules of stores. Over what sound returns, which is broken in no
// way and kept as the mutants are, all rules have to hold: what they find is then the mutant
// and not what it is kept in.
func ProveStore[B any, R StoreRule[B]](t *testing.T, rules []R, sound func(t testing.TB) B, mutants []StoreMutant[B], unbroken map[string]string) {
	t.Helper()
	b := sound(t)
	byID := map[string]R{}
	for _, r := range rules {
		byID[r.About().ID] = r
		if failures := Try(t.Context(), func(t testing.TB) { r.Check(t, b) }); len(failures) > 0 {
			t.Errorf("a store that is sound breaks %s: %q", r.About(), failures)
		}
	}
	all := make([]Mutant, len(mutants))
	for i, m := range mutants {
		all[i] = Mutant{Rule: m.Rule, Name: "a store that " + m.Name, Check: func(t testing.TB, rule string) {
			byID[rule].Check(t, m.Make(t))
		}}
	}
	Prove(t, About(rules), all, unbroken)
}
