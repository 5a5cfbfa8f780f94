package webhookstest

import (
	"fmt"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/storage/listing/listingtest"
	"github.com/lumelle/adminkit/webhooks"
)

const whyDeclared = "whoever filters by something that the store passes over acts on objects that were never meant: every field with every operator, in every order, is as a plain scan finds it, and what is not declared is refused"

var declaredRules = []storeRule{
	{"MS-133", "endpoints are listed as their list declares", whyDeclared, func(e *storeEnv) {
		var all []webhooks.Endpoint
		for i, text := range append(spellings, "", "", "b", "ab") {
			p := e.endpoint(fmt.Sprintf("e%02d", i*37%101), "a.b")
			p.Description, p.URL = text, "https://example.com/"+text
			p.CreatedAt, p.UpdatedAt = morning.Add(time.Duration(i/3)*time.Microsecond), morning.Add(-time.Duration(i%3)*time.Hour)
			if i%4 == 1 {
				p.Status, p.DisabledReason = webhooks.Disabled, text
			}
			all = append(all, p)
		}
		e.add(all...)
		o := e.other()
		o.add(o.created(3)...)
		listingtest.Check(e, listingtest.Of(webhooks.Endpoints(), func(q listing.Query) (storage.Page[webhooks.Endpoint], error) {
			return e.store.ListEndpoints(e.ctx, e.tenant, webhooks.EndpointQuery{Filters: q.Filters, Sort: q.Sort, After: q.After, Limit: q.Limit})
		}), all)
	}},
	{"MS-134", "deliveries are listed as their list declares", whyDeclared, func(e *storeEnv) {
		all := e.crowd(18)
		for i := range all {
			d := &all[i]
			if d.NextAttemptAt = (time.Time{}); i%3 == 0 {
				d.NextAttemptAt = morning.Add(time.Duration(i) * time.Minute)
			}
			d.Held, d.Reason = i%4 == 0, spellings[i%len(spellings)]
			e.must(e.store.PutDelivery(e.ctx, e.tenant, *d), "put")
		}
		o := e.other()
		o.crowd(4)
		listingtest.Check(e, listingtest.Of(webhooks.Deliveries(), func(q listing.Query) (storage.Page[webhooks.Delivery], error) {
			return e.store.ListDeliveries(e.ctx, e.tenant, webhooks.DeliveryQuery{Filters: q.Filters, Sort: q.Sort, After: q.After, Limit: q.Limit})
		}), all)
	}},
}
