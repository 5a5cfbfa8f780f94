package authzen

import (
	_ "embed"
	"errors"
	"log/slog"
	"net/http"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/authz"
)

//go:embed openapi.json
var document []byte

// OpenAPI returns the OpenAPI 3.1 document of the surface, with paths relative to
// where it is mounted.
func OpenAPI() []byte { return slices.Clone(document) }

// The semantics of a batch.
const (
	executeAll          = "execute_all"
	denyOnFirstDeny     = "deny_on_first_deny"
	permitOnFirstPermit = "permit_on_first_permit"
)

type handler struct {
	authorizer authz.Authorizer
	identify   httpapi.Identify
	logger     *slog.Logger
}

// New returns the handler of the decision endpoints. The host mounts it below
// /access/v1 with http.StripPrefix. Of the Config it reads Identify and Logger;
// decisions change nothing, so there is nothing to repeat.
func New(a authz.Authorizer, config httpapi.Config) (http.Handler, error) {
	if a == nil {
		return nil, errors.New("authzen: no authorizer")
	}
	api, err := httpapi.New(config)
	if err != nil {
		return nil, err
	}
	h := &handler{authorizer: a, identify: config.Identify, logger: config.Logger}
	if h.logger == nil {
		h.logger = slog.New(slog.DiscardHandler)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /evaluation", h.serve(h.evaluation))
	mux.HandleFunc("POST /evaluations", h.serve(h.evaluations))
	mux.Handle("GET /openapi.json", httpapi.Document(document))
	return api.Mux(mux), nil
}

// serve wraps an endpoint: who asks, the body, the echo of the request's id, errors
// as strings.
func (h *handler) serve(endpoint func(r *http.Request, who httpapi.Identity, body []byte) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if id := r.Header.Get("X-Request-ID"); id != "" {
			w.Header().Set("X-Request-ID", id)
		}
		who, err := h.identify(r)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		body, err := readBody(r)
		if err == nil {
			err = checkDepth(body)
		}
		if err != nil {
			h.fail(w, r, err)
			return
		}
		r = r.WithContext(audit.WithActor(r.Context(), who.Actor))
		out, err := endpoint(r, who, body)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		h.write(w, r, http.StatusOK, out)
	}
}

func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	told := failure(err)
	if told.status >= http.StatusInternalServerError {
		h.logger.ErrorContext(r.Context(), "evaluation failed", "error", err)
	}
	if told.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	h.write(w, r, told.status, told.message)
}

func (h *handler) write(w http.ResponseWriter, r *http.Request, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`"the answer could not be written"`)
		h.logger.ErrorContext(r.Context(), "evaluation failed", "error", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if _, err := w.Write(b); err != nil {
		h.logger.DebugContext(r.Context(), "answer not written", "error", err)
	}
}

func (h *handler) evaluation(r *http.Request, who httpapi.Identity, body []byte) (any, error) {
	var q question
	if err := decode(body, "", &q); err != nil {
		return nil, err
	}
	return h.decide(r, who, q)
}

func (h *handler) decide(r *http.Request, who httpapi.Identity, q question) (evaluation, error) {
	request, err := q.request(who)
	if err != nil {
		return evaluation{}, err
	}
	d, err := h.authorizer.Authorize(r.Context(), request)
	if err != nil {
		return evaluation{}, err
	}
	return answer(d), nil
}

func (h *handler) evaluations(r *http.Request, who httpapi.Identity, body []byte) (any, error) {
	var in batch
	if err := decode(body, "", &in); err != nil {
		return nil, err
	}
	semantic := in.Options.Semantic
	if semantic == "" {
		semantic = executeAll
	}
	switch {
	case !slices.Contains([]string{executeAll, denyOnFirstDeny, permitOnFirstPermit}, semantic):
		return nil, badInput("options.evaluations_semantic is not known")
	case len(in.Evaluations) > MaxEvaluations:
		return nil, badInput("evaluations has more than %d items", MaxEvaluations)
	case len(in.Evaluations) == 0:
		return h.decide(r, who, in.question)
	}
	out := struct {
		Evaluations []evaluation `json:"evaluations"`
	}{}
	for _, raw := range in.Evaluations {
		e := h.item(r, who, raw, in.question)
		out.Evaluations = append(out.Evaluations, e)
		if semantic == denyOnFirstDeny && !e.Decision || semantic == permitOnFirstPermit && e.Decision {
			break
		}
	}
	return out, nil
}

// item decides one of several. What is wrong with it is told in its place, as a
// decision that is false.
func (h *handler) item(r *http.Request, who httpapi.Identity, raw []byte, defaults question) evaluation {
	var q question
	err := readPart("evaluation", raw, &q)
	if err == nil {
		var e evaluation
		if e, err = h.decide(r, who, q.over(defaults)); err == nil {
			return e
		}
	}
	told := failure(err)
	if told.status >= http.StatusInternalServerError {
		h.logger.ErrorContext(r.Context(), "evaluation failed", "error", err)
	}
	return evaluation{Context: &details{Error: &itemError{Status: told.status, Message: told.message}}}
}
