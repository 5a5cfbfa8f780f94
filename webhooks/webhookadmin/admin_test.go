package webhookadmin_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/cloudevent"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/httpapi/httpapitest"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/listing/saved"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/secrets"
	"github.com/lumelle/adminkit/webhooks"
	"github.com/lumelle/adminkit/webhooks/egress"
	"github.com/lumelle/adminkit/webhooks/webhookadmin"
	"github.com/lumelle/adminkit/webhooks/webhookstest"
)

const prefix = "/api/v1/webhooks"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A host is the surface over one Service, with a client whose every answer is held
// against the OpenAPI document.
type host struct {
	*httpapitest.Client
	t        *testing.T
	handler  http.Handler
	governor *audit.Governor
	log      *audit.Log
	store    webhooks.Store
	saved    *saved.Service
}

func newHost(t *testing.T) *host {
	t.Helper()
	b, err := memory.New(memory.Config{})
	must(t, err)
	queue, err := jobs.NewQueue(b.Jobs(), jobs.Config{})
	must(t, err)
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, append(webhooks.Actions(), audit.Action{Name: "orders.refund", Type: "lumelle.orders.v1.refunded"})...)
	must(t, err)
	h := &host{t: t, store: b.Webhooks()}
	h.log, err = audit.NewLog(b.Audit(), audit.LogConfig{})
	must(t, err)
	outbox, err := webhooks.NewOutbox(b, b.Webhooks(), queue, cloudevent.MarshalPublic, webhooks.OutboxConfig{})
	must(t, err)
	// audra may read, and change nothing.
	gate := audit.GateFunc(func(_ context.Context, e audit.Event) (audit.Verdict, error) {
		if e.Actor.ID == "dana" {
			return audit.Verdict{}, pending{"req-1"}
		}
		if e.Actor.ID == "audra" {
			return audit.Verdict{Reason: audit.Reason{Code: "read_only", Text: "You may only read."}}, nil
		}
		return audit.Verdict{Effect: audit.Allow}, nil
	})
	h.governor, err = audit.NewGovernor(b, gate, audit.Tee(h.log, outbox), catalog)
	must(t, err)
	keys, err := secrets.Generate()
	must(t, err)
	vault, err := secrets.New(keys)
	must(t, err)
	d, err := egress.New(egress.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	must(t, err)
	service, err := webhooks.New(h.governor, b.Webhooks(), queue, vault, d, webhooks.Config{
		Schedule: webhooks.Schedule{0, time.Millisecond}, TraceURL: "https://traces.example.com/{trace_id}",
		Quotas: func(_ context.Context, tenant string) (webhooks.Quotas, error) {
			if tenant == "tiny" {
				return webhooks.Quotas{Endpoints: 1}, nil
			}
			return webhooks.Quotas{}, nil
		},
	})
	must(t, err)
	worker, err := jobs.NewWorker(queue, service.Handlers(), jobs.WorkerConfig{})
	must(t, err)
	must(t, worker.Start(t.Context()))
	h.saved, err = saved.New(b.SavedFilters(), []saved.List{saved.Of(webhooks.Endpoints()), saved.Of(webhooks.Deliveries())}, saved.Config{})
	must(t, err)
	h.handler, err = webhookadmin.New(service, webhookadmin.Config{
		Config: httpapi.Config{Identify: httpapitest.Identify, Tx: b, Idempotency: b.Idempotency(), Vault: vault, Saved: h.saved},
		ApprovalID: func(err error) string {
			p, _ := errors.AsType[pending](err)
			return p.id
		},
		Authorize: func(_ context.Context, who httpapi.Identity) error {
			if who.Actor.ID == "mallory" {
				return &audit.DeniedError{Verdict: audit.Verdict{Reason: audit.Reason{Code: "stranger"}}}
			}
			return nil
		},
	})
	must(t, err)
	mux := http.NewServeMux()
	mux.Handle(prefix+"/", http.StripPrefix(prefix, h.handler))
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		worker.Close(ctx)
		d.Close(ctx)
		b.Close(ctx)
	})
	h.Client = httpapitest.Serve(t, mux, prefix, webhookadmin.OpenAPI())
	return h
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const good = `{"url":"https://hooks.example.com/in","event_types":["lumelle.orders.v1.*"],"description":"ERP"}`

