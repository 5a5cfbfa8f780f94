package webhookadmin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	t        *testing.T
	url      string
	client   *http.Client
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
		Config: httpapi.Config{Identify: identify, Tx: b, Idempotency: b.Idempotency(), Vault: vault, Saved: h.saved},
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
	server := httptest.NewServer(httpapi.Edge(nil, mux))
	t.Cleanup(func() {
		server.Close()
		server.Client().CloseIdleConnections()
		ctx := context.WithoutCancel(t.Context())
		worker.Close(ctx)
		d.Close(ctx)
		b.Close(ctx)
	})
	h.url = server.URL + prefix
	h.client = &http.Client{Transport: httpapitest.Load(t, webhookadmin.OpenAPI()).Transport(t, server.Client().Transport)}
	return h
}

// identify reads "Bearer person@tenant".
func identify(r *http.Request) (httpapi.Identity, error) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	person, tenant, _ := strings.Cut(token, "@")
	if !ok {
		return httpapi.Identity{}, httpapi.ErrUnauthenticated
	}
	return httpapi.Identity{Tenant: tenant, Actor: audit.Actor{Type: audit.User, ID: person}}, nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

type answer struct {
	status int
	header http.Header
	body   map[string]any
	text   string
}

// do sends a request as who, "" for nobody, with header lines "Name: value".
func (h *host) do(who, method, path, body string, header ...string) answer {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(body))
	must(h.t, err)
	if who != "" {
		req.Header.Set("Authorization", "Bearer "+who)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	resp, err := h.client.Do(req)
	must(h.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(h.t, err)
	a := answer{status: resp.StatusCode, header: resp.Header, text: string(text)}
	if len(text) > 0 {
		must(h.t, json.Unmarshal(text, &a.body))
	}
	return a
}

func (h *host) want(a answer, status int) answer {
	h.t.Helper()
	if a.status != status {
		h.t.Fatalf("got %d %s, want %d", a.status, a.text, status)
	}
	return a
}

const good = `{"url":"https://hooks.example.com/in","event_types":["lumelle.orders.v1.*"],"description":"ERP"}`

func TestEndpointOverHTTP(t *testing.T) {
	h := newHost(t)
	created := h.want(h.do("sam@acme", "POST", "/endpoints", good), 201)
	id := created.body["id"].(string)
	secret := created.body["secret"].(string)
	if !strings.HasPrefix(secret, "whsec_") || created.body["status"] != "enabled" || created.header.Get("ETag") != `"1"` || created.header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %s %v", created.text, created.header)
	}
	shown := h.want(h.do("sam@acme", "GET", "/endpoints/"+id, ""), 200)
	if strings.Contains(shown.text, "whsec_") || shown.body["description"] != "ERP" {
		t.Errorf("got %s", shown.text)
	}
	h.want(h.do("sam@acme", "PUT", "/endpoints/"+id, strings.Replace(good, "ERP", "new ERP", 1), `If-Match: "7"`), 409)
	h.want(h.do("sam@acme", "PUT", "/endpoints/"+id, good, `If-Match: 1`), 400)
	changed := h.want(h.do("sam@acme", "PUT", "/endpoints/"+id, strings.Replace(good, "ERP", "new ERP", 1), `If-Match: "1"`), 200)
	if changed.body["description"] != "new ERP" || changed.header.Get("ETag") != `"2"` {
		t.Errorf("got %s", changed.text)
	}
	off := h.want(h.do("sam@acme", "POST", "/endpoints/"+id+"/disable", `{"reason":"moving"}`), 200)
	if off.body["status"] != "disabled" || off.body["disabled_reason"] != "moving" {
		t.Errorf("got %s", off.text)
	}
	h.want(h.do("sam@acme", "POST", "/endpoints/"+id+"/disable", ""), 200)
	on := h.want(h.do("sam@acme", "POST", "/endpoints/"+id+"/enable", ""), 200)
	if on.body["status"] != "enabled" {
		t.Errorf("got %s", on.text)
	}
	rotated := h.want(h.do("sam@acme", "POST", "/endpoints/"+id+"/rotate-secret", ""), 200)
	if s := rotated.body["secret"].(string); s == secret || !strings.HasPrefix(s, "whsec_") {
		t.Errorf("got %s", rotated.text)
	}
	h.want(h.do("sam@acme", "DELETE", "/endpoints/"+id, "", `If-Match: "1"`), 409)
	h.want(h.do("sam@acme", "DELETE", "/endpoints/"+id, ""), 204)
	h.want(h.do("sam@acme", "GET", "/endpoints/"+id, ""), 404)
}

