package webhookadmin_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/httpapi/httpapitest"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/storage/listing/saved"
	"github.com/lumelle/adminkit/webhooks"
)

// told returns what a bulk request answered: an id, a status and the type of a problem a
// line.
func told(t *testing.T, a httpapitest.Answer) (lines []string) {
	t.Helper()
	for _, i := range a.Body["items"].([]any) {
		item := i.(map[string]any)
		line := fmt.Sprint(item["id"], " ", item["status"])
		if id, ok := item["request_id"]; ok {
			line += fmt.Sprint(" ", id)
		}
		if p, ok := item["problem"].(map[string]any); ok {
			line += fmt.Sprint(" ", strings.TrimPrefix(p["type"].(string), httpapi.TypePrefix))
		}
		lines = append(lines, line)
	}
	return lines
}

func (h *host) wantTold(a httpapitest.Answer, want ...string) {
	h.t.Helper()
	if got := told(h.t, h.Want(a, 200)); !slices.Equal(got, want) {
		h.t.Errorf("got %q, want %q", got, want)
	}
}

// actions returns the recorded actions and outcomes on an object, oldest first.
func (h *host) actions(id string) (all []string) {
	h.t.Helper()
	page, err := h.log.Query(h.t.Context(), "acme", audit.Query{ResourceID: id})
	must(h.t, err)
	for _, e := range page.Items {
		all = append(all, e.Action+" "+string(e.Outcome))
	}
	return all
}

// TestABulkRequestGoesByASavedFilter: what it has no condition in, or is not seen, changes
// nothing.
func TestABulkRequestGoesByASavedFilter(t *testing.T) {
	h := newHost(t)
	h.fill("acme", 6)
	keep := func(owner string, in saved.Input) string {
		in.Name = owner + in.Sort.String()
		f, err := h.saved.Create(t.Context(), "acme", owner, webhooks.Endpoints().Name, in)
		must(t, err)
		return f.ID
	}
	enabled := []listing.Filter{listing.Is("status", webhooks.Enabled)}
	newest := listing.Sort{Field: "created_at", Descending: true}
	own, whole := keep("user:sam", saved.Input{Filters: enabled, Sort: newest}), keep("", saved.Input{Sort: newest})
	hers := keep("user:olivia", saved.Input{Filters: enabled})
	for body, pointer := range map[string]string{
		`{"saved":"` + whole + `","action":"disable"}`:                                "/saved",
		`{"saved":"` + hers + `","action":"disable"}`:                                 "/saved",
		`{"saved":"none","action":"disable"}`:                                         "/saved",
		`{"saved":"` + own + `","ids":["acme-e0"],"action":"disable"}`:                "",
		`{"saved":"` + own + `","filter":{"id":{"eq":"acme-e0"}},"action":"disable"}`: "",
	} {
		if a := h.Want(h.Do("sam@acme", "POST", "/endpoints/bulk", body), 422); !strings.Contains(a.Text, `"pointer":"`+pointer+`"`) {
			t.Errorf("%s: got %s, want a complaint about %q", body, a.Text, pointer)
		}
	}
	want := []string{}
	page, err := h.store.ListEndpoints(t.Context(), "acme", webhooks.EndpointQuery{Filters: enabled, Sort: newest})
	must(t, err)
	for _, e := range page.Items {
		want = append(want, e.ID+" done")
	}
	if len(want) < 2 {
		t.Fatalf("%d endpoints are enabled", len(want))
	}
	h.wantTold(h.Do("sam@acme", "POST", "/endpoints/bulk", `{"saved":"`+own+`","action":"disable"}`), want...)
	h.wantTold(h.Do("sam@acme", "POST", "/endpoints/bulk", `{"saved":"`+own+`","action":"disable"}`))
}

