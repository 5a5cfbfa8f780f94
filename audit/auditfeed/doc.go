// Package auditfeed serves the audit log over HTTP: events, the catalogue of actions,
// and the timeline of a trace.
//
//	feed, err := auditfeed.New(log, catalog, auditfeed.Config{Config: surfaces})
//	mux.Handle("/api/v1/audit/", http.StripPrefix("/api/v1/audit", feed))
//
//	timeline, err := auditfeed.Timeline(auditfeed.Config{Config: surfaces}, decisions, inbox, log, hooks)
//	mux.Handle("GET /api/v1/timeline", timeline)
//
// # Events
//
// GET /events lists the events of the caller's tenant. The filters actor, action,
// category, resource ("<type>/<id>" or an id), outcome, source_ip, request_id and
// trace_id must all match; trace_id finds the events that are linked to the trace
// too. An unknown parameter or a value that cannot match is a 400: a filter that is
// misspelt never lists everything.
//
// since and until bound a list, which is ordered by the time of the events and spans
// at most the window of the log, 30 days. since alone polls: the list is in the order
// of recording and always answers a next page, which a poller asks for later and
// which never misses an event. Without both it lists all there is; use
// sortOrder=DESCENDING for the latest first. The next page is the one that the Link
// header names; its cursor means nothing outside of its list.
//
// # Who may read
//
// Everybody whom Identify names, unless [Config] has an Authorize.
package auditfeed
