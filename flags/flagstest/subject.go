package flagstest

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
	"time"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
)

// subjectRules are about whom a flag is asked for.
var subjectRules = []rule{
	{id: "FP-011", name: "the subject is left as it was", run: untouched,
		explanation: "The same subject is read by other goroutines and for other flags. An attribute that a provider adds there is seen by all of them."},
	{id: "FP-012", name: "an answer is for the subject as it is now", run: fresh,
		explanation: "A provider that remembers an answer by the subject's key, or by its address, serves it after the attributes changed."},
	{id: "FP-013", name: "the same question gets the same answer", run: steady,
		explanation: "From every instance and in every process: a merchant must not see a feature come and go between two requests."},
	{id: "FP-014", name: "tenants do not share flags", run: tenants,
		explanation: "Two tenants may use the same key for different things. What one of them has, the other does not find."},
}

// strange are subjects as strangers make them, by what is odd about them.
func strange() map[string]*flags.Subject {
	with := func(plan targeting.Value) *flags.Subject {
		return &flags.Subject{Tenant: Acme, Key: "x", Attributes: targeting.Attributes{
			flags.AttrPlan: plan, flags.AttrMerchant: plan, flags.AttrTargetingKey: plan,
		}}
	}
	nested := targeting.String("free")
	for range 10_000 {
		nested = targeting.List(nested)
	}
	many := targeting.Attributes{}
	for i := range 10_000 {
		many[fmt.Sprintf("attribute-%d", i)] = targeting.Int(int64(i))
	}
	return map[string]*flags.Subject{
		"nobody": nil, "without a tenant": {Key: "x"}, "the zero one": {}, "without attributes": {Tenant: Acme, Key: "x"},
		"a key of a megabyte": {Tenant: Acme, Key: strings.Repeat("x", 1<<20)}, "a key that is no UTF-8": {Tenant: Acme, Key: "\xff\x00"},
		"attributes that are no value": with(targeting.Value{}), "attributes that are numbers": with(targeting.Number(1.5)),
		"attributes that are bools": with(targeting.Bool(true)), "attributes that are times": with(targeting.Time(time.Time{})),
		"attributes that are lists": with(targeting.List(targeting.Int(1), targeting.Value{})), "attributes that are deep": with(nested),
		"ten thousand attributes": {Tenant: Acme, Key: "x", Attributes: many},
	}
}

func anySubject(e *env) {
	for name, s := range strange() {
		for _, f := range e.flags[Acme] {
			var got flags.Evaluation
			if cause := e.calm(func() { got = e.Provider.Evaluate(e.ctx, f.Key, s) }); cause != nil {
				e.Errorf("%s for a subject that is %s: panic: %v", f.Key, name, cause)
			} else if s == nil && got.Err == nil {
				e.Errorf("%s for nobody is %s, want an error", f.Key, told(got))
			}
		}
	}
}

// hush is a value that must not be told.
const hush = "hush-5c1f09"

func discreet(e *env) {
	s := Subject("ann")
	s.Key = hush
	for _, path := range []string{flags.AttrPlan, flags.AttrMerchant, flags.AttrRole, "email"} {
		s.Attributes[path] = targeting.String(hush)
	}
	check := func(what, text string) {
		if strings.Contains(text, hush) {
			e.Errorf("%s tells a value of the subject: %s", what, text)
		}
	}
	explain, _ := e.Provider.(flags.ExplainProvider)
	for _, key := range append([]string{"missing"}, keys(e.flags[Acme])...) {
		for _, s := range []*flags.Subject{s, {Tenant: Acme, Attributes: targeting.Attributes{flags.AttrPlan: targeting.String(hush)}}} {
			if got := e.ask(e.ctx, key, s); got.Err != nil {
				check("the error of "+key, got.Err.Error())
			}
			if explain == nil {
				continue
			}
			for _, step := range explain.Explain(e.ctx, key, s).Steps {
				check("a step of "+key, step.Detail)
			}
		}
	}
}

func untouched(e *env) {
	s := Subject("bob")
	before := maps.Clone(s.Attributes)
	for _, f := range e.flags[Acme] {
		e.ask(e.ctx, f.Key, s)
	}
	if s.Tenant != Acme || s.Key != "bob" || !reflect.DeepEqual(s.Attributes, before) {
		e.Errorf("the subject was bob of acme with %v and is %s with %v", before, who(s), s.Attributes)
	}
}

func fresh(e *env) {
	s := Subject("ann")
	for range 3 {
		e.want("text", s, "number")
		s.Attributes[flags.AttrPlan] = targeting.String("pro")
		e.want("text", s, "bool")
		delete(s.Attributes, flags.AttrPlan)
		e.want("text", s, "empty")
		s.Attributes[flags.AttrPlan] = targeting.String("free")
	}
}

func steady(e *env) {
	other := e.options.New(e.TB).Provider
	for i := range 200 {
		s := subject(fmt.Sprintf("subject-%d", i), "")
		first := e.ask(e.ctx, "half", s)
		for _, again := range []flags.Evaluation{e.ask(e.ctx, "half", s), other.Evaluate(e.ctx, "half", s)} {
			if again.Variant != first.Variant {
				e.Fatalf("half for %s is %s, and then %s", who(s), told(first), told(again))
			}
		}
	}
}

func tenants(e *env) {
	ours, theirs := subject("ann", ""), subject("ann", "")
	theirs.Tenant = Bloom
	for range 2 {
		e.want("static", ours, "on")
		if e.OneTenant {
			for _, key := range []string{"static", "bloom-only"} {
				if got := e.ask(e.ctx, key, theirs); got.Err == nil {
					e.Errorf("%s for a tenant that nobody knows is %s, want an error", key, told(got))
				}
			}
			continue
		}
		e.want("static", theirs, "off")
		e.want("bloom-only", theirs, "on")
		for key, s := range map[string]*flags.Subject{"bloom-only": ours, "banner": theirs} {
			if got := e.ask(e.ctx, key, s); got.Err == nil {
				e.Errorf("%s for %s is %s, want an error: it is another tenant's", key, who(s), told(got))
			}
		}
	}
	nobody := subject("ann", "")
	nobody.Tenant = "nobody"
	if got := e.ask(e.ctx, "static", nobody); got.Err == nil {
		e.Errorf("static for a tenant without flags is %s, want an error", told(got))
	}
}

// keys returns the keys of flags.
func keys(all []flags.Flag) []string {
	out := make([]string, len(all))
	for i, f := range all {
		out[i] = f.Key
	}
	return out
}
