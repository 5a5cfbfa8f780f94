package automationtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// Options says what [Run] tests and how to get at it.
type Options struct {
	// Action returns an action under test, Trigger a trigger. One of them is required;
	// each is called once a rule.
	Action  func(t testing.TB) automation.Action
	Trigger func(t testing.TB) automation.Trigger
	// Compile makes validators of schemas, as audit/schema does. Required.
	Compile func(schema []byte) (audit.Validator, error)

	// Input is one that the action succeeds with; nil is its own sample.
	Input json.RawMessage
	// Silent are events of the trigger's types, as CloudEvents in JSON, that it does not
	// fire on. Without them nothing tells a trigger that looks from one that always fires.
	Silent []json.RawMessage
	// Tx runs the calls of an action whose effect is transactional, and is required for
	// those.
	Tx storage.Transactor
	// Effects returns what the action returned by the last call of Action has brought
	// about so far, as the idempotency keys under which it did, in order; of what was
	// rolled back nothing. A call of a transactional action is one effect, however many
	// rows it writes, and any name of it will do. Without Effects, the rules that count
	// them say so and check nothing.
	Effects func() []string
}

// Run holds an action or a trigger to the contract, each rule as a subtest named by its
// id.
func Run(t *testing.T, o Options) {
	t.Helper()
	if o.Compile == nil || (o.Action == nil) == (o.Trigger == nil) {
		t.Fatal("automationtest: Options need Compile and one of Action and Trigger")
	}
	for _, r := range providerRules(o) {
		t.Run(r.about().String(), func(t *testing.T) { r.check(t, o) })
	}
}

// A providerRule is one thing that has to hold of an action or a trigger.
type providerRule struct {
	id, name, explanation string
	run                   func(p *provider)
}

func (r providerRule) about() ruletest.Rule {
	return ruletest.Rule{ID: r.id, Name: r.name, Explanation: r.explanation}
}

func providerRules(o Options) []providerRule {
	if o.Trigger != nil {
		return triggerRules
	}
	return actionRules
}

// check runs the rule and explains it where it fails.
func (r providerRule) check(t testing.TB, o Options) {
	t.Helper()
	r.about().Check(t, patience, func(ctx context.Context) {
		p := &provider{TB: t, o: o, ctx: ctx}
		if o.Trigger != nil {
			p.trigger = o.Trigger(t)
		} else {
			p.action = o.Action(t)
		}
		r.run(p)
	})
}

// A provider is an action or a trigger under test.
type provider struct {
	testing.TB
	o       Options
	ctx     context.Context
	action  automation.Action
	trigger automation.Trigger
}

var actionRules = []providerRule{
	{"AC-001", "it describes itself the same every time",
		"The catalogue asks once and shows, checks and reviews by the answer for as long as the process lives.", describesAlike},
	{"AC-002", "the catalogue takes it",
		"Its name, its effect, both schemas and the samples have to fit together: a test run answers with the sample, and the page of the catalogue shows it.", actionFits},
	{"AC-003", "it succeeds with its input, and the output keeps to its schema",
		"Steps behind it refer into the output. What the schema promises has to be there.", succeeds},
	{"AC-004", "it waits only as its descriptor says",
		"A rule may have on_decline and on_timeout where the descriptor says that the action waits. One that waits without saying so can never be answered.", waitsAsDescribed},
	{"AC-005", "it returns when its ctx ends",
		"A timeout, a cancelled run and a process that stops all end the ctx. An action that goes on holds a slot of the worker, and what it does later is not recorded.", endsWithItsContext},
	{"AC-006", "an ended ctx has no effect",
		"What is called after its time was up was given up already. It must not reach the other side.", noEffectWhenEnded},
	{"AC-007", "it leaves its input as it was",
		"The same bytes are stored as the input of the step and given to the next attempt.", inputUntouched},
	{"AC-008", "it is called from many goroutines at once",
		"Runs of a rule go side by side, and one action serves all rules.", concurrent},
	{"AC-009", "input that its schema would refuse breaks nothing",
		"The catalogue checks before, and a mistake in a schema must still be no more than a failed step.", survivesBadInput},
	{"AC-010", "each attempt goes out under the key of its step",
		"An attempt whose process died is made again. The key is all by which the other side can know, so it is neither new nor left out.", sameKey},
	{"AC-011", "what is rolled back had no effect",
		"A transactional action and the record of its step are one. Where the record cannot be written, the action did not happen.", rolledBack},
	{"AC-012", "its effect is the one that it declares",
		"A transactional action has happened, once, when its step is recorded. And people who review a rule pass over an action without an effect.", declaredEffect},
	{"AC-013", "in a transaction that has ended it fails",
		"An action that outlives its transaction must not write outside of it, and whatever it could not write is no success.", failsInEndedTransaction},
	{"AC-014", "what it refuses of a definition could never be run",
		"An action that looks at the literals of a step sees them without what the run puts in. It may not miss that, nor refuse a rule that would do.", refusesWhatCannotRun},
}

