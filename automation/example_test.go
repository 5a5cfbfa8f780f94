package automation_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/lumelle/adminkit/audit/schema"
	"github.com/lumelle/adminkit/automation"
)

// A definition that does not hold together is refused when it is written, with the place.
func ExampleCatalog_Compile() {
	catalog, err := automation.NewCatalog(schema.Compile, automation.CatalogConfig{
		Actions: []automation.Action{automation.NotifyLog(slog.New(slog.DiscardHandler))},
	})
	if err != nil {
		panic(err)
	}
	d, err := automation.ParseDefinition([]byte(`{
		"name": "Tell about large refunds",
		"automation_environment": "prod",
		"trigger": {"type": "event", "event_type": "lumelle.orders.v1.refunded"},
		"conditions": {"path": "/data/amount", "op": "gte", "value": 100},
		"steps": [
			{"name": "tell", "action": "notify.log", "with": {"message": "refund {{ /steps/lookup/output/id }}"}}
		]}`))
	if err != nil {
		panic(err)
	}
	_, err = catalog.Compile(d)
	fmt.Println(err)
	// Output: invalid input: /steps/0/with: /steps/lookup/output/id is no step
}

// Decide goes from event to event. It does nothing itself: the command says what is to be
// done.
func ExampleDecide() {
	ask := func(context.Context, string, automation.ApprovalChange) (string, error) { return "request-1", nil }
	catalog, err := automation.NewCatalog(schema.Compile, automation.CatalogConfig{Actions: []automation.Action{automation.RequestApproval(ask)}})
	if err != nil {
		panic(err)
	}
	d, err := automation.ParseDefinition([]byte(`{
		"name": "Ask first", "automation_environment": "prod", "trigger": {"type": "event", "event_type": "lumelle.orders.v1.*"},
		"steps": [{"name": "ask", "action": "approval.request", "with": {"action": "orders.refund", "resource": {"type": "order", "id": "{{ /subject }}"}}}]}`))
	if err != nil {
		panic(err)
	}
	program, err := catalog.Compile(d)
	if err != nil {
		panic(err)
	}
	state, err := automation.NewState(automation.Run{ID: "run-1"}, nil, []byte(`{"subject":"order/1001"}`))
	if err != nil {
		panic(err)
	}
	now := time.Unix(1, 0)
	for _, e := range []automation.Event{
		{Kind: automation.Begin, At: now},
		{Kind: automation.Done, At: now, Step: "ask", Output: automation.Output{Await: &automation.Await{Key: "request-1"}}},
		{Kind: automation.Signalled, At: now, Gen: 1, Signal: automation.Signal{Key: "request-1", Outcome: automation.Approved}},
		{Kind: automation.Cancel, At: now},
	} {
		var command automation.Command
		state, command = automation.Decide(program, state, e)
		fmt.Println(e.Kind, "->", state.Run.Status, command.Kind == automation.Ignore)
	}
	// Output:
	// begin -> running false
	// done -> waiting false
	// signalled -> succeeded false
	// cancel -> succeeded true
}

// The delays of a policy follow from run, step and attempt: whoever computes them again
// gets the same.
func ExampleRetryPolicy_Wait() {
	exact := 0.0
	policy := automation.RetryPolicy{Delay: automation.Duration(time.Second), Jitter: &exact, MaxDelay: automation.Duration(5 * time.Second)}
	for n := 1; n <= 5; n++ {
		fmt.Println(policy.Wait("run-1", "tell", n))
	}
	// Output:
	// 1s
	// 2s
	// 4s
	// 5s
	// 5s
}
