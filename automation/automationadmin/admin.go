package automationadmin

import (
	"context"
	_ "embed"
	"errors"
	"net/http"
	"slices"

	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/automation"
)

//go:embed openapi.json
var document []byte

// OpenAPI returns the OpenAPI 3.1 document of the surface, with paths relative to
// where it is mounted.
func OpenAPI() []byte { return slices.Clone(document) }

// Config configures the surface.
type Config struct {
	httpapi.Config
	// Authorize is asked before anything is read or tested, nil allows. It answers an
	// *audit.DeniedError for whoever may not.
	Authorize func(ctx context.Context, who httpapi.Identity) error
	// ApprovalID names the approval that a refused change waits for, from the error of
	// the host's gate; nil where no gate asks for approvals.
	ApprovalID func(err error) string
	// Operator says who sees the errors of attempts with all their causes and stacks,
	// which may name hosts and other internals; nil is nobody.
	Operator func(ctx context.Context, who httpapi.Identity) bool
}

type admin struct {
	service    *automation.Service
	authorize  func(ctx context.Context, who httpapi.Identity) error
	approvalID func(err error) string
	operator   func(ctx context.Context, who httpapi.Identity) bool
}

// New returns the handler. The host mounts it under any prefix with http.StripPrefix.
func New(s *automation.Service, cfg Config) (http.Handler, error) {
	if s == nil {
		return nil, errors.New("automationadmin: no service")
	}
	api, err := httpapi.New(cfg.Config)
	if err != nil {
		return nil, err
	}
	parts, err := catalogOf(s.Catalog())
	if err != nil {
		return nil, err
	}
	a := admin{service: s, authorize: cfg.Authorize, approvalID: cfg.ApprovalID, operator: cfg.Operator}
	mux := http.NewServeMux()
	api.Handle(mux, "GET /rules", a.reading(a.listRules))
	api.Handle(mux, "POST /rules", a.changing(a.createRule))
	api.Handle(mux, "POST /rules/bulk", a.reading(a.changeRules().Handler(api)))
	api.Handle(mux, "POST /rules/test", a.reading(a.testDefinition))
	api.Handle(mux, "GET /rules/{id}", a.reading(a.getRule))
	api.Handle(mux, "PUT /rules/{id}", a.changing(a.updateRule))
	api.Handle(mux, "POST /rules/{id}/enable", a.changing(a.turning(s.Enable)))
	api.Handle(mux, "POST /rules/{id}/disable", a.changing(a.turning(s.Disable)))
	api.Handle(mux, "POST /rules/{id}/test", a.reading(a.testRule))
	api.Handle(mux, "GET /rules/{id}/versions", a.reading(a.listVersions))
	api.Handle(mux, "GET /rules/{id}/versions/{version}", a.reading(a.getVersion))
	api.Handle(mux, "GET /runs", a.reading(a.listRuns))
	api.Handle(mux, "POST /runs/bulk", a.reading(a.changeRuns().Handler(api)))
	api.Handle(mux, "GET /runs/{id}", a.reading(a.getRun))
	api.Handle(mux, "POST /runs/{id}/rerun", a.changing(a.rerun))
	api.Handle(mux, "POST /runs/{id}/cancel", a.changing(a.cancel))
	api.Handle(mux, "GET /catalog", a.reading(func(w http.ResponseWriter, _ *http.Request, _ httpapi.Identity) error {
		return httpapi.WriteJSON(w, http.StatusOK, parts)
	}))
	api.Handle(mux, "GET /quotas", a.reading(httpapi.Quotas(s.Quotas)))
	mux.Handle("GET /openapi.json", httpapi.Document(document))
	return api.Mux(mux), nil
}

func (a admin) reading(h httpapi.Handler) httpapi.Handler { return httpapi.Reading(a.authorize, h) }

func (a admin) changing(h httpapi.Handler) httpapi.Handler {
	return httpapi.Changing(a.approvalID, func(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
		return told(h(w, r, who))
	})
}

// told returns the problem of an error that the standard table does not know, and
// every other as it is.
func told(err error) error {
	word, detail := "", ""
	switch {
	case errors.Is(err, automation.ErrDraft):
		word, detail = "draft_rule", "A rule of the environment draft cannot be enabled. Give it another environment first."
	case errors.Is(err, automation.ErrEnded):
		word, detail = "run_ended", "The run has ended."
	case errors.Is(err, automation.ErrMoved):
		word, detail = "rule_moved", "The current version of the rule is not for the event of the run."
	default:
		return err
	}
	p := httpapi.NewProblem(http.StatusConflict, word, detail)
	p.Cause = err
	return p
}
