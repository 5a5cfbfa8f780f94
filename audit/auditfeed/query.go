package auditfeed

import (
	"net/http"
	"slices"
	"strings"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/audit/httpapi"
)

// parseQuery reads the parameters of a list of events.
func parseQuery(r *http.Request) (q audit.Query, err error) {
	p, err := httpapi.ParseParams(r, "since", "until", "after", "limit", "sortOrder",
		"actor", "action", "category", "resource", "outcome", "source_ip", "request_id", "trace_id")
	if err != nil {
		return q, err
	}
	for name, value := range p {
		if value == "" {
			return q, httpapi.BadRequest(name, "must not be empty")
		}
	}
	q = audit.Query{
		Actor: p["actor"], Action: p["action"], SourceIP: p["source_ip"], RequestID: p["request_id"],
		Category: audit.Category(p["category"]), Outcome: audit.Outcome(p["outcome"]),
		After: p.After(),
	}
	if q.Category != "" && !slices.Contains(audit.Categories(), q.Category) {
		return q, httpapi.BadRequest("category", "is none of the categories")
	}
	if q.Outcome != "" && !slices.Contains(audit.Outcomes(), q.Outcome) {
		return q, httpapi.BadRequest("outcome", "is none of the outcomes")
	}
	switch p["sortOrder"] {
	case "", "ASCENDING":
	case "DESCENDING":
		q.Descending = true
	default:
		return q, httpapi.BadRequest("sortOrder", "must be ASCENDING or DESCENDING")
	}
	if kind, id, ok := strings.Cut(p["resource"], "/"); ok {
		q.ResourceType, q.ResourceID = kind, id
	} else {
		q.ResourceID = p["resource"]
	}
	if q.TraceID, err = traceID(p); err != nil {
		return q, err
	}
	if q.Limit, err = p.Limit(); err != nil {
		return q, err
	}
	if q.Since, err = p.Time("since"); err != nil {
		return q, err
	}
	q.Until, err = p.Time("until")
	return q, err
}

// traceID returns the parameter trace_id, "" where it is absent.
func traceID(p httpapi.Params) (string, error) {
	id := p["trace_id"]
	if id != "" && !(correlation.Trace{TraceID: id, SpanID: "0000000000000001"}).Valid() {
		return "", httpapi.BadRequest("trace_id", "must be 32 lower-case hexadecimal digits, not all zero")
	}
	return id, nil
}