func TestManyEndpointsAreChangedEachAsIfItStoodAlone(t *testing.T) {
	h := newHost(t)
	h.fill("acme", 4)
	h.fill("bloom", 3)
	body := `{"ids":["acme-e0","nobody","bloom-e1","acme-e1"],"action":"disable","reason":"moving"}`
	h.wantTold(h.Do("sam@acme", "POST", "/endpoints/bulk", body),
		"acme-e0 done", "nobody refused not_found", "bloom-e1 refused not_found", "acme-e1 done")
	for _, id := range []string{"acme-e0", "acme-e1"} {
		shown := h.Want(h.Do("sam@acme", "GET", "/endpoints/"+id, ""), 200)
		if shown.Body["status"] != "disabled" {
			t.Errorf("got %s", shown.Text)
		}
	}
	if got := h.Want(h.Do("nina@bloom", "GET", "/endpoints/bloom-e0", ""), 200); got.Body["disabled_reason"] == "moving" {
		t.Errorf("another tenant's endpoint was changed: %s", got.Text)
	}
	// Each is asked for at the gate, and each refusal is on record.
	h.wantTold(h.Do("audra@acme", "POST", "/endpoints/bulk", `{"ids":["acme-e0","acme-e1"],"action":"enable"}`),
		"acme-e0 refused denied", "acme-e1 refused denied")
	h.wantTold(h.Do("dana@acme", "POST", "/endpoints/bulk", `{"ids":["acme-e0"],"action":"delete"}`), "acme-e0 awaiting_approval req-1")
	got := h.actions("acme-e0")
	slices.Sort(got)
	if want := []string{
		"webhooks.endpoint.deleted pending", "webhooks.endpoint.disabled success", "webhooks.endpoint.enabled denied",
	}; !slices.Equal(got, want) {
		t.Errorf("the log has %q, want %q", got, want)
	}
	h.wantTold(h.Do("sam@acme", "POST", "/endpoints/bulk", `{"ids":["acme-e1","acme-e0"],"action":"delete"}`), "acme-e1 done", "acme-e0 done")
	h.Want(h.Do("sam@acme", "GET", "/endpoints/acme-e1", ""), 404)
}

func TestAFilterChangesWhatItChoosesInPages(t *testing.T) {
	h := newHost(t)
	const n = httpapi.MaxBulk + 3
	h.fill("acme", n)
	in := func(after any, filter string) string {
		return fmt.Sprintf(`{"filter":%s,"after":%q,"action":"disable"}`, filter, after)
	}
	const filter = `{"status":{"in":["enabled","disabled"]},"created_at":{"gte":"2026-11-01T09:00:00Z"}}`
	first := h.Want(h.Do("sam@acme", "POST", "/endpoints/bulk", in("", filter)), 200)
	if got := len(told(t, first)); got != httpapi.MaxBulk || first.Body["next"] == "" {
		t.Fatalf("changed %d endpoints, and next is %q", got, first.Body["next"])
	}
	h.Want(h.Do("sam@acme", "POST", "/endpoints/bulk", in(first.Body["next"], `{"status":{"eq":"enabled"}}`)), 400)
	second := h.Want(h.Do("sam@acme", "POST", "/endpoints/bulk", in(first.Body["next"], filter)), 200)
	if got := len(told(t, second)); got != 3 || second.Body["next"] != "" {
		t.Fatalf("then %d, and next is %q", got, second.Body["next"])
	}
	left := h.Want(h.Do("sam@acme", "GET", "/endpoints?filter[status][eq]=enabled", ""), 200)
	if items := left.Body["items"].([]any); len(items) != 0 {
		t.Errorf("%d endpoints are enabled", len(items))
	}
}

