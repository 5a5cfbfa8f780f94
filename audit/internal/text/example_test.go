package text_test

import (
	"fmt"

	"github.com/lumelle/adminkit/audit/internal/text"
)

// What a name is refused for is told as what it must be.
func ExamplePrintable() {
	for _, s := range []string{"order 1001 😀", " ", "a\nb", "\xff", "\ufffe"} {
		fmt.Printf("%+q %q\n", s, text.Printable(s))
	}
	// Output:
	// "order 1001 \U0001f600" ""
	// " " "must not be blank"
	// "a\nb" "must not contain control characters"
	// "\xff" "must be UTF-8"
	// "\ufffe" "must not contain noncharacters"
}

// A source may be relative, a schema may not.
func ExampleURIReference() {
	for _, s := range []string{"/adminkit", "https://lumelle.example/orders", "no spaces"} {
		fmt.Println(s, text.URIReference(s), text.URI(s))
	}
	// Output:
	// /adminkit true false
	// https://lumelle.example/orders true true
	// no spaces false false
}
