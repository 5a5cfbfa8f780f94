package approvalstest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/approvals/approvalstest"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage/memory"
)

// An author of a store proves it with one call.
func ExampleRunStore() {
	_ = func(t *testing.T) { // TestStore
		approvalstest.RunStore(t, func(t *testing.T) approvalstest.StoreUnderTest { return openMemory(t) })
	}
}

// An applier of one's own is tested with what it lives in. This one is a Guard, whose
// changes are a number that a rollback takes back.
func ExampleRunApplier() {
	type price struct {
		Amount string `json:"amount"`
	}
	_ = func(t *testing.T) { // TestApplier
		approvalstest.RunApplier(t, approvalstest.ApplierOptions{New: func(t *testing.T) approvalstest.ApplierHost {
			backend := openMemory(t)
			var changes atomic.Int64
			return approvalstest.ApplierHost{
				Backend: backend,
				Actions: []audit.Action{{Name: "price.change"}},
				Wire: func(g *audit.Governor, s *approvals.Service) (approvals.Applier, error) {
					return approvals.NewGuard(g, s, "price.change", func(ctx context.Context, _ *audit.Event, _ price) error {
						changes.Add(1)
						return backend.OnRollback(ctx, func() { changes.Add(-1) })
					}, approvals.GuardConfig{})
				},
				Change: audit.Event{
					Tenant: "acme", Action: "price.change", Resource: audit.Resource{Type: "product", ID: "p-1"},
					Payload: json.RawMessage(`{"amount":"12.50"}`),
				},
				BadPayload: json.RawMessage(`{"amount":12}`),
				Changed:    func(context.Context) (int, error) { return int(changes.Load()), nil },
			}
		}})
	}
}

// An approver is asked about stages that matter to it.
func ExampleRunApprover() {
	small := approvals.ApproverFunc(func(ctx context.Context, s approvals.StageOpen) (approvals.Answer, error) {
		if err := ctx.Err(); err != nil {
			return approvals.Answer{}, err
		}
		if string(s.Request.Payload) == `{"amount":"5.00"}` {
			return approvals.Answer{Decision: approvals.Approve, Comment: "below the limit"}, nil
		}
		return approvals.Answer{Decision: approvals.Decline, Comment: "above the limit"}, nil
	})
	_ = func(t *testing.T) { // TestApprover
		var ask []approvals.StageOpen
		for _, payload := range []string{`{"amount":"5.00"}`, `{"amount":"500.00"}`} {
			var r approvals.Request
			r.Tenant, r.ID, r.Payload = "acme", "r-1", json.RawMessage(payload)
			ask = append(ask, approvals.StageOpen{Request: r})
		}
		approvalstest.RunApprover(t, approvalstest.ApproverOptions{
			New: func(*testing.T) approvals.Approver { return small },
			Ask: ask,
		})
	}
}

func openMemory(t *testing.T) *memory.Backend {
	backend, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { backend.Close(context.Background()) })
	return backend
}

// The rules of appliers and approvers by their ids, which failures and reviews cite. Those of
// stores come before them.
func ExampleRules() {
	for _, r := range approvalstest.Rules()[len(approvalstest.StoreRules()):] {
		fmt.Println(r)
	}
	// Output:
	// AL-001 the approved change is made once and recorded as what was approved
	// AL-002 what is rolled back is not there
	// AL-003 a change that the gate refuses is not made
	// AL-004 a payload that cannot be applied ends the request
	// AL-005 without a grant nothing is changed
	// AP-001 an answer is a word of a decision or none
	// AP-002 asked again, it says the same
	// AP-003 an unwelcome answer says why
	// AP-004 a ctx that is done ends the question
	// AP-005 the request is left as it is
}
