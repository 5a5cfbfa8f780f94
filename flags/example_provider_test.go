package flags_test

import (
	"context"
	"fmt"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
)

// open makes a Service over a store in memory, as a host's main does over its own.
func open() (*memory.Backend, *flags.Service, error) {
	db, err := memory.New(memory.Config{})
	if err != nil {
		return nil, nil, err
	}
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, flags.Actions()...)
	if err != nil {
		return nil, nil, err
	}
	log, err := audit.NewLog(db.Audit(), audit.LogConfig{})
	if err != nil {
		return nil, nil, err
	}
	governor, err := audit.NewGovernor(db, audit.GateFunc(func(context.Context, audit.Event) (audit.Verdict, error) {
		return audit.Verdict{Effect: audit.Allow}, nil
	}), log, catalog)
	if err != nil {
		return nil, nil, err
	}
	queue, err := jobs.NewQueue(db.Jobs(), jobs.Config{})
	if err != nil {
		return nil, nil, err
	}
	service, err := flags.New(governor, db.Flags(), queue, flags.Config{})
	return db, service, err
}

// A flag is written through the Service and read through a Client over a Provider.
func ExampleClient() {
	db, service, err := open()
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := audit.WithActor(context.Background(), audit.Actor{Type: audit.User, ID: "dana"})
	_, err = service.Create(ctx, "acme", flags.Flag{
		Key: "checkout-v2", Type: flags.TypeRelease, ValueType: flags.Bool, Owner: "payments",
		Variants: map[string]any{"on": true, "off": false},
		Environments: map[string]flags.State{"prod": {Enabled: true, DefaultVariant: "off", OffVariant: "off", Rules: []flags.Rule{
			{Name: "paying", When: &targeting.Condition{Path: flags.AttrPlan, Op: targeting.Equal, Value: targeting.String("pro")}, Serve: &flags.Serve{Variant: "on"}},
		}}},
	}, "the new checkout")
	if err != nil {
		fmt.Println(err)
		return
	}

	provider, err := flags.NewProvider(db.Flags(), "prod", flags.ProviderConfig{Used: service.RecordUse})
	if err != nil {
		fmt.Println(err)
		return
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	go provider.Run(running)
	client, err := flags.NewClient(provider)
	if err != nil {
		fmt.Println(err)
		return
	}

	checkout := flags.NewBool(client, "checkout-v2", false)
	for _, plan := range []string{"pro", "free"} {
		sam := &flags.Subject{Tenant: "acme", Key: "sam", Attributes: targeting.Attributes{flags.AttrPlan: targeting.String(plan)}}
		d := checkout.Details(ctx, sam)
		fmt.Printf("%s: %t, %s by %q for %s\n", plan, d.Value, d.Variant, d.Rule, d.Reason)
	}
	d := client.StringDetails(ctx, "checkout-v2", "old", &flags.Subject{Tenant: "acme", Key: "sam"})
	fmt.Println(d.Value, d.Reason, d.Err.Code)
	// Output:
	// pro: true, on by "paying" for TARGETING_MATCH
	// free: false, off by "" for DEFAULT
	// old ERROR TYPE_MISMATCH
}

// Explain shows the way to an evaluation.
func ExampleProvider_Explain() {
	db, service, err := open()
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := audit.WithActor(context.Background(), audit.Actor{Type: audit.User, ID: "dana"})
	_, err = service.Create(ctx, "acme", flags.Flag{
		Key: "checkout-v2", Type: flags.TypeRelease, ValueType: flags.Bool, Owner: "payments",
		Variants: map[string]any{"on": true, "off": false},
		Environments: map[string]flags.State{"prod": {Enabled: true, DefaultVariant: "off", OffVariant: "off", Rules: []flags.Rule{
			{Name: "partners", Strategy: &flags.StrategyUse{Name: "attribute_match", Parameters: map[string]any{"attribute": "merchantId", "values": []any{"bloom"}}}},
			{Name: "rollout", Serve: &flags.Serve{Split: &targeting.Split{Weights: targeting.Shares{{Variant: "off", Weight: 60}, {Variant: "on", Weight: 40}}}}},
		}}},
	}, "the new checkout")
	if err != nil {
		fmt.Println(err)
		return
	}
	provider, err := flags.NewProvider(db.Flags(), "prod", flags.ProviderConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	explained := provider.Explain(ctx, "checkout-v2", &flags.Subject{Tenant: "acme", Key: "sam",
		Attributes: targeting.Attributes{flags.AttrMerchant: targeting.String("acme")}})
	fmt.Println(explained.Variant, explained.Reason)
	for _, step := range explained.Steps {
		fmt.Printf("%s %q %t: %s\n", step.Kind, step.Name, step.Matched, step.Detail)
	}
	// Output:
	// on SPLIT
	// kill "" false: the kill switch is not thrown
	// enabled "" false: the flag is on
	// rule "partners" false: merchantId in ["bloom"]: does not hold
	// rule "rollout" true: holds for everybody
	// split "rollout" true: merchantId has slot 873651675 of 1000000000, and on those from 600000000 to 999999999
}
