package audittest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// A GateHarness is a gate under test with what the rules need to ask it.
type GateHarness struct {
	// Gate is what is tested. Required.
	Gate audit.Gate
	// Tx runs the transactions that the gate is asked in. Required.
	Tx storage.Transactor
	// Events are what it is asked about: of each of its answers one, among them one that
	// it allows and one that it does not. What an event leaves empty is completed, as a
	// Governor does. Required.
	Events []audit.Event
	// Rows returns how many rows the gate has written, as a reader outside of any
	// transaction sees it. Nil says that it writes none.
	Rows func(ctx context.Context) (int, error)
}

// GateOptions says how to get at the gate under test.
type GateOptions struct {
	// New returns a gate. It is called once a rule. Required.
	New func(t testing.TB) GateHarness
}

// RunGate tests an audit.Gate. Every rule is a subtest named by its id.
func RunGate(t *testing.T, options GateOptions) {
	t.Helper()
	if options.New == nil {
		t.Fatal("audittest: GateOptions.New is required")
	}
	rows := options.New(t).Rows != nil
	for _, r := range gateRules() {
		if r.rows && !rows {
			t.Logf("%s is left out: the gate writes nothing", r.id)
			continue
		}
		t.Run(r.id+" "+r.name, func(t *testing.T) { r.check(t, options) })
	}
}

// GateRules returns the rules of [RunGate], in their order.
func GateRules() []ruletest.Rule {
	var all []ruletest.Rule
	for _, r := range gateRules() {
		all = append(all, r.about())
	}
	return all
}

// A gateRule is one thing a gate has to keep. rows is set where it is about what the
// gate writes.
type gateRule struct {
	id, name, explanation string
	rows                  bool
	run                   func(e *gateEnv)
}

func gateRules() []gateRule {
	return []gateRule{
		{id: "GT-001", name: "it says yes to something, and no to something", run: saysBoth,
			explanation: "A gate that always gives the same answer is audit.Ungated, or a closed door. The events that it is tested with would prove nothing."},
		{id: "GT-002", name: "a verdict says why", run: saysWhyNot,
			explanation: "The code of the reason stands in the record of every attempt, and is what programs tell refusals apart by."},
		{id: "GT-003", name: "an error allows nothing", run: errorsDeny,
			explanation: "An error denies. A verdict that says Allow beside it is a trap for whoever reads the verdict first."},
		{id: "GT-004", name: "what it does not know it does not allow", run: strangers,
			explanation: "An event without a tenant, an action or an actor, and one of an action that nobody wrote a rule for, is refused, and without a panic."},
		{id: "GT-005", name: "asked again it says the same", run: sameAgain,
			explanation: "A change is asked about when it is made and again when it is repeated. A gate that changes its mind by itself decides by accident."},
		{id: "GT-006", name: "the event is left as it is", run: eventUntouched,
			explanation: "What the gate is shown is what is made and recorded. An approval is bound to its payload byte for byte."},
		{id: "GT-007", name: "a ctx that is done ends the question", run: gateEndsWithCtx,
			explanation: "A gate is asked inside a transaction that others may wait for. Whoever asks the world passes ctx on."},
		{id: "GT-008", name: "what it writes goes with the transaction it was asked in", run: undoneWithIt, rows: true,
			explanation: "A decision or a request of a change that was rolled back must not stay behind."},
	}
}

// check runs the rule and explains it where it fails.
func (r gateRule) check(t testing.TB, o GateOptions) {
	t.Helper()
	r.about().Check(t, patience, func(ctx context.Context) {
		e := &gateEnv{TB: t, GateHarness: o.New(t), ctx: ctx}
		if e.Gate == nil || e.Tx == nil || len(e.Events) == 0 {
			t.Fatalf("audittest: GateHarness lacks its Gate, its Tx or its Events")
		}
		e.complete()
		r.run(e)
	})
}

func (r gateRule) about() ruletest.Rule {
	return ruletest.Rule{ID: r.id, Name: r.name, Explanation: r.explanation}
}

// A gateEnv is what a rule about gates gets to work with.
type gateEnv struct {
	testing.TB
	GateHarness
	ctx context.Context
}

// complete does for the events what a Governor does.
func (e *gateEnv) complete() {
	e.Helper()
	catalog, err := audit.NewCatalog(audit.CatalogConfig{Open: true})
	if err != nil {
		e.Fatalf("the catalogue: %v", err)
	}
	ctx := audit.WithActor(e.ctx, audit.Actor{Type: audit.User, ID: "audittest"})
	for i := range e.Events {
		if err := catalog.Complete(ctx, &e.Events[i]); err != nil {
			e.Fatalf("event %d of the harness: %v", i, err)
		}
	}
}

// An answer is what a gate says.
type answer struct {
	verdict audit.Verdict
	err     error
}

// String tells what decides: the effect, its reason, how a refusal is recorded.
func (a answer) String() string {
	s := a.verdict.Effect.String() + " for " + a.verdict.Reason.Code
	if refusal, ok := errors.AsType[audit.Refusal](a.err); ok {
		return s + ", refused as " + string(refusal.Refused())
	}
	if a.err != nil {
		return s + ", with an error"
	}
	return s
}

