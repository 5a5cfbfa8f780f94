package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	sdk "github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/examples/merchantadmin/shop"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/openfeature"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// newRefundForm is the flag that gates the new form of refunds.
const newRefundForm = "new_refund_form"

// flagPolicy is the approval policy of flags that are no release flags.
const flagPolicy = "flags"

// openFlags builds the service of flags and registers it for what was approved.
func (a *app) openFlags(ctx context.Context, queue *jobs.Queue) (err error) {
	environments := flags.DefaultEnvironments()
	if !slices.Contains(environments, a.cfg.env) {
		environments = append(environments, a.cfg.env)
	}
	a.flags, err = flags.New(a.governor, a.db.Flags(), queue, flags.Config{
		Environments: environments, Directory: stores{a.shop},
		InUse: func(ctx context.Context, tenant, audience string) ([]string, error) {
			return a.automation.AudienceUsers(ctx, tenant, audience)
		},
	})
	if err != nil {
		return err
	}
	apply := approvals.ApplierFunc(func(ctx context.Context, made approvals.Approved) (approvals.Result, error) {
		return approvals.Result{}, a.flags.Apply(ctx, made.Event)
	})
	for _, action := range approvedFlagActions {
		if err := a.approvals.Register(action, apply); err != nil {
			return err
		}
	}
	a.provider, err = flags.NewProvider(a.db.Flags(), a.cfg.env, flags.ProviderConfig{Used: a.flags.RecordUse, Logger: a.log})
	if err != nil {
		return err
	}
	a.background(ctx, func(ctx context.Context) { _ = a.provider.Run(ctx) }) // it ends with ctx only
	provider, err := openfeature.New(a.provider, openfeature.Config{})
	if err != nil {
		return err
	}
	api := isolated.NewAPI() // of this app alone: several may run in one process
	if err := api.SetProviderAndWait(ctx, provider); err != nil {
		return err
	}
	a.closers = append(a.closers, api.Shutdown)
	a.features = api.NewClient()
	return nil
}

// hasNewRefundForm reads the flag for whoever looks at an order.
func (a *app) hasNewRefundForm(ctx context.Context, who httpapi.Identity, o shop.Order) bool {
	s := storeSubject(who.Tenant, o.StoreID)
	s.Key = who.Actor.ID
	s.Attributes[flags.AttrActor] = targeting.String(who.Actor.ID)
	if p, ok := a.people.person(who.Actor.ID); ok {
		s.Attributes[flags.AttrRole] = targeting.String(p.Role(who.Tenant))
	}
	return a.features.Boolean(flags.WithSubject(ctx, s), newRefundForm, false, sdk.EvaluationContext{})
}

// approvedFlagActions are the changes of flags that may wait for approval. The kill
// switch never does.
var approvedFlagActions = []string{
	flags.ActionCreate, flags.ActionUpdate, flags.ActionDelete, flags.ActionRestore, flags.ActionSetOverride, flags.ActionClearOverride,
}

// stores is the directory that previews count: the stores of a merchant.
type stores struct{ shop *shop.Store }

// Subjects implements flags.Directory.
func (s stores) Subjects(ctx context.Context, tenant string) iter.Seq2[*flags.Subject, error] {
	return func(yield func(*flags.Subject, error) bool) {
		ids, err := s.shop.Stores(ctx, tenant)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, id := range ids {
			if !yield(storeSubject(tenant, id), nil) {
				return
			}
		}
	}
}

// storeSubject is a store as rules see it.
func storeSubject(tenant, id string) *flags.Subject {
	attributes := targeting.Attributes{flags.AttrMerchant: targeting.String(tenant), flags.AttrStore: targeting.String(id)}
	if country := shop.Country(id); country != "" {
		attributes["country"] = targeting.String(country)
	}
	return &flags.Subject{Tenant: tenant, Key: id, Attributes: attributes}
}

// seedFlags defines the flags of the demo for each merchant that has none.
func (a *app) seedFlags(ctx context.Context, sink audit.AuditSink, queue *jobs.Queue) error {
	ungated, err := audit.NewGovernor(a.db, audit.Ungated, sink, a.catalog)
	if err != nil {
		return err
	}
	service, err := flags.New(ungated, a.db.Flags(), queue, flags.Config{Environments: a.flags.Environments()})
	if err != nil {
		return err
	}
	ctx = audit.WithActor(ctx, audit.Actor{Type: audit.SystemActor, ID: "demo"})
	for _, tenant := range merchants {
		head, err := a.db.Flags().Head(ctx, tenant)
		if err != nil {
			return err
		}
		if head > 0 {
			continue
		}
		_, err = service.Create(ctx, tenant, refundFormFlag(a.cfg.env), "the demo begins")
		if err != nil && !errors.Is(err, storage.ErrConflict) { // another process was first
			return fmt.Errorf("flags of %s: %w", tenant, err)
		}
	}
	return nil
}

// refundFormFlag gives the new form to support first.
func refundFormFlag(env string) flags.Flag {
	return flags.Flag{
		Key: newRefundForm, Type: flags.TypeRelease, ValueType: flags.Bool, Owner: "payments",
		Description: "The refund form that offers what is left of an order.",
		Variants:    map[string]any{"on": true, "off": false},
		Environments: map[string]flags.State{env: {
			Enabled: true, DefaultVariant: "off", OffVariant: "off",
			Rules: []flags.Rule{{
				Name: "support first",
				When: &targeting.Condition{
					Path: flags.AttrRole, Op: targeting.In, Value: targeting.List(targeting.String(support), targeting.String(owner)),
				},
				Serve: &flags.Serve{Variant: "on"},
			}},
		}},
	}
}
