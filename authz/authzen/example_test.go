package authzen_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/authz/authzen"
)

// oneOrder lets everybody read one order. A host has a Guard here.
var oneOrder = authz.AuthorizerFunc(func(_ context.Context, r authz.Request) (authz.Decision, error) {
	d := authz.Decision{PolicyVersion: "1"}
	if r.Action == "orders.read" && r.Resource.Key() == "order:1001" {
		d.Effect = audit.Allow
	}
	return d.Settle(r), nil
})

func everybodyIsSam(*http.Request) (httpapi.Identity, error) {
	return httpapi.Identity{Tenant: "acme", Actor: audit.Actor{Type: audit.User, ID: "sam"}}, nil
}

func ExampleNew() {
	h, err := authzen.New(oneOrder, httpapi.Config{Identify: everybodyIsSam})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/access/v1/", http.StripPrefix("/access/v1", h))

	r := httptest.NewRequest(http.MethodPost, "/access/v1/evaluation", strings.NewReader(`{
		"subject":  {"type": "user", "id": "sam"},
		"action":   {"name": "orders.read"},
		"resource": {"type": "order", "id": "1001"}
	}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output: 200 {"decision":true,"context":{"outcome":"allow","code":"allowed","reason_user":{"en":"Allowed."},"policy_version":"1"}}
}

func ExampleRequire() {
	require, err := authzen.Require(oneOrder, httpapi.Config{Identify: everybodyIsSam},
		func(r *http.Request, _ httpapi.Identity) (authz.Request, error) {
			return authz.Request{
				Action:   "orders.read",
				Resource: authz.Entity{Type: "order", ID: r.PathValue("id")},
			}, nil
		})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /orders/{id}", require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "the order")
	})))
	for _, path := range []string{"/orders/1001", "/orders/1002"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 200 the order
	// 403 {"type":"urn:adminkit:problem:denied","title":"Forbidden","status":403,"detail":"You may not do this.","reason":{"code":"no_matching_rule","text":"None of your roles allows this."}}
}
