package main

import (
	"errors"
	"net/http"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/httpapi/webpage"
	"github.com/lumelle/adminkit/audit/jcs"
	"github.com/lumelle/adminkit/storage"
)

// auditPages are the log and the timeline of a trace.
func (a *app) auditPages(mux *http.ServeMux) {
	page := func(pattern string, h pageHandler) { a.page(mux, pattern, a.readable(readAudit, h)) }
	page("GET /audit", a.auditPage)
	page("GET /timeline", a.timelinePage)
}

const eventsOnPage = 25

// An eventRow is an event as the page of the log shows it.
type eventRow struct {
	Event    audit.Event
	Diff     []jcs.Difference
	Metadata string
}

type auditData struct {
	Filter     audit.Query
	Actions    []audit.Action
	Outcomes   []audit.Outcome
	Categories []audit.Category
	Items      []eventRow
	// Next is the address of the next page, empty at the end.
	Next string
}

func (a *app) auditPage(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	data := auditData{
		Filter: audit.Query{
			Actor: r.FormValue("actor"), Action: r.FormValue("action"), ResourceID: r.FormValue("resource"),
			Category: audit.Category(r.FormValue("category")), Outcome: audit.Outcome(r.FormValue("outcome")),
			TraceID: r.FormValue("trace_id"), After: storage.Cursor(r.FormValue("after")),
			Limit: eventsOnPage, Descending: true,
		},
		Actions:    a.catalog.Actions(),
		Outcomes:   []audit.Outcome{audit.Success, audit.Pending, audit.Denied, audit.Failure},
		Categories: []audit.Category{audit.Activity, audit.Policy, audit.Domain, audit.System, audit.DataAccess},
	}
	page, err := a.events.Query(r.Context(), who.Tenant, data.Filter)
	if err != nil {
		return err
	}
	for _, e := range page.Items {
		data.Items = append(data.Items, eventRow{e, webpage.Changes(e.Before, e.After), webpage.Indented(e.Metadata)})
	}
	data.Next = webpage.Next(r, page.Next)
	return a.show(w, r, who, "audit", view{Title: "Audit", Current: "/audit", Data: data})
}

type timelineData struct {
	TraceID string
	Items   []correlation.Entry
}

func (a *app) timelinePage(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	data := timelineData{TraceID: r.FormValue("trace_id")}
	v := view{Title: "Timeline", Current: "/audit"}
	if data.TraceID != "" {
		var err error
		data.Items, err = correlation.Timeline(r.Context(), who.Tenant, data.TraceID, a.sources()...)
		if errors.Is(err, storage.ErrInvalid) {
			v.Problem = httpapi.ProblemOf(err)
		} else if err != nil {
			return err
		}
	}
	v.Data = data
	return a.show(w, r, who, "timeline", v)
}
