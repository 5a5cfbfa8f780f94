package flagform_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/flagform"
)

const document = `{
	"key":"checkout","type":"release","value_type":"bool","owner":"web","description":"The new one.","variants":{"on":true,"off":false},
	"environments":{
		"dev":{"enabled":true},
		"prod":{"enabled":true,"default_variant":"off","off_variant":"off",
			"overrides":[{"id":"t","kind":"tenant","attribute":"storeId","subject":"s","variant":"on"}],
			"rules":[
				{"name":"home","when":{"all":[{"path":"country","op":"eq","value":"DE"},{"path":"storeId","op":"exists"}]},"serve":{"variant":"on"}},
				{"name":"ramp","serve":{"split":{"by":["storeId"],"salt":"s1","weights":[{"variant":"on","weight":25},{"variant":"off","weight":75}]}}},
				{"name":"deep","when":{"any":[{"all":[{"path":"a","op":"exists"},{"path":"b","op":"exists"}]},{"path":"c","op":"exists"}]},"serve":{"variant":"on"}},
				{"name":"named","strategy":{"name":"always_on"}},
				{"name":"foreign","serve":{"split":{"scheme":"unleash","weights":{"off":50,"on":50},"salt":"g"}}}
			]}}}`

func flag(t testing.TB) flags.Flag {
	t.Helper()
	var f flags.Flag
	if err := json.Unmarshal([]byte(document), &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func text(t testing.TB, f flags.Flag) string {
	t.Helper()
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// sent is what a browser sends of a form that nobody touched.
func sent(f flagform.Form) url.Values {
	v := url.Values{"default": {f.Default}, "off": {f.Off}, "owner": {f.Owner}, "description": {f.Description}, "variants": {f.Variants}}
	if f.Enabled {
		v.Set("enabled", "on")
	}
	for _, r := range f.Rules {
		if r.JSON != "" {
			v.Set(r.Field+".json", r.JSON)
			continue
		}
		for name, value := range map[string]string{"name": r.Name, "serve": r.Serve, "by": r.By, "salt": r.Salt} {
			v.Set(r.Field+"."+name, value)
		}
		for _, w := range r.Weights {
			v.Add(r.Field+".weight.variant", w.Variant)
			v.Add(r.Field+".weight", w.Weight)
		}
		if r.When.JSON != "" {
			v.Set(r.When.Name+".json", r.When.JSON)
		}
		for _, row := range r.When.Rows {
			v.Add(r.When.Name+".group", string(row.Group))
			v.Add(r.When.Name+".path", row.Path)
			v.Add(r.When.Name+".op", string(row.Op))
			v.Add(r.When.Name+".value", row.Value)
		}
	}
	return v
}

func TestFormThatNobodyTouchedChangesNothing(t *testing.T) {
	t.Parallel()
	for _, environment := range []string{"dev", "prod"} {
		f := flag(t)
		shown := flagform.Of(f, environment)
		back := flagform.Read(sent(shown), f, environment)
		got, err := back.Apply(f)
		if err != nil {
			t.Fatal(err)
		}
		if want := text(t, flag(t)); text(t, got) != want {
			t.Errorf("in %s it becomes\n%s\nwant\n%s", environment, text(t, got), want)
		}
	}
}

func TestApplyLeavesTheFlagItselfAlone(t *testing.T) {
	t.Parallel()
	f := flag(t)
	form := flagform.Of(f, "staging")
	form.Enabled, form.Default, form.Owner = true, "on", "shop"
	form, _ = form.Do("rule.add")
	form.Rules[0].Serve = "on"
	got, err := form.Apply(f)
	if err != nil {
		t.Fatal(err)
	}
	if text(t, f) != text(t, flag(t)) {
		t.Errorf("the flag was changed")
	}
	state := got.Environments["staging"]
	if got.Owner != "shop" || !state.Enabled || state.DefaultVariant != "on" || len(state.Rules) != 1 || state.Rules[0].When != nil {
		t.Errorf("the draft is %s", text(t, got))
	}
}

func TestButtonsChangeTheRules(t *testing.T) {
	t.Parallel()
	names := func(f flagform.Form) string {
		var all []string
		for _, r := range f.Rules {
			all = append(all, r.Field+" "+r.When.Name+" "+r.Name)
		}
		return strings.Join(all, "; ")
	}
	start := flagform.Of(flag(t), "prod")
	start.Rules = start.Rules[:2]
	for button, want := range map[string]string{
		"rule.add":      "rule.0 rule.0.when home; rule.1 rule.1.when ramp; rule.2 rule.2.when rule 3",
		"rule.remove.0": "rule.0 rule.0.when ramp",
		"rule.up.1":     "rule.0 rule.0.when ramp; rule.1 rule.1.when home",
		"rule.down.0":   "rule.0 rule.0.when ramp; rule.1 rule.1.when home",
	} {
		got, ok := start.Do(button)
		if !ok || names(got) != want {
			t.Errorf("%s gives %s (%t), want %s", button, names(got), ok, want)
		}
	}
	for _, button := range []string{"", "preview", "rule", "rule.up.0", "rule.9.when.add", "rule.x.when.add", "rule.0.when.remove.7", "rule.0.other"} {
		if _, ok := start.Do(button); ok {
			t.Errorf("%q does something", button)
		}
	}
	got, ok := start.Do("rule.0.when.remove.0")
	if !ok || len(got.Rules[0].When.Rows) != 1 || len(start.Rules[0].When.Rows) != 2 {
		t.Errorf("a row is not taken from the first rule alone")
	}
	got, ok = start.Do("rule.1.json")
	if !ok || !strings.Contains(got.Rules[1].JSON, `"weight": 25`) {
		t.Errorf("the JSON of the second rule is %q", got.Rules[1].JSON)
	}
	back, ok := got.Do("rule.1.fields")
	if !ok || names(back) != names(start) || !slices.Equal(back.Rules[1].Weights, start.Rules[1].Weights) {
		t.Errorf("back from JSON the rules are %s", names(back))
	}
	for _, text := range []string{"{oops", `{"name":"s","strategy":{"name":"always_on"}}`} {
		got.Rules[1].JSON = text
		if _, ok := got.Do("rule.1.fields"); ok {
			t.Errorf("%s has fields", text)
		}
	}
	full := start
	for range flags.MaxRules {
		full, ok = full.Do("rule.add")
	}
	if ok || len(full.Rules) != flags.MaxRules {
		t.Errorf("the form has %d rules", len(full.Rules))
	}
}

func TestWhatIsWrongPointsIntoTheFlag(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(f *flagform.Form)
		want   string
	}{
		"a value":    {func(f *flagform.Form) { f.Rules[0].When.Rows[0].Op = "in"; f.Rules[0].When.Rows[0].Value = "a,," }, "/environments/prod/rules/0/when/rows/0/value"},
		"a weight":   {func(f *flagform.Form) { f.Rules[1].Weights[1].Weight = "much" }, "/environments/prod/rules/1/serve/split/weights/off"},
		"a negative": {func(f *flagform.Form) { f.Rules[1].Weights[0].Weight = "-1" }, "/environments/prod/rules/1/serve/split/weights/on"},
		"no number":  {func(f *flagform.Form) { f.Rules[1].Weights[0].Weight = "NaN" }, "/environments/prod/rules/1/serve/split/weights/on"},
		"JSON":       {func(f *flagform.Form) { f.Rules[3].JSON = "{" }, "/environments/prod/rules/3"},
		"a key":      {func(f *flagform.Form) { f.Rules[3].JSON = `{"nom":"x"}` }, "/environments/prod/rules/3"},
		"variants":   {func(f *flagform.Form) { f.Variants = "[]" }, "/variants"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := flagform.Of(flag(t), "prod")
			c.change(&f)
			_, err := f.Apply(flag(t))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want one at %s", err, c.want)
			}
		})
	}
}

