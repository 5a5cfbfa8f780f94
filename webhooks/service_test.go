package webhooks_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/cloudevent"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/secrets"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/webhooks"
	"github.com/lumelle/adminkit/webhooks/egress"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

const refunded = "lumelle.orders.v1.refunded"

// A kit is a whole sender over one backend.
type kit struct {
	backend  eachtest.Backend
	log      *audit.Log
	outbox   *webhooks.Outbox
	governor *audit.Governor
	service  *webhooks.Service
	queue    *jobs.Queue
	worker   *jobs.Worker
	ctx      context.Context // acts as sam
}

type kitConfig struct {
	gate      audit.Gate
	deliverer webhooks.Deliverer
	service   webhooks.Config
	outbox    webhooks.OutboxConfig
	worker    jobs.WorkerConfig
}

var sam = audit.Actor{Type: audit.User, ID: "sam"}

func newKit(t *testing.T, b eachtest.Backend, cfg kitConfig) *kit {
	t.Helper()
	k := &kit{backend: b, ctx: audit.WithActor(t.Context(), sam)}
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, append(webhooks.Actions(),
		audit.Action{Name: "orders.refund", Type: refunded},
		audit.Action{Name: "orders.note", Type: "lumelle.orders.v1.noted", Category: audit.Domain},
		audit.Action{Name: "orders.read", Type: "lumelle.orders.v1.read", Category: audit.DataAccess},
	)...)
	must(t, err)
	k.log, err = audit.NewLog(b.Audit(), audit.LogConfig{})
	must(t, err)
	k.queue, err = jobs.NewQueue(b.Jobs(), jobs.Config{})
	must(t, err)
	k.outbox, err = webhooks.NewOutbox(b, b.Webhooks(), k.queue, cloudevent.MarshalPublic, cfg.outbox)
	must(t, err)
	if cfg.gate == nil {
		cfg.gate = audit.Ungated
	}
	k.governor, err = audit.NewGovernor(b, cfg.gate, audit.Tee(k.log, k.outbox), catalog)
	must(t, err)
	keys, err := secrets.Generate()
	must(t, err)
	vault, err := secrets.New(keys)
	must(t, err)
	if cfg.deliverer == nil {
		d, err := egress.New(egress.Config{Allow: loopback})
		must(t, err)
		t.Cleanup(func() { d.Close(context.WithoutCancel(t.Context())) })
		cfg.deliverer = d
	}
	k.service, err = webhooks.New(k.governor, b.Webhooks(), k.queue, vault, cfg.deliverer, cfg.service)
	must(t, err)
	k.worker, err = jobs.NewWorker(k.queue, k.service.Handlers(), cfg.worker)
	must(t, err)
	return k
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

func (k *kit) create(t *testing.T, url string, types ...string) (webhooks.Endpoint, string) {
	t.Helper()
	e, secret, err := k.service.Create(k.ctx, "acme", webhooks.EndpointInput{URL: url, EventTypes: types})
	must(t, err)
	return e, secret
}

// refund records a refund under its own trace and returns the event.
func (k *kit) refund(t *testing.T, tenant, id string) audit.Event {
	t.Helper()
	ctx := correlation.With(k.ctx, correlation.New())
	e, err := k.governor.Change(ctx, audit.Event{
		ID: id, Tenant: tenant, Action: "orders.refund", Resource: audit.Resource{Type: "order", ID: "1001"}, Payload: []byte(`{"amount":"12.50"}`),
	}, func(context.Context, *audit.Event) error { return nil })
	must(t, err)
	return e
}

// deliveries returns all deliveries of acme, oldest first.
func (k *kit) deliveries(t *testing.T, q webhooks.DeliveryQuery) []webhooks.Delivery {
	t.Helper()
	page, err := k.service.Deliveries(k.ctx, "acme", q)
	must(t, err)
	slices.Reverse(page.Items)
	return page.Items
}

// until waits until a delivery satisfies want.
func (k *kit) until(t *testing.T, id string, want func(webhooks.Delivery) bool) webhooks.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(k.ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		d, _, err := k.service.Delivery(ctx, "acme", id)
		must(t, err)
		if want(d) {
			return d
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("delivery stays %+v", d)
		}
	}
}

func is(status string) func(webhooks.Delivery) bool {
	return func(d webhooks.Delivery) bool { return d.Status == status }
}

