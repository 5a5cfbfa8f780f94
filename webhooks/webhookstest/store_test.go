package webhookstest_test

import (
	"testing"

	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/webhooks/webhookstest"
)

func TestStoresOfTheKitKeepTheRules(t *testing.T) {
	for _, kind := range eachtest.Kinds(t) {
		t.Run(kind.Name, func(t *testing.T) {
			webhookstest.RunStore(t, func(t *testing.T) webhookstest.StoreUnderTest { return kind.Open(t) })
		})
	}
}
