package credentialstest_test

import (
	"testing"

	"github.com/lumelle/adminkit/storage/secrets/credentials/credentialstest"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestStoresOfTheKit(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		credentialstest.RunStore(t, func(*testing.T) credentialstest.StoreUnderTest { return b })
	})
}