// audited returns the actions recorded for acme, in order.
func (k *kit) audited(t *testing.T) []string {
	t.Helper()
	page, err := k.log.Query(k.ctx, "acme", audit.Query{Limit: 1000})
	must(t, err)
	var all []string
	for _, e := range page.Items {
		all = append(all, e.Action+" "+string(e.Outcome)+" by "+e.Actor.ID)
	}
	return all
}

// A scripted deliverer answers by a function and remembers the requests.
type scripted struct {
	mu  sync.Mutex
	got []webhooks.Request
	fn  func(n int, r webhooks.Request) webhooks.Result
}

func (s *scripted) Deliver(_ context.Context, r webhooks.Request) webhooks.Result {
	s.mu.Lock()
	s.got = append(s.got, r)
	n := len(s.got)
	s.mu.Unlock()
	return s.fn(n, r)
}

func (s *scripted) requests() []webhooks.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

var (
	accepted = webhooks.Result{Outcome: webhooks.Accepted, Class: webhooks.ClassSuccess, StatusCode: 204}
	failing  = webhooks.Result{Class: webhooks.ClassStatus, StatusCode: 500, Error: "the receiver answered 500"}
)

func always(r webhooks.Result) *scripted {
	return &scripted{fn: func(int, webhooks.Request) webhooks.Result { return r }}
}

func TestEndpointIsManagedAndEveryChangeRecorded(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, kitConfig{})
		e, secret := k.create(t, "https://hooks.example.com/in", "b.v1.*", "a.v1.x", "b.v1.*")
		if !strings.HasPrefix(secret, "whsec_") || e.Status != webhooks.Enabled || e.Revision != 1 || !slices.Equal(e.EventTypes, []string{"a.v1.x", "b.v1.*"}) {
			t.Fatalf("got %+v with %q", e, secret)
		}
		got, err := k.service.Get(k.ctx, "acme", e.ID)
		must(t, err)
		same(t, got, e)
		stored, err := b.Webhooks().Secrets(k.ctx, "acme", e.ID)
		must(t, err)
		if len(stored) != 1 || strings.Contains(string(stored[0].Sealed), secret) || strings.Contains(string(stored[0].Sealed), secret[6:]) {
			t.Errorf("the secret is stored as %q", stored)
		}
		e, err = k.service.Update(k.ctx, "acme", e.ID, 1, webhooks.EndpointInput{URL: "https://other.example.com/", EventTypes: []string{"*"}, Timeout: 2 * time.Second})
		must(t, err)
		same(t, e.Revision, 2)
		_, err = k.service.Update(k.ctx, "acme", e.ID, 1, webhooks.EndpointInput{URL: "https://other.example.com/", EventTypes: []string{"*"}})
		wantErr(t, err, storage.ErrConflict)
		e, err = k.service.Disable(k.ctx, "acme", e.ID, "moving")
		must(t, err)
		same(t, e.Status+e.DisabledReason, "disabledmoving")
		again, err := k.service.Disable(k.ctx, "acme", e.ID, "twice")
		must(t, err)
		same(t, again, e)
		e, err = k.service.Enable(k.ctx, "acme", e.ID)
		must(t, err)
		same(t, e.Status+e.DisabledReason, "enabled")
		must(t, k.service.Delete(k.ctx, "acme", e.ID, 0))
		_, err = k.service.Get(k.ctx, "acme", e.ID)
		wantErr(t, err, storage.ErrNotFound)
		same(t, k.audited(t), []string{
			"webhooks.endpoint.created success by sam", "webhooks.endpoint.updated success by sam",
			"webhooks.endpoint.disabled success by sam", "webhooks.endpoint.enabled success by sam",
			"webhooks.endpoint.deleted success by sam",
		})
	})
}

func TestSwitchingWhatStandsThatWayIsGatedToo(t *testing.T) {
	may := true
	gate := audit.GateFunc(func(context.Context, audit.Event) (audit.Verdict, error) {
		if may {
			return audit.Verdict{Effect: audit.Allow}, nil
		}
		return audit.Verdict{}, nil
	})
	k := newKit(t, eachtest.Memory(t), kitConfig{gate: gate})
	e, _ := k.create(t, "https://hooks.example.com/in", "*")
	may = false
	_, err := k.service.Enable(k.ctx, "acme", e.ID)
	wantErr(t, err, audit.ErrDenied)
	may = true
	_, err = k.service.Disable(k.ctx, "acme", e.ID, "")
	must(t, err)
	may = false
	_, err = k.service.Disable(k.ctx, "acme", e.ID, "")
	wantErr(t, err, audit.ErrDenied)
	same(t, k.audited(t), []string{
		"webhooks.endpoint.created success by sam", "webhooks.endpoint.enabled denied by sam",
		"webhooks.endpoint.disabled success by sam", "webhooks.endpoint.disabled denied by sam",
	})
}

