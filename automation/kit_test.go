package automation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/cloudevent"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/audit/schema"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

const (
	acme     = "acme"
	refunded = "lumelle.orders.v1.refunded"
)

var (
	sam    = audit.Actor{Type: audit.User, ID: "sam"}
	olivia = audit.Actor{Type: audit.User, ID: "olivia"}
)

// A backend is what a kit stands on.
type backend = eachtest.Backend

// each runs a test over every backend.
func each(t *testing.T, fn func(t *testing.T, b backend)) {
	t.Helper()
	eachtest.Run(t, fn)
}

// A kit is a host with automations, over one backend.
type kit struct {
	backend  backend
	log      *audit.Log
	outbox   *automation.Outbox
	governor *audit.Governor
	service  *automation.Service
	queue    *jobs.Queue
	worker   *jobs.Worker
	probe    *probe
	ctx      context.Context // acts as sam

	mu       sync.Mutex
	requests []string // ids of requests for approval, of committed transactions too
}

type kitConfig struct {
	gate     audit.Gate
	catalog  automation.CatalogConfig
	service  automation.Config
	outbox   automation.OutboxConfig
	worker   jobs.WorkerConfig
	queueNow func() time.Time
}

func newKit(t *testing.T, b backend, cfg kitConfig) *kit {
	t.Helper()
	k := &kit{backend: b, ctx: audit.WithActor(t.Context(), sam), probe: newProbe()}
	now := cfg.service.Now
	catalog, err := audit.NewCatalog(audit.CatalogConfig{Now: now}, append(automation.Actions(),
		audit.Action{Name: "orders.refund", Type: refunded},
		audit.Action{Name: "orders.flag", Type: "lumelle.orders.v1.flagged", Category: audit.Domain},
		audit.Action{Name: "orders.read", Type: "lumelle.orders.v1.read", Category: audit.DataAccess},
		audit.Action{Name: "approvals.request.approved"}, audit.Action{Name: "approvals.request.rejected"},
		audit.Action{Name: "webhooks.endpoint.disabled"},
	)...)
	must(t, err)
	k.log, err = audit.NewLog(b.Audit(), audit.LogConfig{Now: now})
	must(t, err)
	k.queue, err = jobs.NewQueue(b.Jobs(), jobs.Config{Now: now})
	must(t, err)
	if cfg.outbox.Signals == nil {
		cfg.outbox.Signals = signals
	}
	cfg.outbox.Now = now
	k.outbox, err = automation.NewOutbox(b, b.Automation(), k.queue, cloudevent.MarshalPublic, cfg.outbox)
	must(t, err)
	if cfg.gate == nil {
		cfg.gate = audit.Ungated
	}
	k.governor, err = audit.NewGovernor(b, cfg.gate, audit.Tee(k.log, k.outbox), catalog)
	must(t, err)
	cfg.catalog.Actions = append(cfg.catalog.Actions, k.probe, compute{k.probe}, automation.NotifyLog(slog.New(slog.DiscardHandler)),
		automation.PublishEvent(k.governor, "orders.flag"), automation.RequestApproval(k.requestApproval))
	rules, err := automation.NewCatalog(schema.Compile, cfg.catalog)
	must(t, err)
	k.service, err = automation.New(k.governor, b.Automation(), k.queue, rules, cfg.service)
	must(t, err)
	k.worker, err = jobs.NewWorker(k.queue, k.service.Handlers(), cfg.worker)
	must(t, err)
	return k
}

// signals reads decisions as package approvals records them.
func signals(e audit.Event) (automation.Signal, bool) {
	s := automation.Signal{Key: e.Resource.ID}
	switch e.Action {
	case "approvals.request.approved":
		s.Outcome = automation.Approved
	case "approvals.request.rejected":
		s.Outcome = automation.Declined
	default:
		return s, false
	}
	s.Payload, _ = json.Marshal(map[string]string{"comment": e.Reason, "by": e.Actor.ID})
	return s, true
}

func (k *kit) requestApproval(ctx context.Context, key string, c automation.ApprovalChange) (string, error) {
	id := "req-" + key
	k.mu.Lock()
	defer k.mu.Unlock()
	k.requests = append(k.requests, id)
	return id, nil
}

// decided records the decision on a request, as olivia and under a trace of her own.
func (k *kit) decided(t *testing.T, verb, requestID, eventID string) correlation.Trace {
	t.Helper()
	trace := correlation.New()
	ctx := correlation.With(audit.WithActor(t.Context(), olivia), trace)
	must(t, k.governor.Record(ctx, audit.Event{
		ID: eventID, Tenant: acme, Action: "approvals.request." + verb, Reason: "looks fine",
		Resource: audit.Resource{Type: "approval_request", ID: requestID},
	}))
	return trace
}

// work starts the worker until the test ends or stop is called.
func (k *kit) work(t *testing.T) (stop func()) {
	t.Helper()
	must(t, k.worker.Start(t.Context()))
	once := sync.OnceFunc(func() {
		if err := k.worker.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("close the worker: %v", err)
		}
	})
	t.Cleanup(once)
	return once
}

