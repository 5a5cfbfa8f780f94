package targeting_test

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lumelle/adminkit/flags/targeting"
)

// A condition is read, checked and compiled once, and asked often.
func Example() {
	condition, err := targeting.ParseCondition([]byte(`{"all": [
		{"path": "country", "op": "eq", "value": "GB"},
		{"path": "plan", "op": "in", "value": ["pro", "enterprise"]}
	]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	matcher, err := targeting.Compile(condition, targeting.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	acme := targeting.Attributes{"country": targeting.String("GB"), "plan": targeting.String("pro")}
	bloom := targeting.Attributes{"country": targeting.String("GB")}
	fmt.Println(matcher.Match(acme), matcher.Match(bloom))
	// Output: true false
}

// Explain tells what Match did, up to the clause that settled it.
func ExampleMatcher_Explain() {
	matcher, err := targeting.Compile(targeting.Condition{All: []targeting.Condition{
		{Path: "country", Op: targeting.Equal, Value: targeting.String("GB")},
		{Path: "plan", Op: targeting.In, Value: targeting.List(targeting.String("pro"), targeting.String("enterprise"))},
	}}, targeting.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	trace := matcher.Explain(targeting.Attributes{"country": targeting.String("GB"), "plan": targeting.String("free")})
	for _, step := range trace.Steps {
		fmt.Println(step)
	}
	settled, _ := trace.Settled()
	fmt.Println("settled at", settled.Pointer)
	// Output:
	// /all/0: country eq "GB", is "GB": holds
	// /all/1: plan in ["pro","enterprise"], is "free": does not hold
	// all: does not hold
	// settled at /all/1
}

// What is wrong with a definition is told with its places.
func ExampleCompile() {
	_, err := targeting.Compile(targeting.Condition{Any: []targeting.Condition{
		{Path: "age", Op: targeting.Greater, Value: targeting.String("18")},
		{Path: "shoeSize", Op: targeting.Equal, Value: targeting.Int(43)},
	}}, targeting.Options{Paths: map[string]targeting.Kind{"age": targeting.KindNumber}})
	var invalid *targeting.InvalidError
	if errors.As(err, &invalid) {
		for _, field := range invalid.Fields {
			fmt.Println(field.Pointer, field.Message)
		}
	}
	// Output:
	// /any/0/value must be a number
	// /any/1/path is not an attribute that may be read here
}

// A typing mistake in JSON is refused where it stands.
func ExampleParseCondition() {
	_, err := targeting.ParseCondition([]byte(`{"all": [{"path": "country", "opp": "eq", "value": "GB"}]}`))
	fmt.Println(err)
	// Output: invalid targeting: /all/0/opp: is not a known key
}

// An automation asks the document of an event.
func ExampleDocument() {
	var event any
	if err := json.Unmarshal([]byte(`{"type": "lumelle.orders.v1.refunded", "data": {"amount": "120.50", "tags": ["late", "gift"]}}`), &event); err != nil {
		fmt.Println(err)
		return
	}
	matcher, err := targeting.Compile(targeting.Condition{All: []targeting.Condition{
		{Path: "/data/amount", Op: targeting.GreaterEqual, Value: targeting.Int(100)},
		{Path: "/data/tags", Op: targeting.Equal, Value: targeting.String("gift")},
	}}, targeting.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(matcher.Match(targeting.Document(event)))
	// Output: true
}

// An audience is defined once and means the same wherever it is referred to.
func ExampleNewLibrary() {
	library, err := targeting.NewLibrary([]targeting.Audience{
		{Key: "vip", Include: []string{"acme"}, When: &targeting.Condition{Path: "revenue", Op: targeting.Greater, Value: targeting.Int(1_000_000)}},
		{Key: "pilot", Exclude: []string{"cobalt"}, When: &targeting.Condition{Audience: "vip"}},
	}, targeting.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	matcher, err := targeting.Compile(targeting.Condition{Audience: "pilot"}, targeting.Options{Audiences: library})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, merchant := range []string{"acme", "bloom", "cobalt"} {
		fmt.Println(merchant, matcher.Match(targeting.Attributes{
			"merchantId": targeting.String(merchant),
			"revenue":    targeting.Int(2_000_000 * int64(len(merchant)-4)), // none for acme
		}))
	}
	fmt.Println(matcher.References().Audiences)
	// Output:
	// acme true
	// bloom true
	// cobalt false
	// [pilot vip]
}

// A split gives a key the same variant every time, in every process.
func ExampleCompileSplit() {
	split, err := targeting.ParseSplit([]byte(`{"by": ["merchantId"], "weights": {"on": 40, "off": 60}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	splitter, err := targeting.CompileSplit(split, "checkout-v2", targeting.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, merchant := range []string{"merchant-1001", "merchant-1002", "Zoë-😀"} {
		pick, ok := splitter.Pick(targeting.Attributes{"merchantId": targeting.String(merchant)})
		fmt.Println(splitter.Variants()[pick.Index], pick.Slot, ok)
	}
	_, ok := splitter.Pick(targeting.Attributes{})
	fmt.Println(ok)
	// Output:
	// off 470799729 true
	// off 438917030 true
	// off 64988238 true
	// false
}
