package flagstest_test

import (
	"testing"

	"github.com/lumelle/adminkit/flags/flagstest"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestStoresOfTheKitKeepTheRules(t *testing.T) {
	for _, kind := range eachtest.Kinds(t) {
		t.Run(kind.Name, func(t *testing.T) {
			flagstest.RunStore(t, func(t *testing.T) flagstest.StoreUnderTest { return kind.Open(t) })
		})
	}
}