func TestForeignEndpointsAreNotFound(t *testing.T) {
	k := newKit(t, eachtest.Memory(t), kitConfig{deliverer: always(accepted)})
	e, _ := k.create(t, "https://hooks.example.com/in", "*")
	k.refund(t, "acme", "r1")
	d := k.deliveries(t, webhooks.DeliveryQuery{})[0]
	for name, try := range map[string]func() error{
		"get": func() error { _, err := k.service.Get(k.ctx, "bloom", e.ID); return err },
		"update": func() error {
			_, err := k.service.Update(k.ctx, "bloom", e.ID, 0, webhooks.EndpointInput{URL: "https://x.example.com/", EventTypes: []string{"*"}})
			return err
		},
		"delete":    func() error { return k.service.Delete(k.ctx, "bloom", e.ID, 0) },
		"disable":   func() error { _, err := k.service.Disable(k.ctx, "bloom", e.ID, ""); return err },
		"enable":    func() error { _, err := k.service.Enable(k.ctx, "bloom", e.ID); return err },
		"delivery":  func() error { _, _, err := k.service.Delivery(k.ctx, "bloom", d.ID); return err },
		"redeliver": func() error { _, err := k.service.Redeliver(k.ctx, "bloom", d.ID, ""); return err },
		"message":   func() error { _, err := k.service.Message(k.ctx, "bloom", d.MessageID); return err },
	} {
		if err := try(); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("%s: got %v, want not found", name, err)
		}
	}
}

func TestBadInputIsRefusedByField(t *testing.T) {
	k := newKit(t, eachtest.Memory(t), kitConfig{})
	good := webhooks.EndpointInput{URL: "https://hooks.example.com/", EventTypes: []string{"a.b"}}
	for _, c := range []struct {
		name    string
		change  func(*webhooks.EndpointInput)
		pointer string
	}{
		{"no url", func(in *webhooks.EndpointInput) { in.URL = "" }, "/url"},
		{"a url into the house", func(in *webhooks.EndpointInput) { in.URL = "https://10.0.0.1/" }, "/url"},
		{"a url that is too long", func(in *webhooks.EndpointInput) { in.URL += strings.Repeat("a", 2048) }, "/url"},
		{"no event type", func(in *webhooks.EndpointInput) { in.EventTypes = nil }, "/event_types"},
		{"too many event types", func(in *webhooks.EndpointInput) { in.EventTypes = make([]string, 101) }, "/event_types"},
		{"a star inside", func(in *webhooks.EndpointInput) { in.EventTypes = []string{"a.b", "a.*.c"} }, "/event_types/1"},
		{"a star on a word", func(in *webhooks.EndpointInput) { in.EventTypes = []string{"a.b*"} }, "/event_types/0"},
		{"a star after nothing", func(in *webhooks.EndpointInput) { in.EventTypes = []string{".*"} }, "/event_types/0"},
		{"an empty word", func(in *webhooks.EndpointInput) { in.EventTypes = []string{"a..b"} }, "/event_types/0"},
		{"an empty type", func(in *webhooks.EndpointInput) { in.EventTypes = []string{""} }, "/event_types/0"},
		{"two stars", func(in *webhooks.EndpointInput) { in.EventTypes = []string{"**"} }, "/event_types/0"},
		{"a blank", func(in *webhooks.EndpointInput) { in.EventTypes = []string{"a b"} }, "/event_types/0"},
		{"too many words", func(in *webhooks.EndpointInput) { in.EventTypes = []string{strings.Repeat("a.", 40) + "b"} }, "/event_types/0"},
		{"a description with NUL", func(in *webhooks.EndpointInput) { in.Description = "a\x00" }, "/description"},
		{"a timeout too short", func(in *webhooks.EndpointInput) { in.Timeout = time.Millisecond }, "/timeout_ms"},
		{"a timeout too long", func(in *webhooks.EndpointInput) { in.Timeout = time.Minute }, "/timeout_ms"},
		{"an id with NUL", func(in *webhooks.EndpointInput) { in.ID = "\x00" }, "/id"},
	} {
		in := good
		c.change(&in)
		_, _, err := k.service.Create(k.ctx, "acme", in)
		var invalid *storage.InvalidError
		if !errors.As(err, &invalid) || invalid.Fields[0].Pointer != c.pointer {
			t.Errorf("%s: got %v, want pointer %s", c.name, err, c.pointer)
		}
	}
	if n := len(k.audited(t)); n != 0 {
		t.Errorf("%d events were recorded", n)
	}
}

