package targeting_test

import (
	"encoding/json"
	"math/big"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"

	"github.com/lumelle/adminkit/flags/targeting"
)

// The reference is written from the package documentation, as plainly as it can be:
// decoded JSON, rational numbers, no short cuts.

// truthOf evaluates a tree over attributes.
func truthOf(c targeting.Condition, audiences map[string]targeting.Audience, a targeting.Attributes) bool {
	count := func(members []targeting.Condition) (held int) {
		for _, m := range members {
			if truthOf(m, audiences, a) {
				held++
			}
		}
		return held
	}
	switch {
	case c.All != nil:
		return count(c.All) == len(c.All)
	case c.Any != nil:
		return count(c.Any) > 0
	case c.None != nil:
		return count(c.None) == 0
	case c.Audience != "":
		return memberOf(audiences[c.Audience], audiences, a)
	case c.Path == "":
		return true
	}
	return clauseHolds(c, a[c.Path])
}

func memberOf(given targeting.Audience, audiences map[string]targeting.Audience, a targeting.Attributes) bool {
	by := given.By
	if len(by) == 0 {
		by = []string{"merchantId", "targetingKey"}
	}
	for _, path := range by {
		key, ok := a[path].Any().(string)
		if i, whole := a[path].Any().(int64); whole {
			key, ok = big.NewInt(i).String(), true
		}
		if !ok || key == "" {
			continue
		}
		if slices.Contains(given.Exclude, key) {
			return false
		}
		if slices.Contains(given.Include, key) {
			return true
		}
		break
	}
	return given.When != nil && truthOf(*given.When, audiences, a)
}

func clauseHolds(c targeting.Condition, v targeting.Value) bool {
	got := v.Any()
	if c.Op == targeting.Exists {
		want, given := c.Value.Any().(bool)
		return (got != nil) == (want || !given)
	}
	if got == nil {
		return c.OnMissing == targeting.MissingMatch
	}
	elements, isList := got.([]any)
	if !isList {
		elements = []any{got}
	}
	if len(elements) > targeting.MaxElements {
		return false
	}
	op := c.Op
	negated := op == targeting.NotEqual || op == targeting.NotIn
	readable := true
	for _, e := range elements {
		holds, ok := compareTo(c, e)
		if holds {
			return !negated
		}
		readable = readable && ok
	}
	return negated && readable
}