func TestEndpointOverHTTP(t *testing.T) {
	h := newHost(t)
	created := h.Want(h.Do("sam@acme", "POST", "/endpoints", good), 201)
	id := created.Body["id"].(string)
	secret := created.Body["secret"].(string)
	if !strings.HasPrefix(secret, "whsec_") || created.Body["status"] != "enabled" || created.Header.Get("ETag") != `"1"` || created.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %s %v", created.Text, created.Header)
	}
	shown := h.Want(h.Do("sam@acme", "GET", "/endpoints/"+id, ""), 200)
	if strings.Contains(shown.Text, "whsec_") || shown.Body["description"] != "ERP" {
		t.Errorf("got %s", shown.Text)
	}
	h.Want(h.Do("sam@acme", "PUT", "/endpoints/"+id, strings.Replace(good, "ERP", "new ERP", 1), `If-Match: "7"`), 409)
	h.Want(h.Do("sam@acme", "PUT", "/endpoints/"+id, good, `If-Match: 1`), 400)
	changed := h.Want(h.Do("sam@acme", "PUT", "/endpoints/"+id, strings.Replace(good, "ERP", "new ERP", 1), `If-Match: "1"`), 200)
	if changed.Body["description"] != "new ERP" || changed.Header.Get("ETag") != `"2"` {
		t.Errorf("got %s", changed.Text)
	}
	off := h.Want(h.Do("sam@acme", "POST", "/endpoints/"+id+"/disable", `{"reason":"moving"}`), 200)
	if off.Body["status"] != "disabled" || off.Body["disabled_reason"] != "moving" {
		t.Errorf("got %s", off.Text)
	}
	h.Want(h.Do("sam@acme", "POST", "/endpoints/"+id+"/disable", ""), 200)
	on := h.Want(h.Do("sam@acme", "POST", "/endpoints/"+id+"/enable", ""), 200)
	if on.Body["status"] != "enabled" {
		t.Errorf("got %s", on.Text)
	}
	rotated := h.Want(h.Do("sam@acme", "POST", "/endpoints/"+id+"/rotate-secret", ""), 200)
	if s := rotated.Body["secret"].(string); s == secret || !strings.HasPrefix(s, "whsec_") {
		t.Errorf("got %s", rotated.Text)
	}
	h.Want(h.Do("sam@acme", "DELETE", "/endpoints/"+id, "", `If-Match: "1"`), 409)
	h.Want(h.Do("sam@acme", "DELETE", "/endpoints/"+id, ""), 204)
	h.Want(h.Do("sam@acme", "GET", "/endpoints/"+id, ""), 404)
}

// pending is the answer of a gate that asks others.
type pending struct{ id string }

func (pending) Error() string          { return "waits for approval" }
func (pending) Refused() audit.Outcome { return audit.Pending }

func TestChangeThatWaitsForApprovalIsAccepted(t *testing.T) {
	h := newHost(t)
	id := h.Want(h.Do("sam@acme", "POST", "/endpoints", good), 201).Body["id"].(string)
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/endpoints", good}, {"PUT", "/endpoints/" + id, good}, {"DELETE", "/endpoints/" + id, ""},
		{"POST", "/endpoints/" + id + "/disable", ""}, {"POST", "/endpoints/" + id + "/rotate-secret", ""},
	} {
		got := h.Want(h.Do("dana@acme", c.method, c.path, c.body), 202)
		if got.Body["status"] != "awaiting_approval" || got.Body["request_id"] != "req-1" {
			t.Errorf("%s %s: got %s", c.method, c.path, got.Text)
		}
	}
	again := []httpapitest.Answer{h.Do("dana@acme", "POST", "/endpoints", good, "Idempotency-Key: k"), h.Do("dana@acme", "POST", "/endpoints", good, "Idempotency-Key: k")}
	if again[0].Status != 202 || again[0].Text != again[1].Text {
		t.Errorf("got %+v", again)
	}
	page := h.Want(h.Do("sam@acme", "GET", "/endpoints", ""), 200)
	items := page.Body["items"].([]any)
	if len(items) != 1 || items[0].(map[string]any)["revision"] != 1.0 {
		t.Errorf("something was changed: %s", page.Text)
	}
}

