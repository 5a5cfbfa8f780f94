package savedfilters_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/httpapi/savedfilters"
	"github.com/lumelle/adminkit/storage/listing/saved"
	"github.com/lumelle/adminkit/storage/memory"
)

// A person keeps a filter and is told where one does not fit the list.
func ExampleNew() {
	backend, err := memory.New(memory.Config{})
	if err != nil {
		panic(err)
	}
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, savedfilters.Actions()...)
	if err != nil {
		panic(err)
	}
	governor, err := audit.NewGovernor(backend, audit.Ungated, audit.Disabled, catalog)
	if err != nil {
		panic(err)
	}
	filters, err := saved.New(backend.SavedFilters(), []saved.List{saved.Of(orders)}, saved.Config{Govern: savedfilters.Govern(governor)})
	if err != nil {
		panic(err)
	}
	h, err := savedfilters.New(filters, savedfilters.Config{Config: httpapi.Config{
		Saved: filters, // of all surfaces with lists
		Identify: func(*http.Request) (httpapi.Identity, error) {
			return httpapi.Identity{Tenant: "acme", Actor: audit.Actor{Type: audit.User, ID: "sam"}}, nil
		},
	}})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/api/v1/lists/", http.StripPrefix("/api/v1/lists", h))

	post := func(body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/api/v1/lists/shop.orders/filters", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w
	}
	w := post(`{"name":"Open","shared":true,"filter":{"status":{"eq":"open"}},"sort":"-at"}`)
	fmt.Println(w.Code, w.Header().Get("ETag"))
	w = post(`{"name":"Lost","filter":{"status":{"eq":"lost"}}}`)
	fmt.Println(w.Code, w.Body)
	// Output:
	// 201 "1"
	// 422 {"type":"urn:adminkit:problem:invalid","title":"Unprocessable Entity","status":422,"detail":"The input was refused.","errors":[{"pointer":"/filter/status/eq","message":"must be open or paid"}]}
}
