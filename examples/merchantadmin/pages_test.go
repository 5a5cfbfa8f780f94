package main

import (
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/httpapi/webpage"
	"github.com/lumelle/adminkit/audit/jcs"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/automation/ruleform"
	"github.com/lumelle/adminkit/examples/merchantadmin/shop"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/flagform"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/webhooks"
)

// fixtures are the data of every page with every field filled, so that each branch
// of its template runs.
func fixtures() map[string]view {
	at := time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)
	sam := audit.Actor{Type: audit.User, ID: "sam", Name: "Sam Sandoval"}
	order := shop.Order{ID: "acme-1", Number: "1", Customer: "<b>Ada</b>", StoreID: "acme-online", Total: 150_00, Refunded: 5_00, Currency: "EUR", Status: shop.PartiallyRefunded, PlacedAt: at, Revision: 2}
	refund := shop.Refund{ID: "r-1", OrderID: "acme-1", Amount: 5_00, Reason: "late", MadeBy: "sam", MadeAt: at}
	stock := []shop.StockItem{
		{StoreID: "acme-online", SKU: "MUG-101", Name: "<b>Ada</b> mug", OnHand: 50, Reserved: 3, ReorderAt: 5},
		{StoreID: "acme-online", SKU: "MUG-102", Name: "Mug", OnHand: 8, Reserved: 4, ReorderAt: 5},
		{StoreID: "acme-online", SKU: "MUG-103", Name: "Mug", OnHand: 4, Reserved: 4, ReorderAt: 5},
	}
	payouts := []shop.Payout{
		{ID: "p-3", StoreID: "<b>Ada", Amount: 12_50, Currency: "EUR", Status: shop.PayoutPending, Period: "2026-W47"},
		{ID: "p-2", StoreID: "acme-online", Amount: 1_234_56, Currency: "EUR", Status: shop.PayoutHeld, Period: "2026-W46"},
		{ID: "p-1", StoreID: "acme-online", Amount: 99, Currency: "EUR", Status: shop.PayoutPaid, Period: "2026-W45", PaidAt: at},
	}
	diff := []jcs.Difference{{Path: "/refunded", Before: json.RawMessage(`"0.00"`), After: json.RawMessage(`5`)}, {Path: "/note", After: json.RawMessage(`"<b>Ada"`)}, {Path: "/gift", Before: json.RawMessage(`true`)}}
	request := approvals.Request{
		ID: "q-1", Tenant: "acme", State: approvals.StateFailed, Revision: 2, Action: actionRefund,
		Resource: audit.Resource{Type: resourceOrder, ID: "acme-1"}, Requester: sam, CreatedAt: at, TimeoutAt: at,
		Stages: []approvals.Stage{
			{Name: "second person", Status: approvals.StageApproved, Required: 1, ApprovedBy: []audit.Actor{sam, sam}},
			{Name: "owner", Status: approvals.StageSkipped, Required: 1, Reason: audit.Reason{Code: approvals.RoutedElsewhere, Text: "<b>Ada"}},
		},
		Failure: &approvals.Failure{Code: approvals.FailedConflict, Text: "the order moved"},
		Cause:   approvals.Cause{Reason: audit.Reason{Code: "approval_required", Text: "It is large."}},
		Content: approvals.Content{Reason: "late"},
	}
	event := audit.Event{
		ID: "e-1", Type: typeRefunded, Action: actionRefund, Time: at, Actor: sam, OnBehalfOf: &sam, ApprovedBy: []audit.Actor{sam},
		Resource: audit.Resource{Type: resourceOrder, ID: "acme-1"}, Outcome: audit.Success, Reason: "late", ApprovalID: "q-1", DecisionID: "d-1",
		Origin: audit.Origin{SourceIP: "127.0.0.1"}, Trace: correlation.New(),
	}
	endpoint := webhooks.Endpoint{ID: "w-1", URL: "https://example.com/", EventTypes: []string{"*"}, Description: "ERP", Status: webhooks.Disabled, DisabledReason: "gone", CreatedAt: at}
	delivery := webhooks.Delivery{ID: "v-1", MessageID: "m-1", EndpointID: "w-1", EventType: typeRefunded, Status: webhooks.Pending, Held: true, Reason: "exhausted", Attempts: 2, NextAttemptAt: at, CreatedAt: at, TraceID: "t"}
	problem := &httpapi.Problem{
		Title: "Unprocessable Entity", Detail: "The input was refused.", RequestID: "r", Reason: &audit.Reason{Code: "c", Text: "No role."},
		Errors: []storage.FieldError{{Pointer: "/amount", Message: "must be positive"}, {Pointer: "/reason", Message: "must not be empty"},
			{Pointer: "/comment", Message: "is required"}, {Pointer: "/url", Message: "must be https"}},
	}
	until, impact := at, flags.Impact{Subjects: 4, Before: 1, After: 2, Added: []string{"<b>Ada"}, Removed: []string{"s-2"}, Changed: []string{"s-3"}, Truncated: true}
	flag := flags.FlagVersion{Flag: refundFormFlag("prod"), Provenance: flags.Provenance{Revision: 2, Action: flags.ActionUpdate, Comment: "<b>Ada", Author: sam, UpdatedAt: at}}
	flag.Key, flag.Owner, flag.ExpiresAt = "<b>Ada", "", &until
	killed := flag.Environments["prod"]
	killed.Killed, killed.Overrides = &flags.Kill{By: "sam", At: at, Reason: "<b>Ada"}, []flags.Override{{ID: "o", Attribute: "storeId", Subject: "<b>Ada", Variant: "on", Until: &until}, {ID: "p"}}
	draft := flagform.Of(flag.Flag, "prod")
	draft, _ = draft.Do("rule.add")
	draft, _ = draft.Do("rule.add")
	draft, _ = draft.Do("rule.1.when.json")
	draft, _ = draft.Do("rule.2.json")
	rule := automation.Rule{ID: "u-1", Name: "<b>Ada", Environment: "prod", EventTypes: []string{typeRefunded}, Enabled: true, Owner: sam, Version: 2, Revision: 3, UpdatedAt: at}
	definition, err := automation.ParseDefinition([]byte(`{"name":"<b>Ada","description":"<b>Ada","automation_environment":"prod","trigger":{"type":"event","event_type":"a.*"},
		"conditions":{"any":[{"all":[{"path":"/a","op":"exists"},{"path":"/b","op":"exists"}]},{"path":"/c","op":"exists"}]},"timeout":"1h",
		"steps":[{"name":"s","action":"notify.log","with":{"message":"<b>Ada"}},
			{"name":"i","if":{"path":"/a","op":"exists"},"then":[{"name":"t","action":"stop"}],"else":[{"name":"e","action":"stop"}]},
			{"name":"w","switch":[{"when":{"path":"/a","op":"exists"},"steps":[{"name":"c","action":"stop"}]}],"default":[{"name":"d","action":"stop"}]},
			{"name":"q","action":"approval.request","on_decline":[{"name":"n","action":"stop"}],"on_timeout":[{"name":"l","action":"stop"}]}],
		"on_failure":[{"name":"f","action":"stop"}]}`))
	if err != nil {
		panic(err)
	}
	failure := automation.Failure{Step: "s", Class: automation.ClassTimeout, Message: "<b>Ada"}
	attempt := automation.Attempt{Step: "s", N: 1, At: at, Class: automation.ClassTimeout, Error: "<b>Ada", Detail: "<b>Ada", Logs: []automation.LogLine{{At: at, Text: "<b>Ada"}}}
	run := automation.RunDetail{
		Run:   automation.Run{ID: "n-1", RuleID: "u-1", RuleVersion: 2, Status: automation.Waiting, Trigger: automation.ByRerun, EventType: typeRefunded, ParentID: "n-0", Cursor: "q", Wait: automation.Wait{Kind: automation.ForSignal, Key: "q-1", DueAt: at}, Failure: &failure, Reason: "<b>Ada", StartedAt: at, EndedAt: at},
		Event: automation.TriggerEvent{Body: json.RawMessage(`{"id":"<b>Ada"}`)},
		Steps: []automation.StepDetail{
			{StepRun: automation.StepRun{Path: "s", Action: "notify.log", Status: automation.Waiting, Input: json.RawMessage(`{}`), Output: json.RawMessage(`{}`), Branch: "on_decline", WaitKey: "q-1", Failure: &failure, StartedAt: at}, Log: []automation.Attempt{attempt, {Step: "s", N: 2, At: at}}},
			{StepRun: automation.StepRun{Path: "t", Action: "stop", Status: automation.Pending}},
		},
	}
	kinds := []automation.Descriptor{{Name: "notify.log", Label: "Log", SampleInput: json.RawMessage(`{}`)}}
	data := map[string]any{
		"automations": storage.Page[automation.Rule]{Items: []automation.Rule{rule, {ID: "u-2"}}, Next: "c"},
		"automation":  ruleData{Rule: rule, Definition: definition, Versions: []automation.Version{{Number: 2, Document: json.RawMessage(`{}`), CreatedBy: sam, CreatedAt: at}}, Runs: runRows([]automation.Run{run.Run, {ID: "n-0"}}, nil)},
		"rule":        ruleFormData{Path: "/automations/new", Rule: rule, Form: ruleform.Of(definition), Environments: []string{"prod"}, Triggers: []automation.TriggerDescriptor{orderRefunded()}, Actions: kinds, Event: "{", Test: &run},
		"runs":        runsData{Filter: automation.RunQuery{RuleID: "u-1", Status: automation.Waiting}, Statuses: automation.Statuses(), Rules: []automation.Rule{rule}, Items: runRows([]automation.Run{run.Run}, []automation.Rule{rule}), Next: "/runs?after=c"},
		"run":         runData{run, rule},
		"flags":       flagsData{Environments: []string{"prod"}, Types: flags.Types(), Items: []flags.FlagVersion{flag}, Next: "c", Form: url.Values{"key": {"<b>Ada"}, "variants": {"{"}}},
		"flag":        flagData{Flag: flag, Environment: "prod", Environments: []string{"prod", "dev"}, State: killed, Warnings: flags.Warnings(flag.Flag, at), Versions: []flagVersion{{flag, diff}}, Next: "/flags?after=c"},
		"draft":       draftData{Flag: flag, Form: draft, Reason: "<b>Ada", Revision: 2, Impact: &impact, Diff: diff},
		"login":       loginData{People: demoPeople(), ReturnTo: "/orders"},
		"orders":      storage.Page[shop.Order]{Items: []shop.Order{order}, Next: "c"},
		"inventory":   storage.Page[shop.StockItem]{Items: stock, Next: "c"},
		"payouts":     storage.Page[shop.Payout]{Items: payouts, Next: "c"},
		"order":       orderData{Order: order, Refunds: []shop.Refund{refund}, Form: refundForm{"id", "5.00", "late"}, Done: &refund, DoneTrace: "t"},
		"stepup":      stepUpData{ReturnTo: "/orders", MaxAge: "five minutes"},
		"approvals":   inboxData{Tab: approvals.TabPending, Tabs: []tab{{approvals.TabPending, 1, true}}, Items: []approvals.Request{request}, Next: "c"},
		"request":     requestData{Request: request, Steps: []approvals.Step{{At: at, Verb: "submitted", Revision: 2, Actor: sam, Comment: "late"}}, Diff: diff, Open: true, May: true, Mine: true, Moving: true, DecisionID: "x", Comment: "why"},
		"audit":       auditData{Actions: []audit.Action{refundAction()}, Filter: audit.Query{Action: actionRefund, Outcome: audit.Success, Category: audit.Activity}, Outcomes: []audit.Outcome{audit.Success}, Categories: []audit.Category{audit.Activity}, Items: []eventRow{{event, diff, "{}"}}, Next: "/audit?after=c"},
		"timeline":    timelineData{TraceID: "t", Items: []correlation.Entry{{At: at, Kind: correlation.KindAudit, ID: "e-1", Summary: "sam refunded"}, {At: at, Kind: automation.KindRun, ID: "n-1"}}},
		"webhooks":    endpointsData{Items: []webhooks.Endpoint{endpoint}, Next: "c", Form: endpointForm{"u", "*", "An event type is bad.", "ERP"}},
		"endpoint":    endpointData{Endpoint: endpoint, Deliveries: []webhooks.Delivery{delivery}, Secret: "whsec_x"},
		"deliveries":  deliveriesData{Filter: webhooks.DeliveryQuery{Status: webhooks.Pending}, Statuses: []string{webhooks.Pending}, Items: []webhooks.Delivery{delivery}, Next: "/deliveries?after=c"},
		"delivery":    deliveryData{Delivery: delivery, Attempts: []webhooks.Attempt{{N: 1, At: at, Class: webhooks.ClassStatus, StatusCode: 500, Error: "The receiver answered 500."}, {N: 2, At: at, Class: webhooks.ClassDNS}}},
		"error":       nil,
	}
	views := map[string]view{}
	for name, d := range data {
		person := demoPeople()[0]
		views[name] = view{Title: "A <title>", Current: "/orders", Env: "prod", Tenant: "acme", Person: &person, Waiting: 3, TraceID: "t", Problem: problem, Data: d}
	}
	return views
}

