package main

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/httpapi/webpage"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/webhooks"
)

// webhookPages are the endpoints, and the deliveries to them.
func (a *app) webhookPages(mux *http.ServeMux) {
	page := func(pattern string, h pageHandler) { a.page(mux, pattern, a.readable(readWebhooks, h)) }
	page("GET /webhooks", func(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
		return a.endpointsPage(w, r, who, endpointForm{EventTypes: "lumelle.orders.v1.*"}, nil)
	})
	page("POST /webhooks", a.createEndpoint)
	page("GET /webhooks/{id}", func(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
		return a.endpointPage(w, r, who, r.PathValue("id"), "", nil)
	})
	page("POST /webhooks/{id}/disable", a.disableEndpoint)
	page("POST /webhooks/{id}/enable", a.enableEndpoint)
	page("GET /deliveries", a.deliveriesPage)
	page("GET /deliveries/{id}", func(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
		return a.deliveryPage(w, r, who, nil)
	})
	page("POST /deliveries/{id}/redeliver", a.redeliver)
}

const (
	endpointsOnPage  = 50
	deliveriesOnPage = 25
	latestDeliveries = 10
)

// An endpointForm is what the form of a new endpoint holds.
type endpointForm struct{ URL, EventTypes, EventTypesError, Description string }

type endpointsData struct {
	Items []webhooks.Endpoint
	Next  storage.Cursor
	Form  endpointForm
}

func (a *app) endpointsPage(w http.ResponseWriter, r *http.Request, who httpapi.Identity, form endpointForm, problem *httpapi.Problem) error {
	page, err := a.webhooks.List(r.Context(), who.Tenant, webhooks.EndpointQuery{
		Limit: endpointsOnPage, After: storage.Cursor(r.FormValue("after")),
	})
	if err != nil {
		return err
	}
	if problem != nil {
		for _, e := range problem.Errors {
			if strings.HasPrefix(e.Pointer, "/event_types") {
				form.EventTypesError = "An event type " + e.Message + "."
			}
		}
	}
	data := endpointsData{Items: page.Items, Next: page.Next, Form: form}
	return a.show(w, r, who, "webhooks", view{Title: "Webhooks", Current: "/webhooks", Problem: problem, Data: data})
}

// createEndpoint answers with the page of the new endpoint itself and not with a way
// there: the secret is shown this once.
func (a *app) createEndpoint(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	form := endpointForm{
		URL: r.PostFormValue("url"), EventTypes: r.PostFormValue("event_types"), Description: r.PostFormValue("description"),
	}
	endpoint, secret, err := a.webhooks.Create(r.Context(), who.Tenant, webhooks.EndpointInput{
		URL: form.URL, EventTypes: strings.Fields(form.EventTypes), Description: form.Description,
	})
	if problem := shown(err); problem != nil {
		return a.endpointsPage(w, r, who, form, problem)
	}
	if err != nil {
		return err
	}
	return a.endpointPage(w, r, who, endpoint.ID, secret, nil)
}

// shown returns the problem that the page of a form tells itself, nil where err is
// none or needs a page of its own.
func shown(err error) *httpapi.Problem {
	if err == nil || errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if p := httpapi.ProblemOf(err); p.Status < http.StatusInternalServerError {
		return p
	}
	return nil
}

type endpointData struct {
	Endpoint   webhooks.Endpoint
	Deliveries []webhooks.Delivery
	// Secret is set once, right after the endpoint was made.
	Secret string
}

func (a *app) endpointPage(w http.ResponseWriter, r *http.Request, who httpapi.Identity, id, secret string, problem *httpapi.Problem) error {
	endpoint, err := a.webhooks.Get(r.Context(), who.Tenant, id)
	if err != nil {
		return err
	}
	latest, err := a.webhooks.Deliveries(r.Context(), who.Tenant, webhooks.DeliveryQuery{EndpointID: id, Limit: latestDeliveries})
	if err != nil {
		return err
	}
	data := endpointData{Endpoint: endpoint, Deliveries: latest.Items, Secret: secret}
	return a.show(w, r, who, "endpoint", view{Title: endpoint.URL, Current: "/webhooks", Problem: problem, Data: data})
}

func (a *app) disableEndpoint(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	_, err := a.webhooks.Disable(r.Context(), who.Tenant, r.PathValue("id"), r.PostFormValue("reason"))
	return a.afterSwitch(w, r, who, err)
}

func (a *app) enableEndpoint(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	_, err := a.webhooks.Enable(r.Context(), who.Tenant, r.PathValue("id"))
	return a.afterSwitch(w, r, who, err)
}

func (a *app) afterSwitch(w http.ResponseWriter, r *http.Request, who httpapi.Identity, err error) error {
	id := r.PathValue("id")
	return a.after(w, r, err, "/webhooks/"+url.PathEscape(id), func(problem *httpapi.Problem) error {
		return a.endpointPage(w, r, who, id, "", problem)
	})
}

type deliveriesData struct {
	Filter   webhooks.DeliveryQuery
	Statuses []string
	Items    []webhooks.Delivery
	Next     string
}

func (a *app) deliveriesPage(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	data := deliveriesData{
		Filter: webhooks.DeliveryQuery{
			EndpointID: r.FormValue("endpoint_id"), EventType: r.FormValue("event_type"), Status: r.FormValue("status"),
			TraceID: r.FormValue("trace_id"), After: storage.Cursor(r.FormValue("after")), Limit: deliveriesOnPage,
		},
		Statuses: []string{webhooks.Pending, webhooks.Succeeded, webhooks.Failed, webhooks.Cancelled},
	}
	page, err := a.webhooks.Deliveries(r.Context(), who.Tenant, data.Filter)
	if err != nil {
		return err
	}
	data.Items, data.Next = page.Items, webpage.Next(r, page.Next)
	return a.show(w, r, who, "deliveries", view{Title: "Deliveries", Current: "/deliveries", Data: data})
}

type deliveryData struct {
	Delivery webhooks.Delivery
	Attempts []webhooks.Attempt
}

func (a *app) deliveryPage(w http.ResponseWriter, r *http.Request, who httpapi.Identity, problem *httpapi.Problem) error {
	delivery, attempts, err := a.webhooks.Delivery(r.Context(), who.Tenant, r.PathValue("id"))
	if err != nil {
		return err
	}
	data := deliveryData{Delivery: delivery, Attempts: attempts}
	return a.show(w, r, who, "delivery", view{Title: delivery.EventType, Current: "/deliveries", Problem: problem, Data: data})
}

func (a *app) redeliver(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	id := r.PathValue("id")
	_, err := a.webhooks.Redeliver(r.Context(), who.Tenant, id, r.PostFormValue("reason"))
	return a.after(w, r, err, "/deliveries/"+url.PathEscape(id), func(problem *httpapi.Problem) error {
		return a.deliveryPage(w, r, who, problem)
	})
}
