package portal

import (
	"context"
	_ "embed"
	"errors"
	"net/http"
	"slices"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
)

//go:embed openapi.json
var document []byte

// OpenAPI returns the OpenAPI 3.1 document of the surface, with paths relative to
// where it is mounted.
func OpenAPI() []byte { return slices.Clone(document) }

// Config configures the surface.
type Config struct {
	httpapi.Config
	// Authorize is asked before anything is read, nil allows everybody whom Identify
	// knows in the tenant. It answers an *audit.DeniedError for whoever may not. Who may
	// decide and cancel is the Service's to say.
	Authorize func(ctx context.Context, who httpapi.Identity) error
}

type portal struct {
	service   *approvals.Service
	authorize func(ctx context.Context, who httpapi.Identity) error
}

// New returns the handler. The host mounts it under any prefix with http.StripPrefix.
func New(s *approvals.Service, cfg Config) (http.Handler, error) {
	if s == nil {
		return nil, errors.New("portal: no service")
	}
	api, err := httpapi.New(cfg.Config)
	if err != nil {
		return nil, err
	}
	p := portal{s, cfg.Authorize}
	mux := http.NewServeMux()
	api.Handle(mux, "GET /requests", p.reading(p.list))
	api.Handle(mux, "POST /requests/bulk", p.reading(p.changeRequests().Handler(api)))
	api.Handle(mux, "GET /requests/{id}", p.reading(p.show))
	api.Handle(mux, "POST /requests/{id}/decisions", p.decide)
	api.Handle(mux, "POST /requests/{id}/cancel", p.cancel)
	mux.Handle("GET /openapi.json", httpapi.Document(document))
	return api.Mux(mux), nil
}

func (p portal) reading(h httpapi.Handler) httpapi.Handler { return httpapi.Reading(p.authorize, h) }

func (p portal) list(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	tab := approvals.Tab(r.URL.Query().Get("tab"))
	q, _, err := httpapi.ParseQuery(r, approvals.Requests(tab), "tab")
	if err != nil {
		return err
	}
	if tab != "" && !slices.Contains(approvals.Tabs(), tab) {
		return httpapi.BadRequest("tab", "must be Pending, Snoozed or Done")
	}
	page, err := p.service.List(r.Context(), who.Tenant, approvals.Query{Tab: tab, Filters: q.Filters, Sort: q.Sort, Limit: q.Limit, After: q.After})
	if err != nil {
		return err
	}
	counts, err := p.service.Counts(r.Context(), who.Tenant)
	if err != nil {
		return err
	}
	out := list{Items: make([]request, len(page.Items)), Counts: counts, Next: page.Next}
	for i, item := range page.Items {
		out.Items[i] = requestOf(item)
	}
	httpapi.LinkNext(w, r, page.Next)
	return httpapi.WriteJSON(w, http.StatusOK, out)
}

// changeRequests returns what changes many requests. A filter chooses from those that wait.
func (p portal) changeRequests() httpapi.Bulk[approvals.Request] {
	return httpapi.Bulk[approvals.Request]{
		Of: approvals.Requests(approvals.TabPending), Told: problem,
		Page: func(ctx context.Context, tenant string, q listing.Query) (storage.Page[approvals.Request], error) {
			return p.service.List(ctx, tenant, approvals.Query{Filters: q.Filters, Sort: q.Sort, Limit: q.Limit, After: q.After})
		},
		Actions: []httpapi.BulkAction{{Name: "cancel", Reasoned: true, Do: func(ctx context.Context, tenant, id, reason string) error {
			_, err := p.service.Cancel(ctx, tenant, id, reason)
			return err
		}}},
	}
}

func (p portal) show(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	return p.answer(w, r, who.Tenant, r.PathValue("id"))
}

func (p portal) decide(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	var in struct {
		Decision approvals.Trigger `json:"decision"`
		Comment  string            `json:"comment"`
		Revision int               `json:"revision"`
	}
	if err := httpapi.Decode(r, &in); err != nil {
		return err
	}
	id := r.PathValue("id")
	_, err := p.service.Decide(r.Context(), who.Tenant, id, approvals.Choice{
		Decision: in.Decision, Comment: in.Comment, Revision: in.Revision,
	})
	if err != nil {
		return problem(err)
	}
	return p.answer(w, r, who.Tenant, id)
}

func (p portal) cancel(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	var in struct {
		Reason string `json:"reason"`
	}
	if r.ContentLength != 0 {
		if err := httpapi.Decode(r, &in); err != nil {
			return err
		}
	}
	id := r.PathValue("id")
	if _, err := p.service.Cancel(r.Context(), who.Tenant, id, in.Reason); err != nil {
		return problem(err)
	}
	return p.answer(w, r, who.Tenant, id)
}

// answer shows a request as it is now.
func (p portal) answer(w http.ResponseWriter, r *http.Request, tenant, id string) error {
	if storage.CheckID("", id) != nil {
		return storage.ErrNotFound // no request has such an id
	}
	req, h, err := p.service.Get(r.Context(), tenant, id)
	if err != nil {
		return err
	}
	out := detailOf(req, h)
	out.You = p.you(r, req, h)
	return httpapi.WriteJSON(w, http.StatusOK, out)
}

// you says whether whoever asks may decide, and else why not.
func (p portal) you(r *http.Request, req approvals.Request, h approvals.History) you {
	err := p.service.CanDecide(r.Context(), req, h)
	if err == nil {
		return you{MayDecide: true}
	}
	if told, ok := errors.AsType[*httpapi.Problem](problem(err)); ok {
		return you{Reason: told.Reason}
	}
	return you{}
}

// problem tells the errors of the package that the standard table does not know.
func problem(err error) error {
	told := func(status int, word, detail, code string) error {
		p := httpapi.NewProblem(status, word, detail)
		p.Reason = &audit.Reason{Code: code, Text: detail}
		p.Cause = err
		return p
	}
	if e, ok := errors.AsType[*approvals.NotEligibleError](err); ok {
		return told(http.StatusForbidden, "not_eligible", e.Text, e.Code)
	}
	if e, ok := errors.AsType[*approvals.IllegalTransitionError](err); ok {
		return told(http.StatusConflict, "illegal_transition", e.Error(), string(e.From))
	}
	if e, ok := errors.AsType[*approvals.StaleRevisionError](err); ok {
		return told(http.StatusConflict, "stale_revision", e.Error(), "stale_revision")
	}
	if e, ok := errors.AsType[*approvals.AlreadyVotedError](err); ok {
		return told(http.StatusConflict, "already_voted", e.Error(), "already_voted")
	}
	return err
}
