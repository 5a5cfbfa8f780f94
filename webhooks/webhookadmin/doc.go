// Package webhookadmin serves endpoints and deliveries of package webhooks as JSON
// over HTTP.
//
//	h, err := webhookadmin.New(service, webhookadmin.Config{Config: httpapi.Config{Identify: identify}})
//	mux.Handle("/api/v1/webhooks/", http.StripPrefix("/api/v1/webhooks", h))
//
// The routes are
//
//	GET    /endpoints?filter[field][op]=&sort=&limit=&after=
//	POST   /endpoints                       {"url":"https://...","event_types":["lumelle.orders.v1.*"],"description":""}
//	POST   /endpoints/bulk                  {"ids":[""],"action":"disable|enable|delete","reason":""}, or {"filter":{...},"after":"",...}
//	GET    /endpoints/{id}
//	PUT    /endpoints/{id}                  as POST; If-Match with the ETag's revision
//	DELETE /endpoints/{id}
//	POST   /endpoints/{id}/disable          {"reason":""}
//	POST   /endpoints/{id}/enable
//	POST   /endpoints/{id}/rotate-secret
//	GET    /deliveries?endpoint_id=&event_type=&status=&trace_id=&filter[field][op]=&sort=&limit=&after=
//	POST   /deliveries/bulk                 {"ids":[""],"action":"redeliver","reason":""}, or {"filter":{...},"after":"",...}
//	GET    /deliveries/{id}                 with its attempts
//	POST   /deliveries/{id}/redeliver       {"reason":""}
//	GET    /quotas                          how many endpoints there are and may be
//	GET    /openapi.json
//
// The fields and orders of the lists are those of webhooks.Endpoints and
// webhooks.Deliveries, under the names that items have them by. What a bulk request
// answers is told at httpapi.Bulk. Where the host keeps filters, both take a saved one: see
// httpapi.ParseQuery.
//
// A secret stands in the answer that made it and in no other. Bodies of messages and
// of receivers' answers are not shown: lists and details tell how a delivery went, not
// what was in it.
//
// Who asks, and for which tenant, comes from the host's Identify. Changes ask the gate
// of the Service: a refusal is 403, a step-up 401, and a change that waits for approval
// 202 with {"status":"awaiting_approval","request_id":""}; sent again it is the same
// request, and webhooks.Service.Apply makes what was approved. The secret of an endpoint
// that was made so is in no answer: rotate-secret gives one. Reading asks
// [Config.Authorize]. Objects of another tenant are 404.
package webhookadmin
