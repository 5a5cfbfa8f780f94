package webhookstest

import (
	"context"
	"slices"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/webhooks"
)

// placeOf returns the time and the id of the place behind which a plan begins, and false
// for the start of the list or a query that has no plan.
func placeOf[T any](plan *listing.Plan[T], err error) (time.Time, string, bool) {
	if err != nil {
		return time.Time{}, "", false
	}
	v, id, ok := plan.After()
	us, _ := v.Arg().(int64)
	return time.UnixMicro(us).UTC(), id, ok
}

// next returns what makes the cursor behind last in the list of a plan.
func next[T any](last T) func(plan *listing.Plan[T], err error) storage.Cursor {
	return func(plan *listing.Plan[T], err error) storage.Cursor {
		if err != nil {
			return ""
		}
		return plan.Next(last)
	}
}

// fresh is q from the start of its list.
func fresh(q webhooks.DeliveryQuery) webhooks.DeliveryQuery {
	q.After = ""
	return q
}

// asksOther lists endpoints by another query than was asked for, with the cursor of the
// right one.
func asksOther(change func(q *webhooks.EndpointQuery)) func(a *animal) {
	return func(a *animal) {
		a.listEndpoints = func(ctx context.Context, tenant string, q webhooks.EndpointQuery) (storage.Page[webhooks.Endpoint], error) {
			other, start := q, q
			start.After = ""
			change(&other)
			at, id, ok := placeOf(q.Plan(tenant))
			if other.After = ""; ok {
				other.After = next(webhooks.Endpoint{CreatedAt: at, UpdatedAt: at, ID: id})(other.Plan(tenant))
			}
			p, err := a.Store.ListEndpoints(ctx, tenant, other)
			if p.Next != "" {
				p.Next = next(p.Items[len(p.Items)-1])(start.Plan(tenant))
			}
			return p, err
		}
	}
}

// asksFor changes the filters on deliveries that a store sees.
func asksFor(change func(f listing.Filter) (listing.Filter, bool)) func(a *animal) {
	return func(a *animal) {
		a.listDeliveries = func(ctx context.Context, tenant string, q webhooks.DeliveryQuery) (storage.Page[webhooks.Delivery], error) {
			asked := fresh(q)
			at, id, ok := placeOf(q.Plan(tenant))
			if _, err := q.Plan(tenant); err != nil {
				return storage.Page[webhooks.Delivery]{}, err
			}
			q.After, q.Filters = "", nil
			for _, f := range asked.Filters {
				if f, keep := change(f); keep {
					q.Filters = append(q.Filters, f)
				}
			}
			if ok {
				q.After = next(webhooks.Delivery{CreatedAt: at, ID: id})(q.Plan(tenant))
			}
			p, err := a.Store.ListDeliveries(ctx, tenant, q)
			if p.Next != "" {
				p.Next = next(p.Items[len(p.Items)-1])(asked.Plan(tenant))
			}
			return p, err
		}
	}
}

// listZoo breaks the filters and orders that lists declare.
var listZoo = []storeMutant{
	{"MS-133", "passes over filters on endpoints", asksOther(func(q *webhooks.EndpointQuery) { q.Filters = nil })},
	{"MS-133", "passes over fields it does not know", asksOther(func(q *webhooks.EndpointQuery) {
		q.Filters = slices.DeleteFunc(slices.Clone(q.Filters), func(f listing.Filter) bool { return f.Field == "no_such_field" })
	})},
	{"MS-133", "sorts by creation whatever is asked for", asksOther(func(q *webhooks.EndpointQuery) { q.Sort.Field = "" })},
	{"MS-133", "sorts upwards whatever is asked for", asksOther(func(q *webhooks.EndpointQuery) { q.Sort.Descending = false })},
	{"MS-133", "takes an unknown order for its own", asksOther(func(q *webhooks.EndpointQuery) {
		if q.Sort.Field == "no_such_field" {
			q.Sort = listing.Sort{}
		}
	})},
	{"MS-134", "does not see what is held", asksFor(func(f listing.Filter) (listing.Filter, bool) { return f, f.Field != "held" })},
	{"MS-134", "looks at the first of several values", asksFor(func(f listing.Filter) (listing.Filter, bool) {
		if f.Op == listing.In {
			f.Values = f.Values[:1]
		}
		return f, true
	})},
	{"MS-134", "takes from for after", asksFor(func(f listing.Filter) (listing.Filter, bool) {
		if f.Op == listing.Gte {
			f.Op = listing.Gt
		}
		return f, true
	})},
	{"MS-134", "takes the beginning of a text for the whole", asksFor(func(f listing.Filter) (listing.Filter, bool) {
		if f.Op == listing.StartsWith {
			f.Op = listing.Eq
		}
		return f, true
	})},
	{"MS-134", "takes unlike for like", asksFor(func(f listing.Filter) (listing.Filter, bool) {
		if f.Op == listing.Ne {
			f.Op = listing.Eq
		}
		return f, true
	})},
}
