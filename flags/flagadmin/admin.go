package flagadmin

import (
	"context"
	_ "embed"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/flags"
)

//go:embed openapi.json
var document []byte

// OpenAPI returns the OpenAPI 3.1 document of the surface, with paths relative to
// where it is mounted.
func OpenAPI() []byte { return slices.Clone(document) }

// Config configures the surface.
type Config struct {
	httpapi.Config
	// Authorize is asked before anything is read, nil allows. It answers an
	// *audit.DeniedError for whoever may not.
	Authorize func(ctx context.Context, who httpapi.Identity) error
	// ApprovalID names the approval that a refused change waits for, from the error of
	// the host's gate; nil where no gate asks for approvals.
	ApprovalID func(err error) string
}

type admin struct {
	service    *flags.Service
	authorize  func(ctx context.Context, who httpapi.Identity) error
	approvalID func(err error) string
	now        func() time.Time
}

// New returns the handler. The host mounts it under any prefix with http.StripPrefix.
func New(s *flags.Service, cfg Config) (http.Handler, error) {
	if s == nil {
		return nil, errors.New("flagadmin: no service")
	}
	api, err := httpapi.New(cfg.Config)
	if err != nil {
		return nil, err
	}
	a := admin{service: s, authorize: cfg.Authorize, approvalID: cfg.ApprovalID, now: cfg.Now}
	if a.now == nil {
		a.now = time.Now
	}
	mux := http.NewServeMux()
	api.Handle(mux, "GET /flags", a.reading(a.listFlags))
	api.Handle(mux, "POST /flags", a.changing(a.createFlag))
	api.Handle(mux, "POST /flags/bulk", a.reading(a.changeFlags().Handler(api)))
	api.Handle(mux, "GET /flags/{key}", a.reading(a.getFlag))
	api.Handle(mux, "PUT /flags/{key}", a.changing(a.updateFlag))
	api.Handle(mux, "DELETE /flags/{key}", a.changing(a.deleteFlag))
	api.Handle(mux, "POST /flags/{key}/evaluate", a.reading(a.evaluate))
	api.Handle(mux, "POST /flags/{key}/preview", a.reading(a.preview))
	api.Handle(mux, "POST /flags/{key}/kill", a.changing(a.switching(s.Kill)))
	api.Handle(mux, "POST /flags/{key}/restore", a.changing(a.switching(s.Restore)))
	api.Handle(mux, "POST /flags/{key}/overrides", a.changing(a.setOverride))
	api.Handle(mux, "DELETE /flags/{key}/overrides/{id}", a.changing(a.clearOverride))
	api.Handle(mux, "GET /flags/{key}/versions", a.reading(a.listVersions))
	api.Handle(mux, "GET /flags/{key}/versions/{revision}", a.reading(a.getVersion))
	api.Handle(mux, "GET /flags/{key}/diff", a.reading(a.diff))
	api.Handle(mux, "GET /audiences", a.reading(a.listAudiences))
	api.Handle(mux, "GET /audiences/{key}", a.reading(a.getAudience))
	api.Handle(mux, "PUT /audiences/{key}", a.changing(a.saveAudience))
	api.Handle(mux, "DELETE /audiences/{key}", a.changing(a.deleteAudience))
	api.Handle(mux, "GET /flags/-/quotas", a.reading(httpapi.Quotas(s.Quotas)))
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
	inUse, ok := errors.AsType[*flags.InUseError](err)
	switch {
	case ok:
		word, detail = "audience_in_use", "The audience is used by "+strings.Join(inUse.Users, ", ")+"."
	case errors.Is(err, flags.ErrExists):
		word, detail = "flag_exists", "There is a flag of this key."
	default:
		return err
	}
	p := httpapi.NewProblem(http.StatusConflict, word, detail)
	p.Cause = err
	return p
}

// target returns the key in the path, the revision of If-Match, zero for none, and the
// parameter reason.
func target(r *http.Request) (key string, revision int64, reason string, err error) {
	if key, err = httpapi.PathID(r, "key"); err != nil {
		return "", 0, "", err
	}
	params, err := httpapi.ParseParams(r, "reason")
	if err != nil {
		return "", 0, "", err
	}
	revision, err = httpapi.IfMatch(r)
	return key, revision, params["reason"], err
}

// revisionOf reads the number of a version.
func revisionOf(name, text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, httpapi.BadRequest(name, "must be a revision")
	}
	return n, nil
}
