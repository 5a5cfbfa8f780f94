// Package listing holds the words in which every list of the kit is asked: what to
// choose, in which order, and where to go on.
//
// A domain declares its list once, as a [List]: the fields that may be asked for, what
// kind each is, and which of them the list can be sorted by. Everything else follows from
// the declaration. Over HTTP it reads
//
//	?filter[status][eq]=failed&filter[created_at][gte]=2026-11-01T00:00:00Z&sort=-created_at&limit=50&after=...
//
// with [List.Parse]; a store gets the same as a [Query] and makes a [Plan] of it.
//
// # Filters
//
// A [Filter] is one condition on one field; all of them have to hold. Which operators a
// field has is a matter of its kind:
//
//	Text     eq ne in starts_with   bytes are compared, so that case matters
//	Word     eq ne in               one of a few texts, such as a status; any other is refused
//	Integer  eq ne lt lte gt gte
//	Time     eq ne lt lte gt gte    RFC 3339, kept to the microsecond; no time is before all others
//	Flag     eq                     true or false
//
// What a list does not declare is refused and never ignored: a misspelt filter must not
// list everything.
//
// # Order and cursors
//
// A list is sorted by one field, and by id where that is equal, both in the same
// direction. So the order is total and a place in it is the sort value and the id of an
// item: a walk over pages loses nothing and shows nothing twice, however many items have
// the same sort value and whatever is inserted or deleted meanwhile. Only an item whose
// own sort value changes during a walk may be seen twice or not at all.
//
// The cursor carries that place. It is bound to the list, to the tenant, to the filters
// and to the sort, and opens in no other: storage.ErrBadCursor. Limit may change from page
// to page.
//
// # Stores
//
// A store makes a plan and asks it: [Plan.Match] says whether an item is chosen,
// [Plan.Compare] orders two, [Plan.Page] cuts what was found. A store that has all items at
// hand is done with [Plan.Select]. One that speaks SQL turns [Plan.Conditions] into
// fragments that stand in its source, a column for each field and an operator for each
// [Op], and binds the values:
//
//	func (s endpoints) List(ctx context.Context, tenant string, q webhooks.EndpointQuery) (storage.Page[webhooks.Endpoint], error) {
//		plan, err := q.Plan(tenant)
//		if err != nil {
//			return storage.Page[webhooks.Endpoint]{}, err
//		}
//		return plan.Select(s.all(tenant)), nil
//	}
//
// The package is a leaf below the domains and above package storage, because the domains
// declare lists, the backends answer them and the HTTP surfaces read them: all three meet
// here and nowhere else. It links the standard library and package storage only.
package listing