// rule writes a rule on refunds of prod and enables it. body is the definition without
// its head.
func (k *kit) rule(t *testing.T, body string) automation.Rule {
	t.Helper()
	r, err := k.service.Create(k.ctx, acme, automation.RuleInput{Definition: definition(t, body)})
	must(t, err)
	r, err = k.service.Enable(k.ctx, acme, r.ID, "")
	must(t, err)
	return r
}

// definition reads a definition on refunds of prod from its members.
func definition(t testing.TB, body string) automation.Definition {
	t.Helper()
	d, err := automation.ParseDefinition([]byte(`{"name":"a rule","automation_environment":"prod","trigger":{"type":"event","event_type":"` + refunded + `"},` + body + `}`))
	must(t, err)
	return d
}

// refund records a refund under a trace of its own.
func (k *kit) refund(t *testing.T, id string, amount int) audit.Event {
	t.Helper()
	ctx := correlation.With(k.ctx, correlation.New())
	e, err := k.governor.Change(ctx, audit.Event{
		ID: id, Tenant: acme, Action: "orders.refund", Resource: audit.Resource{Type: "order", ID: "1001"},
		Payload: []byte(fmt.Sprintf(`{"amount":%d,"note":"it's \"broken\""}`, amount)),
	}, func(context.Context, *audit.Event) error { return nil })
	must(t, err)
	return e
}

// flag records a flagged order.
func (k *kit) flag(t *testing.T, payload string) {
	t.Helper()
	must(t, k.governor.Record(k.ctx, audit.Event{
		Tenant: acme, Action: "orders.flag", Resource: audit.Resource{Type: "order", ID: "1001"}, Payload: []byte(payload),
	}))
}

// runs returns all runs of acme, the oldest first.
func (k *kit) runs(t *testing.T, q automation.RunQuery) []automation.Run {
	t.Helper()
	page, err := k.service.Runs(k.ctx, acme, q)
	must(t, err)
	slices.Reverse(page.Items)
	return page.Items
}

// until waits until there are runs and all of them satisfy want, and returns the last.
func (k *kit) until(t *testing.T, want ...automation.Status) automation.RunDetail {
	t.Helper()
	ctx, cancel := context.WithTimeout(k.ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		page, err := k.service.Runs(ctx, acme, automation.RunQuery{})
		must(t, err)
		if len(page.Items) > 0 && !slices.ContainsFunc(page.Items, func(r automation.Run) bool { return !slices.Contains(want, r.Status) }) {
			d, err := k.service.Run(ctx, acme, page.Items[0].ID)
			must(t, err)
			return d
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the runs are %+v, want all of them %v", page.Items, want)
		}
	}
}

// steps tells the steps of a run in short: "name:status".
func steps(d automation.RunDetail) string {
	var all []string
	for _, s := range d.Steps {
		text := s.Path + ":" + string(s.Status)
		if s.Branch != "" {
			text += "(" + s.Branch + ")"
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

// audited returns the actions recorded for acme, in order.
func (k *kit) audited(t *testing.T) []string {
	t.Helper()
	page, err := k.log.Query(k.ctx, acme, audit.Query{Limit: 1000})
	must(t, err)
	var all []string
	for _, e := range page.Items {
		all = append(all, e.Action+" "+string(e.Outcome)+" by "+e.Actor.ID)
	}
	return all
}

// A probe is an external action that notes its calls and answers what it is told.
type probe struct {
	mu     sync.Mutex
	calls  []automation.Input
	actors []audit.Actor
	answer func(ctx context.Context, in automation.Input) (automation.Output, error)
}

func newProbe() *probe { return &probe{} }

func (p *probe) Describe() automation.Descriptor {
	return automation.Descriptor{
		Name: "test.probe", Label: "Probe", Effect: automation.External,
		Input: json.RawMessage(`{"type":"object"}`), SampleInput: json.RawMessage(`{}`),
		Output: json.RawMessage(`{"type":"object"}`), Sample: json.RawMessage(`{"id":"sample"}`),
	}
}

func (p *probe) Run(ctx context.Context, in automation.Input) (automation.Output, error) {
	p.mu.Lock()
	a, _ := audit.ActorFrom(ctx)
	p.calls, p.actors = append(p.calls, in), append(p.actors, a)
	answer := p.answer
	p.mu.Unlock()
	if answer != nil {
		return answer(ctx, in)
	}
	return automation.Output{Value: json.RawMessage(`{"id":"` + in.Step + `-1"}`)}, nil
}

// answers has the probe answer with fn from now on.
func (p *probe) answers(fn func(ctx context.Context, in automation.Input) (automation.Output, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = fn
}

// made returns the calls, as "step" each.
func (p *probe) made() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for _, in := range p.calls {
		all = append(all, in.Step)
	}
	return all
}

// with returns what the last call of a step was given.
func (p *probe) with(step string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, in := range slices.Backward(p.calls) {
		if in.Step == step {
			return string(in.With)
		}
	}
	return ""
}

// compute is a probe inside of the transaction.
type compute struct{ *probe }

func (c compute) Describe() automation.Descriptor {
	d := c.probe.Describe()
	d.Name, d.Effect = "test.write", automation.Transactional
	return d
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

func same[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if reflect.DeepEqual(got, want) {
		return
	}
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}
