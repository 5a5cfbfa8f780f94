package approvals_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

const acme = "acme"

var (
	sam    = audit.Actor{Type: audit.User, ID: "sam", Name: "Sam"}
	marco  = audit.Actor{Type: audit.User, ID: "marco", Name: "Marco"}
	olivia = audit.Actor{Type: audit.User, ID: "olivia", Name: "Olivia"}
	maria  = audit.Actor{Type: audit.User, ID: "maria", Name: "Maria"}
	bob    = audit.Actor{Type: audit.User, ID: "bob", Name: "Bob"}
	nina   = audit.Actor{Type: audit.User, ID: "nina", Name: "Nina"}
)

// roles are those of the people of the tests, in the tenant acme.
var roles = map[string][]string{
	"sam": {"support"}, "marco": {"manager"}, "olivia": {"owner", "manager"}, "maria": {"manager"},
}

type refund struct {
	Amount int `json:"amount"`
}

// A kit is a host: one Service over a backend, with a refund that needs approval above
// 100, a clock that stands still and a queue that the test works by hand.
type kit struct {
	backend  eachtest.Backend
	service  *approvals.Service
	governor *audit.Governor
	catalog  *audit.Catalog
	refund   *approvals.Guard[refund]
	log      *memorySink
	queue    *handQueue

	mu       sync.Mutex
	clock    time.Time
	verdict  func(e audit.Event) audit.Verdict
	revision string
	gateErr  error
	fail     func(attempt int) error
	attempts int
	refunded []int // what was refunded in committed transactions
}

type options struct {
	config    approvals.Config
	directory approvals.Directory
	queue     approvals.Queue
	sinks     []audit.AuditSink
}

func newKit(t *testing.T, b eachtest.Backend, o options) *kit {
	t.Helper()
	k := &kit{
		backend: b, clock: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), revision: "1",
		log: &memorySink{backend: b}, queue: &handQueue{},
		verdict: func(e audit.Event) audit.Verdict {
			var r refund
			if json.Unmarshal(e.Payload, &r) != nil || r.Amount <= 100 {
				return audit.Verdict{Effect: audit.Allow}
			}
			return audit.Verdict{
				Effect: audit.NeedsApproval, Reason: audit.Reason{Code: "amount_above_limit"},
				Rules: []string{"refund-limit"}, PolicyVersion: "7", DecisionID: "decision-1",
				Obligations: audit.Obligations{Approval: &audit.ApprovalObligation{}},
			}
		},
	}
	var err error
	k.catalog, err = audit.NewCatalog(audit.CatalogConfig{Now: k.now}, append(approvals.Actions(),
		audit.Action{Name: "orders.refund"}, audit.Action{Name: "prices.change"}, audit.Action{Name: "payouts.send"})...)
	must(t, err)
	if o.directory == nil {
		o.directory = approvals.DirectoryFunc(func(_ context.Context, tenant string, a audit.Actor) ([]string, error) {
			if tenant != acme {
				return nil, nil
			}
			return roles[a.ID], nil
		})
	}
	if o.queue == nil {
		o.queue = k.queue
	}
	sink := audit.Tee(append([]audit.AuditSink{k.log}, o.sinks...)...)
	k.service, err = approvals.New(b, b.Approvals(), o.queue, o.directory, k.catalog, sink, o.config)
	must(t, err)
	inner := audit.GateFunc(func(_ context.Context, e audit.Event) (audit.Verdict, error) { return k.verdict(e), k.gateErr })
	k.governor, err = audit.NewGovernor(b, approvals.Gate(inner, k.service), sink, k.catalog)
	must(t, err)
	k.refund, err = approvals.NewGuard(k.governor, k.service, "orders.refund", k.apply, approvals.GuardConfig{Revision: k.revisionOf})
	must(t, err)
	return k
}

func (k *kit) now() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.clock
}

func (k *kit) advance(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.clock = k.clock.Add(d)
}

// apply is the host's own change: the amount is refunded when the transaction commits.
func (k *kit) apply(ctx context.Context, e *audit.Event, r refund) error {
	k.mu.Lock()
	k.attempts++
	attempt, fail := k.attempts, k.fail
	k.mu.Unlock()
	if fail != nil {
		if err := fail(attempt); err != nil {
			return err
		}
	}
	e.After = json.RawMessage(`{"refunded":` + strconv.Itoa(r.Amount) + `}`)
	return whenCommitted(ctx, k.backend, &k.mu, &k.refunded, r.Amount)
}

