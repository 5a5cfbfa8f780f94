package automation_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/cloudevent"
	"github.com/lumelle/adminkit/audit/schema"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
)

// A rule is written, tried out without any effect and turned on. The refund after that
// starts a run, which flags the order.
func ExampleService() {
	ctx := audit.WithActor(context.Background(), audit.Actor{Type: audit.User, ID: "dana"})
	service, governor, ended, end := newExample(ctx)
	defer end()
	definition, err := automation.ParseDefinition([]byte(`{
		"name": "Flag large refunds",
		"automation_environment": "prod",
		"trigger": {"type": "event", "event_type": "lumelle.orders.v1.refunded"},
		"conditions": {"path": "/data/amount", "op": "gte", "value": 100},
		"steps": [
			{"name": "flag", "action": "publish.event", "with": {
				"action": "orders.flag", "resource": {"type": "order", "id": "{{ /subject }}"}, "data": {"amount": {"$ref": "/data/amount"}}}}
		]}`))
	if err != nil {
		panic(err)
	}
	rule, err := service.Create(ctx, "acme", automation.RuleInput{ID: "large-refunds", Definition: definition})
	fmt.Println(rule.ID, rule.Version, rule.Enabled, err)

	tested, err := service.Test(ctx, "acme", rule.ID, automation.TestInput{
		Event: []byte(`{"type":"lumelle.orders.v1.refunded","subject":"order/7","data":{"amount":120}}`),
	})
	fmt.Println(tested.Run.Status, string(tested.Steps[0].Input), err)

	if _, err := service.Enable(ctx, "acme", rule.ID, "it was tried out"); err != nil {
		panic(err)
	}
	err = governor.Record(ctx, audit.Event{
		Tenant: "acme", Action: "orders.refund", Resource: audit.Resource{Type: "order", ID: "1001"}, Payload: []byte(`{"amount":150}`),
	})
	fmt.Println(err)
	<-ended
	page, err := service.Runs(ctx, "acme", automation.RunQuery{RuleID: rule.ID})
	for _, run := range page.Items {
		fmt.Println(run.Status, run.Owner.ID, run.EventType)
	}
	fmt.Println(err)
	// Output:
	// large-refunds 1 false <nil>
	// succeeded {"action":"orders.flag","data":{"amount":120},"resource":{"id":"order/7","type":"order"}} <nil>
	// <nil>
	// succeeded dana lumelle.orders.v1.refunded
	// <nil>
}

// newExample wires a host in memory. ended hears of each run that has ended.
func newExample(ctx context.Context) (service *automation.Service, governor *audit.Governor, ended chan string, end func()) {
	backend, err1 := memory.New(memory.Config{})
	queue, err2 := jobs.NewQueue(backend.Jobs(), jobs.Config{})
	log, err3 := audit.NewLog(backend.Audit(), audit.LogConfig{})
	catalog, err4 := audit.NewCatalog(audit.CatalogConfig{}, append(automation.Actions(),
		audit.Action{Name: "orders.refund", Type: "lumelle.orders.v1.refunded"},
		audit.Action{Name: "orders.flag", Category: audit.Domain})...)
	outbox, err5 := automation.NewOutbox(backend, backend.Automation(), queue, cloudevent.MarshalPublic, automation.OutboxConfig{})
	ended = make(chan string, 1)
	governor, err6 := audit.NewGovernor(backend, audit.Ungated, audit.Tee(log, outbox, endings{ended}), catalog)
	rules, err7 := automation.NewCatalog(schema.Compile, automation.CatalogConfig{Actions: []automation.Action{
		automation.PublishEvent(governor, "orders.flag"),
	}})
	service, err8 := automation.New(governor, backend.Automation(), queue, rules, automation.Config{})
	worker, err9 := jobs.NewWorker(queue, service.Handlers(), jobs.WorkerConfig{})
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7, err8, err9, worker.Start(ctx)); err != nil {
		panic(err)
	}
	return service, governor, ended, func() {
		if err := errors.Join(worker.Close(ctx), backend.Close(ctx)); err != nil {
			panic(err)
		}
	}
}
