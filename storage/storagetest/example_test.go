package storagetest_test

import (
	"context"
	"testing"

	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/storagetest"
)

// A backend of one's own is tested by one function in a _test.go file.
func ExampleRun() {
	TestConformance := func(t *testing.T) {
		storagetest.Run(t, storagetest.Options{
			New: func(t *testing.T) storagetest.Backend {
				b, err := memory.New(memory.Config{}) // yours
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { b.Close(context.WithoutCancel(t.Context())) })
				return b
			},
		})
	}
	_ = TestConformance
}
