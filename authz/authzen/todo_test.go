package authzen_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/httpapi/httpapitest"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/authz/authzen"
	"github.com/lumelle/adminkit/authz/casbinengine"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/storage/storagetest/suitetest"
)

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

// todoModel is the policy language of the Todo scenario: what a role may do, to any
// todo or to its own. g gives roles to subjects, g2 leads from a subject to the user
// id that owners are written as.
const todoModel = `[request_definition]
r = sub, act, attr
[policy_definition]
p = role, act, scope
[role_definition]
g = _, _
g2 = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.act == p.act && g(r.sub, p.role) && (p.scope == "any" || g2(r.sub, attr(r.attr, "/resource/properties/ownerID")))
`

// todoRules are the rules of subjects.json as rows.
func todoRules() [][]string {
	var rules [][]string
	allow := func(action, scope string, roles ...string) {
		for _, role := range roles {
			rules = append(rules, []string{role, action, scope})
		}
	}
	allow("can_read_user", "any", "admin", "editor", "viewer", "evil_genius")
	allow("can_read_todos", "any", "admin", "editor", "viewer", "evil_genius")
	allow("can_create_todo", "any", "admin", "editor", "evil_genius")
	allow("can_update_todo", "any", "evil_genius")
	allow("can_update_todo", "own", "admin", "editor", "evil_genius")
	allow("can_delete_todo", "any", "admin")
	allow("can_delete_todo", "own", "admin", "editor", "evil_genius")
	return rules
}

// A surface is the handler over a guard over an engine, served on the loopback.
type surface struct {
	url    string
	client *http.Client
	log    *audit.Log
}

// serve puts the surface over an authorizer. Its callers are the person named by the
// bearer token, all of the tenant acme.
func serve(t *testing.T, b eachtest.Backend, a authz.Authorizer) surface {
	t.Helper()
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, authz.Actions()...)
	if err != nil {
		t.Fatal(err)
	}
	log, err := audit.NewLog(b.Audit(), audit.LogConfig{})
	if err != nil {
		t.Fatal(err)
	}
	guard, err := authz.New(a, b, log, catalog, authz.Config{})
	if err != nil {
		t.Fatal(err)
	}
	h, err := authzen.New(guard, httpapi.Config{Identify: identify})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/access/v1/", http.StripPrefix("/access/v1", h))
	server := httptest.NewServer(httpapi.Edge(nil, mux))
	t.Cleanup(server.Close)
	doc := httpapitest.Load(t, authzen.OpenAPI())
	client := *server.Client()
	client.Transport = doc.Transport(t, client.Transport)
	return surface{url: server.URL + "/access/v1", client: &client, log: log}
}

func identify(r *http.Request) (httpapi.Identity, error) {
	var person string
	if n, _ := fmt.Sscanf(r.Header.Get("Authorization"), "Bearer demo-%s", &person); n != 1 {
		return httpapi.Identity{}, httpapi.ErrUnauthenticated
	}
	actor := audit.Actor{Type: audit.User, ID: person}
	return httpapi.Identity{Tenant: "acme", Actor: actor}, nil
}

// post sends a body as the person sam and returns status, header and answer.
func (s surface) post(t *testing.T, path, body string, header ...string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer demo-sam")
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		if header[i+1] == "" {
			r.Header.Del(header[i])
		} else {
			r.Header.Set(header[i], header[i+1])
		}
	}
	resp, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

// todoDecisions is how many decisions the suite's own page counts.
const todoDecisions = 46

func TestTodoScenarioOverHTTP(t *testing.T) {
	dir := suitetest.Dir(t, "authzen-todo")
	var people struct {
		Subjects map[string]struct {
			ID    string
			Roles []string
		}
	}
	readJSON(t, filepath.Join(dir, "subjects.json"), &people)
	var cases struct {
		Evaluation []struct {
			Request  json.RawMessage
			Expected bool
		}
		Evaluations []struct {
			Request  json.RawMessage
			Expected []struct{ Decision bool }
		}
	}
	readJSON(t, filepath.Join(dir, "decisions-authorization-api-1_0-02.json"), &cases)

	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		engine, err := casbinengine.NewWithModel(b.Authz(), todoModel, casbinengine.ModelConfig{})
		if err != nil {
			t.Fatal(err)
		}
		var rows []authz.Row
		add := func(kind string, values ...string) {
			rows = append(rows, authz.Row{ID: fmt.Sprintf("%s-%d", kind, len(rows)), Kind: kind, Values: values})
		}
		for _, values := range todoRules() {
			add("p", values...)
		}
		for id, person := range people.Subjects {
			for _, role := range person.Roles {
				add("g", "user:"+id, role)
			}
			add("g2", "user:"+id, person.ID)
		}
		if err := engine.CheckRows("acme", rows); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Authz().Change(t.Context(), "acme", authz.Change{ID: "seed", Add: rows}); err != nil {
			t.Fatal(err)
		}
		s := serve(t, b, engine)
		decided := 0
		for i, c := range cases.Evaluation {
			t.Run(fmt.Sprintf("evaluation/%d", i), func(t *testing.T) {
				id := fmt.Sprintf("todo-%d", i)
				status, header, body := s.post(t, "/evaluation", string(c.Request), "X-Request-ID", id)
				var got struct{ Decision *bool }
				if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK || got.Decision == nil {
					t.Fatalf("got %d %s", status, body)
				}
				if *got.Decision != c.Expected {
					t.Errorf("got %t for %s, want %t: %s", *got.Decision, c.Request, c.Expected, body)
				}
				if header.Get("X-Request-ID") != id {
					t.Errorf("got X-Request-ID %q back, want %q", header.Get("X-Request-ID"), id)
				}
			})
			decided++
		}
		for i, c := range cases.Evaluations {
			t.Run(fmt.Sprintf("evaluations/%d", i), func(t *testing.T) {
				status, _, body := s.post(t, "/evaluations", string(c.Request))
				var got struct{ Evaluations []struct{ Decision bool } }
				if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK {
					t.Fatalf("got %d %s", status, body)
				}
				if len(got.Evaluations) != len(c.Expected) {
					t.Fatalf("got %d decisions, want %d", len(got.Evaluations), len(c.Expected))
				}
				for j, want := range c.Expected {
					if got.Evaluations[j].Decision != want.Decision {
						t.Errorf("got %t for item %d of %s, want %t", got.Evaluations[j].Decision, j, c.Request, want.Decision)
					}
				}
			})
			decided += len(c.Expected)
		}
		t.Logf("authzen-todo: %d of %d decisions ran, none left out", decided, todoDecisions)
		if decided != todoDecisions {
			t.Errorf("got %d decisions, want %d", decided, todoDecisions)
		}
	})
}
