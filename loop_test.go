package adminkit_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/cloudevent"
	"github.com/lumelle/adminkit/audit/schema"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// TestARuleThatCausesItsOwnEventThroughAnApprovalStops has each run ask for the change
// that starts the next one, and somebody who always agrees.
func TestARuleThatCausesItsOwnEventThroughAnApprovalStops(t *testing.T) {
	t.Parallel()
	db := eachtest.Memory(t)
	fatal := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, append(slices.Concat(approvals.Actions(), automation.Actions()),
		audit.Action{Name: "orders.refund", Type: "lumelle.orders.v1.refunded"})...)
	fatal(err)
	log, err := audit.NewLog(db.Audit(), audit.LogConfig{})
	fatal(err)
	queue, err := jobs.NewQueue(db.Jobs(), jobs.Config{})
	fatal(err)
	outbox, err := automation.NewOutbox(db, db.Automation(), queue, cloudevent.MarshalPublic, automation.OutboxConfig{})
	fatal(err)
	sink := audit.Tee(log, outbox)
	directory := approvals.DirectoryFunc(func(context.Context, string, audit.Actor) ([]string, error) { return []string{"manager"}, nil })
	requests, err := approvals.New(db, db.Approvals(), queue, directory, catalog, sink, approvals.Config{})
	fatal(err)
	gate := audit.GateFunc(func(_ context.Context, e audit.Event) (audit.Verdict, error) {
		if e.Action != "orders.refund" {
			return audit.Verdict{Effect: audit.Allow}, nil
		}
		return audit.Verdict{Effect: audit.NeedsApproval, Obligations: audit.Obligations{Approval: &audit.ApprovalObligation{}}}, nil
	})
	governor, err := audit.NewGovernor(db, approvals.Gate(gate, requests), sink, catalog)
	fatal(err)
	refunds, err := approvals.NewGuard(governor, requests, "orders.refund",
		func(context.Context, *audit.Event, json.RawMessage) error { return nil }, approvals.GuardConfig{})
	fatal(err)
	asked := make(chan string, 2*audit.MaxHops)
	ask := automation.RequestApproval(func(ctx context.Context, key string, c automation.ApprovalChange) (string, error) {
		_, err := refunds.Do(ctx, approvals.Change[json.RawMessage]{Tenant: c.Tenant, Resource: audit.Resource{Type: "order", ID: key}, Payload: json.RawMessage(`{}`)})
		pending, ok := errors.AsType[*approvals.PendingError](err)
		if !ok {
			return "", err
		}
		asked <- pending.RequestID
		return pending.RequestID, nil
	})
	uses, err := automation.NewCatalog(schema.Compile, automation.CatalogConfig{Actions: []automation.Action{ask}})
	fatal(err)
	rules, err := automation.New(governor, db.Automation(), queue, uses, automation.Config{})
	fatal(err)
	definition, err := automation.ParseDefinition([]byte(`{"name":"Again","automation_environment":"prod",
		"trigger":{"type":"event","event_type":"lumelle.orders.v1.refunded"},
		"steps":[{"name":"ask","action":"approval.request","with":{"action":"orders.refund","resource":{"type":"order","id":"1"}}}]}`))
	fatal(err)
	ctx := as(t.Context(), "dana")
	rule, err := rules.Create(ctx, "acme", automation.RuleInput{Definition: definition})
	fatal(err)
	_, err = rules.Enable(ctx, "acme", rule.ID, "")
	fatal(err)
	handlers := requests.Handlers()
	for kind, h := range rules.Handlers() {
		handlers[kind] = h
	}
	worker, err := jobs.NewWorker(queue, handlers, jobs.WorkerConfig{})
	fatal(err)
	fatal(worker.Start(t.Context()))
	defer func() { fatal(worker.Close(context.WithoutCancel(t.Context()))) }()

	fatal(governor.Record(ctx, audit.Event{Tenant: "acme", Action: "orders.refund", Resource: audit.Resource{Type: "order", ID: "1"}}))
	var failed []automation.Run
	approved := 0
	until(t, "a run that ends the loop", func() bool {
		select {
		case id := <-asked:
			// Whoever asked may not have committed yet.
			until(t, "the request", func() bool {
				_, err := requests.Decide(as(t.Context(), "olivia"), "acme", id, approvals.Choice{Decision: approvals.Approve, Revision: 1})
				return err == nil
			})
			approved++
		default:
		}
		page, err := rules.Runs(ctx, "acme", automation.RunQuery{Status: automation.Failed})
		fatal(err)
		failed = page.Items
		return len(failed) > 0
	})
	if f := failed[0].Failure; f == nil || f.Class != automation.ClassLoop {
		t.Errorf("the last run failed with %+v, want class %s", f, automation.ClassLoop)
	}
	if approved != audit.MaxHops {
		t.Errorf("%d changes were approved on the way, want %d", approved, audit.MaxHops)
	}
}
