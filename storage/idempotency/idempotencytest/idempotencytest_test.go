package idempotencytest_test

import (
	"testing"

	"github.com/lumelle/adminkit/storage/idempotency/idempotencytest"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestStoresOfTheKitKeepTheRules(t *testing.T) {
	for _, kind := range eachtest.Kinds(t) {
		t.Run(kind.Name, func(t *testing.T) {
			idempotencytest.RunStore(t, func(t *testing.T) idempotencytest.StoreUnderTest { return kind.Open(t) })
		})
	}
}
