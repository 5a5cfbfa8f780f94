package ruleform

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/flags/targeting/form"
	"github.com/lumelle/adminkit/storage"
)

// A Form is a definition as people edit it.
type Form struct {
	Name, Description, Environment string
	// Trigger is the name of a trigger, and EventType what the trigger "event" listens to.
	Trigger, EventType string
	When               form.Form
	Steps              []Step
	// Rest is the JSON of what the form has no fields for: on_failure, retry and timeout.
	// It is empty where the definition has none of them.
	Rest string
}

// A Step is one step as people edit it.
type Step struct {
	// Field begins the names of the step's fields: "step.0".
	Field string
	Name  string
	// Action is the name of an action, and With its input as JSON.
	Action, With string
	// JSON is the step in place of all that, empty where there are fields.
	JSON string
}

// rest is the part of a definition that has no fields.
type rest struct {
	OnFailure []automation.Step       `json:"on_failure,omitempty"`
	Retry     *automation.RetryPolicy `json:"retry,omitempty"`
	Timeout   automation.Duration     `json:"timeout,omitzero"`
}

// Of returns the form of a definition.
func Of(d automation.Definition) Form {
	f := Form{
		Name: d.Name, Description: d.Description, Environment: d.Environment, Trigger: d.Trigger.Type, EventType: d.Trigger.EventType,
		When: form.Of("when", d.Conditions), Rest: indented(rest{d.OnFailure, d.Retry, d.Timeout}),
	}
	if f.Rest == "{}" {
		f.Rest = ""
	}
	for i, s := range d.Steps {
		f.Steps = append(f.Steps, stepOf(field(i), s))
	}
	return f
}

// stepOf returns the fields of a step, or its JSON where they do not hold it.
func stepOf(name string, s automation.Step) Step {
	step := Step{Field: name, Name: s.Name, Action: s.Action, With: indented(s.With)}
	if s.With == nil {
		step.With = ""
	}
	plain := automation.Step{Name: s.Name, Action: s.Action, With: s.With}
	if whole := indented(s); s.Action == "" || whole != indented(plain) {
		return Step{Field: name, JSON: whole}
	}
	return step
}

// Read returns the form that a browser sent, with at most automation.MaxSteps steps.
func Read(values map[string][]string) Form {
	get := func(name string) string {
		if v := values[name]; len(v) > 0 {
			return v[0]
		}
		return ""
	}
	f := Form{
		Name: get("name"), Description: get("description"), Environment: get("automation_environment"),
		Trigger: get("trigger"), EventType: strings.TrimSpace(get("event_type")), When: form.Read(values, "when"), Rest: get("rest"),
	}
	for i := range automation.MaxSteps {
		name := field(i)
		if values[name+".name"] == nil && values[name+".json"] == nil {
			break
		}
		f.Steps = append(f.Steps, Step{
			Field: name, Name: get(name + ".name"), Action: get(name + ".action"), With: get(name + ".with"), JSON: get(name + ".json"),
		})
	}
	return f
}

// Do returns the form after one of its buttons was pressed, and false where the button
// belongs to something else or asks for what cannot be done. A step that is added takes
// the sample input of its action as a start.
func (f Form) Do(button string, actions []automation.Descriptor) (Form, bool) {
	if when, ok := f.When.Do(button); ok {
		f.When = when
		return f, true
	}
	command, ok := strings.CutPrefix(button, "step.")
	if !ok {
		return f, false
	}
	if name, ok := strings.CutPrefix(command, "add"); ok {
		i := slices.IndexFunc(actions, func(d automation.Descriptor) bool { return name == "" || "."+d.Name == name })
		if i < 0 || len(f.Steps) == automation.MaxSteps {
			return f, false
		}
		return f.with(append(slices.Clone(f.Steps), Step{Name: f.freeName(), Action: actions[i].Name, With: indented(actions[i].SampleInput)})), true
	}
	number, shape, _ := strings.Cut(command, ".")
	if shape != "json" && shape != "fields" {
		steps, ok := form.Move(f.Steps, command)
		return f.with(steps), ok
	}
	i, err := strconv.Atoi(number)
	if err != nil || i < 0 || i >= len(f.Steps) {
		return f, false
	}
	step, err := f.Steps[i].step()
	steps := slices.Clone(f.Steps)
	steps[i] = stepOf(field(i), step)
	if shape == "json" {
		steps[i] = Step{JSON: indented(step)}
	}
	return f.with(steps), err == nil && (shape == "json" || steps[i].JSON == "")
}

