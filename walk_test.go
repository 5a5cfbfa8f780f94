package adminkit_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/cloudevent"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/audit/schema"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/authz/casbinengine"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/secrets"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/webhooks"
	"github.com/lumelle/adminkit/webhooks/egress"
)

// The walk is one governed refund through all of the kit, without HTTP: decided,
// approved by somebody else, applied once, recorded, and told to the merchant. What
// these files hold is the promise that no package can hold alone: that all of it is
// there or none of it.

const (
	tenant     = "acme"
	refundType = "lumelle.orders.v1.refunded"
)

// A payment is the payload of a refund.
type payment struct {
	Cents int64 `json:"cents"`
}

// A till is the host's own business: what was paid back for which order.
type till interface {
	// pay pays in the transaction of ctx, under an id that it refuses to see twice.
	pay(ctx context.Context, order, id string, cents int64) error
	// paid returns how many payments an order has.
	paid(ctx context.Context, order string) (int, error)
}

// parts are what may be taken away from a walk, to see what it costs.
type parts struct{ gates, audit, outbox, rules bool }

var everything = parts{gates: true, audit: true, outbox: true}

// automated is everything, and a rule that each refund starts a run of.
var automated = parts{gates: true, audit: true, outbox: true, rules: true}

// A walk is the kit wired as a host does it.
type walk struct {
	db         eachtest.Backend
	till       till
	log        *audit.Log
	approvals  *approvals.Service
	webhooks   *webhooks.Service
	automation *automation.Service // nil without rules
	rule       string              // the id of the one that is written
	queue      *jobs.Queue
	policies   *authz.Policies
	refunds    *approvals.Guard[payment]
	deliverer  *egress.Deliverer
	sources    []correlation.Source
}

