package storagetest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// A Backend is the least that can be tested: it runs transactions and can be closed.
// Which stores and which further powers it has is found by type assertion; see the
// package documentation.
type Backend interface {
	storage.Transactor
	// Close waits for what runs and releases the store.
	Close(ctx context.Context) error
}

// Options says how to get at the backend under test.
type Options struct {
	// New returns an empty backend that is ready for use. The test that asks for one
	// leaves closing it to New (t.Cleanup); closing twice must do no harm. Required.
	New func(t *testing.T) Backend

	// ReadersWait says that whoever reads outside of transactions waits for the one
	// that runs, as SQLite without a file does. A read with a detached ctx inside a
	// transaction would wait for itself there.
	ReadersWait bool

	// Host, where not nil, begins a transaction of the host's own in the database of b
	// and returns it joined: host transactions are tested.
	Host func(t *testing.T, ctx context.Context, b Backend) Host

	// Shared, where not nil, makes an empty place and returns a function that opens a
	// backend on it, again and again, as processes that start at once do: concurrent
	// start and durability are tested.
	Shared func(t *testing.T) func(ctx context.Context) (Backend, error)
}

// A Host is a transaction that a host began by its own means and that a backend has
// joined.
type Host struct {
	// Context carries the joined transaction.
	Context context.Context
	// Commit and Rollback end the transaction by the host's own means.
	Commit, Rollback func() error
}

// Run tests a backend: first what holds of all stores, then each store that it has by the
// suite of its domain. Every rule is a subtest named by its id; when one fails, what the
// rule is for is printed with it. Rules for what the backend lacks are named in the log
// and left out.
func Run(t *testing.T, options Options) {
	t.Helper()
	if options.New == nil {
		t.Fatal("storagetest: Options.New is required")
	}
	b := runRules(t, options, rules())
	for _, s := range suites() {
		if run := s.of(b); run != nil {
			t.Run(s.name, run)
		} else {
			t.Logf("the rules of %s do not apply: the backend has no such store", s.name)
		}
	}
}

// runRules tests rules that hold of all stores and returns the backend that was tested.
func runRules(t *testing.T, options Options, rules []rule) Backend {
	t.Helper()
	b := options.New(t)
	t.Logf("the backend has %s", strings.Join(capabilities(b, options), ", "))
	for _, r := range rules {
		// A partial backend is allowed: what it lacks is reported, not skipped, so
		// that a skip in a run always means something that should be there.
		if missing := r.missing(newEnv(t, b, options)); missing != "" {
			t.Logf("%s does not apply: the backend has no %s", r.id, missing)
			continue
		}
		t.Run(r.id+" "+r.name, func(t *testing.T) { r.check(newEnv(t, b, options)) })
	}
	return b
}

func newEnv(t *testing.T, b Backend, options Options) *env {
	e := &env{TB: t, b: b, probes: probes(b), readersWait: options.ReadersWait}
	e.fresh = func() Backend { return options.New(t) }
	if options.Host != nil {
		e.host = func(ctx context.Context) Host { return options.Host(t, ctx, b) }
	}
	if options.Shared != nil {
		e.shared = func() func(context.Context) (Backend, error) { return options.Shared(t) }
	}
	return e
}

// capabilities names what the suite found, in words for the log.
func capabilities(b Backend, options Options) []string {
	has := []string{"transactions"}
	for _, p := range probes(b) {
		has = append(has, p.name)
	}
	for _, c := range []struct {
		name string
		ok   bool
	}{
		{"host transactions", options.Host != nil},
		{"shared places", options.Shared != nil},
		{"tenants that can leave", is[leaver](b)},
		{"migrations", is[migrator](b)},
		{"readers that wait for the writer", options.ReadersWait},
	} {
		if c.ok {
			has = append(has, c.name)
		}
	}
	return has
}

func is[T any](b Backend) bool {
	_, ok := b.(T)
	return ok
}

// patience is how long a rule may take. A backend that forgets to give its writer
// back would hang the run otherwise.
const patience = 2 * time.Minute

// An env is what a rule gets to work with.
type env struct {
	testing.TB
	b      Backend
	fresh  func() Backend
	host   func(ctx context.Context) Host
	shared func() func(ctx context.Context) (Backend, error)
	probes []probe

	readersWait bool

	ctx context.Context
}

// tenant returns a tenant that no other rule uses: all rules share a backend.
func (e *env) tenant() string { return "tenant-" + storage.NewID() }

// A rule is one thing a backend has to keep.
type rule struct {
	id, name, explanation string
	// needs is what the backend must have; see missing.
	needs need
	run   func(e *env)
}

// A need is something that a partial backend may lack.
type need int

const (
	aStore     need = iota // any store at all
	aReader                // a store that reads outside of transactions
	aList                  // a store with a list
	aRevision              // a store with revisions
	aHost                  // Options.Host
	aPlace                 // Options.Shared
	aLeaver                // Tenants
	migrations             // Migrate and Pending
)

// missing names what the backend lacks for the rule, empty where it lacks nothing.
func (r rule) missing(e *env) string {
	some := func(has func(p probe) bool) bool {
		for _, p := range e.probes {
			if has(p) {
				return true
			}
		}
		return false
	}
	switch {
	case !some(func(probe) bool { return true }):
		return "store"
	case r.needs == aReader && !some(func(p probe) bool { return p.reads }):
		return "store that reads outside of transactions"
	case r.needs == aList && !some(func(p probe) bool { return p.list != nil }):
		return "store with a list"
	case r.needs == aRevision && !some(func(p probe) bool { return p.bump != nil }):
		return "store with revisions"
	case r.needs == aHost && e.host == nil:
		return "host transactions"
	case r.needs == aPlace && e.shared == nil:
		return "shared place"
	case r.needs == aLeaver && !is[leaver](e.b):
		return "store that lets tenants leave"
	case r.needs == migrations && !is[migrator](e.b):
		return "migrations"
	}
	return ""
}

// check runs the rule and explains it where it fails.
func (r rule) check(e *env) {
	e.Helper()
	r.about().Check(e.TB, patience, func(ctx context.Context) {
		e.ctx = ctx
		r.run(e)
	})
}

func (r rule) about() ruletest.Rule {
	return ruletest.Rule{ID: r.id, Name: r.name, Explanation: r.explanation}
}

// Rules returns the rules of [Run]: those of all stores by subject, and then those of the
// domains.
func Rules() []ruletest.Rule {
	var all []ruletest.Rule
	for _, r := range rules() {
		all = append(all, r.about())
	}
	for _, s := range suites() {
		all = append(all, s.rules...)
	}
	return all
}

// rules returns the rules of all stores, by subject.
func rules() []rule {
	return slices.Concat(transactionRules, hostRules, tenantRules, identifierRules, pageRules, revisionRules, exportRules, deletionRules, migrationRules)
}
