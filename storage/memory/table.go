package memory

import (
	"cmp"
	"iter"
	"math"
	"time"
	"unique"

	"github.com/google/btree"

	"github.com/lumelle/adminkit/storage"
)

// How to add a domain's Store, on one screen. A file <domain>.go declares its tables
// and nothing in the other files changes:
//
//	// The tables are definitions: they hold orders, the Backend holds the rows.
//	var endpointTable = table[endpointRow]{
//		// Order 0 is the key: rows that compare equal are the same row.
//		func(a, b *endpointRow) int {
//			return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.ID, b.ID))
//		},
//		// Further orders serve lists and lookups. Each ends with the key, so that
//		// no two rows tie.
//		func(a, b *endpointRow) int {
//			return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
//		},
//	}
//
//	const endpointsByTime = 1
//
//	type endpointStore struct{ b *Backend }
//
//	func (b *Backend) Webhooks() webhooks.Store { return endpointStore{b} }
//
//	func (s endpointStore) Insert(ctx context.Context, tenant string, e webhooks.Endpoint) error {
//		return s.b.write(ctx, "webhooks.Insert", func(v view) error {
//			return endpointTable.insert(v, endpointRow(copyEndpoint(e))) // storage.ErrConflict where the key is taken
//		})
//	}
//
//	func (s endpointStore) List(ctx context.Context, tenant string, ...) (page storage.Page[webhooks.Endpoint], err error) {
//		err = s.b.read(ctx, "webhooks.List", func(v view) error {
//			from := endpointRow{Tenant: tenant, ...}
//			for e := range endpointTable.ascend(v, endpointsByTime, from) { // from and everything behind it
//				if e.Tenant != tenant {
//					break
//				}
//				...
//			}
//			return nil
//		})
//	}
//
// Rows are values. What they point at (slices, maps, pointers) is shared with every
// snapshot: copy it when a row comes in and when it goes out, and never change a row
// that a table returned, but put a changed copy. Round times with stored, which is
// what SQL keeps of them. The string given to read and write is what the fault hooks
// of Config see; it is the domain and the method.

// A table is the definition of an ordered table: the orders its rows are kept in.
// The first is the key. An order compares as cmp.Compare does and is total.
type table[R any] []func(a, b *R) int

// A snapshot holds the trees of each table that has rows, by the identity of the
// table's key order.
type snapshot map[any]any

// trees are the rows of one table in each of its orders.
type trees[R any] struct {
	by []*btree.BTreeG[*R]
	// scanned is set when an iteration began: the next write goes to a clone, so
	// that it does not move the rows under the iteration.
	scanned bool
}

// A view is what one call sees of the rows: the levels of its transaction over what
// was committed when that began.
type view struct {
	tx   *tx
	base *snapshot
}

// degree of the B-trees: nodes of up to 63 pointers, which are cheap to copy.
//
// The trees hold an order from its end to its beginning. Rows mostly come in at the end
// of an order, and of a node that is split the half behind the middle is the one that is
// allocated anew, no longer than it has to be: it is the half that nothing comes into any
// more.
const degree = 32

// find returns the trees that the view sees, nil where the table has no rows, and
// whether they belong to the view's own level.
func (t table[R]) find(v view) (ts *trees[R], own bool) {
	key := any(&t[0])
	for l := v.tx; l != nil; l = l.parent {
		if ts, ok := l.own[key]; ok {
			return ts.(*trees[R]), l == v.tx
		}
	}
	if ts, ok := (*v.base)[key]; ok {
		return ts.(*trees[R]), false
	}
	return nil, false
}

// change returns trees that the view's level may write to.
func (t table[R]) change(v view) *trees[R] {
	old, own := t.find(v)
	if own && !old.scanned {
		return old
	}
	ts := &trees[R]{by: make([]*btree.BTreeG[*R], len(t))}
	for i, order := range t {
		if old == nil {
			ts.by[i] = btree.NewG(degree, func(a, b *R) bool { return order(a, b) > 0 })
		} else {
			ts.by[i] = old.by[i].Clone()
		}
	}
	if v.tx.own == nil {
		v.tx.own = snapshot{}
	}
	v.tx.own[any(&t[0])] = ts
	return ts
}

// get returns the row with the key of probe.
func (t table[R]) get(v view, probe R) (row R, ok bool) {
	ts, _ := t.find(v)
	if ts == nil {
		return row, false
	}
	p, ok := ts.by[0].Get(&probe)
	if !ok {
		return row, false
	}
	return *p, true
}

// has reports whether there is a row with the key of probe.
func (t table[R]) has(v view, probe R) bool {
	_, ok := t.get(v, probe)
	return ok
}

// insert adds row, and answers storage.ErrConflict where its key is taken.
func (t table[R]) insert(v view, row R) error {
	if t.has(v, row) {
		return storage.ErrConflict
	}
	for _, tree := range t.change(v).by {
		tree.ReplaceOrInsert(&row)
	}
	return nil
}

// put adds row or replaces the one with its key.
func (t table[R]) put(v view, row R) {
	ts := t.change(v)
	if old, ok := ts.by[0].ReplaceOrInsert(&row); ok {
		for _, tree := range ts.by[1:] {
			tree.Delete(old)
		}
	}
	for _, tree := range ts.by[1:] {
		tree.ReplaceOrInsert(&row)
	}
}

// delete removes the row with the key of probe and reports whether there was one.
func (t table[R]) delete(v view, probe R) bool {
	if !t.has(v, probe) {
		return false
	}
	ts := t.change(v)
	old, _ := ts.by[0].Delete(&probe)
	for _, tree := range ts.by[1:] {
		tree.Delete(old)
	}
	return true
}

// ascend returns the rows from the place of probe on, in the given order. The
// table may be written to while they are read; the iteration does not see it.
func (t table[R]) ascend(v view, order int, probe R) iter.Seq[R] {
	return func(yield func(R) bool) {
		ts, own := t.find(v)
		if ts == nil {
			return
		}
		if own {
			ts.scanned = true
		}
		ts.by[order].DescendLessOrEqual(&probe, func(r *R) bool { return yield(*r) })
	}
}

// descend returns the rows from the place of probe back to the first.
func (t table[R]) descend(v view, order int, probe R) iter.Seq[R] {
	return func(yield func(R) bool) {
		ts, own := t.find(v)
		if ts == nil {
			return
		}
		if own {
			ts.scanned = true
		}
		ts.by[order].AscendGreaterOrEqual(&probe, func(r *R) bool { return yield(*r) })
	}
}

// A name is a string that very many rows repeat, such as that of their tenant. They share
// its memory, and mostly compare by its address.
type name = unique.Handle[string]

func compareNames(a, b name) int {
	if a == b {
		return 0
	}
	return cmp.Compare(a.Value(), b.Value())
}

// stored returns what a SQL backend keeps of a time: UTC, in microseconds.
func stored(at time.Time) time.Time {
	if at.IsZero() {
		return time.Time{}
	}
	return time.UnixMicro(at.UnixMicro()).UTC()
}

// A moment is a stored time in the eight bytes that a SQL backend keeps of it:
// microseconds since 1970, zero for no time. Rows of which there are very many hold
// moments.
type moment int64

// The first and the last moment.
const (
	firstMoment moment = math.MinInt64
	lastMoment  moment = math.MaxInt64
)

func momentOf(at time.Time) moment { return moment(micros(at)) }

// time returns what stored keeps of the time that m stands for.
func (m moment) time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(m)).UTC()
}
