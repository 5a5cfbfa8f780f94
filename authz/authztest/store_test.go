package authztest_test

import (
	"testing"

	"github.com/lumelle/adminkit/authz/authztest"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestStoresOfTheKitKeepTheRules(t *testing.T) {
	for _, kind := range eachtest.Kinds(t) {
		t.Run(kind.Name, func(t *testing.T) {
			authztest.RunStore(t, func(t *testing.T) authztest.StoreUnderTest { return kind.Open(t) })
		})
	}
}
