package approvalstest

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// A host is a Service over the store under test, with one action that always needs
// approval by people with a role. It has no worker: rules apply and expire themselves.
type host struct {
	*env
	service *approvals.Service
	guard   *approvals.Guard[refund]

	mu       sync.Mutex
	clock    time.Time
	revision string
	fail     error
	refunds  []int // of committed transactions
	events   map[string]int
	large    int // the amount from which a refund is of the audience "large"
}

type refund struct {
	Amount int `json:"amount"`
}

const action = "orders.refund"

// host makes the host of a rule; required is how many people have to approve.
func (e *env) host(required int) *host {
	e.Helper()
	return e.hostOf(approvals.StageRule{Name: "s", Required: required})
}

// hostOf makes the host of a rule whose requests have these stages.
func (e *env) hostOf(stages ...approvals.StageRule) *host {
	e.Helper()
	h := &host{env: e, clock: noon, revision: "1", events: map[string]int{}}
	catalog, err := audit.NewCatalog(audit.CatalogConfig{Now: h.now}, append(approvals.Actions(), audit.Action{Name: action})...)
	e.must(err)
	directory := approvals.DirectoryFunc(func(_ context.Context, _ string, a audit.Actor) ([]string, error) {
		if a.ID == "stranger" {
			return nil, nil
		}
		return []string{"approver"}, nil
	})
	h.service, err = approvals.New(e.Backend, e.Store, noJobs{}, directory, catalog, h, approvals.Config{
		Policies: map[string]approvals.Policy{"": {Stages: stages, Timeout: time.Hour}},
		Audiences: func(context.Context, string) (*targeting.Library, error) {
			return targeting.NewLibrary([]targeting.Audience{h.audience()}, targeting.Options{})
		},
	})
	e.must(err)
	needed := audit.GateFunc(func(context.Context, audit.Event) (audit.Verdict, error) {
		return audit.Verdict{Effect: audit.NeedsApproval}, nil
	})
	governor, err := audit.NewGovernor(e.Backend, approvals.Gate(needed, h.service), h, catalog)
	e.must(err)
	h.guard, err = approvals.NewGuard(governor, h.service, action, h.apply, approvals.GuardConfig{Revision: h.current})
	e.must(err)
	return h
}

// noJobs drops the work: a rule does it when it is its turn.
type noJobs struct{}

func (noJobs) Enqueue(context.Context, ...jobs.Job) error { return nil }

func (h *host) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clock
}

// audience is the one that policies of the host may name.
func (h *host) audience() targeting.Audience {
	h.mu.Lock()
	defer h.mu.Unlock()
	return targeting.Audience{Key: "large", When: &targeting.Condition{
		Path: "amount", Op: targeting.GreaterEqual, Value: targeting.Int(int64(h.large)),
	}}
}

func (h *host) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock = h.clock.Add(d)
}

func (h *host) current(context.Context, string, audit.Resource) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.revision, nil
}

func (h *host) apply(ctx context.Context, _ *audit.Event, r refund) error {
	storage.AfterCommit(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.refunds = append(h.refunds, r.Amount)
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.fail
}

// Append counts the events of committed transactions by action.
func (h *host) Append(ctx context.Context, events ...audit.Event) error {
	storage.AfterCommit(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, e := range events {
			h.events[e.Action]++
		}
	})
	return nil
}

func (h *host) as(person string) context.Context {
	return audit.WithActor(h.Ctx, audit.Actor{Type: audit.User, ID: person})
}

// ask has the author ask for a refund of 150 and returns the id of the request.
func (h *host) ask() string {
	h.Helper()
	_, err := h.guard.Do(h.as("author"), approvals.Change[refund]{
		Tenant: h.Tenant, Resource: audit.Resource{Type: "order", ID: "o"}, Payload: refund{150}, BaseRevision: "1",
	})
	var pending *approvals.PendingError
	if !errors.As(err, &pending) {
		h.Fatalf("asking got %v, want a PendingError", err)
	}
	return pending.RequestID
}

func (h *host) decide(person, id string, choice approvals.Trigger, revision int) error {
	_, err := h.service.Decide(h.as(person), h.Tenant, id, approvals.Choice{Decision: choice, Revision: revision, Comment: "because"})
	return err
}

func (h *host) revise(person, id string, amount int) error {
	payload, err := json.Marshal(refund{amount})
	if err != nil {
		return err
	}
	r, _, err := h.service.Get(h.Ctx, h.Tenant, id)
	if err != nil {
		return err
	}
	_, err = h.service.Revise(h.as(person), h.Tenant, id, r.Revision, approvals.Content{Payload: payload, BaseRevision: "1"})
	return err
}

// expect reports a request that is not in a state, or a host that did not refund what
// is given.
func (h *host) expect(id string, want approvals.State, refunds int) {
	h.Helper()
	r, _, err := h.service.Get(h.Ctx, h.Tenant, id)
	h.must(err)
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.State != want {
		h.Errorf("the request is %s, want %s", r.State, want)
	}
	if len(h.refunds) != refunds {
		h.Errorf("refunded %v, want %d refunds", h.refunds, refunds)
	}
}
