package webhooks

import (
	"strings"
	"testing"
)

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