// inline finds what the content policy refuses: scripts, styles and handlers in the
// page itself.
var inline = regexp.MustCompile(`(?i)<style|<script(?: defer)?>|\sstyle=|\son[a-z]+=|javascript:`)

func TestEveryTemplateRendersWhateverItIsGiven(t *testing.T) {
	t.Parallel()
	p, err := newPages(actions())
	if err != nil {
		t.Fatal(err)
	}
	views := fixtures()
	for _, name := range p.Names() {
		v, ok := views[name]
		if !ok {
			t.Errorf("the template %q has no fixture", name)
			continue
		}
		b := httptest.NewRecorder()
		if err := p.Render(b, httptest.NewRequest("GET", "/", nil), http.StatusOK, name, v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if found := inline.FindString(b.Body.String()); found != "" {
			t.Errorf("%s has %q, which the content policy refuses", name, found)
		}
		if strings.Contains(b.Body.String(), "<b>Ada") || strings.Contains(b.Body.String(), "A <title>") {
			t.Errorf("%s does not escape its data", name)
		}
	}
	if len(views) != len(p.Names()) {
		t.Errorf("there are %d fixtures for %d templates", len(views), len(p.Names()))
	}
}

// A browser without JavaScript: it keeps its cookie, follows nothing by itself, and
// sends the forms of the page it is on.
type browser struct {
	*admin
	cookie, page string
}

func (a *admin) signIn(person string) *browser {
	a.t.Helper()
	b := &browser{admin: a}
	in := b.form("/login", url.Values{"person": {person}}).want(http.StatusSeeOther)
	b.cookie, _, _ = strings.Cut(in.header.Get("Set-Cookie"), ";")
	return b
}

// see opens a page and returns its text.
func (b *browser) see(path string) string {
	b.t.Helper()
	got := b.send("GET", path, "", "Cookie", b.cookie).want(http.StatusOK)
	b.page = string(got.body)
	return b.page
}

// form sends a form as browsers do from a page of the same site.
func (b *browser) form(path string, values url.Values) answer {
	b.t.Helper()
	got := b.send("POST", path, values.Encode(), "Cookie", b.cookie, "Content-Type", "application/x-www-form-urlencoded",
		"Origin", b.base, "Sec-Fetch-Site", "same-origin")
	if cookie := got.header.Get("Set-Cookie"); cookie != "" {
		b.cookie, _, _ = strings.Cut(cookie, ";")
	}
	return got
}

// follow sees the page that an answer leads to.
func (b *browser) follow(r answer) string {
	b.t.Helper()
	r.want(http.StatusSeeOther)
	return b.see(r.header.Get("Location"))
}

// hidden returns the value of a hidden field of the page.
func (b *browser) hidden(name string) string {
	b.t.Helper()
	found := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(b.page)
	if found == nil {
		b.t.Fatalf("the page has no field %s", name)
	}
	return html.UnescapeString(found[1])
}

func TestRefundWalksThroughThePages(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, db string) {
		a := startAdmin(t, db)
		order := a.order(1200_00).ID
		sam, marco := a.signIn("sam"), a.signIn("marco")

		sam.see("/orders/" + order)
		ask := url.Values{"id": {sam.hidden("id")}, "amount": {"1200.00"}, "reason": {"broken & late"}}
		prompt := sam.follow(sam.form("/orders/"+order+"/refund", ask))
		if !strings.Contains(prompt, "Is it still you?") {
			t.Fatalf("a large refund does not ask for step-up:\n%s", prompt)
		}
		back := sam.follow(sam.form("/step-up", url.Values{"return_to": {sam.hidden("return_to")}}))
		if !strings.Contains(back, `value="1200.00"`) || !strings.Contains(back, "broken &amp; late") {
			t.Errorf("the form is not as it was left")
		}
		ask.Set("id", sam.hidden("id"))
		pending := sam.form("/orders/"+order+"/refund", ask)
		request := pending.header.Get("Location")
		own := sam.follow(pending)
		if strings.Contains(own, `value="approve"`) || !strings.Contains(own, "awaiting approval") {
			t.Errorf("the author is offered to approve, or the request does not wait")
		}

		if inbox := marco.see("/approvals"); !strings.Contains(inbox, request) {
			t.Errorf("the inbox lacks the request")
		}
		marco.see(request)
		declined := marco.form(request+"/decisions", url.Values{"revision": {"1"}, "decision": {"decline"}}).want(http.StatusUnprocessableEntity)
		if !strings.Contains(string(declined.body), "comment-error") {
			t.Errorf("declining without a comment does not say so at the field")
		}
		marco.form(request+"/decisions", url.Values{"revision": {"1"}, "decision": {"approve"}, "comment": {"fine"}, "id": {marco.hidden("id")}}).want(http.StatusSeeOther)
		eventually(t, "the refund", func() bool { return strings.Contains(marco.see(request), ">applied<") })
		if page := sam.see("/orders/" + order); !strings.Contains(page, "partially refunded") && !strings.Contains(page, ">refunded<") {
			t.Errorf("the order does not show the refund")
		}
		if page := marco.see("/audit?action=" + actionRefund); !strings.Contains(page, "Approved by") {
			t.Errorf("the log does not show who approved")
		}
	})
}

