package storagetest

import (
	"slices"
	"strings"
	"testing"
)

// RunTransactions tests a backend by the rules of transactions, TX and HJ, alone.
func RunTransactions(t *testing.T, options Options) {
	t.Helper()
	runRules(t, options, slices.DeleteFunc(rules(), func(r rule) bool {
		return !strings.HasPrefix(r.id, "TX-") && !strings.HasPrefix(r.id, "HJ-")
	}))
}
