package httpapitest_test

import (
	"net/http"
	"testing"

	"github.com/lumelle/adminkit/audit/httpapi/httpapitest"
)

const doc = `{"openapi":"3.1.0","info":{"title":"t","version":"1"},"servers":[{"url":"/api"}],
"paths":{"/things/{id}":{"get":{"responses":{
 "200":{"description":"one","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Thing"}}}},
 "404":{"$ref":"#/components/responses/Problem"}}}}},
"components":{"schemas":{"Thing":{"type":"object","required":["id"],"additionalProperties":false,"properties":{"id":{"type":"string"}}}},
 "responses":{"Problem":{"description":"p","content":{"application/problem+json":{"schema":{"type":"object","required":["status"]}}}}}}}`

// recorder counts complaints instead of failing.
type recorder struct {
	testing.TB
	errors int
}

func (r *recorder) Errorf(string, ...any) { r.errors++ }
func (r *recorder) Error(...any)          { r.errors++ }
func (r *recorder) Helper()               {}

func TestCheck(t *testing.T) {
	t.Parallel()
	d := httpapitest.Load(t, []byte(doc))
	for _, c := range []struct {
		name, method, path, contentType, body string
		status, want                          int
	}{
		{"an answer as documented", "GET", "/api/things/1", "application/json", `{"id":"1"}`, 200, 0},
		{"a shared answer as documented", "GET", "/api/things/1", "application/problem+json", `{"status":404}`, 404, 0},
		{"a missing field", "GET", "/api/things/1", "application/json", `{}`, 200, 1},
		{"a field too many", "GET", "/api/things/1", "application/json", `{"id":"1","x":1}`, 200, 1},
		{"another content type", "GET", "/api/things/1", "text/plain", `{"id":"1"}`, 200, 1},
		{"an undocumented status", "GET", "/api/things/1", "application/json", `{}`, 500, 1},
		{"an undocumented path", "GET", "/api/other", "application/json", `{}`, 200, 1},
		{"an undocumented method", "POST", "/api/things/1", "application/json", `{}`, 200, 1},
		{"a shared answer without its field", "GET", "/api/things/1", "application/problem+json", `{}`, 404, 1},
	} {
		r := &recorder{TB: t}
		d.Check(r, c.method, c.path, c.status, http.Header{"Content-Type": {c.contentType}}, []byte(c.body))
		if r.errors != c.want {
			t.Errorf("%s: got %d complaints, want %d", c.name, r.errors, c.want)
		}
	}
}

func TestCoversFindsAMissingRoute(t *testing.T) {
	t.Parallel()
	d := httpapitest.Load(t, []byte(doc))
	for status, want := range map[int]int{401: 0, 404: 1, 405: 1} {
		r := &recorder{TB: t}
		d.Covers(r, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		if r.errors != want {
			t.Errorf("status %d: got %d complaints, want %d", status, r.errors, want)
		}
	}
}
