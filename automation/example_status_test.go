package automation_test

import (
	"fmt"

	"github.com/lumelle/adminkit/automation"
)

// A list of runs is filtered by these words; what has ended never moves again.
func ExampleStatus_Ended() {
	for _, s := range automation.Statuses() {
		fmt.Println(s, s.Ended())
	}
	// Output:
	// running false
	// waiting false
	// succeeded true
	// failed true
	// filtered true
	// cancelled true
	// timed_out true
}
