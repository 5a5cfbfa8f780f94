package openfeature_test

import (
	"context"
	"testing"

	sdk "github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/openfeature"
	"github.com/lumelle/adminkit/flags/targeting"
)

// fixed is the cheapest flag provider: what remains is the bridge.
var fixed = answer{Value: targeting.Bool(true), Variant: "on", Reason: flags.ReasonStatic}

// BenchmarkProvider is the share of the bridge in a read.
func BenchmarkProvider(b *testing.B) {
	p := bridge(b, fixed, openfeature.Config{})
	ctx := flags.WithSubject(b.Context(), &flags.Subject{Tenant: tenant, Key: "m-1"})
	b.ReportAllocs()
	for b.Loop() {
		p.BooleanEvaluation(ctx, "f", false, nil)
	}
}

// BenchmarkClient is a read through OpenFeature's client, by how it learns of the
// subject.
func BenchmarkClient(b *testing.B) {
	attributes := map[string]any{"tenant": tenant, "country": "GB", "plan": "pro", "risk": "low"}
	s, err := flags.ReadSubject(attributes)
	if err != nil {
		b.Fatal(err)
	}
	s.Key = "m-1"
	api := isolated.NewAPI()
	if err := api.SetProviderAndWait(b.Context(), bridge(b, fixed, openfeature.Config{})); err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := api.Shutdown(context.Background()); err != nil {
			b.Error(err)
		}
	}()
	client := api.NewClient()
	b.Run("subject in ctx", func(b *testing.B) {
		ctx := flags.WithSubject(b.Context(), s)
		b.ReportAllocs()
		for b.Loop() {
			client.Boolean(ctx, "f", false, sdk.EvaluationContext{})
		}
	})
	b.Run("evaluation context of 4 attributes", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			client.Boolean(b.Context(), "f", false, sdk.NewEvaluationContext("m-1", attributes))
		}
	})
}

func TestTheBridgeAllocatesNothing(t *testing.T) {
	p := bridge(t, fixed, openfeature.Config{})
	ctx := flags.WithSubject(t.Context(), &flags.Subject{Tenant: tenant, Key: "m-1"})
	if n := testing.AllocsPerRun(100, func() { p.BooleanEvaluation(ctx, "f", false, nil) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
