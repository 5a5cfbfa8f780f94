package savedfilters

import (
	"context"
	_ "embed"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/storage/listing/saved"
)

//go:embed openapi.json
var document []byte

// OpenAPI returns the OpenAPI 3.1 document of the surface, with paths relative to
// where it is mounted.
func OpenAPI() []byte { return slices.Clone(document) }

// Config configures the surface.
type Config struct {
	httpapi.Config
	// Authorize is asked before anything is read or kept of a list, nil allows. It answers
	// an *audit.DeniedError for whoever may not. The quotas are of no list.
	Authorize func(ctx context.Context, who httpapi.Identity, list string) error
	// ApprovalID names the approval that a refused change waits for, from the error of
	// the host's gate; nil where no gate asks for approvals.
	ApprovalID func(err error) string
}

type surface struct {
	service *saved.Service
	cfg     Config
}

// New returns the handler. The host mounts it under any prefix with http.StripPrefix.
func New(s *saved.Service, cfg Config) (http.Handler, error) {
	if s == nil {
		return nil, errors.New("savedfilters: no service")
	}
	api, err := httpapi.New(cfg.Config)
	if err != nil {
		return nil, err
	}
	a := surface{service: s, cfg: cfg}
	mux := http.NewServeMux()
	api.Handle(mux, "GET /{list}/filters", a.authorized(a.list))
	api.Handle(mux, "POST /{list}/filters", a.changing(a.create))
	api.Handle(mux, "GET /{list}/filters/{id}", a.authorized(a.get))
	api.Handle(mux, "PUT /{list}/filters/{id}", a.changing(a.update))
	api.Handle(mux, "DELETE /{list}/filters/{id}", a.changing(a.delete))
	api.Handle(mux, "GET /quotas", httpapi.Quotas(s.Quotas))
	mux.Handle("GET /openapi.json", httpapi.Document(document))
	return api.Mux(mux), nil
}

func (a surface) authorized(h httpapi.Handler) httpapi.Handler {
	if a.cfg.Authorize == nil {
		return h
	}
	return func(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
		if err := a.cfg.Authorize(r.Context(), who, r.PathValue("list")); err != nil {
			return err
		}
		return h(w, r, who)
	}
}

func (a surface) changing(h httpapi.Handler) httpapi.Handler {
	return a.authorized(httpapi.Changing(a.cfg.ApprovalID, h))
}

// The documents of the surface, as openapi.json describes them.
type (
	input struct {
		Name   string             `json:"name"`
		Shared bool               `json:"shared"`
		Filter httpapi.Conditions `json:"filter"`
		Sort   string             `json:"sort"`
	}

	filter struct {
		ID        string             `json:"id"`
		List      string             `json:"list"`
		Name      string             `json:"name"`
		Shared    bool               `json:"shared"`
		Filter    httpapi.Conditions `json:"filter"`
		Sort      string             `json:"sort"`
		Revision  int64              `json:"revision"`
		CreatedAt time.Time          `json:"created_at"`
		UpdatedAt time.Time          `json:"updated_at"`
	}
)

// read returns what the body says of a filter.
func read(r *http.Request) (in saved.Input, shared bool, err error) {
	var body input
	if err := httpapi.Decode(r, &body); err != nil {
		return in, false, err
	}
	in = saved.Input{Name: body.Name, Sort: listing.ParseSort(body.Sort)}
	in.Filters, err = body.Filter.Filters()
	return in, body.Shared, err
}

func filterOf(f saved.Filter) (filter, error) {
	conditions, err := httpapi.ConditionsOf(f.Filters)
	return filter{
		ID: f.ID, List: f.List, Name: f.Name, Shared: f.Shared(), Filter: conditions, Sort: f.Sort.String(),
		Revision: f.Revision, CreatedAt: f.CreatedAt, UpdatedAt: f.UpdatedAt,
	}, err
}

func (a surface) list(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	params, err := httpapi.ParseParams(r, "limit", "after")
	if err != nil {
		return err
	}
	limit, err := params.Limit()
	if err != nil {
		return err
	}
	page, err := a.service.List(r.Context(), who.Tenant, saved.Query{
		List: r.PathValue("list"), Viewer: who.Person(), Limit: limit, After: params.After(),
	})
	if err != nil {
		return err
	}
	out := httpapi.List[filter]{Items: make([]filter, len(page.Items)), Next: page.Next}
	for i, f := range page.Items {
		if out.Items[i], err = filterOf(f); err != nil {
			return err
		}
	}
	httpapi.LinkNext(w, r, page.Next)
	return httpapi.WriteJSON(w, http.StatusOK, out)
}

func (a surface) create(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	in, shared, err := read(r)
	if err != nil {
		return err
	}
	owner := who.Person()
	if shared {
		owner = ""
	}
	f, err := a.service.Create(r.Context(), who.Tenant, owner, r.PathValue("list"), in)
	return answer(w, http.StatusCreated, f, err)
}

func (a surface) get(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	f, err := a.found(r, who)
	return answer(w, http.StatusOK, f, err)
}

func (a surface) update(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	f, revision, err := a.target(r, who)
	if err != nil {
		return err
	}
	in, shared, err := read(r)
	if err != nil {
		return err
	}
	if shared != f.Shared() {
		return storage.Invalid("/shared", "cannot be changed: make another filter")
	}
	f, err = a.service.Update(r.Context(), who.Tenant, who.Person(), f.ID, revision, in)
	return answer(w, http.StatusOK, f, err)
}

func (a surface) delete(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	f, revision, err := a.target(r, who)
	if err != nil {
		return err
	}
	if err := a.service.Delete(r.Context(), who.Tenant, who.Person(), f.ID, revision); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// found returns the filter in the path. One of another list is none of this one.
func (a surface) found(r *http.Request, who httpapi.Identity) (saved.Filter, error) {
	f, err := a.service.Get(r.Context(), who.Tenant, who.Person(), r.PathValue("id"))
	if err == nil && f.List != r.PathValue("list") {
		err = storage.ErrNotFound
	}
	return f, err
}

// target returns the filter in the path and the revision of If-Match, zero for none.
func (a surface) target(r *http.Request, who httpapi.Identity) (saved.Filter, int64, error) {
	revision, err := httpapi.IfMatch(r)
	if err != nil {
		return saved.Filter{}, 0, err
	}
	f, err := a.found(r, who)
	return f, revision, err
}

// answer writes a filter, or returns what kept it from being one.
func answer(w http.ResponseWriter, status int, f saved.Filter, err error) error {
	if err != nil {
		return err
	}
	out, err := filterOf(f)
	if err != nil {
		return err
	}
	httpapi.SetETag(w, f.Revision)
	return httpapi.WriteJSON(w, status, out)
}
