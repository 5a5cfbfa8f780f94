package webhookadmin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/secrets"
	"github.com/lumelle/adminkit/webhooks"
	"github.com/lumelle/adminkit/webhooks/egress"
	"github.com/lumelle/adminkit/webhooks/webhookadmin"
)

// A host has new endpoints approved: dana asks for one, twice, marco agrees, and dana gets
// its secret by a rotation.
func Example_approval() {
	backend := mustMake(memory.New(memory.Config{}))
	queue := mustMake(jobs.NewQueue(backend.Jobs(), jobs.Config{}))
	catalog := mustMake(audit.NewCatalog(audit.CatalogConfig{}, slices.Concat(webhooks.Actions(), approvals.Actions())...))
	people := approvals.DirectoryFunc(func(context.Context, string, audit.Actor) ([]string, error) { return []string{"manager"}, nil })
	requests := mustMake(approvals.New(backend, backend.Approvals(), queue, people, catalog, audit.Disabled, approvals.Config{}))
	asks := audit.GateFunc(func(_ context.Context, e audit.Event) (audit.Verdict, error) {
		if e.Action == webhooks.ActionCreate {
			return audit.Verdict{Effect: audit.NeedsApproval, Obligations: audit.Obligations{Approval: &audit.ApprovalObligation{}}}, nil
		}
		return audit.Verdict{Effect: audit.Allow}, nil
	})
	governor := mustMake(audit.NewGovernor(backend, approvals.Gate(asks, requests), audit.Disabled, catalog))
	vault := mustMake(secrets.New(mustMake(secrets.Generate())))
	deliverer := mustMake(egress.New(egress.Config{}))
	defer deliverer.Close(context.Background())
	service := mustMake(webhooks.New(governor, backend.Webhooks(), queue, vault, deliverer, webhooks.Config{}))
	err := requests.Register(webhooks.ActionCreate, approvals.ApplierFunc(func(ctx context.Context, a approvals.Approved) (approvals.Result, error) {
		return approvals.Result{}, service.Apply(ctx, a.Event)
	}))
	if err != nil {
		panic(err)
	}
	h := mustMake(webhookadmin.New(service, webhookadmin.Config{
		Config: httpapi.Config{Identify: func(*http.Request) (httpapi.Identity, error) {
			return httpapi.Identity{Tenant: "acme", Actor: audit.Actor{Type: audit.User, ID: "dana"}}, nil
		}},
		ApprovalID: func(err error) string {
			if pending, ok := errors.AsType[*approvals.PendingError](err); ok {
				return pending.RequestID
			}
			return ""
		},
	}))

	type answer struct {
		Status    string `json:"status"`
		RequestID string `json:"request_id"`
		Secret    string `json:"secret"`
		Items     []struct {
			ID  string `json:"id"`
			URL string `json:"url"`
		} `json:"items"`
	}
	do := func(method, path, body string) (code int, a answer) {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
			panic(err)
		}
		return w.Code, a
	}
	endpoint := `{"url":"https://hooks.example.com/in","event_types":["lumelle.orders.v1.*"]}`
	code, asked := do("POST", "/endpoints", endpoint)
	_, again := do("POST", "/endpoints", endpoint)
	fmt.Println(code, asked.Status, again.RequestID == asked.RequestID)

	marco := audit.WithActor(context.Background(), audit.Actor{Type: audit.User, ID: "marco"})
	if _, err := requests.Decide(marco, "acme", asked.RequestID, approvals.Choice{Decision: approvals.Approve, Revision: 1}); err != nil {
		panic(err)
	}
	request := mustMake(requests.Apply(marco, "acme", asked.RequestID)) // a worker does it by itself
	fmt.Println(request.State)

	_, list := do("GET", "/endpoints", "")
	fmt.Println(len(list.Items), list.Items[0].URL)
	code, rotated := do("POST", "/endpoints/"+list.Items[0].ID+"/rotate-secret", "")
	fmt.Println(code, strings.HasPrefix(rotated.Secret, "whsec_"))
	// Output:
	// 202 awaiting_approval true
	// applied
	// 1 https://hooks.example.com/in
	// 200 true
}

// mustMake returns what a constructor made and panics where it could not.
func mustMake[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
