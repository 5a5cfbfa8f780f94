package mapstore

import (
	"context"

	"github.com/lumelle/adminkit/storage"
)

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

// get reads one row. With lock it asks for a transaction, and for nothing else: that one
// has the turn to write.
func get[K comparable, V any](ctx context.Context, b *Backend, tb *table[K, V], k K, lock bool) (V, error) {
	var row V
	if lock {
		if err := b.needTx(ctx); err != nil {
			return row, err
		}
	}
	err := b.read(ctx, func(t *tx) error {
		var ok bool
		if row, ok = tb.get(t, k); !ok {
			return storage.ErrNotFound
		}
		return nil
	})
	return row, err
}

// find reads the rows that match, in no order.
func find[K comparable, V any](ctx context.Context, b *Backend, tb *table[K, V], match func(k K, row V) bool) ([]V, error) {
	var found []V
	err := b.read(ctx, func(t *tx) error {
		found = tb.find(t, match)
		return nil
	})
	return found, err
}
