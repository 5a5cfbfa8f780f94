package listingtest

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/lumelle/adminkit/storage/listing"
)

func integer(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// textOf is how a value stands in a filter.
func textOf(kind listing.Kind, v any) string {
	us, ok := v.(int64)
	if kind != listing.Time || !ok {
		return fmt.Sprint(v)
	}
	at := time.Time{}
	if us != 0 {
		at = time.UnixMicro(us).UTC()
	}
	return at.Format(time.RFC3339Nano)
}

// absent is a value that is well formed and that no item of a test has.
func absent(info listing.FieldInfo) []string {
	switch info.Kind {
	case listing.Word:
		return info.Words
	case listing.Flag:
		return []string{"true", "false"}
	case listing.Time:
		return []string{"2001-02-03T04:05:06.000007Z"}
	case listing.Integer:
		return []string{"-77"}
	}
	return []string{"what nobody has", "%", "_"}
}

// values are the words of a field that has some, else up to n different values that items have in a field, spread over all, and
// some that none has.
func (l List[T]) values(all []T, info listing.FieldInfo, n int) []string {
	if info.Kind == listing.Word {
		return info.Words
	}
	var had []string
	for _, item := range all {
		if text := textOf(info.Kind, l.Value(item, info.Name)); !slices.Contains(had, text) {
			had = append(had, text)
		}
	}
	slices.Sort(had)
	var some []string
	for i := 0; i < len(had); i += max(1, len(had)/n) {
		some = append(some, had[i])
	}
	for _, text := range absent(info) {
		if !slices.Contains(some, text) {
			some = append(some, text)
		}
	}
	return some
}

// Filters returns filters for every field with every operator it has, for values that
// items of all have and for some that none has.
func (l List[T]) Filters(all []T) (filters []listing.Filter) {
	for _, info := range l.Fields {
		values := l.values(all, info, 3)
		for _, op := range info.Ops {
			if op == listing.In {
				filters = append(filters, listing.Filter{Field: info.Name, Op: op, Values: values})
				if len(values) > 1 {
					filters = append(filters, listing.Filter{Field: info.Name, Op: op, Values: values[1:]})
				}
				continue
			}
			for _, v := range values {
				filters = append(filters, listing.Filter{Field: info.Name, Op: op, Values: []string{v}})
				if runes := []rune(v); op == listing.StartsWith && len(runes) > 1 {
					filters = append(filters, listing.Filter{Field: info.Name, Op: op, Values: []string{string(runes[:len(runes)/2])}})
				}
			}
		}
	}
	return filters
}

// Sorts returns every order that the list has.
func (l List[T]) Sorts() (sorts []listing.Sort) {
	for _, info := range l.Fields {
		if info.Sortable {
			sorts = append(sorts, listing.Sort{Field: info.Name}, listing.Sort{Field: info.Name, Descending: true})
		}
	}
	return sorts
}

// wrong are queries that the list has to refuse, by what is wrong with them.
func (l List[T]) wrong() map[string]listing.Query {
	first := l.Fields[0]
	value := absent(first)[:1]
	wrong := map[string]listing.Query{
		"a field that is not declared":    {Filters: []listing.Filter{listing.Is("no_such_field", "x")}},
		"a sort that is not declared":     {Sort: listing.Sort{Field: "no_such_field"}},
		"an operator that no list has":    {Filters: []listing.Filter{{Field: first.Name, Op: "like", Values: value}}},
		"a filter without a value":        {Filters: []listing.Filter{{Field: first.Name, Op: listing.Eq}}},
		"the same filter twice":           {Filters: []listing.Filter{{Field: first.Name, Op: listing.Eq, Values: value}, {Field: first.Name, Op: listing.Eq, Values: value}}},
		"more filters than a query has":   {Filters: make([]listing.Filter, listing.MaxFilters+1)},
		"more values than a filter names": {Filters: []listing.Filter{{Field: first.Name, Op: listing.In, Values: slices.Repeat(value, listing.MaxValues+1)}}},
	}
	for i := range wrong["more filters than a query has"].Filters {
		wrong["more filters than a query has"].Filters[i] = listing.Filter{Field: fmt.Sprint("f", i), Op: listing.Eq, Values: value}
	}
	for _, info := range l.Fields {
		if !info.Sortable {
			wrong["a sort by "+info.Name] = listing.Query{Sort: listing.Sort{Field: info.Name}}
		}
		if info.Kind != listing.Text {
			wrong["a wrong value for "+info.Name] = listing.Query{Filters: []listing.Filter{listing.Is(info.Name, "wrong value")}}
		}
		for _, op := range []listing.Op{listing.StartsWith, listing.Lt, listing.Ne} {
			if !slices.Contains(info.Ops, op) {
				wrong[fmt.Sprint(info.Name, " with ", op)] = listing.Query{Filters: []listing.Filter{{Field: info.Name, Op: op, Values: absent(info)[:1]}}}
			}
		}
	}
	return wrong
}