func TestRulesAreSaidInWords(t *testing.T) {
	t.Parallel()
	rules := flag(t).Environments["prod"].Rules
	rules = append(rules, flags.Rule{Strategy: &flags.StrategyUse{Name: "attribute_match", Parameters: map[string]any{"attribute": "plan"}}})
	for i, want := range []string{
		"country is DE and storeId is there: on",
		"always: on 25 %, off 75 % by storeId",
		"(a is there and b is there) or c is there: on",
		"strategy always_on: what the strategy says",
		"always: off 50 %, on 50 %",
		`strategy attribute_match with {"attribute":"plan"}: what the strategy says`,
	} {
		if got := flagform.When(rules[i]) + ": " + flagform.Serves(rules[i]); got != want {
			t.Errorf("rule %d is said as %q, want %q", i, got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(sent(flagform.Of(flag(f), "prod")).Encode(), "rule.0.when.add")
	f.Add("rule.0.name=x&rule.0.serve=&rule.0.weight.variant=on&rule.0.weight=1e400", "rule.0.json")
	f.Fuzz(func(t *testing.T, query, button string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		form := flagform.Read(values, flag(t), "prod")
		if next, ok := form.Do(button); ok {
			form = next
		}
		if len(form.Rules) > flags.MaxRules {
			t.Errorf("there are %d rules", len(form.Rules))
		}
		if got, err := form.Apply(flag(t)); err == nil {
			text(t, got)
		}
	})
}
