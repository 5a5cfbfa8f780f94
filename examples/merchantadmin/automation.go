package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/cloudevent"
	"github.com/lumelle/adminkit/audit/schema"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage/jobs"
)

// actionStep is what a step of an automation asks approval for: that its run goes on.
const actionStep = "automation.step.approved"

// automationPolicy is the approval policy of steps: somebody else than the owner of
// the rule.
const automationPolicy = "automation"

// A stepPayload is what the people who decide see of the step.
type stepPayload struct {
	Action   string          `json:"action"`
	Resource audit.Resource  `json:"resource"`
	Payload  json.RawMessage `json:"payload,omitempty"`
}

func stepAction() audit.Action {
	return audit.Action{
		Name: actionStep, Label: "Automation step approved",
		Description:   "A run of an automation was let go on.",
		Category:      audit.Activity,
		ResourceTypes: []string{"automation_step"},
	}
}

// automationSignals tells which events end the wait of a run: the decision on the
// request that its step made.
func automationSignals(e audit.Event) (automation.Signal, bool) {
	verb, ok := strings.CutPrefix(e.Action, approvals.ActionPrefix)
	if !ok {
		return automation.Signal{}, false
	}
	outcome := map[string]string{
		"approved": automation.Approved, "rejected": automation.Declined,
		"cancelled": automation.Declined, "expired": automation.Expired,
	}[verb]
	return automation.Signal{Key: e.Resource.ID, Outcome: outcome}, outcome != ""
}

// automationOutbox is the sink that starts runs and wakes those that wait.
func (a *app) automationOutbox(queue *jobs.Queue) (*automation.Outbox, error) {
	return automation.NewOutbox(a.db, a.db.Automation(), queue, cloudevent.MarshalPublic, automation.OutboxConfig{Signals: automationSignals})
}

// openAutomation builds the service of rules, with what they may use.
func (a *app) openAutomation(queue *jobs.Queue, client automation.HTTPDoer) error {
	steps, err := approvals.NewGuard(a.governor, a.approvals, actionStep,
		func(context.Context, *audit.Event, stepPayload) error { return nil }, // the run goes on by the decision itself
		approvals.GuardConfig{})
	if err != nil {
		return err
	}
	catalog, err := automation.NewCatalog(schema.Compile, automation.CatalogConfig{
		Triggers: []automation.Trigger{automation.EventTrigger(orderRefunded())},
		Actions: []automation.Action{
			automation.HTTPPost(client),
			automation.NotifyLog(a.log),
			automation.PublishEvent(a.governor, actionPublish),
			automation.RequestApproval(func(ctx context.Context, key string, c automation.ApprovalChange) (string, error) {
				return requestStep(ctx, steps, key, c)
			}),
		},
	})
	if err != nil {
		return err
	}
	a.automation, err = automation.New(a.governor, a.db.Automation(), queue, catalog, automation.Config{Audiences: a.flags.AudienceLibrary})
	return err
}

// requestStep opens the request of a step. Its resource is the step itself, so that two
// runs about the same order ask twice.
func requestStep(ctx context.Context, steps *approvals.Guard[stepPayload], key string, c automation.ApprovalChange) (string, error) {
	name := strings.TrimSpace(c.Action + " " + c.Resource.Name)
	_, err := steps.Do(ctx, approvals.Change[stepPayload]{
		Tenant:   c.Tenant,
		Resource: audit.Resource{Type: "automation_step", ID: key, Name: name},
		Payload:  stepPayload{Action: c.Action, Resource: c.Resource, Payload: c.Payload},
		Reason:   c.Reason,
	})
	if pending, ok := errors.AsType[*approvals.PendingError](err); ok {
		return pending.RequestID, nil
	}
	if err == nil {
		err = errors.New("the policy asked nobody")
	}
	return "", err
}

// orderRefunded is the trigger that rules of the demo start from.
func orderRefunded() automation.TriggerDescriptor {
	return automation.TriggerDescriptor{
		Name: "order.refunded", Label: "Order refunded", Description: "A part of an order's total was given back.",
		EventTypes: []string{typeRefunded},
		Schema:     json.RawMessage(refundSchema),
		Sample: json.RawMessage(`{
			"specversion": "1.0", "id": "0198f000-0000-7000-8000-000000000000", "source": "/merchantadmin",
			"type": "lumelle.orders.v1.refunded", "subject": "order/acme-0001", "time": "2026-01-01T12:00:00Z",
			"datacontenttype": "application/json",
			"data": {"order_id": "acme-0001", "amount": "150.00", "currency": "EUR", "reason": "damaged"}
		}`),
	}
}
