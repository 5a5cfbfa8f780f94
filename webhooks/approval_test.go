package webhooks_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/cloudevent"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/secrets"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/webhooks"
)

// A governed kit has changes of sam's approved by marco: those of endpoints, but for
// rotations, and redeliveries.
type governed struct {
	*kit
	requests *approvals.Service
}

func newGoverned(t *testing.T, b eachtest.Backend, cfg webhooks.Config) governed {
	t.Helper()
	k := &kit{backend: b, ctx: audit.WithActor(t.Context(), sam)}
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, slices.Concat(webhooks.Actions(), approvals.Actions(),
		[]audit.Action{{Name: "orders.refund", Type: refunded}})...)
	must(t, err)
	k.log, err = audit.NewLog(b.Audit(), audit.LogConfig{})
	must(t, err)
	k.queue, err = jobs.NewQueue(b.Jobs(), jobs.Config{})
	must(t, err)
	k.outbox, err = webhooks.NewOutbox(b, b.Webhooks(), k.queue, cloudevent.MarshalPublic, webhooks.OutboxConfig{})
	must(t, err)
	people := approvals.DirectoryFunc(func(context.Context, string, audit.Actor) ([]string, error) { return []string{"manager"}, nil })
	requests, err := approvals.New(b, b.Approvals(), k.queue, people, catalog, k.log, approvals.Config{})
	must(t, err)
	asks := audit.GateFunc(func(_ context.Context, e audit.Event) (audit.Verdict, error) {
		if e.Action == webhooks.ActionRotate || e.Action == "orders.refund" {
			return audit.Verdict{Effect: audit.Allow}, nil
		}
		return audit.Verdict{Effect: audit.NeedsApproval, Obligations: audit.Obligations{Approval: &audit.ApprovalObligation{}}}, nil
	})
	k.governor, err = audit.NewGovernor(b, approvals.Gate(asks, requests), audit.Tee(k.log, k.outbox), catalog)
	must(t, err)
	keys, err := secrets.Generate()
	must(t, err)
	vault, err := secrets.New(keys)
	must(t, err)
	k.service, err = webhooks.New(k.governor, b.Webhooks(), k.queue, vault, always(accepted), cfg)
	must(t, err)
	apply := approvals.ApplierFunc(func(ctx context.Context, a approvals.Approved) (approvals.Result, error) {
		return approvals.Result{}, k.service.Apply(ctx, a.Event)
	})
	for _, a := range webhooks.Actions() {
		must(t, requests.Register(a.Name, apply))
	}
	return governed{k, requests}
}

// approve has marco agree to the change that err says is pending, and applies it.
func (g governed) approve(t *testing.T, err error) approvals.Request {
	t.Helper()
	pending, ok := errors.AsType[*approvals.PendingError](err)
	if !ok {
		t.Fatalf("got %v, want a change that waits for approval", err)
	}
	return g.approveRevision(t, pending.RequestID, 1)
}

// approveRevision has marco agree to a revision of a request, and applies it.
func (g governed) approveRevision(t *testing.T, id string, revision int) approvals.Request {
	t.Helper()
	marco := audit.WithActor(t.Context(), audit.Actor{Type: audit.User, ID: "marco"})
	_, err := g.requests.Decide(marco, "acme", id, approvals.Choice{Decision: approvals.Approve, Revision: revision})
	must(t, err)
	r, err := g.requests.Apply(t.Context(), "acme", id)
	must(t, err)
	return r
}

// register has an endpoint created and approved, and returns it.
func (g governed) register(t *testing.T, in webhooks.EndpointInput) webhooks.Endpoint {
	t.Helper()
	_, _, err := g.service.Create(g.ctx, "acme", in)
	r := g.approve(t, err)
	e, err := g.service.Get(g.ctx, "acme", g.recorded(t, r).Resource.ID)
	must(t, err)
	return e
}

// recorded returns the event of an applied request.
func (g governed) recorded(t *testing.T, r approvals.Request) audit.Event {
	t.Helper()
	if r.State != approvals.StateApplied {
		t.Fatalf("the request is %s: %+v", r.State, r.Failure)
	}
	page, err := g.log.Query(g.ctx, "acme", audit.Query{Action: r.Action})
	must(t, err)
	i := slices.IndexFunc(page.Items, func(e audit.Event) bool { return e.ID == r.EventID })
	if i < 0 {
		t.Fatalf("no event %s is among %+v", r.EventID, page.Items)
	}
	e := page.Items[i]
	if e.Outcome != audit.Success || e.OnBehalfOf == nil || e.OnBehalfOf.ID != "sam" || len(e.ApprovedBy) != 1 || e.ApprovedBy[0].ID != "marco" {
		t.Errorf("%s by %+v on behalf of %+v approved by %+v, want it of sam's, approved by marco", e.Outcome, e.Actor, e.OnBehalfOf, e.ApprovedBy)
	}
	return e
}