func TestListsArePaged(t *testing.T) {
	h := newHost(t)
	for range 5 {
		h.Want(h.Do("sam@acme", "POST", "/endpoints", good), 201)
	}
	seen := map[string]bool{}
	path := "/endpoints?limit=2"
	for range 3 {
		page := h.Want(h.Do("sam@acme", "GET", path, ""), 200)
		for _, item := range page.Body["items"].([]any) {
			seen[item.(map[string]any)["id"].(string)] = true
		}
		link := page.Header.Get("Link")
		if next := page.Body["next"]; next == "" {
			if link != "" {
				t.Errorf("the last page links on: %s", link)
			}
			break
		}
		path = strings.TrimPrefix(strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`), prefix)
	}
	if len(seen) != 5 {
		t.Errorf("saw %d of 5", len(seen))
	}
	other := h.Want(h.Do("nina@bloom", "GET", "/endpoints", ""), 200)
	if n := len(other.Body["items"].([]any)); n != 0 {
		t.Errorf("another tenant sees %d endpoints", n)
	}
}

func TestRefusalsOverHTTP(t *testing.T) {
	h := newHost(t)
	id := h.Want(h.Do("sam@acme", "POST", "/endpoints", good), 201).Body["id"].(string)
	with := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for _, c := range []struct {
		name, who, method, path, body string
		status                        int
		pointer                       string
	}{
		{"nobody", "", "GET", "/endpoints", "", 401, ""},
		{"who may not read", "mallory@acme", "GET", "/endpoints", "", 403, ""},
		{"who may not read deliveries", "mallory@acme", "GET", "/deliveries", "", 403, ""},
		{"who may only read", "audra@acme", "POST", "/endpoints", good, 403, ""},
		{"who may only read disables", "audra@acme", "POST", "/endpoints/" + id + "/disable", "", 403, ""},
		{"another tenant's endpoint", "nina@bloom", "GET", "/endpoints/" + id, "", 404, ""},
		{"changing another tenant's endpoint", "nina@bloom", "PUT", "/endpoints/" + id, good, 404, ""},
		{"deleting another tenant's endpoint", "nina@bloom", "DELETE", "/endpoints/" + id, "", 404, ""},
		{"disabling another tenant's endpoint", "nina@bloom", "POST", "/endpoints/" + id + "/disable", "", 404, ""},
		{"rotating another tenant's secret", "nina@bloom", "POST", "/endpoints/" + id + "/rotate-secret", "", 404, ""},
		{"an id with NUL", "sam@acme", "GET", "/endpoints/a%00b", "", 404, ""},
		{"no delivery of that id", "sam@acme", "GET", "/deliveries/none", "", 404, ""},
		{"redelivering nothing", "sam@acme", "POST", "/deliveries/none/redeliver", "", 404, ""},
		{"an unknown parameter", "sam@acme", "GET", "/deliveries?endpoint=x", "", 400, "endpoint"},
		{"a status that is none", "sam@acme", "GET", "/deliveries?status=done", "", 400, "status"},
		{"a limit that is none", "sam@acme", "GET", "/endpoints?limit=-1", "", 400, "limit"},
		{"a cursor that is none", "sam@acme", "GET", "/deliveries?after=AAAA", "", 400, ""},
		{"an unknown field", "sam@acme", "POST", "/endpoints", with(`"description"`, `"desc"`), 400, "/desc"},
		{"a field twice", "sam@acme", "POST", "/endpoints", with(`"description":"ERP"`, `"url":"https://b.example.com/"`), 400, "/url"},
		{"a field in other letters", "sam@acme", "POST", "/endpoints", with(`"url"`, `"URL"`), 400, "/URL"},
		{"an event type that is a number", "sam@acme", "POST", "/endpoints", with(`"lumelle.orders.v1.*"`, `7`), 400, "/event_types/0"},
		{"no event type", "sam@acme", "POST", "/endpoints", with(`"lumelle.orders.v1.*"`, ``), 422, "/event_types"},
		{"a bad event type", "sam@acme", "POST", "/endpoints", with(`"lumelle.orders.v1.*"`, `"a..b"`), 422, "/event_types/0"},
		{"no url", "sam@acme", "POST", "/endpoints", with(`https://hooks.example.com/in`, ``), 422, "/url"},
		{"plain http", "sam@acme", "POST", "/endpoints", with(`https://hooks.example.com/in`, `http://8.8.8.8/`), 422, "/url"},
		{"the metadata of a cloud", "sam@acme", "POST", "/endpoints", with(`hooks.example.com`, `169.254.169.254`), 422, "/url"},
		{"the metadata of a cloud, changed to", "sam@acme", "PUT", "/endpoints/" + id, with(`hooks.example.com`, `169.254.169.254`), 422, "/url"},
		{"a user in the url", "sam@acme", "POST", "/endpoints", with(`https://`, `https://u:p@`), 422, "/url"},
		{"another scheme", "sam@acme", "POST", "/endpoints", with(`https://`, `file://`), 422, "/url"},
		{"an endless timeout", "sam@acme", "POST", "/endpoints", with(`"description":"ERP"`, `"timeout_ms":9223372036854775807`), 422, "/timeout_ms"},
		{"a negative timeout", "sam@acme", "POST", "/endpoints", with(`"description":"ERP"`, `"timeout_ms":-9223372036854775808`), 422, "/timeout_ms"},
		{"an endless reason", "sam@acme", "POST", "/endpoints/" + id + "/disable", `{"reason":"` + strings.Repeat("x", 300) + `"}`, 422, "/reason"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := h.Do(c.who, c.method, c.path, c.body)
			if got.Status != c.status || !strings.HasPrefix(got.Header.Get("Content-Type"), "application/problem+json") {
				t.Fatalf("got %d %s, want %d", got.Status, got.Text, c.status)
			}
			if c.pointer != "" && !strings.Contains(got.Text, `"pointer":"`+c.pointer+`"`) {
				t.Errorf("got %s, want the pointer %s", got.Text, c.pointer)
			}
		})
	}
	page := h.Want(h.Do("sam@acme", "GET", "/endpoints", ""), 200)
	if n := len(page.Body["items"].([]any)); n != 1 {
		t.Errorf("there are %d endpoints, want the one that was made", n)
	}
}

