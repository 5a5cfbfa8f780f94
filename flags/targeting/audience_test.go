package targeting_test

import (
	"encoding/json"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lumelle/adminkit/flags/targeting"
)

func TestMembersOfAnAudience(t *testing.T) {
	t.Parallel()
	rich := &targeting.Condition{Path: "revenue", Op: targeting.Greater, Value: integer(100)}
	for _, c := range []struct {
		name     string
		audience targeting.Audience
		subject  targeting.Attributes
		member   bool
		reason   targeting.Reason
	}{
		{"whoever is included is a member", targeting.Audience{Include: []string{"m"}}, targeting.Attributes{"merchantId": text("m")}, true, targeting.ReasonIncluded},
		{"nobody else is without a condition", targeting.Audience{Include: []string{"m"}}, targeting.Attributes{"merchantId": text("n")}, false, targeting.ReasonNotListed},
		{"nobody is a member of an empty audience", targeting.Audience{}, targeting.Attributes{"merchantId": text("n")}, false, targeting.ReasonNotListed},
		{"a subject without a key is not listed", targeting.Audience{Include: []string{"m"}}, targeting.Attributes{}, false, targeting.ReasonNotListed},
		{"whoever is excluded is no member, condition or not", targeting.Audience{Exclude: []string{"m"}, When: rich}, targeting.Attributes{"merchantId": text("m"), "revenue": integer(101)}, false, targeting.ReasonExcluded},
		{"whoever is included is a member, condition or not", targeting.Audience{Include: []string{"m"}, When: rich}, targeting.Attributes{"merchantId": text("m"), "revenue": integer(1)}, true, targeting.ReasonIncluded},
		{"the condition decides about everybody else", targeting.Audience{Exclude: []string{"m"}, When: rich}, targeting.Attributes{"merchantId": text("n"), "revenue": integer(101)}, true, ""},
		{"the condition decides about subjects without a key", targeting.Audience{When: rich}, targeting.Attributes{"revenue": integer(101)}, true, ""},
		{"the targeting key counts where there is no merchant", targeting.Audience{Include: []string{"u"}}, targeting.Attributes{"targetingKey": text("u")}, true, targeting.ReasonIncluded},
		{"the merchant counts before the targeting key", targeting.Audience{Include: []string{"u"}}, targeting.Attributes{"targetingKey": text("u"), "merchantId": text("m")}, false, targeting.ReasonNotListed},
		{"an empty merchant is none", targeting.Audience{Include: []string{"u"}}, targeting.Attributes{"targetingKey": text("u"), "merchantId": text("")}, true, targeting.ReasonIncluded},
		{"keys are read from where the audience says", targeting.Audience{By: []string{"storeId"}, Include: []string{"s"}}, targeting.Attributes{"storeId": text("s"), "merchantId": text("m")}, true, targeting.ReasonIncluded},
		{"an integer is its decimal text", targeting.Audience{Include: []string{"-12"}}, targeting.Attributes{"merchantId": integer(-12)}, true, targeting.ReasonIncluded},
		{"a fraction is no key", targeting.Audience{Include: []string{"1.5"}}, targeting.Attributes{"merchantId": number(1.5)}, false, targeting.ReasonNotListed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.audience.Key = "a"
			library, err := targeting.NewLibrary([]targeting.Audience{c.audience}, targeting.Options{})
			if err != nil {
				t.Fatal(err)
			}
			m := matcher(t, targeting.Condition{Audience: "a"}, targeting.Options{Audiences: library})
			if got := m.Match(c.subject); got != c.member {
				t.Errorf("member: %v, want %v", got, c.member)
			}
			trace := m.Explain(c.subject)
			if last := trace.Steps[len(trace.Steps)-1]; last.Audience != "a" || last.Holds != c.member || last.Reason != c.reason {
				t.Errorf("the last step is %+v, want reason %q", last, c.reason)
			}
		})
	}
}

// FLG-13: one audience has the same members whoever refers to it.
func TestAnAudienceHasTheSameMembersEverywhere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		audiences := drawAudiences(t)
		library, err := targeting.NewLibrary(audiences, targeting.Options{})
		if err != nil {
			t.Fatal(err)
		}
		key := rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "key")
		opts := targeting.Options{Audiences: library}
		compile := func(c targeting.Condition) *targeting.Matcher {
			m, err := targeting.Compile(c, opts)
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		policy := compile(targeting.Condition{Audience: key})
		// A flag that serves nobody else, and a rule of an automation over an event.
		flag := compile(targeting.Condition{None: []targeting.Condition{{None: []targeting.Condition{{Audience: key}}}}})
		rule := compile(targeting.Condition{All: []targeting.Condition{
			{Path: "/data/amount", Op: targeting.GreaterEqual, Value: integer(1)}, {Audience: key}}})
		event := targeting.Document(map[string]any{"data": map[string]any{"amount": "1.00"}})
		for range 20 {
			a := targeting.Attributes{}
			for _, path := range paths {
				a[path] = drawAttribute(t)
			}
			want := policy.Match(a)
			if got := flag.Match(a); got != want {
				t.Fatalf("the flag says %v, the policy %v of %v", got, want, a)
			}
			if got := rule.Match(targeting.Subjects{event, a}); got != want {
				t.Fatalf("the rule says %v, the policy %v of %v", got, want, a)
			}
		}
	})
}

