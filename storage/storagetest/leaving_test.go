package storagetest

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/storage/tenants"
)

// given are the numbers of audit records, which each database gives by its own clock, and
// those of attempts, which it gives in any order to what was settled at once.
var given = regexp.MustCompile(`("seq":|"jobs_attempt","row":\{"tenant":"bloom","id":)[0-9]+`)

// A tenant may leave one backend for another: its rows are the same lines in all.
func TestExportsOfAllBackendsAreTheSame(t *testing.T) {
	exports := map[string]string{}
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		for _, tenant := range []string{"acme", "bloom"} {
			if err := owned(t.Context(), b, tenant); err != nil {
				t.Fatal(err)
			}
		}
		s, err := tenants.New(b.Tenants(), tenants.Config{Now: func() time.Time { return noon }})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if _, err := s.Export(t.Context(), "bloom", &out); err != nil {
			t.Fatal(err)
		}
		exports[t.Name()] = given.ReplaceAllString(out.String(), "${1}0")
	})
	var first string
	for name, export := range exports {
		if first == "" {
			first = name
			continue
		}
		want := strings.Split(exports[first], "\n")
		for _, l := range strings.Split(export, "\n") {
			if !slices.Contains(want, l) {
				t.Errorf("%s has a line that %s has not:\n%s", name, first, l)
			}
		}
		if n := strings.Count(export, "\n"); n != len(want)-1 {
			t.Errorf("%s has %d lines, %s has %d", name, n, first, len(want)-1)
		}
	}
}
