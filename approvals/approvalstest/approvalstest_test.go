package approvalstest_test

import (
	"testing"

	"github.com/lumelle/adminkit/approvals/approvalstest"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestStoresOfTheKit(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		approvalstest.RunStore(t, func(*testing.T) approvalstest.StoreUnderTest { return b })
	})
}
