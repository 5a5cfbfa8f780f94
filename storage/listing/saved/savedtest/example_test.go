package savedtest_test

import (
	"fmt"

	"github.com/lumelle/adminkit/storage/listing/saved/savedtest"
)

// What a store of an outsider is held to.
func ExampleStoreRules() {
	for _, r := range savedtest.StoreRules()[3:5] {
		fmt.Println(r)
	}
	// Output:
	// SF-004 a name is taken once in a list for its owner, and an id once
	// SF-005 a write for another revision is refused
}
