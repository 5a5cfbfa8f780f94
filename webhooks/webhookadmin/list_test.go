package webhookadmin_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/httpapi/httpapitest"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/webhooks"
	"github.com/lumelle/adminkit/webhooks/webhookadmin"
)

var day = time.Date(2026, 11, 1, 9, 0, 0, 123_456_000, time.UTC)

// fill gives a tenant endpoints and deliveries, of which several have one time.
func (h *host) fill(tenant string, n int) {
	h.t.Helper()
	for i := range n {
		at := day.Add(time.Duration(i/3) * time.Microsecond)
		e := webhooks.Endpoint{
			ID: fmt.Sprintf("%s-e%d", tenant, i*7%n), URL: fmt.Sprintf("https://hooks.example.com/%d", i%4), EventTypes: []string{"*"},
			Description: []string{"", "ERP", "erp", "Lager & Büro"}[i%4], Status: webhooks.Enabled, Revision: 1,
			CreatedAt: at, UpdatedAt: day.Add(-time.Duration(i%2) * time.Hour),
		}
		if i%3 == 1 {
			e.Status, e.DisabledReason = webhooks.Disabled, webhooks.ReasonManual
		}
		must(h.t, h.store.InsertEndpoint(h.t.Context(), tenant, e, webhooks.Secret{ID: "s", Sealed: []byte{1}, CreatedAt: at}))
		d := webhooks.Delivery{
			ID: fmt.Sprintf("%s-d%d", tenant, i*7%n), MessageID: fmt.Sprint("m", i), EndpointID: e.ID, EventType: fmt.Sprint("lumelle.orders.v", i%2),
			Status: webhooks.Statuses()[i%4], Held: i%4 == 0 && i%3 == 1, TraceID: fmt.Sprint("t", i/2), CreatedAt: at, UpdatedAt: at,
		}
		switch d.Status {
		case webhooks.Pending:
			d.NextAttemptAt = at.Add(time.Hour)
		case webhooks.Failed:
			d.Reason = webhooks.ReasonExhausted
		}
		m := webhooks.Message{ID: d.MessageID, EventSource: "shop", EventID: fmt.Sprint(i), EventType: d.EventType, Body: []byte("{}"), CreatedAt: at}
		_, err := h.store.InsertMessage(h.t.Context(), tenant, m, []webhooks.Delivery{d})
		must(h.t, err)
	}
}

func TestListsAreAsTheyAreDeclared(t *testing.T) {
	h := newHost(t)
	h.fill("acme", 11)
	h.fill("bloom", 3)
	for _, l := range []struct {
		path   string
		name   string
		fields []listing.FieldInfo
		sort   listing.Sort
	}{
		{"/endpoints", webhooks.Endpoints().Name, webhooks.Endpoints().Info(), webhooks.Endpoints().Sort},
		{"/deliveries", webhooks.Deliveries().Name, webhooks.Deliveries().Info(), webhooks.Deliveries().Sort},
	} {
		t.Run(strings.TrimPrefix(l.path, "/"), func(t *testing.T) {
			httpapitest.List(t, httpapitest.ListUnderTest{
				Fields: l.fields, Sort: l.sort, URL: h.URL + l.path, Own: h.As("audra@acme"), Stranger: h.As("nina@bloom"),
				Document: httpapitest.Load(t, webhookadmin.OpenAPI()), Path: l.path,
				Saved: h.saved, Name: l.name, Person: httpapi.Identity{Tenant: "acme", Actor: audit.Actor{Type: audit.User, ID: "audra"}},
			})
		})
	}
	// The parameters of the list of deliveries are filters that go with others.
	page := h.Want(h.Do("sam@acme", "GET", "/deliveries?status=failed&filter[created_at][gt]="+day.Format(time.RFC3339Nano)+"&limit=1000", ""), 200)
	for _, i := range page.Body["items"].([]any) {
		if d := i.(map[string]any); d["status"] != "failed" || d["created_at"] == day.Format(time.RFC3339Nano) {
			t.Errorf("got %v", d)
		}
	}
	if n := len(page.Body["items"].([]any)); n != 2 {
		t.Errorf("got %d failed deliveries of later, want 2", n)
	}
	twice := h.Want(h.Do("sam@acme", "GET", "/deliveries?status=failed&filter[status][eq]=failed", ""), 400)
	if !strings.Contains(twice.Text, `"pointer":"filter[status][eq]"`) {
		t.Errorf("got %s", twice.Text)
	}
}
