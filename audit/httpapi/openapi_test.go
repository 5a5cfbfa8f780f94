package httpapi_test

import (
	"strings"
	"testing"

	"github.com/lumelle/adminkit/audit/httpapi"
)

func TestDocumentsOfSurfacesAreMergedUnderTheirNames(t *testing.T) {
	t.Parallel()
	part := `{"openapi":"3.1.0","paths":{"/x":{"get":{"responses":{"200":{"$ref":"#/components/responses/Ok"}}}}},
		"components":{"schemas":{"Item":{"type":"string"}},"responses":{"Ok":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Item"}}}}}}}`
	got, err := httpapi.MergeDocuments([]byte(`{"openapi":"3.1.0","info":{"title":"host"},"paths":{"/own":{}}}`),
		httpapi.Surface{Name: "one", Prefix: "/api/one", Document: []byte(part)},
		httpapi.Surface{Name: "two", Prefix: "/api/two", Document: []byte(part)})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"openapi":"3.1.0","info":{"title":"host"},"paths":{` +
		`"/api/one/x":{"get":{"responses":{"200":{"$ref":"#/components/responses/one.Ok"}}}},` +
		`"/api/two/x":{"get":{"responses":{"200":{"$ref":"#/components/responses/two.Ok"}}}},"/own":{}},` +
		`"components":{"responses":{` +
		`"one.Ok":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/one.Item"}}}},` +
		`"two.Ok":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/two.Item"}}}}},` +
		`"schemas":{"one.Item":{"type":"string"},"two.Item":{"type":"string"}}}}`
	if string(got) != want {
		t.Errorf("the document is\n%s\nwant\n%s", got, want)
	}
	for name, bad := range map[string]struct{ host, part string }{"the host's": {"{", "{}"}, "of one": {"{}", "["}} {
		_, err := httpapi.MergeDocuments([]byte(bad.host), httpapi.Surface{Name: "one", Document: []byte(bad.part)})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("the error is %v, want one that names %s", err, name)
		}
	}
}
