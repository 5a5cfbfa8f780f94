package storagetest_test

import (
	"regexp"
	"testing"

	"github.com/lumelle/adminkit/storage/storagetest"
)

// Failures and reviews cite rules by their ids, over all suites.
func TestEveryRuleHasAnIDOfItsOwnAndExplainsItself(t *testing.T) {
	t.Parallel()
	id := regexp.MustCompile(`^[A-Z]{2}-[0-9]{3}$`)
	seen := map[string]string{}
	for _, r := range storagetest.Rules() {
		if !id.MatchString(r.ID) || r.Name == "" || r.Explanation == "" {
			t.Errorf("%q %q %q: a rule has an id of two letters and three digits, a sentence and a reason", r.ID, r.Name, r.Explanation)
		}
		if prior, twice := seen[r.ID]; twice {
			t.Errorf("%s is %q and %q", r.ID, prior, r.Name)
		}
		seen[r.ID] = r.Name
	}
	t.Logf("%d rules", len(seen))
}
