package audittest_test

import (
	"testing"

	"github.com/lumelle/adminkit/audit/audittest"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestStoresOfTheKitKeepTheRules(t *testing.T) {
	t.Parallel()
	for _, kind := range eachtest.Kinds(t) {
		t.Run(kind.Name, func(t *testing.T) {
			audittest.RunStore(t, func(t *testing.T) audittest.StoreUnderTest { return kind.Open(t) })
		})
	}
}
