// Package saved keeps filters of lists under names: what somebody asks a list for day by
// day, for herself or for everybody of her tenant.
//
//	filters, err := saved.New(backend.SavedFilters(), []saved.List{
//		saved.Of(webhooks.Endpoints()), saved.Of(webhooks.Deliveries()),
//	}, saved.Config{})
//
//	f, err := filters.Create(ctx, tenant, "user:sam", "webhooks.deliveries", saved.Input{
//		Name: "Stuck", Filters: []listing.Filter{listing.Is("status", "failed")}, Sort: listing.ParseSort("-created_at"),
//	})
//	...
//	q, err := filters.Query(ctx, tenant, "user:sam", "webhooks.deliveries", f.ID)
//	q.Limit = 50 // and the list is asked as ever
//
// # What is kept
//
// A [Filter] has the conditions and the order of one list, as package listing declares it,
// and no place in it: limit and cursor are given with each request. The Service knows the
// declarations and refuses what does not fit when it is saved.
//
// A declaration changes with the program. A filter that names a field which is gone can
// still be read, changed and deleted; asking a list by it is an [OutdatedError]. It never
// becomes a list of everything.
//
// # Whose it is
//
// A filter has an owner, or is shared with everybody of its tenant where that is empty. Who
// it does not belong to does not find it. A name is taken once for each list and owner, so
// that a person may have an "Open" of her own beside the shared one.
//
// # Governance
//
// A filter of one's own is like the order of windows on a desk: nobody else sees it, it
// grants nothing, and it is not recorded. A shared one decides what others look at and,
// in a bulk request, what they change. Its changes go through [Config].Govern, where a host
// calls its governor; package audit/httpapi/savedfilters has the function for that, and
// serves all this over HTTP. Without Govern changes are made unasked.
//
// The package is a leaf over package listing.
package saved
