package auditfeed_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/auditfeed"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/httpapi/httpapitest"
	"github.com/lumelle/adminkit/audit/schema"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/memory"
)

const (
	feedPrefix   = "/api/v1/audit"
	timelinePath = "/api/v1/timeline"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// identify takes the bearer token as "<tenant>/<person>".
func identify(r *http.Request) (httpapi.Identity, error) {
	tenant, person, ok := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), "/")
	if !ok {
		return httpapi.Identity{}, httpapi.ErrUnauthenticated
	}
	return httpapi.Identity{Tenant: tenant, Actor: audit.Actor{Type: audit.User, ID: person}}, nil
}

// A host serves a log and holds every answer against the OpenAPI documents.
type host struct {
	t              *testing.T
	log            *audit.Log
	url            string
	client         *http.Client
	feed, timeline http.Handler
}

func newHost(t *testing.T) *host {
	t.Helper()
	backend, err := memory.New(memory.Config{})
	must(t, err)
	catalog, err := audit.NewCatalog(audit.CatalogConfig{Compile: schema.Compile},
		audit.Action{
			Name: "orders.refund", Type: "lumelle.orders.v1.refunded", Label: "Refund", Description: "Money goes back.",
			ResourceTypes: []string{"order"}, Schema: json.RawMessage(`{"type":"object","required":["amount"]}`),
		},
		audit.Action{Name: "orders.read", Category: audit.DataAccess},
		audit.Action{Name: "policy.decide", Category: audit.Policy},
	)
	must(t, err)
	log, err := audit.NewLog(backend.Audit(), audit.LogConfig{Catalog: catalog})
	must(t, err)
	cfg := auditfeed.Config{
		Config: httpapi.Config{Identify: identify},
		Authorize: func(_ context.Context, who httpapi.Identity) error {
			if who.Actor.ID == "sam" {
				return &audit.DeniedError{Verdict: audit.Verdict{Reason: audit.Reason{Code: "not_an_auditor"}}}
			}
			return nil
		},
	}
	feed, err := auditfeed.New(log, catalog, cfg)
	must(t, err)
	timeline, err := auditfeed.Timeline(cfg, log)
	must(t, err)
	mux := http.NewServeMux()
	mux.Handle(feedPrefix+"/", http.StripPrefix(feedPrefix, feed))
	mux.Handle("GET "+timelinePath, timeline)
	server := httptest.NewServer(httpapi.Edge(nil, mux))
	t.Cleanup(server.Close)
	docs := transports{
		feedPrefix:   httpapitest.Load(t, auditfeed.OpenAPI()).Transport(t, server.Client().Transport),
		timelinePath: httpapitest.Load(t, auditfeed.TimelineOpenAPI()).Transport(t, server.Client().Transport),
	}
	return &host{t: t, log: log, url: server.URL, client: &http.Client{Transport: docs}, feed: feed, timeline: timeline}
}

// transports chooses the document that an answer is held against by its path.
type transports map[string]http.RoundTripper

