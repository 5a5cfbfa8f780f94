package automationtest_test

import (
	"testing"

	"github.com/lumelle/adminkit/automation/automationtest"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestStores(t *testing.T) {
	t.Parallel()
	for _, kind := range eachtest.Kinds(t) {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			automationtest.RunStore(t, func(t *testing.T) automationtest.StoreUnderTest { return kind.Open(t) })
		})
	}
}