func TestGateRefusesAndTheAttemptIsRecorded(t *testing.T) {
	gate := audit.GateFunc(func(_ context.Context, e audit.Event) (audit.Verdict, error) {
		return audit.Verdict{Effect: audit.Deny, Reason: audit.Reason{Code: "not_yours"}}, nil
	})
	k := newKit(t, eachtest.Memory(t), kitConfig{gate: gate})
	_, secret, err := k.service.Create(k.ctx, "acme", webhooks.EndpointInput{URL: "https://hooks.example.com/", EventTypes: []string{"*"}})
	wantErr(t, err, audit.ErrDenied)
	if secret != "" {
		t.Error("a secret was handed out")
	}
	page, err := k.service.List(k.ctx, "acme", webhooks.EndpointQuery{})
	must(t, err)
	same(t, len(page.Items), 0)
	same(t, k.audited(t), []string{"webhooks.endpoint.created denied by sam"})
}

func TestOnlyMatchingEndpointsGetADelivery(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, kitConfig{deliverer: always(accepted)})
		want := map[string]bool{}
		for _, c := range []struct {
			pattern string
			match   bool
		}{
			{"*", true}, {"lumelle.*", true}, {"lumelle.orders.*", true}, {"lumelle.orders.v1.*", true}, {refunded, true},
			{"lumelle.orders.v1", false}, {"lumelle.orders.v1.refund", false}, {"lumelle.orders.v1.refunded.*", false},
			{"lumelle.orders.v2.*", false}, {"lumelle.order.*", false}, {"LUMELLE.*", false}, {"orders.*", false},
		} {
			e, _ := k.create(t, "https://hooks.example.com/in", c.pattern, "unrelated.v1.x")
			if c.match {
				want[e.ID] = true
			}
		}
		off, _ := k.create(t, "https://hooks.example.com/in", "*")
		_, err := k.service.Disable(k.ctx, "acme", off.ID, "")
		must(t, err)
		_, _, err = k.service.Create(k.ctx, "bloom", webhooks.EndpointInput{URL: "https://hooks.example.com/in", EventTypes: []string{"*"}})
		must(t, err)
		e := k.refund(t, "acme", "r1")
		got := map[string]bool{}
		for _, d := range k.deliveries(t, webhooks.DeliveryQuery{TraceID: e.Trace.TraceID}) {
			got[d.EndpointID] = true
		}
		same(t, got, want)
	})
}

func TestFanOutReachesExactlyTheMatchingSetOfAThousand(t *testing.T) {
	b := eachtest.Memory(t)
	k := newKit(t, b, kitConfig{deliverer: always(accepted)})
	want := map[string]bool{}
	for i := range 1000 {
		pattern := []string{refunded, "lumelle.orders.*", "lumelle.stock.*", "lumelle.orders.v1.created"}[i%4]
		e, _ := k.create(t, "https://hooks.example.com/in", pattern)
		if i%4 < 2 {
			want[e.ID] = true
		}
	}
	k.refund(t, "acme", "r1")
	got := map[string]bool{}
	for q := (webhooks.DeliveryQuery{Limit: 300}); ; {
		page, err := k.service.Deliveries(k.ctx, "acme", q)
		must(t, err)
		for _, d := range page.Items {
			if got[d.EndpointID] {
				t.Errorf("endpoint %s got two deliveries", d.EndpointID)
			}
			got[d.EndpointID] = true
		}
		if q.After = page.Next; page.Next == "" {
			break
		}
	}
	if len(got) != 500 {
		t.Errorf("got %d deliveries, want 500", len(got))
	}
	same(t, got, want)
	must(t, k.worker.Start(t.Context()))
	for id := range got {
		for _, d := range k.deliveries(t, webhooks.DeliveryQuery{EndpointID: id}) {
			k.until(t, d.ID, is(webhooks.Succeeded))
		}
	}
	must(t, k.worker.Close(t.Context()))
}

