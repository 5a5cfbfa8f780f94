package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"regexp/syntax"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

const (
	// MaxSteps is the budget of one validation. Comparing a value takes a step, and
	// checking it against a subschema 20: what fails is told with its
	// place, which is what a hostile schema makes expensive.
	MaxSteps   = 200_000
	checkSteps = 20
	// maxPayloadDepth is how deep a payload may nest.
	maxPayloadDepth = 32
)

// A validator is a compiled schema whose every part takes from one budget. The parts
// have no way to learn which validation they serve, so that one runs at a time; it
// takes microseconds.
type validator struct {
	mu     sync.Mutex
	left   int
	schema *jsonschema.Schema
	// pattern is the size of the largest regular expression.
	pattern int
}

var _ audit.Validator = (*validator)(nil)

func newValidator(schema *jsonschema.Schema) *validator {
	v := &validator{schema: schema}
	v.meter(schema, metaSchemas())
	return v
}

// metaSchemas returns every part of the meta-schemas, which a $ref may lead to. They
// belong to the library and are left alone; checks against them are linear.
func metaSchemas() map[*jsonschema.Schema]bool {
	seen := map[*jsonschema.Schema]bool{}
	for _, draft := range []*jsonschema.Draft{
		jsonschema.Draft4, jsonschema.Draft6, jsonschema.Draft7, jsonschema.Draft2019, jsonschema.Draft2020,
	} {
		if meta, err := jsonschema.NewCompiler().Compile(draft.URL()); err == nil {
			walk(meta, seen, func(*jsonschema.Schema) {})
		}
	}
	return seen
}

// Validate implements [audit.Validator].
func (v *validator) Validate(payload []byte) error {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return storage.Invalid("/payload", "must be JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return storage.Invalid("/payload", "must be one JSON document")
	}
	if message := v.bounded(value, 0); message != "" {
		return storage.Invalid("/payload", message)
	}
	err := v.run(value)
	failed, ok := errors.AsType[*jsonschema.ValidationError](err)
	switch {
	case err == nil:
		return nil
	case ok:
		return invalid("/payload", failed)
	case errors.Is(err, errSpent):
		return storage.Invalid("/payload", tooManySteps)
	}
	return storage.Invalid("/payload", "cannot be checked by its schema")
}

// errSpent ends a validation that ran out of its budget. It travels as a panic,
// because the parts of a schema can only say that a value is wrong, which another
// part may read as right.
var errSpent = errors.New("the budget of the validation is spent")

func (v *validator) run(value any) (err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	defer func() {
		if r := recover(); r != nil {
			if r != any(errSpent) {
				panic(r)
			}
			err = errSpent
		}
	}()
	v.left = MaxSteps
	return v.schema.Validate(value)
}

const tooManySteps = "takes too many steps to check"

// bounded says which limit a decoded payload breaks. A single match with a regular
// expression cannot be interrupted, so that what is too long for one is found here.
func (v *validator) bounded(value any, depth int) string {
	if depth > maxPayloadDepth {
		return "is nested too deep"
	}
	switch value := value.(type) {
	case json.Number:
		if !boundedNumber(value) {
			return "has a number with too many digits"
		}
	case string:
		if matchSteps(v.pattern, len(value)) > MaxSteps {
			return tooManySteps
		}
	case []any:
		for _, element := range value {
			if message := v.bounded(element, depth+1); message != "" {
				return message
			}
		}
	case map[string]any:
		for name, member := range value {
			if message := v.bounded(name, depth); message != "" {
				return message
			}
			if message := v.bounded(member, depth+1); message != "" {
				return message
			}
		}
	}
	return ""
}

// patternSize is the number of instructions of a compiled expression, 0 for none.
func patternSize(re *regexp.Regexp) int {
	if re == nil {
		return 0
	}
	parsed, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return MaxPattern
	}
	return instructions(parsed)
}

// matchSteps is what matching a text of n bytes takes: at worst each instruction at
// each byte.
func matchSteps(instructions, n int) int { return instructions * n / 10 }

