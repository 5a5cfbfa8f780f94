package automationadmin_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/schema"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/automation/automationadmin"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
)

// FuzzRule sends definitions: none is a 5xx, what is accepted is read as it was
// answered, comes back unchanged and can be tested.
func FuzzRule(f *testing.F) {
	f.Add(good)
	f.Add(`{"name":"x","automation_environment":"draft","trigger":{"type":"order.refunded"},"steps":[{"name":"a","if":{},"then":[],"else":[{"name":"b","action":"wait","with":{"for":"1s"}}]}]}`)
	f.Add(`{"name":"x","automation_environment":"prod","trigger":{"type":"event","event_type":"a.*"},"timeout":5,"retry":{"jitter":0},"steps":[{"name":"a","switch":[{"when":{"any":[{"path":"/data/x","op":"exists"}]},"steps":[{"name":"s","action":"stop","with":{"status":"filtered"}}]}],"default":[]}]}`)
	f.Add(`{"name":"x","automation_environment":"prod","trigger":{"type":"event","event_type":"a"},"steps":[{"name":"a","action":"test.probe","with":{"x":"{{ /data/y ?? 1 }}"},"on_decline":[]}]}`)
	f.Add(`{"id":"x","name":"y"}`)
	f.Fuzz(func(t *testing.T, body string) {
		h := newSurface(t)
		created := send(h, "POST", "/rules", body)
		if created.Code >= 500 {
			t.Fatalf("got %d %s", created.Code, created.Body)
		}
		tested := send(h, "POST", "/rules/test", `{"definition":`+body+`}`)
		if tested.Code >= 500 {
			t.Fatalf("its test: got %d %s", tested.Code, tested.Body)
		}
		if created.Code != http.StatusCreated {
			return
		}
		var rule struct {
			ID    string          `json:"id"`
			Steps json.RawMessage `json:"steps"`
		}
		must(t, json.Unmarshal(created.Body.Bytes(), &rule))
		shown := send(h, "GET", "/rules/"+rule.ID, "")
		if shown.Body.String() != created.Body.String() {
			t.Fatalf("created as %s, read as %s", created.Body, shown.Body)
		}
		changed := send(h, "PUT", "/rules/"+rule.ID, shown.Body.String())
		if changed.Code != http.StatusOK || !strings.Contains(changed.Body.String(), string(rule.Steps)) {
			t.Fatalf("%s came back and was answered %d %s", shown.Body, changed.Code, changed.Body)
		}
	})
}

func send(h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w
}

// newSurface is a surface for dana of acme, without a worker.
func newSurface(t *testing.T) http.Handler {
	b, err := memory.New(memory.Config{})
	must(t, err)
	t.Cleanup(func() { _ = b.Close(t.Context()) })
	queue, err := jobs.NewQueue(b.Jobs(), jobs.Config{})
	must(t, err)
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, automation.Actions()...)
	must(t, err)
	governor, err := audit.NewGovernor(b, audit.Ungated, audit.Disabled, catalog)
	must(t, err)
	rules, err := automation.NewCatalog(schema.Compile, automation.CatalogConfig{Triggers: []automation.Trigger{orderRefunded()}, Actions: []automation.Action{&probe{}}})
	must(t, err)
	service, err := automation.New(governor, b.Automation(), queue, rules, automation.Config{})
	must(t, err)
	h, err := automationadmin.New(service, automationadmin.Config{Config: httpapi.Config{
		Identify: func(*http.Request) (httpapi.Identity, error) {
			return httpapi.Identity{Tenant: "acme", Actor: audit.Actor{Type: audit.User, ID: "dana"}}, nil
		},
	}})
	must(t, err)
	return h
}
