package approvals

import (
	"slices"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
)

var requestList = listing.List[Request]{
	Name: "approvals.requests",
	ID:   func(r Request) string { return r.ID },
	Fields: []listing.Field[Request]{
		listing.TextField("id", func(r Request) string { return r.ID }),
		listing.TextField("action", func(r Request) string { return r.Action }),
		listing.TextField("resource_type", func(r Request) string { return r.Resource.Type }),
		listing.TextField("resource_id", func(r Request) string { return r.Resource.ID }),
		listing.WordField("state", States(), func(r Request) State { return r.State }),
		listing.IntegerField("revision", func(r Request) int64 { return int64(r.Revision) }),
		listing.TextField("reason", func(r Request) string { return r.Reason }),
		listing.TextField("previous_id", func(r Request) string { return r.PreviousID }),
		listing.TimeField("created_at", func(r Request) time.Time { return r.CreatedAt }).Sortable(),
		listing.TimeField("updated_at", func(r Request) time.Time { return r.UpdatedAt }),
		listing.TimeField("timeout_at", func(r Request) time.Time { return r.TimeoutAt }),
	},
	Sort: listing.Sort{Field: "created_at"},
}

// Requests returns the declaration of the list of a tab: [TabDone] is sorted by creation
// with the newest first, the others with the oldest first.
func Requests(tab Tab) listing.List[Request] {
	l := requestList
	l.Fields = slices.Clone(requestList.Fields)
	l.Sort.Descending = tab == TabDone
	return l
}

// A Query selects requests for [Service.List], see [Requests].
type Query struct {
	// Tab is [TabPending] where it is empty.
	Tab Tab
	// Filters have to hold, all of them.
	Filters []listing.Filter
	// Sort is the tab's own where it is zero.
	Sort listing.Sort
	// Limit is the length of the page, see [storage.Limit].
	Limit int
	// After continues a list.
	After storage.Cursor
}

// A StoreQuery selects requests of one tab.
type StoreQuery struct {
	Tab Tab
	// Filters have to hold, all of them, and Sort is the tab's own where it is zero.
	Filters []listing.Filter
	Sort    listing.Sort
	// After is the position behind which the list continues, nil at its start.
	After *Position
	// Limit is positive.
	Limit int
}

// A Position is that of a request in its tab.
type Position struct {
	CreatedAt time.Time
	ID        string
}

// Plan returns what a store goes by, After included, or what is wrong with the query: errors
// are those of listing.List.Plan. Its Limit is that of the query.
func (q StoreQuery) Plan() (*listing.Plan[Request], error) {
	list, asked := Requests(q.Tab), listing.Query{Filters: q.Filters, Sort: q.Sort}
	plan, err := list.Plan(asked)
	if err == nil && q.After != nil {
		asked.After = plan.Next(Request{CreatedAt: q.After.CreatedAt, ID: q.After.ID})
		plan, err = list.Plan(asked)
	}
	if err != nil {
		return nil, err
	}
	plan.Limit = q.Limit
	return plan, nil
}

// plan returns the plan of a page of the tenant's requests, and what it asks of the store:
// one request more than the page has.
func (q Query) plan(tenant string) (*listing.Plan[Request], StoreQuery, error) {
	asked := listing.Query{Filters: q.Filters, Sort: q.Sort, After: q.After, Limit: q.Limit}
	plan, err := Requests(q.Tab).Plan(asked, tenant, string(q.Tab))
	if err != nil {
		return nil, StoreQuery{}, err
	}
	store := StoreQuery{Tab: q.Tab, Filters: q.Filters, Sort: q.Sort, Limit: plan.Limit + 1}
	if v, id, ok := plan.After(); ok {
		us, _ := v.Arg().(int64)
		store.After = &Position{CreatedAt: time.UnixMicro(us).UTC(), ID: id}
	}
	return plan, store, nil
}
