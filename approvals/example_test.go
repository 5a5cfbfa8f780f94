package approvals_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
)

type Refund struct {
	Amount string `json:"amount"`
}

// A refund that a colleague has to agree to, on the memory backend.
func Example() {
	ctx := context.Background()
	backend, err := memory.New(memory.Config{})
	check(err)
	queue, err := jobs.NewQueue(backend.Jobs(), jobs.Config{})
	check(err)
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, append(approvals.Actions(), audit.Action{Name: "orders.refund"})...)
	check(err)

	// Marco is a manager, and managers approve.
	directory := approvals.DirectoryFunc(func(_ context.Context, tenant string, a audit.Actor) ([]string, error) {
		if tenant == "acme" && a.ID == "marco" {
			return []string{"manager"}, nil
		}
		return nil, nil
	})
	service, err := approvals.New(backend, backend.Approvals(), queue, directory, catalog, audit.Disabled, approvals.Config{
		Policies: map[string]approvals.Policy{"": {Stages: []approvals.StageRule{{Name: "manager", Roles: []string{"manager"}}}}},
	})
	check(err)

	// The policy: every refund needs approval. A host has authz.Guard here.
	policy := audit.GateFunc(func(context.Context, audit.Event) (audit.Verdict, error) {
		return audit.Verdict{Effect: audit.NeedsApproval}, nil
	})
	governor, err := audit.NewGovernor(backend, approvals.Gate(policy, service), audit.Disabled, catalog)
	check(err)

	applied := make(chan struct{})
	refunds, err := approvals.NewGuard(governor, service, "orders.refund", func(ctx context.Context, e *audit.Event, r Refund) error {
		fmt.Printf("refund %s of %s for %s, approved by %s\n", r.Amount, e.Resource.ID, e.OnBehalfOf.ID, e.ApprovedBy[0].ID)
		storage.AfterCommit(ctx, func() { close(applied) })
		return nil
	}, approvals.GuardConfig{})
	check(err)
	worker, err := jobs.NewWorker(queue, service.Handlers(), jobs.WorkerConfig{})
	check(err)

	sam := audit.WithActor(ctx, audit.Actor{Type: audit.User, ID: "sam"})
	_, err = refunds.Do(sam, approvals.Change[Refund]{
		Tenant: "acme", Resource: audit.Resource{Type: "order", ID: "order-7"}, Payload: Refund{"150.00"}, Reason: "damaged",
	})
	var pending *approvals.PendingError
	fmt.Println("sam waits:", errors.As(err, &pending))

	approve := approvals.Choice{Decision: approvals.Approve, Revision: 1}
	_, err = service.Decide(sam, "acme", pending.RequestID, approve)
	fmt.Println("sam approves:", err)

	marco := audit.WithActor(ctx, audit.Actor{Type: audit.User, ID: "marco"})
	r, err := service.Decide(marco, "acme", pending.RequestID, approve)
	check(err)
	fmt.Println("marco approves:", r.State)

	// What was approved waits for a worker, which a host starts when it starts itself.
	check(worker.Start(ctx))
	<-applied
	check(worker.Close(ctx))
	r, _, err = service.Get(ctx, "acme", pending.RequestID)
	check(err)
	fmt.Println("in the end:", r.State)
	// Output:
	// sam waits: true
	// sam approves: approvals: nobody decides on a request of their own
	// marco approves: approved
	// refund 150.00 of order-7 for sam, approved by marco
	// in the end: applied
}

// Two managers have to agree, and only the last word of each counts.
func ExampleEvaluate() {
	policy := approvals.Policy{Stages: []approvals.StageRule{{Name: "managers", Required: 2}}}
	author := []audit.Actor{{Type: audit.User, ID: "sam"}}
	say := func(person string, choice approvals.Trigger) approvals.Decision {
		return approvals.Decision{Revision: 1, Actor: audit.Actor{Type: audit.User, ID: person}, Choice: choice}
	}
	for _, said := range [][]approvals.Decision{
		{say("ann", approvals.Approve), say("ann", approvals.Approve)},
		{say("ann", approvals.Approve), say("sam", approvals.Approve)},
		{say("ann", approvals.Approve), say("bob", approvals.Approve)},
		{say("ann", approvals.Approve), say("bob", approvals.Approve), say("ann", approvals.RequestChanges)},
	} {
		stage := approvals.Evaluate(policy, nil, 1, author, said)[0]
		fmt.Println(len(stage.ApprovedBy), "of", stage.Required, stage.Status)
	}
	// Output:
	// 1 of 2 pending
	// 1 of 2 pending
	// 2 of 2 approved
	// 1 of 2 pending
}

// An owner has to agree to what is large, and to whatever does not say how large it is.
func ExampleRoute() {
	large, err := targeting.ParseCondition([]byte(`{"path":"/payload/amount","op":"gte","value":1000}`))
	check(err)
	policy := approvals.Policy{Stages: []approvals.StageRule{{Name: "manager"}, {Name: "owner", When: &large}}}
	for _, payload := range []string{`{"amount":"1500.00"}`, `{"amount":"150.00"}`, `{"amount":"all of it"}`} {
		r := approvals.Request{Tenant: "acme", Policy: policy, Content: approvals.Content{Payload: []byte(payload)}}
		owner := approvals.Route(r, nil)[1]
		fmt.Printf("%s %s %q\n", payload, owner.Status, owner.Reason.Text)
	}
	// Output:
	// {"amount":"1500.00"} pending ""
	// {"amount":"150.00"} skipped "/payload/amount gte 1000 does not hold"
	// {"amount":"all of it"} pending "asked all the same: the change does not say all that its condition reads"
}

// The state machine is a table that can be asked.
func ExampleNext() {
	tr, err := approvals.Next(approvals.StateChangesRequested, approvals.Revise)
	fmt.Println(tr.To, err)
	_, err = approvals.Next(approvals.StateApplied, approvals.Cancel)
	fmt.Println(err)
	// Output:
	// awaiting_approval <nil>
	// a request that is applied cannot cancel
}

// An approver that is no person: it agrees to small amounts and leaves the others to
// people.
func ExampleApproverFunc() {
	small := approvals.ApproverFunc(func(_ context.Context, s approvals.StageOpen) (approvals.Answer, error) {
		if string(s.Request.Payload) == `{"amount":"5.00"}` {
			return approvals.Answer{Decision: approvals.Approve, Comment: "below the limit"}, nil
		}
		return approvals.Answer{}, nil
	})
	var r approvals.Request
	r.Payload = []byte(`{"amount":"5.00"}`)
	answer, err := small.Ask(context.Background(), approvals.StageOpen{Request: r})
	check(err)
	fmt.Println(answer.Decision, answer.Comment)
	// Output: approve below the limit
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
