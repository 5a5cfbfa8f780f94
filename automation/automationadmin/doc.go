// Package automationadmin serves the rules and runs of package automation as JSON over
// HTTP.
//
//	h, err := automationadmin.New(service, automationadmin.Config{Config: httpapi.Config{Identify: identify}})
//	mux.Handle("/api/v1/automation/", http.StripPrefix("/api/v1/automation", h))
//
// The routes are
//
//	GET    /rules?filter[field][op]=&sort=&limit=&after=
//	POST   /rules                           the definition: {"name":"","automation_environment":"","trigger":{},"conditions":{},"steps":[]}
//	POST   /rules/bulk                      {"ids":[""],"action":"enable|disable","reason":""}, or {"filter":{...},"after":"",...}
//	POST   /rules/test                      {"definition":{},"event":{},"outputs":{},"outcomes":{}}
//	GET    /rules/{id}
//	PUT    /rules/{id}                      as POST; If-Match with the ETag's revision
//	POST   /rules/{id}/enable               {"reason":""}
//	POST   /rules/{id}/disable              {"reason":""}
//	POST   /rules/{id}/test                 {"event":{},"outputs":{},"outcomes":{}}
//	GET    /rules/{id}/versions?limit=&after=
//	GET    /rules/{id}/versions/{version}
//	GET    /runs?rule_id=&status=&trigger=&event_type=&automation_environment=&step=&level=&since=&until=&filter[field][op]=&sort=&limit=&after=
//	POST   /runs/bulk                       {"ids":[""],"action":"cancel","reason":""}, or {"filter":{...},"after":"",...}
//	GET    /runs/{id}                       with its event, steps and attempts
//	POST   /runs/{id}/rerun                 {"latest":false,"reason":""}
//	POST   /runs/{id}/cancel                {"reason":""}
//	GET    /catalog                         environments, triggers, actions and policies, with schemas and samples
//	GET    /quotas                          how many rules there are and may be
//	GET    /openapi.json
//
// The fields and orders of the lists are those of automation.Rules and automation.Runs.
// What a bulk request answers is told at httpapi.Bulk. Where the host keeps filters, both
// take a saved one: see httpapi.ParseQuery.
//
// A body is a definition as [automation.Definition] has it. What is wrong with one is a
// 422 that points into it, down to the member of a step's input or the clause of a
// condition. A rule that was read may come back changed: what an answer adds to a
// definition (id, owner, version and times) says nothing then, but for revision, which
// stands in for an If-Match that is missing. A change that was made for a revision that
// is no longer the current one is 409.
//
// A test has no effect and is not stored: it shows the way that a run would go and the
// input that each action would get. Its event is the sample of a trigger where the body
// names none.
//
// Events, inputs and outputs of runs are shown as the Service gives them, without what
// its Redact takes out. What an attempt failed with is a class and a sentence; causes
// and stacks are for whom [Config.Operator] says.
//
// Who asks, and for which tenant, comes from the host's Identify. Changes ask the gate
// of the Service: a refusal is 403, a step-up 401, and a change that waits for approval
// 202 with {"status":"awaiting_approval","request_id":""}; sent again it is the same
// request, and [automation.Service.Apply] makes what was approved. Reading and testing
// ask [Config.Authorize]. Objects of another tenant are 404.
package automationadmin
