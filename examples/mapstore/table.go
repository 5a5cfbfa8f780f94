package mapstore

import "maps"

// A table is a map from keys to rows as they were committed last. Rows are values that
// nobody changes: what comes in and goes out is copied with keep.
type table[K comparable, V any] struct{ rows map[K]V }

// written is what one level wrote into a table. A nil row was deleted.
type written[K comparable, V any] struct {
	table *table[K, V]
	rows  map[K]*V
}

func (w *written[K, V]) moveTo(t *tx) { maps.Copy(w.table.on(t).rows, w.rows) }

func (w *written[K, V]) publish() {
	if w.table.rows == nil {
		w.table.rows = make(map[K]V)
	}
	for k, row := range w.rows {
		if row == nil {
			delete(w.table.rows, k)
		} else {
			w.table.rows[k] = *row
		}
	}
}

// on returns what t wrote into the table, to write more.
func (tb *table[K, V]) on(t *tx) *written[K, V] {
	if w, ok := t.writes[tb]; ok {
		return w.(*written[K, V])
	}
	w := &written[K, V]{tb, make(map[K]*V)}
	if t.writes == nil {
		t.writes = make(map[any]writes)
	}
	t.writes[tb] = w
	return w
}

// put writes the row of a key.
func (tb *table[K, V]) put(t *tx, k K, row V) {
	row = keep(row)
	tb.on(t).rows[k] = &row
}

// delete removes the row of a key, where there is one.
func (tb *table[K, V]) delete(t *tx, k K) { tb.on(t).rows[k] = nil }

// get returns the row of a key as t sees it, and reports whether there is one.
func (tb *table[K, V]) get(t *tx, k K) (V, bool) {
	for ; t != nil; t = t.parent {
		if w, ok := t.writes[tb]; ok {
			if row, ok := w.(*written[K, V]).rows[k]; ok {
				if row == nil {
					var none V
					return none, false
				}
				return keep(*row), true
			}
		}
	}
	row, ok := tb.rows[k]
	if !ok {
		return row, false
	}
	return keep(row), true
}

// has reports whether there is a row of a key as t sees it.
func (tb *table[K, V]) has(t *tx, k K) bool {
	_, ok := tb.get(t, k)
	return ok
}

// find returns the rows that t sees and that match, in no order. match gets the rows
// themselves and must not change them.
func (tb *table[K, V]) find(t *tx, match func(k K, row V) bool) []V {
	var found []V
	var seen map[K]bool
	for ; t != nil; t = t.parent {
		w, ok := t.writes[tb]
		if !ok {
			continue
		}
		for k, row := range w.(*written[K, V]).rows {
			if seen[k] {
				continue
			}
			if seen == nil {
				seen = make(map[K]bool)
			}
			seen[k] = true
			if row != nil && match(k, *row) {
				found = append(found, keep(*row))
			}
		}
	}
	for k, row := range tb.rows {
		if !seen[k] && match(k, row) {
			found = append(found, keep(row))
		}
	}
	return found
}
