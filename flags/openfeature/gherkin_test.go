package openfeature_test

import (
	"bytes"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	gherkin "github.com/cucumber/gherkin/go/v42"
	messages "github.com/cucumber/messages/go/v34"

	"github.com/lumelle/adminkit/flags/importers"
	"github.com/lumelle/adminkit/storage/storagetest/suitetest"
)

// TestGherkin runs OpenFeature's own scenarios through OpenFeature's client, with the
// kit's provider over a store behind it. A sentence without a binding is a failure.
func TestGherkin(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(suitetest.Dir(t, "openfeature"), "gherkin")
	imported, err := importers.OpenFeature(suitetest.Read(t, dir, "test-flags.json"), importers.Options{Environments: []string{"prod"}})
	if err != nil || len(imported.Lost) > 0 {
		t.Fatal(imported.Lost, err)
	}
	provider, _ := newProvider(t, imported.Flags...)
	excluded, failed := exclusions(t), map[string]bool{}
	ran := 0
	for _, file := range []string{"contextMerging", "evaluation", "evaluation_v2", "hooks", "metadata"} {
		seen := map[string]int{}
		for _, scenario := range scenarios(t, dir, file+".feature") {
			seen[scenario.Name]++
			id := strings.Join([]string{file + ".feature", scenario.Name, strconv.Itoa(seen[scenario.Name])}, " | ")
			ran++
			w := &world{t: t, flags: provider}
			for _, step := range scenario.Steps {
				if err := w.run(step); err != nil {
					failed[id] = true
					if !excluded[id] {
						t.Errorf("%s: %s: %v, and is not on the list", id, step.Text, err)
					}
					break
				}
			}
			w.end()
		}
	}
	for _, id := range slices.Sorted(maps.Keys(excluded)) {
		if !failed[id] {
			t.Errorf("%s is on the list of exclusions and holds", id)
		}
	}
	if ran != 132 {
		t.Errorf("ran %d scenarios, want 132", ran)
	}
	t.Logf("%d of %d scenarios hold", ran-len(failed), ran)
}

// exclusions returns the scenarios that do not hold, which stand under their reasons.
func exclusions(t *testing.T) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	for line := range strings.Lines(string(suitetest.Read(t, "testdata", "gherkin_exclusions.txt"))) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			known[line] = true
		}
	}
	return known
}

// scenarios returns the scenarios of a file, those of outlines written out.
func scenarios(t *testing.T, dir, file string) []*messages.Pickle {
	t.Helper()
	n := 0
	id := func() string {
		n++
		return strconv.Itoa(n)
	}
	document, err := gherkin.ParseGherkinDocument(bytes.NewReader(suitetest.Read(t, dir, file)), id)
	if err != nil {
		t.Fatal(err)
	}
	return gherkin.Pickles(*document, file, id)
}
