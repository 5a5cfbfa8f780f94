package portal_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/approvals/portal"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/httpapi/httpapitest"
)

// fill gives a tenant requests in every state, of which several have one time.
func (h *host) fill(tenant string, n int) {
	h.t.Helper()
	day := time.Date(2026, 11, 1, 9, 0, 0, 123_456_000, time.UTC)
	for i := range n {
		r := approvals.Request{
			ID: fmt.Sprintf("%s-r%02d", tenant, i*7%n), State: approvals.States()[1+i%9], Revision: 1 + i%3, Version: 1,
			Action: fmt.Sprint("orders.", i%2), Resource: audit.Resource{Type: "order", ID: fmt.Sprint("o", i%4)},
			EventID: fmt.Sprint("e", i), Requester: audit.Actor{Type: audit.User, ID: "sam"}, DedupeKey: fmt.Sprint("k", i),
			Content:   approvals.Content{Payload: json.RawMessage(`{}`), Reason: []string{"", "damaged", "lost & found"}[i%3]},
			CreatedAt: day.Add(time.Duration(i/5) * time.Microsecond), UpdatedAt: day.Add(time.Duration(i) * time.Second),
		}
		if i%4 == 0 {
			r.TimeoutAt = day.Add(time.Hour)
		}
		must(h.t, h.store.Save(h.t.Context(), tenant, approvals.Write{Request: r, Step: approvals.Step{Seq: 1, At: r.CreatedAt, To: r.State, Revision: 1}}))
	}
}

func TestTabsAreAsTheyAreDeclared(t *testing.T) {
	h := newHost(t)
	h.fill("acme", 24)
	h.fill("bloom", 24)
	for _, tab := range []approvals.Tab{approvals.TabPending, approvals.TabDone} {
		t.Run(string(tab), func(t *testing.T) {
			list := httpapitest.ListUnderTest{
				Fields: approvals.Requests(tab).Info(), Sort: approvals.Requests(tab).Sort, URL: h.URL + "/requests?tab=" + string(tab),
				Own: h.As("audra@acme"), Stranger: h.As("nina@bloom"), Document: httpapitest.Load(t, portal.OpenAPI()), Path: "/requests",
				Saved: h.saved, Name: approvals.Requests(tab).Name, Person: httpapi.Identity{Tenant: "acme", Actor: audit.Actor{Type: audit.User, ID: "audra"}},
				Member: map[string]string{"resource_type": "resource.type", "resource_id": "resource.id"},
			}
			// The document's default is that of the tab that is shown first.
			list.DefaultVaries = tab != approvals.TabPending
			httpapitest.List(t, list)
		})
	}
}

func TestManyRequestsAreCancelledEachAsIfItStoodAlone(t *testing.T) {
	h := newHost(t)
	one, two, three := h.ask("1"), h.ask("2"), h.ask("3")
	if status, got := h.do("sam@acme", "POST", "/requests/"+three+"/cancel", ""); status != 200 {
		t.Fatal(got)
	}
	results := func(who, body string, header ...string) (all []string) {
		t.Helper()
		status, got := h.do(who, "POST", "/requests/bulk", body, header...)
		if status != 200 {
			t.Fatalf("got %d %v", status, got)
		}
		for _, i := range got["items"].([]any) {
			item := i.(map[string]any)
			line := item["status"].(string)
			if p, ok := item["problem"].(map[string]any); ok {
				line += p["type"].(string)[strings.LastIndexByte(p["type"].(string), ':'):]
			}
			all = append(all, line)
		}
		return all
	}
	ids := fmt.Sprintf(`{"ids":[%q,%q,%q,"nobody"],"action":"cancel","reason":"sold out"}`, one, three, two)
	for _, c := range []struct {
		who  string
		want []string
	}{
		{"marco@acme", []string{"refused:not_eligible", "refused:not_eligible", "refused:not_eligible", "refused:not_found"}},
		{"nina@bloom", []string{"refused:not_found", "refused:not_found", "refused:not_found", "refused:not_found"}},
		{"sam@acme", []string{"done", "refused:illegal_transition", "done", "refused:not_found"}},
	} {
		if got := results(c.who, ids, "Idempotency-Key: k-"+c.who); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.who, got, c.want)
		}
	}
	four := h.ask("4")
	if got := results("sam@acme", `{"filter":{"resource_id":{"in":["4","1"]}},"action":"cancel"}`); !slices.Equal(got, []string{"done"}) {
		t.Errorf("got %q, want the one that waits", got)
	}
	if status, got := h.do("sam@acme", "GET", "/requests/"+four, ""); status != 200 || got["state"] != "cancelled" {
		t.Errorf("got %d %v", status, got)
	}
	if status, _ := h.do("dana@acme", "POST", "/requests/bulk", ids); status != 403 {
		t.Errorf("who may not read got %d, want 403", status)
	}
}
