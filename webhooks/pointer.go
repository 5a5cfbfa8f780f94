package webhooks

import (
	"strconv"

	"github.com/lumelle/adminkit/storage"
)

// pointer returns the JSON pointer of element i of the list at base.
func pointer(base string, i int) string { return base + "/" + strconv.Itoa(i) }

// below returns what is wrong with a part of an input as being wrong with the input, in
// which the part is at base.
func below(base string, part *storage.InvalidError) error {
	var bad *storage.InvalidError
	for _, f := range part.Fields {
		bad = bad.Add(base+f.Pointer, f.Message)
	}
	return bad.Err()
}
