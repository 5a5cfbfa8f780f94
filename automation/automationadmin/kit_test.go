package automationadmin_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/cloudevent"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/httpapi/httpapitest"
	"github.com/lumelle/adminkit/audit/schema"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/automation/automationadmin"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/listing/saved"
	"github.com/lumelle/adminkit/storage/secrets"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

const (
	prefix   = "/api/v1/automation"
	refunded = "lumelle.orders.v1.refunded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A host is the surface over one Service, with a client whose every answer is held
// against the OpenAPI document.
type host struct {
	*httpapitest.Client
	t        *testing.T
	handler  http.Handler
	governor *audit.Governor
	service  *automation.Service
	saved    *saved.Service
	probe    *probe

	mu    sync.Mutex
	asked []audit.Event // what the gate was asked about
}

func newHost(t *testing.T, b eachtest.Backend) *host {
	t.Helper()
	queue, err := jobs.NewQueue(b.Jobs(), jobs.Config{})
	must(t, err)
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, append(automation.Actions(),
		audit.Action{Name: "orders.refund", Type: refunded}, audit.Action{Name: "approvals.request.approved"})...)
	must(t, err)
	log, err := audit.NewLog(b.Audit(), audit.LogConfig{})
	must(t, err)
	outbox, err := automation.NewOutbox(b, b.Automation(), queue, cloudevent.MarshalPublic, automation.OutboxConfig{
		Signals: func(e audit.Event) (automation.Signal, bool) {
			return automation.Signal{Key: e.Resource.ID, Outcome: automation.Approved}, e.Action == "approvals.request.approved"
		},
	})
	must(t, err)
	h := &host{t: t, probe: &probe{}}
	h.governor, err = audit.NewGovernor(b, audit.GateFunc(h.gate), audit.Tee(log, outbox), catalog)
	must(t, err)
	never := 0.0
	rules, err := automation.NewCatalog(schema.Compile, automation.CatalogConfig{
		Triggers: []automation.Trigger{orderRefunded()},
		Actions: []automation.Action{
			h.probe, automation.NotifyLog(slog.New(slog.DiscardHandler)),
			automation.RequestApproval(func(context.Context, string, automation.ApprovalChange) (string, error) { return "req-9", nil }),
		},
		Retries:  map[string]automation.RetryPolicy{"twice": {Attempts: 2, Delay: automation.Duration(time.Millisecond), Jitter: &never}},
		Timeouts: map[string]automation.TimeoutPolicy{"patient": {Step: automation.Duration(time.Hour)}},
	})
	must(t, err)
	h.service, err = automation.New(h.governor, b.Automation(), queue, rules, automation.Config{
		Redact: redact,
		Quotas: func(_ context.Context, tenant string) (automation.Quotas, error) {
			if tenant == "tiny" {
				return automation.Quotas{Rules: 1}, nil
			}
			return automation.Quotas{}, nil
		},
	})
	must(t, err)
	worker, err := jobs.NewWorker(queue, h.service.Handlers(), jobs.WorkerConfig{})
	must(t, err)
	must(t, worker.Start(t.Context()))
	keys, err := secrets.Generate()
	must(t, err)
	vault, err := secrets.New(keys)
	must(t, err)
	h.saved, err = saved.New(b.SavedFilters(), []saved.List{saved.Of(automation.Rules()), saved.Of(automation.Runs())}, saved.Config{})
	must(t, err)
	h.handler, err = automationadmin.New(h.service, automationadmin.Config{
		Config: httpapi.Config{Identify: identify, Tx: b, Idempotency: b.Idempotency(), Vault: vault, Saved: h.saved},
		ApprovalID: func(err error) string {
			p, _ := errors.AsType[pending](err)
			return p.id
		},
		Authorize: func(_ context.Context, who httpapi.Identity) error {
			if who.Actor.ID == "mallory" {
				return &audit.DeniedError{Verdict: audit.Verdict{Reason: audit.Reason{Code: "stranger"}}}
			}
			return nil
		},
		Operator: func(_ context.Context, who httpapi.Identity) bool { return who.Actor.ID == "olivia" },
	})
	must(t, err)
	mux := http.NewServeMux()
	mux.Handle(prefix+"/", http.StripPrefix(prefix, h.handler))
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if err := worker.Close(ctx); err != nil {
			t.Errorf("close the worker: %v", err)
		}
	})
	h.Client = httpapitest.Serve(t, mux, prefix, automationadmin.OpenAPI())
	return h
}

