package flags

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
)

// pointers returns where err says that an input is wrong.
func pointers(t testing.TB, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	invalid, ok := errors.AsType[*storage.InvalidError](err)
	if !ok {
		t.Fatalf("got %v, want a *storage.InvalidError", err)
	}
	var all []string
	for _, f := range invalid.Fields {
		all = append(all, f.Pointer)
	}
	return all
}

func TestCheckPointsAtWhatIsWrong(t *testing.T) {
	t.Parallel()
	later := noon.Add(time.Hour)
	for _, c := range []struct {
		name  string
		spoil func(*Flag)
		want  []string
	}{
		{"nothing", func(*Flag) {}, nil},
		{"no key", func(f *Flag) { f.Key = "" }, []string{"/key"}},
		{"a key of one dot", func(f *Flag) { f.Key = "." }, []string{"/key"}},
		{"a key of two dots", func(f *Flag) { f.Key = ".." }, []string{"/key"}},
		{"a key with dots", func(f *Flag) { f.Key = "..." }, nil},
		{"a key with a line break", func(f *Flag) { f.Key = "a\nb" }, []string{"/key"}},
		{"a type that is none", func(f *Flag) { f.Type = "temporary" }, []string{"/type"}},
		{"a value type that is none", func(f *Flag) { f.ValueType = "date" }, []string{"/value_type"}},
		{"no variants", func(f *Flag) { f.Variants = nil }, []string{"/variants"}},
		{"a variant of another type", func(f *Flag) { f.Variants["on"] = "true" }, []string{"/variants/on"}},
		{"a variant that is null", func(f *Flag) { f.ValueType, f.Variants = JSON, map[string]any{"on": nil, "off": 1.0} }, []string{"/variants/on"}},
		{"a number that is not finite", func(f *Flag) { f.ValueType, f.Variants = Number, map[string]any{"on": math.NaN(), "off": 1.0} }, []string{"/variants/on"}},
		{"a variant that is no JSON", func(f *Flag) {
			f.ValueType, f.Variants = JSON, map[string]any{"on": []any{make(chan int)}, "off": 1.0}
		}, []string{"/variants/on"}},
		{"variants that are too long", func(f *Flag) {
			f.ValueType, f.Variants = String, map[string]any{"on": strings.Repeat("a", MaxVariantsBytes), "off": ""}
		}, []string{"/variants"}},
		{"metadata that is a list", func(f *Flag) { f.Metadata = map[string]any{"a/b": []any{1}} }, []string{"/metadata/a~1b"}},
		{"an attribute that is required twice", func(f *Flag) { f.Requires = []string{AttrPlan, AttrPlan} }, []string{"/requires/1"}},
		{"a required attribute that is not declared", func(f *Flag) { f.Requires = []string{"shoeSize"} }, []string{"/requires/0"}},
		{"a tag too many", func(f *Flag) { f.Tags = make([]string, MaxTags+1) }, []string{"/tags"}},
		{"an environment that does not exist", func(f *Flag) { f.Environments["moon"] = State{} }, []string{"/environments/moon"}},
		{"a default that is no variant", inState(func(s *State) { s.DefaultVariant = "maybe" }), []string{"/environments/prod/default_variant"}},
		{"an off variant that is none", inState(func(s *State) { s.OffVariant = "maybe" }), []string{"/environments/prod/off_variant"}},
		{"a rule without a name", inRule(func(r *Rule) { r.Name = "" }), []string{"/environments/prod/rules/0/name"}},
		{"two rules of a name", inState(func(s *State) { s.Rules = append(s.Rules, s.Rules[0]) }), []string{"/environments/prod/rules/1/name"}},
		{"a rule that serves nothing", inRule(func(r *Rule) { r.Serve = nil }), []string{"/environments/prod/rules/0/serve"}},
		{"a rule that serves two things", inRule(func(r *Rule) { r.Serve.Split = halves().Split }), []string{"/environments/prod/rules/0/serve"}},
		{"a rule that serves what is no variant", inRule(func(r *Rule) { r.Serve.Variant = "maybe" }), []string{"/environments/prod/rules/0/serve/variant"}},
		{"a split over what is no variant", inRule(func(r *Rule) {
			r.Serve = &Serve{Split: &targeting.Split{Weights: targeting.Shares{{Variant: "maybe", Weight: 1}}}}
		}), []string{"/environments/prod/rules/0/serve/split/weights/maybe"}},
		{"weights that are negative", inRule(func(r *Rule) {
			r.Serve = &Serve{Split: &targeting.Split{Weights: targeting.Shares{{Variant: "off", Weight: -1}, {Variant: "on", Weight: 2}}}}
		}), []string{"/environments/prod/rules/0/serve/split/weights/off"}},
		{"weights that are all zero", inRule(func(r *Rule) {
			r.Serve = &Serve{Split: &targeting.Split{Weights: targeting.Shares{{Variant: "on"}}}}
		}), []string{"/environments/prod/rules/0/serve/split/weights"}},
		{"an operator that is none", inRule(func(r *Rule) { r.When.Op = "resembles" }), []string{"/environments/prod/rules/0/when/op"}},
		{"an attribute that is not declared", inRule(func(r *Rule) { r.When.Path = "shoeSize" }), []string{"/environments/prod/rules/0/when/path"}},
		{"an audience that is not known", inRule(func(r *Rule) { r.When = &targeting.Condition{Audience: "vip"} }), []string{"/environments/prod/rules/0/when/audience"}},
		{"a strategy beside a condition", inRule(func(r *Rule) { r.Strategy = &StrategyUse{Name: "always_on"} }), []string{"/environments/prod/rules/0/strategy"}},
		{"parameters that the strategy does not know", strategyOf("always_on", map[string]any{"percent": 5.0}), []string{"/environments/prod/rules/0/strategy/parameters/percent"}},
		{"an unlisted attribute to match", strategyOf("attribute_match", map[string]any{"attribute": "shoeSize", "values": []any{43.0}}), []string{"/environments/prod/rules/0/strategy/parameters/attribute"}},
		{"no values to match", strategyOf("attribute_match", map[string]any{"attribute": AttrStore}), []string{"/environments/prod/rules/0/strategy/parameters/values"}},
		{"an override of no kind", inOverride(func(o *Override) { o.Kind = "friend" }), []string{"/environments/prod/overrides/0/kind"}},
		{"a qa override without an end", inOverride(func(o *Override) { o.Kind, o.Reason = OverrideQA, "test" }), []string{"/environments/prod/overrides/0/until"}},
		{"a qa override without a reason", inOverride(func(o *Override) { o.Kind, o.Until = OverrideQA, &later }), []string{"/environments/prod/overrides/0/reason"}},
		{"a tenant override that ends", inOverride(func(o *Override) { o.Until = &later }), []string{"/environments/prod/overrides/0/until"}},
		{"an override for nobody", inOverride(func(o *Override) { o.Subject = "" }), []string{"/environments/prod/overrides/0/subject"}},
		{"an override by what is not declared", inOverride(func(o *Override) { o.Attribute = "shoeSize" }), []string{"/environments/prod/overrides/0/attribute"}},
		{"an override to what is no variant", inOverride(func(o *Override) { o.Variant = "maybe" }), []string{"/environments/prod/overrides/0/variant"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			flag := inProd(State{Enabled: true, DefaultVariant: "off", Rules: []Rule{ruleFor("acme", "on")}})
			flag.Environments = maps.Clone(flag.Environments)
			c.spoil(&flag)
			d := kit(t)
			d.environments = []string{"dev", "prod"}
			d.attributes = map[string]Attributes{"prod": {"country": targeting.KindString}, "dev": {}}
			if got := pointers(t, check(flag, d)); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func inState(spoil func(*State)) func(*Flag) {
	return func(f *Flag) {
		s := f.Environments["prod"]
		spoil(&s)
		f.Environments["prod"] = s
	}
}

func inRule(spoil func(*Rule)) func(*Flag) { return inState(func(s *State) { spoil(&s.Rules[0]) }) }

func strategyOf(name string, parameters map[string]any) func(*Flag) {
	return inRule(func(r *Rule) { *r = Rule{Name: r.Name, Strategy: &StrategyUse{Name: name, Parameters: parameters}} })
}

func inOverride(spoil func(*Override)) func(*Flag) {
	return inState(func(s *State) {
		o := Override{ID: "o1", Kind: OverrideTenant, Attribute: AttrMerchant, Subject: "acme", Variant: "on"}
		spoil(&o)
		s.Overrides = []Override{o}
	})
}

func TestUsesNamesAudiencesOfAllEnvironments(t *testing.T) {
	t.Parallel()
	audience := func(key string) Rule {
		return Rule{Name: key, When: &targeting.Condition{Audience: key}, Serve: &Serve{Variant: "on"}}
	}
	f := inProd(State{Rules: []Rule{audience("vip"), audience("pilot")}})
	f.Environments["dev"] = State{Rules: []Rule{audience("vip"), audience("staff")}}
	if got := uses(f, kit(t)); !slices.Equal(got, []string{"pilot", "staff", "vip"}) {
		t.Errorf("got %v", got)
	}
}

// hostile are definitions that are made to cost: deep, wide, exploding, going round.
func hostile() map[string][]byte {
	rules := func(when string) []byte {
		return fmt.Appendf(nil, `{"key":"f","type":"ops","value_type":"bool","variants":{"on":true},`+
			`"environments":{"prod":{"enabled":true,"rules":[{"name":"r","when":%s,"serve":{"variant":"on"}}]}}}`, when)
	}
	many := func(n int, one string) string { return strings.TrimSuffix(strings.Repeat(one+",", n), ",") }
	var states []string
	for i := range MaxRules {
		states = append(states, fmt.Sprintf(`{"name":"r%d","when":{"path":"a","op":"matches","value":"%s"},"serve":{"variant":"on"}}`, i, strings.Repeat(`(a{9}){9}`, 50)))
	}
	return map[string][]byte{
		"deep groups":         rules(strings.Repeat(`{"all":[`, 2000) + `{"path":"a","op":"exists"}` + strings.Repeat(`]}`, 2000)),
		"a wide group":        rules(`{"any":[` + many(20000, `{"path":"a","op":"exists"}`) + `]}`),
		"a giant list":        rules(`{"path":"a","op":"in","value":[` + many(100_000, `1`) + `]}`),
		"a bad expression":    rules(`{"path":"a","op":"matches","value":"(("}`),
		"a growing one":       rules(`{"path":"a","op":"matches","value":"((a{50}){50}){50}"}`),
		"many expressions":    fmt.Appendf(nil, `{"key":"f","type":"ops","value_type":"bool","variants":{"on":true},"environments":{"prod":{"enabled":true,"rules":[%s]}}}`, strings.Join(states, ",")),
		"many variants":       fmt.Appendf(nil, `{"key":"f","type":"ops","value_type":"bool","variants":{%s}}`, manyVariants(20000)),
		"a deep variant":      fmt.Appendf(nil, `{"key":"f","type":"ops","value_type":"json","variants":{"on":%s1%s}}`, strings.Repeat("[", 5000), strings.Repeat("]", 5000)),
		"many rules":          fmt.Appendf(nil, `{"key":"f","type":"ops","value_type":"bool","variants":{"on":true},"environments":{"prod":{"rules":[%s]}}}`, many(10000, `{"name":"r","serve":{"variant":"on"}}`)),
		"audiences in a ring": rules(`{"audience":"ring"}`),
	}
}

func manyVariants(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"v%d":true`, i)
	}
	return b.String()
}

// refuse reads and checks a definition and returns the error of either.
func refuse(data []byte, d deps) error {
	var f Flag
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	return check(f, d)
}

func TestHostileDefinitionsAreRefused(t *testing.T) {
	t.Parallel()
	for name, data := range hostile() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := refuse(data, kit(t))
			if inner, ok := errors.AsType[*targeting.InvalidError](err); ok {
				if len(inner.Fields) == 0 {
					t.Errorf("got %v without a place", err)
				}
				return
			}
			if len(pointers(t, err)) == 0 {
				t.Error("it passed")
			}
		})
	}
}

// BenchmarkHostile shows what refusing each hostile definition costs.
func BenchmarkHostile(b *testing.B) {
	d := kit(b)
	all := hostile()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		b.Run(strings.ReplaceAll(name, " ", "_"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if refuse(all[name], d) == nil {
					b.Fatal("it passed")
				}
			}
		})
	}
}
