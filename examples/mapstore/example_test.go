package mapstore_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/examples/mapstore"
)

// The stores of a backend write into one transaction.
func Example() {
	ctx := context.Background()
	b, err := mapstore.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close(ctx)
	log, err := audit.NewLog(b.Audit(), audit.LogConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}

	refunded := audit.Event{
		ID: "refund-1001", Source: "/orders", Tenant: "acme",
		Type: "lumelle.orders.v1.refunded", Action: "orders.refund", Category: audit.Activity, Outcome: audit.Success,
		Time:  time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		Trace: correlation.New(), Actor: audit.Actor{Type: audit.User, ID: "sam"}, Resource: audit.Resource{Type: "order", ID: "1001"},
	}
	for _, outcome := range []error{errors.New("the bank said no"), nil} {
		err := b.InTx(ctx, func(ctx context.Context) error {
			if err := log.Append(ctx, refunded); err != nil {
				return err
			}
			return outcome
		})
		known, _ := log.Recorded(ctx, "acme", "/orders", "refund-1001")
		fmt.Printf("%v: recorded %t\n", err, known)
	}
	// Output:
	// the bank said no: recorded false
	// <nil>: recorded true
}
