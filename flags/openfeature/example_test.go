package openfeature_test

import (
	"context"
	"fmt"

	sdk "github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"
	"github.com/open-feature/go-sdk/openfeature/memprovider"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/openfeature"
	"github.com/lumelle/adminkit/flags/targeting"
)

// byPlan is on for those who pay. A host has a flags.Provider in its place.
type byPlan struct{}

func (byPlan) Evaluate(_ context.Context, key string, s *flags.Subject) flags.Evaluation {
	if key != "reports" {
		return flags.Evaluation{Reason: flags.ReasonError, Err: &flags.Error{Code: flags.CodeFlagNotFound, Message: "there is no such flag"}}
	}
	plan, _ := s.Attribute(flags.AttrPlan)
	if text, _ := plan.AsString(); text == "pro" {
		return flags.Evaluation{Value: targeting.Bool(true), Variant: "on", Reason: flags.ReasonTargetingMatch}
	}
	return flags.Evaluation{Value: targeting.Bool(false), Variant: "off", Reason: flags.ReasonDefault}
}

// An application reads flags through OpenFeature's client, with an evaluation context or
// with the subject that a middleware put into ctx.
func ExampleNew() {
	provider, err := openfeature.New(byPlan{}, openfeature.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	api := isolated.NewAPI() // or the functions of the package, for one API in the process
	if err := api.SetProviderAndWait(ctx, provider); err != nil {
		fmt.Println(err)
		return
	}
	client := api.NewClient()

	d, err := client.BooleanValueDetails(ctx, "reports", false, sdk.NewEvaluationContext("m-1", map[string]any{"plan": "pro"}))
	fmt.Println(d.Value, d.Variant, d.Reason, err)

	ctx = flags.WithSubject(ctx, &flags.Subject{Key: "m-2"})
	d, err = client.BooleanValueDetails(ctx, "reports", false, sdk.EvaluationContext{})
	fmt.Println(d.Value, d.Variant, d.Reason, err)

	d, err = client.BooleanValueDetails(ctx, "rapports", true, sdk.EvaluationContext{})
	fmt.Println(d.Value, d.Reason, d.ErrorCode, err)
	fmt.Println(api.Shutdown(ctx))
	// Output:
	// true on TARGETING_MATCH <nil>
	// false off DEFAULT <nil>
	// true ERROR FLAG_NOT_FOUND error code: FLAG_NOT_FOUND: there is no such flag
	// <nil>
}

// Another system stands behind the kit's reads.
func ExampleFrom() {
	other := memprovider.NewInMemoryProvider(map[string]memprovider.InMemoryFlag{
		"limit": {Key: "limit", State: memprovider.Enabled, DefaultVariant: "low", Variants: map[string]any{"low": int64(10)}},
	})
	client, err := flags.NewClient(openfeature.From(other))
	if err != nil {
		fmt.Println(err)
		return
	}
	d := client.IntDetails(context.Background(), "limit", 1, &flags.Subject{Key: "m-1"})
	fmt.Println(d.Value, d.Variant, d.Reason)
	// Output: 10 low STATIC
}