func TestRepeatedCreationIsOneEndpoint(t *testing.T) {
	h := newHost(t)
	first := h.Want(h.Do("sam@acme", "POST", "/endpoints", good, "Idempotency-Key: k1"), 201)
	again := h.Want(h.Do("sam@acme", "POST", "/endpoints", good, "Idempotency-Key: k1"), 201)
	if first.Text != again.Text {
		t.Errorf("got %s, then %s", first.Text, again.Text)
	}
	h.Want(h.Do("sam@acme", "POST", "/endpoints", strings.Replace(good, "ERP", "x", 1), "Idempotency-Key: k1"), 409)
	page := h.Want(h.Do("sam@acme", "GET", "/endpoints", ""), 200)
	if n := len(page.Body["items"].([]any)); n != 1 {
		t.Errorf("there are %d endpoints", n)
	}
}

func TestDeliveryOverHTTP(t *testing.T) {
	h := newHost(t)
	r := webhookstest.NewReceiver(t)
	r.Reply(webhookstest.Reply{Status: 500, Body: "SECRET"}, webhookstest.Reply{Status: 500})
	created := h.Want(h.Do("sam@acme", "POST", "/endpoints", strings.Replace(good, "https://hooks.example.com/in", r.URL(), 1)), 201)
	ctx := correlation.With(audit.WithActor(t.Context(), audit.Actor{Type: audit.User, ID: "sam"}), correlation.New())
	e, err := h.governor.Change(ctx, audit.Event{Tenant: "acme", Action: "orders.refund", Resource: audit.Resource{Type: "order", ID: "1"}},
		func(context.Context, *audit.Event) error { return nil })
	must(t, err)
	filter := fmt.Sprintf("/deliveries?endpoint_id=%s&event_type=lumelle.orders.v1.refunded&trace_id=%s", created.Body["id"], e.Trace.TraceID)
	status := func(want string) map[string]any {
		t.Helper()
		deadline := time.After(time.Minute)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			items := h.Want(h.Do("sam@acme", "GET", filter+"&status="+want, ""), 200).Body["items"].([]any)
			if len(items) == 1 {
				return items[0].(map[string]any)
			}
			select {
			case <-tick.C:
			case <-deadline:
				t.Fatalf("the delivery never is %s", want)
			}
		}
	}
	failed := status("failed")
	if failed["attempts"] != 2.0 || failed["reason"] != "exhausted" || failed["next_attempt_at"] != nil || failed["trace_id"] != e.Trace.TraceID {
		t.Errorf("got %v", failed)
	}
	id := failed["id"].(string)
	detail := h.Want(h.Do("sam@acme", "GET", "/deliveries/"+id, ""), 200)
	attempts := detail.Body["attempts"].([]any)
	first := attempts[0].(map[string]any)
	if len(attempts) != 2 || first["n"] != 1.0 || first["status_code"] != 500.0 || first["class"] != "status" || first["error"] == "" ||
		first["trace_id"] != e.Trace.TraceID || first["trace_url"] != "https://traces.example.com/"+e.Trace.TraceID {
		t.Errorf("got %s", detail.Text)
	}
	if strings.Contains(detail.Text, "SECRET") {
		t.Errorf("the answer of the receiver is shown: %s", detail.Text)
	}
	h.Want(h.Do("nina@bloom", "GET", "/deliveries/"+id, ""), 404)
	h.Want(h.Do("nina@bloom", "POST", "/deliveries/"+id+"/redeliver", ""), 404)
	h.Want(h.Do("audra@acme", "POST", "/deliveries/"+id+"/redeliver", ""), 403)
	h.Want(h.Do("sam@acme", "POST", "/endpoints/"+created.Body["id"].(string)+"/disable", ""), 200)
	refused := h.Want(h.Do("sam@acme", "POST", "/deliveries/"+id+"/redeliver", ""), 409)
	if !strings.HasSuffix(refused.Body["type"].(string), ":endpoint_disabled") {
		t.Errorf("got %s", refused.Text)
	}
	h.Want(h.Do("sam@acme", "POST", "/endpoints/"+created.Body["id"].(string)+"/enable", ""), 200)
	h.Want(h.Do("sam@acme", "POST", "/deliveries/"+id+"/redeliver", `{"reason":"fixed"}`, "Idempotency-Key: r1"), 202)
	h.Want(h.Do("sam@acme", "POST", "/deliveries/"+id+"/redeliver", `{"reason":"fixed"}`, "Idempotency-Key: r1"), 202)
	done := status("succeeded")
	if done["attempts"] != 3.0 || done["message_id"] != failed["message_id"] {
		t.Errorf("got %v", done)
	}
	for _, q := range r.Requests() {
		must(t, q.Verify(created.Body["secret"].(string)))
		if q.Header.Get("webhook-id") != failed["message_id"] {
			t.Errorf("the receiver saw the id %s", q.Header.Get("webhook-id"))
		}
	}
}

