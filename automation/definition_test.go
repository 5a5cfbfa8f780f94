package automation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit/schema"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// newCatalog has the probe and an approval beside what every catalogue has.
func newCatalog(t testing.TB, cfg automation.CatalogConfig) *automation.Catalog {
	t.Helper()
	approval := automation.RequestApproval(func(context.Context, string, automation.ApprovalChange) (string, error) { return "r", nil })
	cfg.Actions = append(cfg.Actions, newProbe(), approval, automation.HTTPPost(refusing{}))
	c, err := automation.NewCatalog(schema.Compile, cfg)
	must(t, err)
	return c
}

const head = `"name":"n","automation_environment":"prod","trigger":{"type":"event","event_type":"a.b"}`

func TestDefinitionsThatAreRefused(t *testing.T) {
	t.Parallel()
	catalog := newCatalog(t, automation.CatalogConfig{})
	step := func(rest string) string {
		return `{` + head + `,"steps":[{"name":"a","action":"test.probe"` + rest + `}]}`
	}
	deep := strings.Repeat(`{"name":"a","if":{"path":"/id","op":"exists"},"then":[`, 12) + strings.Repeat(`]}`, 12)
	var many []string
	for i := range 101 {
		many = append(many, fmt.Sprintf(`{"name":"s%d","action":"test.probe"}`, i))
	}
	var ten []string
	for i := range 1000 {
		ten = append(ten, fmt.Sprintf(`{"name":"s%d","action":"stop"}`, i))
	}
	for name, c := range map[string]struct{ document, want string }{
		"no JSON":                          {`{`, "invalid input"},
		"a key twice":                      {`{` + head + `,"name":"m","steps":[]}`, "/name"},
		"an unknown field":                 {`{` + head + `,"colour":"red","steps":[]}`, "/colour: is not a known field"},
		"an unknown step field":            {step(`,"colour":"red"`), "/steps/0/colour: is not a known field"},
		"a wrong type":                     {step(`,"name2":1`), "/steps/0/name2"},
		"a bad condition":                  {`{` + head + `,"conditions":{"all":[{"path":"/id","op":"equals","value":1}]},"steps":[{"name":"a","action":"test.probe"}]}`, "/conditions"},
		"two forms in a node":              {`{` + head + `,"conditions":{"all":[{"path":"/id","op":"exists"}],"any":[]},"steps":[{"name":"a","action":"test.probe"}]}`, "/conditions"},
		"a path into nowhere":              {`{` + head + `,"conditions":{"path":"/date/amount","op":"exists"},"steps":[{"name":"a","action":"test.probe"}]}`, "/conditions: /date/amount leads to nothing"},
		"a path by name":                   {`{` + head + `,"conditions":{"path":"amount","op":"exists"},"steps":[{"name":"a","action":"test.probe"}]}`, "must be a JSON pointer"},
		"no name":                          {`{"automation_environment":"prod","trigger":{"type":"event","event_type":"a.b"},"steps":[{"name":"a","action":"test.probe"}]}`, "/name: must not be empty"},
		"an unknown environment":           {strings.Replace(step(""), `"prod"`, `"moon"`, 1), "/automation_environment: must be one of draft, staging, prod"},
		"an unknown trigger":               {strings.Replace(step(""), `"type":"event"`, `"type":"moon"`, 1), "/trigger/type"},
		"a bad event type":                 {strings.Replace(step(""), `"a.b"`, `"a.*.b"`, 1), "/trigger/event_type"},
		"no steps":                         {`{` + head + `,"steps":[]}`, "/steps: must have at least one"},
		"an unknown action":                {strings.Replace(step(""), "test.probe", "test.moon", 1), "/steps/0/action: is no action"},
		"a step without a form":            {`{` + head + `,"steps":[{"name":"a"}]}`, "/steps/0: must have one of"},
		"a step of two forms":              {step(`,"if":{"path":"/id","op":"exists"}`), "/steps/0: must have one of"},
		"then at an action":                {step(`,"then":[{"name":"b","action":"stop"}]`), "/steps/0/then: does not belong"},
		"with at an if":                    {`{` + head + `,"steps":[{"name":"a","if":{"path":"/id","op":"exists"},"with":{}}]}`, "/steps/0/with: does not belong"},
		"a decline of what does not wait":  {step(`,"on_decline":[]`), "/steps/0/on_decline: is for actions that wait"},
		"a name twice":                     {`{` + head + `,"steps":[{"name":"a","action":"test.probe"}],"on_failure":[{"name":"a","action":"test.probe"}]}`, "/on_failure/0/name: is the name of another"},
		"a name with a slash":              {strings.Replace(step(""), `"a","action"`, `"a/b","action"`, 1), "/steps/0/name: must be"},
		"an input that its schema refuses": {step(`,"with":[]`), "/steps/0/with"},
		"an unknown member of an input":    {`{` + head + `,"steps":[{"name":"a","action":"wait","with":{"hours":1}}]}`, "/steps/0/with"},
		"too many attempts":                {step(`,"retry":{"attempts":51}`), "/steps/0/retry/attempts"},
		"a negative delay":                 {step(`,"retry":{"delay":"-1s"}`), "/steps/0/retry"},
		"a class that is none":             {step(`,"retry":{"retry_on":["moon"]}`), "/steps/0/retry/retry_on/0"},
		"an unknown retry field":           {step(`,"retry":{"tries":3}`), "/steps/0/retry"},
		"an unknown policy":                {step(`,"retry":"moon"`), "/steps/0/retry: is no retry policy"},
		"an unknown timeout":               {step(`,"timeout":"moon"`), "/steps/0/timeout: is no timeout policy"},
		"a timeout of a timer":             {`{` + head + `,"steps":[{"name":"a","action":"wait","with":{"duration":"1h"},"timeout":"1m"}]}`, "/steps/0/timeout: does not bound a wait"},
		"a span without a unit":            {step(`,"timeout":{"step":"10"}`), "/steps/0/timeout"},
		"a step that comes later":          {`{` + head + `,"steps":[{"name":"a","action":"test.probe","with":{"x":{"$ref":"/steps/b/output"}}},{"name":"b","action":"test.probe"}]}`, "/steps/0/with: /steps/b/output is not done before"},
		"a step that is none":              {step(`,"with":{"x":"{{ /steps/moon/output }}"}`), "is no step"},
		"a step on one path only":          {`{` + head + `,"steps":[{"name":"i","if":{"path":"/id","op":"exists"},"then":[{"name":"b","action":"test.probe"}]},{"name":"a","action":"test.probe","with":{"x":{"$ref":"/steps/b/output"}}}]}`, "needs a default"},
		"itself":                           {step(`,"with":{"x":{"$ref":"/steps/a/output"}}`), "is not done before this step"},
		"not an output":                    {`{` + head + `,"steps":[{"name":"a","action":"test.probe"},{"name":"b","action":"test.probe","with":{"x":{"$ref":"/steps/a/input"}}}]}`, "must be of the form"},
		"the error of no failure":          {step(`,"with":{"x":{"$ref":"/error/class"}}`), "on the on_failure route only"},
		"a $ref with company":              {step(`,"with":{"$ref":"/id","more":1}`), "stands beside"},
		"a $ref that is no text":           {step(`,"with":{"x":{"$ref":1}}`), "must be a JSON pointer"},
		"braces that do not close":         {step(`,"with":{"x":"{{ /id "}`), "/steps/0/with/x: has a {{ }}"},
		"a function in braces":             {step(`,"with":{"x":"{{ upper(/id) }}"}`), "has a {{ }}"},
		"a bad default":                    {step(`,"with":{"x":"{{ /id ?? none }}"}`), "has a {{ }}"},
		"nesting too deep":                 {`{` + head + `,"steps":[` + deep + `]}`, "is nested too deep"},
		"a step too many":                  {`{` + head + `,"steps":[` + strings.Join(many, ",") + `]}`, "is one step too many"},
		"a thousand steps":                 {`{` + head + `,"steps":[` + strings.Join(ten, ",") + `]}`, "is one step too many"},
		"ten thousand steps":               {`{` + head + `,"steps":[` + strings.Repeat(`{"name":"a","action":"stop"},`, 10_000) + `{"name":"a","action":"stop"}]}`, "longer than 48 KiB"},
		"JSON too deep":                    {step(`,"with":{"x":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`), "/steps/0/with"},
		"references too many":              {step(`,"with":{"x":[` + strings.TrimSuffix(strings.Repeat(`{"$ref":"/id"},`, 201), ",") + `]}`), "more than 200 references"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := automation.ParseDefinition([]byte(c.document))
			if err == nil {
				d, err = catalog.Resolve(d)
			}
			if err == nil {
				_, err = catalog.Compile(d)
			}
			wantErr(t, err, storage.ErrInvalid)
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestAReferenceThatIsNoPointerIsToldOnce(t *testing.T) {
	t.Parallel()
	catalog := newCatalog(t, automation.CatalogConfig{})
	for _, ref := range []string{``, `id`, `/a~2`} {
		_, err := catalog.Compile(definition(t, `"steps":[{"name":"a","action":"test.probe","with":{"x":{"$ref":"`+ref+`"}}}]`))
		invalid, ok := errors.AsType[*storage.InvalidError](err)
		if !ok || len(invalid.Fields) != 1 || invalid.Fields[0].Pointer != "/steps/0/with/x/$ref" || !strings.HasPrefix(invalid.Fields[0].Message, "must be") {
			t.Errorf("%q: got %v, want one message at the reference", ref, err)
		}
	}
}

func TestPathsNestAsDeepAsTheyMay(t *testing.T) {
	t.Parallel()
	catalog := newCatalog(t, automation.CatalogConfig{})
	nested := func(levels int) error {
		steps := `{"name":"a","action":"test.probe"}`
		for i := range levels {
			steps = fmt.Sprintf(`{"name":"i%d","if":{"path":"/id","op":"exists"},"then":[%s]}`, i, steps)
		}
		_, err := catalog.Compile(definition(t, `"steps":[`+steps+`]`))
		return err
	}
	must(t, nested(automation.MaxNesting))
	wantErr(t, nested(automation.MaxNesting+1), storage.ErrInvalid)
}

func TestADefinitionComesBackAsItWasWritten(t *testing.T) {
	t.Parallel()
	catalog := newCatalog(t, automation.CatalogConfig{
		Retries: map[string]automation.RetryPolicy{"gentle": {Attempts: 7, Delay: automation.Duration(time.Minute)}},
	})
	const document = `{` + head + `,"conditions":{"any":[{"path":"/data/amount","op":"gte","value":100},{"none":[{"path":"/subject","op":"exists"}]}]},
		"steps":[{"name":"a","action":"test.probe","retry":"gentle","timeout":"1m","with":{"x":"{{ /id }}"}},
		{"name":"ask","action":"approval.request","with":{"action":"a","resource":{"type":"t","id":"i"}},"on_decline":[],"timeout":{"step":"1h"}},
		{"name":"s","switch":[{"when":{"path":"/data/amount","op":"lt","value":5},"steps":[{"name":"b","action":"stop","with":{"status":"filtered"}}]}],"default":[]}],
		"on_failure":[{"name":"c","action":"test.probe"}],"timeout":"24h"}`
	d, err := automation.ParseDefinition([]byte(document))
	must(t, err)
	d, err = catalog.Resolve(d)
	must(t, err)
	p, err := catalog.Compile(d)
	must(t, err)
	same(t, "its paths", p.Paths(), []string{"a", "ask", "s", "b", "c"})
	first, hash, err := d.Document()
	must(t, err)
	again, err := automation.ParseDefinition(first)
	must(t, err)
	second, hash2, err := again.Document()
	must(t, err)
	same(t, "the document", string(second), string(first))
	same(t, "its hash", hash2, hash)
	same(t, "the policy", fmt.Sprint(again.Steps[0].Retry.Policy, again.Steps[0].Retry.Attempts), "gentle7")
	if again.Steps[1].OnDecline == nil {
		t.Error("a route without steps was lost")
	}
	if !json.Valid(first) {
		t.Error("the document is not JSON")
	}
}

func TestCatalogsThatAreRefused(t *testing.T) {
	t.Parallel()
	action := func(change func(d *automation.Descriptor)) automation.CatalogConfig {
		d := newProbe().Describe()
		change(&d)
		return automation.CatalogConfig{Actions: []automation.Action{described{d}}}
	}
	trigger := func(change func(d *automation.TriggerDescriptor)) automation.CatalogConfig {
		d := refundTrigger
		change(&d)
		return automation.CatalogConfig{Triggers: []automation.Trigger{automation.EventTrigger(d)}}
	}
	for name, c := range map[string]struct {
		cfg  automation.CatalogConfig
		want string
	}{
		"an action twice":             {automation.CatalogConfig{Actions: []automation.Action{newProbe(), newProbe()}}, "listed twice"},
		"an action named as our own":  {action(func(d *automation.Descriptor) { d.Name = "wait" }), "listed twice"},
		"an action without a name":    {action(func(d *automation.Descriptor) { d.Name = "" }), "no name"},
		"an effect that is none":      {action(func(d *automation.Descriptor) { d.Effect = "some" }), "effect"},
		"no input schema":             {action(func(d *automation.Descriptor) { d.Input = nil }), "input schema"},
		"a bad output schema":         {action(func(d *automation.Descriptor) { d.Output = []byte(`{"type":"moon"}`) }), "output schema"},
		"a sample input refused":      {action(func(d *automation.Descriptor) { d.SampleInput = []byte(`[]`) }), "sample input"},
		"a sample refused":            {action(func(d *automation.Descriptor) { d.Sample = []byte(`[]`) }), "sample"},
		"a nil action":                {automation.CatalogConfig{Actions: []automation.Action{nil}}, "nil"},
		"a trigger named event":       {trigger(func(d *automation.TriggerDescriptor) { d.Name = "event" }), "listed twice"},
		"a trigger without types":     {trigger(func(d *automation.TriggerDescriptor) { d.EventTypes = nil }), "event types"},
		"a trigger of a bad type":     {trigger(func(d *automation.TriggerDescriptor) { d.EventTypes = []string{"a..b"} }), "event type"},
		"a sample of another type":    {trigger(func(d *automation.TriggerDescriptor) { d.EventTypes = []string{"x.y"} }), "own sample"},
		"a sample that is no event":   {trigger(func(d *automation.TriggerDescriptor) { d.Sample = []byte(`[]`) }), "sample"},
		"a sample its schema refuses": {trigger(func(d *automation.TriggerDescriptor) { d.Schema = []byte(`{"required":["moon"]}`) }), "sample"},
		"a bad policy":                {automation.CatalogConfig{Retries: map[string]automation.RetryPolicy{"x": {Attempts: -1}}}, "/retries/x/attempts"},
		"a bad environment":           {automation.CatalogConfig{Environments: []string{""}}, "/environments"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := automation.NewCatalog(schema.Compile, c.cfg)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
	if _, err := automation.NewCatalog(nil, automation.CatalogConfig{}); err == nil {
		t.Error("a catalogue without a compiler was made")
	}
}

// described is an action that is only described.
type described struct{ descriptor automation.Descriptor }

func (d described) Describe() automation.Descriptor { return d.descriptor }

func (described) Run(context.Context, automation.Input) (automation.Output, error) {
	return automation.Output{}, nil
}

var refundTrigger = automation.TriggerDescriptor{
	Name: "orders.refunded", Label: "Order refunded", EventTypes: []string{refunded},
	Schema: json.RawMessage(`{"type":"object","required":["amount"],"properties":{"amount":{"type":"number"}}}`),
	Sample: json.RawMessage(`{"specversion":"1.0","id":"1","source":"/orders","type":"` + refunded + `","subject":"order/1001","data":{"amount":150}}`),
}

// lowStock is a trigger with an opinion: it fires when the stock is below ten.
type lowStock struct{}

func (lowStock) Describe() automation.TriggerDescriptor {
	return automation.TriggerDescriptor{
		Name: "inventory.low", Label: "Inventory low", EventTypes: []string{"lumelle.orders.v1.*"},
		Sample: json.RawMessage(`{"type":"lumelle.orders.v1.flagged","data":{"left":3}}`),
	}
}

func (lowStock) Fires(event map[string]any) bool {
	data, _ := event["data"].(map[string]any)
	left, _ := data["left"].(json.Number)
	n, err := left.Int64()
	return err == nil && n < 10
}

func TestEachTriggerOfTheCatalogueFiresOnItsSample(t *testing.T) {
	t.Parallel()
	catalog := automation.CatalogConfig{Triggers: []automation.Trigger{automation.EventTrigger(refundTrigger), lowStock{}}}
	each(t, func(t *testing.T, b backend) {
		k := newKit(t, b, kitConfig{catalog: catalog})
		for _, d := range k.service.Catalog().Triggers() {
			def := definition(t, `"steps":[{"name":"tell","action":"test.probe","with":{"subject":"{{ /subject ?? \"none\" }}"}}]`)
			def.Trigger = automation.TriggerUse{Type: d.Name}
			tested, err := k.service.TestDefinition(k.ctx, acme, def, automation.TestInput{})
			must(t, err)
			same(t, d.Name, tested.Run.Status, automation.Succeeded)
			same(t, d.Name+": the event of the test", string(tested.Event.Body), string(d.Sample))
		}
		low := definition(t, `"steps":[{"name":"tell","action":"test.probe"}]`)
		low.Trigger = automation.TriggerUse{Type: "inventory.low"}
		r, err := k.service.Create(k.ctx, acme, automation.RuleInput{Definition: low})
		must(t, err)
		_, err = k.service.Enable(k.ctx, acme, r.ID, "")
		must(t, err)
		k.work(t)
		k.flag(t, `{"left":12}`)
		k.flag(t, `{"left":3}`)
		k.flag(t, `{"right":3}`)
		k.until(t, automation.Succeeded)
		k.flag(t, `{"left":2}`)
		waitFor(t, func() bool { return len(k.runs(t, automation.RunQuery{})) == 2 })
		_, err = k.service.TestDefinition(k.ctx, acme, low, automation.TestInput{Event: []byte(`{"type":"lumelle.orders.v1.flagged","data":{"left":12}}`)})
		wantErr(t, err, storage.ErrInvalid)
	})
}

func TestPathsAreTakenByTheData(t *testing.T) {
	t.Parallel()
	b := `"steps":[
		{"name":"size","switch":[
			{"when":{"path":"/data/amount","op":"gte","value":1000},"steps":[{"name":"huge","action":"test.probe"}]},
			{"when":{"path":"/data/amount","op":"gte","value":100},"steps":[{"name":"large","action":"test.probe"},{"name":"look","if":{"path":"/steps/large/output/id","op":"eq","value":"sample"},"then":[{"name":"yes","action":"test.probe"}],"else":[{"name":"no","action":"stop","with":{"status":"filtered","reason":"odd"}}]}]}],
			"default":[{"name":"old","if":{"path":"/data/age","op":"gt","value":30},"then":[{"name":"end","action":"stop"}]}]},
		{"name":"last","action":"test.probe","with":{"was":"{{ /steps/large/output/id ?? \"not large\" }}"}}]`
	for _, c := range []struct{ data, want, status string }{
		{`{"amount":5000}`, "size:succeeded(case 0) huge:succeeded last:succeeded", "succeeded"},
		{`{"amount":500}`, "size:succeeded(case 1) large:succeeded look:succeeded(then) yes:succeeded last:succeeded", "succeeded"},
		{`{"amount":5,"age":31}`, "size:succeeded(default) old:succeeded(then) end:succeeded", "succeeded"},
		{`{"amount":5,"age":3}`, "size:succeeded(default) old:succeeded(else) last:succeeded", "succeeded"},
		{`{"amount":"many"}`, "size:succeeded(default) old:succeeded(else) last:succeeded", "succeeded"},
		{`{}`, "size:succeeded(default) old:succeeded(else) last:succeeded", "succeeded"},
		{`{"amount":500,"odd":true}`, "size:succeeded(case 1) large:succeeded look:succeeded(else) no:succeeded", "filtered"},
	} {
		t.Run(c.data, func(t *testing.T) {
			k := newKit(t, eachtest.Memory(t), kitConfig{})
			in := automation.TestInput{Event: []byte(`{"type":"` + refunded + `","data":` + c.data + `}`)}
			if strings.Contains(c.data, "odd") {
				in.Outputs = map[string]json.RawMessage{"large": []byte(`{"id":"other"}`)}
			}
			d, err := k.service.TestDefinition(k.ctx, acme, definition(t, b), in)
			must(t, err)
			var taken []string
			for _, s := range strings.Fields(steps(d)) {
				if !strings.HasSuffix(s, ":skipped") {
					taken = append(taken, s)
				}
			}
			same(t, "the path", strings.Join(taken, " "), c.want)
			same(t, "the end", string(d.Run.Status), c.status)
		})
	}
}

func TestATestRunTakesChosenOutcomes(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), kitConfig{})
	d := definition(t, `"steps":[{"name":"nap","action":"wait","with":{"duration":"720h"}},
		{"name":"ask","action":"approval.request","with":{"action":"a","resource":{"type":"order","id":"1"}},"on_decline":[{"name":"no","action":"test.probe"}]},
		{"name":"pay","action":"test.probe"}],"on_failure":[{"name":"sorry","action":"test.probe","with":{"step":{"$ref":"/error/step"}}}]`)
	event := []byte(`{"type":"` + refunded + `"}`)
	for outcome, want := range map[string]string{
		"":                       "nap:succeeded ask:succeeded pay:succeeded no:skipped sorry:skipped",
		automation.Declined:      "nap:succeeded ask:succeeded(on_decline) no:succeeded pay:skipped sorry:skipped",
		automation.Expired:       "nap:succeeded ask:timed_out sorry:succeeded no:skipped pay:skipped",
		automation.ForcedFailure: "nap:succeeded ask:failed sorry:succeeded no:skipped pay:skipped",
	} {
		in := automation.TestInput{Event: event}
		if outcome != "" {
			in.Outcomes = map[string]string{"ask": outcome}
		}
		got, err := k.service.TestDefinition(k.ctx, acme, d, in)
		must(t, err)
		same(t, "with "+outcome, steps(got), want)
	}
	same(t, "calls", len(k.probe.made()), 0)
	same(t, "requests", len(k.requests), 0)
	same(t, "runs", len(k.runs(t, automation.RunQuery{})), 0)
	for name, in := range map[string]automation.TestInput{
		"no event":           {},
		"another type":       {Event: []byte(`{"type":"x.y"}`)},
		"no CloudEvent":      {Event: []byte(`[]`)},
		"an unknown step":    {Event: event, Outputs: map[string]json.RawMessage{"moon": []byte(`{}`)}},
		"a bad output":       {Event: event, Outputs: map[string]json.RawMessage{"pay": []byte(`[]`)}},
		"a bad outcome":      {Event: event, Outcomes: map[string]string{"ask": "perhaps"}},
		"what does not wait": {Event: event, Outcomes: map[string]string{"pay": automation.Declined}},
	} {
		if _, err := k.service.TestDefinition(k.ctx, acme, d, in); err == nil {
			t.Errorf("a test with %s was run", name)
		} else {
			wantErr(t, err, storage.ErrInvalid)
		}
	}
}

func FuzzParseDefinition(f *testing.F) {
	f.Add([]byte(`{` + head + `,"steps":[{"name":"a","action":"test.probe","with":{"x":"{{ /id ?? 1 }} {{ \"{{\" }}","y":{"$ref":"/data/z","default":[1]}},"retry":{"attempts":2},"timeout":"1s"}]}`))
	f.Add([]byte(`{` + head + `,"steps":[{"name":"i","if":{"path":"/data/a","op":"exists"},"then":[{"name":"s","action":"stop"}]},{"name":"w","action":"wait","with":{"duration":1}}],"on_failure":[{"name":"e","action":"test.probe","with":{"x":"{{/error/class}}"}}]}`))
	f.Add([]byte(`{` + head + `,"steps":[{"name":"q","action":"approval.request","with":{"action":"a","resource":{"type":"t","id":"{{ /subject }}"}},"on_timeout":[]}],"timeout":"1h"}`))
	catalog := newCatalog(f, automation.CatalogConfig{})
	f.Fuzz(func(t *testing.T, document []byte) {
		d, err := automation.ParseDefinition(document)
		if err != nil {
			return
		}
		p, err := catalog.Compile(d)
		if err != nil {
			return
		}
		first, _, err := d.Document()
		if err != nil {
			t.Fatalf("a definition that compiles has no document: %v", err)
		}
		again, err := automation.ParseDefinition(first)
		if err != nil {
			t.Fatalf("%s cannot be read again: %v", first, err)
		}
		if second, _, err := again.Document(); err != nil || string(second) != string(first) {
			t.Fatalf("%s comes back as %s, %v", first, second, err)
		}
		s, err := automation.NewState(automation.Run{ID: "r"}, nil, []byte(`{"id":"1","subject":"s","data":{"a":1}}`))
		must(t, err)
		s, c := automation.Decide(p, s, automation.Event{Kind: automation.Begin, At: time.Unix(1e9, 0)})
		for range 10 * automation.MaxSteps {
			if c.Kind == automation.Call {
				s, c = automation.Decide(p, s, automation.Event{Kind: automation.Done, At: time.Unix(1e9, 0), Step: c.Step, Output: automation.Output{Value: []byte(`{"id":1}`)}})
			}
		}
		if !s.Run.Status.Ended() {
			t.Fatalf("the run is %s at %s after every step answered", s.Run.Status, s.Run.Cursor)
		}
	})
}
