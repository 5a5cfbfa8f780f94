package listing

import (
	"net/url"
	"slices"
	"strings"

	"github.com/lumelle/adminkit/storage"
)

// filterPrefix begins the name of a parameter that is a filter.
const filterPrefix = "filter["

// Reads reports whether a parameter of a URL is one that [List.Parse] reads: a filter or
// the sort.
func Reads(name string) bool {
	return name == "sort" || name == "filter" || strings.HasPrefix(name, filterPrefix)
}

var inURL = naming{"filter", "sort", Parameter}

// Parameter returns the name of the parameter that a filter has in a URL:
// filter[field][op].
func Parameter(field string, op Op) string { return filterPrefix + field + "][" + string(op) + "]" }

// Parse reads the filters and the sort of a query out of the parameters of a URL, and
// leaves all others alone. The values of [In] stand with commas between; a value that has
// a comma itself can be asked for by [Eq]. What is wrong is a *storage.InvalidError whose
// pointers are the names of the parameters.
func (l List[T]) Parse(values url.Values) (Query, error) {
	var q Query
	var bad *storage.InvalidError
	for name, v := range values {
		if !Reads(name) {
			continue
		}
		field, op, ok := splitFilter(name)
		switch {
		case len(v) != 1:
			bad = bad.Add(name, "is given twice")
		case name == "sort":
			if q.Sort = ParseSort(v[0]); q.Sort.Field == "" {
				bad = bad.Add(name, "must be "+either(l.sorts())+", with a - before it for descending")
			}
		case !ok:
			bad = bad.Add(name, "must be written as filter[field][op]")
		case op == In:
			q.Filters = append(q.Filters, Filter{field, op, strings.Split(v[0], ",")})
		default:
			q.Filters = append(q.Filters, Filter{field, op, v})
		}
	}
	if bad == nil {
		// The order of a map is none: settle it, so that equal URLs are equal queries.
		slices.SortFunc(q.Filters, func(a, b Filter) int {
			return strings.Compare(Parameter(a.Field, a.Op), Parameter(b.Field, b.Op))
		})
		_, _, _, err := l.conditions(q, inURL)
		return q, err
	}
	slices.SortFunc(bad.Fields, func(a, b storage.FieldError) int { return strings.Compare(a.Pointer, b.Pointer) })
	return Query{}, bad
}

// splitFilter reads the name of a parameter as [Parameter] writes it.
func splitFilter(name string) (field string, op Op, ok bool) {
	inner, ok := strings.CutPrefix(name, filterPrefix)
	if !ok {
		return "", "", false
	}
	inner, ok = strings.CutSuffix(inner, "]")
	if !ok {
		return "", "", false
	}
	field, text, ok := strings.Cut(inner, "][")
	if !ok || field == "" || text == "" || strings.ContainsAny(field+text, "[]") {
		return "", "", false
	}
	return field, Op(text), true
}
