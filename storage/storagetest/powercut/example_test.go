package powercut_test

import (
	"fmt"
	"strings"

	"github.com/lumelle/adminkit/storage/storagetest/powercut"
)

// The child says "1" after a write to /d/f and a sync, and "2" after a write alone.
const recording = `9 pwrite64(7<\x2f\x64\x2f\x66>, "\x61", 1, 0) = 1
9 fsync(7<\x2f\x64\x2f\x66>) = 0
9 write(1<\x70>, "\x31\x0a", 2) = 2
9 pwrite64(7<\x2f\x64\x2f\x66>, "\x62", 1, 1) = 1
9 write(1<\x70>, "\x32\x0a", 2) = 2
`

func ExampleParse() {
	trace, err := powercut.Parse(strings.NewReader(recording), "/d")
	if err != nil {
		fmt.Println(err)
		return
	}
	broken := 0
	for cut := range trace.Cuts(100, 1) {
		if stored := len(cut.Files()["f"]); stored < len(cut.Said) {
			broken++
		}
	}
	fmt.Println("lines:", trace.Said())
	fmt.Println("a cut can lose what was said:", broken > 0)
	// Output:
	// lines: [1 2]
	// a cut can lose what was said: true
}
