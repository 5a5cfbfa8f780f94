package webhookadmin_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/secrets"
	"github.com/lumelle/adminkit/webhooks"
	"github.com/lumelle/adminkit/webhooks/egress"
	"github.com/lumelle/adminkit/webhooks/webhookadmin"
)

func ExampleNew() {
	backend, _ := memory.New(memory.Config{})
	queue, _ := jobs.NewQueue(backend.Jobs(), jobs.Config{})
	catalog, _ := audit.NewCatalog(audit.CatalogConfig{}, webhooks.Actions()...)
	governor, _ := audit.NewGovernor(backend, audit.Ungated, audit.Disabled, catalog)
	keys, _ := secrets.Generate()
	vault, _ := secrets.New(keys)
	deliverer, _ := egress.New(egress.Config{})
	defer deliverer.Close(context.Background())
	service, err := webhooks.New(governor, backend.Webhooks(), queue, vault, deliverer, webhooks.Config{
		NewID: func() string { return "ep_1" }, // leave it out: ids are UUIDs
	})
	if err != nil {
		panic(err)
	}
	h, err := webhookadmin.New(service, webhookadmin.Config{Config: httpapi.Config{
		Identify: func(*http.Request) (httpapi.Identity, error) {
			return httpapi.Identity{Tenant: "acme", Actor: audit.Actor{Type: audit.User, ID: "dana"}}, nil
		},
	}})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/api/v1/webhooks/", http.StripPrefix("/api/v1/webhooks", h))

	post := func(body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/api/v1/webhooks/endpoints", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w
	}
	w := post(`{"url":"https://hooks.example.com/in","event_types":["lumelle.orders.v1.*"]}`)
	fmt.Println(w.Code, w.Header().Get("ETag"), strings.Contains(w.Body.String(), `"secret":"whsec_`))
	w = post(`{"url":"https://10.0.0.1/","event_types":["lumelle.orders.v1.*"]}`)
	fmt.Println(w.Code, w.Body)
	// Output:
	// 201 "1" true
	// 422 {"type":"urn:adminkit:problem:invalid","title":"Unprocessable Entity","status":422,"detail":"The input was refused.","errors":[{"pointer":"/url","message":"is not a public address that webhooks may be sent to"}]}
}
