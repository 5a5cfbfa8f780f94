package ofrep

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/flags"
)

//go:embed openapi.json
var document []byte

// OpenAPI returns the OpenAPI 3.1 document of the surface, with paths relative to where
// it is mounted.
func OpenAPI() []byte { return slices.Clone(document) }

// A Provider is what the surface evaluates with. flags.Provider is one.
type Provider interface {
	flags.FlagProvider
	flags.BulkProvider
}

// Config configures the surface. Identify is required; evaluations change nothing, so
// what makes a POST repeatable is not used.
type Config struct {
	httpapi.Config
	// Authorize is asked before anything is evaluated, nil allows. It answers an
	// *audit.DeniedError for whoever may not.
	Authorize func(ctx context.Context, who httpapi.Identity) error
	// Throttle says how long a caller has to wait who asks too often, and zero for all
	// others. Nil throttles nobody.
	Throttle func(r *http.Request, who httpapi.Identity) time.Duration
}

// MaxContext is the longest request in bytes, and maxDepth how deep it may nest.
const (
	MaxContext = 64 << 10
	maxDepth   = 16
)

type handler struct {
	provider Provider
	cfg      Config
	api      *httpapi.API
	logger   *slog.Logger
}

// New returns the handler of the surface. The host mounts it below /ofrep/v1 with
// http.StripPrefix.
func New(p Provider, cfg Config) (http.Handler, error) {
	if p == nil {
		return nil, errors.New("ofrep: no provider")
	}
	api, err := httpapi.New(cfg.Config)
	if err != nil {
		return nil, err
	}
	h := &handler{provider: p, cfg: cfg, api: api, logger: cfg.Logger}
	if h.logger == nil {
		h.logger = slog.New(slog.DiscardHandler)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /evaluate/flags", h.serve(h.all))
	mux.HandleFunc("POST /evaluate/flags/{key}", h.serve(h.one))
	mux.Handle("GET /openapi.json", httpapi.Document(document))
	return api.Mux(mux), nil
}

// A failure is what a request or a flag is told that could not be evaluated.
type failure struct {
	Key     string          `json:"key,omitempty"`
	Code    flags.ErrorCode `json:"errorCode,omitempty"`
	Details string          `json:"errorDetails,omitempty"`

	status int
}

func badRequest(code flags.ErrorCode, details string) *failure {
	return &failure{Code: code, Details: details, status: http.StatusBadRequest}
}

// serve wraps an endpoint: who asks, whether they may, and about whom.
func (h *handler) serve(endpoint func(w http.ResponseWriter, r *http.Request, s *flags.Subject)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, err := h.cfg.Identify(r)
		if err == nil && h.cfg.Authorize != nil {
			err = h.cfg.Authorize(r.Context(), who)
		}
		if err != nil {
			h.api.Error(w, r, err)
			return
		}
		if h.cfg.Throttle != nil {
			if wait := h.cfg.Throttle(r, who); wait > 0 {
				p := httpapi.NewProblem(http.StatusTooManyRequests, "too_many_requests", "Too many evaluations were asked for.")
				p.Header = map[string]string{"Retry-After": strconv.Itoa(int(math.Ceil(wait.Seconds())))}
				h.api.Error(w, r, p)
				return
			}
		}
		if err := httpapi.CheckEncoding(r); err != nil {
			h.api.Error(w, r, err)
			return
		}
		s, failed := readSubject(r, who)
		if failed != nil {
			failed.Key = r.PathValue("key")
			h.write(w, r, failed.status, failed)
			return
		}
		endpoint(w, r.WithContext(audit.WithActor(r.Context(), who.Actor)), s)
	}
}

