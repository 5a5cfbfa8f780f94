package approvalstest

import (
	"context"
	"slices"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/storage/listing"
)

// asksOther has a store list by another query than it was asked.
func asksOther(change func(q *approvals.StoreQuery)) func(a *animal) {
	return func(a *animal) {
		a.list = func(ctx context.Context, tenant string, q approvals.StoreQuery) ([]approvals.Request, error) {
			change(&q)
			return a.Store.List(ctx, tenant, q)
		}
	}
}

var listZoo = []beast{
	{"passes over filters", "QS-063", asksOther(func(q *approvals.StoreQuery) { q.Filters = nil })},
	{"passes over fields it does not know", "QS-063", asksOther(func(q *approvals.StoreQuery) {
		q.Filters = slices.DeleteFunc(slices.Clone(q.Filters), func(f listing.Filter) bool { return f.Field == "no_such_field" })
	})},
	{"passes over the second filter", "QS-063", asksOther(func(q *approvals.StoreQuery) { q.Filters = q.Filters[:min(1, len(q.Filters))] })},
	{"sorts as the tab does, whatever is asked for", "QS-063", asksOther(func(q *approvals.StoreQuery) { q.Sort = listing.Sort{} })},
	{"takes an unknown order for the tab's", "QS-063", asksOther(func(q *approvals.StoreQuery) {
		if q.Sort.Field != "created_at" {
			q.Sort = listing.Sort{}
		}
	})},
}