// with returns the form with other steps, whose fields are named by their places.
func (f Form) with(steps []Step) Form {
	f.Steps = steps
	for i := range f.Steps {
		f.Steps[i].Field = field(i)
	}
	return f
}

// freeName is a name that no step has.
func (f Form) freeName() string {
	for n := len(f.Steps) + 1; ; n++ {
		name := "step_" + strconv.Itoa(n)
		if !slices.ContainsFunc(f.Steps, func(s Step) bool { return s.Name == name }) {
			return name
		}
	}
}

// Definition returns the definition that the form describes. The error is a
// *storage.InvalidError whose pointers lead into the definition. Whether it can be run is
// for automation.Catalog.Compile to say.
func (f Form) Definition() (automation.Definition, error) {
	d := automation.Definition{
		Name: f.Name, Description: f.Description, Environment: f.Environment,
		Trigger: automation.TriggerUse{Type: f.Trigger},
	}
	if f.Trigger == automation.TypeEvent {
		d.Trigger.EventType = f.EventType
	}
	var bad *storage.InvalidError
	add := func(pointer string, err error) {
		if invalid, ok := errors.AsType[*storage.InvalidError](err); ok {
			for _, field := range invalid.Fields {
				bad = bad.Add(pointer+field.Pointer, field.Message)
			}
		}
	}
	var err error
	d.Conditions, err = f.When.Condition()
	add("/conditions", err)
	for i, s := range f.Steps {
		step, err := s.step()
		add("/steps/"+strconv.Itoa(i), err)
		d.Steps = append(d.Steps, step)
	}
	if strings.TrimSpace(f.Rest) != "" {
		var r rest
		add("", strict(f.Rest, &r, "/rest", "must be JSON with on_failure, retry and timeout"))
		d.OnFailure, d.Retry, d.Timeout = r.OnFailure, r.Retry, r.Timeout
	}
	return d, bad.Err()
}

// step returns the step that the fields describe.
func (s Step) step() (step automation.Step, err error) {
	if strings.TrimSpace(s.JSON) != "" {
		return step, strict(s.JSON, &step, "", "must be the JSON of a step")
	}
	step = automation.Step{Name: s.Name, Action: s.Action}
	if strings.TrimSpace(s.With) == "" {
		return step, nil
	}
	var compact bytes.Buffer
	if json.Compact(&compact, []byte(s.With)) != nil {
		return step, storage.Invalid("/with", "must be JSON")
	}
	step.With = compact.Bytes()
	return step, nil
}

// strict reads JSON without unknown fields.
func strict(text string, into any, pointer, message string) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if invalid, ok := errors.AsType[*targeting.InvalidError](err); ok {
		return storage.Invalid(pointer, invalid.Error())
	}
	if invalid, ok := errors.AsType[*storage.InvalidError](err); ok {
		return storage.Invalid(pointer, invalid.Error())
	}
	if err != nil || d.More() {
		return storage.Invalid(pointer, message)
	}
	return nil
}

func field(i int) string { return "step." + strconv.Itoa(i) }

// indented is JSON for people.
func indented(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if e.Encode(v) != nil { // an input that is no JSON, which no definition is stored with
		return ""
	}
	return strings.TrimSpace(b.String())
}
