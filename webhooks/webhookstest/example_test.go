package webhookstest_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/webhooks"
	"github.com/lumelle/adminkit/webhooks/egress"
	"github.com/lumelle/adminkit/webhooks/webhookstest"
)

// An author of a Deliverer holds it to the rules with one call.
func ExampleRun() {
	_ = func(t *testing.T) { // TestDeliverer
		webhookstest.Run(t, webhookstest.Options{New: func(t testing.TB) webhooks.Deliverer {
			d, err := egress.New(egress.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
			if err != nil {
				t.Fatal(err)
			}
			return d
		}})
	}
}

// An author of a backend holds its Store to the rules with one call.
func ExampleRunStore() {
	_ = func(t *testing.T) { // TestWebhooks
		webhookstest.RunStore(t, func(t *testing.T) webhookstest.StoreUnderTest {
			b, err := memory.New(memory.Config{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { b.Close(context.WithoutCancel(t.Context())) })
			return b
		})
	}
}

// The rules of a store say what they are for.
func ExampleStoreRules() {
	first := webhookstest.StoreRules()[0]
	fmt.Println(first)
	fmt.Println(first.Explanation)
	// Output:
	// MS-001 an endpoint comes back as it was inserted
	// what a tenant registered is what it is shown and what attempts go by
}

// The rules by their ids, which failures and reviews cite.
func ExampleRules() {
	for _, r := range webhookstest.Rules() {
		fmt.Println(r)
	}
	// Output:
	// WD-001 one call is one request
	// WD-002 a redirect is not followed
	// WD-003 the message id goes out as it is, each time
	// WD-004 the timestamp is that of the attempt
	// WD-005 every key signs the bytes that are sent
	// WD-006 the body arrives byte for byte, with its type
	// WD-007 the trace goes on to the receiver
	// WD-008 2xx is accepted
	// WD-009 a success stands with the head of the answer
	// WD-010 410 is gone
	// WD-011 every other answer may be tried again
	// WD-012 overload throttles
	// WD-013 Retry-After is handed on
	// WD-014 a Retry-After that says nothing is nothing
	// WD-015 a silent receiver costs no more than its time
	// WD-016 it returns when its ctx ends
	// WD-017 a destination that may not be reached is blocked
	// WD-018 a URL of another kind is blocked
	// WD-019 little of an answer is kept
	// WD-020 what failed is said without addresses
	// WD-021 many attempts run at once
}