func TestManyMessagesAreDeliveredAgain(t *testing.T) {
	h := newHost(t)
	must(t, h.store.InsertEndpoint(t.Context(), "acme", webhooks.Endpoint{
		ID: "on", URL: "https://127.0.0.1:1/", EventTypes: []string{"*"}, Status: webhooks.Enabled, Revision: 1,
	}, webhooks.Secret{ID: "s", Sealed: []byte{1}}))
	for i, e := range []string{"on", "gone", "on"} {
		m := webhooks.Message{ID: fmt.Sprint("m", i), EventSource: "shop", EventID: fmt.Sprint(i), EventType: "a.b", Body: []byte("{}"), CreatedAt: time.Now()}
		if i == 2 {
			m.CreatedAt = day.AddDate(-1, 0, 0)
		}
		d := webhooks.Delivery{ID: fmt.Sprint("d", i), MessageID: m.ID, EndpointID: e, EventType: "a.b", Status: webhooks.Failed, CreatedAt: m.CreatedAt}
		_, err := h.store.InsertMessage(t.Context(), "acme", m, []webhooks.Delivery{d})
		must(t, err)
	}
	body := `{"filter":{"status":{"eq":"failed"},"held":{"eq":false}},"action":"redeliver","reason":"repaired"}`
	got := told(t, h.Want(h.Do("sam@acme", "POST", "/deliveries/bulk", body), 200))
	slices.Sort(got)
	if want := []string{"d0 done", "d1 refused not_found", "d2 refused message_too_old"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestARepeatedBulkRequestIsOneChange(t *testing.T) {
	h := newHost(t)
	h.fill("acme", 2)
	body := `{"ids":["acme-e0","nobody"],"action":"delete"}`
	first := h.Do("sam@acme", "POST", "/endpoints/bulk", body, "Idempotency-Key: b1")
	h.wantTold(first, "acme-e0 done", "nobody refused not_found")
	again := h.Want(h.Do("sam@acme", "POST", "/endpoints/bulk", body, "Idempotency-Key: b1"), 200)
	if again.Text != first.Text {
		t.Errorf("got %s, then %s", first.Text, again.Text)
	}
	h.Want(h.Do("sam@acme", "POST", "/endpoints/bulk", strings.Replace(body, "nobody", "x", 1), "Idempotency-Key: b1"), 409)
	if got, want := h.actions("acme-e0"), []string{"webhooks.endpoint.deleted success"}; !slices.Equal(got, want) {
		t.Errorf("the log has %q, want %q", got, want)
	}
}

func TestABulkRequestThatCannotBeReadChangesNothing(t *testing.T) {
	h := newHost(t)
	h.fill("acme", 3)
	many := strings.Repeat(`"x",`, httpapi.MaxBulk) + `"y"`
	for _, c := range []struct {
		name, who, body string
		status          int
		pointer         string
	}{
		{"nobody", "", `{"ids":["acme-e0"],"action":"delete"}`, 401, ""},
		{"somebody who may not read", "mallory@acme", `{"ids":["acme-e0"],"action":"delete"}`, 403, ""},
		{"no action", "sam@acme", `{"ids":["acme-e0"]}`, 422, "/action"},
		{"an unknown action", "sam@acme", `{"ids":["acme-e0"],"action":"explode"}`, 422, "/action"},
		{"a reason for what takes none", "sam@acme", `{"ids":["acme-e0"],"action":"delete","reason":"x"}`, 422, "/reason"},
		{"neither ids nor a filter", "sam@acme", `{"action":"delete"}`, 422, ""},
		{"ids and a filter", "sam@acme", `{"ids":["acme-e0"],"filter":{"id":{"eq":"acme-e0"}},"action":"delete"}`, 422, ""},
		{"no id", "sam@acme", `{"ids":[],"action":"delete"}`, 422, "/ids"},
		{"too many ids", "sam@acme", `{"ids":[` + many + `],"action":"delete"}`, 422, "/ids"},
		{"an id twice", "sam@acme", `{"ids":["acme-e0","acme-e0"],"action":"delete"}`, 422, "/ids/1"},
		{"an id that cannot be one", "sam@acme", `{"ids":[""],"action":"delete"}`, 422, "/ids/0"},
		{"ids with a cursor", "sam@acme", `{"ids":["acme-e0"],"after":"x","action":"delete"}`, 422, "/after"},
		{"a filter that is open", "sam@acme", `{"filter":{},"action":"delete"}`, 422, "/filter"},
		{"a field without a condition", "sam@acme", `{"filter":{"status":{}},"action":"delete"}`, 422, "/filter"},
		{"an unknown field", "sam@acme", `{"filter":{"colour":{"eq":"red"}},"action":"delete"}`, 422, "/filter/colour/eq"},
		{"an unknown word", "sam@acme", `{"filter":{"status":{"eq":"lost"}},"action":"delete"}`, 422, "/filter/status/eq"},
		{"a condition that is an object", "sam@acme", `{"filter":{"status":{"eq":{}}},"action":"delete"}`, 422, "/filter/status/eq"},
		{"a null", "sam@acme", `{"filter":{"status":{"eq":null}},"action":"delete"}`, 422, "/filter/status/eq"},
		{"a list in a list", "sam@acme", `{"filter":{"status":{"in":[["enabled"]]}},"action":"delete"}`, 422, "/filter/status/in"},
		{"several values of one", "sam@acme", `{"filter":{"status":{"eq":["enabled","disabled"]}},"action":"delete"}`, 422, "/filter/status/eq"},
		{"a cursor of another list", "sam@acme", `{"filter":{"status":{"eq":"enabled"}},"after":"x","action":"delete"}`, 400, ""},
		{"an unknown member", "sam@acme", `{"ids":["acme-e0"],"action":"delete","force":true}`, 400, "/force"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := h.Do(c.who, "POST", "/endpoints/bulk", c.body)
			if got.Status != c.status || c.pointer != "" && !strings.Contains(got.Text, `"pointer":"`+c.pointer+`"`) {
				t.Errorf("got %d %s, want %d and %q", got.Status, got.Text, c.status, c.pointer)
			}
		})
	}
	if left := h.Want(h.Do("sam@acme", "GET", "/endpoints", ""), 200); len(left.Body["items"].([]any)) != 3 {
		t.Errorf("got %s", left.Text)
	}
}
