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

// Decide does not take what is unknown for a no.
func ExampleMatcher_Decide() {
	matcher, err := targeting.Compile(targeting.Condition{Path: "amount", Op: targeting.GreaterEqual, Value: targeting.Int(1000)}, targeting.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range []targeting.Attributes{{"amount": targeting.String("1500.00")}, {"amount": targeting.Int(15)}, {"amount": targeting.String("a lot")}, {}} {
		answer := matcher.Decide(s)
		fmt.Println(answer == targeting.Holds, answer == targeting.HoldsNot, answer == targeting.Undecided, matcher.Match(s))
	}
	// Output:
	// true false false true
	// false true false false
	// false false true false
	// false false true false
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

// A list for some, a condition for the others.
func ExampleParseAudience() {
	audience, err := targeting.ParseAudience([]byte(`{
		"key": "vip", "include": ["acme"], "exclude": ["cobalt"],
		"when": {"path": "plan", "op": "eq", "value": "enterprise"}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(audience.Key, audience.Include, audience.When.References().Paths)

	_, err = targeting.ParseAudience([]byte(`{"key": "vip", "included": ["acme"]}`))
	fmt.Println(err)
	// Output:
	// vip [acme] [plan]
	// invalid targeting: /included: is not a known key
}

// An object of weights has the order of its names, a list its own.
func ExampleParseSplit() {
	for _, text := range []string{
		`{"weights": {"on": 40, "off": 60}}`,
		`{"weights": [{"variant": "on", "weight": 40}, {"variant": "off", "weight": 60}]}`,
	} {
		split, err := targeting.ParseSplit([]byte(text))
		if err != nil {
			fmt.Println(err)
			return
		}
		again, err := json.Marshal(split)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(split.Weights, string(again))
	}
	// Output:
	// [{off 60} {on 40}] {"weights":{"off":60,"on":40}}
	// [{on 40} {off 60}] {"weights":[{"variant":"on","weight":40},{"variant":"off","weight":60}]}
}

// A pick tells the key, its slot and the slots of the variant around it.
func ExampleSplitter_Pick() {
	splitter, err := targeting.CompileSplit(targeting.Split{Weights: targeting.Shares{
		{Variant: "control", Weight: 1}, {Variant: "blue", Weight: 1}, {Variant: "green", Weight: 2},
	}}, "checkout-v2", targeting.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	pick, ok := splitter.Pick(targeting.Attributes{"merchantId": targeting.String("merchant-1001")})
	fmt.Println(ok, splitter.Variants()[pick.Index])
	fmt.Printf("%s: slot %d of %d, in %d to %d\n", pick.By, pick.Slot, pick.Slots, pick.From, pick.To-1)
	// Output:
	// true blue
	// merchantId: slot 470799729 of 1000000000, in 333333333 to 583333332
}

// An automation reads the event, and its audiences the merchant that it is about.
func ExampleSubjects() {
	event := targeting.Document(map[string]any{"data": map[string]any{"amount": "120.50"}})
	merchant := targeting.Attributes{"merchantId": targeting.String("acme")}
	subject := targeting.Subjects{merchant, event}

	amount, _ := subject.Attribute("/data/amount")
	id, _ := subject.Attribute("merchantId")
	_, ok := subject.Attribute("country")
	fmt.Println(amount, id, ok)
	// Output: "120.50" "acme" false
}

// Values come from decoded JSON and from Go.
func ExampleOf() {
	for _, v := range []any{"pro", 12.0, 12, []any{"a", true}, nil} {
		value, err := targeting.Of(v)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(value.Kind(), value)
	}
	_, err := targeting.Of(struct{}{})
	fmt.Println(err)
	// Output:
	// string "pro"
	// number 12
	// number 12
	// list ["a",true]
	// none null
	// targeting: struct {} is not the type of an attribute
}

// Whoever keeps matchers has to know which of them an audience concerns.
func ExampleMatcher_References() {
	library, err := targeting.NewLibrary([]targeting.Audience{
		{Key: "large", When: &targeting.Condition{Path: "orders", Op: targeting.Greater, Value: targeting.Int(1000)}},
		{Key: "vip", By: []string{"storeId"}, When: &targeting.Condition{Audience: "large"}},
	}, targeting.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	condition := targeting.Condition{Audience: "vip"}
	matcher, err := targeting.Compile(condition, targeting.Options{Audiences: library})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("names", condition.References().Audiences)
	fmt.Println("reads", matcher.References().Audiences, matcher.References().Paths)
	// Output:
	// names [vip]
	// reads [large vip] [merchantId orders storeId targetingKey]
}