// pending is the answer of a gate that asks others.
type pending struct{ id string }

func (pending) Error() string          { return "waits for approval" }
func (pending) Refused() audit.Outcome { return audit.Pending }

func TestChangeThatWaitsForApprovalIsAccepted(t *testing.T) {
	h := newHost(t)
	id := h.want(h.do("sam@acme", "POST", "/endpoints", good), 201).body["id"].(string)
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/endpoints", good}, {"PUT", "/endpoints/" + id, good}, {"DELETE", "/endpoints/" + id, ""},
		{"POST", "/endpoints/" + id + "/disable", ""}, {"POST", "/endpoints/" + id + "/rotate-secret", ""},
	} {
		got := h.want(h.do("dana@acme", c.method, c.path, c.body), 202)
		if got.body["status"] != "awaiting_approval" || got.body["request_id"] != "req-1" {
			t.Errorf("%s %s: got %s", c.method, c.path, got.text)
		}
	}
	again := []answer{h.do("dana@acme", "POST", "/endpoints", good, "Idempotency-Key: k"), h.do("dana@acme", "POST", "/endpoints", good, "Idempotency-Key: k")}
	if again[0].status != 202 || again[0].text != again[1].text {
		t.Errorf("got %+v", again)
	}
	page := h.want(h.do("sam@acme", "GET", "/endpoints", ""), 200)
	items := page.body["items"].([]any)
	if len(items) != 1 || items[0].(map[string]any)["revision"] != 1.0 {
		t.Errorf("something was changed: %s", page.text)
	}
}

func TestListsArePaged(t *testing.T) {
	h := newHost(t)
	for range 5 {
		h.want(h.do("sam@acme", "POST", "/endpoints", good), 201)
	}
	seen := map[string]bool{}
	path := "/endpoints?limit=2"
	for range 3 {
		page := h.want(h.do("sam@acme", "GET", path, ""), 200)
		for _, item := range page.body["items"].([]any) {
			seen[item.(map[string]any)["id"].(string)] = true
		}
		link := page.header.Get("Link")
		if next := page.body["next"]; next == "" {
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
	other := h.want(h.do("nina@bloom", "GET", "/endpoints", ""), 200)
	if n := len(other.body["items"].([]any)); n != 0 {
		t.Errorf("another tenant sees %d endpoints", n)
	}
}

func TestRefusalsOverHTTP(t *testing.T) {
	h := newHost(t)
	id := h.want(h.do("sam@acme", "POST", "/endpoints", good), 201).body["id"].(string)
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
			got := h.do(c.who, c.method, c.path, c.body)
			if got.status != c.status || !strings.HasPrefix(got.header.Get("Content-Type"), "application/problem+json") {
				t.Fatalf("got %d %s, want %d", got.status, got.text, c.status)
			}
			if c.pointer != "" && !strings.Contains(got.text, `"pointer":"`+c.pointer+`"`) {
				t.Errorf("got %s, want the pointer %s", got.text, c.pointer)
			}
		})
	}
	page := h.want(h.do("sam@acme", "GET", "/endpoints", ""), 200)
	if n := len(page.body["items"].([]any)); n != 1 {
		t.Errorf("there are %d endpoints, want the one that was made", n)
	}
}

func TestRepeatedCreationIsOneEndpoint(t *testing.T) {
	h := newHost(t)
	first := h.want(h.do("sam@acme", "POST", "/endpoints", good, "Idempotency-Key: k1"), 201)
	again := h.want(h.do("sam@acme", "POST", "/endpoints", good, "Idempotency-Key: k1"), 201)
	if first.text != again.text {
		t.Errorf("got %s, then %s", first.text, again.text)
	}
	h.want(h.do("sam@acme", "POST", "/endpoints", strings.Replace(good, "ERP", "x", 1), "Idempotency-Key: k1"), 409)
	page := h.want(h.do("sam@acme", "GET", "/endpoints", ""), 200)
	if n := len(page.body["items"].([]any)); n != 1 {
		t.Errorf("there are %d endpoints", n)
	}
}