// readSubject reads the context of a request.
func readSubject(r *http.Request, who httpapi.Identity) (*flags.Subject, *failure) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, MaxContext))
	if err != nil || tooDeep(body) {
		return nil, badRequest(flags.CodeParseError, "the body is longer or deeper than a context may be")
	}
	var in struct {
		Context map[string]any `json:"context"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, badRequest(flags.CodeParseError, "the body must be a JSON object with a context, in which no name stands twice")
	}
	if in.Context == nil {
		return nil, badRequest(flags.CodeInvalidContext, "the context is missing")
	}
	s, err := flags.ReadSubject(in.Context)
	if wrong, ok := errors.AsType[*flags.Error](err); ok {
		return nil, badRequest(wrong.Code, wrong.Message)
	}
	if err != nil || s.Tenant != "" && s.Tenant != who.Tenant {
		return nil, badRequest(flags.CodeInvalidContext, "the tenant must be the one that the request is made for")
	}
	s.Tenant = who.Tenant
	return s, nil
}

// tooDeep reports whether a body nests deeper than a context may.
func tooDeep(body []byte) bool {
	d := jsontext.NewDecoder(bytes.NewReader(body))
	for {
		if _, err := d.ReadToken(); err != nil {
			return false // what is malformed is found when it is read
		}
		if d.StackDepth() > maxDepth {
			return true
		}
	}
}

// An evaluation is a flag as the protocol tells it.
type evaluation struct {
	Key      string         `json:"key"`
	Value    any            `json:"value,omitzero"`
	Reason   flags.Reason   `json:"reason"`
	Variant  string         `json:"variant,omitempty"`
	Metadata map[string]any `json:"metadata,omitempty"`
}

// told are the reasons that the protocol has.
var told = []flags.Reason{flags.ReasonStatic, flags.ReasonTargetingMatch, flags.ReasonSplit, flags.ReasonDisabled, flags.ReasonUnknown}

func tell(key string, e *flags.Evaluation) evaluation {
	out := evaluation{Key: key, Reason: e.Reason, Variant: e.Variant, Metadata: map[string]any{"version": e.Version}}
	if !e.Value.IsZero() {
		out.Value = e.Value.Any()
	}
	for name, value := range e.Metadata {
		out.Metadata[name] = value
	}
	if e.Rule != "" {
		out.Metadata["rule"] = e.Rule
	}
	if !slices.Contains(told, e.Reason) {
		out.Metadata["reason"], out.Reason = string(e.Reason), flags.ReasonUnknown
	}
	return out
}

// fail returns what is told of a flag that could not be evaluated.
func fail(key string, err *flags.Error) *failure {
	f := &failure{Key: key, Code: err.Code, Details: err.Message, status: http.StatusBadRequest}
	switch err.Code {
	case flags.CodeFlagNotFound:
		f.status = http.StatusNotFound
	case flags.CodeParseError, flags.CodeTargetingKeyMissing, flags.CodeInvalidContext, flags.CodeGeneral:
	default:
		f.status = http.StatusInternalServerError
	}
	return f
}

func (h *handler) one(w http.ResponseWriter, r *http.Request, s *flags.Subject) {
	key := r.PathValue("key")
	e := h.provider.Evaluate(r.Context(), key, s)
	if e.Err == nil {
		h.write(w, r, http.StatusOK, tell(key, &e))
		return
	}
	f := fail(key, e.Err)
	if f.status == http.StatusInternalServerError {
		f = &failure{Details: f.Details, status: f.status}
	}
	h.write(w, r, f.status, f)
}

func (h *handler) all(w http.ResponseWriter, r *http.Request, s *flags.Subject) {
	items := []any{}
	version, err := h.provider.EvaluateAll(r.Context(), s, func(key string, e flags.Evaluation) bool {
		if e.Err == nil {
			items = append(items, tell(key, &e))
			return true
		}
		f := fail(key, e.Err)
		if f.status != http.StatusBadRequest {
			f.Code = flags.CodeGeneral
		}
		items = append(items, f)
		return true
	})
	if wrong, ok := errors.AsType[*flags.Error](err); ok && fail("", wrong).status == http.StatusBadRequest {
		h.write(w, r, http.StatusBadRequest, badRequest(wrong.Code, wrong.Message))
		return
	}
	if err != nil {
		h.logger.ErrorContext(r.Context(), "flags not evaluated", "error", err)
		h.write(w, r, http.StatusInternalServerError, &failure{Details: "the flags are not ready"})
		return
	}
	h.write(w, r, http.StatusOK, map[string]any{"flags": items, "metadata": map[string]any{"version": strconv.FormatInt(version, 10)}})
}

// write answers v. A list that the caller has already is 304.
func (h *handler) write(w http.ResponseWriter, r *http.Request, status int, v any) {
	body, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		h.logger.ErrorContext(r.Context(), "evaluation not written", "error", err)
		status, body = http.StatusInternalServerError, []byte(`{"errorDetails":"the answer could not be written"}`)
	}
	header := w.Header()
	header.Set("Cache-Control", "private, no-cache")
	header.Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusOK && r.PathValue("key") == "" {
		sum := sha256.Sum256(body)
		etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:18]) + `"`
		header.Set("ETag", etag)
		if matches(r.Header.Values("If-None-Match"), etag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	header.Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		h.logger.DebugContext(r.Context(), "answer not written", "error", err)
	}
}

// matches reports whether If-None-Match names etag, by RFC 9110's weak comparison. A
// client of the protocol may send it without its quotes.
func matches(fields []string, etag string) bool {
	for _, field := range fields {
		for candidate := range strings.SplitSeq(field, ",") {
			candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
			if candidate == "*" || candidate == etag || candidate == strings.Trim(etag, `"`) {
				return true
			}
		}
	}
	return false
}
