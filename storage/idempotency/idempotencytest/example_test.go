package idempotencytest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/lumelle/adminkit/storage/idempotency/idempotencytest"
	"github.com/lumelle/adminkit/storage/memory"
)

// A store of one's own is tested by one function in a _test.go file.
func ExampleRunStore() {
	TestIdempotency := func(t *testing.T) {
		idempotencytest.RunStore(t, func(t *testing.T) idempotencytest.StoreUnderTest {
			b, err := memory.New(memory.Config{}) // yours
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { b.Close(context.WithoutCancel(t.Context())) })
			return b
		})
	}
	_ = TestIdempotency
}

// The rules by their ids, which failures and reviews cite.
func ExampleStoreRules() {
	fmt.Println(idempotencytest.StoreRules()[0])
	// Output: IS-001 a key that nobody used is claimed
}
