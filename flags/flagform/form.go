package flagform

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/flags/targeting/form"
	"github.com/lumelle/adminkit/storage"
)

// A Form is a flag in one environment as people edit it.
type Form struct {
	Environment string
	Enabled     bool
	Rules       []Rule
	// Default and Off are variants, empty for the reader's own default.
	Default, Off string
	// Owner and Description are those of the flag, in all environments.
	Owner, Description string
	// Variants are the values by name as JSON, in all environments; blank for none.
	Variants string
	// Choices are the names of the variants that the flag has, in order.
	Choices []string
}

// Split is what [Rule.Serve] is where the rule deals variants out.
const Split = ""

// A Rule is one rule as people edit it.
type Rule struct {
	// Field begins the names of the rule's fields: "rule.0".
	Field string
	Name  string
	When  form.Form
	// Serve is a variant, or [Split].
	Serve string
	// By are the attributes that a split goes by, with commas between, empty for its own
	// default; Salt is kept as it is.
	By, Salt string
	// Weights are those of a split, in its order.
	Weights []Weight
	// JSON is the rule in place of all that, empty where there are fields.
	JSON string
}

// A Weight is the weight of a variant as text, empty where the split has none for it.
type Weight struct{ Variant, Weight string }

// Of returns the form of a flag in an environment.
func Of(f flags.Flag, environment string) Form {
	state := f.Environments[environment]
	made := Form{
		Environment: environment, Enabled: state.Enabled, Default: state.DefaultVariant, Off: state.OffVariant,
		Owner: f.Owner, Description: f.Description, Variants: indented(f.Variants), Choices: choices(f),
	}
	for i, r := range state.Rules {
		made.Rules = append(made.Rules, ruleOf(field(i), r, made.Choices))
	}
	return made
}

// Read returns the form that a browser sent of a flag, with at most flags.MaxRules rules.
func Read(values map[string][]string, f flags.Flag, environment string) Form {
	get := func(name string) string {
		if v := values[name]; len(v) > 0 {
			return v[0]
		}
		return ""
	}
	read := Form{
		Environment: environment, Enabled: get("enabled") != "", Default: get("default"), Off: get("off"),
		Owner: get("owner"), Description: get("description"), Variants: get("variants"), Choices: choices(f),
	}
	for i := range flags.MaxRules {
		name := field(i)
		if values[name+".name"] == nil && values[name+".json"] == nil {
			break
		}
		r := Rule{
			Field: name, Name: get(name + ".name"), When: form.Read(values, name+".when"), Serve: get(name + ".serve"),
			By: get(name + ".by"), Salt: get(name + ".salt"), JSON: get(name + ".json"),
		}
		weights := values[name+".weight"]
		for j, variant := range values[name+".weight.variant"] {
			if j < len(weights) && j < flags.MaxVariants {
				r.Weights = append(r.Weights, Weight{variant, strings.TrimSpace(weights[j])})
			}
		}
		read.Rules = append(read.Rules, r)
	}
	return read
}

// Do returns the form after one of its buttons was pressed, and false where the button
// belongs to something else or asks for what cannot be done.
func (f Form) Do(button string) (Form, bool) {
	command, ok := strings.CutPrefix(button, "rule.")
	if !ok {
		return f, false
	}
	if command == "add" {
		if len(f.Rules) == flags.MaxRules {
			return f, false
		}
		r := Rule{Name: f.freeName(), When: form.Form{Rows: []form.Row{{Group: form.All, Op: targeting.Equal}}}}
		if len(f.Choices) > 0 {
			r.Serve = f.Choices[0]
		}
		for _, variant := range f.Choices {
			r.Weights = append(r.Weights, Weight{Variant: variant})
		}
		return f.with(append(slices.Clone(f.Rules), r)), true
	}
	if rules, ok := form.Move(f.Rules, command); ok {
		return f.with(rules), true
	}
	number, rest, _ := strings.Cut(command, ".")
	i, err := strconv.Atoi(number)
	if err != nil || i < 0 || i >= len(f.Rules) {
		return f, false
	}
	rules := slices.Clone(f.Rules)
	switch rest {
	case "json":
		r, err := rules[i].rule()
		rules[i] = Rule{JSON: indented(r)}
		return f.with(rules), err == nil
	case "fields":
		r, err := rules[i].rule()
		rules[i] = ruleOf(field(i), r, f.Choices)
		return f.with(rules), err == nil && rules[i].JSON == ""
	}
	rules[i].When, ok = rules[i].When.Do(button)
	return f.with(rules), ok
}

// with returns the form with other rules, whose fields are named by their places.
func (f Form) with(rules []Rule) Form {
	f.Rules = rules
	for i := range f.Rules {
		f.Rules[i].Field = field(i)
		f.Rules[i].When.Name = field(i) + ".when"
	}
	return f
}

// freeName is a name that no rule has.
func (f Form) freeName() string {
	for n := len(f.Rules) + 1; ; n++ {
		name := "rule " + strconv.Itoa(n)
		if !slices.ContainsFunc(f.Rules, func(r Rule) bool { return r.Name == name }) {
			return name
		}
	}
}

