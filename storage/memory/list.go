package memory

import (
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
)

// endOfTime lies behind every stored time.
var endOfTime = time.Unix(1<<40, 0).UTC()

// begin returns the time and the id of the place where a list that is sorted by a time
// begins: that of its cursor, else its end.
func begin[T any](plan *listing.Plan[T]) (time.Time, string) {
	v, id, ok := plan.After()
	us, _ := v.Arg().(int64)
	switch {
	case ok && us != 0:
		return time.UnixMicro(us).UTC(), id
	case ok:
		return time.Time{}, id
	case plan.Sort.Descending:
		return endOfTime, ""
	}
	return time.Time{}, ""
}

// pageOf makes the page of a plan out of rows in an order of the table that is the plan's,
// from a place on. item returns what a row holds, and false behind the last one.
func pageOf[R, T any](t table[R], v view, order int, from R, plan *listing.Plan[T], item func(R) (T, bool)) storage.Page[T] {
	rows := t.ascend(v, order, from)
	if plan.Sort.Descending {
		rows = t.descend(v, order, from)
	}
	return plan.Take(func(yield func(T) bool) {
		for row := range rows {
			if i, ok := item(row); !ok || !yield(i) {
				return
			}
		}
	})
}
