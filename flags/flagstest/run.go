package flagstest

import (
	"cmp"
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// A Harness is a provider under test with what the rules need to move it.
type Harness struct {
	// Provider is what is tested. Where it is a flags.BulkProvider, WatchProvider or
	// ExplainProvider, the rules about that power hold for it too. Required.
	Provider flags.FlagProvider
	// Publish makes f the current definition of its key in a tenant, as whoever
	// changes flags there would; the provider finds out by itself. It is asked for
	// other default variants of the flag banner. Nil leaves the rules about changes
	// out.
	Publish func(ctx context.Context, tenant string, f flags.Flag) error
	// Cut keeps the provider from its source until restore is called. Nil leaves the
	// rule about that out.
	Cut func() (restore func())
	// OneTenant says that the provider knows the flags of Acme alone. For everybody
	// else it has to answer an error.
	OneTenant bool
}

// Options says how to get at the provider under test.
type Options struct {
	// New returns a provider that knows [Definitions], in [Environment]. It is called
	// once or twice a rule, and leaves closing what it made to t.Cleanup. Required.
	New func(t testing.TB) Harness

	// patience is how long a rule may take; zero is the usual time.
	patience time.Duration
}

// Run holds a provider to the rules, each as a subtest named by its id. Rules about
// powers that the provider does not have are left out, which the log tells.
func Run(t *testing.T, o Options) {
	t.Helper()
	if o.New == nil {
		t.Fatal("flagstest: Options.New is required")
	}
	h := o.New(t)
	if h.Provider == nil {
		t.Fatal("flagstest: Harness.Provider is required")
	}
	for _, r := range rules() {
		if power := r.needs.missing(h); power != "" {
			t.Logf("%s is left out: there is no %s", r.id, power)
			continue
		}
		t.Run(r.id+" "+r.name, func(t *testing.T) { r.check(t, o) })
	}
}

// A rule is one thing a provider has to keep.
type rule struct {
	id, name, explanation string
	needs                 powers
	run                   func(e *env)
}

// powers are what a rule needs of a harness beside a provider.
type powers struct{ publish, cut, bulk, watch, explain bool }

// missing names the first power that h lacks, empty where it has all.
func (p powers) missing(h Harness) string {
	_, bulk := h.Provider.(flags.BulkProvider)
	_, watch := h.Provider.(flags.WatchProvider)
	_, explain := h.Provider.(flags.ExplainProvider)
	switch {
	case p.publish && h.Publish == nil:
		return "Harness.Publish"
	case p.cut && h.Cut == nil:
		return "Harness.Cut"
	case p.bulk && !bulk:
		return "flags.BulkProvider"
	case p.watch && !watch:
		return "flags.WatchProvider"
	case p.explain && !explain:
		return "flags.ExplainProvider"
	}
	return ""
}

// patience is how long a rule may take. Half of it is for what has to come about, a
// tenth for one answer.
const patience = time.Minute

// check runs the rule and explains it where it fails.
func (r rule) check(t testing.TB, o Options) {
	t.Helper()
	o.patience = cmp.Or(o.patience, patience)
	r.about().Check(t, o.patience, func(ctx context.Context) {
		r.run(&env{TB: t, Harness: o.New(t), ctx: ctx, options: o, flags: Definitions()})
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

func rules() []rule {
	return slices.Concat(answerRules, errorRules, subjectRules, splitRules, callRules, changeRules, bulkRules, watchRules, explainRules, compareRules)
}

// An env is what a rule gets to work with: a provider of its own.
type env struct {
	testing.TB
	Harness
	ctx     context.Context
	options Options
	flags   map[string][]flags.Flag
}

// flag returns a definition of Acme.
func (e *env) flag(key string) flags.Flag {
	e.Helper()
	i := slices.IndexFunc(e.flags[Acme], func(f flags.Flag) bool { return f.Key == key })
	if i < 0 {
		e.Fatalf("there is no flag %s", key)
	}
	return e.flags[Acme][i]
}

// ask evaluates. A panic ends the rule.
func (e *env) ask(ctx context.Context, key string, s *flags.Subject) flags.Evaluation {
	e.Helper()
	var got flags.Evaluation
	if cause := e.calm(func() { got = e.Provider.Evaluate(ctx, key, s) }); cause != nil {
		e.Fatalf("Evaluate(%.40q, %s) panics: %v", key, who(s), cause)
	}
	return got
}

// calm runs fn and returns what it panicked with.
func (e *env) calm(fn func()) (cause any) {
	defer func() { cause = recover() }()
	fn()
	return nil
}

// who tells a subject in a few words.
func who(s *flags.Subject) string {
	if s == nil {
		return "nobody"
	}
	return s.Key + " of " + s.Tenant
}

// want asks and fails the rule where another variant comes back, or an error.
func (e *env) want(key string, s *flags.Subject, variant string) flags.Evaluation {
	e.Helper()
	got := e.ask(e.ctx, key, s)
	if got.Err != nil || got.Variant != variant {
		e.Errorf("%s for %s is %s, want variant %q", key, who(s), told(got), variant)
	}
	return got
}

// moment is how long one answer may take.
func (e *env) moment() time.Duration { return e.options.patience / 10 }

// A known answer is what the provider said before something happened. Whether it was
// right is for the first rules.
type known struct {
	Answer
	flags.Evaluation
}

// all asks for every flag and subject of [Answers].
func (e *env) all() []known {
	e.Helper()
	var all []known
	for _, a := range Answers() {
		all = append(all, known{a, e.ask(e.ctx, a.Flag, Subject(a.Subject))})
	}
	return all
}

// told tells an evaluation in a few words.
func told(ev flags.Evaluation) string {
	if ev.Err != nil {
		return "the error " + string(ev.Err.Code) + " (" + ev.Err.Message + ")"
	}
	return "variant " + quote(ev.Variant) + " = " + ev.Value.String() + " by reason " + quote(string(ev.Reason))
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return s
	}
	return string(b)
}

// eventually asks until ok accepts the answer, and fails the rule where it never does.
func (e *env) eventually(what, key string, s *flags.Subject, ok func(flags.Evaluation) bool) {
	e.Helper()
	var got flags.Evaluation
	if !e.until(func() bool { got = e.ask(e.ctx, key, s); return ok(got) }) {
		e.Fatalf("%s: after a long wait %s for %s still is %s", what, key, who(s), told(got))
	}
}

// until calls ok now and again until it answers true, and reports whether it did.
func (e *env) until(ok func() bool) bool {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(e.options.patience / 2)
	defer limit.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit.C:
			return false
		case <-e.ctx.Done():
			return false
		}
	}
	return true
}

// publish makes variant the default of the flag banner.
func (e *env) publish(variant string) {
	e.Helper()
	f := e.flag("banner")
	state := f.Environments[Environment]
	state.DefaultVariant = variant
	f.Environments = map[string]flags.State{Environment: state}
	if err := e.Publish(e.ctx, Acme, f); err != nil {
		e.Fatalf("Publish: %v", err)
	}
}

// same reports whether v is what a definition declares: of the same kind, and equal.
func same(v targeting.Value, declared any) bool {
	got, err := json.Marshal(v.Any())
	if err != nil {
		return false
	}
	want, err := json.Marshal(declared)
	if err != nil {
		return false
	}
	var g, w any
	return json.Unmarshal(got, &g) == nil && json.Unmarshal(want, &w) == nil && reflect.DeepEqual(g, w)
}

// subject returns a subject of Acme that nobody listed.
func subject(key, merchant string) *flags.Subject {
	s := &flags.Subject{Tenant: Acme, Key: key, Attributes: targeting.Attributes{}}
	if merchant != "" {
		s.Attributes[flags.AttrMerchant] = targeting.String(merchant)
	}
	return s
}
