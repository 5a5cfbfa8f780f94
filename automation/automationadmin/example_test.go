package automationadmin_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/schema"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/automation/automationadmin"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
)

func ExampleNew() {
	backend, _ := memory.New(memory.Config{})
	queue, _ := jobs.NewQueue(backend.Jobs(), jobs.Config{})
	actions, _ := audit.NewCatalog(audit.CatalogConfig{}, automation.Actions()...)
	governor, _ := audit.NewGovernor(backend, audit.Ungated, audit.Disabled, actions)
	catalog, _ := automation.NewCatalog(schema.Compile, automation.CatalogConfig{
		Actions: []automation.Action{automation.NotifyLog(slog.New(slog.DiscardHandler))},
	})
	service, err := automation.New(governor, backend.Automation(), queue, catalog, automation.Config{})
	if err != nil {
		panic(err)
	}
	h, err := automationadmin.New(service, automationadmin.Config{Config: httpapi.Config{
		Identify: func(*http.Request) (httpapi.Identity, error) {
			return httpapi.Identity{Tenant: "acme", Actor: audit.Actor{Type: audit.User, ID: "dana"}}, nil
		},
	}})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/api/v1/automation/", http.StripPrefix("/api/v1/automation", h))

	post := func(body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/api/v1/automation/rules", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w
	}
	rule := `{"name":"Tell","automation_environment":"prod","trigger":{"type":"event","event_type":"lumelle.orders.v1.refunded"},
		"steps":[{"name":"tell","action":"notify.log","with":{"message":"{{ /subject }} was refunded"}}]}`
	w := post(rule)
	fmt.Println(w.Code, w.Header().Get("ETag"), strings.Contains(w.Body.String(), `"enabled":false`))
	w = post(strings.Replace(rule, `"{{ /subject }} was refunded"`, `7`, 1))
	fmt.Println(w.Code, w.Body)
	// Output:
	// 201 "1" true
	// 422 {"type":"urn:adminkit:problem:invalid","title":"Unprocessable Entity","status":422,"detail":"The input was refused.","errors":[{"pointer":"/steps/0/with/message","message":"expected string"}]}
}