var erp = webhooks.EndpointInput{
	URL: "https://hooks.example.com/in", EventTypes: []string{"lumelle.orders.v1.*"}, Description: "ERP", Timeout: 2 * time.Second,
}

func TestAnApprovedChangeOfAnEndpointIsMadeAsItWasAskedFor(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		g := newGoverned(t, b, webhooks.Config{})
		e := g.register(t, erp)
		same(t, []any{e.URL, e.EventTypes, e.Description, e.Timeout, e.Status, e.Revision},
			[]any{erp.URL, erp.EventTypes, erp.Description, erp.Timeout, webhooks.Enabled, int64(1)})

		other := webhooks.EndpointInput{ID: "ignored", URL: "https://other.example.com/", EventTypes: []string{"*"}}
		_, err := g.service.Update(g.ctx, "acme", e.ID, 1, other)
		made := g.recorded(t, g.approve(t, err))
		e, err = g.service.Get(g.ctx, "acme", e.ID)
		must(t, err)
		same(t, []any{e.URL, e.EventTypes, e.Description, e.Timeout, e.Revision}, []any{other.URL, other.EventTypes, "", time.Duration(0), int64(2)})
		if !strings.Contains(string(made.Before), erp.URL) || !strings.Contains(string(made.After), other.URL) || made.BaseRevision != "1" {
			t.Errorf("recorded is %s after %s at %s", made.After, made.Before, made.BaseRevision)
		}

		_, err = g.service.Disable(g.ctx, "acme", e.ID, "moving")
		g.recorded(t, g.approve(t, err))
		e, err = g.service.Get(g.ctx, "acme", e.ID)
		must(t, err)
		same(t, e.Status+e.DisabledReason, "disabledmoving")
		_, err = g.service.Enable(g.ctx, "acme", e.ID)
		g.recorded(t, g.approve(t, err))
		e, err = g.service.Get(g.ctx, "acme", e.ID)
		must(t, err)
		same(t, e.Status+e.DisabledReason, "enabled")

		g.refund(t, "acme", "r1")
		d := g.deliveries(t, webhooks.DeliveryQuery{})[0]
		_, err = g.service.Redeliver(g.ctx, "acme", d.ID, "it was lost there")
		same(t, g.recorded(t, g.approve(t, err)).Reason, "it was lost there")
		d, _, err = g.service.Delivery(g.ctx, "acme", d.ID)
		must(t, err)
		same(t, d.Round, 1)

		g.recorded(t, g.approve(t, g.service.Delete(g.ctx, "acme", e.ID, 0)))
		_, err = g.service.Get(g.ctx, "acme", e.ID)
		wantErr(t, err, storage.ErrNotFound)
	})
}

func TestACreationThatIsSentAgainIsOneRequest(t *testing.T) {
	t.Parallel()
	g := newGoverned(t, eachtest.Memory(t), webhooks.Config{})
	create := func(in webhooks.EndpointInput) error {
		_, secret, err := g.service.Create(g.ctx, "acme", in)
		if secret != "" {
			t.Error("a secret was handed out")
		}
		return err
	}
	named, another := erp, erp
	named.ID, another.URL = "erp", "https://hooks.example.com/"+strings.Repeat("long/", 400)
	first := map[string]bool{}
	for _, in := range []webhooks.EndpointInput{erp, named, another} {
		pending := create(in)
		if again := create(in); again.Error() != pending.Error() {
			t.Errorf("sent again it %v, and before it %v", again, pending)
		}
		first[pending.Error()] = true
		g.recorded(t, g.approve(t, pending))
	}
	if len(first) != 3 {
		t.Errorf("three endpoints have the requests %v", first)
	}
	page, err := g.service.List(g.ctx, "acme", webhooks.EndpointQuery{})
	must(t, err)
	same(t, len(page.Items), 3)
	_, err = g.service.Get(g.ctx, "acme", "erp")
	must(t, err)

	// What was made is no longer waited for: another of the same is another request.
	if pending := create(erp); first[pending.Error()] {
		t.Errorf("an applied request was found: %v", pending)
	}
	r := g.approve(t, create(named))
	if r.State != approvals.StateFailed || r.Failure.Code != approvals.FailedConflict {
		t.Errorf("for an id that is taken the request is %s (%+v)", r.State, r.Failure)
	}
}

