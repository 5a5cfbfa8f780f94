package webhooks

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
		if message := checkPattern(pattern); message != "" {
			t.Fatalf("%q: %s", pattern, message)
		}
		if got, want := slices.Contains(patternsFor(eventType), pattern), matches(pattern, eventType); got != want {
			t.Fatalf("%q on %q: got %t, want %t", pattern, eventType, got, want)
		}
	})
}

func TestLongestGroupStillMatches(t *testing.T) {
	group := strings.Repeat("a.", maxWords) + "*"
	if message := checkPattern(group); message != "" {
		t.Fatalf("%q: %s", group, message)
	}
	if all := patternsFor(strings.Repeat("a.", 60) + "a"); !slices.Contains(all, group) || len(all) > maxWords+2 {
		t.Errorf("got %d patterns", len(all))
	}
}

func TestMessageIDsAreStableAndTellEventsApart(t *testing.T) {
	first := messageID("acme", "/orders", "1")
	if first != messageID("acme", "/orders", "1") || len(first) != 36 || strings.Contains(first, ".") {
		t.Errorf("got %q", first)
	}
	for _, other := range []string{
		messageID("bloom", "/orders", "1"), messageID("acme", "/stock", "1"), messageID("acme", "/orders", "2"),
		messageID("acme/", "orders", "1"), messageID("acme", "/orders1", ""),
	} {
		if other == first {
			t.Errorf("%q stands for two events", other)
		}
	}
}
