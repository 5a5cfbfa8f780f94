package memory_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/idempotency"
	"github.com/lumelle/adminkit/storage/memory"
)

// A host that keeps its own state in memory undoes its part when the kit's part fails.
func ExampleBackend_OnRollback() {
	ctx := context.Background()
	backend, err := memory.New(memory.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer backend.Close(ctx)

	orders := map[string]string{"7": "paid"}
	err = backend.InTx(ctx, func(ctx context.Context) error {
		before := orders["7"]
		orders["7"] = "refunded"
		if err := backend.OnRollback(ctx, func() { orders["7"] = before }); err != nil {
			return err
		}
		return errors.New("the audit record was refused")
	})
	fmt.Println(err)
	fmt.Println(orders["7"])
	// Output:
	// the audit record was refused
	// paid
}

// A test fails each call of a change in turn: before it took effect, and after with
// the answer lost.
func ExampleConfig() {
	ctx := context.Background()
	lost := errors.New("connection lost")
	var fail string
	backend, err := memory.New(memory.Config{
		After: func(_ context.Context, call string) error {
			if call == fail {
				return lost
			}
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer backend.Close(ctx)

	keys := backend.Idempotency()
	claim := func() (done *idempotency.Record, err error) {
		err = backend.InTx(ctx, func(ctx context.Context) error {
			done, err = keys.Begin(ctx, "acme", "sam", "k1", [32]byte{}, time.Now())
			if err != nil || done != nil {
				return err
			}
			return keys.Finish(ctx, "acme", "sam", "k1", 200, nil, nil)
		})
		return done, err
	}

	fail = "idempotency.Finish"
	_, err = claim()
	fmt.Println(errors.Is(err, lost), errors.Is(err, storage.ErrCommitUnknown))
	fail = memory.CallCommit
	done, err := claim() // the first was undone
	fmt.Println(done == nil, errors.Is(err, storage.ErrCommitUnknown))
	fail = ""
	done, err = claim() // the second was not
	fmt.Println(done.Status, err)
	// Output:
	// true false
	// true true
	// 200 <nil>
}
