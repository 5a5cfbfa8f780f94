package adminkit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/cloudevent"
	"github.com/lumelle/adminkit/audit/schema"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// TestAnAudienceMeansTheSameToAFlagARuleAndAnApprovalPolicy asks all three about the same
// stores, and then tries to delete the audience under each of them.
func TestAnAudienceMeansTheSameToAFlagARuleAndAnApprovalPolicy(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, db eachtest.Backend) {
		ctx := as(t.Context(), "dana")
		fatal := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		catalog, err := audit.NewCatalog(audit.CatalogConfig{}, append(slices.Concat(flags.Actions(), automation.Actions(), approvals.Actions()),
			audit.Action{Name: "stores.change"})...)
		fatal(err)
		log, err := audit.NewLog(db.Audit(), audit.LogConfig{})
		fatal(err)
		queue, err := jobs.NewQueue(db.Jobs(), jobs.Config{})
		fatal(err)
		outbox, err := automation.NewOutbox(db, db.Automation(), queue, cloudevent.MarshalPublic, automation.OutboxConfig{})
		fatal(err)
		governor, err := audit.NewGovernor(db, audit.Ungated, audit.Tee(log, outbox), catalog)
		fatal(err)
		var rules *automation.Service
		var requests *approvals.Service
		features, err := flags.New(governor, db.Flags(), queue, flags.Config{InUse: func(ctx context.Context, tenant, audience string) ([]string, error) {
			ofRules, err := rules.AudienceUsers(ctx, tenant, audience)
			if err != nil {
				return nil, err
			}
			ofPolicies, err := requests.AudienceUsers(ctx, tenant, audience)
			return slices.Concat(ofRules, ofPolicies), err
		}})
		fatal(err)
		routed := func(when *targeting.Condition) *approvals.Service {
			t.Helper()
			people := approvals.DirectoryFunc(func(context.Context, string, audit.Actor) ([]string, error) { return []string{"manager"}, nil })
			s, err := approvals.New(db, db.Approvals(), queue, people, catalog, log, approvals.Config{
				Policies:  map[string]approvals.Policy{"stores": {Stages: []approvals.StageRule{{Name: "all"}, {Name: "north", When: when}}}},
				Audiences: features.AudienceLibrary,
			})
			fatal(err)
			return s
		}
		requests = routed(&targeting.Condition{Audience: "northern"})
		uses, err := automation.NewCatalog(schema.Compile, automation.CatalogConfig{})
		fatal(err)
		rules, err = automation.New(governor, db.Automation(), queue, uses, automation.Config{Audiences: features.AudienceLibrary})
		fatal(err)

		_, err = features.SaveAudience(ctx, "acme", targeting.Audience{
			Key: "northern", By: []string{"storeId"}, Include: []string{"s-listed"}, Exclude: []string{"s-barred"},
			When: &targeting.Condition{Any: []targeting.Condition{
				{Path: "country", Op: targeting.In, Value: targeting.List(targeting.String("NO"), targeting.String("SE"))},
				{Path: "orders", Op: targeting.GreaterEqual, Value: targeting.Int(1000)},
				{Bucket: &targeting.Bucket{By: []string{"storeId"}, Salt: "north", To: 30}},
			}},
		}, 0, "")
		fatal(err)
		flag := flags.Flag{
			Key: "checkout", Type: flags.TypeRelease, ValueType: flags.Bool, Owner: "dana",
			Variants: map[string]any{"on": true, "off": false},
			Environments: map[string]flags.State{"prod": {
				Enabled: true, DefaultVariant: "off", OffVariant: "off",
				Rules: []flags.Rule{{Name: "north", When: &targeting.Condition{Audience: "northern"}, Serve: &flags.Serve{Variant: "on"}}},
			}},
		}
		_, err = features.Create(ctx, "acme", flag, "")
		fatal(err)
		definition, err := automation.ParseDefinition([]byte(`{"name":"North","automation_environment":"prod",
			"trigger":{"type":"event","event_type":"lumelle.stores.v1.*"},
			"conditions":{"audience":"northern"},"steps":[{"name":"done","action":"stop"}]}`))
		fatal(err)
		rule, err := rules.Create(ctx, "acme", automation.RuleInput{Definition: definition})
		fatal(err)

		members := 0
		for _, store := range stores() {
			answer, err := features.Evaluate(ctx, "acme", "checkout", "prod", &flags.Subject{
				Tenant: "acme", Key: store.id, Attributes: targeting.Attributes{
					"storeId": targeting.String(store.id), "country": targeting.String(store.country), "orders": targeting.Int(store.orders),
				},
			}, nil)
			fatal(err)
			run, err := rules.Test(ctx, "acme", rule.ID, automation.TestInput{Event: fmt.Appendf(nil,
				`{"id":"1","source":"/s","type":"lumelle.stores.v1.changed","data":{"storeId":%q,"country":%q,"orders":%d}}`,
				store.id, store.country, store.orders)})
			fatal(err)
			draft, err := requests.Draft(ctx, audit.Event{
				Tenant: "acme", Action: "stores.change", Resource: audit.Resource{Type: "store", ID: store.id},
				Payload: fmt.Appendf(nil, `{"storeId":%q,"country":%q,"orders":%d}`, store.id, store.country, store.orders),
			}, "stores")
			fatal(err)
			asks, err := requests.Submit(ctx, "acme", draft.ID)
			fatal(err)
			flagged, ran := answer.Evaluation.Variant == "on", run.Run.Status != automation.Filtered
			asked := asks.Stages[1].Status != approvals.StageSkipped
			if flagged != ran || flagged != asked {
				t.Errorf("%+v: of the audience to the flag %t, to the rule %t, to the policy %t", store, flagged, ran, asked)
			}
			if flagged {
				members++
			}
		}
		if all := len(stores()); members < all/4 || members > all*3/4 {
			t.Errorf("%d of %d stores are members, which shows little", members, all)
		}

		refused := func(want ...string) {
			t.Helper()
			err := features.DeleteAudience(ctx, "acme", "northern", 0, "")
			if used, ok := errors.AsType[*flags.InUseError](err); !ok || !errors.Is(err, flags.ErrInUse) || !slices.Equal(used.Users, want) {
				t.Errorf("got %v, want the users %q", err, want)
			}
		}
		refused("flag checkout", "automation "+rule.ID, "approval policy stores")
		fatal(features.Delete(ctx, "acme", "checkout", 0, "done"))
		refused("automation "+rule.ID, "approval policy stores")
		definition.Conditions = targeting.Condition{}
		_, err = rules.Update(ctx, "acme", rule.ID, 0, definition)
		fatal(err)
		refused("approval policy stores")
		requests = routed(nil) // as the host's next version has it
		fatal(features.DeleteAudience(ctx, "acme", "northern", 0, ""))
	})
}

// A branch is a store of a merchant.
type branch struct {
	id, country string
	orders      int64
}

func stores() []branch {
	all := []branch{{"s-listed", "DE", 0}, {"s-barred", "NO", 5000}}
	for i := range 48 {
		all = append(all, branch{fmt.Sprint("s-", i), []string{"NO", "DE", "FR", "GB", "IT"}[i%5], int64(i%10) * 110})
	}
	return all
}
