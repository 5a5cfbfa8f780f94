package targeting_test

import (
	"testing"

	"github.com/lumelle/adminkit/flags/targeting"
)

func TestTextsWithoutTheirCase(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		op        targeting.Op
		want, got targeting.Value
		holds     bool
	}{
		{"letters of ASCII", targeting.Equal, text("gb"), text("GB"), true},
		{"other letters", targeting.Equal, text("gb"), text("GC"), false},
		{"one of several", targeting.In, list(text("GB"), text("DE")), text("de"), true},
		{"one of many", targeting.In, list(text("a"), text("b"), text("c"), text("d"), text("E")), text("e"), true},
		{"none of several", targeting.NotIn, list(text("GB"), text("DE")), text("de"), false},
		{"a part", targeting.Contains, text("SHOP"), text("my shop here"), true},
		{"a part that is not there", targeting.Contains, text("SHOPS"), text("my shop here"), false},
		{"a part that begins twice", targeting.Contains, text("AAB"), text("aaab"), true},
		{"the beginning", targeting.StartsWith, text("MY"), text("my shop"), true},
		{"a beginning that is longer than the text", targeting.StartsWith, text("MY SHOP"), text("my"), false},
		{"the end", targeting.EndsWith, text("@SHOP.EXAMPLE"), text("a@shop.example"), true},
		{"an end that is longer than the text", targeting.EndsWith, text("A@SHOP"), text("@shop"), false},
		{"the empty text is everywhere", targeting.Contains, text(""), text(""), true},
		{"the three small and large sigmas are one letter", targeting.Contains, text("ΟΣ"), text("λόγος ος"), true},
		{"the sign of Kelvin is a K", targeting.StartsWith, text("k"), text("\u212a"), true},
		{"a K is the sign of Kelvin", targeting.EndsWith, text("\u212a"), text("k"), true},
		{"sharp s has a large form", targeting.Contains, text("ẞ"), text("straße"), true},
		{"sharp s is not ss", targeting.Contains, text("SS"), text("straße"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := matcher(t, targeting.Condition{Path: "a", Op: c.op, Value: c.want, FoldCase: true}, targeting.Options{})
			if got := m.Match(targeting.Attributes{"a": c.got}); got != c.holds {
				t.Errorf("%v %s %v: %v, want %v", c.got, c.op, c.want, got, c.holds)
			}
		})
	}
}
