package automation

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/lumelle/adminkit/audit"
)

// An ApprovalChange is what the action "approval.request" asks people to agree to.
type ApprovalChange struct {
	Tenant   string
	Action   string
	Resource audit.Resource
	Payload  json.RawMessage
	Reason   string
}

// RequestApproval returns the action "approval.request": it asks for the agreement of
// others and waits for it, as a row and for as long as it takes.
//
// request opens the request, in the transaction of ctx and as the owner of the rule, and
// returns its id. key is the same each time that it is called for one step. The decision
// comes back as a [Signal] whose Key is that id: see [OutboxConfig].Signals.
func RequestApproval(request func(ctx context.Context, key string, change ApprovalChange) (requestID string, err error)) Action {
	return requestApproval{request}
}

type requestApproval struct {
	request func(ctx context.Context, key string, change ApprovalChange) (string, error)
}

func (requestApproval) Describe() Descriptor {
	return Descriptor{
		Name: "approval.request", Label: "Ask for approval", Effect: Transactional, Waits: true,
		Description: "Opens a request for approval and waits until it is decided. A timeout of the step bounds the wait.",
		Input: json.RawMessage(`{"type":"object","additionalProperties":false,"required":["action","resource"],"properties":{
			"action":{"type":"string","minLength":1,"description":"What agreement is asked for."},
			"resource":{"type":"object","additionalProperties":false,"required":["type","id"],"properties":{
				"type":{"type":"string","minLength":1},"id":{"type":"string","minLength":1},"name":{"type":"string"}}},
			"payload":{"description":"What the action would do."},
			"reason":{"type":"string","maxLength":4096}}}`),
		SampleInput: json.RawMessage(`{"action":"orders.refund","resource":{"type":"order","id":"1001"},"payload":{"amount":"150.00"}}`),
		Output: json.RawMessage(`{"type":"object","required":["request_id"],"properties":{"request_id":{"type":"string"},
			"decision":{"enum":["approved","declined","expired"]},"payload":{"description":"What came with the decision."}}}`),
		Sample: json.RawMessage(`{"request_id":"0198f000-0000-7000-8000-000000000000"}`),
	}
}

// check implements checker.
func (a requestApproval) check() error {
	if a.request == nil {
		return errors.New("approval.request needs the function that asks")
	}
	return nil
}

func (a requestApproval) Run(ctx context.Context, in Input) (Output, error) {
	var with struct {
		Action   string          `json:"action"`
		Resource audit.Resource  `json:"resource"`
		Payload  json.RawMessage `json:"payload"`
		Reason   string          `json:"reason"`
	}
	if err := json.Unmarshal(in.With, &with); err != nil {
		return Output{}, Fail(ClassInvalid, "the input cannot be read", err)
	}
	id, err := a.request(ctx, in.Key, ApprovalChange{
		Tenant: in.Tenant, Action: with.Action, Resource: with.Resource, Payload: with.Payload, Reason: with.Reason,
	})
	if err != nil {
		return Output{}, err
	}
	return Output{Value: encode(map[string]string{"request_id": id}), Await: &Await{Key: id}}, nil
}