func TestNobodySeesTheSecretOfAnApprovedCreationAndTheOwnerRotatesIt(t *testing.T) {
	t.Parallel()
	g := newGoverned(t, eachtest.Memory(t), webhooks.Config{})
	_, _, err := g.service.Create(g.ctx, "acme", erp)
	r := g.approve(t, err)
	_, history, err := g.requests.Get(g.ctx, "acme", r.ID)
	must(t, err)
	events, err := g.log.Query(g.ctx, "acme", audit.Query{Limit: 1000})
	must(t, err)
	kept, err := json.Marshal([]any{r, history, events.Items})
	must(t, err)
	if !strings.Contains(string(kept), erp.URL) || strings.Contains(string(kept), "whsec_") {
		t.Errorf("kept is %s", kept)
	}
	id := g.recorded(t, r).Resource.ID
	secret, err := g.service.RotateSecret(g.ctx, "acme", id)
	must(t, err)
	stored, err := g.backend.Webhooks().Secrets(g.ctx, "acme", id)
	must(t, err)
	if !strings.HasPrefix(secret, "whsec_") || len(stored) != 2 || stored[1].ExpiresAt.IsZero() {
		t.Errorf("stored are %+v", stored)
	}
}

func TestARevisedCreationIsMadeAsItWasRevised(t *testing.T) {
	t.Parallel()
	g := newGoverned(t, eachtest.Memory(t), webhooks.Config{})
	_, _, err := g.service.Create(g.ctx, "acme", erp)
	pending, ok := errors.AsType[*approvals.PendingError](err)
	if !ok {
		t.Fatal(err)
	}
	_, err = g.requests.Revise(g.ctx, "acme", pending.RequestID, 1, approvals.Content{
		Payload: []byte(`{"url":"https://mended.example.com/","event_types":["b.v1.*","a.v1.*"],"timeout_ms":3000}`),
	})
	must(t, err)
	made := g.recorded(t, g.approveRevision(t, pending.RequestID, 2))
	e, err := g.service.Get(g.ctx, "acme", made.Resource.ID)
	must(t, err)
	same(t, []any{e.URL, e.EventTypes, e.Description, e.Timeout}, []any{"https://mended.example.com/", []string{"a.v1.*", "b.v1.*"}, "", 3 * time.Second})
	if made.Resource.Name != "" || !strings.Contains(string(made.After), e.URL) {
		t.Errorf("recorded is %+v", made)
	}
}

func TestAnApprovalOfAnEndpointThatMovedFails(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]func(s *webhooks.Service, ctx context.Context, id string) error{
		"update": func(s *webhooks.Service, ctx context.Context, id string) error {
			_, err := s.Update(ctx, "acme", id, 1, webhooks.EndpointInput{URL: "https://late.example.com/", EventTypes: []string{"*"}})
			return err
		},
		"delete": func(s *webhooks.Service, ctx context.Context, id string) error { return s.Delete(ctx, "acme", id, 1) },
		"disable": func(s *webhooks.Service, ctx context.Context, id string) error {
			_, err := s.Disable(ctx, "acme", id, "")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGoverned(t, eachtest.Memory(t), webhooks.Config{})
			e := g.register(t, erp)
			late := ask(g.service, g.ctx, e.ID)
			_, err := g.service.RotateSecret(g.ctx, "acme", e.ID)
			must(t, err)
			before, err := g.service.Get(g.ctx, "acme", e.ID)
			must(t, err)
			if r := g.approve(t, late); r.State != approvals.StateFailed || r.Failure.Code != approvals.FailedConflict {
				t.Errorf("the request is %s (%+v), want a conflict", r.State, r.Failure)
			}
			got, err := g.service.Get(g.ctx, "acme", e.ID)
			must(t, err)
			same(t, got, before)
		})
	}
}

func TestAnApprovedSwitchOfWhatStandsThatWayIsAConflict(t *testing.T) {
	t.Parallel()
	g := newGoverned(t, eachtest.Memory(t), webhooks.Config{})
	e := g.register(t, erp)
	_, err := g.service.Enable(g.ctx, "acme", e.ID)
	if r := g.approve(t, err); r.State != approvals.StateFailed || r.Failure.Code != approvals.FailedConflict {
		t.Errorf("the request is %s (%+v), want a conflict", r.State, r.Failure)
	}
	got, err := g.service.Get(g.ctx, "acme", e.ID)
	must(t, err)
	same(t, got, e)
}

func TestAnApprovalThatComesTooLateFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		// late is what happens while the redelivery waits.
		late func(t *testing.T, g governed, e webhooks.Endpoint)
		// passes is the time that it waits.
		passes time.Duration
	}{
		{"for a message that is too old by now", func(*testing.T, governed, webhooks.Endpoint) {}, 4 * 24 * time.Hour},
		{"for an endpoint that is disabled by now", func(t *testing.T, g governed, e webhooks.Endpoint) {
			_, err := g.service.Disable(g.ctx, "acme", e.ID, "")
			g.recorded(t, g.approve(t, err))
		}, 0},
		{"for an endpoint that is gone by now", func(t *testing.T, g governed, e webhooks.Endpoint) {
			g.recorded(t, g.approve(t, g.service.Delete(g.ctx, "acme", e.ID, 0)))
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var passed time.Duration
			g := newGoverned(t, eachtest.Memory(t), webhooks.Config{Now: func() time.Time { return time.Now().Add(passed) }})
			e := g.register(t, erp)
			g.refund(t, "acme", "r1")
			d := g.deliveries(t, webhooks.DeliveryQuery{})[0]
			_, err := g.service.Redeliver(g.ctx, "acme", d.ID, "")
			c.late(t, g, e)
			passed = c.passes
			if r := g.approve(t, err); r.State != approvals.StateFailed || r.Failure.Code != approvals.FailedConflict {
				t.Errorf("the request is %s (%+v), want a conflict", r.State, r.Failure)
			}
			d, _, err = g.service.Delivery(g.ctx, "acme", d.ID)
			must(t, err)
			same(t, d.Round, 0)
		})
	}
}

func TestAnApprovedCreationKeepsToTheQuota(t *testing.T) {
	t.Parallel()
	g := newGoverned(t, eachtest.Memory(t), webhooks.Config{Quotas: func(context.Context, string) (webhooks.Quotas, error) {
		return webhooks.Quotas{Endpoints: 1}, nil
	}})
	second := erp
	second.URL = "https://second.example.com/"
	_, _, err := g.service.Create(g.ctx, "acme", second)
	g.register(t, erp)
	if r := g.approve(t, err); r.State != approvals.StateFailed || r.Failure.Code != approvals.FailedLimit {
		t.Errorf("the request is %s (%+v), want the limit", r.State, r.Failure)
	}
	page, err := g.service.List(g.ctx, "acme", webhooks.EndpointQuery{})
	must(t, err)
	same(t, len(page.Items), 1)
}

func TestARotationIsNotApplied(t *testing.T) {
	t.Parallel()
	g := newGoverned(t, eachtest.Memory(t), webhooks.Config{})
	e := g.register(t, erp)
	err := g.service.Apply(g.ctx, audit.Event{
		Tenant: "acme", Action: webhooks.ActionRotate, Resource: audit.Resource{Type: webhooks.ResourceEndpoint, ID: e.ID}, BaseRevision: "1",
	})
	wantErr(t, err, storage.ErrInvalid)
	stored, err := g.backend.Webhooks().Secrets(g.ctx, "acme", e.ID)
	must(t, err)
	same(t, len(stored), 1)
}

