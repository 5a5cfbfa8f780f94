package main

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/httpapi/webpage"
	"github.com/lumelle/adminkit/examples/merchantadmin/shop"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/flagform"
	"github.com/lumelle/adminkit/flags/targeting/form"
)

//go:embed web
var web embed.FS

// newPages reads the pages of the admin, which name actions by their labels.
func newPages(actions []audit.Action) (*webpage.Set, error) {
	labels := map[string]string{}
	for _, action := range actions {
		labels[action.Name] = action.Label
	}
	files, err := fs.Sub(web, "web")
	if err != nil {
		return nil, err
	}
	return webpage.New(files, webpage.Config{Funcs: template.FuncMap{
		"money":      func(m shop.Money) string { return m.String() },
		"label":      func(action string) string { return cmp.Or(labels[action], action) },
		"field":      func(pointer string) string { return strings.TrimPrefix(pointer, "/") },
		"tone":       tone,
		"state":      stateOf,
		"warn":       func(f flags.Flag) []flags.Warning { return flags.Warnings(f, time.Now()) },
		"holds":      flagform.When,
		"serves":     flagform.Serves,
		"says":       form.Sentence,
		"word":       form.Word,
		"ops":        form.Ops,
		"valueTypes": func() []flags.ValueType { return []flags.ValueType{flags.Bool, flags.String, flags.Number, flags.JSON} },
		"groups":     form.Groups,
	}})
}

// tone chooses the colour of a status.
func tone(status any) string {
	switch fmt.Sprint(status) {
	case "applied", "on", "approved", "approve", "endorsed", "delivery", "attempt", "succeeded", "success", "enabled", "refunded", "allow",
		shop.InStock:
		return "good"
	case "awaiting_approval", "changes_requested", "request_changes", "pending", "applying", "scheduled",
		"partially_refunded", "needs_approval", "approval", "submitted", "step_up", "draft", "waiting",
		shop.LowStock:
		return "wait"
	case "rejected", "declined", "decline", "failed", "failure", "denied", "deny", "expired", "disabled", "killed", "timed_out",
		"redirect", "gone", "mediatype", "throttled", "status", "timeout", "dns", "connect", "tls", "protocol", "blocked", "internal",
		shop.OutOfStock, shop.PayoutHeld:
		return "bad"
	case "decision", "commented", "comment", "run", "step", "running":
		return "info"
	}
	return "plain"
}

// stateOf is what a flag does in an environment, in a word.
func stateOf(s flags.State) string {
	switch {
	case s.Killed != nil:
		return "killed"
	case s.Enabled:
		return "on"
	}
	return "off"
}

// A view is what a template gets.
type view struct {
	Title string
	// Current is the path of the navigation's item that the page belongs to.
	Current string
	Env     string
	Tenant  string
	Person  *person
	Waiting int
	// Webhooks says that the person may read them.
	Webhooks bool
	TraceID  string
	Problem  *httpapi.Problem
	Data     any
}

// A navItem is an entry of the main navigation.
type navItem struct {
	Path, Name string
	Current    bool
	Count      int
}

// Nav returns the main navigation as the page shows it.
func (v view) Nav() []navItem {
	items := []navItem{
		{Path: "/orders", Name: "Orders"},
		{Path: "/inventory", Name: "Inventory"},
		{Path: "/payouts", Name: "Payouts"},
		{Path: "/approvals", Name: "Approvals", Count: v.Waiting},
		{Path: "/audit", Name: "Audit"},
		{Path: "/flags", Name: "Flags"},
		{Path: "/automations", Name: "Automations"},
	}
	if v.Webhooks {
		items = append(items, navItem{Path: "/webhooks", Name: "Webhooks"}, navItem{Path: "/deliveries", Name: "Deliveries"})
	}
	for i := range items {
		items[i].Current = items[i].Path == v.Current
	}
	return items
}

