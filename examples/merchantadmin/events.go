package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/cloudevent"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/storage"
)

// actionPublish is a fact of the merchant's business that another of its systems
// publishes through the admin.
const actionPublish = "events.publish"

// eventSource is the source of what the admin records itself. Nobody else publishes
// under it.
const eventSource = "/merchantadmin"

func publishAction() audit.Action {
	return audit.Action{
		Name: actionPublish, Label: "Event published", Category: audit.Domain,
		Description: "A system of the merchant published an event of its own.",
	}
}

type acceptedEvents struct {
	Accepted []string `json:"accepted"`
}

// postEvents takes CloudEvents in any mode of their HTTP binding and publishes all
// of them or none.
func (a *app) postEvents(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	body, err := httpapi.ReadBody(r)
	if err != nil {
		return err
	}
	events, err := readEvents(r, body, who)
	if invalid, ok := errors.AsType[*storage.InvalidError](err); ok {
		p := httpapi.BadRequest("", "")
		p.Errors = invalid.Fields
		return p
	}
	if err != nil {
		return err
	}
	if err := a.publish(r.Context(), who, events); err != nil {
		return err
	}
	accepted := acceptedEvents{Accepted: []string{}}
	for _, e := range events {
		accepted.Accepted = append(accepted.Accepted, e.ID)
	}
	return httpapi.WriteJSON(w, http.StatusAccepted, accepted)
}

// readEvents returns the events of a request. Tenant and actor are those of who
// sends them, whatever the events say of themselves.
func readEvents(r *http.Request, body []byte, who httpapi.Identity) ([]audit.Event, error) {
	envelopes, err := cloudevent.Read(r.Header, body)
	if err != nil {
		return nil, err
	}
	events := make([]audit.Event, len(envelopes))
	for i, v := range envelopes {
		said, err := v.Event()
		if err != nil {
			return nil, err
		}
		if said.Source == eventSource {
			return nil, storage.Invalid("/source", "is the admin's own")
		}
		e := audit.Event{
			ID: said.ID, Source: said.Source, Type: said.Type, Time: said.Time,
			Resource: said.Resource, Payload: said.Payload, Trace: said.Trace,
			Tenant: who.Tenant, Action: actionPublish,
		}
		if e.Resource.ID == "" {
			e.Resource = audit.Resource{Type: "event", ID: e.ID}
		}
		if e.Trace.Valid() {
			e.Link = correlation.From(r.Context())
		}
		events[i] = e
	}
	return events, nil
}

// publish records the events that were not recorded before, and with them what
// webhooks make of them.
func (a *app) publish(ctx context.Context, who httpapi.Identity, events []audit.Event) error {
	decision, err := a.guard.Authorize(ctx, authz.Request{
		Tenant:   who.Tenant,
		Subject:  authz.Entity{Type: who.Actor.Type, ID: who.Actor.ID},
		Action:   actionPublish,
		Resource: authz.Entity{Type: "merchant", ID: who.Tenant},
		Time:     a.catalog.Now(),
	})
	if err != nil {
		return err
	}
	if decision.Effect != audit.Allow {
		return &audit.DeniedError{Verdict: decision.Verdict()}
	}
	err = a.recordNew(ctx, events)
	if errors.Is(err, storage.ErrConflict) {
		// The same event arrived twice at once. The other one is recorded by now.
		err = a.recordNew(ctx, events)
	}
	return err
}

func (a *app) recordNew(ctx context.Context, events []audit.Event) error {
	return a.db.InTx(ctx, func(ctx context.Context) error {
		for _, e := range events {
			known, err := a.events.Recorded(ctx, e.Tenant, e.Source, e.ID)
			if err != nil {
				return err
			}
			if known {
				continue
			}
			if err := a.governor.Record(ctx, e); err != nil {
				return err
			}
		}
		return nil
	})
}
