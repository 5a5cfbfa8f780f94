package flags

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/flags/targeting"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func atNoon() time.Time { return noon }

// kit returns deps with the strategies of the kit and some more.
func kit(t testing.TB, hosts ...Strategy) deps {
	t.Helper()
	all, err := strategies(hosts)
	if err != nil {
		t.Fatal(err)
	}
	return deps{strategies: all}
}

// inProd returns a boolean flag with one state, in prod.
func inProd(s State) Flag {
	return Flag{Key: "checkout-v2", Type: TypeRelease, ValueType: Bool,
		Variants: map[string]any{"on": true, "off": false}, Environments: map[string]State{"prod": s}}
}

// ruleFor returns a rule for one merchant.
func ruleFor(merchant, variant string) Rule {
	return Rule{Name: "for " + merchant, Serve: &Serve{Variant: variant},
		When: &targeting.Condition{Path: AttrMerchant, Op: targeting.Equal, Value: targeting.String(merchant)}}
}

func halves() *Serve {
	return &Serve{Split: &targeting.Split{Weights: targeting.Shares{{Variant: "off", Weight: 1}, {Variant: "on", Weight: 1}}}}
}

func acme() *Subject {
	return &Subject{Tenant: "acme", Key: "sam", Attributes: targeting.Attributes{AttrMerchant: targeting.String("acme")}}
}

func mustCompile(t testing.TB, f Flag, d deps) *compiled {
	t.Helper()
	c, err := compile(f, "prod", d)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEveryReasonHasItsCase(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		flag    Flag
		subject *Subject
		reason  Reason
		variant string
		rule    string
		code    ErrorCode
	}{
		{"one value and no rules", inProd(State{Enabled: true, DefaultVariant: "on"}), acme(), ReasonStatic, "on", "", ""},
		{"rules of which none holds", inProd(State{Enabled: true, DefaultVariant: "off", Rules: []Rule{ruleFor("bloom", "on")}}), acme(), ReasonDefault, "off", "", ""},
		{"no value is configured", inProd(State{Enabled: true}), acme(), ReasonDefault, "", "", ""},
		{"a rule with a fixed variant", inProd(State{Enabled: true, Rules: []Rule{ruleFor("acme", "on")}}), acme(), ReasonTargetingMatch, "on", "for acme", ""},
		{"an override", inProd(State{Enabled: true, DefaultVariant: "off", Overrides: []Override{{ID: "o1", Kind: OverrideTenant, Attribute: AttrMerchant, Subject: "acme", Variant: "on"}}}),
			acme(), ReasonTargetingMatch, "on", "o1", ""},
		{"overrides of which none is for the subject", inProd(State{Enabled: true, DefaultVariant: "off", Overrides: []Override{{ID: "o1", Kind: OverrideTenant, Attribute: AttrMerchant, Subject: "bloom", Variant: "on"}}}),
			acme(), ReasonDefault, "off", "", ""},
		{"a split", inProd(State{Enabled: true, Rules: []Rule{{Name: "half", Serve: halves()}}}), acme(), ReasonSplit, "on", "half", ""},
		{"the flag is off", inProd(State{OffVariant: "off", Rules: []Rule{ruleFor("acme", "on")}}), acme(), ReasonDisabled, "off", "", ""},
		{"the flag is off and has no variant for that", inProd(State{}), acme(), ReasonDisabled, "", "", ""},
		{"the flag is killed", inProd(State{Enabled: true, DefaultVariant: "on", OffVariant: "off", Killed: &Kill{By: "dana", Reason: "errors"}}), acme(), ReasonDisabled, "off", "", ""},
		{"an environment that the flag does not name", Flag{Key: "x", ValueType: Bool, Variants: map[string]any{"on": true}}, acme(), ReasonDisabled, "", "", ""},
		{"a split and nothing to go by", inProd(State{Enabled: true, DefaultVariant: "off", Rules: []Rule{{Name: "half", Serve: halves()}}}), &Subject{Tenant: "acme"}, ReasonError, "", "half", CodeTargetingKeyMissing},
		{"a required attribute is missing", requiring(AttrPlan), acme(), ReasonError, "", "", CodeInvalidContext},
		{"a required attribute is of the wrong kind", requiring(AttrPlan), &Subject{Key: "sam", Attributes: targeting.Attributes{AttrPlan: targeting.Int(1)}}, ReasonError, "", "", CodeInvalidContext},
		{"the targeting key is required and missing", requiring(AttrTargetingKey), &Subject{}, ReasonError, "", "", CodeTargetingKeyMissing},
		{"all that is required is there", requiring(AttrPlan), &Subject{Key: "sam", Attributes: targeting.Attributes{AttrPlan: targeting.String("pro")}}, ReasonStatic, "on", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := kit(t)
			d.revision = 7
			compiled := mustCompile(t, c.flag, d)
			got := compiled.evaluate(c.subject, atNoon, nil).Evaluation
			code := ErrorCode("")
			if got.Err != nil {
				code = got.Err.Code
			}
			if got.Reason != c.reason || got.Variant != c.variant || got.Rule != c.rule || code != c.code || got.Version != 7 {
				t.Errorf("got %s %q by %q, code %q, version %d; want %s %q by %q, code %q, version 7",
					got.Reason, got.Variant, got.Rule, code, got.Version, c.reason, c.variant, c.rule, c.code)
			}
			if explained := compiled.explain(c.subject, atNoon); fmt.Sprint(explained.Evaluation) != fmt.Sprint(got) || len(explained.Steps) == 0 {
				t.Errorf("explained as %+v, evaluated as %+v", explained, got)
			}
		})
	}
}

