package webhooks_test

import (
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/webhooks"
)

func TestEventsAboutWebhooksAndAutomationsBecomeNoMessages(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, kitConfig{})
		k.create(t, "https://example.test/hook", "lumelle.audit.v1.*")
		for i, action := range []string{"webhooks.endpoint.disabled", "automation.rule.enabled", "automation.run.failed", "automations.counted"} {
			must(t, k.outbox.Append(k.ctx, audit.Event{
				ID: action, Source: "/s", Tenant: "acme", Action: action, Type: "lumelle.audit.v1." + action,
				Category: audit.Activity, Outcome: audit.Success, Resource: audit.Resource{Type: "t", ID: "1"}, Actor: sam,
			}))
			want := 0
			if i == 3 { // which is not of package automation
				want = 1
			}
			if n := len(k.deliveries(t, webhooks.DeliveryQuery{})); n != want {
				t.Errorf("after %s there are %d deliveries, want %d", action, n, want)
			}
		}
	})
}
