package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/examples/merchantadmin/shop"
	"github.com/lumelle/adminkit/storage"
)

// The refund is the admin's sensitive action. It is defined once, as a guard, and
// runs at once or when it was approved; in both cases with the same code.
const (
	actionRefund  = "orders.refund"
	typeRefunded  = "lumelle.orders.v1.refunded"
	resourceOrder = "order"
)

// maxRefundReason is the longest reason in bytes.
const maxRefundReason = 500

// A refundPayload is what a refund was asked to do. Policies read its amount,
// approvals are bound to it, and receivers of webhooks get it.
type refundPayload struct {
	OrderID  string     `json:"order_id"`
	Amount   shop.Money `json:"amount"`
	Currency string     `json:"currency"`
	Reason   string     `json:"reason"`
}

// refundSchema is the JSON Schema (draft 7) of a refundPayload.
const refundSchema = `{
	"$schema": "http://json-schema.org/draft-07/schema#",
	"type": "object",
	"required": ["order_id", "amount", "currency", "reason"],
	"additionalProperties": false,
	"properties": {
		"order_id": {"type": "string", "minLength": 1, "maxLength": 255},
		"amount": {"type": "string", "pattern": "^(0|[1-9][0-9]{0,11})\\.[0-9]{2}$"},
		"currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
		"reason": {"type": "string", "minLength": 1, "maxLength": 500}
	}
}`

func refundAction() audit.Action {
	return audit.Action{
		Name: actionRefund, Type: typeRefunded, Label: "Refund",
		Description:   "A part of an order's total was given back to its customer.",
		Category:      audit.Activity,
		ResourceTypes: []string{resourceOrder},
		Schema:        json.RawMessage(refundSchema),
	}
}

// A refundRequest is a refund as somebody asks for it.
type refundRequest struct {
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
	Reason   string `json:"reason"`
}

// payload checks the request against the order and returns what it asks for.
func (in refundRequest) payload(o shop.Order) (refundPayload, error) {
	var bad *storage.InvalidError
	amount, err := shop.ParseMoney("/amount", in.Amount)
	switch {
	case errors.As(err, &bad):
	case amount == 0:
		bad = bad.Add("/amount", "must be positive")
	case amount > o.Left():
		bad = bad.Add("/amount", "must not be above the "+o.Left().String()+" that is left")
	}
	if in.Currency != o.Currency {
		bad = bad.Add("/currency", "must be "+o.Currency+", the currency of the order")
	}
	var text *storage.InvalidError
	switch {
	case in.Reason == "":
		bad = bad.Add("/reason", "must not be empty")
	case errors.As(storage.CheckText("/reason", in.Reason, maxRefundReason), &text):
		bad = bad.Add("/reason", text.Fields[0].Message)
	}
	return refundPayload{OrderID: o.ID, Amount: amount, Currency: o.Currency, Reason: in.Reason}, bad.Err()
}

// refund makes the refund of an order or has it wait for approval, which is an
// *approvals.PendingError. The id makes it repeatable; empty is a fresh one.
func (a *app) refund(ctx context.Context, tenant, orderID, id string, in refundRequest) (audit.Event, error) {
	o, err := a.shop.Order(ctx, tenant, orderID)
	if err != nil {
		return audit.Event{}, err
	}
	payload, err := in.payload(o)
	if err != nil {
		return audit.Event{}, err
	}
	before, err := json.Marshal(o)
	if err != nil {
		return audit.Event{}, err
	}
	after, err := json.Marshal(o.After(payload.Amount))
	if err != nil {
		return audit.Event{}, err
	}
	return a.refunds.Do(ctx, approvals.Change[refundPayload]{
		ID: id, Tenant: tenant,
		Resource:     audit.Resource{Type: resourceOrder, ID: o.ID, Name: "#" + o.Number},
		Payload:      payload,
		BaseRevision: strconv.FormatInt(o.Revision, 10),
		Before:       before, After: after,
		Reason: in.Reason,
	})
}

// applyRefund changes the order, in the transaction of ctx and under the id of the
// event. The order must still be the one the refund was asked for.
func (a *app) applyRefund(ctx context.Context, e *audit.Event, p refundPayload) error {
	o, err := a.shop.Order(ctx, e.Tenant, p.OrderID)
	if err != nil {
		return err
	}
	if strconv.FormatInt(o.Revision, 10) != e.BaseRevision {
		return storage.ErrConflict
	}
	if err := a.shop.Refund(ctx, e.Tenant, o, shop.Refund{
		ID: e.ID, OrderID: o.ID, Amount: p.Amount, Reason: p.Reason, MadeBy: e.Subject().ID, MadeAt: e.Time,
	}); err != nil {
		return err
	}
	e.After, err = json.Marshal(o.After(p.Amount))
	return err
}

// A refundAnswer is what the API says of a refund.
type refundAnswer struct {
	Status    string `json:"status"`
	RefundID  string `json:"refund_id,omitempty"`
	RequestID string `json:"request_id,omitempty"`
}

func (a *app) postRefund(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	var in refundRequest
	if err := httpapi.Decode(r, &in); err != nil {
		return err
	}
	e, err := a.refund(r.Context(), who.Tenant, r.PathValue("id"), "", in)
	if pending, ok := errors.AsType[*approvals.PendingError](err); ok {
		return httpapi.WriteJSON(w, http.StatusAccepted,
			refundAnswer{Status: string(approvals.StateAwaitingApproval), RequestID: pending.RequestID})
	}
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, refundAnswer{Status: string(approvals.StateApplied), RefundID: e.ID})
}

// postRefundForm is the same from the page of the order. The form carries the id of
// the refund, so that sending it twice refunds once.
func (a *app) postRefundForm(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	order := r.PathValue("id")
	form := refundForm{ID: r.PostFormValue("id"), Amount: r.PostFormValue("amount"), Reason: r.PostFormValue("reason")}
	o, err := a.shop.Order(r.Context(), who.Tenant, order)
	if err != nil {
		return err
	}
	if r.PostFormValue("all") != "" && a.hasNewRefundForm(r.Context(), who, o) {
		form.Amount = o.Left().String()
	}
	_, err = a.refund(r.Context(), who.Tenant, order, form.ID,
		refundRequest{Amount: form.Amount, Currency: o.Currency, Reason: form.Reason})
	page := "/orders/" + url.PathEscape(order)
	if pending, ok := errors.AsType[*approvals.PendingError](err); ok {
		return seeOther(w, r, "/approvals/"+pending.RequestID)
	}
	switch {
	case err == nil, errors.Is(err, audit.ErrAlreadyRecorded):
		return seeOther(w, r, page+"?refund="+url.QueryEscape(form.ID))
	case errors.Is(err, audit.ErrStepUp):
		return seeOther(w, r, stepUpURL(page+"?amount="+url.QueryEscape(form.Amount)+"&reason="+url.QueryEscape(form.Reason)))
	}
	problem := httpapi.ProblemOf(err)
	if problem.Status >= http.StatusInternalServerError {
		return err
	}
	form.ID = ""
	return a.orderPage(w, r, who, form, problem)
}
