package listing

import (
	"encoding/binary"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/lumelle/adminkit/storage"
)

// A Plan is a query that was checked, with its place in the list: what a store goes by.
// It may be used by several goroutines.
type Plan[T any] struct {
	// Conditions have to hold, all of them.
	Conditions []Condition
	// Sort is the order: by its field and then by id, both in its direction.
	Sort Sort
	// Limit is how many items a page has, at least one.
	Limit int

	list  List[T]
	by    Field[T]
	bound string
	after *place
}

// A place is that of an item in a list.
type place struct {
	value Value
	id    string
}

// Plan checks q and opens its cursor. scope is what else fixes the list, such as the
// tenant: a cursor of another scope is storage.ErrBadCursor. What is wrong with filters,
// sort or limit is a *storage.InvalidError with pointers such as /filter/status/eq, /sort
// and /limit.
func (l List[T]) Plan(q Query, scope ...string) (*Plan[T], error) {
	limit, err := storage.Limit(q.Limit)
	if err != nil {
		return nil, err
	}
	conditions, by, sort, err := l.conditions(q, inDocument)
	if err != nil {
		return nil, err
	}
	p := &Plan[T]{Conditions: conditions, Sort: sort, Limit: limit, list: l, by: by}
	p.bound = p.name(scope)
	key, err := q.After.Key(p.bound, 2)
	if err != nil || key == nil {
		return p, err
	}
	value, err := valueOfKey(by.kind, key[0])
	if err != nil {
		return nil, err
	}
	p.after = &place{value, key[1]}
	return p, nil
}

// name says everything that fixes the list. Lengths keep the parts apart.
func (p *Plan[T]) name(scope []string) string {
	parts := append([]string{p.list.Name, p.Sort.String(), string(p.by.kind), strconv.Itoa(len(scope))}, scope...)
	for _, c := range p.Conditions {
		parts = append(parts, c.Field, string(c.Op), strconv.Itoa(len(c.Values)))
		for _, v := range c.Values {
			parts = append(parts, v.key())
		}
	}
	var b []byte
	for _, part := range parts {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return string(b)
}

// After returns the place behind which the page begins: the sort value and the id of an
// item. It reports false for the start of the list.
func (p *Plan[T]) After() (value Value, id string, ok bool) {
	if p.after == nil {
		return Value{}, "", false
	}
	return p.after.value, p.after.id, true
}

// Match reports whether item is one that the filters choose.
func (p *Plan[T]) Match(item T) bool {
	for _, c := range p.Conditions {
		f, _ := p.list.field(c.Field)
		if !c.holds(f.of(item)) {
			return false
		}
	}
	return true
}

// holds reports whether v is as the condition says.
func (c Condition) holds(v Value) bool {
	switch c.Op {
	case In:
		return slices.ContainsFunc(c.Values, func(w Value) bool { return v == w })
	case StartsWith:
		return strings.HasPrefix(v.text, c.Values[0].text)
	}
	order := v.compare(c.Values[0])
	switch c.Op {
	case Eq:
		return order == 0
	case Ne:
		return order != 0
	case Lt:
		return order < 0
	case Lte:
		return order <= 0
	case Gt:
		return order > 0
	case Gte:
		return order >= 0
	}
	return false
}

// Compare orders two items as the list does.
func (p *Plan[T]) Compare(a, b T) int { return p.order(p.place(a), p.place(b)) }

// Behind reports whether item lies behind the cursor, as every item does at the start.
func (p *Plan[T]) Behind(item T) bool {
	return p.after == nil || p.order(p.place(item), *p.after) > 0
}

func (p *Plan[T]) place(item T) place { return place{p.by.of(item), p.list.ID(item)} }

func (p *Plan[T]) order(a, b place) int {
	order := a.value.compare(b.value)
	if order == 0 {
		order = strings.Compare(a.id, b.id)
	}
	if p.Sort.Descending {
		return -order
	}
	return order
}

// Page makes a page of what was found: chosen items behind the cursor, in order, and one
// more than Limit where the list goes on.
func (p *Plan[T]) Page(found []T) (page storage.Page[T]) {
	page.Items = found
	if len(found) > p.Limit {
		page.Items = found[:p.Limit]
		page.Next = p.Next(page.Items[p.Limit-1])
	}
	return page
}

// Next returns the cursor that continues the list behind last.
func (p *Plan[T]) Next(last T) storage.Cursor {
	at := p.place(last)
	return storage.NewCursor(p.bound, at.value.key(), at.id)
}

// Take makes a page of items that come in the order of the list, from anywhere before the
// cursor on. It stops as soon as it knows the page.
func (p *Plan[T]) Take(items iter.Seq[T]) storage.Page[T] {
	var found []T
	for item := range items {
		if p.Behind(item) && p.Match(item) {
			if found = append(found, item); len(found) > p.Limit {
				break
			}
		}
	}
	return p.Page(found)
}

// Select makes a page of items that come in any order. It looks at all of them.
func (p *Plan[T]) Select(items iter.Seq[T]) storage.Page[T] {
	var found []T
	for item := range items {
		if p.Behind(item) && p.Match(item) {
			found = append(found, item)
		}
	}
	slices.SortFunc(found, p.Compare)
	if len(found) > p.Limit+1 {
		found = found[:p.Limit+1]
	}
	return p.Page(found)
}
