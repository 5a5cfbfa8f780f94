package automationtest_test

import (
	"context"
	"testing"

	"github.com/lumelle/adminkit/automation/automationtest"
	"github.com/lumelle/adminkit/storage/memory"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	automationtest.RunStore(t, automationtest.StoreOptions{New: func(t *testing.T) automationtest.Backend {
		b, err := memory.New(memory.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close(context.WithoutCancel(t.Context())) })
		return b
	}})
}
