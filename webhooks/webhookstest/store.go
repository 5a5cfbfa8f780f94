package webhookstest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
	"github.com/lumelle/adminkit/webhooks"
)

// A StoreUnderTest is a webhooks.Store with the transactions it takes part in.
type StoreUnderTest interface {
	storage.Transactor
	Webhooks() webhooks.Store
}

// RunStore holds a webhooks.Store to its rules, each as a subtest named by its id.
// newStore returns a migrated backend. It is called once: the rules share what it returns
// and have a tenant of their own each. The test that asks leaves closing it to newStore.
func RunStore(t *testing.T, newStore func(t *testing.T) StoreUnderTest) {
	t.Helper()
	ruletest.RunStore(t, storeRules(), newStore)
}

// StoreRules returns the rules of [RunStore], in their order.
func StoreRules() []ruletest.Rule { return ruletest.About(storeRules()) }

func storeRules() []storeRule {
	return slices.Concat(endpointRules, endpointListRules, secretRules, healthRules, subscriberRules,
		messageRules, deliveryRules, deliveryListRules, declaredRules, attemptRules, transactionRules)
}

// A storeRule is one thing a store has to keep.
type storeRule struct {
	id, name, explanation string
	run                   func(e *storeEnv)
}

// storePatience is how long a rule may take. A store that waits for itself would hang the run
// otherwise.
const storePatience = 30 * time.Second

// Check implements ruletest.StoreRule.
func (r storeRule) Check(t testing.TB, b StoreUnderTest) {
	t.Helper()
	r.About().Check(t, storePatience, func(ctx context.Context) {
		r.run(&storeEnv{TB: t, b: b, store: b.Webhooks(), ctx: ctx, tenant: "tenant-" + storage.NewID()})
	})
}

// About implements ruletest.StoreRule.
func (r storeRule) About() ruletest.Rule {
	return ruletest.Rule{ID: r.id, Name: r.name, Explanation: r.explanation}
}

// morning is when things happen in rules that do not care.
var morning = time.Date(2026, 3, 1, 9, 0, 0, 123_456_000, time.UTC)

// errUndo ends transactions that are to leave nothing.
var errUndo = errors.New("webhookstest: undo")

// A storeEnv is what a rule gets to work with.
type storeEnv struct {
	testing.TB
	b      StoreUnderTest
	store  webhooks.Store
	ctx    context.Context
	tenant string // one that no other rule uses
}

// other is the env of another tenant, whose name goes on where this one's ends.
func (e *storeEnv) other() *storeEnv {
	o := *e
	o.tenant += "-other"
	return &o
}

// in is the env in a transaction.
func (e *storeEnv) in(ctx context.Context) *storeEnv {
	i := *e
	i.ctx = ctx
	return &i
}

// must fails the rule at once with an error that should not be.
func (e *storeEnv) must(err error, what string) {
	e.Helper()
	if err != nil {
		e.Fatalf("%s: %v", what, err)
	}
}

// wantErr fails the rule unless err is want.
func (e *storeEnv) wantErr(err, want error, what string) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Errorf("%s: got %v, want %v", what, err, want)
	}
}

// same fails the rule unless got and want are equal to the last byte.
func (e *storeEnv) same(got, want any, what string) {
	e.Helper()
	if !reflect.DeepEqual(got, want) {
		e.Errorf("%s: got %+v, want %+v", what, got, want)
	}
}

// tx runs fn in a transaction that is to be committed.
func (e *storeEnv) tx(fn func(e *storeEnv) error) {
	e.Helper()
	e.must(e.b.InTx(e.ctx, func(ctx context.Context) error { return fn(e.in(ctx)) }), "the transaction")
}

// undone runs fn in a transaction that is rolled back.
func (e *storeEnv) undone(fn func(e *storeEnv) error) {
	e.Helper()
	err := e.b.InTx(e.ctx, func(ctx context.Context) error { return errors.Join(fn(e.in(ctx)), errUndo) })
	if err == nil || err.Error() != errUndo.Error() {
		e.Fatalf("the transaction to be rolled back answered %v", err)
	}
}

