package automation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

// PublishEvent returns the action "publish.event": it records an event of one of the
// actions that are named, as the owner of the rule, if the gate lets the owner.
// Subscribers and other rules get it like any other, exactly once.
//
// Name facts that a rule may state of its own, such as "orders.flag". An event is
// evidence that something happened, so an action that changes something is no fact for a
// rule to publish, and those of the kit's own packages are refused by [NewCatalog]. So is
// an action that the catalogue of the governor does not list, and naming none.
func PublishEvent(governor *audit.Governor, actions ...string) Action {
	actions = slices.Clone(actions)
	slices.Sort(actions)
	return publishEvent{governor, slices.Compact(actions)}
}

// check implements checker.
func (a publishEvent) check() error {
	if a.governor == nil || len(a.actions) == 0 {
		return errors.New("needs a governor, and the names of what rules may publish")
	}
	for _, name := range a.actions {
		domain, _, _ := strings.Cut(name, ".")
		if slices.Contains(kitDomains, domain) {
			return fmt.Errorf("%q is the kit's own to record, and no rule's", name)
		}
		if _, ok := a.governor.Catalog().Lookup(name); !ok {
			return fmt.Errorf("the audit catalogue does not list %q, which rules should publish", name)
		}
	}
	return nil
}

// kitDomains begin the actions that the packages of the kit record.
var kitDomains = []string{"audit", "flags", "approvals", "authz", "webhooks", "automation", "storage"}

type publishEvent struct {
	governor *audit.Governor
	actions  []string
}

func (a publishEvent) Describe() Descriptor {
	return Descriptor{
		Name: "publish.event", Label: "Publish an event", Description: "Records an event for subscribers and other rules.", Effect: Transactional,
		Input: json.RawMessage(`{"type":"object","additionalProperties":false,"required":["action","resource"],"properties":{
			"action":{"enum":` + string(encode(a.actions)) + `,"description":"An action of the audit catalogue that rules may publish."},
			"resource":{"type":"object","additionalProperties":false,"required":["type","id"],"properties":{
				"type":{"type":"string","minLength":1},"id":{"type":"string","minLength":1},"name":{"type":"string"}}},
			"data":{"description":"The payload of the event."},
			"reason":{"type":"string","maxLength":4096}}}`),
		SampleInput: encode(map[string]any{
			"action": a.actions[0], "resource": audit.Resource{Type: "order", ID: "1001"}, "data": map[string]string{"why": "a large refund"},
		}),
		Output: json.RawMessage(`{"type":"object","required":["id","type"],"properties":{
			"id":{"type":"string","description":"The id of the event."},"type":{"type":"string"}}}`),
		Sample:      json.RawMessage(`{"id":"0198f000-0000-7000-8000-000000000000","type":"lumelle.orders.v1.flagged"}`),
		Permissions: slices.Clone(a.actions),
	}
}

// CheckInput implements [InputChecker].
func (a publishEvent) CheckInput(with json.RawMessage) error {
	var in struct {
		Action   *string `json:"action"`
		Resource struct {
			Type *string `json:"type"`
			ID   *string `json:"id"`
			Name string  `json:"name"`
		} `json:"resource"`
		Reason string `json:"reason"`
	}
	if err := json.Unmarshal(with, &in); err != nil {
		return wrongType(err)
	}
	var bad *storage.InvalidError
	check := func(err error) {
		if invalid, ok := errors.AsType[*storage.InvalidError](err); ok {
			bad = below(bad, "", invalid)
		}
	}
	var types []string // of resources, none where the action is not known or takes all
	if in.Action != nil {
		if !slices.Contains(a.actions, *in.Action) {
			bad = bad.Add("/action", "is nothing that rules may publish")
		}
		known, _ := a.governor.Catalog().Lookup(*in.Action)
		types = known.ResourceTypes
	}
	if in.Resource.Type != nil {
		check(storage.CheckID("/resource/type", *in.Resource.Type))
		if len(types) > 0 && !slices.Contains(types, *in.Resource.Type) {
			bad = bad.Add("/resource/type", "is no resource of the action")
		}
	}
	if in.Resource.ID != nil {
		check(storage.CheckID("/resource/id", *in.Resource.ID))
	}
	check(storage.CheckText("/resource/name", in.Resource.Name, storage.MaxID))
	check(storage.CheckText("/reason", in.Reason, audit.MaxReason))
	return bad.Err()
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
	// The schema says so too; that it is kept is nothing to rely on for evidence.
	if !slices.Contains(a.actions, with.Action) {
		return Output{}, Fail(ClassDenied, "rules may not publish "+with.Action, nil)
	}
	e, err := a.governor.Change(ctx, audit.Event{
		Tenant: in.Tenant, Action: with.Action, Resource: with.Resource, Payload: with.Data, Reason: with.Reason,
	}, func(context.Context, *audit.Event) error { return nil })
	if err != nil {
		return Output{}, err
	}
	return Output{Value: encode(map[string]string{"id": e.ID, "type": e.Type})}, nil
}
