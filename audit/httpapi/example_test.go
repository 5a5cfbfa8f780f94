package httpapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
)

// A surface of one's own: it knows who asks, reads strictly and answers problems.
func ExampleNew() {
	api, err := httpapi.New(httpapi.Config{
		Identify: func(r *http.Request) (httpapi.Identity, error) {
			if r.Header.Get("Authorization") != "Bearer sam" {
				return httpapi.Identity{}, httpapi.ErrUnauthenticated
			}
			return httpapi.Identity{Tenant: "acme", Actor: audit.Actor{Type: audit.User, ID: "sam"}}, nil
		},
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	api.Handle(mux, "POST /prices", func(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
		var in struct {
			Price string `json:"price"`
		}
		if err := httpapi.Decode(r, &in); err != nil {
			return err
		}
		actor, _ := audit.ActorFrom(r.Context()) // whom a Governor records
		return httpapi.WriteJSON(w, http.StatusCreated, map[string]string{"price": in.Price, "by": actor.ID, "of": who.Tenant})
	})

	ask := func(token, body string) {
		r := httptest.NewRequest(http.MethodPost, "/prices", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", token)
		w := httptest.NewRecorder()
		api.Mux(mux).ServeHTTP(w, r)
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}
	ask("Bearer sam", `{"price":"12.50"}`)
	ask("Bearer sam", `{"price":"12.50","Price":"99.00"}`)
	ask("", `{"price":"12.50"}`)
	// Output:
	// 201 {"by":"sam","of":"acme","price":"12.50"}
	// 400 {"type":"urn:adminkit:problem:bad_request","title":"Bad Request","status":400,"detail":"The request could not be read.","errors":[{"pointer":"/Price","message":"is not a known field"}]}
	// 401 {"type":"urn:adminkit:problem:unauthenticated","title":"Unauthorized","status":401,"detail":"The request names nobody."}
}
