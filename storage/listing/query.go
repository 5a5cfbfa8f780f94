package listing

import (
	"slices"
	"strconv"
	"strings"

	"github.com/lumelle/adminkit/storage"
)

// An Op is how a filter compares.
type Op string

// The operators of filters.
const (
	Eq         Op = "eq"
	Ne         Op = "ne"
	In         Op = "in" // equal to one of the values
	StartsWith Op = "starts_with"
	Lt         Op = "lt"
	Lte        Op = "lte"
	Gt         Op = "gt"
	Gte        Op = "gte"
)

var (
	textOps    = []Op{Eq, Ne, In, StartsWith}
	wordOps    = []Op{Eq, Ne, In}
	orderedOps = []Op{Eq, Ne, Lt, Lte, Gt, Gte}
	flagOps    = []Op{Eq}
)

// opsOf returns the operators of a kind.
func opsOf(k Kind) []Op {
	switch k {
	case Text:
		return textOps
	case Word:
		return wordOps
	case Flag:
		return flagOps
	}
	return orderedOps
}

// Limits of a query.
const (
	// MaxFilters is how many filters a query may have.
	MaxFilters = 10
	// MaxValues is how many values [In] may name.
	MaxValues = 100
	// MaxValue is the longest value in bytes.
	MaxValue = 2048
)

// A Filter is a condition on a field.
type Filter struct {
	Field string `json:"field"`
	Op    Op     `json:"op"`
	// Values are what the field is compared to, written as texts: one, or for [In] up
	// to [MaxValues].
	Values []string `json:"values"`
}

// Is returns the filter for a field that equals value.
func Is(field, value string) Filter { return Filter{Field: field, Op: Eq, Values: []string{value}} }

// A Sort is the order of a list. The zero Sort is the list's default.
type Sort struct {
	Field      string `json:"field"`
	Descending bool   `json:"descending,omitzero"`
}

// ParseSort reads a sort as [Sort.String] writes it.
func ParseSort(text string) Sort {
	field, descending := strings.CutPrefix(text, "-")
	return Sort{field, descending}
}

// String returns the name of the field, with a "-" before it for a descending order.
func (s Sort) String() string {
	if s.Descending {
		return "-" + s.Field
	}
	return s.Field
}

// A Query asks a list for a page.
type Query struct {
	// Filters have to hold, all of them. No two have the same field and operator.
	Filters []Filter
	// Sort is the list's default where it is zero.
	Sort Sort
	// After continues the list of the same filters and sort.
	After storage.Cursor
	// Limit is the length of the page, see storage.Limit.
	Limit int
}

// A Condition is a filter that was checked. Its values are of the field's kind, one of
// them except for [In].
type Condition struct {
	Field  string
	Op     Op
	Values []Value
}

// A naming says which part of the input is wrong: the parameter of a URL, or a place in a
// document.
type naming struct {
	filters, sort string
	filter        func(field string, op Op) string
}

var inDocument = naming{"/filter", "/sort", Pointer}

// Pointer returns the JSON pointer of a filter in a document: /filter/field/op.
func Pointer(field string, op Op) string {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	return "/filter/" + escape.Replace(field) + "/" + escape.Replace(string(op))
}

// conditions returns the checked filters of q in a settled order, and the sort.
func (l List[T]) conditions(q Query, n naming) ([]Condition, Field[T], Sort, error) {
	var bad *storage.InvalidError
	if len(q.Filters) > MaxFilters {
		return nil, Field[T]{}, Sort{}, storage.Invalid(n.filters, "has more than "+strconv.Itoa(MaxFilters)+" conditions")
	}
	all := make([]Condition, 0, len(q.Filters))
	for i, filter := range q.Filters {
		c, wrong := l.condition(filter)
		if wrong == "" && slices.ContainsFunc(q.Filters[:i], func(f Filter) bool { return f.Field == filter.Field && f.Op == filter.Op }) {
			wrong = "is given twice"
		}
		if wrong != "" {
			bad = bad.Add(n.filter(filter.Field, filter.Op), wrong)
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Condition) int {
		return strings.Compare(a.Field+"\x00"+string(a.Op), b.Field+"\x00"+string(b.Op))
	})
	sort := q.Sort
	if sort.Field == "" {
		sort = l.Sort
	}
	by, ok := l.field(sort.Field)
	if !ok || !by.sortable {
		bad = bad.Add(n.sort, "must be "+either(l.sorts())+", with a - before it for descending")
	}
	return all, by, sort, bad.Err()
}

// sorts names the fields that the list can be sorted by.
func (l List[T]) sorts() (names []string) {
	for _, f := range l.Fields {
		if f.sortable {
			names = append(names, f.name)
		}
	}
	return names
}

// condition checks one filter.
func (l List[T]) condition(filter Filter) (c Condition, wrong string) {
	f, ok := l.field(filter.Field)
	switch {
	case !ok:
		return c, "is not a field of this list"
	case !slices.Contains(opsOf(f.kind), filter.Op):
		ops := make([]string, len(opsOf(f.kind)))
		for i, op := range opsOf(f.kind) {
			ops[i] = string(op)
		}
		return c, "has no such operator: it may be " + either(ops)
	case filter.Op != In && len(filter.Values) != 1:
		return c, "must have one value"
	case len(filter.Values) == 0:
		return c, "must have a value"
	case len(filter.Values) > MaxValues:
		return c, "has more than " + strconv.Itoa(MaxValues) + " values"
	}
	c = Condition{Field: filter.Field, Op: filter.Op, Values: make([]Value, len(filter.Values))}
	for i, text := range filter.Values {
		if storage.CheckText("", text, MaxValue) != nil {
			return c, "has a value that is too long or not text"
		}
		if c.Values[i], wrong = f.read(text); wrong != "" {
			return c, wrong
		}
	}
	return c, ""
}
