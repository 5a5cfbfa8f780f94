package main

import (
	"context"
	"net/http"

	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/storage"
)

// A lister reads one of the shop's lists a page at a time. Whoever has a part in the
// merchant may read all of them.
type lister[T any] func(ctx context.Context, tenant string, limit int, after storage.Cursor) (storage.Page[T], error)

// listRoutes are the API of what the host only shows.
func (a *app) listRoutes(mux *http.ServeMux, api *httpapi.API) {
	api.Handle(mux, "GET /api/v1/inventory", listHandler(a.shop.Inventory))
	api.Handle(mux, "GET /api/v1/payouts", listHandler(a.shop.Payouts))
}

// listPages are the pages of the same.
func (a *app) listPages(mux *http.ServeMux) {
	a.page(mux, "GET /inventory", listPage(a, "inventory", "Inventory", a.shop.Inventory))
	a.page(mux, "GET /payouts", listPage(a, "payouts", "Payouts", a.shop.Payouts))
}

type listBody[T any] struct {
	Items []T            `json:"items"`
	Next  storage.Cursor `json:"next,omitempty"`
}

// listHandler answers a list as JSON.
func listHandler[T any](list lister[T]) httpapi.Handler {
	return func(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
		params, err := httpapi.ParseParams(r, "limit", "after")
		if err != nil {
			return err
		}
		limit, err := params.Limit()
		if err != nil {
			return err
		}
		page, err := list(r.Context(), who.Tenant, limit, params.After())
		if err != nil {
			return err
		}
		httpapi.LinkNext(w, r, page.Next)
		return httpapi.WriteJSON(w, http.StatusOK, listBody[T]{Items: page.Items, Next: page.Next})
	}
}

const rowsOnPage = 25

// listPage shows a list in the template of that name, which is its path too.
func listPage[T any](a *app, name, title string, list lister[T]) pageHandler {
	return func(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
		page, err := list(r.Context(), who.Tenant, rowsOnPage, storage.Cursor(r.FormValue("after")))
		if err != nil {
			return err
		}
		return a.show(w, r, who, name, view{Title: title, Current: "/" + name, Data: page})
	}
}
