package flags

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lumelle/adminkit/flags/targeting"
)

// named returns a flag that uses a strategy and is off for everybody else.
func named(strategy string, parameters map[string]any) Flag {
	return inProd(State{Enabled: true, DefaultVariant: "off", Rules: []Rule{{Name: "r", Strategy: &StrategyUse{Name: strategy, Parameters: parameters}}}})
}

func TestAlwaysOnIsOnForEverybody(t *testing.T) {
	t.Parallel()
	c := mustCompile(t, named("always_on", nil), kit(t))
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		s := &Subject{Attributes: targeting.Attributes{}}
		for name := range StandardAttributes() {
			if r.IntN(2) == 0 {
				s.Attributes[name] = targeting.String(fmt.Sprint(r.IntN(100)))
			}
		}
		if got := c.evaluate(s, atNoon, nil); got.Variant != "on" || got.Rule != "r" {
			t.Fatalf("%v: got %+v", s, got.Evaluation)
		}
	}
}

func TestPercentageRolloutIsASteadyShareThatGrows(t *testing.T) {
	t.Parallel()
	const ids = 100_000
	members := func(percent float64) map[int]bool {
		// Each call compiles anew, as another process does.
		c := mustCompile(t, named("percentage_rollout", map[string]any{"percent": percent}), kit(t))
		in := map[int]bool{}
		for i := range ids {
			s := &Subject{Key: "someone", Attributes: targeting.Attributes{AttrMerchant: targeting.String(fmt.Sprint("merchant-", i))}}
			got := c.evaluate(s, atNoon, nil)
			if in[i] = got.Variant == "on"; in[i] != (got.Reason == ReasonSplit) || !in[i] && got.Reason != ReasonDefault {
				t.Fatalf("got %+v", got.Evaluation)
			}
		}
		return in
	}
	share := func(in map[int]bool) float64 {
		n := 0
		for _, member := range in {
			if member {
				n++
			}
		}
		return float64(n) * 100 / ids
	}
	var before map[int]bool
	for _, percent := range []float64{0, 10, 10, 12.5, 20, 100} {
		now := members(percent)
		if got := share(now); math.Abs(got-percent) > 0.5 {
			t.Errorf("%v %%: got a share of %v %%", percent, got)
		}
		for i, member := range before {
			if member && !now[i] {
				t.Fatalf("at %v %% merchant %d is no longer in", percent, i)
			}
		}
		before = now
	}
}

func TestWhoIsNotInARolloutGoesOnToTheNextRule(t *testing.T) {
	t.Parallel()
	f := named("percentage_rollout", map[string]any{"percent": 0.0})
	state := f.Environments["prod"]
	state.Rules = append(state.Rules, Rule{Name: "partners", Strategy: &StrategyUse{Name: "attribute_match", Parameters: map[string]any{"attribute": AttrMerchant, "values": []any{"acme"}}}})
	f.Environments["prod"] = state
	if got := mustCompile(t, f, kit(t)).evaluate(acme(), atNoon, nil); got.Variant != "on" || got.Rule != "partners" {
		t.Errorf("got %+v", got.Evaluation)
	}
}

func TestAttributeMatchGoesByTheList(t *testing.T) {
	t.Parallel()
	c := mustCompile(t, named("attribute_match", map[string]any{"attribute": AttrStore, "values": []any{"s1", "s2"}}), kit(t))
	for value, want := range map[targeting.Value]string{
		targeting.String("s1"): "on", targeting.String("s2"): "on", targeting.String("S1"): "off", targeting.String("s3"): "off", targeting.Int(1): "off", {}: "off",
	} {
		s := &Subject{Key: "k", Attributes: targeting.Attributes{AttrStore: value}}
		if got := c.evaluate(s, atNoon, nil); got.Variant != want {
			t.Errorf("%s: got %q, want %q", value, got.Variant, want)
		}
	}
}

func TestParametersOfStrategies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		strategy   string
		parameters map[string]any
		want       string
	}{
		{"a percentage above 100", "percentage_rollout", map[string]any{"percent": 100.1}, "/percent"},
		{"a percentage that is a text", "percentage_rollout", map[string]any{"percent": "10"}, "/percent"},
		{"no percentage", "percentage_rollout", nil, "/percent"},
		{"a share of what is not declared", "percentage_rollout", map[string]any{"percent": 1.0, "by": "shoeSize"}, "/by"},
		{"a variant that is none", "always_on", map[string]any{"variant": "maybe"}, "/variant"},
		{"a variant that is a number", "always_on", map[string]any{"variant": 1.0}, "/variant"},
		{"values that are objects", "attribute_match", map[string]any{"attribute": AttrPlan, "values": []any{map[string]any{}}}, ""},
		{"values that are null", "attribute_match", map[string]any{"attribute": AttrPlan, "values": []any{"pro", nil}}, "/values/1"},
	} {
		d := kit(t)
		d.attributes = map[string]Attributes{"prod": {}}
		err := check(named(c.strategy, c.parameters), d)
		at := "/environments/prod/rules/0/strategy"
		if c.want != "" {
			at += "/parameters" + c.want
		} else {
			at += "/when/value/0"
		}
		if got := pointers(t, err); len(got) == 0 || got[0] != at {
			t.Errorf("%s: got %v, want %s", c.name, got, at)
		}
	}
}

func TestStrategiesOfTheKitDescribeThemselves(t *testing.T) {
	t.Parallel()
	for _, s := range Strategies() {
		info := s.Describe()
		var sample map[string]any
		if err := json.Unmarshal(info.Sample, &sample); err != nil || info.Description == "" || !json.Valid(info.Parameters) {
			t.Errorf("%s: %v", info.Name, err)
		}
		if err := check(named(info.Name, sample), kit(t)); err != nil {
			t.Errorf("the sample of %s: %v", info.Name, err)
		}
	}
}

func TestAStrategyServesTheTrueVariantUnlessItIsTold(t *testing.T) {
	t.Parallel()
	f := named("always_on", nil)
	for _, c := range []struct {
		variants map[string]any
		named    string
		want     string
	}{
		{map[string]any{"on": true, "off": false}, "", "on"},
		{map[string]any{"on": true, "off": false}, "off", "off"},
		{map[string]any{"a": true, "b": true}, "", ""},
		{map[string]any{"a": "x"}, "", ""},
		{map[string]any{"a": "x"}, "a", "a"},
	} {
		got, err := FlagInfo{Key: f.Key, Variants: c.variants}.On(c.named)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%v, %q: got %q, %v", c.variants, c.named, got, err)
		}
	}
}
