package portal_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/approvals/portal"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
)

// The portal under the prefix of a host's own API.
func Example() {
	backend, err := memory.New(memory.Config{})
	check(err)
	queue, err := jobs.NewQueue(backend.Jobs(), jobs.Config{})
	check(err)
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, approvals.Actions()...)
	check(err)
	managers := approvals.DirectoryFunc(func(context.Context, string, audit.Actor) ([]string, error) {
		return []string{"manager"}, nil
	})
	service, err := approvals.New(backend, backend.Approvals(), queue, managers, catalog, audit.Disabled, approvals.Config{})
	check(err)

	handler, err := portal.New(service, portal.Config{Config: httpapi.Config{
		// A host reads its session here.
		Identify: func(r *http.Request) (httpapi.Identity, error) {
			if r.Header.Get("Authorization") != "Bearer demo-marco" {
				return httpapi.Identity{}, httpapi.ErrUnauthenticated
			}
			return httpapi.Identity{Tenant: "acme", Actor: audit.Actor{Type: audit.User, ID: "marco"}}, nil
		},
	}})
	check(err)
	mux := http.NewServeMux()
	mux.Handle("/api/v1/approvals/", http.StripPrefix("/api/v1/approvals", handler))

	for _, token := range []string{"", "Bearer demo-marco"} {
		r := httptest.NewRequest("GET", "/api/v1/approvals/requests?tab=Pending", nil)
		r.Header.Set("Authorization", token)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}
	// Output:
	// 401 {"type":"urn:adminkit:problem:unauthenticated","title":"Unauthorized","status":401,"detail":"The request names nobody."}
	// 200 {"items":[],"counts":{"Done":0,"Pending":0,"Snoozed":0},"next":""}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
