package targeting_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/lumelle/adminkit/flags/targeting"
)

func TestNoConditionHoldsAlways(t *testing.T) {
	t.Parallel()
	c, err := targeting.ParseCondition([]byte(` {} `))
	if err != nil || !c.IsZero() {
		t.Fatalf("%v, %v", c, err)
	}
	m := matcher(t, c, targeting.Options{Paths: map[string]targeting.Kind{}})
	trace := m.Explain(targeting.Attributes{})
	if _, settled := trace.Settled(); !m.Match(targeting.Attributes{}) || !trace.Holds || settled {
		t.Errorf("%+v", trace)
	}
}

// Nothing is allocated where nothing has to be, whatever the operator and the subject.
func TestMatchAllocatesNothing(t *testing.T) {
	long := strings.Repeat("k", 120)
	a := targeting.Attributes{
		"merchantId": text("m1"), "country": text("GB"), "orders": integer(1250), "amount": text("120.50"), "share": number(0.5),
		"email": text("owner@SHOP.example"), "version": text("2.4.1"), "since": text("2026-01-01T00:00:00+02:00"), "ip": text("192.0.2.7"),
		"tags": list(text("a"), text("b")), "long": text(long),
	}
	var doc any
	if err := json.Unmarshal([]byte(`{"data":{"amount":120.5,"tags":["a","b"]}}`), &doc); err != nil {
		t.Fatal(err)
	}
	library, err := targeting.NewLibrary([]targeting.Audience{{Key: "vip", Include: []string{"12"}, By: []string{"orders", "merchantId"},
		When: &targeting.Condition{Path: "country", Op: targeting.Equal, Value: text("GB")}}}, targeting.Options{})
	if err != nil {
		t.Fatal(err)
	}
	opts := targeting.Options{Audiences: library}
	document := targeting.Document(doc)
	both := targeting.Subjects{document, a}
	for _, c := range []struct {
		name      string
		condition string
		subject   targeting.Subject
	}{
		{"a group", `{"all":[{"none":[{"path":"x","op":"exists"}]},{"any":[{"path":"country","op":"eq","value":"GB"}]}]}`, a},
		{"few texts", `{"path":"country","op":"in","value":["DE","GB"]}`, a},
		{"many texts", `{"path":"country","op":"in","value":["DE","FR","IT","ES","PT","GB"]}`, a},
		{"numbers", `{"path":"orders","op":"in","value":[1,1250]}`, a},
		{"order", `{"all":[{"path":"orders","op":"gt","value":1},{"path":"share","op":"gte","value":0}]}`, a},
		{"money", `{"path":"amount","op":"gte","value":100}`, a},
		{"texts without case", `{"all":[{"path":"email","op":"ends_with","value":"@shop.EXAMPLE","fold_case":true},{"path":"email","op":"contains","value":"SHOP","fold_case":true}]}`, a},
		{"an expression", `{"path":"email","op":"matches","value":"^\\w+@"}`, a},
		{"a time", `{"path":"since","op":"before","value":"2026-01-01T00:00:00Z"}`, a},
		{"a version", `{"path":"version","op":"semver_gte","value":"2.4.0"}`, a},
		{"an address", `{"path":"ip","op":"in_cidr","value":["192.0.2.0/24"]}`, a},
		{"a list", `{"path":"tags","op":"eq","value":"b"}`, a},
		{"an audience", `{"audience":"vip"}`, a},
		{"a document", `{"all":[{"path":"/data/amount","op":"gte","value":100},{"path":"/data/tags/1","op":"eq","value":"b"}]}`, document},
		{"several subjects", `{"all":[{"path":"/data/amount","op":"gte","value":100},{"path":"country","op":"eq","value":"GB"}]}`, both},
	} {
		t.Run(c.name, func(t *testing.T) {
			condition, err := targeting.ParseCondition([]byte(c.condition))
			if err != nil {
				t.Fatal(err)
			}
			m := matcher(t, condition, opts)
			if !m.Match(c.subject) {
				t.Error("it does not match")
			}
			if n := testing.AllocsPerRun(100, func() { m.Match(c.subject) }); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
	// Document says that a list costs it one.
	if n := testing.AllocsPerRun(100, func() { document.Attribute("/data/tags") }); n != 1 {
		t.Errorf("a list of a document: %v allocations", n)
	}
	for _, scheme := range []targeting.Scheme{targeting.X1, targeting.Unleash, targeting.UnleashVariant} {
		for _, by := range []string{"merchantId", "orders", "long"} {
			s, err := targeting.CompileSplit(targeting.Split{By: []string{"nobody", by}, Scheme: scheme, Weights: targeting.Shares{{Variant: "on", Weight: 40}, {Variant: "off", Weight: 60}}}, "f", targeting.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if n := testing.AllocsPerRun(100, func() { s.Pick(a) }); n != 0 {
				t.Errorf("%s by %s: %v allocations", scheme, by, n)
			}
		}
	}
}

// What is compiled is asked by many goroutines; the race detector watches.
func TestManyGoroutinesAskAtATime(t *testing.T) {
	t.Parallel()
	library, err := targeting.NewLibrary([]targeting.Audience{{Key: "vip", When: &targeting.Condition{Path: "email", Op: targeting.Matches, Value: text("@")}}}, targeting.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m := matcher(t, targeting.Condition{All: []targeting.Condition{{Audience: "vip"}, {Path: "plan", Op: targeting.In, Value: list(text("pro"), text("free"))}}}, targeting.Options{Audiences: library})
	s := sp(t, "f", 1, 1)
	subject := shop()
	want := pick(t, s, "merchant-1001")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				if !m.Match(subject) || !m.Explain(subject).Holds {
					t.Error("it does not match")
				}
				if p, ok := s.Pick(subject); p != want || !ok {
					t.Errorf("%+v, want %+v", p, want)
				}
			}
		})
	}
	wg.Wait()
}

func TestATraceNamesTheClauseThatFailed(t *testing.T) {
	t.Parallel()
	library, err := targeting.NewLibrary([]targeting.Audience{
		{Key: "vip", When: &targeting.Condition{All: []targeting.Condition{{Path: "revenue", Op: targeting.Greater, Value: integer(100)}}}},
		{Key: "pilot", Include: []string{"m"}}}, targeting.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, condition, settled string }{
		{"the first clause of all that fails", `{"all":[{"path":"a","op":"eq","value":"x"},{"path":"a","op":"eq","value":"y"},{"path":"a","op":"eq","value":"z"}]}`, `/all/1: a eq "y", is "x": does not hold`},
		{"the first of any that holds", `{"any":[{"path":"a","op":"eq","value":"y"},{"path":"a","op":"eq","value":"x"},{"path":"a","op":"exists"}]}`, `/any/1: a eq "x", is "x": holds`},
		{"a missing attribute", `{"path":"b","op":"ne","value":"y"}`, `b ne "y" (missing): does not hold`},
		{"a missing attribute that matches", `{"path":"b","op":"ne","value":"y","on_missing":"match"}`, `b ne "y" (missing): holds`},
		{"an attribute of another kind", `{"path":"a","op":"lt","value":1}`, `a lt 1, is "x" (kind): does not hold`},
		{"a clause of an audience", `{"none":[{"audience":"vip"}]}`, `vip /all/0: revenue gt 100, is 7: does not hold`},
		{"the list of an audience", `{"all":[{"audience":"pilot"},{"path":"a","op":"exists"}]}`, `/all/0: audience pilot (not_listed): does not hold`},
		{"a clause without a value", `{"path":"a","op":"exists"}`, `a exists, is "x": holds`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			condition, err := targeting.ParseCondition([]byte(c.condition))
			if err != nil {
				t.Fatal(err)
			}
			m := matcher(t, condition, targeting.Options{Audiences: library})
			step, ok := m.Explain(targeting.Attributes{"a": text("x"), "revenue": integer(7)}).Settled()
			if got := step.String(); !ok || got != c.settled {
				t.Errorf("%s, want %s", got, c.settled)
			}
		})
	}
}
