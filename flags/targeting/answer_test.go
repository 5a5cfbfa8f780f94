package targeting_test

import (
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lumelle/adminkit/flags/targeting"
)

// answerOf is the reference of Decide, over the reference of Match: it looks at every
// member of a group.
func answerOf(c targeting.Condition, audiences map[string]targeting.Audience, a targeting.Attributes) targeting.Answer {
	plain := func(holds bool) targeting.Answer {
		if holds {
			return targeting.Holds
		}
		return targeting.HoldsNot
	}
	group := func(members []targeting.Condition, negated bool) targeting.Answer {
		var answers []targeting.Answer
		for _, m := range members {
			answers = append(answers, answerOf(m, audiences, a))
		}
		one, rest := targeting.Holds, targeting.HoldsNot
		if negated {
			one, rest = rest, one
		}
		switch {
		case slices.Contains(answers, one):
			return one
		case slices.Contains(answers, targeting.Undecided):
			return targeting.Undecided
		}
		return rest
	}
	switch {
	case c.All != nil:
		return group(c.All, true)
	case c.Any != nil:
		return group(c.Any, false)
	case c.None != nil:
		switch group(c.None, false) {
		case targeting.Holds:
			return targeting.HoldsNot
		case targeting.HoldsNot:
			return targeting.Holds
		}
		return targeting.Undecided
	case c.Audience != "":
		given := audiences[c.Audience]
		switch {
		case len(given.Include)+len(given.Exclude) == 0:
		case keyOf(given, a) == "":
			return targeting.Undecided
		case slices.Contains(slices.Concat(given.Include, given.Exclude), keyOf(given, a)):
			return plain(memberOf(given, audiences, a))
		}
		if given.When == nil {
			return targeting.HoldsNot
		}
		return answerOf(*given.When, audiences, a)
	case c.Path == "":
		return targeting.Holds
	}
	v := a[c.Path]
	switch {
	case c.Op == targeting.Exists:
	case v.IsZero() && c.OnMissing != targeting.MissingMatch:
		return targeting.Undecided
	case v.IsZero():
	case !clauseHolds(c, v):
		// It is a no only where the opposite is a yes: ne and not_in do not hold of what
		// they cannot read either.
		if !readable(c, v) {
			return targeting.Undecided
		}
	}
	return plain(clauseHolds(c, v))
}

// keyOf returns what an audience knows a subject by, empty where that is nothing.
func keyOf(given targeting.Audience, a targeting.Attributes) string {
	by := given.By
	if len(by) == 0 {
		by = targeting.DefaultKeys()
	}
	for _, path := range by {
		switch key := a[path].Any().(type) {
		case string:
			if key != "" {
				return key
			}
		case int64:
			return big.NewInt(key).String()
		}
	}
	return ""
}

// readable reports whether an operator reads an attribute: each element of a list, or
// the one that settles it.
func readable(c targeting.Condition, v targeting.Value) bool {
	elements, isList := v.Any().([]any)
	if !isList {
		_, ok := compareTo(c, v.Any())
		return ok
	}
	all := true
	for _, e := range elements {
		holds, ok := compareTo(c, e)
		if holds {
			return true // ne and not_in do not hold for certain
		}
		all = all && ok
	}
	return all
}

func TestAnAnswerIsWhatIsCertain(t *testing.T) {
	t.Parallel()
	seen := map[targeting.Answer]int{}
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
			got := m.Decide(a)
			seen[got]++
			if want := answerOf(c, byKey, a); got != want {
				t.Fatalf("%v over %v: %v, want %v", c, a, got, want)
			}
			if got != targeting.Undecided && (got == targeting.Holds) != m.Match(a) {
				t.Fatalf("%v over %v: Decide says %v, Match %v", c, a, got, m.Match(a))
			}
		}
	})
	for _, a := range []targeting.Answer{targeting.Undecided, targeting.Holds, targeting.HoldsNot} {
		if seen[a] == 0 {
			t.Errorf("the answer %d was never given, which shows little", a)
		}
	}
}

