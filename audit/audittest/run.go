package audittest

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// A Harness is a sink under test with what the rules need to watch it.
type Harness struct {
	// Sink is what is tested.
	Sink audit.AuditSink
	// Tx runs the transactions that the sink joins.
	Tx storage.Transactor
	// Events returns what the sink holds of a tenant, in the order it was appended, as
	// a reader outside of any transaction sees it.
	Events func(ctx context.Context, tenant string) ([]audit.Event, error)
	// KeysOnly says that Events fills no more than Tenant, Source and ID. The rules
	// about content then do not apply and say so.
	KeysOnly bool
}

// Options says how to get at the sink under test.
type Options struct {
	// New returns a sink. It is called once; each rule uses tenants of its own. The
	// sink must take events of category activity with outcome success. Required.
	New func(t *testing.T) Harness
}

// Run tests a sink. Every rule is a subtest named by its id.
func Run(t *testing.T, options Options) {
	t.Helper()
	if options.New == nil {
		t.Fatal("audittest: Options.New is required")
	}
	h := options.New(t)
	for _, r := range rules() {
		t.Run(r.id+" "+r.name, func(t *testing.T) {
			if reason := r.skip(h); reason != "" {
				t.Skip(reason)
			}
			r.check(t, h)
		})
	}
}

// A rule is one thing a sink has to keep.
type rule struct {
	id, name, explanation string
	// content is set for rules about more than the keys of events, recorded for those
	// about the optional power [audit.Recorded].
	content, recorded bool
	run               func(e *env)
}

// skip returns why the rule does not apply, "" where it does.
func (r rule) skip(h Harness) string {
	if _, ok := h.Sink.(audit.Recorded); r.recorded && !ok {
		return "the sink cannot tell what it holds (audit.Recorded)"
	}
	if r.content && h.KeysOnly {
		return "the sink keeps no content"
	}
	return ""
}

// patience is how long a rule may take. A sink that waits for its own transaction
// would hang the run otherwise.
const patience = 10 * time.Second

// check runs the rule and explains it where it fails.
func (r rule) check(t testing.TB, h Harness) {
	t.Helper()
	r.about().Check(t, patience, func(ctx context.Context) {
		r.run(&env{TB: t, Harness: h, ctx: ctx, tenant: "tenant-" + storage.NewID()})
	})
}

func (r rule) about() ruletest.Rule {
	return ruletest.Rule{ID: r.id, Name: r.name, Explanation: r.explanation}
}

// Rules returns the rules of [Run], in their order.
func Rules() []ruletest.Rule {
	var all []ruletest.Rule
	for _, r := range rules() {
		all = append(all, r.about())
	}
	return all
}

// An env is what a rule gets to work with.
type env struct {
	testing.TB
	Harness
	ctx    context.Context
	tenant string // one that no other rule uses
}

// event returns an event of the rule's tenant.
func (e *env) event(id string) audit.Event {
	return audit.Event{
		ID: id, Source: "/audittest", Type: "lumelle.audittest.v1.happened", Action: "audittest.happen",
		Category: audit.Activity, Tenant: e.tenant, Time: time.Date(2026, 3, 1, 12, 0, 0, 123_456_000, time.UTC),
		Actor:    audit.Actor{Type: audit.User, ID: "sam"},
		Resource: audit.Resource{Type: "order", ID: "1001"},
		Outcome:  audit.Success,
		Payload:  json.RawMessage(`{"amount":"12.50"}`),
		// The same for every call: appending an event again means the very same one.
		Trace: correlation.Trace{TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", SpanID: "00f067aa0ba902b7", Flags: correlation.Sampled},
	}
}

// batch returns n events.
func (e *env) batch(n int) []audit.Event {
	events := make([]audit.Event, n)
	for i := range events {
		events[i] = e.event(fmt.Sprintf("event-%03d", i))
	}
	return events
}

func (e *env) append(ctx context.Context, events ...audit.Event) {
	e.Helper()
	if err := e.Sink.Append(ctx, events...); err != nil {
		e.Fatalf("Append: %v", err)
	}
}

// keys reads what the sink holds of a tenant.
func (e *env) keys(tenant string) []string {
	e.Helper()
	events, err := e.Events(e.ctx, tenant)
	if err != nil {
		e.Fatalf("Events: %v", err)
	}
	keys := []string{}
	for _, ev := range events {
		keys = append(keys, ev.Source+" "+ev.ID)
	}
	return keys
}
