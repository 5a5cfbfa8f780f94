package flagadmin_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/flagadmin"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
)

func ExampleNew() {
	backend, _ := memory.New(memory.Config{})
	queue, _ := jobs.NewQueue(backend.Jobs(), jobs.Config{})
	catalog, _ := audit.NewCatalog(audit.CatalogConfig{}, flags.Actions()...)
	governor, _ := audit.NewGovernor(backend, audit.Ungated, audit.Disabled, catalog)
	service, err := flags.New(governor, backend.Flags(), queue, flags.Config{})
	if err != nil {
		panic(err)
	}
	h, err := flagadmin.New(service, flagadmin.Config{Config: httpapi.Config{
		Identify: func(*http.Request) (httpapi.Identity, error) {
			return httpapi.Identity{Tenant: "acme", Actor: audit.Actor{Type: audit.User, ID: "dana"}}, nil
		},
	}})
	if err != nil {
		panic(err)
	}
	h = http.StripPrefix("/api/v1", h)
	mux := http.NewServeMux()
	for _, root := range []string{"/api/v1/flags", "/api/v1/audiences"} {
		mux.Handle(root, h)
		mux.Handle(root+"/", h)
	}

	post := func(path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w
	}
	w := post("/api/v1/flags", `{"key":"payouts","type":"ops","value_type":"bool","variants":{"on":true,"off":false},
		"environments":{"prod":{"enabled":true,"default_variant":"off","rules":[{"name":"pro","when":{"path":"plan","op":"eq","value":"pro"},"serve":{"variant":"on"}}]}}}`)
	fmt.Println(w.Code, w.Header().Get("ETag"))
	w = post("/api/v1/flags/payouts/evaluate", `{"environment":"prod","context":{"targetingKey":"m-1","plan":"pro"}}`)
	fmt.Println(w.Code, strings.Contains(w.Body.String(), `"value":true,"variant":"on","reason":"TARGETING_MATCH","rule":"pro"`))
	w = post("/api/v1/flags/payouts/kill", `{"environment":"prod"}`)
	fmt.Println(w.Code, w.Body)
	// Output:
	// 201 "1"
	// 200 true
	// 422 {"type":"urn:adminkit:problem:invalid","title":"Unprocessable Entity","status":422,"detail":"The input was refused.","errors":[{"pointer":"/reason","message":"must say why"}]}
}