func TestFormOfARefundSentTwiceRefundsOnce(t *testing.T) {
	t.Parallel()
	a := startAdmin(t, sqlite.Memory)
	order := a.order(100_00).ID
	sam := a.signIn("sam")
	sam.see("/orders/" + order)
	ask := url.Values{"id": {sam.hidden("id")}, "amount": {"10.00"}, "reason": {"late"}}
	for range 2 {
		if page := sam.follow(sam.form("/orders/"+order+"/refund", ask)); !strings.Contains(page, "Refund of 10.00") {
			t.Errorf("the page does not say what was done")
		}
	}
	if got := a.refunded(order); got != "10.00" {
		t.Errorf("refunded is %s, want 10.00", got)
	}
}

func TestEndpointIsRegisteredSwitchedAndWatchedThroughThePages(t *testing.T) {
	t.Parallel()
	a := startAdmin(t, sqlite.Memory)
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer receiver.Close()
	dana := a.signIn("dana")

	for _, wrong := range []struct{ url, types, says string }{
		{"ftp://example.com", "*", "url-error"}, {receiver.URL, "*.refunded", "An event type "},
	} {
		got := dana.form("/webhooks", url.Values{"url": {wrong.url}, "event_types": {wrong.types}}).want(http.StatusUnprocessableEntity)
		if page := string(got.body); !strings.Contains(page, wrong.says) || !strings.Contains(page, wrong.url) || !strings.Contains(page, wrong.types) {
			t.Errorf("the form does not show %q beside what was typed", wrong.says)
		}
	}
	made := dana.form("/webhooks", url.Values{"url": {receiver.URL}, "event_types": {"lumelle.orders.v1.*"}}).want(http.StatusOK)
	if !strings.Contains(string(made.body), "whsec_") {
		t.Fatalf("the secret is not shown")
	}
	list := dana.see("/webhooks")
	if strings.Contains(list, "whsec_") {
		t.Errorf("the secret is shown twice")
	}
	endpoint := regexp.MustCompile(`/webhooks/[0-9a-f-]{36}`).FindString(list)
	if page := dana.follow(dana.form(endpoint+"/disable", url.Values{"reason": {"moving house"}})); !strings.Contains(page, "moving house") {
		t.Errorf("the endpoint does not say why it is disabled")
	}
	dana.form(endpoint+"/enable", nil).want(http.StatusSeeOther)
	a.refund("sam", a.order(100_00).ID, "5.00").want(http.StatusOK)
	delivery := ""
	eventually(t, "the delivery", func() bool {
		page := dana.see("/deliveries?status=succeeded")
		delivery = regexp.MustCompile(`/deliveries/[0-9a-f-]{36}`).FindString(page)
		return delivery != ""
	})
	dana.form(delivery+"/redeliver", url.Values{"reason": {"lost"}}).want(http.StatusSeeOther)
	eventually(t, "the second attempt", func() bool { return strings.Count(dana.see(delivery), ">success<") >= 2 })
}