func TestWhatIsNoChangeOfWebhooksIsNotApplied(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), kitConfig{})
	e, _ := k.create(t, "https://hooks.example.com/in", "*")
	k.refund(t, "acme", "r1")
	d := k.deliveries(t, webhooks.DeliveryQuery{})[0]
	recorded := len(k.audited(t))
	for _, c := range []struct {
		name, action, payload, base, pointer string
	}{
		{"no payload", webhooks.ActionCreate, "", "", "/payload"},
		{"null", webhooks.ActionCreate, "null", "", "/payload"},
		{"no JSON", webhooks.ActionCreate, "{", "", "/payload"},
		{"a payload of another kind", webhooks.ActionCreate, `{"url":7,"event_types":["*"]}`, "", "/payload"},
		{"a field of no input", webhooks.ActionCreate, `{"url":"https://a.example.com/","event_types":["*"],"status":"disabled"}`, "", "/payload"},
		{"a secret", webhooks.ActionCreate, `{"url":"https://a.example.com/","event_types":["*"],"secret":"whsec_x"}`, "", "/payload"},
		{"a field in capitals", webhooks.ActionCreate, `{"URL":"https://a.example.com/","event_types":["*"]}`, "", "/payload"},
		{"a url into the house", webhooks.ActionCreate, `{"url":"https://10.0.0.1/","event_types":["*"]}`, "", "/payload/url"},
		{"no event types", webhooks.ActionUpdate, `{"url":"https://a.example.com/","event_types":null}`, "1", "/payload/event_types"},
		{"a bad event type", webhooks.ActionUpdate, `{"url":"https://a.example.com/","event_types":["a.b*"]}`, "1", "/payload/event_types/0"},
		{"a timeout that overflows", webhooks.ActionUpdate, `{"url":"https://a.example.com/","event_types":["*"],"timeout_ms":18446744073710}`, "1", "/payload/timeout_ms"},
		{"a timeout below zero", webhooks.ActionUpdate, `{"url":"https://a.example.com/","event_types":["*"],"timeout_ms":-18446744073709}`, "1", "/payload/timeout_ms"},
		{"the id of another endpoint", webhooks.ActionCreate, `{"id":"x","url":"https://a.example.com/","event_types":["*"]}`, "", "/payload/id"},
		{"an update of the id", webhooks.ActionUpdate, `{"id":"x","url":"https://a.example.com/","event_types":["*"]}`, "1", "/payload/id"},
		{"no revision", webhooks.ActionUpdate, `{"url":"https://a.example.com/","event_types":["*"]}`, "", "/base_revision"},
		{"a revision that is none", webhooks.ActionDelete, "", "0", "/base_revision"},
		{"a deletion with a payload", webhooks.ActionDelete, "{}", "1", "/payload"},
		{"a disabling with a payload", webhooks.ActionDisable, `{"reason":"x"}`, "1", "/payload"},
		{"an enabling with a payload", webhooks.ActionEnable, "{}", "1", "/payload"},
		{"a redelivery of nothing", webhooks.ActionRedeliver, "", "", "/payload"},
		{"a redelivery of another message", webhooks.ActionRedeliver, `{"message_id":"x","endpoint_id":"` + e.ID + `"}`, "", "/payload/message_id"},
		{"a redelivery to another endpoint", webhooks.ActionRedeliver, `{"message_id":"` + d.MessageID + `","endpoint_id":"x"}`, "", "/payload/endpoint_id"},
		{"another action", "orders.refund", "{}", "1", "/action"},
	} {
		event := audit.Event{Tenant: "acme", Action: c.action, Resource: audit.Resource{Type: webhooks.ResourceEndpoint, ID: e.ID}, BaseRevision: c.base}
		if c.payload != "" {
			event.Payload = []byte(c.payload)
		}
		if c.action == webhooks.ActionRedeliver {
			event.Resource = audit.Resource{Type: webhooks.ResourceDelivery, ID: d.ID}
		}
		err := k.service.Apply(k.ctx, event)
		invalid, ok := errors.AsType[*storage.InvalidError](err)
		if !ok || len(invalid.Fields) != 1 || invalid.Fields[0].Pointer != c.pointer {
			t.Errorf("%s: got %v, want pointer %s", c.name, err, c.pointer)
		}
	}
	long := audit.Event{Tenant: "acme", Action: webhooks.ActionDisable, BaseRevision: "1", Reason: strings.Repeat("x", storage.MaxID+1),
		Resource: audit.Resource{Type: webhooks.ResourceEndpoint, ID: e.ID}}
	wantErr(t, k.service.Apply(k.ctx, long), storage.ErrInvalid)
	for _, gone := range []audit.Event{
		{Tenant: "acme", Action: webhooks.ActionDelete, Resource: audit.Resource{Type: webhooks.ResourceEndpoint, ID: "gone"}, BaseRevision: "1"},
		{Tenant: "bloom", Action: webhooks.ActionDelete, Resource: audit.Resource{Type: webhooks.ResourceEndpoint, ID: e.ID}, BaseRevision: "1"},
		{Tenant: "bloom", Action: webhooks.ActionRedeliver, Resource: audit.Resource{Type: webhooks.ResourceDelivery, ID: d.ID},
			Payload: []byte(`{"message_id":"` + d.MessageID + `","endpoint_id":"` + e.ID + `"}`)},
	} {
		if err := k.service.Apply(k.ctx, gone); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("%s of %s in %s: got %v, want not found", gone.Action, gone.Resource.ID, gone.Tenant, err)
		}
	}
	same(t, len(k.audited(t)), recorded)
	got, err := k.service.Get(k.ctx, "acme", e.ID)
	must(t, err)
	same(t, got, e)
}
