package webhooks

import "strconv"

// pointer returns the JSON pointer of element i of the list at base.
func pointer(base string, i int) string { return base + "/" + strconv.Itoa(i) }
