package approvalstest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// An animal is a store that is broken in one way. The methods that are set stand in
// front of those of a store that is right.
type animal struct {
	storage.Transactor
	approvals.Store
	save    func(ctx context.Context, tenant string, w approvals.Write) error
	get     func(ctx context.Context, tenant, id string) (approvals.Request, error)
	lock    func(ctx context.Context, tenant, id string) (approvals.Request, error)
	open    func(ctx context.Context, tenant, key string) (approvals.Request, error)
	history func(ctx context.Context, tenant, id string) (approvals.History, error)
	list    func(ctx context.Context, tenant string, q approvals.StoreQuery) ([]approvals.Request, error)
	counts  func(ctx context.Context, tenant string) (map[approvals.Tab]int, error)
	trace   func(ctx context.Context, tenant, traceID string) ([]approvals.TracedStep, error)
	consume func(ctx context.Context, tenant string, g approvals.Grant, at time.Time) error

	// mu guards what an animal remembers, and late: what it does once a transaction or a
	// savepoint has ended, however that was.
	mu   sync.Mutex
	late []func(ctx context.Context) error
	// inside counts the calls that are crowded.
	inside atomic.Int32
}

// Approvals implements StoreUnderTest.
func (a *animal) Approvals() approvals.Store { return a }

func (a *animal) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	err := a.Transactor.InTx(ctx, fn)
	var late []func(ctx context.Context) error
	a.remember(func() { late, a.late = a.late, nil })
	for _, write := range late {
		err = errors.Join(err, write(ctx))
	}
	return err
}

// remember runs fn, which reads or writes what an animal remembers, alone.
func (a *animal) remember(fn func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fn()
}

// afterwards has a write done once the transaction or savepoint of ctx has ended.
func (a *animal) afterwards(write func(ctx context.Context) error) {
	a.remember(func() { a.late = append(a.late, write) })
}

func (a *animal) Save(ctx context.Context, tenant string, w approvals.Write) error {
	if a.save != nil {
		return a.save(ctx, tenant, w)
	}
	return a.Store.Save(ctx, tenant, w)
}

func (a *animal) Get(ctx context.Context, tenant, id string) (approvals.Request, error) {
	if a.get != nil {
		return a.get(ctx, tenant, id)
	}
	return a.Store.Get(ctx, tenant, id)
}

func (a *animal) Lock(ctx context.Context, tenant, id string) (approvals.Request, error) {
	if a.lock != nil {
		return a.lock(ctx, tenant, id)
	}
	return a.Store.Lock(ctx, tenant, id)
}

func (a *animal) Open(ctx context.Context, tenant, key string) (approvals.Request, error) {
	if a.open != nil {
		return a.open(ctx, tenant, key)
	}
	return a.Store.Open(ctx, tenant, key)
}

func (a *animal) History(ctx context.Context, tenant, id string) (approvals.History, error) {
	if a.history != nil {
		return a.history(ctx, tenant, id)
	}
	return a.Store.History(ctx, tenant, id)
}

func (a *animal) List(ctx context.Context, tenant string, q approvals.StoreQuery) ([]approvals.Request, error) {
	if a.list != nil {
		return a.list(ctx, tenant, q)
	}
	return a.Store.List(ctx, tenant, q)
}

func (a *animal) Counts(ctx context.Context, tenant string) (map[approvals.Tab]int, error) {
	if a.counts != nil {
		return a.counts(ctx, tenant)
	}
	return a.Store.Counts(ctx, tenant)
}

func (a *animal) Trace(ctx context.Context, tenant, traceID string) ([]approvals.TracedStep, error) {
	if a.trace != nil {
		return a.trace(ctx, tenant, traceID)
	}
	return a.Store.Trace(ctx, tenant, traceID)
}

func (a *animal) Consume(ctx context.Context, tenant string, g approvals.Grant, at time.Time) error {
	if a.consume != nil {
		return a.consume(ctx, tenant, g, at)
	}
	return a.Store.Consume(ctx, tenant, g, at)
}

