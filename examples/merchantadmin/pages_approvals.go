package main

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/httpapi/webpage"
	"github.com/lumelle/adminkit/audit/jcs"
	"github.com/lumelle/adminkit/storage"
)

// approvalPages are the inbox and the page of a request.
func (a *app) approvalPages(mux *http.ServeMux) {
	page := func(pattern string, h pageHandler) { a.page(mux, pattern, a.readable(readApprovals, h)) }
	page("GET /approvals", a.inboxPage)
	page("GET /approvals/{id}", func(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
		return a.requestPage(w, r, who, "", nil)
	})
	page("POST /approvals/{id}/decisions", a.decide)
	page("POST /approvals/{id}/cancel", a.cancelRequest)
}

const requestsOnPage = 25

// A tab is one of the inbox as its page shows it.
type tab struct {
	Name    approvals.Tab
	Count   int
	Current bool
}

type inboxData struct {
	Tab   approvals.Tab
	Tabs  []tab
	Items []approvals.Request
	Next  storage.Cursor
}

func (a *app) inboxPage(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	data := inboxData{Tab: approvals.Tab(r.FormValue("tab"))}
	if data.Tab == "" {
		data.Tab = approvals.TabPending
	}
	counts, err := a.approvals.Counts(r.Context(), who.Tenant)
	if err != nil {
		return err
	}
	for _, t := range approvals.Tabs() {
		data.Tabs = append(data.Tabs, tab{Name: t, Count: counts[t], Current: t == data.Tab})
	}
	page, err := a.approvals.List(r.Context(), who.Tenant, approvals.Query{
		Tab: data.Tab, Limit: requestsOnPage, After: storage.Cursor(r.FormValue("after")),
	})
	if err != nil {
		return err
	}
	data.Items, data.Next = page.Items, page.Next
	return a.show(w, r, who, "approvals", view{Title: "Approvals", Current: "/approvals", Data: data})
}

type requestData struct {
	Request approvals.Request
	Steps   []approvals.Step
	Diff    []jcs.Difference
	// Open says that the request waits for decisions, May that the reader is one of
	// those it waits for, and Mine that it is the reader's own.
	Open, May, Mine bool
	// Moving says that a worker has it in hand.
	Moving     bool
	DecisionID string
	Comment    string
}

func (a *app) requestPage(w http.ResponseWriter, r *http.Request, who httpapi.Identity, comment string, problem *httpapi.Problem) error {
	request, history, err := a.approvals.Get(r.Context(), who.Tenant, r.PathValue("id"))
	if err != nil {
		return err
	}
	diff := webpage.Changes(request.Before, request.After)
	if diff == nil { // what is asked for changes no resource of the shop
		diff = webpage.Changes(nil, request.Payload)
	}
	data := requestData{
		Request: request, Steps: history.Steps, Diff: diff,
		Open:       request.State.Undecided(),
		May:        a.approvals.CanDecide(r.Context(), request, history) == nil,
		Mine:       slices.ContainsFunc(request.Authors, who.Actor.Same),
		Moving:     request.State == approvals.StateApproved || request.State == approvals.StateApplying,
		DecisionID: storage.NewID(),
		Comment:    comment,
	}
	v := view{Title: request.Action + " " + request.Resource.ID, Current: "/approvals", Problem: problem, Data: data}
	return a.show(w, r, who, "request", v)
}

func (a *app) decide(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	id := r.PathValue("id")
	revision, err := strconv.Atoi(r.PostFormValue("revision"))
	if err != nil {
		return httpapi.BadRequest("revision", "must be a number")
	}
	comment := r.PostFormValue("comment")
	_, err = a.approvals.Decide(r.Context(), who.Tenant, id, approvals.Choice{
		Decision: approvals.Trigger(r.PostFormValue("decision")), Revision: revision, Comment: comment, ID: r.PostFormValue("id"),
	})
	return a.afterDecision(w, r, who, comment, err)
}

func (a *app) cancelRequest(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	_, err := a.approvals.Cancel(r.Context(), who.Tenant, r.PathValue("id"), r.PostFormValue("reason"))
	return a.afterDecision(w, r, who, "", err)
}

// afterDecision shows the request again, with what stood in the way of the decision
// where something did.
func (a *app) afterDecision(w http.ResponseWriter, r *http.Request, who httpapi.Identity, comment string, err error) error {
	if err == nil {
		return seeOther(w, r, "/approvals/"+url.PathEscape(r.PathValue("id")))
	}
	problem := decisionProblem(err)
	if errors.Is(err, storage.ErrNotFound) || problem.Status >= http.StatusInternalServerError {
		return err
	}
	return a.requestPage(w, r, who, comment, problem)
}

func decisionProblem(err error) *httpapi.Problem {
	if refusal, ok := errors.AsType[*approvals.NotEligibleError](err); ok {
		return httpapi.NewProblem(http.StatusForbidden, "denied", refusal.Text)
	}
	return httpapi.ProblemOf(err)
}