func TestPagesKeepStrangersOut(t *testing.T) {
	t.Parallel()
	a := startAdmin(t, sqlite.Memory)
	nobody := &browser{admin: a}
	if got := nobody.send("GET", "/audit?action=x", "").want(http.StatusSeeOther).header.Get("Location"); got != "/login?return_to=%2Faudit%3Faction%3Dx" {
		t.Errorf("nobody is sent to %q", got)
	}
	for _, away := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, "orders"} {
		if got := nobody.form("/login", url.Values{"person": {"sam"}, "return_to": {away}}).header.Get("Location"); got != "/" {
			t.Errorf("signing in leads to %q, asked for %q", got, away)
		}
	}
	sam := a.signIn("sam")
	forged := sam.cookie[:len(sam.cookie)-4] + "AAAA"
	for name, header := range map[string][]string{
		"a forged session":  {"Cookie", forged},
		"no session":        {},
		"half of a session": {"Cookie", sam.cookie[:40]},
	} {
		if got := a.send("GET", "/orders", "", header...); got.status != http.StatusSeeOther {
			t.Errorf("%s sees %d", name, got.status)
		}
	}
	crossed := a.send("POST", "/orders/acme-1200/refund", "amount=5.00&reason=r", "Cookie", sam.cookie,
		"Content-Type", "application/x-www-form-urlencoded", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
	crossed.want(http.StatusForbidden)
	if got := sam.send("POST", "/merchant", "tenant=bloom", "Cookie", sam.cookie, "Content-Type", "application/x-www-form-urlencoded"); got.status != http.StatusNotFound {
		t.Errorf("sam becomes somebody at bloom: %d", got.status)
	}
}

