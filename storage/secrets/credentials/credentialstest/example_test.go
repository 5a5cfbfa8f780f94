package credentialstest_test

import (
	"fmt"

	"github.com/lumelle/adminkit/storage/secrets/credentials/credentialstest"
)

// What a store of an outsider is held to.
func ExampleStoreRules() {
	for _, r := range credentialstest.StoreRules()[6:8] {
		fmt.Println(r)
	}
	// Output:
	// CV-007 a touch only moves forward and leaves the revision alone
	// CV-008 sealed bytes are replaced for those that were read, and nothing else
}
