package audit

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// matches is what a pattern means, said plainly.
func matches(pattern, eventType string) bool {
	if pattern == "*" {
		return true
	}
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(eventType, prefix)
	}
	return pattern == eventType
}

func TestPatternsOfATypeAreThoseThatMatchIt(t *testing.T) {
	word := rapid.SampledFrom([]string{"a", "b", "ab", "v1", "refunded"})
	rapid.Check(t, func(t *rapid.T) {
		eventType := strings.Join(rapid.SliceOfN(word, 1, 6).Draw(t, "type"), ".")
		words := rapid.SliceOfN(word, 0, 6).Draw(t, "pattern")
		if rapid.Bool().Draw(t, "group") || len(words) == 0 {
			words = append(words, "*")
		}
		pattern := strings.Join(words, ".")
		if message := CheckTypePattern(pattern); message != "" {
			t.Fatalf("%q: %s", pattern, message)
		}
		if got, want := slices.Contains(TypePatterns(eventType), pattern), matches(pattern, eventType); got != want {
			t.Fatalf("%q on %q: got %t, want %t", pattern, eventType, got, want)
		}
	})
}

func TestLongestGroupStillMatches(t *testing.T) {
	group := strings.Repeat("a.", maxWords) + "*"
	if message := CheckTypePattern(group); message != "" {
		t.Fatalf("%q: %s", group, message)
	}
	if all := TypePatterns(strings.Repeat("a.", 60) + "a"); !slices.Contains(all, group) || len(all) > maxWords+2 {
		t.Errorf("got %d patterns", len(all))
	}
}
