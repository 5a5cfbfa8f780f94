package main

import (
	"context"
	"fmt"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
)

const (
	tenant      = "acme"
	environment = "prod"
	manyFlags   = 10_000
)

// A backend is what a Service needs of one.
type backend interface {
	storage.Transactor
	Audit() audit.Store
	Flags() flags.Store
	Jobs() jobs.Store
}

// newService makes a Service whose changes nobody has to agree to.
func newService(b backend) (*flags.Service, error) {
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, flags.Actions()...)
	if err != nil {
		return nil, err
	}
	log, err := audit.NewLog(b.Audit(), audit.LogConfig{})
	if err != nil {
		return nil, err
	}
	allow := audit.GateFunc(func(context.Context, audit.Event) (audit.Verdict, error) {
		return audit.Verdict{Effect: audit.Allow}, nil
	})
	governor, err := audit.NewGovernor(b, allow, log, catalog)
	if err != nil {
		return nil, err
	}
	queue, err := jobs.NewQueue(b.Jobs(), jobs.Config{})
	if err != nil {
		return nil, err
	}
	return flags.New(governor, b.Flags(), queue, flags.Config{})
}

// definition is the flag that everybody reads.
func definition(key string) flags.Flag {
	return flags.Flag{
		Key: key, Type: flags.TypeRelease, ValueType: flags.Bool, Owner: "payments",
		Variants: map[string]any{"on": true, "off": false},
		Environments: map[string]flags.State{environment: {Enabled: true, DefaultVariant: "off", OffVariant: "off", Rules: []flags.Rule{{
			Name: "rollout",
			When: &targeting.Condition{All: []targeting.Condition{
				{Path: "country", Op: targeting.In, Value: targeting.List(targeting.String("GB"), targeting.String("IE"))},
				{Path: flags.AttrPlan, Op: targeting.In, Value: targeting.List(targeting.String("pro"), targeting.String("enterprise"))},
			}},
			Serve: &flags.Serve{Split: &targeting.Split{By: []string{flags.AttrMerchant},
				Weights: targeting.Shares{{Variant: "off", Weight: 60}, {Variant: "on", Weight: 40}}}},
		}}}},
	}
}

// person is the subject that everybody reads for, by attribute.
var person = map[string]string{"country": "GB", flags.AttrPlan: "pro", flags.AttrMerchant: "merchant-1001", flags.AttrRole: "owner"}

func subject() *flags.Subject {
	attributes := targeting.Attributes{}
	for name, value := range person {
		attributes[name] = targeting.String(value)
	}
	return flags.NewSubject(tenant, person[flags.AttrMerchant], attributes)
}

// A faulty store answers until it is broken.
type faulty struct {
	flags.Store
	broken bool
}

func (f *faulty) Head(ctx context.Context, tenant string) (int64, error) {
	if f.broken {
		return 0, storage.ErrUnavailable
	}
	return f.Store.Head(ctx, tenant)
}

// provide returns a provider with n flags, and the one that is fresh no more if stale.
func provide(ctx context.Context, n int, stale bool) (*flags.Provider, error) {
	b, err := memory.New(memory.Config{})
	if err != nil {
		return nil, err
	}
	service, err := newService(b)
	if err != nil {
		return nil, err
	}
	ctx = audit.WithActor(ctx, audit.Actor{Type: audit.User, ID: "dana"})
	for i := range n {
		if _, err := service.Create(ctx, tenant, definition(keyOf(i)), "measure"); err != nil {
			return nil, err
		}
	}
	store := &faulty{Store: b.Flags()}
	provider, err := flags.NewProvider(store, environment, flags.ProviderConfig{})
	if err != nil {
		return nil, err
	}
	if err := provider.Load(ctx, tenant); err != nil {
		return nil, err
	}
	if stale {
		store.broken = true
		if err := provider.Load(ctx, tenant); err == nil {
			return nil, fmt.Errorf("the store is not broken")
		}
	}
	return provider, nil
}

// keyOf names the i-th flag; the first is the one that is read alone.
func keyOf(i int) string {
	if i == 0 {
		return "checkout-v2"
	}
	return fmt.Sprint("flag-", i)
}
