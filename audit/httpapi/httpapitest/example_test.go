package httpapitest_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/lumelle/adminkit/audit/httpapi/httpapitest"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// Answers are held to the document: this one has two that it promises, and one that it
// keeps to itself. In a test t is the test's own.
func ExampleDocument_Check() {
	const document = `{
		"openapi": "3.1.0",
		"servers": [{"url": "/api/v1"}],
		"paths": {"/orders/{id}": {"get": {"responses": {
			"200": {"content": {"application/json": {"schema": {"type": "object", "required": ["id"]}}}},
			"404": {}
		}}}}
	}`
	failures := ruletest.Try(context.Background(), func(t testing.TB) {
		doc := httpapitest.Load(t, []byte(document))
		asJSON := http.Header{"Content-Type": {"application/json; charset=utf-8"}}
		doc.Check(t, "GET", "/api/v1/orders/1001", 200, asJSON, []byte(`{"id": "1001"}`))
		doc.Check(t, "GET", "/api/v1/orders/none", 404, nil, nil)
		doc.Check(t, "GET", "/api/v1/orders/1001", 500, nil, nil)
		doc.Check(t, "DELETE", "/api/v1/orders/1001", 204, nil, nil)
	})
	for _, f := range failures {
		fmt.Println(f)
	}
	// Output:
	// GET /orders/{id} 500 is not documented
	// DELETE /api/v1/orders/1001 is not documented
}
