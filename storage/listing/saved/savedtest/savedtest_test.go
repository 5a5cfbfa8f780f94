package savedtest_test

import (
	"testing"

	"github.com/lumelle/adminkit/storage/listing/saved/savedtest"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestStoresOfTheKit(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		savedtest.RunStore(t, func(*testing.T) savedtest.StoreUnderTest { return b })
	})
}
