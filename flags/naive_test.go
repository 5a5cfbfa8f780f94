package flags

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lumelle/adminkit/flags/targeting"
)

// naive answers what a boolean flag is in prod by walking through its definition as it
// stands.
func naive(f Flag, s *Subject, now time.Time) (variant string, reason Reason, by string) {
	state := f.Environments["prod"]
	if state.Killed != nil || !state.Enabled {
		return state.OffVariant, ReasonDisabled, ""
	}
	for _, kind := range []string{OverrideQA, OverrideTenant} {
		for _, o := range state.Overrides {
			v, _ := s.Attribute(o.Attribute)
			if o.Kind == kind && v.Equal(targeting.String(o.Subject)) && (o.Until == nil || now.Before(*o.Until)) {
				return o.Variant, ReasonTargetingMatch, o.ID
			}
		}
	}
	for _, r := range state.Rules {
		if r.When != nil && !naiveHolds(*r.When, s) {
			continue
		}
		if r.Serve.Split == nil {
			return r.Serve.Variant, ReasonTargetingMatch, r.Name
		}
		split, err := targeting.CompileSplit(*r.Serve.Split, f.Key, targeting.Options{})
		if err != nil {
			panic(err)
		}
		pick, ok := split.Pick(s)
		if !ok {
			return "", ReasonError, r.Name
		}
		return split.Variants()[pick.Index], ReasonSplit, r.Name
	}
	switch {
	case state.DefaultVariant == "":
		return "", ReasonDefault, ""
	case len(state.Rules)+len(state.Overrides) == 0:
		return state.DefaultVariant, ReasonStatic, ""
	}
	return state.DefaultVariant, ReasonDefault, ""
}

// naiveHolds knows groups and the operators eq and ne.
func naiveHolds(c targeting.Condition, s *Subject) bool {
	count := func(members []targeting.Condition) (n int) {
		for _, m := range members {
			if naiveHolds(m, s) {
				n++
			}
		}
		return n
	}
	switch {
	case c.All != nil:
		return count(c.All) == len(c.All)
	case c.Any != nil:
		return count(c.Any) > 0
	case c.None != nil:
		return count(c.None) == 0
	}
	v, ok := s.Attribute(c.Path)
	return ok && v.Equal(c.Value) == (c.Op == targeting.Equal)
}

var attributes = []string{AttrTargetingKey, AttrMerchant, AttrPlan}

func drawText(t *rapid.T) string { return rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "text") }

func drawCondition(t *rapid.T, depth int) targeting.Condition {
	if depth == 0 || rapid.Bool().Draw(t, "leaf") {
		return targeting.Condition{
			Path: rapid.SampledFrom(attributes).Draw(t, "path"), Op: rapid.SampledFrom([]targeting.Op{targeting.Equal, targeting.NotEqual}).Draw(t, "op"), Value: targeting.String(drawText(t)),
		}
	}
	members := make([]targeting.Condition, rapid.IntRange(1, 3).Draw(t, "members"))
	for i := range members {
		members[i] = drawCondition(t, depth-1)
	}
	switch rapid.IntRange(0, 2).Draw(t, "form") {
	case 0:
		return targeting.Condition{All: members}
	case 1:
		return targeting.Condition{Any: members}
	}
	return targeting.Condition{None: members}
}

func drawFlag(t *rapid.T) Flag {
	variant := func(what string) string { return rapid.SampledFrom([]string{"on", "off"}).Draw(t, what) }
	s := State{Enabled: rapid.IntRange(0, 9).Draw(t, "enabled") > 0}
	if rapid.IntRange(0, 9).Draw(t, "killed") == 0 {
		s.Killed = &Kill{By: "dana", At: noon, Reason: "errors"}
	}
	if rapid.Bool().Draw(t, "has default") {
		s.DefaultVariant = variant("default")
	}
	if rapid.Bool().Draw(t, "has off") {
		s.OffVariant = variant("off")
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "overrides") {
		o := Override{ID: fmt.Sprint("o", i), Kind: OverrideTenant, Attribute: rapid.SampledFrom(attributes).Draw(t, "attribute"), Subject: drawText(t), Variant: variant("override")}
		if rapid.Bool().Draw(t, "qa") {
			until := noon.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "until")) * time.Hour)
			o.Kind, o.Until, o.Reason = OverrideQA, &until, "test"
		}
		s.Overrides = append(s.Overrides, o)
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "rules") {
		r := Rule{Name: fmt.Sprint("r", i), Serve: &Serve{Variant: variant("serve")}}
		if rapid.IntRange(0, 4).Draw(t, "when") > 0 {
			c := drawCondition(t, 3)
			r.When = &c
		}
		if rapid.IntRange(0, 3).Draw(t, "split") == 0 {
			r.Serve = halves()
		}
		s.Rules = append(s.Rules, r)
	}
	return inProd(s)
}

func TestCompiledFlagsAnswerAsTheirDefinitionReads(t *testing.T) {
	t.Parallel()
	d := kit(t)
	rapid.Check(t, func(t *rapid.T) {
		f := drawFlag(t)
		if err := check(f, d); err != nil {
			t.Fatal(err)
		}
		// What is stored is what is meant.
		body, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		var stored Flag
		if err := json.Unmarshal(body, &stored); err != nil {
			t.Fatal(err)
		}
		c, err := compile(stored, "prod", d)
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			s := &Subject{Attributes: targeting.Attributes{}}
			for _, name := range attributes {
				if rapid.IntRange(0, 4).Draw(t, "has "+name) > 0 {
					s.Attributes[name] = targeting.String(drawText(t))
				}
			}
			variant, reason, by := naive(f, s, noon)
			got := c.evaluate(s, atNoon, nil).Evaluation
			if got.Variant != variant || got.Reason != reason || got.Rule != by {
				t.Fatalf("%s for %v: got %q %s by %q, want %q %s by %q", body, s.Attributes, got.Variant, got.Reason, got.Rule, variant, reason, by)
			}
			if explained := c.explain(s, atNoon); !reflect.DeepEqual(explained.Evaluation, got) {
				t.Fatalf("explained as %+v, evaluated as %+v", explained.Evaluation, got)
			}
		}
	})
}

// FuzzDefinition reads, checks, compiles and evaluates any definition.
func FuzzDefinition(f *testing.F) {
	for _, data := range hostile() {
		if len(data) < 2000 {
			f.Add(data)
		}
	}
	for _, flag := range []Flag{typical("typical"), serving("theme", "dark"), named("percentage_rollout", map[string]any{"percent": 10.0}), requiring(AttrPlan)} {
		data, err := json.Marshal(flag)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	d := kit(f, rain{})
	f.Fuzz(func(t *testing.T, data []byte) {
		var flag Flag
		if json.Unmarshal(data, &flag) != nil {
			return
		}
		passed := check(flag, d) == nil
		for environment := range flag.Environments {
			c, err := compile(flag, environment, d)
			if passed && err != nil {
				t.Fatalf("check passed what does not compile: %v", err)
			}
			if err != nil {
				continue
			}
			for _, s := range []*Subject{{}, acme(), merchant()} {
				got := c.evaluate(s, atNoon, nil)
				if _, ok := flag.Variants[got.Variant]; !ok && got.Variant != "" {
					t.Fatalf("got the variant %q, which the flag does not have", got.Variant)
				}
				if explained := c.explain(s, atNoon); !reflect.DeepEqual(explained.Evaluation, got.Evaluation) {
					t.Fatalf("explained as %+v, evaluated as %+v", explained.Evaluation, got.Evaluation)
				}
			}
		}
	})
}
