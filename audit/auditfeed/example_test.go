package auditfeed_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/auditfeed"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/storage/memory"
)

func ExampleNew() {
	ctx := audit.WithActor(context.Background(), audit.Actor{Type: audit.User, ID: "sam"})
	backend, err := memory.New(memory.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, audit.Action{Name: "orders.refund"})
	if err != nil {
		fmt.Println(err)
		return
	}
	log, err := audit.NewLog(backend.Audit(), audit.LogConfig{Catalog: catalog})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = log.Append(ctx, audit.Event{
		Action: "orders.refund", Tenant: "acme", Resource: audit.Resource{Type: "order", ID: "1001"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	feed, err := auditfeed.New(log, catalog, auditfeed.Config{Config: httpapi.Config{
		Identify: func(*http.Request) (httpapi.Identity, error) { // a host looks at the session
			return httpapi.Identity{Tenant: "acme", Actor: audit.Actor{Type: audit.User, ID: "audra"}}, nil
		},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	feed.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/events?actor=sam", nil))
	var page struct {
		Items []struct{ Action, Outcome string }
	}
	err = json.Unmarshal(w.Body.Bytes(), &page)
	fmt.Println(w.Code, page.Items, err)
	// Output: 200 [{orders.refund success}] <nil>
}