// compareTo reports whether one value passes, and whether it could be read.
func compareTo(c targeting.Condition, got any) (holds, readable bool) {
	want := c.Value.Any()
	wants, isList := want.([]any)
	if !isList {
		wants = []any{want}
	}
	switch c.Op {
	case targeting.Equal, targeting.NotEqual, targeting.In, targeting.NotIn:
		for _, w := range wants {
			equal, ok := equalTo(w, got, c.FoldCase)
			holds, readable = holds || equal, readable || ok
		}
		return holds, readable
	case targeting.Less, targeting.LessEqual, targeting.Greater, targeting.GreaterEqual:
		n := rational(got)
		if s, ok := got.(string); ok && regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`).MatchString(s) && len(s) <= 40 {
			n = rational(json.Number(s))
		}
		if n == nil {
			return false, false
		}
		return ordered(string(c.Op), n.Cmp(rational(want))), true
	case targeting.Before, targeting.After:
		at, ok := instantOf(got)
		limit, _ := instantOf(want)
		if c.Op == targeting.Before {
			return ok && at.Before(limit), ok
		}
		return ok && at.After(limit), ok
	}
	s, ok := got.(string)
	if !ok {
		return false, false
	}
	switch c.Op {
	case targeting.Contains, targeting.StartsWith, targeting.EndsWith:
		if c.Op == targeting.Contains && len(s) > targeting.MaxInput {
			return false, false
		}
		for _, w := range wants {
			holds = holds || textHolds(c.Op, s, w.(string), c.FoldCase)
		}
		return holds, true
	case targeting.Matches:
		return len(s) <= targeting.MaxInput && regexp.MustCompile(want.(string)).MatchString(s), len(s) <= targeting.MaxInput
	case targeting.InCIDR:
		addr, err := netip.ParseAddr(s)
		if err != nil {
			return false, false
		}
		for _, w := range wants {
			prefix, err := netip.ParsePrefix(w.(string))
			if err != nil {
				prefix = netip.MustParsePrefix(w.(string) + map[bool]string{true: "/32", false: "/128"}[netip.MustParseAddr(w.(string)).Is4()])
			}
			holds = holds || prefix.Contains(addr.Unmap())
		}
		return holds, true
	}
	got3, ok := versionOf(s)
	if !ok {
		return false, false
	}
	want3, _ := versionOf(want.(string))
	return ordered(strings.TrimPrefix(string(c.Op), "semver_"), slices.Compare(got3, want3)), true
}

func ordered(op string, c int) bool {
	switch op {
	case "lt":
		return c < 0
	case "lte":
		return c <= 0
	case "eq":
		return c == 0
	case "gte":
		return c >= 0
	}
	return c > 0
}

func equalTo(want, got any, folded bool) (equal, readable bool) {
	if a, b := rational(want), rational(got); a != nil && b != nil {
		return a.Cmp(b) == 0, true
	}
	a, isText := want.(string)
	b, gotText := got.(string)
	if isText && gotText {
		if folded {
			return upper(a) == upper(b), true
		}
		return a == b, true
	}
	_, isTruth := want.(bool)
	_, gotTruth := got.(bool)
	return isTruth && gotTruth && want == got, isTruth && gotTruth
}

// rational returns a number exactly, nil for what is none.
func rational(v any) *big.Rat {
	switch v := v.(type) {
	case int64:
		return new(big.Rat).SetInt64(v)
	case float64:
		return new(big.Rat).SetFloat64(v)
	case json.Number: // as a reader of JSON has it
		if i, err := v.Int64(); err == nil {
			return rational(i)
		}
		f, err := v.Float64()
		if err != nil {
			return nil
		}
		return rational(f)
	}
	return nil
}

func instantOf(v any) (time.Time, bool) {
	switch v := v.(type) {
	case time.Time:
		return v, true
	case string:
		t, err := time.Parse(time.RFC3339, v)
		return t, err == nil
	}
	n := rational(v)
	if n == nil {
		return time.Time{}, false
	}
	f, _ := n.Float64()
	if f < -253402300799 || f > 253402300799 {
		return time.Time{}, false
	}
	nanos := new(big.Rat).Mul(n, big.NewRat(1_000_000_000, 1))
	whole := new(big.Int).Div(nanos.Num(), nanos.Denom())
	seconds, rest := new(big.Int).DivMod(whole, big.NewInt(1_000_000_000), new(big.Int))
	return time.Unix(seconds.Int64(), rest.Int64()), true
}

func textHolds(op targeting.Op, s, part string, folded bool) bool {
	if folded {
		s, part = upper(s), upper(part)
	}
	switch op {
	case targeting.Contains:
		return strings.Contains(s, part)
	case targeting.StartsWith:
		return strings.HasPrefix(s, part)
	}
	return strings.HasSuffix(s, part)
}

// upper replaces every rune by the first of those that differ in case only.
func upper(s string) string {
	var b strings.Builder
	for _, r := range s {
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		b.WriteRune(least)
	}
	return b.String()
}

// versionOf reads three numbers of one digit, which is all that the trees draw.
func versionOf(s string) ([]byte, bool) {
	if !regexp.MustCompile(`^[0-9]\.[0-9]\.[0-9]$`).MatchString(s) {
		return nil, false
	}
	return []byte{s[0], s[2], s[4]}, true
}

var paths = []string{"a", "b", "merchantId"}

var texts = []string{"", "a", "A", "ab", "Straße", "STRASSE", "K", "\u212a", "1.2.3", "1.2.4", "12", "12.5", "-1", "192.0.2.1", "198.51.100.1", "2026-01-01T00:00:00Z", "2026-01-01T02:00:00+02:00", "m1", "m2"}

func drawScalar(t *rapid.T) targeting.Value {
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0:
		return targeting.Bool(rapid.Bool().Draw(t, "bool"))
	case 1:
		return targeting.Int(rapid.OneOf(rapid.Int64Range(-2, 13), rapid.Int64()).Draw(t, "int"))
	case 2:
		return targeting.Number(rapid.SampledFrom([]float64{-1, -0.5, 0.5, 1, 12, 12.5, 1 << 60, 1e300, -1e300}).Draw(t, "float"))
	case 3:
		return targeting.Time(time.Unix(rapid.SampledFrom([]int64{0, 12, 1767225600}).Draw(t, "time"), 0))
	}
	return targeting.String(rapid.SampledFrom(texts).Draw(t, "text"))
}

func drawAttribute(t *rapid.T) targeting.Value {
	switch rapid.IntRange(0, 9).Draw(t, "shape") {
	case 0:
		return none
	case 1:
		return object()
	case 2, 3:
		elements := make([]targeting.Value, rapid.IntRange(0, 3).Draw(t, "length"))
		for i := range elements {
			elements[i] = drawScalar(t)
		}
		return list(elements...)
	}
	return drawScalar(t)
}

// drawClause draws a clause that compiles.
func drawClause(t *rapid.T) targeting.Condition {
	c := targeting.Condition{Path: rapid.SampledFrom(paths).Draw(t, "path"), Op: rapid.SampledFrom(targeting.Ops()).Draw(t, "op")}
	c.OnMissing = rapid.SampledFrom([]targeting.OnMissing{"", targeting.MissingNoMatch, targeting.MissingMatch}).Draw(t, "missing")
	word := func() targeting.Value { return text(rapid.SampledFrom(texts).Draw(t, "word")) }
	words := func() targeting.Value { return list(word(), word()) }
	numeral := func() targeting.Value {
		for {
			if v := drawScalar(t); v.Kind() == targeting.KindNumber {
				return v
			}
		}
	}
	pick := rapid.IntRange(0, 2).Draw(t, "pick")
	switch c.Op {
	case targeting.Equal, targeting.NotEqual:
		c.Value = []targeting.Value{word(), numeral(), truth(pick == 0)}[pick]
		c.FoldCase = pick == 0 && rapid.Bool().Draw(t, "fold")
	case targeting.In, targeting.NotIn:
		c.Value = []targeting.Value{words(), list(numeral(), numeral()), list(truth(true))}[pick]
		if pick == 0 {
			c.FoldCase = rapid.Bool().Draw(t, "fold")
			if rapid.Bool().Draw(t, "many") {
				c.Value = list(word(), word(), word(), word(), word(), word())
			}
		}
	case targeting.Less, targeting.LessEqual, targeting.Greater, targeting.GreaterEqual:
		c.Value = numeral()
	case targeting.Contains, targeting.StartsWith, targeting.EndsWith:
		c.Value = []targeting.Value{word(), word(), words()}[pick]
		c.FoldCase = rapid.Bool().Draw(t, "fold")
	case targeting.Matches:
		c.Value = text([]string{"^a", "1$", "(?i)STRA"}[pick])
	case targeting.Before, targeting.After:
		c.Value = []targeting.Value{text("2026-01-01T00:00:00Z"), integer(12), number(0.5)}[pick]
	case targeting.InCIDR:
		c.Value = []targeting.Value{text("192.0.2.0/24"), text("198.51.100.1"), list(text("2001:db8::1"), text("192.0.2.1"))}[pick]
	case targeting.Exists:
		c.Value, c.OnMissing = []targeting.Value{none, truth(true), truth(false)}[pick], ""
	default:
		c.Value = text([]string{"1.2.3", "1.2.4", "0.9.0"}[pick])
	}
	return c
}

// drawTree draws a condition that compiles, which may refer to audiences.
func drawTree(t *rapid.T, depth int, audiences []string) targeting.Condition {
	form := rapid.IntRange(0, 5).Draw(t, "form")
	if form == 4 && len(audiences) > 0 {
		return targeting.Condition{Audience: rapid.SampledFrom(audiences).Draw(t, "audience")}
	}
	if depth == 0 || form > 2 {
		return drawClause(t)
	}
	members := make([]targeting.Condition, rapid.IntRange(1, 3).Draw(t, "members"))
	for i := range members {
		members[i] = drawTree(t, depth-1, audiences)
	}
	return []targeting.Condition{{All: members}, {Any: members}, {None: members}}[form]
}

func drawAudiences(t *rapid.T) []targeting.Audience {
	var keys []string
	var all []targeting.Audience
	for _, key := range []string{"x", "y", "z"} {
		a := targeting.Audience{Key: key}
		for _, member := range []string{"m1", "m2", "12"} {
			switch rapid.IntRange(0, 2).Draw(t, "listed") {
			case 0:
				a.Include = append(a.Include, member)
			case 1:
				a.Exclude = append(a.Exclude, member)
			}
		}
		if rapid.Bool().Draw(t, "by") {
			a.By = []string{"b", "a"}
		}
		if rapid.Bool().Draw(t, "when") {
			when := drawTree(t, 1, keys)
			a.When = &when
		}
		all, keys = append(all, a), append(keys, key)
	}
	return rapid.Permutation(all).Draw(t, "order")
}

func TestATreeHoldsAsItsTruthTableSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		audiences := drawAudiences(t)
		library, err := targeting.NewLibrary(audiences, targeting.Options{})
		if err != nil {
			t.Fatal(err)
		}
		byKey := map[string]targeting.Audience{}
		for _, a := range audiences {
			byKey[a.Key] = a
		}
		c := drawTree(t, 3, []string{"x", "y", "z"})
		m, err := targeting.Compile(c, targeting.Options{Audiences: library})
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			a := targeting.Attributes{}
			for _, path := range paths {
				if rapid.Bool().Draw(t, "there") {
					a[path] = drawAttribute(t)
				}
			}
			got, want := m.Match(a), truthOf(c, byKey, a)
			if got != want {
				t.Fatalf("%v over %v: %v, want %v", c, a, got, want)
			}
			trace := m.Explain(a)
			if trace.Holds != want {
				t.Fatalf("Explain says %v, Match %v", trace.Holds, want)
			}
			if last := trace.Steps[len(trace.Steps)-1]; last.Holds != want || last.Pointer != "" || last.Within != "" {
				t.Fatalf("the last step is %v, not the whole condition", last)
			}
		}
	})
}

func TestAConditionSurvivesItsJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := drawTree(t, 3, []string{"x"})
		first, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		again, err := targeting.ParseCondition(first)
		if err != nil {
			t.Fatalf("%s: %v", first, err)
		}
		second, err := json.Marshal(again)
		if err != nil {
			t.Fatal(err)
		}
		if string(first) != string(second) {
			t.Fatalf("%s\nbecame\n%s", first, second)
		}
		a := targeting.Attributes{"a": drawAttribute(t), "b": drawAttribute(t)}
		if truthOf(c, nil, a) != truthOf(again, nil, a) {
			t.Fatalf("%s means something else when it is read again", first)
		}
	})
}
