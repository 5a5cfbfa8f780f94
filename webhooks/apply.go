package webhooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/jcs"
	"github.com/lumelle/adminkit/storage"
)

// Apply makes a change that was approved: e is the event of the request, whose payload
// the approval is bound to. It is recorded as it is, and what the payload says is what is
// done. A host registers it with the kit's approvals for each of [Actions] that asks for
// approval, but for [ActionRotate]:
//
//	apply := approvals.ApplierFunc(func(ctx context.Context, a approvals.Approved) (approvals.Result, error) {
//		return approvals.Result{}, service.Apply(ctx, a.Event)
//	})
//
// An endpoint that moved since, and a switch that stands that way meanwhile, is
// storage.ErrConflict, and so are [ErrTooOld] and [ErrDisabled]; an endpoint or a delivery
// that is gone is storage.ErrNotFound; a creation where the tenant has all it may by now is
// a *storage.LimitError; a payload that is no change of this package is a
// *storage.InvalidError with pointers below "/payload". A redelivery is made whatever came
// of the delivery meanwhile.
//
// No secret is in the event, in its payload or in the request. That of a creation is
// generated when the endpoint is made, which is where nobody is there to be shown it: the
// endpoint has the id that is recorded as the resource of the event, and whoever owns it
// calls [Service.RotateSecret] and gets a secret to verify with. What was sent before that
// is signed by the one nobody has, and is verified when it is tried again: then both sign.
//
// A rotation cannot be applied, because nobody would get the new secret and the receiver
// would fail as soon as the old one ends. It is a *storage.InvalidError.
func (s *Service) Apply(ctx context.Context, e audit.Event) error {
	switch e.Action {
	case ActionCreate:
		in, err := s.readInput(e.Payload)
		if err != nil {
			return err
		}
		if in.ID != "" && in.ID != e.Resource.ID {
			return storage.Invalid("/payload/id", "is not the endpoint of the request")
		}
		_, _, err = s.create(ctx, e, in)
		return err
	case ActionUpdate, ActionDelete, ActionDisable, ActionEnable:
		err := s.applyChange(ctx, e)
		if errors.Is(err, errUnchanged) {
			return storage.ErrConflict
		}
		return err
	case ActionRedeliver:
		return s.applyRedelivery(ctx, e)
	}
	return storage.Invalid("/action", "is no change of webhooks that is made after an approval")
}

// applyChange makes an approved change of an endpoint that was there when it was asked
// for.
func (s *Service) applyChange(ctx context.Context, e audit.Event) error {
	var in EndpointInput
	var err error
	switch {
	case e.Action == ActionUpdate:
		if in, err = s.readInput(e.Payload); err != nil {
			return err
		}
		if in.ID != "" {
			return storage.Invalid("/payload/id", "must not be in a change of an endpoint")
		}
	case len(e.Payload) > 0:
		return storage.Invalid("/payload", "must be empty")
	}
	if err := checkReason(e.Reason); e.Action == ActionDisable && err != nil {
		return err
	}
	revision, err := strconv.ParseInt(e.BaseRevision, 10, 64)
	if err != nil || revision < 1 {
		return storage.Invalid("/base_revision", "is not that of an endpoint")
	}
	before, err := s.current(ctx, e.Tenant, e.Resource.ID, revision)
	if err != nil {
		return err
	}
	switch e.Action {
	case ActionUpdate:
		_, err = s.change(ctx, e, before, in.onto(before), nil)
	case ActionDelete:
		err = s.remove(ctx, e, before)
	case ActionDisable:
		_, err = s.switchOff(ctx, e, before)
	case ActionEnable:
		_, err = s.switchOn(ctx, e, before)
	}
	return err
}

// applyRedelivery makes an approved redelivery.
func (s *Service) applyRedelivery(ctx context.Context, e audit.Event) error {
	var p redeliverPayload
	if err := readPayload(e.Payload, &p); err != nil {
		return err
	}
	d, err := s.store.GetDelivery(ctx, e.Tenant, e.Resource.ID, false)
	if err != nil {
		return err
	}
	if p.MessageID != d.MessageID {
		return storage.Invalid("/payload/message_id", "is not the message of the delivery")
	}
	if p.EndpointID != d.EndpointID {
		return storage.Invalid("/payload/endpoint_id", "is not the endpoint of the delivery")
	}
	_, err = s.redeliver(ctx, e, d)
	return err
}

// readInput reads the payload of a creation or an update. It checks what it says as it
// was checked when it was asked for.
func (s *Service) readInput(raw json.RawMessage) (EndpointInput, error) {
	var p inputJSON
	if err := readPayload(raw, &p); err != nil {
		return EndpointInput{}, err
	}
	timeout := min(max(p.TimeoutMS, -1), MaxTimeout.Milliseconds()+1) // which may be any number
	in, err := s.checkInput(EndpointInput{
		ID: p.ID, URL: p.URL, EventTypes: p.EventTypes, Description: p.Description, Timeout: time.Duration(timeout) * time.Millisecond,
	})
	if invalid, ok := errors.AsType[*storage.InvalidError](err); ok {
		return in, below("/payload", invalid)
	}
	return in, err
}

// readPayload reads a payload that says nothing but what v keeps of it.
func readPayload(raw json.RawMessage, v any) error {
	unfit := storage.Invalid("/payload", "is no such change of webhooks")
	canonical, err := jcs.Canonicalize(raw)
	if err != nil || json.Unmarshal(canonical, v) != nil {
		return unfit
	}
	if again, err := jcs.Canonicalize(encode(v)); err != nil || !bytes.Equal(again, canonical) {
		return unfit
	}
	return nil
}
