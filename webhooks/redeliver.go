package webhooks

import (
	"context"
	"encoding/json"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

// Deliveries returns the tenant's deliveries, newest first where q names no other order.
func (s *Service) Deliveries(ctx context.Context, tenant string, q DeliveryQuery) (storage.Page[Delivery], error) {
	return s.store.ListDeliveries(ctx, tenant, q)
}

// Delivery returns one delivery with its attempts in order.
func (s *Service) Delivery(ctx context.Context, tenant, id string) (Delivery, []Attempt, error) {
	d, err := s.store.GetDelivery(ctx, tenant, id, false)
	if err != nil {
		return Delivery{}, nil, err
	}
	attempts, err := s.store.Attempts(ctx, tenant, id)
	return d, attempts, err
}

// Message returns one message with its body as receivers get it.
func (s *Service) Message(ctx context.Context, tenant, id string) (Message, error) {
	return s.store.GetMessage(ctx, tenant, id)
}

// redeliverPayload is what a redelivery was asked to do.
type redeliverPayload struct {
	MessageID  string `json:"message_id"`
	EndpointID string `json:"endpoint_id"`
}

// Redeliver sends a message to an endpoint once more, whatever came of it so far:
// the receiver sees the same webhook-id, attempts go on counting, and the retry
// schedule begins anew. reason is kept in the audit log. One that waits for approval is
// made by [Service.Apply], while the message is young enough.
//
// Errors are those of audit.Governor.Change, [ErrTooOld], [ErrDisabled], and
// storage.ErrNotFound where the delivery or its endpoint is gone.
func (s *Service) Redeliver(ctx context.Context, tenant, id, reason string) (Delivery, error) {
	d, err := s.store.GetDelivery(ctx, tenant, id, false)
	if err != nil {
		return Delivery{}, err
	}
	return s.redeliver(ctx, audit.Event{
		Tenant: tenant, Action: ActionRedeliver, Reason: reason, Payload: d.redelivery(),
		Resource: audit.Resource{Type: ResourceDelivery, ID: d.ID, Name: d.EventType},
	}, d)
}

// redelivery returns the payload of the event of a redelivery: what an approval is bound
// to.
func (d Delivery) redelivery() json.RawMessage {
	return encode(redeliverPayload{MessageID: d.MessageID, EndpointID: d.EndpointID})
}

// redeliver sends the message of d once more, under event.
func (s *Service) redeliver(ctx context.Context, event audit.Event, d Delivery) (Delivery, error) {
	tenant := event.Tenant
	m, err := s.store.GetMessage(ctx, tenant, d.MessageID)
	if err != nil {
		return Delivery{}, err
	}
	if s.now().Sub(m.CreatedAt) > s.cfg.RedeliverWithin {
		return Delivery{}, ErrTooOld
	}
	_, err = s.governor.Change(ctx, event, func(ctx context.Context, _ *audit.Event) error {
		e, _, err := s.store.GetEndpoint(ctx, tenant, d.EndpointID, true)
		if err != nil {
			return err
		}
		if e.Status != Enabled {
			return ErrDisabled
		}
		// The round makes the job of an earlier one void, so that there is never more
		// than one that counts.
		if d, err = s.store.GetDelivery(ctx, tenant, d.ID, true); err != nil {
			return err
		}
		d.Round, d.Tries = d.Round+1, 0
		d.Status, d.Reason, d.Held = Pending, "", false
		d.UpdatedAt = s.now()
		d.NextAttemptAt = d.UpdatedAt
		if err := s.store.PutDelivery(ctx, tenant, d); err != nil {
			return err
		}
		return s.queue.Enqueue(ctx, deliverJob(d, m.Trace.Traceparent()))
	})
	if err != nil {
		return Delivery{}, err
	}
	return d, nil
}
