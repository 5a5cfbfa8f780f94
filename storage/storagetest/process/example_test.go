package process_test

import (
	"fmt"

	"github.com/lumelle/adminkit/storage/storagetest/process"
)

// The child is this test binary, with the role "polite" of its TestMain.
func Example() {
	p, err := process.Start(process.Config{Role: "polite", Args: []string{"good", "morning"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Line())
	fmt.Println(p.Kill())
	// Output:
	// good+morning <nil>
	// <nil>
}