// FieldErrors are the messages of the problem by pointer.
func (v view) FieldErrors() map[string]string {
	messages := map[string]string{}
	if v.Problem != nil {
		for _, e := range v.Problem.Errors {
			messages[e.Pointer] = strings.TrimPrefix(messages[e.Pointer]+", "+e.Message, ", ")
		}
	}
	return messages
}

// A pageHandler answers a signed-in browser or returns an error.
type pageHandler func(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error

// page registers a page. Whoever is not signed in is sent to the door and comes back.
func (a *app) page(mux *http.ServeMux, pattern string, h pageHandler) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		who, err := a.people.identify(r)
		if err == nil {
			r = r.WithContext(audit.WithActor(r.Context(), who.Actor))
			r.Body = http.MaxBytesReader(w, r.Body, maxForm)
			if err = webpage.CheckText(r, maxForm); err == nil {
				err = h(w, r, who)
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, httpapi.ErrUnauthenticated):
			back := "/"
			if r.Method == http.MethodGet {
				back = r.URL.RequestURI()
			}
			http.Redirect(w, r, "/login?return_to="+url.QueryEscape(back), http.StatusSeeOther)
		default:
			a.pageError(w, r, who, err)
		}
	})
}

// readable is a page for those who may read what it is about.
func (a *app) readable(action string, h pageHandler) pageHandler {
	may := a.reading(action)
	return func(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
		if err := may(r.Context(), who); err != nil {
			return err
		}
		return h(w, r, who)
	}
}

// maxForm bounds the forms of the pages, which are all small.
const maxForm = 64 << 10

// pageError shows err as a page.
func (a *app) pageError(w http.ResponseWriter, r *http.Request, who httpapi.Identity, err error) {
	p := *httpapi.ProblemOf(err)
	p.RequestID = audit.OriginFrom(r.Context()).RequestID
	if p.Status >= http.StatusInternalServerError {
		a.log.ErrorContext(r.Context(), "page failed", "path", r.URL.Path, "request_id", p.RequestID, "error", err)
	}
	if err := a.show(w, r, who, "error", view{Title: p.Title, Problem: &p}); err != nil {
		a.log.ErrorContext(r.Context(), "error page failed", "error", err)
		http.Error(w, p.Title, p.Status)
	}
}

// show renders a page with the status of its problem.
func (a *app) show(w http.ResponseWriter, r *http.Request, who httpapi.Identity, name string, v view) error {
	v.Env = a.cfg.env
	v.TraceID = correlation.From(r.Context()).TraceID
	if p, ok := a.people.person(who.Actor.ID); ok {
		v.Person, v.Tenant = &p, who.Tenant
	}
	if v.Person != nil && a.pages.Whole(r, name) {
		v.Waiting = a.waiting(r.Context(), who)
		v.Webhooks = a.reading(readWebhooks)(r.Context(), who) == nil
	}
	status := http.StatusOK
	if v.Problem != nil {
		status = v.Problem.Status
	}
	return a.pages.Render(w, r, status, name, v)
}

// waiting counts the requests that the inbox shows as pending. A page that cannot
// count them is still a page.
func (a *app) waiting(ctx context.Context, who httpapi.Identity) int {
	counts, err := a.approvals.Counts(ctx, who.Tenant)
	if err != nil {
		a.log.WarnContext(ctx, "inbox not counted", "error", err)
	}
	return counts[approvals.TabPending]
}

// after ends a form that changes something: at done, at the request that the change waits
// for, or where it was with what stood in its way.
func (a *app) after(w http.ResponseWriter, r *http.Request, err error, done string, again func(*httpapi.Problem) error) error {
	if id := pendingID(err); id != "" {
		err, done = nil, "/approvals/"+url.PathEscape(id)
	}
	if problem := shown(err); problem != nil {
		return again(problem)
	}
	if err == nil {
		webpage.Leave(w, r, done)
	}
	return err
}

// seeOther ends a form: the browser goes on with a page of its own, which it may
// reload without sending the form again. htmx follows as a browser does.
func seeOther(w http.ResponseWriter, r *http.Request, path string) error {
	http.Redirect(w, r, path, http.StatusSeeOther)
	return nil
}