// input is one that the action succeeds with.
func (p *provider) input(key string) automation.Input {
	with := p.o.Input
	if with == nil {
		with = p.action.Describe().SampleInput
	}
	return automation.Input{
		Tenant: "acme", Environment: automation.Prod, RuleID: "rule", RunID: "run", Step: "step", Key: key, Attempt: 1,
		With: bytes.Clone(with), Now: noon,
	}
}

// call runs the action as a worker would, in a transaction where it needs one.
func (p *provider) call(ctx context.Context, in automation.Input) (out automation.Output, err error) {
	p.Helper()
	ctx = audit.WithActor(ctx, audit.Actor{Type: audit.User, ID: "owner"})
	if p.action.Describe().Effect != automation.Transactional {
		return p.action.Run(ctx, in)
	}
	if p.o.Tx == nil {
		p.Fatalf("automationtest: Options.Tx is required for an action that is transactional")
	}
	err = p.o.Tx.InTx(ctx, func(ctx context.Context) error {
		out, err = p.action.Run(ctx, in)
		return err
	})
	return out, err
}

// contained is call, with a panic as an error.
func (p *provider) contained(ctx context.Context, in automation.Input) (err error) {
	defer func() {
		if v := recover(); v != nil {
			p.Errorf("it panics: %v", v)
		}
	}()
	_, err = p.call(ctx, in)
	return err
}

func describesAlike(p *provider) {
	same := func() any { return p.action.Describe() }
	other := func() any { return p.o.Action(p).Describe() }
	if p.trigger != nil {
		same = func() any { return p.trigger.Describe() }
		other = func() any { return p.o.Trigger(p).Describe() }
	}
	first := same()
	for _, describe := range []func() any{same, same, other, other} {
		if again := describe(); !reflect.DeepEqual(again, first) {
			p.Fatalf("it is %+v, and then %+v", first, again)
		}
	}
}

func actionFits(p *provider) {
	if _, err := automation.NewCatalog(p.o.Compile, automation.CatalogConfig{Actions: []automation.Action{p.action}}); err != nil {
		p.Errorf("%v", err)
	}
	d := p.action.Describe()
	if d.Label == "" || d.Description == "" {
		p.Errorf("it has no label or no description; people choose by them")
	}
}

func succeeds(p *provider) {
	out, err := p.call(p.ctx, p.input("run/step/0"))
	if err != nil {
		p.Fatalf("it failed with an input that it should succeed with: %v", err)
	}
	if len(out.Value) > automation.MaxOutput {
		p.Errorf("its output has %d bytes, at most %d are kept", len(out.Value), automation.MaxOutput)
	}
	d := p.action.Describe()
	if d.Output == nil {
		return
	}
	v, err := p.o.Compile(d.Output)
	if err != nil {
		p.Fatalf("output schema: %v", err)
	}
	value := out.Value
	if len(value) == 0 {
		value = json.RawMessage("null")
	}
	if err := v.Validate(value); err != nil {
		p.Errorf("its output %s does not keep to its schema: %v", value, err)
	}
}

func waitsAsDescribed(p *provider) {
	out, err := p.call(p.ctx, p.input("run/step/0"))
	if err != nil {
		p.Fatalf("it failed: %v", err)
	}
	w := out.Await
	switch {
	case w == nil && p.action.Describe().Waits:
		p.Errorf("its descriptor says that it waits, and it does not")
	case w == nil:
	case out.Stop != nil:
		p.Errorf("it waits and stops")
	case w.Key == "" && w.Until.IsZero():
		p.Errorf("it waits for nothing")
	case w.Key != "" && !p.action.Describe().Waits:
		p.Errorf("it waits for the signal %q, and its descriptor does not say so", w.Key)
	}
}

func endsWithItsContext(p *provider) {
	ctx, cancel := context.WithCancel(p.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.contained(ctx, p.input("run/step/0"))
	}()
	cancel()
	select {
	case <-done:
	case <-time.After(patience / 6):
		p.Errorf("it goes on for %v after its ctx has ended", patience/6)
	}
}

func noEffectWhenEnded(p *provider) {
	effects, ok := p.effects()
	if !ok {
		return
	}
	before := len(effects())
	ctx, cancel := context.WithCancel(p.ctx)
	cancel()
	_ = p.contained(ctx, p.input("run/step/0"))
	if after := len(effects()); after != before {
		p.Errorf("it brought about %d effects under a ctx that had ended", after-before)
	}
}

// effects returns the counter of effects, and whether there is one.
func (p *provider) effects() (count func() []string, ok bool) {
	p.Helper()
	if p.o.Effects == nil {
		p.Logf("not checked: Options.Effects is not set")
	}
	return p.o.Effects, p.o.Effects != nil
}

func inputUntouched(p *provider) {
	in := p.input("run/step/0")
	before := bytes.Clone(in.With)
	_, _ = p.call(p.ctx, in)
	if !bytes.Equal(in.With, before) {
		p.Errorf("its input was %s and is now %s", before, in.With)
	}
}

