package mapstore_test

import (
	"context"
	"testing"

	"github.com/lumelle/adminkit/examples/mapstore"
	"github.com/lumelle/adminkit/storage/storagetest"
)

func TestConformance(t *testing.T) {
	storagetest.Run(t, storagetest.Options{New: func(t *testing.T) storagetest.Backend {
		b, err := mapstore.New()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close(context.WithoutCancel(t.Context())) })
		return b
	}})
}
