package pgtest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// Tests skip only on a machine that has no Postgres. One that is there and does not
// answer is a failure.
func ExampleUnavailable() {
	failures := ruletest.Try(context.Background(), func(t testing.TB) {
		pgtest.Unavailable(t, errors.New("connection refused"))
	})
	fmt.Println(failures)
	// Output: [postgres: connection refused]
}