func concurrent(p *provider) {
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { errs[i] = p.contained(p.ctx, p.input("run/step/"+string(rune('0'+i)))) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		p.Errorf("of eight calls at once some fail: %v", err)
	}
}

// badInputs are what a schema should have kept out.
var badInputs = []string{``, `null`, `7`, `"x"`, `[]`, `{}`, `{"url":7,"message":[],"duration":"x"}`, `{`}

func survivesBadInput(p *provider) {
	for _, with := range badInputs {
		in := p.input("run/step/0")
		in.With = json.RawMessage(with)
		_ = p.contained(p.ctx, in)
	}
}

func sameKey(p *provider) {
	if p.action.Describe().Effect != automation.External {
		p.Logf("not checked: it reaches nowhere outside")
		return
	}
	effects, ok := p.effects()
	if !ok {
		return
	}
	before := len(effects())
	for attempt := range 2 {
		in := p.input("run-7/step/0")
		in.Attempt = attempt + 1
		if _, err := p.call(p.ctx, in); err != nil {
			p.Fatalf("attempt %d failed: %v", attempt+1, err)
		}
	}
	got := effects()[before:]
	if len(got) == 0 || slices.ContainsFunc(got, func(key string) bool { return key != "run-7/step/0" }) {
		p.Errorf("two attempts of one step went out under %q, want run-7/step/0", got)
	}
}

func rolledBack(p *provider) {
	if p.action.Describe().Effect != automation.Transactional {
		p.Logf("not checked: it is not transactional")
		return
	}
	effects, ok := p.effects()
	if !ok {
		return
	}
	before := len(effects())
	undone := errors.New("undone")
	ctx := audit.WithActor(p.ctx, audit.Actor{Type: audit.User, ID: "owner"})
	err := p.o.Tx.InTx(ctx, func(ctx context.Context) error {
		if _, err := p.action.Run(ctx, p.input("run/step/0")); err != nil {
			return err
		}
		return undone
	})
	if !errors.Is(err, undone) {
		p.Fatalf("it failed: %v", err)
	}
	if after := len(effects()); after != before {
		p.Errorf("%d effects outlived their transaction", after-before)
	}
}

func declaredEffect(p *provider) {
	effect := p.action.Describe().Effect
	if effect == automation.External {
		p.Logf("not checked: what goes outside may come twice, and AC-010 looks at it")
		return
	}
	effects, ok := p.effects()
	if !ok {
		return
	}
	before := len(effects())
	if _, err := p.call(p.ctx, p.input("run-8/step/0")); err != nil {
		p.Fatalf("it failed: %v", err)
	}
	got := effects()[before:]
	switch {
	case effect == automation.NoEffect && len(got) > 0:
		p.Errorf("it declares that it has no effect, and has had %d", len(got))
	case effect == automation.Transactional && len(got) != 1:
		p.Errorf("a call whose transaction committed had the effects %q, want one", got)
	}
}

func failsInEndedTransaction(p *provider) {
	if p.action.Describe().Effect != automation.Transactional {
		p.Logf("not checked: it is not transactional")
		return
	}
	var stale context.Context
	ctx := audit.WithActor(p.ctx, audit.Actor{Type: audit.User, ID: "owner"})
	err := p.o.Tx.InTx(ctx, func(ctx context.Context) error {
		stale = ctx
		return nil
	})
	if err != nil {
		p.Fatalf("InTx: %v", err)
	}
	if _, err := p.action.Run(stale, p.input("run-9/step/0")); err == nil {
		p.Errorf("it succeeds in a transaction that has ended")
	}
	if p.o.Effects != nil && slices.Contains(p.o.Effects(), "run-9/step/0") {
		p.Errorf("it had its effect outside of the transaction that has ended")
	}
}

func refusesWhatCannotRun(p *provider) {
	c, ok := p.action.(automation.InputChecker)
	if !ok {
		p.Logf("not checked: it is no automation.InputChecker")
		return
	}
	check := func(with []byte) (err error) {
		defer func() {
			if v := recover(); v != nil {
				p.Errorf("it panics over %s: %v", with, v)
			}
		}()
		given := bytes.Clone(with)
		if err = c.CheckInput(given); !bytes.Equal(given, with) {
			p.Errorf("of the literals %s it makes %s", with, given)
		}
		return err
	}
	sample := p.input("run/step/0").With
	fits := [][]byte{sample, []byte(`{}`)}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(sample, &members); err == nil {
		for name, value := range members {
			one, err := json.Marshal(map[string]json.RawMessage{name: value})
			if err != nil {
				p.Fatalf("%v", err)
			}
			fits = append(fits, one)
		}
	}
	for _, with := range fits {
		if err := check(with); err != nil {
			p.Errorf("it refuses the literals %s: %v", with, err)
		}
	}
	for _, with := range badInputs {
		in := p.input("run/step/0")
		in.With = json.RawMessage(with)
		if refused := check(in.With); refused == nil {
			continue
		} else if err := p.contained(p.ctx, in); err == nil {
			p.Errorf("it refuses the literals %s with %v, and runs with them", with, refused)
		}
	}
}
