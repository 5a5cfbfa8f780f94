// Package portal serves the requests of package approvals as JSON over HTTP: the
// inbox, a request with its differences and its timeline, decisions and
// cancellation.
//
//	h, err := portal.New(service, portal.Config{Config: httpapi.Config{Identify: identify}})
//	mux.Handle("/api/v1/approvals/", http.StripPrefix("/api/v1/approvals", h))
//
// The routes are
//
//	GET  /requests?tab=Pending|Snoozed|Done&filter[field][op]=&sort=&limit=&after=
//	POST /requests/bulk             {"ids":[""],"action":"cancel","reason":""}, or {"filter":{...},"after":"",...}
//	GET  /requests/{id}
//	POST /requests/{id}/decisions   {"decision":"approve","comment":"","revision":1}
//	POST /requests/{id}/cancel      {"reason":""}
//	GET  /openapi.json
//
// The fields and orders of the list are those of approvals.Requests. A filter in a bulk
// request chooses from what waits; what is answered is told at httpapi.Bulk.
//
// Who asks, and for which tenant, comes from the host's Identify; who may read is its
// Authorize to say, and what they may do is decided by the Service. A request of another tenant is 404. An author, an editor
// and a stranger get 403, with a reason whose code says which; a request that was
// decided meanwhile and a revision that is not current are 409; a missing comment is
// 422 and points at the field. A stage that is skipped, because the change is not one that
// its condition is for, says so in its reason. The field "you" of a request says beforehand whether
// the person who asks could approve it.
package portal
