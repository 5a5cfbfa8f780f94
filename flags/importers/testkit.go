package importers

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/storage"
)

// A testFlag is a flag of OpenFeature's test suite.
type testFlag struct {
	Variants         map[string]any `json:"variants"`
	DefaultVariant   *string        `json:"defaultVariant"`
	Disabled         bool           `json:"disabled"`
	FlagMetadata     map[string]any `json:"flagMetadata"`
	ContextEvaluator string         `json:"contextEvaluator"`
}

// OpenFeature imports the flags of OpenFeature's test suite, an object of flags by key.
// A document that is none is a *storage.InvalidError.
func OpenFeature(data []byte, opts Options) (Result, error) {
	m, err := newImporter(data, opts)
	if err != nil {
		return Result{}, err
	}
	var document map[string]json.RawMessage
	if json.Unmarshal(data, &document) != nil || document == nil {
		return Result{}, storage.Invalid("", "must be an object of flags by key")
	}
	if len(document) > MaxFlags {
		return Result{}, storage.Invalid("", "must have at most "+strconv.Itoa(MaxFlags)+" flags")
	}
	for _, key := range slices.Sorted(maps.Keys(document)) {
		m.flag = key
		m.testFlag(key, document[key], join("", key))
	}
	return m.done(), nil
}

func (m *importer) testFlag(key string, data []byte, pointer string) {
	var given testFlag
	if !m.read(data, pointer, &given) {
		return
	}
	if len(given.Variants) == 0 {
		m.lose(pointer+"/variants", "has no variants: the flag was left out")
		return
	}
	f := flags.Flag{Key: key, Type: flags.TypeRelease, Owner: m.opts.Owner, ValueType: valueType(given.Variants),
		Variants: given.Variants, Metadata: given.FlagMetadata}
	state := flags.State{Enabled: !given.Disabled}
	if given.DefaultVariant != nil && *given.DefaultVariant != "" {
		if _, ok := given.Variants[*given.DefaultVariant]; ok {
			state.DefaultVariant = *given.DefaultVariant
		} else {
			m.lose(pointer+"/defaultVariant", "is not a variant: the reader's own default serves")
		}
	}
	if given.ContextEvaluator != "" {
		state.Rules = m.evaluator(given, pointer+"/contextEvaluator")
	}
	m.state(&f, state)
}

// evaluator turns an expression into rules.
func (m *importer) evaluator(given testFlag, pointer string) []flags.Rule {
	choices, err := parseExpression(given.ContextEvaluator, m.attribute)
	if err != nil {
		m.lose(pointer, err.Error()+": the default variant serves everybody")
		return nil
	}
	var rules []flags.Rule
	for i, c := range choices {
		variant := c.variant
		if variant == "" {
			if i == len(choices)-1 {
				break // everybody else gets the default variant
			}
			if given.DefaultVariant == nil {
				m.lose(pointer, "gives the default variant, which there is none of, before other rules: they are left out")
				break
			}
			variant = *given.DefaultVariant
		}
		if _, ok := given.Variants[variant]; !ok {
			m.lose(pointer, "names "+strconv.Quote(variant)+", which is not a variant: the rules from there on are left out")
			break
		}
		rules = append(rules, flags.Rule{Name: "rule-" + strconv.Itoa(i+1), When: when(c.when), Serve: &flags.Serve{Variant: variant}})
	}
	return rules
}

// valueType returns the type that all variants have, JSON where they differ.
func valueType(variants map[string]any) flags.ValueType {
	var found flags.ValueType
	for _, v := range variants {
		t := flags.JSON
		switch v.(type) {
		case bool:
			t = flags.Bool
		case string:
			t = flags.String
		case float64:
			t = flags.Number
		}
		if found != "" && found != t {
			return flags.JSON
		}
		found = t
	}
	return found
}
