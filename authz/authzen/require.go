package authzen

import (
	"errors"
	"net/http"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/authz"
)

// A Question says what a request wants to do: the action and the resource, and
// perhaps a payload and a context. Require fills in a tenant and a subject that it
// leaves out, from who asks. An error is answered as its problem and lets nothing
// through.
type Question func(r *http.Request, who httpapi.Identity) (authz.Request, error)

// Require returns the middleware that asks a before each request.
//
// Allow alone lets a request through; its ctx then names the actor. Deny and
// needs_approval are 403 problem documents whose reason says why, a missing step-up
// is 401 with the challenge of RFC 9470, nobody is 401, and a failure is 503.
func Require(a authz.Authorizer, config httpapi.Config, question Question) (func(http.Handler) http.Handler, error) {
	if a == nil {
		return nil, errors.New("authzen: no authorizer")
	}
	if question == nil {
		return nil, errors.New("authzen: no question")
	}
	api, err := httpapi.New(config)
	if err != nil {
		return nil, err
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			who, err := config.Identify(r)
			if err != nil {
				api.Error(w, r, err)
				return
			}
			r = r.WithContext(audit.WithActor(r.Context(), who.Actor))
			if err := ask(a, r, who, question); err != nil {
				api.Error(w, r, err)
				return
			}
			next.ServeHTTP(w, r)
		})
	}, nil
}

// ask returns nil for Allow and the error of every other answer.
func ask(a authz.Authorizer, r *http.Request, who httpapi.Identity, question Question) error {
	request, err := question(r, who)
	if err != nil {
		return err
	}
	if request.Tenant == "" {
		request.Tenant = who.Tenant
	}
	if request.Subject.Type == "" && request.Subject.ID == "" {
		request.Subject.Type, request.Subject.ID = who.Actor.Type, who.Actor.ID
		request.Authn = who.Actor.Authn
	}
	d, err := a.Authorize(r.Context(), request)
	if err != nil {
		p := httpapi.NewProblem(http.StatusServiceUnavailable, "unavailable", "The permission could not be checked. Please try again.")
		p.Header = map[string]string{"Retry-After": "1"}
		p.Cause = err
		return p
	}
	switch d.Effect {
	case audit.Allow:
		return nil
	case audit.StepUp:
		return &audit.StepUpError{Verdict: d.Verdict()}
	}
	return &audit.DeniedError{Verdict: d.Verdict()}
}