func TestDemoTokensCountOnTheLoopbackOnly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		remote, host string
		want         bool
	}{
		{"127.0.0.1:5", "127.0.0.1:8080", true}, {"127.0.0.1:5", "localhost:8080", true}, {"[::1]:5", "[::1]:8080", true},
		{"[::ffff:127.0.0.1]:5", "127.0.0.1", true}, {"192.0.2.7:5", "127.0.0.1:8080", false},
		{"127.0.0.1:5", "evil.example", false}, {"127.0.0.1:5", "127.0.0.1.evil.example:80", false}, {"127.0.0.1:5", "", false}, {"", "localhost", false},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr, r.Host = c.remote, c.host
		if got := fromLoopback(r); got != c.want {
			t.Errorf("a request from %q to %q counts as local: %t", c.remote, c.host, got)
		}
	}
}

func TestEveryAnswerCarriesItsGuards(t *testing.T) {
	t.Parallel()
	a := startAdmin(t, sqlite.Memory)
	for _, path := range []string{"/login", "/static/app.css", "/api/v1/orders", "/nowhere", "/healthz", "/readyz", "/api/openapi.json"} {
		h := a.send("GET", path, "").header
		for name, want := range map[string]string{"Content-Security-Policy": webpage.Policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if _, ok := correlation.Parse(h.Get("Traceparent")); !ok || h.Get("X-Request-Id") == "" {
			t.Errorf("%s: Traceparent is %q and X-Request-Id %q", path, h.Get("Traceparent"), h.Get("X-Request-Id"))
		}
	}
}

func TestDocumentDescribesEverySurface(t *testing.T) {
	t.Parallel()
	a := startAdmin(t, sqlite.Memory)
	var document struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string `json:"operationId"`
		}
		Components map[string]map[string]any
	}
	got := a.send("GET", "/api/openapi.json", "").want(http.StatusOK)
	got.json(&document)
	for _, path := range []string{
		"/api/v1/orders", "/api/v1/orders/{id}/refund", "/api/v1/inventory", "/api/v1/payouts", "/api/v1/events", "/access/v1/evaluation", "/access/v1/evaluations",
		"/api/v1/approvals/requests", "/api/v1/approvals/requests/{id}/decisions", "/api/v1/approvals/requests/{id}/cancel",
		"/api/v1/webhooks/endpoints", "/api/v1/webhooks/deliveries", "/api/v1/webhooks/deliveries/{id}/redeliver",
		"/api/v1/audit/events", "/api/v1/audit/actions", "/api/v1/audit/actions/{name}/schemas", "/api/v1/timeline", "/healthz", "/readyz",
	} {
		if document.Paths[path] == nil {
			t.Errorf("the document lacks %s", path)
		}
	}
	for _, ref := range regexp.MustCompile(`"#/components/([^/"]+)/([^"]+)"`).FindAllStringSubmatch(string(got.body), -1) {
		if document.Components[ref[1]][ref[2]] == nil {
			t.Errorf("the reference %s leads nowhere", ref[0])
		}
	}
	var ids []string
	for path, item := range document.Paths {
		for method, operation := range item {
			if slices.Contains(ids, operation.OperationID) || operation.OperationID == "" {
				t.Errorf("%s %s has the operation id %q, which is not its own", method, path, operation.OperationID)
			}
			ids = append(ids, operation.OperationID)
			if strings.HasPrefix(path, "/api/v1/") || strings.HasPrefix(path, "/access/") {
				target := strings.NewReplacer("{", "", "}", "").Replace(path)
				a.send(strings.ToUpper(method), target, "").want(http.StatusUnauthorized)
			}
		}
	}
}