// Apply returns the flag with what the form says of it; the flag itself is not changed.
// The error is a *storage.InvalidError whose pointers lead into the flag. Whether the flag
// means something is for the flags.Service to say.
func (f Form) Apply(flag flags.Flag) (flags.Flag, error) {
	var bad *storage.InvalidError
	state := flag.Environments[f.Environment]
	state.Enabled, state.DefaultVariant, state.OffVariant, state.Rules = f.Enabled, f.Default, f.Off, nil
	for i, r := range f.Rules {
		rule, err := r.rule()
		if invalid, ok := errors.AsType[*storage.InvalidError](err); ok {
			for _, wrong := range invalid.Fields {
				bad = bad.Add("/environments/"+f.Environment+"/rules/"+strconv.Itoa(i)+wrong.Pointer, wrong.Message)
			}
		}
		state.Rules = append(state.Rules, rule)
	}
	flag.Owner, flag.Description = f.Owner, f.Description
	if flag.Environments = maps.Clone(flag.Environments); flag.Environments == nil {
		flag.Environments = map[string]flags.State{}
	}
	flag.Environments[f.Environment] = state
	flag.Variants = nil
	if strings.TrimSpace(f.Variants) != "" && json.Unmarshal([]byte(f.Variants), &flag.Variants) != nil {
		bad = bad.Add("/variants", "must be a JSON object of values by name")
	}
	return flag, bad.Err()
}

// rule returns the rule that the fields describe.
func (r Rule) rule() (flags.Rule, error) {
	if strings.TrimSpace(r.JSON) != "" {
		return parseRule(r.JSON)
	}
	rule, bad := flags.Rule{Name: r.Name}, (*storage.InvalidError)(nil)
	when, err := r.When.Condition()
	if invalid, ok := errors.AsType[*storage.InvalidError](err); ok {
		for _, wrong := range invalid.Fields {
			bad = bad.Add("/when"+wrong.Pointer, wrong.Message)
		}
	}
	if !when.IsZero() {
		rule.When = &when
	}
	if r.Serve != Split {
		rule.Serve = &flags.Serve{Variant: r.Serve}
		return rule, bad.Err()
	}
	split := &targeting.Split{Salt: r.Salt}
	for by := range strings.SplitSeq(r.By, ",") {
		if by = strings.TrimSpace(by); by != "" {
			split.By = append(split.By, by)
		}
	}
	for _, w := range r.Weights {
		if w.Weight == "" {
			continue
		}
		weight, err := strconv.ParseFloat(strings.TrimSuffix(w.Weight, "%"), 64)
		if err != nil || !(weight >= 0) || weight > 1e15 {
			bad = bad.Add("/serve/split/weights/"+w.Variant, "must be a number that is not negative")
		}
		split.Weights = append(split.Weights, targeting.Share{Variant: w.Variant, Weight: weight})
	}
	rule.Serve = &flags.Serve{Split: split}
	return rule, bad.Err()
}

func parseRule(text string) (rule flags.Rule, err error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	err = d.Decode(&rule)
	if invalid, ok := errors.AsType[*targeting.InvalidError](err); ok {
		return rule, storage.Invalid("", invalid.Error())
	}
	if err != nil || d.More() {
		return rule, storage.Invalid("", "must be the JSON of a rule: name, when and serve, or name and strategy")
	}
	return rule, nil
}

// ruleOf returns the fields of a rule, or its JSON where they do not hold it.
func ruleOf(name string, r flags.Rule, variants []string) Rule {
	made := Rule{Field: name, Name: r.Name}
	if r.Strategy != nil || r.Serve == nil {
		return Rule{Field: name, JSON: indented(r)}
	}
	var when targeting.Condition
	if r.When != nil {
		when = *r.When
	}
	made.When, made.Serve = form.Of(name+".when", when), r.Serve.Variant
	if split := r.Serve.Split; split != nil {
		if split.Scheme != "" || slices.ContainsFunc(split.By, func(by string) bool { return strings.Contains(by, ",") }) {
			return Rule{Field: name, JSON: indented(r)}
		}
		made.Serve, made.By, made.Salt = Split, strings.Join(split.By, ", "), split.Salt
		for _, share := range split.Weights {
			made.Weights = append(made.Weights, Weight{share.Variant, strconv.FormatFloat(share.Weight, 'f', -1, 64)})
		}
	}
	for _, variant := range variants {
		if !slices.ContainsFunc(made.Weights, func(w Weight) bool { return w.Variant == variant }) {
			made.Weights = append(made.Weights, Weight{Variant: variant})
		}
	}
	return made
}

func field(i int) string { return "rule." + strconv.Itoa(i) }

func choices(f flags.Flag) []string { return slices.Sorted(maps.Keys(f.Variants)) }

// indented is JSON for people.
func indented(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if e.Encode(v) != nil { // a value that no flag is stored with
		return ""
	}
	return strings.TrimSpace(b.String())
}
