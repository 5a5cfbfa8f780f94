package sqlstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
)

// A listed is a list as a table keeps it.
type listed struct {
	// query is a SELECT up to its conditions. The first one stands there, and whatever it
	// binds.
	query string
	// columns are those of the fields of the list. Sortable texts are COLLATE "C".
	columns map[string]string
	// id is the column that decides where sort values are equal.
	id string
}

// fragments are what stands between a column and the placeholder that it is compared to.
// The operators that need another form are in statement.
var fragments = map[listing.Op]string{
	listing.Eq: " = ", listing.Ne: " <> ", listing.Lt: " < ", listing.Lte: " <= ", listing.Gt: " > ", listing.Gte: " >= ",
}

// statement returns the statement of a page and what it binds: l.query, which binds args,
// with the conditions, the place, the order and the length of a plan. Every part is one
// that stands in this package; values are bound.
func statement[T any](d *Dialect, l listed, plan *listing.Plan[T], args ...any) (string, []any, error) {
	var b strings.Builder
	b.WriteString(l.query)
	bind := func(v any) string {
		args = append(args, v)
		return "$" + strconv.Itoa(len(args))
	}
	for _, c := range plan.Conditions {
		column, ok := l.columns[c.Field]
		if !ok {
			return "", nil, fmt.Errorf("the field %q of the list has no column", c.Field)
		}
		b.WriteString("\nAND ")
		switch c.Op {
		case listing.In:
			all := make([]string, len(c.Values))
			for i, v := range c.Values {
				all[i], _ = v.Arg().(string)
			}
			bind(d.List(all))
			b.WriteString(column + " " + d.In(len(args)))
		case listing.StartsWith:
			// The length is one in characters on both engines.
			prefix := "CAST(" + bind(c.Values[0].Arg()) + " AS TEXT)"
			b.WriteString("substr(" + column + ", 1, length(" + prefix + ")) = " + prefix)
		default:
			fragment, ok := fragments[c.Op]
			if !ok {
				return "", nil, fmt.Errorf("the operator %q has no fragment", c.Op)
			}
			b.WriteString(column + fragment + bind(c.Values[0].Arg()))
		}
	}
	by, ok := l.columns[plan.Sort.Field]
	if !ok {
		return "", nil, fmt.Errorf("the field %q of the list has no column", plan.Sort.Field)
	}
	behind, direction := " > ", ""
	if plan.Sort.Descending {
		behind, direction = " < ", " DESC"
	}
	if v, id, ok := plan.After(); ok {
		b.WriteString("\nAND (" + by + ", " + l.id + ")" + behind + "(" + bind(v.Arg()) + ", " + bind(id) + ")")
	}
	b.WriteString("\nORDER BY " + by + direction + ", " + l.id + direction + " LIMIT " + bind(plan.Limit+1))
	return b.String(), args, nil
}

// page runs the statement of a plan and makes a page of what it finds.
func page[T any](ctx context.Context, db DB, l listed, plan *listing.Plan[T], scan func(storage.Rows) (T, error), args ...any) (storage.Page[T], error) {
	query, args, err := statement(db.Dialect(), l, plan, args...)
	if err != nil {
		return storage.Page[T]{}, err
	}
	c, err := db.Reader(ctx)
	if err != nil {
		return storage.Page[T]{}, err
	}
	found, err := scanAll(ctx, c, scan, query, args...)
	if err != nil {
		return storage.Page[T]{}, err
	}
	return plan.Page(found), nil
}
