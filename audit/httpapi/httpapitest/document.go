// Package httpapitest holds a surface to its OpenAPI document.
//
//	doc := httpapitest.Load(t, portal.OpenAPI)
//	doc.Covers(t, handler)                  // every documented operation exists
//	doc.Check(t, method, path, status, header, body) // this answer is as documented
//	doc.Transport(t, http.DefaultTransport) // ... every answer of a client is
//
// and its lists to what the domain declares:
//
//	httpapitest.List(t, httpapitest.ListUnderTest{Fields: webhooks.Endpoints().Info(), ...})
//
// A [Client] asks it as people do, who are known by [Identify]:
//
//	c := httpapitest.Serve(t, mux, "/api/v1/webhooks", webhookadmin.OpenAPI())
//	c.Want(c.Do("sam@acme", "DELETE", "/endpoints/"+id, "", `If-Match: "1"`), 204)
package httpapitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// A Document is a loaded OpenAPI 3.1 document.
type Document struct {
	paths    map[string]map[string]operation
	shared   map[string]response        // components/responses
	schemas  map[string]json.RawMessage // components/schemas
	prefix   string
	compiler *jsonschema.Compiler
}

type operation struct {
	Parameters []parameter         `json:"parameters"`
	Responses  map[string]response `json:"responses"`
}

type parameter struct {
	Name   string          `json:"name"`
	In     string          `json:"in"`
	Schema json.RawMessage `json:"schema"`
}

type response struct {
	Ref     string                     `json:"$ref"`
	Content map[string]json.RawMessage `json:"content"`
}

const location = "openapi.json"

var methods = []string{"get", "put", "post", "delete", "patch"}