// notes are what an animal remembers. Rules call stores from many goroutines.
type notes[K comparable, V any] struct {
	mu  sync.Mutex
	all map[K]V
}

func (n *notes[K, V]) get(k K) (V, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	v, ok := n.all[k]
	return v, ok
}

func (n *notes[K, V]) set(k K, v V) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.all == nil {
		n.all = map[K]V{}
	}
	n.all[k] = v
}

// first reports whether k is new, and notes it.
func (n *notes[K, V]) first(k K) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.all[k]; ok {
		return false
	}
	if n.all == nil {
		n.all = map[K]V{}
	}
	var v V
	n.all[k] = v
	return true
}

// onRead has a store answer requests that change makes wrong, however they are read.
func onRead(a *animal, change func(r *approvals.Request)) {
	s := a.Store
	a.get = func(ctx context.Context, tenant, id string) (approvals.Request, error) {
		r, err := s.Get(ctx, tenant, id)
		a.remember(func() { change(&r) })
		return r, err
	}
	a.lock = func(ctx context.Context, tenant, id string) (approvals.Request, error) {
		r, err := s.Lock(ctx, tenant, id)
		a.remember(func() { change(&r) })
		return r, err
	}
}

// onSave has a store write something else than it was given.
func onSave(a *animal, change func(w *approvals.Write)) {
	s := a.Store
	a.save = func(ctx context.Context, tenant string, w approvals.Write) error {
		a.remember(func() { change(&w) })
		return s.Save(ctx, tenant, w)
	}
}

// A beast is an entry of a zoo.
type beast struct {
	name, rule string
	spoil      func(a *animal)
}