// A meter is attached to each subschema and is asked at the end of its check. What it
// takes covers the checks of the parts below it that end before they are asked: a
// value of the wrong type is done at once.
type meter struct {
	v *validator
	// fixed is taken for any value, object and array for each member or element.
	fixed, object, array int
	// pattern is the size of what a string is matched with, names that of what the
	// names of members are.
	pattern, names int
}

// Validate implements jsonschema.ExtSchema.
func (m *meter) Validate(_ jsonschema.ValidationContext, value any) error {
	cost := m.fixed
	switch value := value.(type) {
	case map[string]any:
		cost += m.object * len(value)
		if m.names > 0 {
			for name := range value {
				cost += matchSteps(m.names, len(name))
			}
		}
	case []any:
		cost += m.array * len(value)
	case string:
		cost += matchSteps(m.pattern, len(value))
	}
	if m.v.left -= cost; m.v.left < 0 {
		panic(errSpent)
	}
	return nil
}

// meter attaches meters to s and all that it leads to, but for what was seen.
func (v *validator) meter(s *jsonschema.Schema, seen map[*jsonschema.Schema]bool) {
	walk(s, seen, func(s *jsonschema.Schema) {
		p := partsOf(s)
		names := 0
		for name := range s.PatternProperties {
			names += patternSize(name)
			v.pattern = max(v.pattern, patternSize(name))
		}
		v.pattern = max(v.pattern, patternSize(s.Pattern))
		s.Extensions = map[string]jsonschema.ExtSchema{"meter": &meter{
			v: v,
			// Numbers are compared as fractions.
			fixed:   checkSteps*(1+len(p.here)) + 5*len(s.Enum) + len(s.Required) + len(s.Properties),
			object:  checkSteps / 2 * len(p.members),
			array:   checkSteps / 2 * len(p.elements),
			pattern: patternSize(s.Pattern),
			names:   names,
		}}
	})
}

// walk visits s and all that it leads to, each once.
func walk(s *jsonschema.Schema, seen map[*jsonschema.Schema]bool, visit func(*jsonschema.Schema)) {
	if s == nil || seen[s] {
		return
	}
	seen[s] = true
	if s.Always == nil {
		visit(s)
	}
	p := partsOf(s)
	for _, parts := range [][]*jsonschema.Schema{p.here, p.named, p.members, p.elements} {
		for _, part := range parts {
			walk(part, seen, visit)
		}
	}
}

// parts are the subschemas of a schema by what they are applied to: the value itself,
// one named member or element of it, all members, all elements.
type parts struct{ here, named, members, elements []*jsonschema.Schema }

func partsOf(s *jsonschema.Schema) parts {
	var p parts
	add := func(to *[]*jsonschema.Schema, subs ...any) {
		for _, sub := range subs {
			if sub, ok := sub.(*jsonschema.Schema); ok && sub != nil {
				*to = append(*to, sub)
			}
		}
	}
	add(&p.here, s.Ref, s.RecursiveRef, s.DynamicRef, s.Not, s.If, s.Then, s.Else)
	for _, list := range [][]*jsonschema.Schema{s.AllOf, s.AnyOf, s.OneOf} {
		p.here = append(p.here, list...)
	}
	for _, sub := range s.Dependencies {
		add(&p.here, sub)
	}
	for _, sub := range s.DependentSchemas {
		add(&p.here, sub)
	}
	for _, sub := range s.Properties {
		add(&p.named, sub)
	}
	for _, sub := range s.PatternProperties {
		add(&p.members, sub)
	}
	add(&p.members, s.PropertyNames, s.AdditionalProperties, s.UnevaluatedProperties)
	if list, ok := s.Items.([]*jsonschema.Schema); ok {
		p.named = append(p.named, list...)
	}
	p.named = append(p.named, s.PrefixItems...)
	add(&p.elements, s.Items, s.AdditionalItems, s.Items2020, s.Contains, s.UnevaluatedItems)
	return p
}
