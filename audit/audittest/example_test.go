package audittest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/audittest"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// A host looks at what its change recorded. In a test t is the test's own; ruletest.Try
// stands in for one here, to show what a missing record looks like.
func ExampleRecorder() {
	failures := ruletest.Try(context.Background(), func(t testing.TB) {
		backend, err := memory.New(memory.Config{})
		if err != nil {
			t.Fatal(err)
		}
		catalog, err := audit.NewCatalog(audit.CatalogConfig{}, audit.Action{Name: "orders.refund"})
		if err != nil {
			t.Fatal(err)
		}
		sink := audittest.NewRecorder(t)
		governor, err := audit.NewGovernor(backend, audit.Ungated, sink, catalog)
		if err != nil {
			t.Fatal(err)
		}
		ctx := audit.WithActor(t.Context(), audit.Actor{Type: audit.User, ID: "sam"})
		_, err = governor.Change(ctx, audit.Event{
			Action: "orders.refund", Tenant: "acme", Resource: audit.Resource{Type: "order", ID: "1001"},
		}, func(context.Context, *audit.Event) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		e := sink.Require(t, audit.Event{Action: "orders.refund", Actor: audit.Actor{ID: "sam"}})
		fmt.Println(e.Action, e.Resource.ID, e.Outcome)
		sink.Require(t, audit.Event{Action: "orders.refund", Actor: audit.Actor{ID: "marco"}})
	})
	fmt.Println(strings.Join(failures, "\n"))
	// Output:
	// orders.refund 1001 success
	// 0 events look like the one wanted; recorded are:
	//   orders.refund of order 1001 in acme by sam: success (differs in Actor.ID)
}

// An author holds a sink to the contract.
func ExampleRun() {
	test := func(t *testing.T) {
		audittest.Run(t, audittest.Options{New: func(t *testing.T) audittest.Harness {
			backend, err := memory.New(memory.Config{})
			if err != nil {
				t.Fatal(err)
			}
			log, err := audit.NewLog(backend.Audit(), audit.LogConfig{})
			if err != nil {
				t.Fatal(err)
			}
			return audittest.Harness{
				Sink: log,
				Tx:   backend,
				Events: func(ctx context.Context, tenant string) ([]audit.Event, error) {
					page, err := log.Query(ctx, tenant, audit.Query{Limit: 1000})
					return page.Items, err
				},
			}
		}})
	}
	_ = test // go test runs it
}

// The rules by their ids, which failures and reviews cite.
func ExampleRules() {
	for _, r := range audittest.Rules() {
		fmt.Println(r)
	}
	// Output:
	// AS-001 an appended event is kept
	// AS-002 a batch is kept whole and in its order
	// AS-003 appending nothing is no error
	// AS-004 an event is kept once
	// AS-005 an event that stands twice in a batch is kept once
	// AS-006 ten writers of one event leave one
	// AS-007 an event appended in a rolled-back transaction is gone
	// AS-008 an event is not seen before its transaction commits
	// AS-009 a failed savepoint takes its own events only
	// AS-010 an ended transaction is an error
	// AS-011 a cancelled context is an error
	// AS-012 tenants do not share ids
	// AS-013 sources do not share ids
	// AS-014 ids are compared byte for byte
	// AS-015 an event is kept whole
	// AS-016 the caller's buffers are the caller's
	// AS-017 the other sinks see the event unchanged
	// AS-018 concurrent writers lose nothing
	// AS-019 a sink that can tell tells the truth
	// AS-020 an incomplete event does not panic
	// AS-021 outside of a transaction too a batch is all or nothing
	// AS-022 what a sink did not hold nobody else appends before the transaction ends
	// AS-023 what cannot be written is an error
	// AS-024 what is kept is not replaced
}

// The rules of gates.
func ExampleGateRules() {
	for _, r := range audittest.GateRules() {
		fmt.Println(r)
	}
	// Output:
	// GT-001 it says yes to something, and no to something
	// GT-002 a verdict says why
	// GT-003 an error allows nothing
	// GT-004 what it does not know it does not allow
	// GT-005 asked again it says the same
	// GT-006 the event is left as it is
	// GT-007 a ctx that is done ends the question
	// GT-008 what it writes goes with the transaction it was asked in
}

// A store of one's own is tested by one function in a _test.go file.
func ExampleRunStore() {
	TestStore := func(t *testing.T) {
		audittest.RunStore(t, func(t *testing.T) audittest.StoreUnderTest {
			b, err := memory.New(memory.Config{}) // yours
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { b.Close(context.WithoutCancel(t.Context())) })
			return b
		})
	}
	_ = TestStore
}

// The rules of stores by their ids, which failures and reviews cite.
func ExampleStoreRules() {
	fmt.Println(audittest.StoreRules()[0])
	// Output: LS-001 a record comes back as it was stored, its time in UTC and microseconds
}