func TestAudiencesThatAreRefused(t *testing.T) {
	t.Parallel()
	refer := func(key string) *targeting.Condition { return &targeting.Condition{Audience: key} }
	for _, c := range []struct {
		name             string
		audiences        []targeting.Audience
		pointer, message string
	}{
		{"no key", []targeting.Audience{{}}, "/0/key", "must not be empty"},
		{"a key twice", []targeting.Audience{{Key: "a"}, {Key: "b"}, {Key: "a"}}, "/2/key", "is the key of another audience"},
		{"somebody in and out", []targeting.Audience{{Key: "a", Include: []string{"m"}, Exclude: []string{"n", "m"}}}, "/0/exclude/1", "is included as well"},
		{"a member without a name", []targeting.Audience{{Key: "a", Include: []string{""}}}, "/0/include/0", "must not be empty"},
		{"keys that may not be read", []targeting.Audience{{Key: "a", By: []string{"shoeSize"}}}, "/0/by/0", "is not an attribute that may be read here"},
		{"keys without a name", []targeting.Audience{{Key: "a", By: []string{""}}}, "/0/by/0", "must name an attribute"},
		{"a condition that means nothing", []targeting.Audience{{Key: "a", When: &targeting.Condition{Path: "country", Op: "is"}}}, "/0/when/op", "is not a known operator"},
		{"an audience that is not there", []targeting.Audience{{Key: "a", When: refer("b")}}, "/0/when/audience", "is not a known audience"},
		{"a circle, with its way", []targeting.Audience{{Key: "x", When: refer("a")}, {Key: "a", When: refer("b")}, {Key: "b", When: refer("a")}}, "/2/when/audience", "goes in a circle: a → b → a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := targeting.NewLibrary(c.audiences, targeting.Options{Paths: map[string]targeting.Kind{"country": targeting.KindString}})
			if got := field(t, err); got.Pointer != c.pointer || got.Message != c.message {
				t.Errorf("%q %q, want %q %q", got.Pointer, got.Message, c.pointer, c.message)
			}
		})
	}
}

func TestAnAudienceReadsNoMoreThanTheConditionMay(t *testing.T) {
	t.Parallel()
	library, err := targeting.NewLibrary([]targeting.Audience{
		{Key: "inner", When: &targeting.Condition{Path: "revenue", Op: targeting.Exists}},
		{Key: "outer", When: &targeting.Condition{Audience: "inner"}},
	}, targeting.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = targeting.Compile(targeting.Condition{Audience: "outer"}, targeting.Options{Audiences: library, Paths: map[string]targeting.Kind{"country": targeting.KindString}})
	if got := field(t, err); got.Pointer != "/audience" || got.Message != `reads "revenue", which is not an attribute that may be read here` {
		t.Errorf("%q %q", got.Pointer, got.Message)
	}
}

func TestReferencesAreThoseOfTheTreeAndOfAllItReads(t *testing.T) {
	t.Parallel()
	library, err := targeting.NewLibrary([]targeting.Audience{
		{Key: "inner", When: &targeting.Condition{Path: "revenue", Op: targeting.Exists}},
		{Key: "outer", By: []string{"storeId"}, When: &targeting.Condition{Audience: "inner"}},
		{Key: "other"},
	}, targeting.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := targeting.Condition{All: []targeting.Condition{
		{Path: "plan", Op: targeting.Exists}, {None: []targeting.Condition{{Path: "plan", Op: targeting.Equal, Value: text("x")}, {Audience: "outer"}}}}}
	own := c.References()
	if !slices.Equal(own.Paths, []string{"plan"}) || !slices.Equal(own.Audiences, []string{"outer"}) {
		t.Errorf("the tree refers to %v", own)
	}
	all := matcher(t, c, targeting.Options{Audiences: library}).References()
	if !slices.Equal(all.Paths, []string{"merchantId", "plan", "revenue", "storeId", "targetingKey"}) || !slices.Equal(all.Audiences, []string{"inner", "outer"}) {
		t.Errorf("the matcher reads %v", all)
	}
	if !library.Has("other") || library.Has("another") {
		t.Error("the library does not know what it has")
	}
}

func TestAnAudienceIsReadStrictly(t *testing.T) {
	t.Parallel()
	a, err := targeting.ParseAudience([]byte(`{"key":"vip","description":"d","by":["storeId"],"include":["m"],"exclude":["n"],"when":{"audience":"x"}}`))
	if err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(again), `{"key":"vip","description":"d","by":["storeId"],"include":["m"],"exclude":["n"],"when":{"audience":"x"}}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, c := range []struct{ name, text, pointer, message string }{
		{"an unknown key", `{"key":"a","members":[]}`, "/members", "is not a known key"},
		{"a key twice", `{"key":"a","key":"b"}`, "/key", "is given twice"},
		{"a member that is no text", `{"include":["a",1]}`, "/include/1", "must be a text"},
		{"half of a list", `{"include":["a"`, "/include", "must be JSON"},
		{"half of a list with a comma", `{"include":["a",`, "/include/1", "must be JSON"},
		{"a condition with an unknown key", `{"when":{"al":[]}}`, "/when/al", "is not a known key"},
		{"a condition that is null", `{"when":null}`, "/when", "must be an object"},
		{"something behind", `{}{}`, "", "must be one JSON document"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := targeting.ParseAudience([]byte(c.text))
			if got := field(t, err); got.Pointer != c.pointer || got.Message != c.message {
				t.Errorf("%q %q, want %q %q", got.Pointer, got.Message, c.pointer, c.message)
			}
		})
	}
}
