package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/bits"

	"github.com/cespare/xxhash/v2"
	"github.com/growthbook/growthbook-golang"
	"github.com/launchdarkly/go-sdk-common/v3/ldcontext"
	"github.com/launchdarkly/go-sdk-common/v3/ldvalue"
	ld "github.com/launchdarkly/go-server-sdk-evaluation/v3"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldbuilders"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"

	"github.com/lumelle/adminkit/flags"
)

// byHand returns the read that one would write for exactly this flag.
func byHand() func() bool {
	type rollout struct {
		countries, plans [2]string
		below            uint64
	}
	known := map[string]*rollout{keyOf(0): {[2]string{"GB", "IE"}, [2]string{"pro", "enterprise"}, 600_000_000}}
	attributes := map[string]string{}
	for name, value := range person {
		attributes[name] = value
	}
	merchant := person[flags.AttrMerchant]
	return func() bool {
		f := known[keyOf(0)]
		country, plan := attributes["country"], attributes[flags.AttrPlan]
		if country != f.countries[0] && country != f.countries[1] || plan != f.plans[0] && plan != f.plans[1] {
			return false
		}
		slot, _ := bits.Mul64(xxhash.Sum64String(merchant), 1_000_000_000)
		return slot >= f.below
	}
}

// unknown is a data provider of LaunchDarkly without segments and prerequisites.
type unknown struct{}

func (unknown) GetFeatureFlag(string) *ldmodel.FeatureFlag { return nil }
func (unknown) GetSegment(string) *ldmodel.Segment         { return nil }

// launchDarkly returns its read and one of many flags.
func launchDarkly(n int) (one func() bool, all func() int) {
	clause := func(attribute string, values ...string) ldmodel.Clause {
		list := make([]ldvalue.Value, len(values))
		for i, v := range values {
			list[i] = ldvalue.String(v)
		}
		return ldbuilders.Clause(attribute, ldmodel.OperatorIn, list...)
	}
	known := make(map[string]*ldmodel.FeatureFlag, n)
	for i := range n {
		f := ldbuilders.NewFlagBuilder(keyOf(i)).On(true).Salt("salt").
			Variations(ldvalue.Bool(false), ldvalue.Bool(true)).OffVariation(0).FallthroughVariation(0).
			AddRule(ldbuilders.NewRuleBuilder().ID("rollout").
				Clauses(clause("country", "GB", "IE"), clause(flags.AttrPlan, "pro", "enterprise")).
				VariationOrRollout(ldbuilders.Rollout(ldbuilders.Bucket(0, 60_000), ldbuilders.Bucket(1, 40_000)))).Build()
		known[f.Key] = &f
	}
	builder := ldcontext.NewBuilder(person[flags.AttrMerchant])
	for name, value := range person {
		builder.SetString(name, value)
	}
	who := builder.Build()
	evaluator := ld.NewEvaluator(unknown{})
	one = func() bool { return evaluator.Evaluate(known[keyOf(0)], who, nil).Detail.Value.BoolValue() }
	all = func() int {
		seen := 0
		for _, f := range known {
			if evaluator.Evaluate(f, who, nil).Detail.VariationIndex.IsDefined() {
				seen++
			}
		}
		return seen
	}
	return one, all
}

// growthBook returns its read and one of many flags.
func growthBook(ctx context.Context, n int) (one func() bool, all func() int, err error) {
	features := map[string]any{}
	for i := range n {
		features[keyOf(i)] = map[string]any{"defaultValue": false, "rules": []any{map[string]any{
			"condition": map[string]any{"country": map[string]any{"$in": []any{"GB", "IE"}}, flags.AttrPlan: map[string]any{"$in": []any{"pro", "enterprise"}}},
			"force":     true, "coverage": 0.4, "hashAttribute": flags.AttrMerchant,
		}}}
	}
	text, err := json.Marshal(features)
	if err != nil {
		return nil, nil, err
	}
	attributes := growthbook.Attributes{}
	for name, value := range person {
		attributes[name] = value
	}
	client, err := growthbook.NewClient(ctx, growthbook.WithJsonFeatures(string(text)), growthbook.WithAttributes(attributes))
	if err != nil {
		return nil, nil, err
	}
	one = func() bool { return client.EvalFeature(ctx, keyOf(0)).On }
	all = func() int {
		seen := 0
		for i := range n {
			if client.EvalFeature(ctx, keyOf(i)).Source != growthbook.UnknownFeatureResultSource {
				seen++
			}
		}
		return seen
	}
	if got := all(); got != n {
		return nil, nil, fmt.Errorf("growthbook knows %d flags of %d", got, n)
	}
	return one, all, nil
}
