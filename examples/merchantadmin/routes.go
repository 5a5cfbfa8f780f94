package main

import (
	"context"
	"net/http"
	"time"

	"github.com/lumelle/adminkit/approvals/portal"
	"github.com/lumelle/adminkit/audit/httpapi"
)

// handler returns everything the admin serves, behind what every request passes.
func (a *app) handler() (http.Handler, error) {
	cfg := httpapi.Config{Identify: a.people.identify, Tx: a.db, Idempotency: a.db.Idempotency(), Vault: a.vault, Logger: a.log}
	api, err := httpapi.New(cfg)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	a.healthRoutes(mux, api)
	a.orderRoutes(mux, api)
	inbox, err := portal.New(a.approvals, cfg)
	if err != nil {
		return nil, err
	}
	mount(mux, "/api/v1/approvals", inbox)
	mux.Handle("GET /static/", a.pages.static)
	a.doorPages(mux)
	a.orderPages(mux)
	a.approvalPages(mux)
	a.auditPages(mux)
	a.webhookPages(mux)

	protect := http.NewCrossOriginProtection()
	protect.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		api.Error(w, r, httpapi.NewProblem(http.StatusForbidden, "cross_origin", "Another site sent this request."))
	}))
	return httpapi.Edge(a.log, secured(protect.Handler(api.Mux(mux)))), nil
}

// mount serves a surface of the kit below a prefix.
func mount(mux *http.ServeMux, prefix string, surface http.Handler) {
	mux.Handle(prefix+"/", http.StripPrefix(prefix, surface))
}

// contentPolicy allows what the admin embeds and nothing else; Pico draws its icons
// from data URLs.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
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