func requiring(attribute string) Flag {
	f := inProd(State{Enabled: true, DefaultVariant: "on"})
	f.Requires = []string{attribute}
	return f
}

func TestAnErrorNamesTheAttribute(t *testing.T) {
	t.Parallel()
	got := mustCompile(t, requiring(AttrRisk), kit(t)).evaluate(acme(), atNoon, nil)
	if got.Err == nil || !strings.Contains(got.Err.Message, `"risk"`) {
		t.Errorf("got %v, want an error that names risk", got.Err)
	}
}

// TestPrecedence goes over every subset of what may decide: the first of the order
// does.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	later := noon.Add(time.Hour)
	parts := []struct {
		variant string
		set     func(*State)
	}{
		{"kill", func(s *State) { s.Killed, s.OffVariant = &Kill{By: "dana", Reason: "errors"}, "kill" }},
		{"qa", func(s *State) {
			s.Overrides = append(s.Overrides, Override{ID: "q", Kind: OverrideQA, Attribute: AttrTargetingKey, Subject: "sam", Variant: "qa", Until: &later, Reason: "test"})
		}},
		{"tenant", func(s *State) {
			// First in the list, and still behind QA.
			s.Overrides = append([]Override{{ID: "t", Kind: OverrideTenant, Attribute: AttrMerchant, Subject: "acme", Variant: "tenant"}}, s.Overrides...)
		}},
		{"first", func(s *State) { s.Rules = append(s.Rules, ruleFor("acme", "first")) }},
		{"second", func(s *State) { s.Rules = append(s.Rules, Rule{Name: "all", Serve: &Serve{Variant: "second"}}) }},
		{"default", func(s *State) { s.DefaultVariant = "default" }},
	}
	for subset := range 1 << len(parts) {
		state, want := State{Enabled: true}, ""
		variants := map[string]any{"kill": "kill"}
		for i, p := range parts {
			variants[p.variant] = p.variant
			if subset>>i&1 == 0 {
				continue
			}
			p.set(&state)
			if want == "" {
				want = p.variant
			}
		}
		flag := Flag{Key: "f", Type: TypeOps, ValueType: String, Variants: variants, Environments: map[string]State{"prod": state}}
		if err := check(flag, kit(t)); err != nil {
			t.Fatal(err)
		}
		got := mustCompile(t, flag, kit(t)).evaluate(acme(), atNoon, nil)
		if text, _ := got.Value.AsString(); got.Variant != want || text != want {
			t.Errorf("subset %06b: got %q, want %q", subset, got.Variant, want)
		}
	}
}

func TestAQAOverrideEnds(t *testing.T) {
	t.Parallel()
	until := noon
	flag := inProd(State{Enabled: true, DefaultVariant: "off", Overrides: []Override{
		{ID: "q", Kind: OverrideQA, Attribute: AttrTargetingKey, Subject: "sam", Variant: "on", Until: &until, Reason: "test"}}})
	c := mustCompile(t, flag, kit(t))
	for _, at := range []struct {
		now  time.Time
		want string
	}{{noon.Add(-time.Nanosecond), "on"}, {noon, "off"}, {noon.Add(time.Hour), "off"}} {
		if got := c.evaluate(acme(), func() time.Time { return at.now }, nil); got.Variant != at.want {
			t.Errorf("at %s: got %q, want %q", at.now, got.Variant, at.want)
		}
	}
}

