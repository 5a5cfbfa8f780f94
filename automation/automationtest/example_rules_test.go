package automationtest_test

import (
	"fmt"

	"github.com/lumelle/adminkit/automation/automationtest"
)

// A rule is a sentence that an author can hold a store to, and says what it is for where it is broken.
func ExampleRules() {
	first := automationtest.Rules()[0]
	fmt.Println(first.Name)
	fmt.Println(first.Explanation)
	// Output:
	// a rule and its versions are kept as they are
	// What was reviewed is what runs: every field comes back as it was saved, with times to the microsecond, and JSON byte for byte.
}
