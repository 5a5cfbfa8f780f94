// Package listingtest holds a list to its declaration: that of a store, or that of an HTTP
// surface.
//
//	listingtest.Check(t, listingtest.Of(webhooks.Endpoints(), func(q listing.Query) (storage.Page[webhooks.Endpoint], error) {
//		return store.ListEndpoints(ctx, tenant, webhooks.EndpointQuery{Filters: q.Filters, Sort: q.Sort, After: q.After, Limit: q.Limit})
//	}), stored)
//
// It asks for every field with every operator it has, in every order, and compares the
// pages with a plain scan over what is stored. The scan compares values by itself and does
// not ask the declaration whether an item matches.
package listingtest