// Load reads a document. Paths are relative to the first server's URL where the
// document names one.
func Load(t testing.TB, doc []byte) *Document {
	t.Helper()
	var d struct {
		OpenAPI string `json:"openapi"`
		Servers []struct {
			URL string `json:"url"`
		} `json:"servers"`
		Paths      map[string]map[string]json.RawMessage `json:"paths"`
		Components struct {
			Responses map[string]response        `json:"responses"`
			Schemas   map[string]json.RawMessage `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(doc, &d); err != nil {
		t.Fatalf("the OpenAPI document is no JSON: %v", err)
	}
	if !strings.HasPrefix(d.OpenAPI, "3.1.") {
		t.Fatalf("openapi is %q, want 3.1", d.OpenAPI)
	}
	doc31 := &Document{paths: map[string]map[string]operation{}, shared: d.Components.Responses, schemas: d.Components.Schemas, compiler: jsonschema.NewCompiler()}
	doc31.compiler.Draft = jsonschema.Draft2020
	if len(d.Servers) > 0 {
		doc31.prefix = strings.TrimSuffix(d.Servers[0].URL, "/")
	}
	for path, item := range d.Paths {
		doc31.paths[path] = map[string]operation{}
		for method, raw := range item {
			if !slices.Contains(methods, method) {
				continue
			}
			var op operation
			if err := json.Unmarshal(raw, &op); err != nil {
				t.Fatalf("%s %s: %v", method, path, err)
			}
			doc31.paths[path][method] = op
		}
	}
	if err := doc31.compiler.AddResource(location, bytes.NewReader(doc)); err != nil {
		t.Fatalf("the OpenAPI document: %v", err)
	}
	return doc31
}

// Covers fails for every documented operation that h does not know: the surfaces of
// the kit answer 401 to a request without identity where the route exists, and 404
// or 405 where it does not.
func (d *Document) Covers(t testing.TB, h http.Handler) {
	t.Helper()
	if len(d.paths) == 0 {
		t.Error("the document names no path")
	}
	for path, item := range d.paths {
		target := strings.NewReplacer("{", "", "}", "").Replace(path)
		for method := range item {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(strings.ToUpper(method), target, nil))
			if w.Code != http.StatusUnauthorized {
				t.Errorf("%s %s is documented; without identity it answered %d, want 401", method, path, w.Code)
			}
		}
	}
}

// Check fails where an answer is not as documented: its operation, its status, its
// content type, or its body by the schema.
func (d *Document) Check(t testing.TB, method, path string, status int, header http.Header, body []byte) {
	t.Helper()
	template, op, ok := d.find(method, path)
	if !ok {
		t.Errorf("%s %s is not documented", method, path)
		return
	}
	name := fmt.Sprintf("%s %s %d", method, template, status)
	key := fmt.Sprint(status)
	answer, ok := op.Responses[key]
	if !ok {
		key = "default"
		if answer, ok = op.Responses[key]; !ok {
			t.Errorf("%s is not documented", name)
			return
		}
	}
	pointer := "#/paths/" + escape(template) + "/" + strings.ToLower(method) + "/responses/" + key
	if answer.Ref != "" {
		pointer = answer.Ref
		name, _ := strings.CutPrefix(answer.Ref, "#/components/responses/")
		if answer, ok = d.shared[name]; !ok {
			t.Errorf("%s leads nowhere", pointer)
			return
		}
	}
	if len(answer.Content) == 0 {
		if len(bytes.TrimSpace(body)) > 0 {
			t.Errorf("%s: a body where none is documented: %s", name, body)
		}
		return
	}
	mediaType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		t.Errorf("%s: content type: %v", name, err)
		return
	}
	if _, ok := answer.Content[mediaType]; !ok {
		t.Errorf("%s: %s is not documented", name, mediaType)
		return
	}
	schema, err := d.compiler.Compile(location + pointer + "/content/" + escape(mediaType) + "/schema")
	if err != nil {
		t.Errorf("%s: schema: %v", name, err)
		return
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		t.Errorf("%s: body: %v", name, err)
		return
	}
	if err := schema.Validate(v); err != nil {
		t.Errorf("%s: %#v\n%s", name, err, body)
	}
}

// parameter returns the schema of a parameter in the query of a GET, and fails where the
// document has none.
func (d *Document) parameter(t testing.TB, path, name string) json.RawMessage {
	t.Helper()
	for _, p := range d.paths[path]["get"].Parameters {
		if p.Name == name && p.In == "query" {
			return p.Schema
		}
	}
	t.Fatalf("GET %s has no parameter %q", path, name)
	return nil
}

// properties returns the members that a schema, or the one it refers to, has.
func (d *Document) properties(t testing.TB, schema json.RawMessage) map[string]json.RawMessage {
	t.Helper()
	var s struct {
		Ref        string                     `json:"$ref"`
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(schema, &s); err != nil {
		t.Fatalf("a schema: %v", err)
	}
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		return d.properties(t, d.schemas[name])
	}
	return s.Properties
}

// Transport returns a RoundTripper that checks every answer below the document's
// prefix on its way back.
func (d *Document) Transport(t testing.TB, next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return nil, err
		}
		d.Check(t, r.Method, r.URL.Path, resp.StatusCode, resp.Header, body)
		resp.Body = io.NopCloser(bytes.NewReader(body))
		return resp, nil
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// find returns the operation for a path; one without parameters goes first.
func (d *Document) find(method, path string) (string, operation, bool) {
	path = strings.TrimPrefix(path, d.prefix)
	best, found := "", false
	for template := range d.paths {
		if _, ok := d.paths[template][strings.ToLower(method)]; !ok || !matches(template, path) {
			continue
		}
		if !found || strings.Count(template, "{") < strings.Count(best, "{") {
			best, found = template, true
		}
	}
	return best, d.paths[best][strings.ToLower(method)], found
}

func matches(template, path string) bool {
	a, b := strings.Split(template, "/"), strings.Split(path, "/")
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] && !strings.HasPrefix(a[i], "{") {
			return false
		}
	}
	return true
}

func escape(s string) string {
	s = strings.NewReplacer("~", "~0", "/", "~1").Replace(s)
	return strings.NewReplacer("{", "%7B", "}", "%7D", "+", "%2B").Replace(s)
}
