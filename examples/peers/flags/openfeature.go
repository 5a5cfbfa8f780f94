package main

import (
	"context"

	sdk "github.com/open-feature/go-sdk/openfeature"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/openfeature"
)

// constant is the cheapest provider that there can be.
type constant struct{ sdk.NoopProvider }

func (constant) BooleanEvaluation(context.Context, string, bool, sdk.FlattenedContext) sdk.BoolResolutionDetail {
	return sdk.BoolResolutionDetail{Value: true, ProviderResolutionDetail: sdk.ProviderResolutionDetail{Reason: sdk.SplitReason, Variant: "on"}}
}

// throughOpenFeature measures reads by the client of OpenFeature: with the subject in
// ctx, with attributes, and of a constant.
func throughOpenFeature(ctx context.Context, provider *flags.Provider, rounds int) ([]figure, error) {
	ours, err := openfeature.New(provider, openfeature.Config{})
	if err != nil {
		return nil, err
	}
	for name, p := range map[string]sdk.FeatureProvider{"ours": ours, "constant": constant{}} {
		if err := sdk.SetNamedProviderWithContextAndWait(ctx, name, p); err != nil {
			return nil, err
		}
	}
	defer sdk.ShutdownWithContext(context.WithoutCancel(ctx))
	s, key := subject(), keyOf(0)
	attributes := map[string]any{flags.AttrTenant: tenant}
	for name, value := range person {
		attributes[name] = value
	}
	none, all := sdk.EvaluationContext{}, sdk.NewEvaluationContext(s.Key, attributes)
	client, fixed, carried := sdk.NewClient("ours"), sdk.NewClient("constant"), flags.WithSubject(ctx, s)
	w := work{"openfeature-read", []side{
		{"subject-in-ctx", repeat(func() bool { return client.Boolean(carried, key, false, none) })},
		{"attributes", repeat(func() bool { return client.Boolean(ctx, key, false, all) })},
		{"constant-provider", repeat(func() bool { return fixed.Boolean(carried, key, false, none) })},
	}}
	figures := w.measure(rounds, 1)
	// What is ours of a read: the time in the provider, and what a read takes beyond the
	// constant, caches and predictions that it spoils for the client included.
	share := work{"openfeature-share", []side{
		{"provider", repeat(func() bool { return ours.BooleanEvaluation(carried, key, false, nil).Value })},
	}}.measure(rounds, 1)
	const bar = 100
	beyond := figures[0].Value * (1 - figures[len(figures)-2].Ratio)
	return append(figures,
		figure{"openfeature-share", "memory", "provider", "bar", share[0].Value, "ns/op", bar / share[0].Value},
		figure{"openfeature-share", "memory", "beyond-constant", "bar", beyond, "ns/op", bar / beyond},
	), nil
}
