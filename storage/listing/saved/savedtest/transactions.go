package savedtest

import (
	"context"
	"errors"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing/saved"
)

// calls are the methods of a store.
func (e *env) calls() map[string]func(ctx context.Context) error {
	answer := func(_ any, err error) error { return err }
	return map[string]func(ctx context.Context) error{
		"Insert": func(ctx context.Context) error {
			return e.Store.Insert(ctx, e.Tenant, e.filter("late"), storage.Unlimited)
		},
		"Count":  func(ctx context.Context) error { return answer(e.Store.Count(ctx, e.Tenant)) },
		"Update": func(ctx context.Context) error { return e.Store.Update(ctx, e.Tenant, next(e.filter("f")), 1) },
		"Delete": func(ctx context.Context) error { return e.Store.Delete(ctx, e.Tenant, "f", 1) },
		"Get":    func(ctx context.Context) error { return answer(e.Store.Get(ctx, e.Tenant, "f")) },
		"List":   func(ctx context.Context) error { return answer(e.Store.List(ctx, e.Tenant, saved.Query{List: orders})) },
	}
}

var transactionRules = []storeRule{
	{"SF-018", "every read sees what its transaction wrote, and sees the same after the commit",
		"A service reads what it wrote and goes on with it; an answer of nil means that it is there.", func(e *env) {
			later := next(e.filter("b"))
			look := func(e *env) {
				e.Helper()
				e.stored(e.filter("a"))
				e.stored(later)
				e.Same(e.ids(saved.Query{List: orders, Viewer: sam}), []string{"a", "b"}, "the list")
				e.Same(e.count(), int64(2), "the count")
			}
			e.Tx(func(ctx context.Context) error {
				e := e.in(ctx)
				e.insert("a")
				e.insert("gone")
				e.insert("b")
				e.Must(e.Store.Update(ctx, e.Tenant, later, 1), "update")
				e.Must(e.Store.Delete(ctx, e.Tenant, "gone", 1), "delete")
				look(e)
				return nil
			})
			look(e)
		}},
	{"SF-019", "what is rolled back takes its writes and leaves those around it",
		"A shared filter is made in the transaction of the decision that allowed it.", func(e *env) {
			f := e.insert("f")
			writes := func(ctx context.Context) error {
				return errors.Join(e.Store.Insert(ctx, e.Tenant, e.filter("new"), storage.Unlimited),
					e.Store.Update(ctx, e.Tenant, next(f), 1), e.Store.Delete(ctx, e.Tenant, "f", 2))
			}
			e.Undone(writes)
			e.stored(f)
			e.absent("new")
			e.Tx(func(ctx context.Context) error {
				e := e.in(ctx)
				e.insert("before")
				e.Undone(writes)
				e.insert("after")
				return nil
			})
			e.stored(f)
			e.Same(e.ids(saved.Query{List: orders, Viewer: sam}), []string{"after", "before", "f"}, "the list")
		}},
	{"SF-020", "no method works under a transaction that has ended",
		"A ctx that outlived its transaction must not write past it, nor read what was undone. storage.ErrTxDone.", func(e *env) {
			f := e.insert("f")
			e.Refuses(e.Ended(), storage.ErrTxDone, e.calls())
			e.stored(f)
			e.absent("late")
		}},
	{"SF-021", "no method works under another backend's transaction",
		"A write that is not in the transaction it was meant for is not undone with it. storage.ErrForeignTx.", func(e *env) {
			f := e.insert("f")
			e.Refuses(e.Foreign(), storage.ErrForeignTx, e.calls())
			e.stored(f)
			e.absent("late")
		}},
}
