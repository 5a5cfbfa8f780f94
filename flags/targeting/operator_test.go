package targeting_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/flags/targeting"
)

var (
	text    = targeting.String
	integer = targeting.Int
	number  = targeting.Number
	truth   = targeting.Bool
	list    = targeting.List
)

func instant(s string) targeting.Value {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return targeting.Time(t)
}

// none is the value of an attribute that is not there.
var none targeting.Value

func matcher(t testing.TB, c targeting.Condition, opts targeting.Options) *targeting.Matcher {
	t.Helper()
	m, err := targeting.Compile(c, opts)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestOperatorsOverValues(t *testing.T) {
	t.Parallel()
	big := int64(1) << 60
	for _, c := range []struct {
		name      string
		op        targeting.Op
		want, got targeting.Value
		holds     bool
	}{
		{"a text equals itself", targeting.Equal, text("GB"), text("GB"), true},
		{"a text equals no other", targeting.Equal, text("GB"), text("DE"), false},
		{"case counts", targeting.Equal, text("GB"), text("gb"), false},
		{"an integer equals the float of its value", targeting.Equal, integer(1), number(1), true},
		{"large integers are compared exactly", targeting.Equal, integer(big), integer(big + 1), false},
		{"a large integer equals the float that is it", targeting.Equal, integer(big), number(float64(big)), true},
		{"an integer is not the fraction of its bits", targeting.Equal, number(0.5), integer(int64(math.Float64bits(0.5))), false},
		{"a number is not its text", targeting.Equal, integer(1), text("1"), false},
		{"a text is not its number", targeting.Equal, text("1"), integer(1), false},
		{"true equals true", targeting.Equal, truth(true), truth(true), true},
		{"true is not false", targeting.Equal, truth(true), truth(false), false},
		{"true is not 1", targeting.Equal, truth(true), integer(1), false},
		{"zero has no sign", targeting.Equal, number(math.Copysign(0, -1)), integer(0), true},
		{"a missing attribute equals nothing", targeting.Equal, text("GB"), none, false},
		{"an object equals nothing", targeting.Equal, text("GB"), object(), false},
		{"one element of a list is enough", targeting.Equal, text("b"), list(text("a"), text("b")), true},
		{"one element of a list is enough beside one of another kind", targeting.Equal, text("b"), list(integer(1), text("b")), true},
		{"an empty list equals nothing", targeting.Equal, text("b"), list(), false},
		{"a list in a list is not looked into", targeting.Equal, text("b"), list(list(text("b"))), false},

		{"another text is unequal", targeting.NotEqual, text("GB"), text("DE"), true},
		{"the same text is not unequal", targeting.NotEqual, text("GB"), text("GB"), false},
		{"a missing attribute is not unequal", targeting.NotEqual, text("GB"), none, false},
		{"another kind is not unequal", targeting.NotEqual, text("GB"), integer(1), false},
		{"a list is unequal when no element is equal", targeting.NotEqual, text("c"), list(text("a"), text("b")), true},
		{"a list is not unequal when an element is equal", targeting.NotEqual, text("b"), list(text("a"), text("b")), false},
		{"an empty list is unequal", targeting.NotEqual, text("b"), list(), true},
		{"a list with an element of another kind is not unequal", targeting.NotEqual, text("c"), list(text("a"), integer(1)), false},

		{"a text is in its list", targeting.In, list(text("a"), text("b")), text("b"), true},
		{"a text is not in another list", targeting.In, list(text("a"), text("b")), text("c"), false},
		{"an integer is in a list of numbers", targeting.In, list(integer(1), number(2.5)), number(1), true},
		{"a fraction is in a list of numbers", targeting.In, list(integer(1), number(2.5)), number(2.5), true},
		{"a truth value is in its list", targeting.In, list(truth(true)), truth(true), true},
		{"one element in the list is enough", targeting.In, list(text("a")), list(text("x"), text("a")), true},
		{"a missing attribute is in no list", targeting.In, list(text("a")), none, false},
		{"a text is not in another list, negated", targeting.NotIn, list(text("a")), text("b"), true},
		{"a missing attribute is not outside a list", targeting.NotIn, list(text("a")), none, false},
		{"another kind is not outside a list", targeting.NotIn, list(text("a")), integer(1), false},

		{"less", targeting.Less, integer(10), integer(9), true},
		{"equal is not less", targeting.Less, integer(10), integer(10), false},
		{"equal is less or equal", targeting.LessEqual, integer(10), integer(10), true},
		{"greater", targeting.Greater, integer(10), integer(11), true},
		{"equal is not greater", targeting.Greater, integer(10), integer(10), false},
		{"equal is greater or equal", targeting.GreaterEqual, integer(10), integer(10), true},
		{"numbers are ordered as numbers", targeting.Greater, integer(9), integer(10), true},
		{"a fraction lies between integers", targeting.Greater, integer(10), number(10.5), true},
		{"a negative fraction lies between integers", targeting.Less, integer(-10), number(-10.5), true},
		{"an integer lies below a fraction", targeting.Less, number(10.5), integer(10), true},
		{"a float beyond integers is greater", targeting.Greater, integer(math.MaxInt64), number(1e300), true},
		{"a float below integers is less", targeting.Less, integer(math.MinInt64), number(-1e300), true},
		{"an integer lies below a float beyond integers", targeting.Less, number(1e300), integer(math.MaxInt64), true},
		{"money is read from its text", targeting.GreaterEqual, integer(100), text("100.00"), true},
		{"money with cents is read from its text", targeting.Greater, integer(100), text("100.01"), true},
		{"money below is read from its text", targeting.Less, integer(100), text("-3"), true},
		{"a text with an exponent is no decimal", targeting.Greater, integer(100), text("1e9"), false},
		{"a text with a plus is no decimal", targeting.Greater, integer(100), text("+900"), false},
		{"a text with a bare point is no decimal", targeting.Greater, integer(100), text("900."), false},
		{"an empty text is no decimal", targeting.Less, integer(100), text(""), false},
		{"a long text is no decimal", targeting.Greater, integer(100), text(strings.Repeat("9", 41)), false},
		{"infinity in a text is no decimal", targeting.Greater, integer(100), text("Inf"), false},
		{"a truth value has no order", targeting.Less, integer(100), truth(true), false},

		{"contains", targeting.Contains, text("ell"), text("hello"), true},
		{"contains not", targeting.Contains, text("elx"), text("hello"), false},
		{"one alternative is enough", targeting.Contains, list(text("x"), text("ell")), text("hello"), true},
		{"contains reads no number", targeting.Contains, text("1"), integer(1), false},
		{"contains reads no text beyond the limit", targeting.Contains, text("a"), text(strings.Repeat("a", targeting.MaxInput+1)), false},
		{"contains reads a text at the limit", targeting.Contains, text("a"), text(strings.Repeat("a", targeting.MaxInput)), true},
		{"starts with", targeting.StartsWith, text("he"), text("hello"), true},
		{"starts not with", targeting.StartsWith, text("el"), text("hello"), false},
		{"ends with", targeting.EndsWith, text("lo"), text("hello"), true},
		{"ends with one of", targeting.EndsWith, list(text("@a.example"), text("@b.example")), text("x@b.example"), true},
		{"ends not with", targeting.EndsWith, text("ll"), text("hello"), false},
		{"matches anywhere", targeting.Matches, text("l+"), text("hello"), true},
		{"matches not", targeting.Matches, text("^l+"), text("hello"), false},
		{"matches reads no text beyond the limit", targeting.Matches, text("a"), text(strings.Repeat("a", targeting.MaxInput+1)), false},

		{"before a time", targeting.Before, text("2026-03-01T00:00:00Z"), text("2026-02-28T23:59:59Z"), true},
		{"zones are seen through", targeting.Before, text("2026-03-01T00:00:00Z"), text("2026-03-01T01:00:00+02:00"), true},
		{"the same instant is not before", targeting.Before, text("2026-03-01T00:00:00Z"), text("2026-03-01T01:00:00+01:00"), false},
		{"the same instant is not after", targeting.After, text("2026-03-01T00:00:00Z"), text("2026-03-01T00:00:00Z"), false},
		{"fractions of a second count", targeting.After, text("2026-03-01T00:00:00Z"), text("2026-03-01T00:00:00.000000001Z"), true},
		{"a time is an instant", targeting.After, text("2026-03-01T00:00:00Z"), instant("2026-03-01T00:00:00.5Z"), true},
		{"seconds are an instant", targeting.After, integer(1_000_000_000), text("2001-09-09T01:46:41Z"), true},
		{"fractions of seconds are an instant", targeting.After, integer(1_000_000_000), number(1_000_000_000.5), true},
		{"a day is no instant", targeting.After, integer(0), text("2026-03-01"), false},
		{"seconds beyond the year 9999 are no instant", targeting.After, integer(0), integer(1 << 50), false},
		{"fractions beyond the year 9999 are no instant", targeting.After, integer(0), number(1e300), false},

		{"a release comes after its candidate", targeting.SemverGreater, text("2.0.0-rc.1"), text("2.0.0"), true},
		{"versions are ordered as numbers", targeting.SemverLess, text("1.10.0"), text("1.9.0"), true},
		{"build metadata does not count", targeting.SemverEqual, text("1.0.0+a"), text("1.0.0+b"), true},
		{"less or equal is equal", targeting.SemverLessEqual, text("1.0.0"), text("1.0.0"), true},
		{"greater or equal is equal", targeting.SemverGreaterEqual, text("1.0.0"), text("1.0.0"), true},
		{"greater or equal is greater", targeting.SemverGreaterEqual, text("1.0.0"), text("1.0.1"), true},
		{"less is not equal", targeting.SemverLess, text("1.0.0"), text("1.0.0"), false},
		{"a leading v is no version", targeting.SemverEqual, text("1.0.0"), text("v1.0.0"), false},
		{"two numbers are no version", targeting.SemverGreater, text("1.0.0"), text("2.0"), false},
		{"four numbers are no version", targeting.SemverGreater, text("1.0.0"), text("2.0.0.0"), false},
		{"a leading zero is no version", targeting.SemverGreater, text("1.0.0"), text("02.0.0"), false},
		{"an empty identifier is no version", targeting.SemverGreater, text("1.0.0"), text("2.0.0-a..b"), false},
		{"numbers of any length are versions", targeting.SemverGreater, text("99999999999999999999.0.0"), text("100000000000000000000.0.0"), true},

		{"an address in its prefix", targeting.InCIDR, text("192.0.2.0/24"), text("192.0.2.7"), true},
		{"an address outside the prefix", targeting.InCIDR, text("192.0.2.0/24"), text("192.0.3.7"), false},
		{"an address alone", targeting.InCIDR, list(text("192.0.2.1"), text("2001:db8::1")), text("2001:db8::1"), true},
		{"an IPv4 address written as IPv6", targeting.InCIDR, text("192.0.2.0/24"), text("::ffff:192.0.2.7"), true},
		{"no address", targeting.InCIDR, text("192.0.2.0/24"), text("192.0.2"), false},

		{"exists", targeting.Exists, none, text(""), true},
		{"exists as asked", targeting.Exists, truth(true), list(), true},
		{"an object exists", targeting.Exists, none, object(), true},
		{"what is missing does not exist", targeting.Exists, none, none, false},
		{"what is missing does not exist, as asked", targeting.Exists, truth(false), none, true},
		{"what exists is not missing", targeting.Exists, truth(false), integer(0), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := matcher(t, targeting.Condition{Path: "a", Op: c.op, Value: c.want}, targeting.Options{})
			if got := m.Match(targeting.Attributes{"a": c.got}); got != c.holds {
				t.Errorf("%v %s %v: %v, want %v", c.got, c.op, c.want, got, c.holds)
			}
			if trace := m.Explain(targeting.Attributes{"a": c.got}); trace.Holds != c.holds {
				t.Errorf("Explain says %v, Match %v", trace.Holds, c.holds)
			}
		})
	}
}

func object() targeting.Value {
	v, err := targeting.Of(map[string]any{"a": 1})
	if err != nil {
		panic(err)
	}
	return v
}
