package flagadmin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/httpapi/httpapitest"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/flagadmin"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/listing/saved"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/secrets"
)

const prefix = "/api/v1"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A host is the surface over one Service, with a client whose every answer is held
// against the OpenAPI document.
type host struct {
	t       *testing.T
	saved   *saved.Service
	url     string
	client  *http.Client
	handler http.Handler
	service *flags.Service
	log     *audit.Log
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newHost(t *testing.T) *host {
	t.Helper()
	b, err := memory.New(memory.Config{})
	must(t, err)
	queue, err := jobs.NewQueue(b.Jobs(), jobs.Config{})
	must(t, err)
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, flags.Actions()...)
	must(t, err)
	h := &host{t: t}
	h.log, err = audit.NewLog(b.Audit(), audit.LogConfig{})
	must(t, err)
	// audra may read, and change nothing; what dana does waits for others.
	gate := audit.GateFunc(func(_ context.Context, e audit.Event) (audit.Verdict, error) {
		switch e.Actor.ID {
		case "dana":
			return audit.Verdict{}, pending{"req-1"}
		case "audra":
			return audit.Verdict{Reason: audit.Reason{Code: "read_only", Text: "You may only read."}}, nil
		}
		return audit.Verdict{Effect: audit.Allow}, nil
	})
	governor, err := audit.NewGovernor(b, gate, h.log, catalog)
	must(t, err)
	keys, err := secrets.Generate()
	must(t, err)
	vault, err := secrets.New(keys)
	must(t, err)
	clock := func() time.Time { return noon }
	h.service, err = flags.New(governor, b.Flags(), queue, flags.Config{
		Now: clock, Directory: merchants{},
		Quotas: func(_ context.Context, tenant string) (flags.Quotas, error) {
			if tenant == "tiny" {
				return flags.Quotas{Flags: 1}, nil
			}
			return flags.Quotas{}, nil
		},
	})
	must(t, err)
	h.saved, err = saved.New(b.SavedFilters(), []saved.List{saved.Of(flags.Flags())}, saved.Config{})
	must(t, err)
	h.handler, err = flagadmin.New(h.service, flagadmin.Config{
		Config: httpapi.Config{Identify: identify, Tx: b, Idempotency: b.Idempotency(), Vault: vault, Saved: h.saved, Now: clock},
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
	for _, root := range []string{prefix + "/flags", prefix + "/audiences"} {
		mux.Handle(root, http.StripPrefix(prefix, h.handler))
		mux.Handle(root+"/", http.StripPrefix(prefix, h.handler))
	}
	server := httptest.NewServer(httpapi.Edge(nil, mux))
	t.Cleanup(func() {
		server.Close()
		server.Client().CloseIdleConnections()
		b.Close(context.WithoutCancel(t.Context()))
	})
	h.url = server.URL + prefix
	h.client = &http.Client{Transport: httpapitest.Load(t, flagadmin.OpenAPI()).Transport(t, server.Client().Transport)}
	return h
}

// merchants are the ten merchants of every tenant; the first four are on plan pro.
type merchants struct{}

func (merchants) Subjects(_ context.Context, tenant string) iter.Seq2[*flags.Subject, error] {
	return func(yield func(*flags.Subject, error) bool) {
		for i := range 10 {
			plan := "free"
			if i < 4 {
				plan = "pro"
			}
			s := &flags.Subject{Tenant: tenant, Key: fmt.Sprintf("m-%d", i), Attributes: targeting.Attributes{flags.AttrPlan: targeting.String(plan)}}
			if !yield(s, nil) {
				return
			}
		}
	}
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

// at returns what stands at a path of names in a document.
func at(doc any, path ...string) any {
	for _, name := range path {
		m, _ := doc.(map[string]any)
		doc = m[name]
	}
	return doc
}

const good = `{"key":"payouts","type":"release","value_type":"bool","owner":"finance","variants":{"on":true,"off":false},
	"environments":{"prod":{"enabled":true,"default_variant":"off","off_variant":"off",
	"rules":[{"name":"pro","when":{"all":[{"path":"plan","op":"in","value":["pro","enterprise"]},{"none":[{"path":"country","op":"eq","value":"GB"}]}]},"serve":{"variant":"on"}}]}}}`

// with returns the good flag with one part replaced.
func with(old, new string) string { return strings.Replace(good, old, new, 1) }

func TestFlagOverHTTP(t *testing.T) {
	h := newHost(t)
	created := h.want(h.do("sam@acme", "POST", "/flags?reason=ready", good), 201)
	if created.header.Get("ETag") != `"1"` || created.body["revision"] != 1.0 || at(created.body, "environments", "prod", "enabled") != true {
		t.Errorf("got %s %v", created.text, created.header)
	}
	if taken := h.want(h.do("sam@acme", "POST", "/flags", good), 409); !strings.HasSuffix(taken.body["type"].(string), ":flag_exists") {
		t.Errorf("got %s", taken.text)
	}
	shown := h.want(h.do("audra@acme", "GET", "/flags/payouts", ""), 200)
	if shown.text != created.text || shown.header.Get("ETag") != `"1"` {
		t.Errorf("got %s, want %s", shown.text, created.text)
	}
	next := with(`"default_variant":"off"`, `"default_variant":"on"`)
	h.want(h.do("sam@acme", "PUT", "/flags/payouts", next, `If-Match: "7"`), 409)
	h.want(h.do("sam@acme", "PUT", "/flags/payouts", next, `If-Match: 1`), 400)
	changed := h.want(h.do("sam@acme", "PUT", "/flags/payouts?reason=everybody", next, `If-Match: "1"`), 200)
	if at(changed.body, "environments", "prod", "default_variant") != "on" || changed.header.Get("ETag") != `"2"` {
		t.Errorf("got %s", changed.text)
	}
	h.want(h.do("sam@acme", "DELETE", "/flags/payouts", "", `If-Match: "1"`), 409)
	h.want(h.do("sam@acme", "DELETE", "/flags/payouts?reason=done", "", `If-Match: "2"`), 204)
	h.want(h.do("sam@acme", "GET", "/flags/payouts", ""), 404)
	versions := h.want(h.do("sam@acme", "GET", "/flags/payouts/versions", ""), 200).body["items"].([]any)
	var told []string
	for _, v := range versions {
		told = append(told, fmt.Sprint(at(v, "revision"), " ", at(v, "action"), " ", at(v, "reason"), " ", at(v, "author", "id"), " ", at(v, "deleted")))
	}
	want := []string{"3 flags.flag.deleted done sam true", "2 flags.flag.updated everybody sam false", "1 flags.flag.created ready sam false"}
	if strings.Join(told, "\n") != strings.Join(want, "\n") {
		t.Errorf("the versions are\n%s\nwant\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
	}
	page, err := h.log.Query(t.Context(), "acme", audit.Query{Outcome: audit.Success})
	must(t, err)
	if len(page.Items) != 3 {
		t.Errorf("%d events are on record, want one a change", len(page.Items))
	}
}

func TestADocumentThatWasReadMayComeBackChanged(t *testing.T) {
	h := newHost(t)
	h.want(h.do("sam@acme", "POST", "/flags", good), 201)
	read := h.want(h.do("sam@acme", "GET", "/flags/payouts", ""), 200)
	mine := strings.Replace(read.text, `"owner":"finance"`, `"owner":"payments"`, 1)
	if got := h.want(h.do("sam@acme", "PUT", "/flags/payouts", mine), 200); got.body["owner"] != "payments" {
		t.Errorf("got %s", got.text)
	}
	// Somebody who read the same is too late.
	h.want(h.do("sam@acme", "PUT", "/flags/payouts", strings.Replace(read.text, "finance", "ops", 1)), 409)
	h.want(h.do("sam@acme", "PUT", "/flags/payouts", strings.Replace(read.text, "finance", "ops", 1), "If-Match: *"), 200)

	h.want(h.do("sam@acme", "PUT", "/audiences/vip", `{"include":["m-1"]}`), 200)
	read = h.want(h.do("sam@acme", "GET", "/audiences/vip", ""), 200)
	mine = strings.Replace(read.text, `"m-1"`, `"m-2"`, 1)
	h.want(h.do("sam@acme", "PUT", "/audiences/vip", mine), 200)
	h.want(h.do("sam@acme", "PUT", "/audiences/vip", mine), 409)
}

func TestVersionsAndTheirDifferences(t *testing.T) {
	h := newHost(t)
	h.want(h.do("sam@acme", "POST", "/flags", good), 201)
	h.want(h.do("sam@acme", "PUT", "/flags/payouts", with(`"enabled":true`, `"enabled":false`)), 200)
	first := h.want(h.do("sam@acme", "GET", "/flags/payouts/versions/1", ""), 200)
	if at(first.body, "flag", "environments", "prod", "enabled") != true || first.body["action"] != flags.ActionCreate {
		t.Errorf("got %s", first.text)
	}
	diff := h.want(h.do("sam@acme", "GET", "/flags/payouts/diff?from=1&to=2", ""), 200)
	if !strings.Contains(diff.text, `{"op":"replace","path":"/environments/prod/enabled","before":true,"after":false}`) {
		t.Errorf("got %s", diff.text)
	}
	for path, status := range map[string]int{
		"/flags/payouts/diff?from=1&to=9": 404, "/flags/payouts/diff?from=1": 400, "/flags/payouts/diff?from=x&to=1": 400,
		"/flags/payouts/versions/3": 404, "/flags/payouts/versions/x": 404, "/flags/none/versions": 404, "/flags/none/diff?from=1&to=1": 404,
	} {
		h.want(h.do("sam@acme", "GET", path, ""), status)
	}
	page := h.want(h.do("sam@acme", "GET", "/flags/payouts/versions?limit=1", ""), 200)
	next := page.body["next"].(string)
	page = h.want(h.do("sam@acme", "GET", "/flags/payouts/versions?limit=1&after="+next, ""), 200)
	if at(page.body["items"].([]any)[0], "revision") != 1.0 || page.header.Get("Link") != "" {
		t.Errorf("got %s", page.text)
	}
}

func TestEvaluationsShowTheirWay(t *testing.T) {
	h := newHost(t)
	h.want(h.do("sam@acme", "POST", "/flags", good), 201)
	ask := func(body string) answer {
		return h.want(h.do("audra@acme", "POST", "/flags/payouts/evaluate", body), 200)
	}
	pro := ask(`{"environment":"prod","context":{"targetingKey":"m-1","plan":"pro","country":"DE"}}`)
	if pro.body["value"] != true || pro.body["variant"] != "on" || pro.body["reason"] != "TARGETING_MATCH" || pro.body["rule"] != "pro" || pro.body["version"] != 1.0 {
		t.Errorf("got %s", pro.text)
	}
	trace := pro.body["trace"].([]any)
	if last := trace[len(trace)-1]; at(last, "kind") != "rule" || at(last, "name") != "pro" || at(last, "matched") != true {
		t.Errorf("got %s", pro.text)
	}
	free := ask(`{"environment":"prod","context":{"targetingKey":"m-1","plan":"free"}}`)
	if free.body["value"] != false || free.body["reason"] != "DEFAULT" || free.body["rule"] != "" {
		t.Errorf("got %s", free.text)
	}
	elsewhere := ask(`{"environment":"dev","context":{"targetingKey":"m-1"}}`)
	if elsewhere.body["value"] != nil || elsewhere.body["reason"] != "DISABLED" {
		t.Errorf("got %s", elsewhere.text)
	}
	draft := ask(`{"environment":"prod","context":{"targetingKey":"m-1","plan":"free"},"draft":` + with(`"pro","enterprise"`, `"free"`) + `}`)
	if draft.body["value"] != true {
		t.Errorf("got %s", draft.text)
	}
	if again := ask(`{"environment":"prod","context":{"targetingKey":"m-1","plan":"free"}}`); again.text != free.text {
		t.Errorf("after a draft was evaluated the flag is %s", again.text)
	}
}

func TestPreviewNamesWhoWouldNotice(t *testing.T) {
	h := newHost(t)
	h.want(h.do("sam@acme", "POST", "/flags", good), 201)
	body := `{"environment":"prod","draft":` + with(`"path":"plan","op":"in","value":["pro","enterprise"]`, `"path":"targetingKey","op":"in","value":["m-3","m-4","m-5"]`) + `}`
	got := h.want(h.do("audra@acme", "POST", "/flags/payouts/preview", body), 200)
	if got.body["subjects"] != 10.0 || got.body["before"] != 4.0 || got.body["after"] != 3.0 ||
		fmt.Sprint(got.body["added"]) != "[m-4 m-5]" || fmt.Sprint(got.body["removed"]) != "[m-0 m-1 m-2]" || fmt.Sprint(got.body["changed"]) != "[]" {
		t.Errorf("got %s", got.text)
	}
}

func TestKillAndRestore(t *testing.T) {
	h := newHost(t)
	h.want(h.do("sam@acme", "POST", "/flags", good), 201)
	killed := h.want(h.do("sam@acme", "POST", "/flags/payouts/kill", `{"environment":"prod","reason":"refunds fail"}`), 200)
	if at(killed.body, "environments", "prod", "killed", "by") != "sam" || at(killed.body, "environments", "prod", "killed", "reason") != "refunds fail" {
		t.Errorf("got %s", killed.text)
	}
	// An edit does not take it back.
	h.want(h.do("sam@acme", "PUT", "/flags/payouts", good), 200)
	off := h.want(h.do("sam@acme", "POST", "/flags/payouts/evaluate", `{"environment":"prod","context":{"targetingKey":"m-1","plan":"pro"}}`), 200)
	if off.body["value"] != false || off.body["reason"] != "DISABLED" {
		t.Errorf("got %s", off.text)
	}
	h.want(h.do("dana@acme", "POST", "/flags/payouts/restore", `{"environment":"prod","reason":"fixed"}`), 202)
	restored := h.want(h.do("sam@acme", "POST", "/flags/payouts/restore", `{"environment":"prod","reason":"fixed"}`), 200)
	if at(restored.body, "environments", "prod", "killed") != nil {
		t.Errorf("got %s", restored.text)
	}
}

func TestOverridesComeAndGo(t *testing.T) {
	h := newHost(t)
	h.want(h.do("sam@acme", "POST", "/flags", good), 201)
	body := `{"environment":"prod","attribute":"actor","subject":"tess","variant":"on","until":"2026-03-02T12:00:00Z","reason":"release test"}`
	set := h.want(h.do("sam@acme", "POST", "/flags/payouts/overrides", body), 200)
	overrides := at(set.body, "environments", "prod", "overrides").([]any)
	if len(overrides) != 1 || at(overrides[0], "kind") != "qa" || at(overrides[0], "by") != "sam" {
		t.Fatalf("got %s", set.text)
	}
	ask := func() any {
		return h.want(h.do("sam@acme", "POST", "/flags/payouts/evaluate", `{"environment":"prod","context":{"targetingKey":"x","actor":"tess"}}`), 200).body["value"]
	}
	if ask() != true {
		t.Error("the override does not hold")
	}
	id := at(overrides[0], "id").(string)
	h.want(h.do("sam@acme", "DELETE", "/flags/payouts/overrides/none?environment=prod", ""), 404)
	h.want(h.do("sam@acme", "DELETE", "/flags/payouts/overrides/"+id+"?environment=prod&reason=done", ""), 200)
	if ask() != false {
		t.Error("the override holds on")
	}
}

func TestAudienceOverHTTP(t *testing.T) {
	h := newHost(t)
	saved := h.want(h.do("sam@acme", "PUT", "/audiences/vip?reason=launch", `{"description":"the best","include":["m-7"],"when":{"path":"plan","op":"eq","value":"pro"}}`), 200)
	if saved.body["key"] != "vip" || saved.header.Get("ETag") != `"1"` {
		t.Errorf("got %s", saved.text)
	}
	h.want(h.do("sam@acme", "POST", "/flags", with(`{"path":"plan","op":"in","value":["pro","enterprise"]}`, `{"audience":"vip"}`)), 201)
	shown := h.want(h.do("audra@acme", "GET", "/audiences/vip", ""), 200)
	if fmt.Sprint(shown.body["users"]) != "[flag payouts]" || at(shown.body, "when", "path") != "plan" {
		t.Errorf("got %s", shown.text)
	}
	inUse := h.want(h.do("sam@acme", "DELETE", "/audiences/vip", ""), 409)
	if !strings.HasSuffix(inUse.body["type"].(string), ":audience_in_use") || !strings.Contains(inUse.text, "flag payouts") {
		t.Errorf("got %s", inUse.text)
	}
	list := h.want(h.do("audra@acme", "GET", "/audiences?limit=1", ""), 200)
	if n := len(list.body["items"].([]any)); n != 1 {
		t.Errorf("got %s", list.text)
	}
	h.want(h.do("nina@bloom", "GET", "/audiences/vip", ""), 404)
	h.want(h.do("sam@acme", "DELETE", "/flags/payouts", ""), 204)
	h.want(h.do("sam@acme", "DELETE", "/audiences/vip?reason=over", "", `If-Match: "9"`), 409)
	h.want(h.do("sam@acme", "DELETE", "/audiences/vip?reason=over", "", `If-Match: "1"`), 204)
	h.want(h.do("sam@acme", "GET", "/audiences/vip", ""), 404)
}

// pending is the answer of a gate that asks others.
type pending struct{ id string }

func (pending) Error() string          { return "waits for approval" }
func (pending) Refused() audit.Outcome { return audit.Pending }

// changes are all routes that change something, on a host with the flag payouts and
// the audience vip.
var changes = []struct{ method, path, body string }{
	{"POST", "/flags", with("payouts", "other")}, {"PUT", "/flags/payouts", with("finance", "ops")}, {"DELETE", "/flags/payouts", ""},
	{"POST", "/flags/payouts/kill", `{"environment":"prod","reason":"x"}`}, {"POST", "/flags/payouts/restore", `{"environment":"prod","reason":"x"}`},
	{"POST", "/flags/payouts/overrides", `{"environment":"prod","kind":"tenant","attribute":"merchantId","subject":"m-1","variant":"on"}`},
	{"DELETE", "/flags/payouts/overrides/o?environment=prod", ""},
	{"PUT", "/audiences/vip", `{"include":["m-2"]}`}, {"DELETE", "/audiences/vip", ""},
}

// prepared is a host that all of [changes] could change.
func prepared(t *testing.T) *host {
	h := newHost(t)
	h.want(h.do("sam@acme", "POST", "/flags", good), 201)
	h.want(h.do("sam@acme", "POST", "/flags/payouts/overrides", `{"environment":"prod","id":"o","kind":"tenant","attribute":"merchantId","subject":"m-1","variant":"on"}`), 200)
	h.want(h.do("sam@acme", "PUT", "/audiences/vip", `{"include":["m-1"]}`), 200)
	return h
}

func TestChangeThatWaitsForApprovalIsAccepted(t *testing.T) {
	h := prepared(t)
	before := h.do("sam@acme", "GET", "/flags", "").text + h.do("sam@acme", "GET", "/audiences", "").text
	for _, c := range changes {
		got := h.want(h.do("dana@acme", c.method, c.path, c.body), 202)
		if got.body["status"] != "awaiting_approval" || got.body["request_id"] != "req-1" {
			t.Errorf("%s %s: got %s", c.method, c.path, got.text)
		}
	}
	if after := h.do("sam@acme", "GET", "/flags", "").text + h.do("sam@acme", "GET", "/audiences", "").text; after != before {
		t.Errorf("something was changed:\n%s\n%s", before, after)
	}
}

func TestWhoeverMayNotChangesNothing(t *testing.T) {
	h := prepared(t)
	for _, c := range changes {
		denied := h.want(h.do("audra@acme", c.method, c.path, c.body), 403)
		if at(denied.body, "reason", "code") != "read_only" {
			t.Errorf("%s %s: got %s", c.method, c.path, denied.text)
		}
		h.want(h.do("", c.method, c.path, c.body), 401)
	}
	for _, path := range []string{"/flags", "/flags/payouts", "/flags/payouts/versions", "/flags/payouts/versions/1", "/flags/payouts/diff?from=1&to=2", "/audiences", "/audiences/vip"} {
		h.want(h.do("mallory@acme", "GET", path, ""), 403)
		h.want(h.do("", "GET", path, ""), 401)
		h.want(h.do("audra@acme", "GET", path, ""), 200)
		if path != "/flags" && path != "/audiences" {
			h.want(h.do("nina@bloom", "GET", path, ""), 404)
		}
	}
	for _, path := range []string{"/flags/payouts/evaluate", "/flags/payouts/preview"} {
		body := `{"environment":"prod","draft":` + good + `}`
		h.want(h.do("mallory@acme", "POST", path, body), 403)
		h.want(h.do("audra@acme", "POST", path, body), 200)
	}
	for _, c := range changes {
		if c.path != "/flags" && c.path != "/audiences/vip" {
			h.want(h.do("nina@bloom", c.method, c.path, c.body), 404)
		}
	}
}

func TestListsArePaged(t *testing.T) {
	h := newHost(t)
	for i := range 5 {
		h.want(h.do("sam@acme", "POST", "/flags", with("payouts", fmt.Sprintf("flag-%d", i))), 201)
	}
	seen := map[string]bool{}
	path := "/flags?limit=2"
	for range 3 {
		page := h.want(h.do("sam@acme", "GET", path, ""), 200)
		for _, item := range page.body["items"].([]any) {
			seen[at(item, "key").(string)] = true
		}
		if page.body["next"] == "" {
			break
		}
		link := strings.TrimSuffix(strings.TrimPrefix(page.header.Get("Link"), "<"), `>; rel="next"`)
		path = strings.TrimPrefix(link, prefix)
	}
	if len(seen) != 5 {
		t.Errorf("the pages hold %v", maps.Keys(seen))
	}
	h.want(h.do("sam@acme", "GET", "/flags?after=x", ""), 400)
	h.want(h.do("sam@acme", "GET", "/flags?limt=2", ""), 400)
}

func TestWhatIsWrongIsNamed(t *testing.T) {
	h := prepared(t)
	deep := strings.Repeat(`{"any":[`, 70) + `{"path":"plan","op":"eq","value":"pro"}` + strings.Repeat(`]}`, 70)
	const rule = `{"all":[{"path":"plan","op":"in","value":["pro","enterprise"]},{"none":[{"path":"country","op":"eq","value":"GB"}]}]}`
	at := "/environments/prod/rules/0"
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		pointer                  string
	}{
		{"no body", "POST", "/flags", ``, 400, ""},
		{"no JSON", "POST", "/flags", `{`, 400, ""},
		{"an unknown member", "POST", "/flags", with(`"owner"`, `"ownr"`), 400, "/ownr"},
		{"another case", "POST", "/flags", with(`"owner"`, `"Owner"`), 400, "/Owner"},
		{"a member given twice", "POST", "/flags", with(`"owner"`, `"key":"x","owner"`), 400, "/key"},
		{"a number for a text", "POST", "/flags", with(`"finance"`, `7`), 400, "/owner"},
		{"an unknown type", "POST", "/flags", with(`"release"`, `"toggle"`), 422, "/type"},
		{"a variant of another type", "POST", "/flags", with(`"on":true`, `"on":"yes"`), 422, "/variants/on"},
		{"an unknown environment", "POST", "/flags", with(`"prod"`, `"production"`), 422, "/environments/production"},
		{"an unknown variant", "POST", "/flags", with(`"default_variant":"off"`, `"default_variant":"none"`), 422, "/environments/prod/default_variant"},
		{"an unknown member of a condition", "POST", "/flags", with(`"op":"in"`, `"operator":"in"`), 422, at + "/when/all/0/operator"},
		{"an unknown operator", "POST", "/flags", with(`"op":"in"`, `"op":"like"`), 422, at + "/when/all/0/op"},
		{"an unknown audience", "POST", "/flags", with(rule, `{"audience":"none"}`), 422, at + "/when/audience"},
		{"a negative weight", "POST", "/flags", with(`{"variant":"on"}`, `{"split":{"weights":{"on":-1,"off":1}}}`), 422, at + "/serve/split/weights"},
		{"a weight that is a text", "POST", "/flags", with(`{"variant":"on"}`, `{"split":{"weights":{"on":"x","off":1}}}`), 422, at + "/serve/split/weights/on"},
		{"an unknown strategy", "POST", "/flags", with(`"when":`+rule+`,"serve":{"variant":"on"}`, `"strategy":{"name":"luck"}`), 422, at + "/strategy/name"},
		{"a condition without an end", "POST", "/flags", with(rule, deep), 400, ""},
		{"another key than that of the path", "PUT", "/flags/payouts", with("payouts", "other"), 422, "/key"},
		{"another type than before", "PUT", "/flags/payouts", with(`"release"`, `"ops"`), 422, "/type"},
		{"a negative revision", "PUT", "/flags/payouts", with(`"owner"`, `"revision":-1,"owner"`), 422, "/revision"},
		{"an unknown environment to evaluate in", "POST", "/flags/payouts/evaluate", `{"environment":"x"}`, 422, "/environment"},
		{"a key that is a number", "POST", "/flags/payouts/evaluate", `{"environment":"prod","context":{"targetingKey":7}}`, 422, "/context"},
		{"another tenant's subject", "POST", "/flags/payouts/evaluate", `{"environment":"prod","context":{"tenant":"bloom"}}`, 422, "/context/tenant"},
		{"a draft of another flag", "POST", "/flags/payouts/evaluate", `{"environment":"prod","draft":` + with("payouts", "other") + `}`, 422, "/draft/key"},
		{"a bad draft", "POST", "/flags/payouts/evaluate", `{"environment":"prod","draft":` + with(`"op":"in"`, `"op":"like"`) + `}`, 422, "/draft" + at + "/when/all/0/op"},
		{"a bad draft to preview", "POST", "/flags/payouts/preview", `{"environment":"prod","draft":` + with(`"default_variant":"off"`, `"default_variant":"none"`) + `}`, 422, "/draft/environments/prod/default_variant"},
		{"an unknown environment to preview in", "POST", "/flags/payouts/preview", `{"environment":"x","draft":` + good + `}`, 422, "/environment"},
		{"a kill without a reason", "POST", "/flags/payouts/kill", `{"environment":"prod"}`, 422, "/reason"},
		{"a kill in no environment", "POST", "/flags/payouts/kill", `{"environment":"x","reason":"y"}`, 422, ""},
		{"an override without an end", "POST", "/flags/payouts/overrides", `{"environment":"prod","attribute":"actor","subject":"tess","variant":"on","reason":"x"}`, 422, "/until"},
		{"an audience with a bad condition", "PUT", "/audiences/vip", `{"when":{"path":"plan","op":"matches","value":"("}}`, 422, "/when/value"},
		{"an audience of another key", "PUT", "/audiences/vip", `{"key":"other"}`, 422, "/key"},
		{"a missing flag", "PUT", "/flags/none", with("payouts", "none"), 404, ""},
		{"a missing flag to evaluate", "POST", "/flags/none/evaluate", `{"environment":"prod"}`, 404, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.path == "/flags" { // one that is not there yet
				c.body = strings.Replace(c.body, `"key":"payouts"`, `"key":"other"`, 1)
			}
			got := h.do("sam@acme", c.method, c.path, c.body, "Content-Type: application/json")
			if got.status != c.status || !strings.HasPrefix(got.header.Get("Content-Type"), "application/problem+json") {
				t.Fatalf("got %d %s, want %d", got.status, got.text, c.status)
			}
			if c.pointer != "" && !strings.Contains(got.text, `"pointer":"`+c.pointer+`"`) {
				t.Errorf("got %s, want the pointer %s", got.text, c.pointer)
			}
		})
	}
}

func TestARevisionOfWhatIsNotThereIs404(t *testing.T) {
	h := prepared(t)
	h.do("sam@acme", "PUT", "/audiences/gone", `{}`, "Content-Type: application/json")
	h.do("sam@acme", "DELETE", "/audiences/gone", "")
	for _, c := range []struct{ method, path, body string }{
		{"PUT", "/flags/none", with("payouts", "none")},
		{"DELETE", "/flags/none", ""},
		{"DELETE", "/audiences/none", ""},
		{"DELETE", "/audiences/gone", ""},
	} {
		if got := h.do("sam@acme", c.method, c.path, c.body, "Content-Type: application/json", `If-Match: "7"`); got.status != 404 {
			t.Errorf("%s %s: got %d %s, want 404", c.method, c.path, got.status, got.text)
		}
	}
	if got := h.do("sam@acme", "DELETE", "/flags/payouts", "", `If-Match: "7"`); got.status != 409 {
		t.Errorf("a flag that is at another revision: got %d %s, want 409", got.status, got.text)
	}
}

func TestRepeatedCreationIsOneFlag(t *testing.T) {
	h := newHost(t)
	first := h.want(h.do("sam@acme", "POST", "/flags", good, "Idempotency-Key: k1"), 201)
	again := h.want(h.do("sam@acme", "POST", "/flags", good, "Idempotency-Key: k1"), 201)
	if first.text != again.text {
		t.Errorf("got %s, then %s", first.text, again.text)
	}
	h.want(h.do("sam@acme", "POST", "/flags", with("finance", "ops"), "Idempotency-Key: k1"), 409)
	h.want(h.do("sam@acme", "POST", "/flags?reason=other", good, "Idempotency-Key: k1"), 409)
}

func TestDocumentCoversTheSurface(t *testing.T) {
	h := newHost(t)
	httpapitest.Load(t, flagadmin.OpenAPI()).Covers(t, h.handler)
	served := httptest.NewRecorder()
	h.handler.ServeHTTP(served, httptest.NewRequest("GET", "/openapi.json", nil))
	if served.Code != 200 || served.Body.String() != string(flagadmin.OpenAPI()) {
		t.Error("the served document is another one")
	}
}

func TestNewNeedsItsParts(t *testing.T) {
	if _, err := flagadmin.New(nil, flagadmin.Config{}); err == nil {
		t.Error("a surface without a service was made")
	}
	if _, err := flagadmin.New(newHost(t).service, flagadmin.Config{}); err == nil {
		t.Error("a surface that identifies nobody was made")
	}
}

func TestQuotaIsShownAndNamedWhereItIsReached(t *testing.T) {
	h := newHost(t)
	h.want(h.do("sam@tiny", "POST", "/flags", good), 201)
	full := h.want(h.do("sam@tiny", "POST", "/flags", strings.Replace(good, "payouts", "refunds", 1)), 409)
	if !strings.HasSuffix(full.body["type"].(string), ":limit") || !strings.Contains(full.text, `"limit":{"what":"flags","limit":1}`) {
		t.Errorf("got %s", full.text)
	}
	shown := h.want(h.do("sam@tiny", "GET", "/flags/-/quotas", ""), 200)
	if want := `{"items":[{"what":"flags","limit":1,"used":1},{"what":"audiences","limit":1000,"used":0}],"next":""}`; strings.TrimSpace(shown.text) != want {
		t.Errorf("got %s, want %s", shown.text, want)
	}
	h.want(h.do("mallory@tiny", "GET", "/flags/-/quotas", ""), 403)
	h.want(h.do("sam@tiny", "GET", "/flags/-/quotas?what=1", ""), 400)
}