// The zoo: stores that are broken on purpose, each in one way that somebody would
// break a real one. Each names the rule that must find it.
var zoo = []beast{
	{"keeps seconds only", "CR-001", func(a *animal) {
		onRead(a, func(r *approvals.Request) { r.SubmittedAt = r.SubmittedAt.Truncate(time.Second) })
	}},
	{"writes JSON anew", "CR-001", func(a *animal) {
		onRead(a, func(r *approvals.Request) { r.Payload = []byte(strings.ReplaceAll(string(r.Payload), " ", "")) })
	}},
	{"forgets how the requester proved who they are", "CR-001", func(a *animal) {
		onRead(a, func(r *approvals.Request) { r.Requester.Authn = nil })
	}},
	{"answers null where there is nothing", "CR-001", func(a *animal) {
		onRead(a, func(r *approvals.Request) {
			if r.Before == nil {
				r.Before = []byte("null")
			}
		})
	}},
	{"does not update what an update changed to nothing", "CR-001", func(a *animal) {
		var kept *approvals.Failure
		onSave(a, func(w *approvals.Write) {
			if w.Request.Failure == nil {
				w.Request.Failure = kept
			}
			kept = w.Request.Failure
		})
	}},
	{"forgets the conditions of stages", "CR-001", func(a *animal) {
		onRead(a, func(r *approvals.Request) {
			for i := range r.Policy.Stages {
				r.Policy.Stages[i].When = nil
			}
		})
	}},
	{"forgets why a stage is skipped", "CR-001", func(a *animal) {
		onRead(a, func(r *approvals.Request) {
			for i := range r.Stages {
				r.Stages[i].Reason = audit.Reason{}
			}
		})
	}},
	{"finds requests of tenants that are named alike", "CR-002", func(a *animal) {
		a.get = func(ctx context.Context, tenant, id string) (approvals.Request, error) {
			return a.Store.Get(ctx, strings.TrimSuffix(tenant, "-other"), id)
		}
	}},
	{"finds requests of other tenants by trace", "CR-002", func(a *animal) {
		s := a.Store
		tenants := tenantsSeen(a)
		a.trace = func(ctx context.Context, _, traceID string) (all []approvals.TracedStep, err error) {
			for _, t := range tenants() {
				steps, err := s.Trace(ctx, t, traceID)
				if err != nil {
					return nil, err
				}
				all = append(all, steps...)
			}
			return all, nil
		}
	}},
	{"writes past the transaction", "CR-003", func(a *animal) {
		// Nothing is rolled back in a map of its own.
		var kept notes[string, approvals.Request]
		a.save = func(ctx context.Context, tenant string, w approvals.Write) error {
			kept.set(tenant+w.Request.ID, w.Request)
			return a.Store.Save(ctx, tenant, w)
		}
		a.get = func(_ context.Context, tenant, id string) (approvals.Request, error) {
			if r, ok := kept.get(tenant + id); ok {
				return r, nil
			}
			return approvals.Request{}, storage.ErrNotFound
		}
	}},
	{"replaces whatever version is there", "CR-004", func(a *animal) { a.save = regardless(a.Store) }},
	{"replaces what has the id", "CR-005", func(a *animal) {
		s := a.Store
		a.save = func(ctx context.Context, tenant string, w approvals.Write) error {
			if r, err := s.Get(ctx, tenant, w.Request.ID); err == nil && w.Request.Version == 1 {
				w.Request.Version, w.Step.Seq, w.Revision = r.Version+1, r.Version+1, nil
			}
			return s.Save(ctx, tenant, w)
		}
	}},
	{"opens the same twice", "CR-006", func(a *animal) {
		n := 0
		onSave(a, func(w *approvals.Write) {
			n++
			w.Request.DedupeKey += fmt.Sprint(" ", n)
		})
	}},
	{"lets a revision ask what another request asks", "CR-006", func(a *animal) {
		n := 0
		onSave(a, func(w *approvals.Write) {
			if w.Request.Version > 1 {
				n++
				w.Request.DedupeKey = fmt.Sprint(n)
			}
		})
	}},
	{"keeps the key of a draft", "CR-007", func(a *animal) {
		var seen notes[string, bool]
		a.save = func(ctx context.Context, tenant string, w approvals.Write) error {
			if _, ok := seen.get(w.Request.DedupeKey); ok && w.Request.Version == 1 {
				return storage.ErrConflict
			}
			seen.set(w.Request.DedupeKey, true)
			return a.Store.Save(ctx, tenant, w)
		}
	}},
	{"hands out what it keeps", "CR-008", func(a *animal) {
		var kept notes[string, approvals.Request]
		a.get = func(ctx context.Context, tenant, id string) (approvals.Request, error) {
			if r, ok := kept.get(id); ok {
				return r, nil
			}
			r, err := a.Store.Get(ctx, tenant, id)
			kept.set(id, r)
			return r, err
		}
	}},
	{"locks for the length of a call", "CR-009", func(a *animal) { a.lock = a.Store.Get }},
	{"orders decisions by id", "CR-010", func(a *animal) {
		onHistory(a, func(h *approvals.History) {
			slices.SortFunc(h.Decisions, func(a, b approvals.Decision) int { return strings.Compare(a.ID, b.ID) })
		})
	}},
	{"orders steps as text", "CR-010", func(a *animal) {
		onHistory(a, func(h *approvals.History) {
			slices.SortFunc(h.Steps, func(a, b approvals.Step) int { return strings.Compare(fmt.Sprint(a.Seq), fmt.Sprint(b.Seq)) })
		})
	}},
	{"drops the revisions before the last", "CR-010", func(a *animal) {
		onHistory(a, func(h *approvals.History) { h.Revisions = h.Revisions[max(0, len(h.Revisions)-1):] })
	}},
	{"goes on behind the time of the last request", "CR-011", func(a *animal) {
		s := a.Store
		a.list = func(ctx context.Context, tenant string, q approvals.StoreQuery) ([]approvals.Request, error) {
			if q.After != nil && q.Tab == approvals.TabPending {
				q.After = &approvals.Position{CreatedAt: q.After.CreatedAt.Add(time.Microsecond)}
			}
			return s.List(ctx, tenant, q)
		}
	}},
	{"shows the oldest first everywhere", "CR-011", func(a *animal) {
		s := a.Store
		a.list = func(ctx context.Context, tenant string, q approvals.StoreQuery) ([]approvals.Request, error) {
			rs, err := s.List(ctx, tenant, q)
			if q.Tab == approvals.TabDone {
				slices.Reverse(rs)
			}
			return rs, err
		}
	}},
	{"repeats the request that a page ended with", "CR-011", func(a *animal) {
		s := a.Store
		a.list = func(ctx context.Context, tenant string, q approvals.StoreQuery) ([]approvals.Request, error) {
			if q.After != nil && q.Tab == approvals.TabPending {
				q.After = &approvals.Position{CreatedAt: q.After.CreatedAt, ID: q.After.ID[:len(q.After.ID)-1]}
			}
			return s.List(ctx, tenant, q)
		}
	}},
	{"counts drafts", "CR-012", func(a *animal) {
		s := a.Store
		a.counts = func(ctx context.Context, tenant string) (map[approvals.Tab]int, error) {
			counts, err := s.Counts(ctx, tenant)
			counts[approvals.TabPending]++
			return counts, err
		}
	}},
	{"counts where a request was, not where it is", "CR-012", func(a *animal) {
		born := map[approvals.Tab]int{}
		onSave(a, func(w *approvals.Write) {
			if w.Request.Version == 1 {
				born[w.Request.State.Tab()]++
			}
		})
		a.counts = func(context.Context, string) (counts map[approvals.Tab]int, _ error) {
			a.remember(func() { counts = maps.Clone(born) })
			return counts, nil
		}
	}},
	{"forgets links", "CR-013", func(a *animal) { onSave(a, func(w *approvals.Write) { w.Step.LinkID = "" }) }},
	{"finds all steps that have no link", "CR-013", func(a *animal) {
		s := a.Store
		a.trace = func(ctx context.Context, tenant, traceID string) ([]approvals.TracedStep, error) {
			if traceID == "" {
				traceID = strings.Repeat("4d", 16)
			}
			return s.Trace(ctx, tenant, traceID)
		}
	}},
	{"lets a grant be used again", "CR-014", func(a *animal) {
		s := a.Store
		a.consume = func(ctx context.Context, tenant string, g approvals.Grant, at time.Time) error {
			if _, err := s.Get(ctx, tenant, g.RequestID); err != nil {
				return storage.ErrConflict
			}
			return nil
		}
	}},
	{"does not look at what was granted", "CR-015", func(a *animal) {
		var granted notes[string, approvals.Grant]
		a.save = func(ctx context.Context, tenant string, w approvals.Write) error {
			if w.Grant != nil {
				granted.set(tenant, *w.Grant)
			}
			return a.Store.Save(ctx, tenant, w)
		}
		a.consume = func(ctx context.Context, tenant string, _ approvals.Grant, at time.Time) error {
			g, _ := granted.get(tenant)
			return a.Store.Consume(ctx, tenant, g, at)
		}
	}},
	{"remembers used grants past the transaction", "CR-016", func(a *animal) {
		var used notes[approvals.Grant, bool]
		a.consume = func(ctx context.Context, tenant string, g approvals.Grant, at time.Time) error {
			g.At = time.Time{}
			if used.first(g) {
				return a.Store.Consume(ctx, tenant, g, at)
			}
			return storage.ErrConflict
		}
	}},
	{"forgets the authors", "CR-020", func(a *animal) { onRead(a, func(r *approvals.Request) { r.Authors = nil }) }},
	{"forgets the editors", "CR-020", func(a *animal) {
		onRead(a, func(r *approvals.Request) { r.Authors = r.Authors[:min(1, len(r.Authors))] })
	}},
	{"forgets who voted", "CR-021", func(a *animal) {
		onHistory(a, func(h *approvals.History) {
			for i := range h.Decisions {
				h.Decisions[i].Actor = audit.Actor{Type: audit.User, ID: fmt.Sprint("somebody ", i)}
			}
		})
	}},
	{"keeps votes after an edit", "CR-022", func(a *animal) {
		onHistory(a, func(h *approvals.History) {
			for i := range h.Decisions {
				h.Decisions[i].Revision = len(h.Revisions)
			}
		})
	}},
	{"does not count revisions", "CR-022", func(a *animal) {
		onRead(a, func(r *approvals.Request) { r.Revision = 1 })
	}},
	{"loses votes that come too close", "CR-023", func(a *animal) {
		// Everybody reads before anybody writes, and every write goes through.
		a.lock, a.save = a.Store.Get, regardless(a.Store)
		s := a.Store
		first := map[string]approvals.History{}
		var mu sync.Mutex
		a.history = func(ctx context.Context, tenant, id string) (approvals.History, error) {
			mu.Lock()
			defer mu.Unlock()
			if _, ok := first[id]; !ok {
				h, err := s.History(ctx, tenant, id)
				if err != nil {
					return h, err
				}
				first[id] = h
			}
			return first[id], nil
		}
	}},
	{"lets both win", "CR-024", func(a *animal) {
		first := map[string]approvals.Request{}
		var mu sync.Mutex
		s := a.Store
		a.save = regardless(s)
		a.lock = func(ctx context.Context, tenant, id string) (approvals.Request, error) {
			mu.Lock()
			defer mu.Unlock()
			if r, ok := first[id]; ok {
				return r, nil
			}
			r, err := s.Lock(ctx, tenant, id)
			first[id] = r
			return r, err
		}
	}},
	{"applies twice", "CR-025", func(a *animal) {
		// Nothing says that it happened: not the grant, not the state.
		s := a.Store
		a.save = regardless(s)
		a.consume = func(context.Context, string, approvals.Grant, time.Time) error { return nil }
		a.get = func(ctx context.Context, tenant, id string) (approvals.Request, error) {
			return unapplied(s.Get(ctx, tenant, id))
		}
		a.lock = func(ctx context.Context, tenant, id string) (approvals.Request, error) {
			return unapplied(s.Lock(ctx, tenant, id))
		}
	}},
	{"forgets the timeout", "CR-026", func(a *animal) {
		onRead(a, func(r *approvals.Request) { r.TimeoutAt = r.TimeoutAt.AddDate(1, 0, 0) })
	}},
	{"takes the grant although the change failed", "CR-027", func(a *animal) {
		var used notes[string, bool]
		a.consume = func(ctx context.Context, tenant string, g approvals.Grant, at time.Time) error {
			if used.first(g.RequestID) {
				return a.Store.Consume(ctx, tenant, g, at)
			}
			return storage.ErrConflict
		}
	}},
	{"forgets what the change was made for", "CR-028", func(a *animal) {
		s := a.Store
		current := func(r approvals.Request, err error) (approvals.Request, error) {
			if r.State == approvals.StateApplying {
				r.BaseRevision = "2"
				r.ContentHash, _ = approvals.Hash(audit.Event{
					Tenant: r.Tenant, Action: r.Action, Resource: r.Resource, Payload: r.Payload, BaseRevision: "2",
				})
			}
			return r, err
		}
		a.lock = func(ctx context.Context, tenant, id string) (approvals.Request, error) {
			return current(s.Lock(ctx, tenant, id))
		}
		a.consume = func(context.Context, string, approvals.Grant, time.Time) error { return nil }
	}},
	{"forgets that a stage is skipped", "CR-029", func(a *animal) { skipping(a, 1, approvals.StagePending) }},
	{"keeps skipping what was skipped before an edit", "CR-029", func(a *animal) { skipping(a, 2, approvals.StageSkipped) }},
	{"hands out the policy without the conditions of its stages", "CR-029", func(a *animal) {
		onRead(a, func(r *approvals.Request) {
			for i := range r.Policy.Stages {
				r.Policy.Stages[i].When = nil
			}
		})
	}},
	{"hands out the stages of the first revision", "CR-029", func(a *animal) {
		var first []approvals.Stage
		onRead(a, func(r *approvals.Request) {
			if r.Revision == 1 {
				first = slices.Clone(r.Stages)
			} else if first != nil {
				r.Stages = slices.Clone(first)
			}
		})
	}},
}