// allows reports whether the change would be made.
func (a answer) allows() bool { return a.err == nil && a.verdict.Effect == audit.Allow }

var errRolledBack = errors.New("rolled back")

// ask asks in a transaction of its own, which ends with end.
func (e *gateEnv) ask(ctx context.Context, ev audit.Event, end error) answer {
	e.Helper()
	var a answer
	if ev.Actor.ID != "" {
		ctx = audit.WithActor(ctx, ev.Actor)
	}
	err := e.Tx.InTx(ctx, func(ctx context.Context) error {
		a = e.check(ctx, ev)
		return end
	})
	if !errors.Is(err, end) {
		e.Fatalf("the transaction around the gate: %v", err)
	}
	return a
}

// check asks the gate, and answers a panic as an error that nobody expects.
func (e *gateEnv) check(ctx context.Context, ev audit.Event) (a answer) {
	defer func() {
		if cause := recover(); cause != nil {
			e.Errorf("asked about %q of %q the gate panics: %v", ev.Action, ev.Tenant, cause)
			a = answer{err: fmt.Errorf("panic: %v", cause)}
		}
	}()
	v, err := e.Gate.Check(ctx, ev)
	return answer{v, err}
}

// about names an event of the harness.
func about(ev audit.Event) string {
	return fmt.Sprintf("%s of %s %s by %s", ev.Action, ev.Resource.Type, ev.Resource.ID, ev.Actor.ID)
}

func saysBoth(e *gateEnv) {
	yes, no := 0, 0
	for _, ev := range e.Events {
		if e.ask(e.ctx, ev, nil).allows() {
			yes++
		} else {
			no++
		}
	}
	if yes == 0 || no == 0 {
		e.Errorf("of %d events the gate allows %d", len(e.Events), yes)
	}
}

func saysWhyNot(e *gateEnv) {
	for _, ev := range e.Events {
		if a := e.ask(e.ctx, ev, nil); a.err == nil && a.verdict.Reason.Code == "" {
			e.Errorf("%s is %v without a code", about(ev), a.verdict.Effect)
		}
	}
}

func errorsDeny(e *gateEnv) {
	done, cancel := context.WithCancel(e.ctx)
	cancel()
	for _, ev := range e.Events {
		for _, a := range []answer{e.ask(e.ctx, ev, nil), e.check(done, ev)} {
			if a.err != nil && a.verdict.Effect == audit.Allow {
				e.Errorf("%s is %v", about(ev), a)
			}
			if refusal, ok := errors.AsType[audit.Refusal](a.err); ok && refusal.Refused() != audit.Denied && refusal.Refused() != audit.Pending {
				e.Errorf("%s is refused as %q, want denied or pending", about(ev), refusal.Refused())
			}
		}
	}
}

func strangers(e *gateEnv) {
	unknown := e.Events[0]
	unknown.Action = "audittest.nobody_wrote_a_rule_for_this"
	for name, ev := range map[string]audit.Event{
		"an empty event": {}, "an event of a tenant and nothing else": {Tenant: e.Events[0].Tenant}, "an action that nobody knows": unknown,
	} {
		if a := e.ask(e.ctx, ev, nil); a.allows() {
			e.Errorf("%s is allowed", name)
		}
	}
}

func sameAgain(e *gateEnv) {
	for _, ev := range e.Events {
		first := e.ask(e.ctx, ev, nil)
		for range 3 {
			if again := e.ask(e.ctx, ev, nil); again.String() != first.String() {
				e.Errorf("%s is %v, and then %v", about(ev), first, again)
			}
		}
	}
}

func eventUntouched(e *gateEnv) {
	for _, ev := range e.Events {
		ev.Payload = slices.Clone(ev.Payload)
		before, err := json.Marshal(ev)
		if err != nil {
			e.Fatalf("%s: %v", about(ev), err)
		}
		e.ask(e.ctx, ev, nil)
		if after, err := json.Marshal(ev); err != nil || string(after) != string(before) {
			e.Errorf("the event was\n%s\nand is\n%s", before, after)
		}
	}
}

func gateEndsWithCtx(e *gateEnv) {
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	for _, ev := range e.Events {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			e.check(audit.WithActor(ctx, ev.Actor), ev) // an answer that was ready is as good as an error
		}()
		limit := time.NewTimer(patience / 4)
		select {
		case <-ended:
		case <-limit.C:
			e.Errorf("%s: a question whose ctx was done goes on", about(ev))
		}
		limit.Stop()
	}
}

func undoneWithIt(e *gateEnv) {
	count := func() int {
		n, err := e.Rows(e.ctx)
		if err != nil {
			e.Fatalf("Rows: %v", err)
		}
		return n
	}
	for _, ev := range e.Events {
		before := count()
		e.ask(e.ctx, ev, errRolledBack)
		if after := count(); after != before {
			e.Errorf("%s was asked about in a transaction that was rolled back, and %d rows are left", about(ev), after-before)
		}
	}
	before := count()
	for _, ev := range e.Events {
		e.ask(e.ctx, ev, nil)
	}
	if count() == before {
		e.Errorf("the gate writes nothing that Rows counts")
	}
}