func TestDocumentCoversTheSurface(t *testing.T) {
	h := newHost(t)
	httpapitest.Load(t, webhookadmin.OpenAPI()).Covers(t, h.handler)
	served := httptest.NewRecorder()
	h.handler.ServeHTTP(served, httptest.NewRequest("GET", "/openapi.json", nil))
	if served.Code != 200 || served.Body.String() != string(webhookadmin.OpenAPI()) {
		t.Error("the served document is another one")
	}
}

func TestNewNeedsItsParts(t *testing.T) {
	if _, err := webhookadmin.New(nil, webhookadmin.Config{}); err == nil {
		t.Error("a surface without a service was made")
	}
}

func TestQuotaIsShownAndNamedWhereItIsReached(t *testing.T) {
	h := newHost(t)
	h.Want(h.Do("sam@tiny", "POST", "/endpoints", good), 201)
	full := h.Want(h.Do("sam@tiny", "POST", "/endpoints", good), 409)
	if !strings.HasSuffix(full.Body["type"].(string), ":limit") || !strings.Contains(full.Text, `"limit":{"what":"endpoints","limit":1}`) {
		t.Errorf("got %s", full.Text)
	}
	shown := h.Want(h.Do("sam@tiny", "GET", "/quotas", ""), 200)
	if want := `{"items":[{"what":"endpoints","limit":1,"used":1}],"next":""}`; strings.TrimSpace(shown.Text) != want {
		t.Errorf("got %s, want %s", shown.Text, want)
	}
	h.Want(h.Do("mallory@tiny", "GET", "/quotas", ""), 403)
	h.Want(h.Do("sam@tiny", "GET", "/quotas?what=1", ""), 400)
}