// skipping shows the second stage with a status wherever it waits or is skipped.
func skipping(a *animal, revision int, status approvals.StageStatus) {
	onRead(a, func(r *approvals.Request) {
		if len(r.Stages) == 2 && r.Revision >= revision && (r.Stages[1].Status == approvals.StagePending || r.Stages[1].Status == approvals.StageSkipped) {
			r.Stages[1].Status = status
		}
	})
}

// unapplied shows an applied request as approved.
func unapplied(r approvals.Request, err error) (approvals.Request, error) {
	if r.State == approvals.StateApplied {
		r.State = approvals.StateApproved
	}
	return r, err
}

// regardless saves over whatever version is there.
func regardless(s approvals.Store) func(context.Context, string, approvals.Write) error {
	return func(ctx context.Context, tenant string, w approvals.Write) error {
		if r, err := s.Get(ctx, tenant, w.Request.ID); err == nil {
			w.Request.Version, w.Step.Seq = r.Version+1, r.Version+1
		}
		return s.Save(ctx, tenant, w)
	}
}

func onHistory(a *animal, change func(h *approvals.History)) {
	s := a.Store
	a.history = func(ctx context.Context, tenant, id string) (approvals.History, error) {
		h, err := s.History(ctx, tenant, id)
		a.remember(func() { change(&h) })
		return h, err
	}
}

