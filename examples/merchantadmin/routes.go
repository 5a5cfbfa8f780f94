package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/approvals/portal"
	"github.com/lumelle/adminkit/audit/auditfeed"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/httpapi/savedfilters"
	"github.com/lumelle/adminkit/audit/httpapi/webpage"
	"github.com/lumelle/adminkit/authz/authzen"
	"github.com/lumelle/adminkit/automation/automationadmin"
	"github.com/lumelle/adminkit/flags/flagadmin"
	"github.com/lumelle/adminkit/flags/ofrep"
	"github.com/lumelle/adminkit/webhooks/webhookadmin"
)

// handler returns everything the admin serves, behind what every request passes.
func (a *app) handler() (http.Handler, error) {
	cfg := httpapi.Config{
		Identify: a.people.identify, Tx: a.db, Idempotency: a.db.Idempotency(), Vault: a.vault, Saved: a.filters, Logger: a.log,
	}
	api, err := httpapi.New(cfg)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	if err := a.surfaces(mux, cfg); err != nil {
		return nil, err
	}
	a.healthRoutes(mux, api)
	a.orderRoutes(mux, api)
	a.listRoutes(mux, api)
	mux.Handle("GET /static/", a.pages.Static())
	a.doorPages(mux)
	a.orderPages(mux)
	a.listPages(mux)
	a.approvalPages(mux)
	a.auditPages(mux)
	a.webhookPages(mux)
	a.flagPages(mux)
	a.automationPages(mux)

	protect := http.NewCrossOriginProtection()
	protect.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		api.Error(w, r, httpapi.NewProblem(http.StatusForbidden, "cross_origin", "Another site sent this request."))
	}))
	return httpapi.Edge(a.log, webpage.Secured(protect.Handler(api.Mux(mux)))), nil
}

// surfaces mounts the handlers that the kit's packages bring along.
func (a *app) surfaces(mux *http.ServeMux, cfg httpapi.Config) error {
	mount := func(prefix string, surface http.Handler, err error) error {
		mux.Handle(prefix+"/", http.StripPrefix(prefix, surface))
		return err
	}
	decisions, err := authzen.New(a.guard, cfg)
	if err := mount("/access/v1", decisions, err); err != nil {
		return err
	}
	inbox, err := portal.New(a.approvals, portal.Config{Config: cfg, Authorize: a.reading(readApprovals)})
	if err := mount("/api/v1/approvals", inbox, err); err != nil {
		return err
	}
	endpoints, err := webhookadmin.New(a.webhooks, webhookadmin.Config{Config: cfg, Authorize: a.reading(readWebhooks)})
	if err := mount("/api/v1/webhooks", endpoints, err); err != nil {
		return err
	}
	registry, err := flagadmin.New(a.flags, flagadmin.Config{Config: cfg, Authorize: a.reading(readFlags), ApprovalID: pendingID})
	if err != nil {
		return err
	}
	for _, root := range []string{"/api/v1/flags", "/api/v1/audiences"} {
		mux.Handle(root, http.StripPrefix("/api/v1", registry))
		mux.Handle(root+"/", http.StripPrefix("/api/v1", registry))
	}
	evaluations, err := ofrep.New(a.provider, ofrep.Config{Config: cfg}) // for whoever is signed in, also while the policy is away
	if err := mount("/ofrep/v1", evaluations, err); err != nil {
		return err
	}
	rules, err := automationadmin.New(a.automation, automationadmin.Config{
		Config: cfg, Authorize: a.reading(readAutomation), ApprovalID: pendingID,
		Operator: func(ctx context.Context, who httpapi.Identity) bool { return a.reading(readErrors)(ctx, who) == nil },
	})
	if err := mount("/api/v1/automation", rules, err); err != nil {
		return err
	}
	kept, err := savedfilters.New(a.filters, savedfilters.Config{Config: cfg, ApprovalID: pendingID, Authorize: func(ctx context.Context, who httpapi.Identity, list string) error {
		return a.reading(strings.SplitN(list, ".", 2)[0]+".read")(ctx, who)
	}})
	if err := mount("/api/v1/lists", kept, err); err != nil {
		return err
	}
	feed, err := auditfeed.New(a.events, a.catalog, auditfeed.Config{Config: cfg, Authorize: a.reading(readAudit)})
	if err := mount("/api/v1/audit", feed, err); err != nil {
		return err
	}
	timeline, err := auditfeed.Timeline(auditfeed.Config{Config: cfg, Authorize: a.reading(readAudit)}, a.sources()...)
	if err != nil {
		return err
	}
	mux.Handle("/api/v1/timeline", timeline)
	document, err := openAPI()
	if err != nil {
		return err
	}
	mux.Handle("GET /api/openapi.json", httpapi.Document(document))
	return nil
}

// pendingID names the request that a change waits for.
func pendingID(err error) string {
	if pending, ok := errors.AsType[*approvals.PendingError](err); ok {
		return pending.RequestID
	}
	return ""
}

// readyWithin bounds how long a readiness probe waits for the database.
const readyWithin = 2 * time.Second

func (a *app) healthRoutes(mux *http.ServeMux, api *httpapi.API) {
	ok := map[string]string{"status": "ok"}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		httpapi.WriteJSON(w, http.StatusOK, ok)
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyWithin)
		defer cancel()
		if err := a.db.Ping(ctx); err != nil {
			p := httpapi.NewProblem(http.StatusServiceUnavailable, "not_ready", "The database does not answer.")
			p.Cause = err
			api.Error(w, r, p)
			return
		}
		httpapi.WriteJSON(w, http.StatusOK, ok)
	})
}
