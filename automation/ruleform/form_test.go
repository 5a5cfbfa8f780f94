package ruleform_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/automation/ruleform"
)

const document = `{
	"name":"Large refunds","description":"d","automation_environment":"prod","trigger":{"type":"event","event_type":"lumelle.orders.v1.*"},
	"conditions":{"all":[{"path":"/data/amount","op":"gte","value":100},{"path":"/data/currency","op":"eq","value":"EUR"}]},
	"steps":[
		{"name":"say","action":"notify.log","with":{"message":"{{ /data/order_id }}"}},
		{"name":"bare","action":"stop"},
		{"name":"ask","action":"approval.request","with":{"reason":"r"},"timeout":"1h","on_decline":[{"name":"no","action":"stop"}]},
		{"name":"which","if":{"path":"/data/amount","op":"gt","value":5},"then":[{"name":"t","action":"stop"}]}
	],
	"on_failure":[{"name":"oops","action":"stop"}],"timeout":"24h"}`

var actions = []automation.Descriptor{
	{Name: "notify.log", SampleInput: []byte(`{"message":"hello"}`)}, {Name: "wait", SampleInput: []byte(`{"for":"1h"}`)},
}

func definition(t testing.TB) automation.Definition {
	t.Helper()
	d, err := automation.ParseDefinition([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func text(t testing.TB, d automation.Definition) string {
	t.Helper()
	document, _, err := d.Document()
	if err != nil {
		t.Fatal(err)
	}
	return string(document)
}

// sent is what a browser sends of a form that nobody touched.
func sent(f ruleform.Form) url.Values {
	v := url.Values{
		"name": {f.Name}, "description": {f.Description}, "automation_environment": {f.Environment},
		"trigger": {f.Trigger}, "event_type": {f.EventType}, "rest": {f.Rest},
	}
	for _, row := range f.When.Rows {
		v.Add("when.group", string(row.Group))
		v.Add("when.path", row.Path)
		v.Add("when.op", string(row.Op))
		v.Add("when.value", row.Value)
	}
	for _, s := range f.Steps {
		if s.JSON != "" {
			v.Set(s.Field+".json", s.JSON)
			continue
		}
		v.Set(s.Field+".name", s.Name)
		v.Set(s.Field+".action", s.Action)
		v.Set(s.Field+".with", s.With)
	}
	return v
}

func TestFormThatNobodyTouchedChangesNothing(t *testing.T) {
	t.Parallel()
	d := definition(t)
	got, err := ruleform.Read(sent(ruleform.Of(d))).Definition()
	if err != nil {
		t.Fatal(err)
	}
	if text(t, got) != text(t, d) {
		t.Errorf("it becomes\n%s\nwant\n%s", text(t, got), text(t, d))
	}
	none := d
	none.OnFailure, none.Timeout = nil, 0
	if rest := ruleform.Of(none).Rest; rest != "" {
		t.Errorf("the rest of nothing is %q", rest)
	}
}

func TestButtonsChangeTheSteps(t *testing.T) {
	t.Parallel()
	names := func(f ruleform.Form) string {
		var all []string
		for _, s := range f.Steps {
			all = append(all, s.Field+" "+s.Name+" "+s.Action)
		}
		return strings.Join(all, "; ")
	}
	start := ruleform.Of(definition(t))
	start.Steps = start.Steps[:2]
	for button, want := range map[string]string{
		"step.add":            "step.0 say notify.log; step.1 bare stop; step.2 step_3 notify.log",
		"step.add.wait":       "step.0 say notify.log; step.1 bare stop; step.2 step_3 wait",
		"step.remove.0":       "step.0 bare stop",
		"step.up.1":           "step.0 bare stop; step.1 say notify.log",
		"when.remove.0":       "step.0 say notify.log; step.1 bare stop",
		"step.1.json":         "step.0 say notify.log; step.1  ",
		"step.add.notify.log": "step.0 say notify.log; step.1 bare stop; step.2 step_3 notify.log",
	} {
		got, ok := start.Do(button, actions)
		if !ok || names(got) != want {
			t.Errorf("%s gives %s (%t), want %s", button, names(got), ok, want)
		}
	}
	for _, button := range []string{"", "test", "step", "step.up.0", "step.7.json", "step.x.json", "step.add.rocket", "when.remove.9"} {
		if _, ok := start.Do(button, actions); ok {
			t.Errorf("%q does something", button)
		}
	}
	whole, _ := start.Do("step.0.json", actions)
	if back, ok := whole.Do("step.0.fields", actions); !ok || !slices.Equal(back.Steps, start.Steps) {
		t.Errorf("back from JSON the steps are %s", names(back))
	}
	for _, text := range []string{"{oops", `{"name":"s","action":"stop","retry":{"attempts":2}}`} {
		whole.Steps[0].JSON = text
		if _, ok := whole.Do("step.0.fields", actions); ok {
			t.Errorf("%s has fields", text)
		}
	}
	added, _ := start.Do("step.add.wait", actions)
	if !strings.Contains(added.Steps[2].With, `"for": "1h"`) {
		t.Errorf("the new step begins with %q", added.Steps[2].With)
	}
	full, ok := start, true
	for range automation.MaxSteps {
		full, ok = full.Do("step.add", actions)
	}
	if ok || len(full.Steps) != automation.MaxSteps {
		t.Errorf("the form has %d steps", len(full.Steps))
	}
}

func TestWhatIsWrongPointsIntoTheDefinition(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(f *ruleform.Form)
		want   string
	}{
		"an input":              {func(f *ruleform.Form) { f.Steps[0].With = "{" }, "/steps/0/with"},
		"a step":                {func(f *ruleform.Form) { f.Steps[2].JSON = `{"nome":"x"}` }, "/steps/2"},
		"a condition of a step": {func(f *ruleform.Form) { f.Steps[3].JSON = `{"name":"x","if":{"pth":"x"}}` }, "/steps/3"},
		"a time span":           {func(f *ruleform.Form) { f.Steps[3].JSON = `{"name":"x","action":"wait","timeout":{"step":"soon"}}` }, "/steps/3"},
		"a value":               {func(f *ruleform.Form) { f.When.Rows[0].Op, f.When.Rows[0].Value = "in", "" }, "/conditions/rows/0/value"},
		"the rest":              {func(f *ruleform.Form) { f.Rest = `{"steps":[]}` }, "/rest"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := ruleform.Of(definition(t))
			c.change(&f)
			_, err := f.Definition()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want one at %s", err, c.want)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add(sent(ruleform.Of(definition(f))).Encode(), "step.0.json")
	f.Add("step.0.name=x&step.0.with=%7B&when.op=in&rest=1", "when.json")
	f.Fuzz(func(t *testing.T, query, button string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		form := ruleform.Read(values)
		if next, ok := form.Do(button, actions); ok {
			form = next
		}
		if len(form.Steps) > automation.MaxSteps {
			t.Errorf("there are %d steps", len(form.Steps))
		}
		form.Definition()
	})
}