func TestDeliveryOverHTTP(t *testing.T) {
	h := newHost(t)
	r := webhookstest.NewReceiver(t)
	r.Reply(webhookstest.Reply{Status: 500, Body: "SECRET"}, webhookstest.Reply{Status: 500})
	created := h.want(h.do("sam@acme", "POST", "/endpoints", strings.Replace(good, "https://hooks.example.com/in", r.URL(), 1)), 201)
	ctx := correlation.With(audit.WithActor(t.Context(), audit.Actor{Type: audit.User, ID: "sam"}), correlation.New())
	e, err := h.governor.Change(ctx, audit.Event{Tenant: "acme", Action: "orders.refund", Resource: audit.Resource{Type: "order", ID: "1"}},
		func(context.Context, *audit.Event) error { return nil })
	must(t, err)
	filter := fmt.Sprintf("/deliveries?endpoint_id=%s&event_type=lumelle.orders.v1.refunded&trace_id=%s", created.body["id"], e.Trace.TraceID)
	status := func(want string) map[string]any {
		t.Helper()
		deadline := time.After(time.Minute)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			items := h.want(h.do("sam@acme", "GET", filter+"&status="+want, ""), 200).body["items"].([]any)
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
	detail := h.want(h.do("sam@acme", "GET", "/deliveries/"+id, ""), 200)
	attempts := detail.body["attempts"].([]any)
	first := attempts[0].(map[string]any)
	if len(attempts) != 2 || first["n"] != 1.0 || first["status_code"] != 500.0 || first["class"] != "status" || first["error"] == "" ||
		first["trace_id"] != e.Trace.TraceID || first["trace_url"] != "https://traces.example.com/"+e.Trace.TraceID {
		t.Errorf("got %s", detail.text)
	}
	if strings.Contains(detail.text, "SECRET") {
		t.Errorf("the answer of the receiver is shown: %s", detail.text)
	}
	h.want(h.do("nina@bloom", "GET", "/deliveries/"+id, ""), 404)
	h.want(h.do("nina@bloom", "POST", "/deliveries/"+id+"/redeliver", ""), 404)
	h.want(h.do("audra@acme", "POST", "/deliveries/"+id+"/redeliver", ""), 403)
	h.want(h.do("sam@acme", "POST", "/endpoints/"+created.body["id"].(string)+"/disable", ""), 200)
	refused := h.want(h.do("sam@acme", "POST", "/deliveries/"+id+"/redeliver", ""), 409)
	if !strings.HasSuffix(refused.body["type"].(string), ":endpoint_disabled") {
		t.Errorf("got %s", refused.text)
	}
	h.want(h.do("sam@acme", "POST", "/endpoints/"+created.body["id"].(string)+"/enable", ""), 200)
	h.want(h.do("sam@acme", "POST", "/deliveries/"+id+"/redeliver", `{"reason":"fixed"}`, "Idempotency-Key: r1"), 202)
	h.want(h.do("sam@acme", "POST", "/deliveries/"+id+"/redeliver", `{"reason":"fixed"}`, "Idempotency-Key: r1"), 202)
	done := status("succeeded")
	if done["attempts"] != 3.0 || done["message_id"] != failed["message_id"] {
		t.Errorf("got %v", done)
	}
	for _, q := range r.Requests() {
		must(t, q.Verify(created.body["secret"].(string)))
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
	h.want(h.do("sam@tiny", "POST", "/endpoints", good), 201)
	full := h.want(h.do("sam@tiny", "POST", "/endpoints", good), 409)
	if !strings.HasSuffix(full.body["type"].(string), ":limit") || !strings.Contains(full.text, `"limit":{"what":"endpoints","limit":1}`) {
		t.Errorf("got %s", full.text)
	}
	shown := h.want(h.do("sam@tiny", "GET", "/quotas", ""), 200)
	if want := `{"items":[{"what":"endpoints","limit":1,"used":1}],"next":""}`; strings.TrimSpace(shown.text) != want {
		t.Errorf("got %s, want %s", shown.text, want)
	}
	h.want(h.do("mallory@tiny", "GET", "/quotas", ""), 403)
	h.want(h.do("sam@tiny", "GET", "/quotas?what=1", ""), 400)
}