func TestOfTwoOverridesTheFirstCounts(t *testing.T) {
	t.Parallel()
	for _, attributes := range [][2]string{{AttrMerchant, AttrTargetingKey}, {AttrTargetingKey, AttrMerchant}} {
		var overrides []Override
		for i, attribute := range attributes {
			subject := map[string]string{AttrMerchant: "acme", AttrTargetingKey: "sam"}[attribute]
			overrides = append(overrides, Override{ID: attribute, Kind: OverrideTenant, Attribute: attribute, Subject: subject, Variant: []string{"on", "off"}[i]})
		}
		got := mustCompile(t, inProd(State{Enabled: true, Overrides: overrides}), kit(t)).evaluate(acme(), atNoon, nil)
		if got.Rule != attributes[0] || got.Variant != "on" {
			t.Errorf("got %q by %q, want on by %q", got.Variant, got.Rule, attributes[0])
		}
	}
}

func TestAnUnknownStrategyFailsClosed(t *testing.T) {
	t.Parallel()
	flag := inProd(State{Enabled: true, DefaultVariant: "off", Rules: []Rule{{Name: "weather", Strategy: &StrategyUse{Name: "when_it_rains"}}}})
	with := kit(t, rain{})
	if err := check(flag, with); err != nil {
		t.Fatal(err)
	}
	if got := mustCompile(t, flag, with).evaluate(acme(), atNoon, nil); got.Variant != "on" || got.Rule != "weather" {
		t.Errorf("with the strategy: got %q by %q, want on by weather", got.Variant, got.Rule)
	}
	if err := check(flag, kit(t)); err == nil || !strings.Contains(err.Error(), "/environments/prod/rules/0/strategy/name") {
		t.Errorf("writing without the strategy: got %v, want a pointer at its name", err)
	}
	explained := mustCompile(t, flag, kit(t)).explain(acme(), atNoon)
	if explained.Variant != "off" || explained.Reason != ReasonDefault {
		t.Errorf("without the strategy: got %q for %s, want off for DEFAULT", explained.Variant, explained.Reason)
	}
	told := false
	for _, s := range explained.Steps {
		told = told || s.Name == "weather" && !s.Matched && strings.Contains(s.Detail, `"when_it_rains" is not known`)
	}
	if !told {
		t.Errorf("the trace does not say why: %+v", explained.Steps)
	}
}

// rain is a strategy of a host.
type rain struct{}

func (rain) Describe() StrategyInfo { return StrategyInfo{Name: "when_it_rains"} }

func (rain) Build(given map[string]any, flag FlagInfo) (*targeting.Condition, *Serve, error) {
	if given["panic"] == true {
		panic("thunder")
	}
	on, err := flag.On("")
	return nil, &Serve{Variant: on}, err
}

func TestAStrategyThatPanicsIsRefused(t *testing.T) {
	t.Parallel()
	flag := inProd(State{Enabled: true, Rules: []Rule{{Name: "weather", Strategy: &StrategyUse{Name: "when_it_rains", Parameters: map[string]any{"panic": true}}}}})
	if err := check(flag, kit(t, rain{})); err == nil || !strings.Contains(err.Error(), "/environments/prod/rules/0/strategy/parameters") {
		t.Errorf("got %v, want a pointer at the parameters", err)
	}
}

func TestScopedFlagsWantToKnowWho(t *testing.T) {
	t.Parallel()
	d := kit(t)
	d.scoped = true
	c := mustCompile(t, inProd(State{Enabled: true, DefaultVariant: "on"}), d)
	for _, s := range []*Subject{
		{Key: "sam"},
		{Attributes: targeting.Attributes{AttrTargetingKey: targeting.String("sam")}},
		{Attributes: targeting.Attributes{AttrMerchant: targeting.String("acme")}},
	} {
		if got := c.evaluate(s, atNoon, nil); got.Variant != "on" {
			t.Errorf("%+v: got %v, want on", s, got.Evaluation)
		}
	}
	if got := c.evaluate(&Subject{Tenant: "acme"}, atNoon, nil); got.Err == nil || got.Err.Code != CodeTargetingKeyMissing {
		t.Errorf("nobody: got %v, want TARGETING_KEY_MISSING", got.Evaluation)
	}
}

func TestATraceDoesNotTellAttributes(t *testing.T) {
	t.Parallel()
	flag := inProd(State{Enabled: true, Rules: []Rule{ruleFor("acme", "on"), {Name: "rest", Serve: halves()}}})
	s := &Subject{Key: "key-secret", Attributes: targeting.Attributes{AttrMerchant: targeting.String("merchant-secret")}}
	explained := mustCompile(t, flag, kit(t)).explain(s, atNoon)
	if text := fmt.Sprint(explained.Steps); strings.Contains(text, "secret") || !strings.Contains(text, `merchantId eq "acme"`) {
		t.Errorf("got %s", text)
	}
}