func (ts transports) RoundTrip(r *http.Request) (*http.Response, error) {
	for prefix, transport := range ts {
		if strings.HasPrefix(r.URL.Path, prefix) {
			return transport.RoundTrip(r)
		}
	}
	return nil, errors.New("no document for " + r.URL.Path)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// append records an event of acme by sam.
func (h *host) append(change func(e *audit.Event)) audit.Event {
	h.t.Helper()
	e := audit.Event{
		ID: storage.NewID(), Action: "orders.refund", Tenant: "acme", Time: noon, Payload: json.RawMessage(`{"amount":"1"}`),
		Actor: audit.Actor{Type: audit.User, ID: "sam"}, Resource: audit.Resource{Type: "order", ID: "1001"},
		Trace: correlation.New(),
	}
	change(&e)
	must(h.t, h.log.Append(h.t.Context(), e))
	return e
}

type answer struct {
	Items  []map[string]any
	Next   string
	Type   string
	Errors []storage.FieldError
}

// get asks as audra of a tenant.
func (h *host) get(path string, want int) (answer, http.Header) {
	return h.getAs("acme/audra", path, want)
}

func (h *host) getAs(who, path string, want int) (a answer, header http.Header) {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, h.url+path, nil)
	must(h.t, err)
	if who != "" {
		r.Header.Set("Authorization", "Bearer "+who)
	}
	resp, err := h.client.Do(r)
	must(h.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(h.t, err)
	if resp.StatusCode != want {
		h.t.Fatalf("GET %s: %d %s, want %d", path, resp.StatusCode, body, want)
	}
	must(h.t, json.Unmarshal(body, &a))
	return a, resp.Header
}

func (a answer) ids() []string {
	ids := []string{}
	for _, item := range a.Items {
		ids = append(ids, item["id"].(string))
	}
	return ids
}

func TestDocumentsCoverTheHandlers(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	httpapitest.Load(t, auditfeed.OpenAPI()).Covers(t, h.feed)
	httpapitest.Load(t, auditfeed.TimelineOpenAPI()).Covers(t, h.timeline)
	w := httptest.NewRecorder()
	h.feed.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	if w.Body.String() != string(auditfeed.OpenAPI()) {
		t.Error("the served document is another one")
	}
}

func TestEventIsToldWhole(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	link := correlation.New()
	e := h.append(func(e *audit.Event) {
		e.Actor = audit.Actor{Type: audit.SystemActor, ID: "approvals", ActingAs: "sam"}
		e.OnBehalfOf = &audit.Actor{Type: audit.User, ID: "sam", Name: "Sam", Authn: &audit.Authn{At: noon}}
		e.ApprovedBy = []audit.Actor{{Type: audit.User, ID: "marco"}}
		e.Reason, e.Link, e.DecisionID, e.ApprovalID = "damaged", link, "d-1", "a-1"
		e.Origin = audit.Origin{SourceIP: "192.0.2.1", UserAgent: "curl", RequestID: "r-1"}
		e.Before, e.After = json.RawMessage(`{"status":"paid","total":"9"}`), json.RawMessage(`{"status":"refunded","total":"9"}`)
		e.Payload, e.Metadata = json.RawMessage(`{"amount":"150.00"}`), json.RawMessage(`{"store":"berlin"}`)
	})
	got, _ := h.get(feedPrefix+"/events", http.StatusOK)
	if len(got.Items) != 1 {
		t.Fatalf("%d events", len(got.Items))
	}
	text, err := json.Marshal(got.Items[0])
	must(t, err)
	var item map[string]any
	must(t, json.Unmarshal(text, &item))
	delete(item, "recorded_at")
	want := map[string]any{}
	must(t, json.Unmarshal([]byte(`{
		"id":"`+e.ID+`","source":"/adminkit","type":"lumelle.orders.v1.refunded","time":"2026-11-22T12:00:00Z","tenant":"acme",
		"category":"activity","action":"orders.refund","actor":{"type":"system","id":"approvals","acting_as":"sam"},
		"on_behalf_of":{"type":"user","id":"sam","name":"Sam","authn":{"at":"2026-11-22T12:00:00Z"}},
		"approved_by":[{"type":"user","id":"marco"}],"resource":{"type":"order","id":"1001"},"outcome":"success","reason":"damaged",
		"source_ip":"192.0.2.1","user_agent":"curl","request_id":"r-1","trace_id":"`+e.Trace.TraceID+`","link_trace_id":"`+link.TraceID+`",
		"before":{"status":"paid","total":"9"},"after":{"status":"refunded","total":"9"},
		"diff":[{"op":"replace","path":"/status","value":"refunded"}],
		"payload":{"amount":"150.00"},"metadata":{"store":"berlin"},"schema":"lumelle.orders.v1.refunded","decision_id":"d-1","approval_id":"a-1"
	}`), &want))
	a, _ := json.Marshal(item)
	b, _ := json.Marshal(want)
	if string(a) != string(b) {
		t.Errorf("event\n%s\nwant\n%s", a, b)
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	refund := h.append(func(*audit.Event) {})
	read := h.append(func(e *audit.Event) {
		e.Action, e.Actor.ID, e.Actor.ActingAs, e.Time = "orders.read", "marco", "store-1", noon.Add(time.Hour)
		e.Resource = audit.Resource{Type: "payout", ID: "1001"}
		e.Origin = audit.Origin{SourceIP: "192.0.2.1", RequestID: "r-1"}
	})
	decision := h.append(func(e *audit.Event) {
		e.Action, e.Outcome, e.Time, e.Trace, e.Link = "policy.decide", audit.Denied, noon.Add(-time.Hour), read.Trace, refund.Trace
	})
	h.append(func(e *audit.Event) { e.Tenant = "bloom" })
	at := func(d time.Duration) string { return url.QueryEscape(noon.Add(d).Format(time.RFC3339)) }
	for _, c := range []struct {
		query string
		want  []audit.Event
	}{
		{"", []audit.Event{refund, read, decision}},
		{"sortOrder=DESCENDING", []audit.Event{decision, read, refund}},
		{"sortOrder=ASCENDING&limit=2", []audit.Event{refund, read}},
		{"actor=sam", []audit.Event{refund, decision}},
		{"actor=store-1", []audit.Event{read}},
		{"action=orders.read", []audit.Event{read}},
		{"category=policy", []audit.Event{decision}},
		{"outcome=denied", []audit.Event{decision}},
		{"resource=payout/1001", []audit.Event{read}},
		{"resource=1001", []audit.Event{refund, read, decision}},
		{"source_ip=192.0.2.1", []audit.Event{read}},
		{"request_id=r-1&actor=marco", []audit.Event{read}},
		{"request_id=r-1&actor=sam", nil},
		{"trace_id=" + refund.Trace.TraceID, []audit.Event{refund, decision}},
		{"since=" + at(-2*time.Hour) + "&until=" + at(30*time.Minute), []audit.Event{decision, refund}},
		{"since=" + at(-2*time.Hour) + "&until=" + at(30*time.Minute) + "&sortOrder=DESCENDING", []audit.Event{refund, decision}},
	} {
		t.Run(c.query, func(t *testing.T) {
			got, _ := h.get(feedPrefix+"/events?"+c.query, http.StatusOK)
			want := []string{}
			for _, e := range c.want {
				want = append(want, e.ID)
			}
			if !slices.Equal(got.ids(), want) {
				t.Errorf("events %q, want %q", got.ids(), want)
			}
		})
	}
}

func TestPagesFollowTheLink(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	var want []string
	for range 25 {
		want = append(want, h.append(func(*audit.Event) {}).ID)
	}
	var got []string
	next := feedPrefix + "/events?limit=10&actor=sam"
	for next != "" {
		page, header := h.get(next, http.StatusOK)
		got = append(got, page.ids()...)
		next = nextOf(t, header)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d events over the pages, want %d in order", len(got), len(want))
	}
}

func TestPollingGoesOnAfterItsEnd(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	first := h.append(func(*audit.Event) {})
	page, header := h.get(feedPrefix+"/events?since=2020-01-01T00:00:00Z", http.StatusOK)
	if !slices.Equal(page.ids(), []string{first.ID}) {
		t.Fatalf("events %q", page.ids())
	}
	next := nextOf(t, header)
	for range 2 {
		page, header = h.get(next, http.StatusOK)
		if len(page.Items) != 0 || nextOf(t, header) == "" {
			t.Fatalf("at the end: events %q, next %q", page.ids(), nextOf(t, header))
		}
	}
	late := h.append(func(e *audit.Event) { e.Time = noon.AddDate(-1, 0, 0) })
	if page, _ = h.get(next, http.StatusOK); !slices.Equal(page.ids(), []string{late.ID}) {
		t.Errorf("events %q, want the late one %q", page.ids(), late.ID)
	}
}

func nextOf(t *testing.T, header http.Header) string {
	t.Helper()
	link := header.Get("Link")
	if link == "" {
		return ""
	}
	target, ok := strings.CutSuffix(link, `>; rel="next"`)
	if !ok || target[0] != '<' {
		t.Fatalf("Link: %s", link)
	}
	return target[1:]
}

func TestBadParametersAreNamed(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for range 3 {
		h.append(func(*audit.Event) {})
	}
	page, _ := h.get(feedPrefix+"/events?limit=1", http.StatusOK)
	long := "since=2026-01-01T00:00:00Z&until=2026-02-01T00:00:00Z"
	for _, c := range []struct{ query, pointer, message string }{
		{long, "until", "30 days"},
		{"until=2026-01-01T00:00:00Z", "since", "required"},
		{"since=yesterday", "since", "RFC 3339"},
		{"limit=0", "limit", "positive"},
		{"limit=many", "limit", "positive"},
		{"category=secret", "category", "none of the categories"},
		{"outcome=fine", "outcome", "none of the outcomes"},
		{"sortOrder=asc", "sortOrder", "ASCENDING"},
		{"trace_id=1234", "trace_id", "32 lower-case"},
		{"actor=", "actor", "must not be empty"},
		{"actor=sam&actor=marco", "actor", "twice"},
		{"acter=sam", "acter", "not a known"},
		{"actor=%00", "actor", "not text"},
	} {
		t.Run(c.query, func(t *testing.T) {
			a, _ := h.get(feedPrefix+"/events?"+c.query, http.StatusBadRequest)
			if len(a.Errors) != 1 || a.Errors[0].Pointer != c.pointer || !strings.Contains(a.Errors[0].Message, c.message) {
				t.Errorf("errors %+v, want %s: %s", a.Errors, c.pointer, c.message)
			}
		})
	}
	for name, query := range map[string]string{
		"a changed cursor":          "limit=1&after=" + string(page.Next[0]^1) + page.Next[1:],
		"a cursor that is none":     "after=x",
		"a cursor of another list":  "actor=sam&after=" + page.Next,
		"a cursor of another order": "sortOrder=DESCENDING&after=" + page.Next,
	} {
		t.Run(name, func(t *testing.T) {
			if a, _ := h.get(feedPrefix+"/events?"+query, http.StatusBadRequest); !strings.HasSuffix(a.Type, "bad_cursor") {
				t.Errorf("problem %q", a.Type)
			}
		})
	}
	if _, err := h.log.Query(t.Context(), "acme", audit.Query{}); err != nil {
		t.Error(err)
	}
}

func TestThirtyDaysAreAccepted(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.get(feedPrefix+"/events?since=2026-01-01T00:00:00Z&until=2026-01-31T00:00:00Z", http.StatusOK)
}

func TestWhoMayRead(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	e := h.append(func(*audit.Event) {})
	for _, path := range []string{"/events", "/actions", "/actions/orders.refund/schemas"} {
		h.getAs("", feedPrefix+path, http.StatusUnauthorized)
		h.getAs("acme/sam", feedPrefix+path, http.StatusForbidden)
	}
	h.getAs("", timelinePath+"?trace_id="+e.Trace.TraceID, http.StatusUnauthorized)
	h.getAs("acme/sam", timelinePath+"?trace_id="+e.Trace.TraceID, http.StatusForbidden)
	if other, _ := h.getAs("bloom/audra", feedPrefix+"/events?trace_id="+e.Trace.TraceID, http.StatusOK); len(other.Items) != 0 {
		t.Errorf("another tenant reads %q", other.ids())
	}
	if other, _ := h.getAs("bloom/audra", timelinePath+"?trace_id="+e.Trace.TraceID, http.StatusOK); len(other.Items) != 0 {
		t.Errorf("another tenant's timeline tells %q", other.ids())
	}
}

func TestCatalogue(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	a, _ := h.get(feedPrefix+"/actions", http.StatusOK)
	var names []string
	for _, item := range a.Items {
		names = append(names, fmt.Sprint(item["name"], " ", item["type"], " ", item["category"]))
	}
	want := []string{
		"orders.read lumelle.audit.v1.orders.read data_access",
		"orders.refund lumelle.orders.v1.refunded activity",
		"policy.decide lumelle.audit.v1.policy.decide policy",
	}
	if !slices.Equal(names, want) {
		t.Errorf("actions %q, want %q", names, want)
	}
	if a, _ = h.get(feedPrefix+"/actions/orders.refund/schemas", http.StatusOK); len(a.Items) != 1 || a.Items[0]["name"] != "lumelle.orders.v1.refunded" {
		t.Errorf("schemas %v", a.Items)
	}
	if a, _ = h.get(feedPrefix+"/actions/orders.read/schemas", http.StatusOK); len(a.Items) != 0 {
		t.Errorf("schemas %v, want none", a.Items)
	}
	h.get(feedPrefix+"/actions/orders.none/schemas", http.StatusNotFound)
	h.get(feedPrefix+"/actions?limit=1", http.StatusBadRequest)
}

func TestTimeline(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	trace := correlation.New()
	change := h.append(func(e *audit.Event) { e.Trace, e.Time, e.Reason = trace, noon.Add(time.Second), "damaged" })
	decision := h.append(func(e *audit.Event) { e.Action, e.Trace, e.Time = "policy.decide", trace, noon })
	linked := h.append(func(e *audit.Event) { e.Link, e.Time = trace, noon.Add(time.Minute) })
	h.append(func(*audit.Event) {})
	got, _ := h.get(timelinePath+"?trace_id="+trace.TraceID, http.StatusOK)
	var lines []string
	for _, item := range got.Items {
		lines = append(lines, fmt.Sprint(item["kind"], " ", item["id"], " ", item["summary"]))
	}
	want := []string{
		"decision " + decision.ID + " policy.decide of order 1001 by sam: success",
		"audit " + change.ID + " orders.refund of order 1001 by sam: success (damaged)",
		"audit " + linked.ID + " orders.refund of order 1001 by sam: success",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("timeline\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	for _, query := range []string{"", "?trace_id=", "?trace_id=xyz", "?trace_id=" + strings.Repeat("0", 32), "?trace_id=" + trace.TraceID + "&limit=1"} {
		h.get(timelinePath+query, http.StatusBadRequest)
	}
}

func TestConstructorsRefuseWhatIsMissing(t *testing.T) {
	t.Parallel()
	if _, err := auditfeed.New(nil, nil, auditfeed.Config{Config: httpapi.Config{Identify: identify}}); err == nil {
		t.Error("New without a log succeeds")
	}
	if _, err := auditfeed.Timeline(auditfeed.Config{Config: httpapi.Config{Identify: identify}}); err == nil {
		t.Error("Timeline without sources succeeds")
	}
	if _, err := auditfeed.Timeline(auditfeed.Config{}, correlation.Source(nil)); err == nil {
		t.Error("Timeline without Identify succeeds")
	}
}
