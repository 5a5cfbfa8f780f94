package storage_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/idempotency"
	"github.com/lumelle/adminkit/storage/memory"
)

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A transaction travels in ctx. Whatever was written with it goes when it fails.
func ExampleTransactor() {
	ctx := context.Background()
	backend, err := memory.New(memory.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer backend.Close(ctx)

	keys := backend.Idempotency()
	var kept context.Context
	err = backend.InTx(ctx, func(ctx context.Context) error {
		kept = ctx
		asked := idempotency.Fingerprint("POST", "/orders/7/refund", nil)
		if _, err := keys.Begin(ctx, "acme", "sam", "k1", asked, at); err != nil {
			return err
		}
		return errors.New("the payment provider said no")
	})
	fmt.Println(err)

	// A ctx that outlived its transaction is refused.
	err = keys.Finish(kept, "acme", "sam", "k1", 200, nil, nil)
	fmt.Println(errors.Is(err, storage.ErrTxDone))
	// Output:
	// the payment provider said no
	// true
}

// A page ends with the cursor of the next one, made from the key of its last item.
func ExampleNewCursor() {
	names := []string{"ada", "bob", "cyd", "dan", "eve"}
	list := func(after storage.Cursor, limit int) (page storage.Page[string], err error) {
		limit, err = storage.Limit(limit)
		if err != nil {
			return page, err
		}
		key, err := after.Key("names", 1)
		if err != nil {
			return page, err
		}
		for _, name := range names {
			if key != nil && name <= key[0] {
				continue
			}
			if len(page.Items) == limit {
				page.Next = storage.NewCursor("names", page.Items[limit-1])
				break
			}
			page.Items = append(page.Items, name)
		}
		return page, nil
	}

	var after storage.Cursor
	for {
		page, err := list(after, 2)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(page.Items)
		if page.Next == "" {
			break
		}
		after = page.Next
	}
	_, err := list("AQEDYWRh", 2)
	fmt.Println(err)
	// Output:
	// [ada bob]
	// [cyd dan]
	// [eve]
	// bad cursor
}

// An InvalidError names what is wrong, field by field.
func ExampleInvalidError() {
	check := func(amount, reason string) error {
		var bad *storage.InvalidError
		if amount == "" {
			bad = bad.Add("/amount", "is required")
		}
		if len(reason) < 3 {
			bad = bad.Add("/reason", "must say why")
		}
		return bad.Err()
	}

	err := check("", "?")
	fmt.Println(err)
	var invalid *storage.InvalidError
	if errors.As(err, &invalid) {
		fmt.Println(invalid.Fields[1].Pointer)
	}
	fmt.Println(check("12.50", "damaged"))
	// Output:
	// invalid input: /amount: is required; /reason: must say why
	// /reason
	// <nil>
}

// A LimitError names the limit that a creation would pass. Services count what is there
// in the transaction of the creation, behind the new object.
func ExampleLimitError() {
	endpoints, err := storage.NewQuota("endpoints", 0, 2) // 0 is the default, here 2
	fmt.Println(endpoints.Limit, err)

	endpoints.Used = 2
	fmt.Println(endpoints.Check())
	endpoints.Used = 3
	err = endpoints.Check()
	fmt.Println(err)

	var full *storage.LimitError
	fmt.Println(errors.Is(err, storage.ErrLimit), errors.As(err, &full), full.Limit)
	// Output:
	// 2 <nil>
	// <nil>
	// limit reached: at most 2 endpoints
	// true true 2
}
