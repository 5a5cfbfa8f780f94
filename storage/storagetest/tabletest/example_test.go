package tabletest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
	"github.com/lumelle/adminkit/storage/storagetest/tabletest"
)

// What a transaction wrote is there when it ends well, and only then.
func Example() {
	ctx := context.Background()
	backend, err := sqlite.Open(ctx, sqlite.Memory, sqlite.Config{NoMigrate: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer backend.Close(ctx)
	failures := ruletest.Try(ctx, func(t testing.TB) {
		tabletest.Create(t, backend)
		for id, end := range map[string]error{"a": nil, "b": errors.New("declined")} {
			_ = backend.InTx(t.Context(), func(ctx context.Context) error {
				return errors.Join(tabletest.Insert(ctx, backend, id), end)
			})
		}
		fmt.Println(tabletest.Count(t, backend), tabletest.IDs(t, backend))
	})
	fmt.Println(len(failures))
	// Output:
	// 1 a
	// 0
}
