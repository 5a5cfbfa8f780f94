package automation

import (
	"context"
	"encoding/json"

	"github.com/lumelle/adminkit/audit"
)

// PublishEvent returns the action "publish.event": it records an event, as the owner of
// the rule, if the gate lets the owner. The catalogue of the governor lists what may be
// recorded. Subscribers and other rules get it like any other, exactly once.
func PublishEvent(governor *audit.Governor) Action { return publishEvent{governor} }

type publishEvent struct{ governor *audit.Governor }

func (publishEvent) Describe() Descriptor {
	return Descriptor{
		Name: "publish.event", Label: "Publish an event", Description: "Records an event for subscribers and other rules.", Effect: Transactional,
		Input: json.RawMessage(`{"type":"object","additionalProperties":false,"required":["action","resource"],"properties":{
			"action":{"type":"string","minLength":1,"description":"An action of the audit catalogue."},
			"resource":{"type":"object","additionalProperties":false,"required":["type","id"],"properties":{
				"type":{"type":"string","minLength":1},"id":{"type":"string","minLength":1},"name":{"type":"string"}}},
			"data":{"description":"The payload of the event."},
			"reason":{"type":"string","maxLength":4096}}}`),
		SampleInput: json.RawMessage(`{"action":"orders.flag","resource":{"type":"order","id":"1001"},"data":{"why":"a large refund"}}`),
		Output: json.RawMessage(`{"type":"object","required":["id","type"],"properties":{
			"id":{"type":"string","description":"The id of the event."},"type":{"type":"string"}}}`),
		Sample:      json.RawMessage(`{"id":"0198f000-0000-7000-8000-000000000000","type":"lumelle.orders.v1.flagged"}`),
		Permissions: []string{"the permission of the event's action"},
	}
}

func (a publishEvent) Run(ctx context.Context, in Input) (Output, error) {
	var with struct {
		Action   string          `json:"action"`
		Resource audit.Resource  `json:"resource"`
		Data     json.RawMessage `json:"data"`
		Reason   string          `json:"reason"`
	}
	if err := json.Unmarshal(in.With, &with); err != nil {
		return Output{}, Fail(ClassInvalid, "the input cannot be read", err)
	}
	e, err := a.governor.Change(ctx, audit.Event{
		Tenant: in.Tenant, Action: with.Action, Resource: with.Resource, Payload: with.Data, Reason: with.Reason,
	}, func(context.Context, *audit.Event) error { return nil })
	if err != nil {
		return Output{}, err
	}
	return Output{Value: encode(map[string]string{"id": e.ID, "type": e.Type})}, nil
}
