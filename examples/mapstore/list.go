package mapstore

import "github.com/lumelle/adminkit/storage"

// page makes a page of rows that were sorted, and begin behind the cursor. next makes the
// cursor behind an item.
func page[V any](rows []V, limit int, next func(V) storage.Cursor) storage.Page[V] {
	if len(rows) <= limit {
		return storage.Page[V]{Items: rows}
	}
	return storage.Page[V]{Items: rows[:limit:limit], Next: next(rows[limit-1])}
}

// first returns at most limit rows.
func first[V any](rows []V, limit int) []V { return rows[:min(limit, len(rows))] }
