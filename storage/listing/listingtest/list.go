package listingtest

import (
	"slices"
	"strings"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
)

// A List is a list of items of type T under test.
type List[T any] struct {
	Fields []listing.FieldInfo
	// Sort is the order where none is asked for.
	Sort listing.Sort
	ID   func(item T) string
	// Value is what an item has in a field: a string, an int64 (a time is in microseconds
	// since 1970 UTC, no time is zero), or a bool.
	Value func(item T, field string) any
	// Page asks for a page. A query that is refused is storage.ErrInvalid, a cursor
	// storage.ErrBadCursor.
	Page func(q listing.Query) (storage.Page[T], error)
}

// Of returns the list that a domain declares, as page answers it.
func Of[T any](l listing.List[T], page func(q listing.Query) (storage.Page[T], error)) List[T] {
	return List[T]{l.Info(), l.Sort, l.ID, l.Value, page}
}

// Want returns the ids of what q chooses of all, in its order, from the start to the end.
func (l List[T]) Want(all []T, q listing.Query) []string {
	var chosen []T
	for _, item := range all {
		if !slices.ContainsFunc(q.Filters, func(f listing.Filter) bool { return !l.passes(item, f) }) {
			chosen = append(chosen, item)
		}
	}
	sort := q.Sort
	if sort.Field == "" {
		sort = l.Sort
	}
	slices.SortFunc(chosen, func(a, b T) int {
		order := compare(l.Value(a, sort.Field), l.Value(b, sort.Field))
		if order == 0 {
			order = strings.Compare(l.ID(a), l.ID(b))
		}
		if sort.Descending {
			order = -order
		}
		return order
	})
	return l.ids(chosen)
}

func (l List[T]) ids(items []T) []string {
	ids := make([]string, len(items))
	for i, item := range items {
		ids[i] = l.ID(item)
	}
	return ids
}

func (l List[T]) passes(item T, f listing.Filter) bool {
	i := slices.IndexFunc(l.Fields, func(info listing.FieldInfo) bool { return info.Name == f.Field })
	got := l.Value(item, f.Field)
	for _, text := range f.Values {
		want := valueOf(l.Fields[i].Kind, text)
		holds := false
		switch f.Op {
		case listing.Eq, listing.In:
			holds = got == want
		case listing.Ne:
			holds = got != want
		case listing.StartsWith:
			holds = strings.HasPrefix(got.(string), text)
		case listing.Lt:
			holds = compare(got, want) < 0
		case listing.Lte:
			holds = compare(got, want) <= 0
		case listing.Gt:
			holds = compare(got, want) > 0
		case listing.Gte:
			holds = compare(got, want) >= 0
		}
		if holds {
			return true
		}
	}
	return false
}

// compare orders two values of one field.
func compare(a, b any) int {
	if n, ok := a.(int64); ok {
		m, _ := b.(int64)
		switch {
		case n < m:
			return -1
		case n > m:
			return 1
		}
		return 0
	}
	s, _ := a.(string)
	t, _ := b.(string)
	return strings.Compare(s, t)
}

// valueOf is the value that a text in a filter means.
func valueOf(kind listing.Kind, text string) any {
	switch kind {
	case listing.Flag:
		return text == "true"
	case listing.Time:
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil || at.IsZero() {
			return int64(0)
		}
		return at.UnixMicro()
	case listing.Integer:
		return integer(text)
	}
	return text
}