// tenantsSeen returns the tenants that were saved for.
func tenantsSeen(a *animal) func() []string {
	var seen []string
	a.save = func(ctx context.Context, tenant string, w approvals.Write) error {
		a.remember(func() {
			if !slices.Contains(seen, tenant) {
				seen = append(seen, tenant)
			}
		})
		return a.Store.Save(ctx, tenant, w)
	}
	return func() (all []string) {
		a.remember(func() { all = slices.Clone(seen) })
		return all
	}
}

func TestEachBrokenStoreIsCaughtByItsRule(t *testing.T) {
	var mutants []ruletest.StoreMutant[StoreUnderTest]
	for _, beast := range slices.Concat(zoo, writeZoo, readZoo, listZoo) {
		mutants = append(mutants, ruletest.StoreMutant[StoreUnderTest]{Rule: beast.rule, Name: beast.name, Make: func(t testing.TB) StoreUnderTest {
			c := caged(t)
			beast.spoil(c)
			return c
		}})
	}
	ruletest.ProveStore(t, storeRules(), func(t testing.TB) StoreUnderTest { return caged(t) }, mutants, nil)
}

func caged(t testing.TB) *animal {
	b, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return &animal{Transactor: b, Store: b.Approvals()}
}

func TestEveryRuleOfAuthorsHasAnAnimal(t *testing.T) {
	t.Parallel()
	proven := map[string]bool{}
	for _, b := range applierZoo {
		proven[b.rule] = true
	}
	for _, b := range approverZoo {
		proven[b.rule] = true
	}
	for _, r := range Rules()[len(StoreRules()):] {
		if !proven[r.ID] {
			t.Errorf("nothing shows that %s finds anything", r.ID)
		}
		if r.Explanation == "" {
			t.Errorf("%s does not say what it is for", r.ID)
		}
	}
}

// caught reports whether a rule fails.
func caught(t *testing.T, run func(t testing.TB)) bool {
	t.Helper()
	failures := ruletest.Try(t.Context(), run)
	t.Log(strings.Join(failures, "\n"))
	return len(failures) > 0
}