// whenCommitted appends values to a list, unless the transaction of ctx is rolled
// back. On memory it holds even where the outcome of the commit is reported unknown.
func whenCommitted[T any](ctx context.Context, b eachtest.Backend, mu *sync.Mutex, list *[]T, values ...T) error {
	add := func() {
		mu.Lock()
		defer mu.Unlock()
		*list = append(*list, values...)
	}
	m, ok := b.(*memory.Backend)
	if !ok {
		storage.AfterCommit(ctx, add)
		return nil
	}
	add()
	return m.OnRollback(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		*list = (*list)[:len(*list)-len(values)]
	})
}

func (k *kit) revisionOf(context.Context, string, audit.Resource) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.revision, nil
}

// order is the change that the tests ask for.
func order(amount int) approvals.Change[refund] {
	return approvals.Change[refund]{
		Tenant: acme, Resource: audit.Resource{Type: "order", ID: "order-1"}, Payload: refund{amount},
		BaseRevision: "1", Reason: "damaged",
	}
}

// ask has sam refund an amount that needs approval and returns the request.
func (k *kit) ask(t *testing.T, amount int) approvals.Request {
	t.Helper()
	_, err := k.refund.Do(as(t.Context(), sam), order(amount))
	var pending *approvals.PendingError
	if !errors.As(err, &pending) {
		t.Fatalf("asking for a refund of %d: got %v, want a PendingError", amount, err)
	}
	return k.get(t, pending.RequestID)
}

func (k *kit) get(t *testing.T, id string) approvals.Request {
	t.Helper()
	r, _, err := k.service.Get(t.Context(), acme, id)
	must(t, err)
	return r
}

// decide makes a decision on the revision that is current.
func (k *kit) decide(t *testing.T, who audit.Actor, id string, choice approvals.Trigger) (approvals.Request, error) {
	t.Helper()
	return k.service.Decide(as(t.Context(), who), acme, id, approvals.Choice{
		Decision: choice, Revision: k.get(t, id).Revision, Comment: "because",
	})
}

// work does every job that is due, and those that they make due, until none is left.
func (k *kit) work(t *testing.T) {
	t.Helper()
	for {
		job, ok := k.queue.due(k.now())
		if !ok {
			return
		}
		done := &settled{}
		if err := k.service.Work(t.Context(), job, done); err != nil {
			job.Attempt++
			job.Due = k.now().Add(time.Second)
			k.queue.put(job)
		} else if !done.yes {
			t.Fatalf("job %s returned without an error and was not settled", job.Kind)
		}
	}
}

func (k *kit) expect(t *testing.T, id string, want approvals.State) approvals.Request {
	t.Helper()
	r := k.get(t, id)
	if r.State != want {
		t.Fatalf("the request is %s (failure %v), want %s", r.State, r.Failure, want)
	}
	return r
}

func as(ctx context.Context, a audit.Actor) context.Context {
	return correlation.With(audit.WithActor(ctx, a), correlation.New())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// settled notes that a job was completed in a transaction that committed.
type settled struct{ yes bool }

func (s *settled) Complete(ctx context.Context) error {
	storage.AfterCommit(ctx, func() { s.yes = true })
	return nil
}

// A handQueue keeps the jobs of committed transactions until a test works them.
type handQueue struct {
	mu   sync.Mutex
	jobs []jobs.Job
}

func (q *handQueue) Enqueue(ctx context.Context, add ...jobs.Job) error {
	storage.AfterCommit(ctx, func() { q.put(add...) })
	return nil
}

func (q *handQueue) put(add ...jobs.Job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.jobs = append(q.jobs, add...)
}

// due takes the first job that is due.
func (q *handQueue) due(now time.Time) (jobs.Job, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.IndexFunc(q.jobs, func(j jobs.Job) bool { return !j.Due.After(now) })
	if i < 0 {
		return jobs.Job{}, false
	}
	j := q.jobs[i]
	q.jobs = slices.Delete(q.jobs, i, i+1)
	return j, true
}

// A memorySink keeps the events of committed transactions.
type memorySink struct {
	backend eachtest.Backend
	mu      sync.Mutex
	events  []audit.Event
}

func (s *memorySink) Append(ctx context.Context, events ...audit.Event) error {
	return whenCommitted(ctx, s.backend, &s.mu, &s.events, events...)
}

// actions returns "action outcome" of every event, without the prefix of the package.
func (s *memorySink) actions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, e := range s.events {
		all = append(all, fmt.Sprintf("%s %s", e.Action, e.Outcome))
	}
	return all
}

func (s *memorySink) find(action string, outcome audit.Outcome) (found []audit.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.Action == action && e.Outcome == outcome {
			found = append(found, e)
		}
	}
	return found
}

// keep drops every job but those of a kind.
func (q *handQueue) keep(kind string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.jobs = slices.DeleteFunc(q.jobs, func(j jobs.Job) bool { return j.Kind != kind })
}
