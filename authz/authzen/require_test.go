package authzen_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/authz/authzen"
)

func record(h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestTheMiddlewareLetsNothingButAllowThrough(t *testing.T) {
	const challenge = `Bearer error="insufficient_user_authentication", error_description="A fresher authentication is required", acr_values="phr", max_age="300"`
	for _, tc := range []struct {
		action    string
		token     string
		status    int
		problem   string
		reason    string
		challenge string
	}{
		{"allow", "sam", http.StatusOK, "", "", ""},
		{"deny", "sam", http.StatusForbidden, "denied", "explicit_deny", ""},
		{"approve", "sam", http.StatusForbidden, "denied", "approval_required", ""},
		{"step_up", "sam", http.StatusUnauthorized, "step_up_required", "step_up_required", challenge},
		{"fail", "sam", http.StatusServiceUnavailable, "unavailable", "", ""},
		{"broken", "sam", http.StatusServiceUnavailable, "unavailable", "", ""},
		{"allow", "", http.StatusUnauthorized, "unauthenticated", "", "Bearer"},
	} {
		t.Run(tc.action+" "+tc.token, func(t *testing.T) {
			a := authz.AuthorizerFunc(func(ctx context.Context, r authz.Request) (authz.Decision, error) {
				if r.Subject.Key() != "user:sam" || r.Tenant != "acme" || r.Resource.ID != "1001" {
					t.Errorf("got question %+v", r)
				}
				d, err := (&wordy{}).Authorize(ctx, r)
				if d.Effect == audit.Deny {
					d.Reason = authz.Explain(authz.CodeExplicitDeny)
				}
				return d.Settle(r), err
			})
			require, err := authzen.Require(a, httpapi.Config{Identify: identify},
				func(r *http.Request, _ httpapi.Identity) (authz.Request, error) {
					return authz.Request{Action: tc.action, Resource: authz.Entity{Type: "order", ID: r.PathValue("id")}}, nil
				})
			if err != nil {
				t.Fatal(err)
			}
			ran := false
			mux := http.NewServeMux()
			mux.Handle("GET /orders/{id}", require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ran = true
				if actor, ok := audit.ActorFrom(r.Context()); !ok || actor.ID != "sam" {
					t.Errorf("the handler runs for %+v", actor)
				}
				io.WriteString(w, "order")
			})))
			var header []string
			if tc.token != "" {
				header = []string{"Authorization", "Bearer demo-" + tc.token}
			}
			w := record(mux, http.MethodGet, "/orders/1001", "", header...)
			if w.Code != tc.status {
				t.Errorf("got status %d, want %d", w.Code, tc.status)
			}
			if ran != (tc.status == http.StatusOK) {
				t.Errorf("the handler ran: %t", ran)
			}
			if got := w.Header().Get("WWW-Authenticate"); got != tc.challenge {
				t.Errorf("got challenge %q, want %q", got, tc.challenge)
			}
			if tc.problem == "" {
				return
			}
			var p struct {
				Type   string
				Reason struct{ Code, Text string }
			}
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(p.Type, ":"+tc.problem) || p.Reason.Code != tc.reason || (tc.reason != "" && p.Reason.Text == "") {
				t.Errorf("got problem %s", w.Body)
			}
			if strings.Contains(w.Body.String(), "secret") {
				t.Errorf("the cause is in the answer: %s", w.Body)
			}
		})
	}
}
