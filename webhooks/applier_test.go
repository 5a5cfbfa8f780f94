package webhooks_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/approvals/approvalstest"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/secrets"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/webhooks"
)

// An approvable is a change of an endpoint with one delivery that can be approved, and how
// to see that it was made.
type approvable struct {
	action string
	// seed prepares the endpoint "e", which is enabled at revision 1.
	seed    func(t *testing.T, k *kit)
	payload func(d webhooks.Delivery) string
	base    string
	bad     string
	made    func(e webhooks.Endpoint, endpoints int, d webhooks.Delivery) bool
}

var approvables = map[string]approvable{
	"a creation": {
		action:  webhooks.ActionCreate,
		payload: func(webhooks.Delivery) string { return `{"url":"https://new.example.com/","event_types":["*"]}` },
		bad:     `{"url":"http://new.example.com/","event_types":[]}`,
		made:    func(_ webhooks.Endpoint, endpoints int, _ webhooks.Delivery) bool { return endpoints == 2 },
	},
	"an update": {
		action: webhooks.ActionUpdate, base: "1",
		payload: func(webhooks.Delivery) string { return `{"url":"https://new.example.com/","event_types":["*"]}` },
		bad:     `{"url":"https://new.example.com/"}`,
		made:    func(e webhooks.Endpoint, _ int, _ webhooks.Delivery) bool { return e.URL == "https://new.example.com/" },
	},
	"a deletion": {
		action: webhooks.ActionDelete, base: "1", bad: `{"force":true}`,
		made: func(_ webhooks.Endpoint, endpoints int, _ webhooks.Delivery) bool { return endpoints == 0 },
	},
	"a disabling": {
		action: webhooks.ActionDisable, base: "1", bad: `{"reason":"x"}`,
		made: func(e webhooks.Endpoint, _ int, _ webhooks.Delivery) bool { return e.Status == webhooks.Disabled },
	},
	"an enabling": {
		action: webhooks.ActionEnable, base: "2", bad: `{"reason":"x"}`,
		seed: func(t *testing.T, k *kit) {
			_, err := k.service.Disable(k.ctx, "acme", "e", "")
			must(t, err)
		},
		made: func(e webhooks.Endpoint, _ int, _ webhooks.Delivery) bool { return e.Status == webhooks.Enabled },
	},
	"a redelivery": {
		action: webhooks.ActionRedeliver,
		payload: func(d webhooks.Delivery) string {
			return `{"message_id":"` + d.MessageID + `","endpoint_id":"e"}`
		},
		bad:  `{"message_id":"another","endpoint_id":"e"}`,
		made: func(_ webhooks.Endpoint, _ int, d webhooks.Delivery) bool { return d.Round == 1 },
	},
}

func TestApplyIsAnApplier(t *testing.T) {
	for name, a := range approvables {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			approvalstest.RunApplier(t, approvalstest.ApplierOptions{New: a.host})
		})
	}
}

func (a approvable) host(t *testing.T) approvalstest.ApplierHost {
	t.Helper()
	k := newKit(t, eachtest.Memory(t), kitConfig{})
	_, _, err := k.service.Create(k.ctx, "acme", webhooks.EndpointInput{ID: "e", URL: "https://old.example.com/", EventTypes: []string{"*"}})
	must(t, err)
	k.refund(t, "acme", "r1")
	d := k.deliveries(t, webhooks.DeliveryQuery{})[0]
	if a.seed != nil {
		a.seed(t, k)
	}
	change := audit.Event{
		Tenant: "acme", Action: a.action, BaseRevision: a.base,
		Resource: audit.Resource{Type: webhooks.ResourceEndpoint, ID: "e"},
	}
	switch a.action {
	case webhooks.ActionCreate:
		change.Resource.ID = "unmade"
	case webhooks.ActionRedeliver:
		change.Resource = audit.Resource{Type: webhooks.ResourceDelivery, ID: d.ID}
	}
	if a.payload != nil {
		change.Payload = json.RawMessage(a.payload(d))
	}
	return approvalstest.ApplierHost{
		Backend: k.backend, Actions: webhooks.Actions(), Change: change, BadPayload: json.RawMessage(a.bad),
		Wire: func(g *audit.Governor, s *approvals.Service) (approvals.Applier, error) {
			return wireApplier(k, g, s, a.action)
		},
		Changed: func(ctx context.Context) (int, error) {
			page, err := k.service.List(ctx, "acme", webhooks.EndpointQuery{})
			if err != nil {
				return 0, err
			}
			var e webhooks.Endpoint
			if len(page.Items) > 0 {
				e = page.Items[0]
			}
			d, _, err := k.service.Delivery(ctx, "acme", d.ID)
			if err != nil || !a.made(e, len(page.Items), d) {
				return 0, err
			}
			return 1, nil
		},
	}
}

// wireApplier registers a Service over the kit's backend that changes things through g.
func wireApplier(k *kit, g *audit.Governor, s *approvals.Service, action string) (approvals.Applier, error) {
	keys, err := secrets.Generate()
	if err != nil {
		return nil, err
	}
	vault, err := secrets.New(keys)
	if err != nil {
		return nil, err
	}
	queue, err := jobs.NewQueue(k.backend.Jobs(), jobs.Config{})
	if err != nil {
		return nil, err
	}
	service, err := webhooks.New(g, k.backend.Webhooks(), queue, vault, always(accepted), webhooks.Config{})
	if err != nil {
		return nil, err
	}
	apply := approvals.ApplierFunc(func(ctx context.Context, a approvals.Approved) (approvals.Result, error) {
		return approvals.Result{}, service.Apply(ctx, a.Event)
	})
	return apply, s.Register(action, apply)
}