func TestWhatIsUnknownIsNoNo(t *testing.T) {
	library, err := targeting.NewLibrary([]targeting.Audience{
		{Key: "listed", Include: []string{"m1"}, Exclude: []string{"m2"}},
		{Key: "large", When: &targeting.Condition{Path: "amount", Op: targeting.GreaterEqual, Value: targeting.Int(100)}},
		{Key: "both", Include: []string{"m1"}, When: &targeting.Condition{Path: "amount", Op: targeting.GreaterEqual, Value: targeting.Int(100)}},
		{Key: "nobody"},
	}, targeting.Options{})
	if err != nil {
		t.Fatal(err)
	}
	large := targeting.Attributes{"amount": targeting.String("100.00"), "merchantId": targeting.String("m3")}
	small := targeting.Attributes{"amount": targeting.Int(99), "merchantId": targeting.String("m3")}
	for _, c := range []struct {
		name, condition string
		subject         targeting.Attributes
		want            targeting.Answer
	}{
		{"no condition holds", `{}`, nil, targeting.Holds},
		{"a clause that holds", `{"path":"amount","op":"gte","value":100}`, large, targeting.Holds},
		{"a clause that does not", `{"path":"amount","op":"gte","value":100}`, small, targeting.HoldsNot},
		{"a clause over what is missing", `{"path":"amount","op":"gte","value":100}`, nil, targeting.Undecided},
		{"a clause that takes what is missing for a yes", `{"path":"amount","op":"gte","value":100,"on_missing":"match"}`, nil, targeting.Holds},
		{"a clause over another kind", `{"path":"amount","op":"gte","value":100}`, targeting.Attributes{"amount": targeting.String("much")}, targeting.Undecided},
		{"its negation over another kind", `{"path":"amount","op":"ne","value":100}`, targeting.Attributes{"amount": targeting.String("much")}, targeting.Undecided},
		{"a list of which one passes", `{"path":"amount","op":"gte","value":100}`, targeting.Attributes{"amount": targeting.List(targeting.Bool(true), targeting.Int(100))}, targeting.Holds},
		{"a list of which one cannot be read", `{"path":"amount","op":"gte","value":100}`, targeting.Attributes{"amount": targeting.List(targeting.Bool(true), targeting.Int(9))}, targeting.Undecided},
		{"whether it is there", `{"path":"amount","op":"exists"}`, nil, targeting.HoldsNot},
		{"all with a member that does not hold, behind one undecided", `{"all":[{"path":"x","op":"eq","value":1},{"path":"amount","op":"gte","value":100}]}`, small, targeting.HoldsNot},
		{"all with a member undecided", `{"all":[{"path":"x","op":"eq","value":1},{"path":"amount","op":"gte","value":100}]}`, large, targeting.Undecided},
		{"any with a member that holds, behind one undecided", `{"any":[{"path":"x","op":"eq","value":1},{"path":"amount","op":"gte","value":100}]}`, large, targeting.Holds},
		{"none of what is missing", `{"none":[{"path":"x","op":"eq","value":1}]}`, large, targeting.Undecided},
		{"none with a member that holds", `{"none":[{"path":"x","op":"eq","value":1},{"path":"amount","op":"gte","value":100}]}`, large, targeting.HoldsNot},
		{"an audience that excludes", `{"audience":"both"}`, targeting.Attributes{"merchantId": targeting.String("m1")}, targeting.Holds},
		{"an audience that lists others", `{"audience":"listed"}`, large, targeting.HoldsNot},
		{"an audience that lists, and no key", `{"audience":"listed"}`, nil, targeting.Undecided},
		{"an audience that lists others and has a condition", `{"audience":"both"}`, large, targeting.Holds},
		{"an audience that might list the subject", `{"audience":"both"}`, targeting.Attributes{"amount": targeting.Int(9)}, targeting.Undecided},
		{"an audience over what is missing", `{"audience":"large"}`, targeting.Attributes{"merchantId": targeting.String("m1")}, targeting.Undecided},
		{"an audience of nobody", `{"audience":"nobody"}`, nil, targeting.HoldsNot},
		{"a bucket of all", `{"bucket":{"salt":"s","to":100}}`, large, targeting.Holds},
		{"a bucket of none", `{"bucket":{"salt":"s","to":0}}`, large, targeting.HoldsNot},
		{"a bucket, and no key", `{"bucket":{"salt":"s","to":100}}`, nil, targeting.Undecided},
	} {
		t.Run(c.name, func(t *testing.T) {
			condition, err := targeting.ParseCondition([]byte(c.condition))
			if err != nil {
				t.Fatal(err)
			}
			m, err := targeting.Compile(condition, targeting.Options{Audiences: library})
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Decide(c.subject); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if got := testing.AllocsPerRun(10, func() { m.Decide(c.subject) }); got > 0 {
				t.Errorf("%v allocations, want none", got)
			}
		})
	}
}
