package idempotency_test

import (
	"context"
	"fmt"
	"time"

	"github.com/lumelle/adminkit/storage/idempotency"
	"github.com/lumelle/adminkit/storage/memory"
)

// A client that repeats its request under the same key gets the first answer; the
// effect happens once.
func Example() {
	ctx := context.Background()
	backend, err := memory.New(memory.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer backend.Close(ctx)

	store := backend.Idempotency()
	refunds := 0
	handle := func(key string, body string) (answer string, err error) {
		asked := idempotency.Fingerprint("POST", "/orders/7/refund", []byte(body))
		err = backend.InTx(ctx, func(ctx context.Context) error {
			done, err := store.Begin(ctx, "acme", "sam", key, asked, time.Now())
			if err != nil {
				return err
			}
			if done != nil {
				answer = string(done.Body)
				return nil
			}
			refunds++
			answer = fmt.Sprintf("refund %d", refunds)
			return store.Finish(ctx, "acme", "sam", key, 200, nil, []byte(answer))
		})
		return answer, err
	}

	fmt.Println(handle("k1", `{"amount":"12.50"}`))
	fmt.Println(handle("k1", `{"amount":"12.50"}`))
	fmt.Println(handle("k1", `{"amount":"99.00"}`))
	// Output:
	// refund 1 <nil>
	// refund 1 <nil>
	//  the idempotency key was used for another request
}
