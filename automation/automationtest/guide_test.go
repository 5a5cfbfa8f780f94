package automationtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/lumelle/adminkit/audit/schema"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/automation/automationtest"
)

// The action and the trigger of the guide, whole: what it shows passes the suite.

var errBusy = errors.New("busy")

// A gateway stands for what sends messages. It knows a message again by its key.
type gateway struct{ sent keys }

func (g *gateway) Send(ctx context.Context, key, to, text string) (id string, err error) {
	if err := ctx.Err(); err != nil {
		return "", errors.Join(errBusy, err)
	}
	if to == "" || text == "" {
		return "", errors.New("nothing to send")
	}
	g.sent.add(key)
	return "message-" + key, nil
}

// sms sends a message by a gateway.
type sms struct{ gateway *gateway }

func (sms) Describe() automation.Descriptor {
	return automation.Descriptor{
		Name: "sms.send", Label: "Send an SMS", Description: "Sends a short message to a telephone.", Effect: automation.External,
		Input: json.RawMessage(`{"type":"object","additionalProperties":false,"required":["to","text"],"properties":{
			"to":{"type":"string","pattern":"^[+][0-9]{6,15}$"},"text":{"type":"string","minLength":1,"maxLength":160}}}`),
		SampleInput: json.RawMessage(`{"to":"+15550100","text":"your refund is on its way"}`),
		Output:      json.RawMessage(`{"type":"object","required":["id"],"properties":{"id":{"type":"string"}}}`),
		Sample:      json.RawMessage(`{"id":"message-1"}`),
		Hosts:       []string{"sms.example.com"},
	}
}

func (s sms) Run(ctx context.Context, in automation.Input) (automation.Output, error) {
	var with struct{ To, Text string }
	if err := json.Unmarshal(in.With, &with); err != nil {
		return automation.Output{}, automation.Fail(automation.ClassInvalid, "the input cannot be read", err)
	}
	id, err := s.gateway.Send(ctx, in.Key, with.To, with.Text) // under the key of the step
	if errors.Is(err, errBusy) {
		return automation.Output{}, automation.Fail(automation.ClassTransient, "the gateway is busy", err)
	}
	if err != nil {
		return automation.Output{}, automation.Fail(automation.ClassPermanent, "the gateway refused the message", err)
	}
	value, err := json.Marshal(map[string]string{"id": id})
	return automation.Output{Value: value}, err
}

func TestActionOfTheGuide(t *testing.T) {
	t.Parallel()
	g := &gateway{}
	automationtest.Run(t, automationtest.Options{
		Action:  func(testing.TB) automation.Action { return sms{g} },
		Compile: schema.Compile, Effects: g.sent.list,
	})
}

// lowStock fires where nothing is left.
type lowStock struct{}

func (lowStock) Describe() automation.TriggerDescriptor {
	return automation.TriggerDescriptor{
		Name: "inventory.low", Label: "Inventory low", Description: "Nothing is left of an article.",
		EventTypes: []string{"lumelle.inventory.v1.counted"},
		Schema:     json.RawMessage(`{"type":"object","required":["left"],"properties":{"left":{"type":"integer"}}}`),
		Sample: json.RawMessage(`{"specversion":"1.0","id":"1","source":"/inventory","type":"lumelle.inventory.v1.counted",
			"subject":"article/7","data":{"left":0}}`),
	}
}

func (lowStock) Fires(event map[string]any) bool {
	data, _ := event["data"].(map[string]any)
	left, ok := data["left"].(json.Number)
	n, err := left.Int64()
	return ok && err == nil && n <= 0
}

func TestTriggerOfTheGuide(t *testing.T) {
	t.Parallel()
	automationtest.Run(t, automationtest.Options{
		Trigger: func(testing.TB) automation.Trigger { return lowStock{} }, Compile: schema.Compile,
		Silent: []json.RawMessage{
			json.RawMessage(`{"specversion":"1.0","id":"2","source":"/inventory","type":"lumelle.inventory.v1.counted","subject":"article/7","data":{"left":1}}`),
			json.RawMessage(`{"specversion":"1.0","id":"3","source":"/inventory","type":"lumelle.inventory.v1.counted","subject":"article/7","data":{}}`),
		},
	})
}