// oneOf fails the rule unless one of the errors is nil and the others are ErrConflict.
func (e *storeEnv) oneOf(errs []error, what string) {
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

// endpoint returns an endpoint of the rule's tenant that is enabled.
func (e *storeEnv) endpoint(id string, types ...string) webhooks.Endpoint {
	return webhooks.Endpoint{
		ID: id, Tenant: e.tenant, URL: "https://hooks.example.test/" + id, EventTypes: types, Description: "the ERP",
		Timeout: 3 * time.Second, Status: webhooks.Enabled, Revision: 1, CreatedAt: morning, UpdatedAt: morning,
	}
}

// secret returns a secret that does not expire.
func secret(id string) webhooks.Secret {
	return webhooks.Secret{ID: id, Sealed: []byte("sealed " + id), CreatedAt: morning}
}

// add inserts endpoints with a secret "first" each.
func (e *storeEnv) add(endpoints ...webhooks.Endpoint) {
	e.Helper()
	for _, p := range endpoints {
		e.must(e.store.InsertEndpoint(e.ctx, e.tenant, p, secret("first")), "insert an endpoint")
	}
}

// get reads an endpoint that is there.
func (e *storeEnv) get(id string) (webhooks.Endpoint, webhooks.Health) {
	e.Helper()
	p, h, err := e.store.GetEndpoint(e.ctx, e.tenant, id, false)
	e.must(err, "get an endpoint")
	return p, h
}

// secrets reads the secrets of an endpoint.
func (e *storeEnv) secrets(endpointID string) []webhooks.Secret {
	e.Helper()
	all, err := e.store.Secrets(e.ctx, e.tenant, endpointID)
	e.must(err, "read secrets")
	return all
}

// subscribers asks who subscribed.
func (e *storeEnv) subscribers(patterns ...string) []string {
	e.Helper()
	ids, err := e.store.Subscribers(e.ctx, e.tenant, patterns)
	e.must(err, "read subscribers")
	return ids
}

// message returns a message of the rule's tenant.
func (e *storeEnv) message(id string) webhooks.Message {
	return webhooks.Message{
		ID: id, Tenant: e.tenant, EventSource: "/orders", EventID: "e-" + id, EventType: "a.b",
		Body: []byte(`{"id":"` + id + `"}`), CreatedAt: morning,
		Trace: correlation.Trace{TraceID: "0af7651916cd43dd8448eb211c80319c", SpanID: "b7ad6b7169203331", Flags: 1, State: "a=b"},
	}
}

// delivery returns a pending delivery of a message.
func (e *storeEnv) delivery(m webhooks.Message, id, endpointID string) webhooks.Delivery {
	return webhooks.Delivery{
		ID: id, Tenant: e.tenant, MessageID: m.ID, EndpointID: endpointID, EventType: m.EventType,
		Status: webhooks.Pending, NextAttemptAt: morning, TraceID: m.Trace.TraceID, CreatedAt: morning, UpdatedAt: morning,
	}
}

// send inserts a message that is not known.
func (e *storeEnv) send(m webhooks.Message, deliveries ...webhooks.Delivery) {
	e.Helper()
	fresh, err := e.store.InsertMessage(e.ctx, e.tenant, m, deliveries)
	e.must(err, "insert a message")
	if !fresh {
		e.Fatalf("a fresh message %q is reported as known", m.ID)
	}
}

// deliver inserts a delivery with a message of its own, which has the delivery's id.
func (e *storeEnv) deliver(d webhooks.Delivery) {
	e.Helper()
	d.MessageID = d.ID
	e.send(e.message(d.ID), d)
}

// read reads a delivery that is there.
func (e *storeEnv) read(id string) webhooks.Delivery {
	e.Helper()
	d, err := e.store.GetDelivery(e.ctx, e.tenant, id, false)
	e.must(err, "get a delivery")
	return d
}

// attempt returns an attempt that was answered.
func (e *storeEnv) attempt(deliveryID string, n int) webhooks.Attempt {
	return webhooks.Attempt{
		Tenant: e.tenant, DeliveryID: deliveryID, N: n, At: morning, Duration: 1500 * time.Microsecond, StatusCode: 503,
		Class: webhooks.ClassStatus, Error: "the receiver answered 503", Response: []byte("sorry"),
		TraceID: "0af7651916cd43dd8448eb211c80319c", SpanID: "b7ad6b7169203331",
	}
}

// try inserts attempts.
func (e *storeEnv) try(attempts ...webhooks.Attempt) {
	e.Helper()
	for _, a := range attempts {
		e.must(e.store.InsertAttempt(e.ctx, e.tenant, a), "insert an attempt")
	}
}

func (e *storeEnv) attempts(deliveryID string) []webhooks.Attempt {
	e.Helper()
	all, err := e.store.Attempts(e.ctx, e.tenant, deliveryID)
	e.must(err, "read attempts")
	return all
}

// pages reads a whole list in pages of limit, and runs between after each.
func pages[T any](e *storeEnv, limit int, list func(after storage.Cursor) (storage.Page[T], error), between func(page int)) []T {
	e.Helper()
	var all []T
	for page, after := 0, storage.Cursor(""); ; page++ {
		p, err := list(after)
		e.must(err, "list")
		if len(p.Items) > limit {
			e.Fatalf("got a page of %d, want at most %d", len(p.Items), limit)
		}
		if page > 0 && len(p.Items) == 0 {
			e.Errorf("page %d is empty, and the one before it had a next one", page)
		}
		all = append(all, p.Items...)
		if p.Next == "" {
			return all
		}
		if p.Next == after || len(p.Items) == 0 || page > 1000 {
			e.Fatalf("the list does not end: page %d has %d items and a next one", page, len(p.Items))
		}
		if between != nil {
			between(page)
		}
		after = p.Next
	}
}

func (e *storeEnv) endpoints(limit int, between func(page int)) []webhooks.Endpoint {
	e.Helper()
	return pages(e, limit, func(after storage.Cursor) (storage.Page[webhooks.Endpoint], error) {
		return e.store.ListEndpoints(e.ctx, e.tenant, webhooks.EndpointQuery{After: after, Limit: limit})
	}, between)
}

func (e *storeEnv) allSecrets(limit int, between func(page int)) []webhooks.EndpointSecret {
	e.Helper()
	return pages(e, limit, func(after storage.Cursor) (storage.Page[webhooks.EndpointSecret], error) {
		return e.store.ListSecrets(e.ctx, e.tenant, webhooks.SecretQuery{After: after, Limit: limit})
	}, between)
}

func (e *storeEnv) deliveries(q webhooks.DeliveryQuery, limit int, between func(page int)) []webhooks.Delivery {
	e.Helper()
	return pages(e, limit, func(after storage.Cursor) (storage.Page[webhooks.Delivery], error) {
		q.After, q.Limit = after, limit
		return e.store.ListDeliveries(e.ctx, e.tenant, q)
	}, between)
}

func (e *storeEnv) held(endpointID string, limit int) []string {
	e.Helper()
	list, err := e.store.HeldDeliveries(e.ctx, e.tenant, endpointID, limit)
	e.must(err, "read held deliveries")
	return deliveryIDs(list)
}

func endpointIDs(list []webhooks.Endpoint) []string {
	ids := make([]string, len(list))
	for i, p := range list {
		ids[i] = p.ID
	}
	return ids
}

func secretIDs(list []webhooks.EndpointSecret) []string {
	ids := make([]string, len(list))
	for i, s := range list {
		ids[i] = s.EndpointID + "/" + s.ID
	}
	return ids
}

func deliveryIDs(list []webhooks.Delivery) []string {
	ids := make([]string, len(list))
	for i, d := range list {
		ids[i] = d.ID
	}
	return ids
}

// A picture is all that a tenant has.
type picture struct {
	Endpoints   []webhooks.Endpoint
	Health      []webhooks.Health
	Secrets     []webhooks.EndpointSecret
	Subscribers []string
	Messages    []webhooks.Message
	Deliveries  []webhooks.Delivery
	Held        []string
	Attempts    []webhooks.Attempt
}

// picture reads all that the tenant has of the endpoints, messages and deliveries named
// e1, e2, m1, m2, d1 and d2.
func (e *storeEnv) picture() picture {
	e.Helper()
	p := picture{
		Endpoints: e.endpoints(10, nil), Secrets: e.allSecrets(10, nil), Subscribers: e.subscribers("a.b", "a.c"),
		Deliveries: e.deliveries(webhooks.DeliveryQuery{}, 10, nil), Held: e.held("e1", 10),
	}
	for _, i := range []int{1, 2} {
		_, h, err := e.store.GetEndpoint(e.ctx, e.tenant, fmt.Sprint("e", i), false)
		if !errors.Is(err, storage.ErrNotFound) {
			e.must(err, "get an endpoint")
		}
		m, err := e.store.GetMessage(e.ctx, e.tenant, fmt.Sprint("m", i))
		if !errors.Is(err, storage.ErrNotFound) {
			e.must(err, "get a message")
		}
		p.Health, p.Messages = append(p.Health, h), append(p.Messages, m)
		p.Attempts = append(p.Attempts, e.attempts(fmt.Sprint("d", i))...)
	}
	return p
}

// furnish gives the tenant one of everything: endpoint e1 of "a.b", message m1, its
// delivery d1, and its first attempt.
func (e *storeEnv) furnish() {
	e.Helper()
	e.add(e.endpoint("e1", "a.b"))
	e.must(e.store.SetHealth(e.ctx, e.tenant, "e1", webhooks.Health{Failures: 1, FailingSince: morning}), "set health")
	m := e.message("m1")
	e.send(m, e.delivery(m, "d1", "e1"))
	e.try(e.attempt("d1", 1))
}

// unchanged fails the rule where fn changes anything that the tenant has.
func (e *storeEnv) unchanged(what string, fn func()) {
	e.Helper()
	before := e.picture()
	fn()
	if after := e.picture(); !reflect.DeepEqual(before, after) {
		e.Errorf("%s left %+v, want %+v as before", what, after, before)
	}
}

// spellings are texts that some database takes for each other.
var spellings = []string{"a", "A", "a ", " a", "ä", "a\u0308", "ß", "ss", "%", "_", "'", `\`, "日本", "\U0010ffff", "\n", "\x01"}
