package webhookadmin

import (
	"context"
	_ "embed"
	"errors"
	"net/http"
	"slices"

	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/webhooks"
)

//go:embed openapi.json
var document []byte

// OpenAPI returns the OpenAPI 3.1 document of the surface, with paths relative to
// where it is mounted.
func OpenAPI() []byte { return slices.Clone(document) }

// Config configures the surface.
type Config struct {
	httpapi.Config
	// Authorize is asked before anything is read, nil allows. It answers an
	// *audit.DeniedError for whoever may not.
	Authorize func(ctx context.Context, who httpapi.Identity) error
	// ApprovalID names the approval that a refused change waits for, from the error of
	// the host's gate; nil where no gate asks for approvals.
	ApprovalID func(err error) string
}

type admin struct {
	service    *webhooks.Service
	authorize  func(ctx context.Context, who httpapi.Identity) error
	approvalID func(err error) string
}

// New returns the handler. The host mounts it under any prefix with http.StripPrefix.
func New(s *webhooks.Service, cfg Config) (http.Handler, error) {
	if s == nil {
		return nil, errors.New("webhookadmin: no service")
	}
	api, err := httpapi.New(cfg.Config)
	if err != nil {
		return nil, err
	}
	a := admin{service: s, authorize: cfg.Authorize, approvalID: cfg.ApprovalID}
	mux := http.NewServeMux()
	api.Handle(mux, "GET /endpoints", a.reading(a.listEndpoints))
	api.Handle(mux, "POST /endpoints", a.changing(a.createEndpoint))
	api.Handle(mux, "POST /endpoints/bulk", a.reading(a.changeEndpoints().Handler(api)))
	api.Handle(mux, "GET /endpoints/{id}", a.reading(a.getEndpoint))
	api.Handle(mux, "PUT /endpoints/{id}", a.changing(a.updateEndpoint))
	api.Handle(mux, "DELETE /endpoints/{id}", a.changing(a.deleteEndpoint))
	api.Handle(mux, "POST /endpoints/{id}/disable", a.changing(a.disableEndpoint))
	api.Handle(mux, "POST /endpoints/{id}/enable", a.changing(a.enableEndpoint))
	api.Handle(mux, "POST /endpoints/{id}/rotate-secret", a.changing(a.rotateSecret))
	api.Handle(mux, "GET /deliveries", a.reading(a.listDeliveries))
	api.Handle(mux, "POST /deliveries/bulk", a.reading(a.changeDeliveries().Handler(api)))
	api.Handle(mux, "GET /deliveries/{id}", a.reading(a.getDelivery))
	api.Handle(mux, "POST /deliveries/{id}/redeliver", a.changing(a.redeliver))
	api.Handle(mux, "GET /quotas", a.reading(httpapi.Quotas(s.Quotas)))
	mux.Handle("GET /openapi.json", httpapi.Document(document))
	return api.Mux(mux), nil
}

func (a admin) reading(h httpapi.Handler) httpapi.Handler { return httpapi.Reading(a.authorize, h) }

func (a admin) changing(h httpapi.Handler) httpapi.Handler {
	return httpapi.Changing(a.approvalID, h)
}

func (a admin) listEndpoints(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	q, _, err := httpapi.ParseQuery(r, webhooks.Endpoints())
	if err != nil {
		return err
	}
	page, err := a.endpoints(r.Context(), who.Tenant, q)
	if err != nil {
		return err
	}
	httpapi.LinkNext(w, r, page.Next)
	return httpapi.WriteJSON(w, http.StatusOK, httpapi.ListOf(page, endpointOf))
}

func (a admin) endpoints(ctx context.Context, tenant string, q listing.Query) (storage.Page[webhooks.Endpoint], error) {
	return a.service.List(ctx, tenant, webhooks.EndpointQuery{Filters: q.Filters, Sort: q.Sort, After: q.After, Limit: q.Limit})
}

// changeEndpoints returns what changes many endpoints.
func (a admin) changeEndpoints() httpapi.Bulk[webhooks.Endpoint] {
	return httpapi.Bulk[webhooks.Endpoint]{
		Of: webhooks.Endpoints(), Page: a.endpoints, ApprovalID: a.approvalID, Told: told,
		Actions: []httpapi.BulkAction{
			{Name: "disable", Reasoned: true, Do: func(ctx context.Context, tenant, id, reason string) error {
				_, err := a.service.Disable(ctx, tenant, id, reason)
				return err
			}},
			{Name: "enable", Do: func(ctx context.Context, tenant, id, _ string) error {
				_, err := a.service.Enable(ctx, tenant, id)
				return err
			}},
			{Name: "delete", Do: func(ctx context.Context, tenant, id, _ string) error {
				return a.service.Delete(ctx, tenant, id, 0)
			}},
		},
	}
}

func (a admin) createEndpoint(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	var in endpointInput
	if err := httpapi.Decode(r, &in); err != nil {
		return err
	}
	e, secret, err := a.service.Create(r.Context(), who.Tenant, in.endpoint())
	if err != nil {
		return told(err)
	}
	httpapi.SetETag(w, e.Revision)
	w.Header().Set("Cache-Control", "no-store")
	return httpapi.WriteJSON(w, http.StatusCreated, createdEndpoint{endpointOf(e), secret})
}

func (a admin) getEndpoint(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	id, err := httpapi.PathID(r, "id")
	if err != nil {
		return err
	}
	e, err := a.service.Get(r.Context(), who.Tenant, id)
	return answer(w, e, err)
}

