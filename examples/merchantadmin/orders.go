package main

import (
	"net/http"
	"slices"

	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/examples/merchantadmin/shop"
	"github.com/lumelle/adminkit/storage"
)

// orderRoutes are the API of orders.
func (a *app) orderRoutes(mux *http.ServeMux, api *httpapi.API) {
	api.Handle(mux, "GET /api/v1/orders", listHandler(a.shop.Orders))
	api.Handle(mux, "POST /api/v1/orders/{id}/refund", a.postRefund)
	api.Handle(mux, "POST /api/v1/events", a.postEvents)
}

// orderPages are the pages of orders.
func (a *app) orderPages(mux *http.ServeMux) {
	a.page(mux, "GET /orders", listPage(a, "orders", "Orders", a.shop.Orders))
	a.page(mux, "GET /orders/{id}", func(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
		return a.orderPage(w, r, who, refundForm{Amount: r.FormValue("amount"), Reason: r.FormValue("reason")}, nil)
	})
	a.page(mux, "POST /orders/{id}/refund", a.postRefundForm)
}

// A refundForm is what the form of a refund holds. Its ID is made with the page.
type refundForm struct{ ID, Amount, Reason string }

type orderData struct {
	Order   shop.Order
	Refunds []shop.Refund
	Form    refundForm
	// NewForm offers to refund all that is left at once.
	NewForm bool
	// Done is the refund that was just made, and DoneTrace the trace it was made under.
	Done      *shop.Refund
	DoneTrace string
}

func (a *app) orderPage(w http.ResponseWriter, r *http.Request, who httpapi.Identity, form refundForm, problem *httpapi.Problem) error {
	o, err := a.shop.Order(r.Context(), who.Tenant, r.PathValue("id"))
	if err != nil {
		return err
	}
	refunds, err := a.shop.Refunds(r.Context(), who.Tenant, o.ID)
	if err != nil {
		return err
	}
	if form.ID == "" {
		form.ID = storage.NewID()
	}
	data := orderData{Order: o, Refunds: refunds, Form: form, NewForm: a.hasNewRefundForm(r.Context(), who, o)}
	if done := r.URL.Query().Get("refund"); done != "" {
		if i := slices.IndexFunc(refunds, func(r shop.Refund) bool { return r.ID == done }); i >= 0 {
			e, err := a.events.Get(r.Context(), who.Tenant, eventSource, done)
			if err != nil {
				return err
			}
			data.Done, data.DoneTrace = &refunds[i], e.Trace.TraceID
		}
	}
	return a.show(w, r, who, "order", view{Title: "Order #" + o.Number, Current: "/orders", Problem: problem, Data: data})
}