func orderRefunded() automation.Trigger {
	return automation.EventTrigger(automation.TriggerDescriptor{
		Name: "order.refunded", Label: "Order refunded", EventTypes: []string{refunded},
		Schema: json.RawMessage(`{"type":"object","required":["amount"],"properties":{"amount":{"type":"number"}}}`),
		Sample: json.RawMessage(`{"specversion":"1.0","id":"1","source":"/orders","type":"` + refunded + `","subject":"order/7","data":{"amount":120}}`),
	})
}

// gate lets audra read and change nothing, and asks others about what dana does.
func (h *host) gate(_ context.Context, e audit.Event) (audit.Verdict, error) {
	h.mu.Lock()
	h.asked = append(h.asked, e)
	h.mu.Unlock()
	switch e.Actor.ID {
	case "dana":
		return audit.Verdict{}, pending{"req-1"}
	case "audra":
		return audit.Verdict{Reason: audit.Reason{Code: "read_only", Text: "You may only read."}}, nil
	}
	return audit.Verdict{Effect: audit.Allow}, nil
}

// pending is the answer of a gate that asks others.
type pending struct{ id string }

func (pending) Error() string          { return "waits for approval" }
func (pending) Refused() audit.Outcome { return audit.Pending }

// redact hides what a test writes as a secret.
func redact(document json.RawMessage) json.RawMessage {
	return json.RawMessage(strings.ReplaceAll(string(document), "SECRET", "(redacted)"))
}

// identify knows more of people than anybody is to see.
func identify(r *http.Request) (httpapi.Identity, error) {
	who, err := httpapitest.Identify(r)
	who.Actor.Authn = &audit.Authn{ACR: "HIDDEN"}
	return who, err
}

// A probe is an action that answers what it is told and fails in between.
type probe struct {
	answers []func() (automation.Output, error)
}

func (*probe) Describe() automation.Descriptor {
	return automation.Descriptor{
		Name: "test.probe", Label: "Probe", Effect: automation.External, Input: json.RawMessage(`{"type":"object","properties":{"url":{"type":"string"}}}`),
		SampleInput: json.RawMessage(`{}`), Sample: json.RawMessage(`{"id":"sample"}`),
	}
}

// Run is called by one worker and for one run at a time.
func (p *probe) Run(_ context.Context, in automation.Input) (automation.Output, error) {
	in.Log(slog.LevelWarn, "called")
	if len(p.answers) == 0 {
		return automation.Output{Value: json.RawMessage(`{"id":"real"}`)}, nil
	}
	answer := p.answers[0]
	p.answers = p.answers[1:]
	return answer()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// rule writes a rule of steps as sam and enables it.
func (h *host) rule(steps string) (id string) {
	h.t.Helper()
	body := `{"name":"a rule","automation_environment":"prod","trigger":{"type":"order.refunded"},"steps":[` + steps + `]}`
	id = h.Want(h.Do("sam@acme", "POST", "/rules", body), 201).Body["id"].(string)
	h.Want(h.Do("sam@acme", "POST", "/rules/"+id+"/enable", ""), 200)
	return id
}

// happens records a change of acme, under a trace of its own.
func (h *host) happens(action, resource, payload string) audit.Event {
	h.t.Helper()
	ctx := correlation.With(audit.WithActor(h.t.Context(), audit.Actor{Type: audit.User, ID: "sam"}), correlation.New())
	e, err := h.governor.Change(ctx, audit.Event{
		Tenant: "acme", Action: action, Resource: audit.Resource{Type: "thing", ID: resource}, Payload: json.RawMessage(payload),
	}, func(context.Context, *audit.Event) error { return nil })
	must(h.t, err)
	return e
}

// until waits for the one run that query chooses and returns it from the list.
func (h *host) until(query string) map[string]any {
	h.t.Helper()
	return h.runs(query, 1)[0]
}

// runs waits until there are n runs that query chooses and returns them from the list.
func (h *host) runs(query string, n int) []map[string]any {
	h.t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var items []map[string]any
		for _, item := range h.Want(h.Do("sam@acme", "GET", "/runs?"+query, ""), 200).Body["items"].([]any) {
			items = append(items, item.(map[string]any))
		}
		if len(items) == n {
			return items
		}
		select {
		case <-tick.C:
		case <-deadline:
			h.t.Fatalf("there never are %d runs of %q: %s", n, query, h.Do("sam@acme", "GET", "/runs", "").Text)
		}
	}
}
