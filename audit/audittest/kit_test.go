package audittest_test

import (
	"context"
	"testing"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/audittest"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// The gates of the kit, alone and around each other: the guard that asks a policy, and
// the gate that opens a request where the policy wants somebody else's agreement.
func TestTheKitsGatesKeepTheRules(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		catalog, err := audit.NewCatalog(audit.CatalogConfig{}, append(append(authz.Actions(), approvals.Actions()...), audit.Action{Name: "orders.refund"})...)
		must(err)
		log, err := audit.NewLog(b.Audit(), audit.LogConfig{})
		must(err)
		queue, err := jobs.NewQueue(b.Jobs(), jobs.Config{})
		must(err)
		guard, err := authz.New(authz.AuthorizerFunc(policy), b, log, catalog, authz.Config{})
		must(err)
		managers := approvals.DirectoryFunc(func(context.Context, string, audit.Actor) ([]string, error) { return []string{"approver"}, nil })
		requests, err := approvals.New(b, b.Approvals(), queue, managers, catalog, log, approvals.Config{})
		must(err)
		for name, gate := range map[string]audit.Gate{"authz.Guard": guard, "approvals.Gate": approvals.Gate(guard, requests)} {
			t.Run(name, func(t *testing.T) {
				audittest.RunGate(t, audittest.GateOptions{New: func(testing.TB) audittest.GateHarness {
					return audittest.GateHarness{
						Gate: gate, Tx: b,
						Events: []audit.Event{refund("5.00"), refund("500.00"), refund("5000.00")},
						Rows: func(ctx context.Context) (int, error) {
							page, err := log.Query(ctx, "acme", audit.Query{Limit: 1000})
							return len(page.Items), err
						},
					}
				}})
			})
		}
	})
}

func refund(amount string) audit.Event {
	return audit.Event{
		Tenant: "acme", Action: "orders.refund", Resource: audit.Resource{Type: "order", ID: amount},
		Actor: audit.Actor{Type: audit.User, ID: "sam"}, Payload: []byte(`{"amount":"` + amount + `"}`),
	}
}

// policy allows refunds of 5.00, wants approval of 500.00 and denies everything else.
func policy(_ context.Context, r authz.Request) (authz.Decision, error) {
	d := authz.Decision{PolicyVersion: "1", Rules: []string{"refunds"}}
	if r.Action == "orders.refund" {
		switch r.Resource.ID {
		case "5.00":
			d.Effect = audit.Allow
		case "500.00":
			d.Effect = audit.NeedsApproval
		}
	}
	return d.Settle(r), nil
}
