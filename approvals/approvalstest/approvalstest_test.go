package approvalstest_test

import (
	"testing"

	"github.com/lumelle/adminkit/approvals/approvalstest"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestStoresOfTheKit(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		approvalstest.Run(t, approvalstest.Options{New: func(*testing.T) approvalstest.Backend { return b }})
	})
}
