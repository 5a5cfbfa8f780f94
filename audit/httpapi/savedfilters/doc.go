// Package savedfilters serves the filters of package saved as JSON over HTTP.
//
//	filters, err := saved.New(backend.SavedFilters(), []saved.List{saved.Of(webhooks.Deliveries())},
//		saved.Config{Govern: savedfilters.Govern(governor)})
//	cfg := httpapi.Config{Identify: identify, Saved: filters} // the one of all surfaces
//	h, err := savedfilters.New(filters, savedfilters.Config{Config: cfg})
//	mux.Handle("/api/v1/lists/", http.StripPrefix("/api/v1/lists", h))
//
// The routes are
//
//	GET    /{list}/filters?limit=&after=   one's own and the shared ones, by name
//	POST   /{list}/filters                 {"name":"Stuck","shared":false,"filter":{"status":{"eq":"failed"}},"sort":"-created_at"}
//	GET    /{list}/filters/{id}
//	PUT    /{list}/filters/{id}            as POST; If-Match with the ETag's revision
//	DELETE /{list}/filters/{id}
//	GET    /quotas                         how many filters there are and may be
//	GET    /openapi.json
//
// A list is named as its domain names it: "webhooks.deliveries". Any list of a host that
// shares the httpapi.Config then takes saved=ID in place of filter and sort, and its bulk
// requests take {"saved":"ID"} in place of a filter.
//
// # Whose they are
//
// A filter that is not shared is its maker's alone, and 404 for everybody else. Whether a
// filter is shared is said when it is made and stays. A shared one is seen by everybody of
// the tenant; who may make, change and delete it is decided by the Govern of the Service.
// [Govern] asks a host's audit.Governor: a refusal is 403, a step-up 401, and a change that
// waits for approval 202 with {"status":"awaiting_approval","request_id":""}; sent again
// it is the same request, and [Apply] makes what was approved. The host adds [Actions] to its
// catalogue.
//
// [Config].Authorize is asked before anything is read or kept, with the name of the list:
// who may not read a list sees no filters of it.
package savedfilters
