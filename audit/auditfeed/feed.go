package auditfeed

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/storage"
)

//go:embed openapi.json
var document []byte

//go:embed timeline.openapi.json
var timelineDocument []byte

// OpenAPI returns the OpenAPI 3.1 document of the handler of [New], with paths
// relative to where it is mounted.
func OpenAPI() []byte { return slices.Clone(document) }

// TimelineOpenAPI returns the OpenAPI 3.1 document of the handler of [Timeline].
func TimelineOpenAPI() []byte { return slices.Clone(timelineDocument) }

// Config configures the handlers.
type Config struct {
	httpapi.Config
	// Authorize is asked before anything is read, nil allows. It answers an
	// *audit.DeniedError to refuse.
	Authorize func(ctx context.Context, who httpapi.Identity) error
}

// handle registers h behind Authorize.
func (c Config) handle(api *httpapi.API, mux *http.ServeMux, pattern string, h httpapi.Handler) {
	api.Handle(mux, pattern, func(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
		if c.Authorize != nil {
			if err := c.Authorize(r.Context(), who); err != nil {
				return err
			}
		}
		return h(w, r, who)
	})
}

type feed struct {
	log     *audit.Log
	catalog *audit.Catalog
}

// New returns the handler of the log. The host mounts it under any prefix with
// http.StripPrefix. It serves its own document at /openapi.json.
func New(log *audit.Log, catalog *audit.Catalog, cfg Config) (http.Handler, error) {
	if log == nil || catalog == nil {
		return nil, errors.New("auditfeed: no log or no catalogue")
	}
	api, err := httpapi.New(cfg.Config)
	if err != nil {
		return nil, err
	}
	f := feed{log, catalog}
	mux := http.NewServeMux()
	cfg.handle(api, mux, "GET /events", f.events)
	cfg.handle(api, mux, "GET /actions", f.actions)
	cfg.handle(api, mux, "GET /actions/{name}/schemas", f.schemas)
	mux.Handle("GET /openapi.json", httpapi.Document(document))
	return api.Mux(mux), nil
}

func (f feed) events(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	q, err := parseQuery(r)
	if err != nil {
		return err
	}
	page, err := f.log.Query(r.Context(), who.Tenant, q)
	if invalid, ok := errors.AsType[*storage.InvalidError](err); ok {
		return badParameters(invalid)
	}
	if err != nil {
		return err
	}
	out := eventList{Items: make([]event, len(page.Items)), Next: page.Next}
	for i := range page.Items {
		if out.Items[i], err = eventOf(&page.Items[i]); err != nil {
			return err
		}
	}
	httpapi.LinkNext(w, r, page.Next)
	return httpapi.WriteJSON(w, http.StatusOK, out)
}

// badParameters tells what is wrong with a query as a 400 that names parameters.
func badParameters(invalid *storage.InvalidError) error {
	p := httpapi.BadRequest("", "")
	p.Errors = nil
	for _, f := range invalid.Fields {
		p.Errors = append(p.Errors, storage.FieldError{Pointer: strings.TrimPrefix(f.Pointer, "/"), Message: f.Message})
	}
	return p
}

// action is an entry of the catalogue without its schema.
type action struct {
	Name          string         `json:"name"`
	Type          string         `json:"type"`
	Label         string         `json:"label"`
	Description   string         `json:"description"`
	Category      audit.Category `json:"category"`
	ActorTypes    []string       `json:"actor_types,omitempty"`
	ResourceTypes []string       `json:"resource_types,omitempty"`
}

func (f feed) actions(w http.ResponseWriter, r *http.Request, _ httpapi.Identity) error {
	if _, err := httpapi.ParseParams(r); err != nil {
		return err
	}
	out := struct {
		Items []action `json:"items"`
	}{[]action{}}
	for _, a := range f.catalog.Actions() {
		out.Items = append(out.Items, action{
			Name: a.Name, Type: a.Type, Label: a.Label, Description: a.Description, Category: a.Category,
			ActorTypes: a.ActorTypes, ResourceTypes: a.ResourceTypes,
		})
	}
	return httpapi.WriteJSON(w, http.StatusOK, out)
}

// schema is the JSON Schema of an action's payload. Events name it in their "schema".
type schema struct {
	Name   string          `json:"name"`
	Schema json.RawMessage `json:"schema"`
}

func (f feed) schemas(w http.ResponseWriter, r *http.Request, _ httpapi.Identity) error {
	if _, err := httpapi.ParseParams(r); err != nil {
		return err
	}
	a, ok := f.catalog.Lookup(r.PathValue("name"))
	if !ok {
		return storage.ErrNotFound
	}
	out := struct {
		Items []schema `json:"items"`
	}{[]schema{}}
	if a.Schema != nil {
		out.Items = append(out.Items, schema{Name: a.Type, Schema: a.Schema})
	}
	return httpapi.WriteJSON(w, http.StatusOK, out)
}

// Timeline returns the handler that tells what happened under a trace: GET with the
// parameter trace_id, on whatever path the host mounts it. Name the sources in the
// order of cause.
func Timeline(cfg Config, sources ...correlation.Source) (http.Handler, error) {
	if len(sources) == 0 {
		return nil, errors.New("auditfeed: a timeline without sources")
	}
	api, err := httpapi.New(cfg.Config)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	cfg.handle(api, mux, "GET /", func(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
		params, err := httpapi.ParseParams(r, "trace_id")
		if err != nil {
			return err
		}
		if params["trace_id"] == "" {
			return httpapi.BadRequest("trace_id", "is required")
		}
		id, err := traceID(params)
		if err != nil {
			return err
		}
		entries, err := correlation.Timeline(r.Context(), who.Tenant, id, sources...)
		if err != nil {
			return err
		}
		if entries == nil {
			entries = []correlation.Entry{}
		}
		return httpapi.WriteJSON(w, http.StatusOK, map[string]any{"items": entries})
	})
	return api.Mux(mux), nil
}