func (a admin) updateEndpoint(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	id, revision, err := target(r)
	if err != nil {
		return err
	}
	var in endpointInput
	if err := httpapi.Decode(r, &in); err != nil {
		return err
	}
	e, err := a.service.Update(r.Context(), who.Tenant, id, revision, in.endpoint())
	return answer(w, e, err)
}

func (a admin) deleteEndpoint(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	id, revision, err := target(r)
	if err != nil {
		return err
	}
	if err := a.service.Delete(r.Context(), who.Tenant, id, revision); err != nil {
		return told(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a admin) disableEndpoint(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	id, err := httpapi.PathID(r, "id")
	if err != nil {
		return err
	}
	reason, err := reasonOf(r)
	if err != nil {
		return err
	}
	e, err := a.service.Disable(r.Context(), who.Tenant, id, reason)
	return answer(w, e, err)
}

func (a admin) enableEndpoint(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	id, err := httpapi.PathID(r, "id")
	if err != nil {
		return err
	}
	e, err := a.service.Enable(r.Context(), who.Tenant, id)
	return answer(w, e, err)
}

func (a admin) rotateSecret(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	id, err := httpapi.PathID(r, "id")
	if err != nil {
		return err
	}
	secret, err := a.service.RotateSecret(r.Context(), who.Tenant, id)
	if err != nil {
		return told(err)
	}
	w.Header().Set("Cache-Control", "no-store")
	return httpapi.WriteJSON(w, http.StatusOK, newSecret{id, secret})
}

func (a admin) listDeliveries(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	q, params, err := httpapi.ParseQuery(r, webhooks.Deliveries(), "endpoint_id", "event_type", "status", "trace_id")
	if err != nil {
		return err
	}
	status := params["status"]
	if status != "" && !slices.Contains(webhooks.Statuses(), status) {
		return httpapi.BadRequest("status", "must be pending, succeeded, failed or cancelled")
	}
	page, err := a.service.Deliveries(r.Context(), who.Tenant, webhooks.DeliveryQuery{
		EndpointID: params["endpoint_id"], EventType: params["event_type"], Status: status, TraceID: params["trace_id"],
		Filters: q.Filters, Sort: q.Sort, Limit: q.Limit, After: q.After,
	})
	if err != nil {
		return err
	}
	httpapi.LinkNext(w, r, page.Next)
	return httpapi.WriteJSON(w, http.StatusOK, httpapi.ListOf(page, a.deliveryOf))
}

// changeDeliveries returns what changes many deliveries.
func (a admin) changeDeliveries() httpapi.Bulk[webhooks.Delivery] {
	return httpapi.Bulk[webhooks.Delivery]{
		Of: webhooks.Deliveries(), ApprovalID: a.approvalID, Told: told,
		Page: func(ctx context.Context, tenant string, q listing.Query) (storage.Page[webhooks.Delivery], error) {
			return a.service.Deliveries(ctx, tenant, webhooks.DeliveryQuery{Filters: q.Filters, Sort: q.Sort, After: q.After, Limit: q.Limit})
		},
		Actions: []httpapi.BulkAction{
			{Name: "redeliver", Reasoned: true, Do: func(ctx context.Context, tenant, id, reason string) error {
				_, err := a.service.Redeliver(ctx, tenant, id, reason)
				return err
			}},
		},
	}
}

func (a admin) getDelivery(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	id, err := httpapi.PathID(r, "id")
	if err != nil {
		return err
	}
	d, attempts, err := a.service.Delivery(r.Context(), who.Tenant, id)
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, a.detailOf(d, attempts))
}

func (a admin) redeliver(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	id, err := httpapi.PathID(r, "id")
	if err != nil {
		return err
	}
	reason, err := reasonOf(r)
	if err != nil {
		return err
	}
	d, err := a.service.Redeliver(r.Context(), who.Tenant, id, reason)
	if err != nil {
		return told(err)
	}
	return httpapi.WriteJSON(w, http.StatusAccepted, a.deliveryOf(d))
}

// answer writes an endpoint, or returns what kept it from being one.
func answer(w http.ResponseWriter, e webhooks.Endpoint, err error) error {
	if err != nil {
		return told(err)
	}
	httpapi.SetETag(w, e.Revision)
	return httpapi.WriteJSON(w, http.StatusOK, endpointOf(e))
}

// told returns the problem of an error that the standard table does not know, and
// every other as it is.
func told(err error) error {
	word, detail := "", ""
	switch {
	case errors.Is(err, webhooks.ErrDisabled):
		word, detail = "endpoint_disabled", "The endpoint is disabled. Enable it first."
	case errors.Is(err, webhooks.ErrTooOld):
		word, detail = "message_too_old", "The message is too old to be redelivered."
	default:
		return err
	}
	p := httpapi.NewProblem(http.StatusConflict, word, detail)
	p.Cause = err
	return p
}

// target returns the id in the path and the revision of If-Match, zero for none.
func target(r *http.Request) (id string, revision int64, err error) {
	if id, err = httpapi.PathID(r, "id"); err != nil {
		return "", 0, err
	}
	revision, err = httpapi.IfMatch(r)
	return id, revision, err
}

// reasonOf reads the body of an action, which may be left out.
func reasonOf(r *http.Request) (string, error) {
	var in struct {
		Reason string `json:"reason"`
	}
	err := httpapi.DecodeOptional(r, &in)
	return in.Reason, err
}