func TestOutboxFeedsOnWhatSucceededOnly(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*audit.Event)
		cfg    webhooks.OutboxConfig
		want   int
	}{
		{"a change that succeeded is a message", func(e *audit.Event) {}, webhooks.OutboxConfig{}, 1},
		{"a fact of the domain is one", func(e *audit.Event) { e.Action, e.Type, e.Category = "orders.note", "", "" }, webhooks.OutboxConfig{}, 1},
		{"a denied attempt is none", func(e *audit.Event) { e.Outcome = audit.Denied }, webhooks.OutboxConfig{}, 0},
		{"a pending one is none", func(e *audit.Event) { e.Outcome = audit.Pending }, webhooks.OutboxConfig{}, 0},
		{"a failure is none", func(e *audit.Event) { e.Outcome = audit.Failure }, webhooks.OutboxConfig{}, 0},
		{"a decision is none", func(e *audit.Event) { e.Category = audit.Policy }, webhooks.OutboxConfig{}, 0},
		{"a read is none", func(e *audit.Event) { e.Action = "orders.read" }, webhooks.OutboxConfig{}, 0},
		{"a read is one where the host says so", func(e *audit.Event) { e.Action = "orders.read" }, webhooks.OutboxConfig{Categories: []audit.Category{audit.DataAccess}}, 1},
		{"a change is none where the host leaves it out", func(e *audit.Event) {}, webhooks.OutboxConfig{Categories: []audit.Category{audit.DataAccess}}, 0},
		{"webhooks do not feed webhooks", func(e *audit.Event) {
			e.Action, e.Resource.Type = webhooks.ActionUpdate, webhooks.ResourceEndpoint
		}, webhooks.OutboxConfig{}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKit(t, eachtest.Memory(t), kitConfig{deliverer: always(accepted), outbox: c.cfg})
			k.create(t, "https://hooks.example.com/in", "*")
			e := audit.Event{Tenant: "acme", Action: "orders.refund", Resource: audit.Resource{Type: "order", ID: "1"}}
			c.change(&e)
			must(t, k.governor.Record(k.ctx, e))
			same(t, len(k.deliveries(t, webhooks.DeliveryQuery{})), c.want)
		})
	}
}

func TestSameEventAgainIsNoSecondMessage(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, kitConfig{deliverer: always(accepted)})
		k.create(t, "https://hooks.example.com/in", "*")
		e := k.refund(t, "acme", "r1")
		errs := make(chan error)
		for range 8 {
			go func() { errs <- k.outbox.Append(k.ctx, e) }()
		}
		for range 8 {
			must(t, <-errs)
		}
		same(t, len(k.deliveries(t, webhooks.DeliveryQuery{})), 1)
		other := k.refund(t, "acme", "r2")
		ids := map[string]bool{}
		for _, d := range k.deliveries(t, webhooks.DeliveryQuery{}) {
			ids[d.MessageID] = true
			if strings.Contains(d.MessageID, ".") {
				t.Errorf("the id %q has a full stop", d.MessageID)
			}
		}
		if len(ids) != 2 {
			t.Errorf("%s and %s became the messages %v", e.ID, other.ID, ids)
		}
	})
}

func TestRolledBackChangeSendsNothing(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		sent := always(accepted)
		k := newKit(t, b, kitConfig{deliverer: sent})
		k.create(t, "https://hooks.example.com/in", "*")
		boom := errors.New("boom")
		err := b.InTx(k.ctx, func(ctx context.Context) error {
			if err := k.governor.Record(ctx, audit.Event{Tenant: "acme", Action: "orders.refund", Resource: audit.Resource{Type: "order", ID: "1"}}); err != nil {
				return err
			}
			return boom
		})
		wantErr(t, err, boom)
		k.work(t)
		e := k.refund(t, "acme", "r1")
		d := k.deliveries(t, webhooks.DeliveryQuery{})
		if len(d) != 1 || d[0].TraceID != e.Trace.TraceID {
			t.Fatalf("got %+v, want the one of the change that was kept", d)
		}
		k.until(t, d[0].ID, is(webhooks.Succeeded))
		same(t, len(sent.requests()), 1)
	})
}
