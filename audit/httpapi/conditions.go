package httpapi

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
)

// Conditions are filters as they stand in bodies: values by field and operator, as in
// {"status":{"in":["failed","pending"]},"held":{"eq":true}}.
type Conditions map[string]map[string]jsontext.Value

// ConditionsOf returns filters as they stand in bodies, all values as texts.
func ConditionsOf(filters []listing.Filter) (Conditions, error) {
	all := make(Conditions, len(filters))
	for _, f := range filters {
		var v any = f.Values
		if f.Op != listing.In && len(f.Values) == 1 {
			v = f.Values[0]
		}
		raw, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		if all[f.Field] == nil {
			all[f.Field] = map[string]jsontext.Value{}
		}
		all[f.Field][string(f.Op)] = raw
	}
	return all, nil
}

// Filters returns the filters in order of their fields. Numbers, true and false may stand
// for the texts that they are written as; several values are a list. Any other value is a
// *storage.InvalidError with a pointer such as /filter/status/eq.
func (c Conditions) Filters() ([]listing.Filter, error) {
	var all []listing.Filter
	var bad *storage.InvalidError
	for field, ops := range c {
		for op, raw := range ops {
			values, ok := filterValues(raw)
			if !ok {
				bad = bad.Add(listing.Pointer(field, listing.Op(op)), "must be a text, a number, true or false, or a list of these")
			}
			all = append(all, listing.Filter{Field: field, Op: listing.Op(op), Values: values})
		}
	}
	slices.SortFunc(all, func(a, b listing.Filter) int {
		return strings.Compare(listing.Parameter(a.Field, a.Op), listing.Parameter(b.Field, b.Op))
	})
	return all, bad.Err()
}

func filterValues(raw jsontext.Value) (values []string, ok bool) {
	switch raw.Kind() {
	case '[':
		var list []jsontext.Value
		if json.Unmarshal(raw, &list) != nil {
			return nil, false
		}
		for _, one := range list {
			v, ok := filterValue(one)
			if !ok {
				return nil, false
			}
			values = append(values, v)
		}
		return values, true
	default:
		v, ok := filterValue(raw)
		return []string{v}, ok
	}
}

func filterValue(raw jsontext.Value) (string, bool) {
	switch raw.Kind() {
	case '"':
		var text string
		err := json.Unmarshal(raw, &text)
		return text, err == nil
	case '0', 't', 'f':
		return string(raw), true
	}
	return "", false
}