// newWalk wires the kit over db. keys are those of the vault: walks over one database
// share them.
func newWalk(t testing.TB, db eachtest.Backend, host till, keys *secrets.Keys, with parts) *walk {
	t.Helper()
	w := &walk{db: db, till: host}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	catalog, err := audit.NewCatalog(audit.CatalogConfig{Source: "/orders"}, slices.Concat(
		[]audit.Action{{Name: "orders.refund", Type: refundType, ResourceTypes: []string{"order"}}},
		approvals.Actions(), authz.Actions(), webhooks.Actions(), automation.Actions())...)
	check(err)
	vault, err := secrets.New(keys)
	check(err)
	w.queue, err = jobs.NewQueue(db.Jobs(), jobs.Config{})
	check(err)
	w.log, err = audit.NewLog(db.Audit(), audit.LogConfig{})
	check(err)
	outbox, err := webhooks.NewOutbox(db, db.Webhooks(), w.queue, cloudevent.MarshalPublic, webhooks.OutboxConfig{})
	check(err)
	var sinks []audit.AuditSink
	if with.audit {
		sinks = append(sinks, w.log)
	}
	if with.outbox {
		sinks = append(sinks, outbox)
	}
	if with.rules {
		rules, err := automation.NewOutbox(db, db.Automation(), w.queue, cloudevent.MarshalPublic, automation.OutboxConfig{})
		check(err)
		sinks = append(sinks, rules)
	}
	sink := audit.Tee(sinks...)

	engine, err := casbinengine.New(db.Authz(),
		casbinengine.Vocabulary{Roles: []string{"support", "manager"}, Actions: []string{"orders.refund"}},
		casbinengine.Config{Rules: []casbinengine.Rule{
			{ID: "support-refunds", Role: "support", Action: "orders.refund", ResourceType: "order", Effect: audit.Allow},
			{ID: "manager-refunds", Role: "manager", Action: "orders.refund", ResourceType: "order", Effect: audit.Allow},
			{
				ID: "refund-approval", Role: casbinengine.Everyone, Action: "orders.refund", ResourceType: "order",
				Effect: audit.NeedsApproval, When: "/payload/cents > 10000",
				Obligations: audit.Obligations{Approval: &audit.ApprovalObligation{}},
			},
		}})
	check(err)
	ungated, err := audit.NewGovernor(db, audit.Ungated, sink, catalog)
	check(err)
	w.policies, err = authz.NewPolicies(db.Authz(), engine, ungated)
	check(err)
	directory := approvals.DirectoryFunc(func(ctx context.Context, tenant string, a audit.Actor) ([]string, error) {
		return engine.Roles(ctx, tenant, authz.Entity{Type: a.Type, ID: a.ID})
	})
	w.approvals, err = approvals.New(db, db.Approvals(), w.queue, directory, catalog, sink, approvals.Config{
		Policies: map[string]approvals.Policy{"": {Stages: []approvals.StageRule{{Name: "manager", Required: 1, Roles: []string{"manager"}}}}},
	})
	check(err)
	gate := audit.Ungated
	if with.gates {
		guard, err := authz.New(engine, db, sink, catalog, authz.Config{})
		check(err)
		gate = approvals.Gate(guard, w.approvals)
	}
	governor, err := audit.NewGovernor(db, gate, sink, catalog)
	check(err)
	w.refunds, err = approvals.NewGuard(governor, w.approvals, "orders.refund",
		func(ctx context.Context, e *audit.Event, p payment) error {
			return host.pay(ctx, e.Resource.ID, e.ID, p.Cents)
		}, approvals.GuardConfig{})
	check(err)
	w.deliverer, err = egress.New(egress.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	check(err)
	w.webhooks, err = webhooks.New(ungated, db.Webhooks(), w.queue, vault, w.deliverer, webhooks.Config{})
	check(err)
	if with.rules {
		actions, err := automation.NewCatalog(schema.Compile, automation.CatalogConfig{Actions: []automation.Action{automation.PublishEvent(ungated, "orders.refund")}})
		check(err)
		w.automation, err = automation.New(ungated, db.Automation(), w.queue, actions, automation.Config{})
		check(err)
	}
	w.sources = []correlation.Source{w.approvals, w.log, w.webhooks}
	t.Cleanup(func() {
		if err := w.deliverer.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w
}

// cast gives the people of the walk their roles and subscribes url to refunds.
func (w *walk) cast(t testing.TB, url string) (endpoint webhooks.Endpoint, secret string) {
	t.Helper()
	ctx := as(t.Context(), "olivia")
	if _, err := w.policies.Change(ctx, tenant, authz.Change{Expected: authz.AnySequence, Add: []authz.Row{
		casbinengine.Assign(tenant, authz.Entity{Type: audit.User, ID: "sam"}, "support"),
		casbinengine.Assign(tenant, authz.Entity{Type: audit.User, ID: "marco"}, "manager"),
	}}); err != nil {
		t.Fatal(err)
	}
	endpoint, secret, err := w.webhooks.Create(ctx, tenant, webhooks.EndpointInput{URL: url, EventTypes: []string{"lumelle.orders.v1.*"}})
	if err != nil {
		t.Fatal(err)
	}
	if w.automation != nil {
		w.writeRule(t)
	}
	return endpoint, secret
}

// writeRule writes and enables the rule of an automated walk.
func (w *walk) writeRule(t testing.TB) {
	t.Helper()
	definition, err := automation.ParseDefinition([]byte(`{"name":"after a refund","automation_environment":"prod",
		"trigger":{"type":"event","event_type":"` + refundType + `"},
		"steps":[{"name":"again","action":"publish.event","with":{"action":"orders.refund","resource":{"type":"order","id":"1"}}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	ctx := as(t.Context(), "olivia")
	rule, err := w.automation.Create(ctx, tenant, automation.RuleInput{Definition: definition})
	if err != nil {
		t.Fatal(err)
	}
	w.rule = rule.ID
	if _, err := w.automation.Enable(ctx, tenant, rule.ID, ""); err != nil {
		t.Fatal(err)
	}
}

// refund asks for a refund as sam, under an id that makes it repeatable.
func (w *walk) refund(ctx context.Context, order, id string, cents int64) error {
	_, err := w.refunds.Do(as(ctx, "sam"), approvals.Change[payment]{
		Tenant: tenant, Resource: audit.Resource{Type: "order", ID: order}, Payload: payment{Cents: cents}, ID: id,
	})
	return err
}

// approve agrees to a request as a person.
func (w *walk) approve(ctx context.Context, person, request string) error {
	_, err := w.approvals.Decide(as(ctx, person), tenant, request, approvals.Choice{Decision: approvals.Approve, Revision: 1, Comment: "fine"})
	return err
}

// worker returns a worker over everything the walk enqueues.
func (w *walk) worker(t testing.TB) *jobs.Worker {
	t.Helper()
	handlers := w.approvals.Handlers()
	maps.Copy(handlers, w.webhooks.Handlers())
	worker, err := jobs.NewWorker(w.queue, handlers, jobs.WorkerConfig{Poll: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return worker
}

func as(ctx context.Context, person string) context.Context {
	return audit.WithActor(ctx, audit.Actor{Type: audit.User, ID: person})
}

// until waits for a condition, looking again every few milliseconds.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// A sqlTill keeps the host's own tables in the kit's database.
type sqlTill struct{ db sqlDB }

type sqlDB interface {
	storage.Transactor
	Conn(ctx context.Context) (storage.Conn, error)
	Reader(ctx context.Context) (storage.Conn, error)
}

func (s sqlTill) create(ctx context.Context) error {
	return s.db.InTx(ctx, func(ctx context.Context) error {
		c, err := s.db.Conn(ctx)
		if err != nil {
			return err
		}
		_, err = c.Exec(ctx, `CREATE TABLE IF NOT EXISTS till_payment (id TEXT PRIMARY KEY, order_id TEXT NOT NULL, cents BIGINT NOT NULL)`)
		return err
	})
}

func (s sqlTill) pay(ctx context.Context, order, id string, cents int64) error {
	c, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, `INSERT INTO till_payment (id, order_id, cents) VALUES ($1, $2, $3)`, id, order, cents)
	return err
}

func (s sqlTill) paid(ctx context.Context, order string) (n int, err error) {
	c, err := s.db.Reader(ctx)
	if err != nil {
		return 0, err
	}
	err = storage.QueryRow(ctx, c, `SELECT COUNT(*) FROM till_payment WHERE order_id = $1`, []any{order}, &n)
	return n, err
}

// A memoryTill keeps the host's own state in a map, and takes part in transactions
// through OnRollback.
type memoryTill struct {
	db interface {
		OnRollback(ctx context.Context, fn func()) error
	}
	mu       sync.Mutex
	payments map[string]string // id -> order
}

func (m *memoryTill) pay(ctx context.Context, order, id string, _ int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.payments[id]; ok {
		return storage.ErrConflict
	}
	if err := m.db.OnRollback(ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.payments, id)
	}); err != nil {
		return err
	}
	m.payments[id] = order
	return nil
}

func (m *memoryTill) paid(_ context.Context, order string) (n int, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.payments {
		if o == order {
			n++
		}
	}
	return n, nil
}

// hostOf returns the host's own state in the way that suits the backend.
func hostOf(t testing.TB, db eachtest.Backend) till {
	t.Helper()
	if m, ok := db.(interface {
		OnRollback(ctx context.Context, fn func()) error
	}); ok {
		return &memoryTill{db: m, payments: map[string]string{}}
	}
	s := sqlTill{db: db.(sqlDB)}
	if err := s.create(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func newKeys(t testing.TB) *secrets.Keys {
	t.Helper()
	keys, err := secrets.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestARefundWalksFromDecisionToDelivery(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, db eachtest.Backend) {
		type delivery struct {
			header http.Header
			body   []byte
		}
		received := make(chan delivery, 10)
		receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			received <- delivery{r.Header.Clone(), body}
		}))
		defer receiver.Close()
		w := newWalk(t, db, hostOf(t, db), newKeys(t), everything)
		_, secret := w.cast(t, receiver.URL)
		worker := w.worker(t)
		if err := worker.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer worker.Close(context.Background())

		trace := correlation.New()
		ctx := correlation.With(t.Context(), trace)
		var pending *approvals.PendingError
		if err := w.refund(ctx, "o-1", "refund-1", 15000); !errors.As(err, &pending) {
			t.Fatalf("a refund above the limit answers %v, want a PendingError", err)
		}
		if err := w.approve(t.Context(), "sam", pending.RequestID); !errors.Is(err, approvals.ErrNotEligible) {
			t.Errorf("sam's own approval answers %v, want ErrNotEligible", err)
		}
		if err := w.approve(t.Context(), "marco", pending.RequestID); err != nil {
			t.Fatal(err)
		}
		if err := w.approve(t.Context(), "marco", pending.RequestID); err == nil {
			t.Error("a second decision must not count")
		}
		got := <-received
		verifier, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := verifier.Verify(got.body, got.header); err != nil {
			t.Errorf("the public library refuses the delivery: %v", err)
		}
		var body struct {
			Type        string `json:"type"`
			ID          string `json:"id"`
			SpecVersion string `json:"specversion"`
		}
		if err := json.Unmarshal(got.body, &body); err != nil || body.Type != refundType || body.ID != "refund-1" || body.SpecVersion != "1.0" {
			t.Errorf("the receiver got %s (%v), want the CloudEvent of refund-1", got.body, err)
		}
		if n, err := w.till.paid(t.Context(), "o-1"); n != 1 || err != nil {
			t.Errorf("%d payments (%v), want 1", n, err)
		}
		event, err := w.log.Get(t.Context(), tenant, "/orders", "refund-1")
		if err != nil {
			t.Fatal(err)
		}
		if event.OnBehalfOf == nil || event.OnBehalfOf.ID != "sam" || len(event.ApprovedBy) != 1 || event.ApprovedBy[0].ID != "marco" {
			t.Errorf("the event says %+v on behalf of %+v, approved by %+v; want sam and marco", event.Actor, event.OnBehalfOf, event.ApprovedBy)
		}

		var kinds []string
		until(t, "the timeline ends with the attempt", func() bool {
			entries, err := correlation.Timeline(t.Context(), tenant, trace.TraceID, w.sources...)
			if err != nil {
				t.Fatal(err)
			}
			kinds = kinds[:0]
			for _, e := range entries {
				kinds = append(kinds, e.Kind)
			}
			return slices.Contains(kinds, correlation.KindAttempt)
		})
		at := -1
		for _, kind := range []string{"decision", "approval", "audit", "delivery", "attempt"} {
			i := slices.Index(kinds, kind)
			if i <= at {
				t.Fatalf("the timeline is %v, want decision, approval, audit, delivery and attempt to begin in this order", kinds)
			}
			at = i
		}
	})
}

func TestARefusedRefundIsRecordedAndNothingElse(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, db eachtest.Backend) {
		w := newWalk(t, db, hostOf(t, db), newKeys(t), everything)
		w.cast(t, "http://127.0.0.1:1/")
		_, err := w.refunds.Do(as(t.Context(), "nina"), approvals.Change[payment]{
			Tenant: tenant, Resource: audit.Resource{Type: "order", ID: "o-1"}, Payload: payment{Cents: 100}, ID: "refund-1",
		})
		if !errors.Is(err, audit.ErrDenied) {
			t.Fatalf("a stranger's refund answers %v, want ErrDenied", err)
		}
		page, err := w.log.Query(t.Context(), tenant, audit.Query{Actor: "nina"})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range page.Items {
			got = append(got, e.Action+" "+string(e.Outcome))
		}
		slices.Sort(got)
		if want := []string{"authz.decision denied", "orders.refund denied"}; !slices.Equal(got, want) {
			t.Errorf("the log says %v, want %v", got, want)
		}
		if n, _ := w.till.paid(t.Context(), "o-1"); n != 0 {
			t.Errorf("%d payments, want none", n)
		}
		deliveries, err := w.webhooks.Deliveries(t.Context(), tenant, webhooks.DeliveryQuery{})
		if err != nil || len(deliveries.Items) != 0 {
			t.Errorf("%d deliveries (%v), want none", len(deliveries.Items), err)
		}
	})
}

// orderNo names orders of a sweep.
func orderNo(n int) string { return "o-" + strconv.Itoa(n) }
