// Package flagadmin serves the management of flags as JSON over HTTP.
//
//	h, err := flagadmin.New(service, flagadmin.Config{Config: httpapi.Config{Identify: identify}})
//	h = http.StripPrefix("/api/v1", h)
//	for _, root := range []string{"/api/v1/flags", "/api/v1/audiences"} {
//		mux.Handle(root, h)
//		mux.Handle(root+"/", h)
//	}
//
// The routes are
//
//	GET    /flags?filter[field][op]=&sort=&limit=&after=
//	POST   /flags?reason=                      the flag: {"key":"","type":"","value_type":"","variants":{},"environments":{}}
//	POST   /flags/bulk                         {"ids":[""],"action":"delete","reason":""}, or {"filter":{...},"after":"",...}
//	GET    /flags/{key}
//	PUT    /flags/{key}?reason=                as POST; If-Match with the ETag's revision
//	DELETE /flags/{key}?reason=                If-Match likewise
//	POST   /flags/{key}/evaluate               {"environment":"","context":{},"draft":{}}
//	POST   /flags/{key}/preview                {"environment":"","draft":{}}
//	POST   /flags/{key}/kill                   {"environment":"","reason":""}
//	POST   /flags/{key}/restore                {"environment":"","reason":""}
//	POST   /flags/{key}/overrides              {"environment":"","attribute":"","subject":"","variant":"","until":"","reason":""}
//	DELETE /flags/{key}/overrides/{id}?environment=&reason=
//	GET    /flags/{key}/versions?limit=&after=
//	GET    /flags/{key}/versions/{revision}
//	GET    /flags/{key}/diff?from=&to=
//	GET    /audiences?limit=&after=
//	GET    /audiences/{key}                    with those who use it
//	PUT    /audiences/{key}?reason=            {"description":"","include":[],"exclude":[],"when":{}}; If-Match
//	DELETE /audiences/{key}?reason=            If-Match
//	GET    /flags/-/quotas                     how many flags and audiences there are and may be
//	GET    /openapi.json
//
// The fields and orders of the list of flags are those of flags.Flags. In a bulk request
// the ids are keys; what it answers is told at httpapi.Bulk. Where the host keeps filters,
// both take a saved one: see httpapi.ParseQuery.
//
// A body is a definition as package flags has it. What is wrong with one is a 422 that
// points into it, down to the clause of a condition. A document that was read may come
// back changed: what an answer adds to a definition (revision, hash, warnings, users and
// times) says nothing then, but for revision, which stands in for an If-Match that is
// missing. The parameter reason says why, and stands in the record and with the version.
//
// An evaluation here is for people who look at a flag: it says how it came about, takes
// a draft in place of what is stored, and leaves no exposure. Applications read flags
// with flags.Client, OpenFeature or OFREP.
//
// Who asks, and for which tenant, comes from the host's Identify. Changes ask the gate
// of the Service: a refusal is 403, a step-up 401, and a change that waits for approval
// 202 with {"status":"awaiting_approval","request_id":""}. Reading asks
// [Config.Authorize]. Objects of another tenant are 404. A change that was made for a
// revision that is no longer the current one is 409.
package flagadmin
