package credentialstest_test

import (
	"testing"

	"github.com/lumelle/adminkit/storage/secrets/credentials/credentialstest"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestStoresOfTheKit(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		credentialstest.Run(t, credentialstest.Options{New: func(*testing.T) credentialstest.Backend { return b }})
	})
}
