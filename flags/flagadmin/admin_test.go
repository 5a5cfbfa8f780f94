package flagadmin_test

import (
	"context"
	"errors"
	"fmt"
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
	*httpapitest.Client
	t       *testing.T
	saved   *saved.Service
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
		Config: httpapi.Config{Identify: httpapitest.Identify, Tx: b, Idempotency: b.Idempotency(), Vault: vault, Saved: h.saved, Now: clock},
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
	t.Cleanup(func() {
		b.Close(context.WithoutCancel(t.Context()))
	})
	h.Client = httpapitest.Serve(t, mux, prefix, flagadmin.OpenAPI())
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

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
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
	created := h.Want(h.Do("sam@acme", "POST", "/flags?reason=ready", good), 201)
	if created.Header.Get("ETag") != `"1"` || created.Body["revision"] != 1.0 || at(created.Body, "environments", "prod", "enabled") != true {
		t.Errorf("got %s %v", created.Text, created.Header)
	}
	if taken := h.Want(h.Do("sam@acme", "POST", "/flags", good), 409); !strings.HasSuffix(taken.Body["type"].(string), ":flag_exists") {
		t.Errorf("got %s", taken.Text)
	}
	shown := h.Want(h.Do("audra@acme", "GET", "/flags/payouts", ""), 200)
	if shown.Text != created.Text || shown.Header.Get("ETag") != `"1"` {
		t.Errorf("got %s, want %s", shown.Text, created.Text)
	}
	next := with(`"default_variant":"off"`, `"default_variant":"on"`)
	h.Want(h.Do("sam@acme", "PUT", "/flags/payouts", next, `If-Match: "7"`), 409)
	h.Want(h.Do("sam@acme", "PUT", "/flags/payouts", next, `If-Match: 1`), 400)
	changed := h.Want(h.Do("sam@acme", "PUT", "/flags/payouts?reason=everybody", next, `If-Match: "1"`), 200)
	if at(changed.Body, "environments", "prod", "default_variant") != "on" || changed.Header.Get("ETag") != `"2"` {
		t.Errorf("got %s", changed.Text)
	}
	h.Want(h.Do("sam@acme", "DELETE", "/flags/payouts", "", `If-Match: "1"`), 409)
	h.Want(h.Do("sam@acme", "DELETE", "/flags/payouts?reason=done", "", `If-Match: "2"`), 204)
	h.Want(h.Do("sam@acme", "GET", "/flags/payouts", ""), 404)
	versions := h.Want(h.Do("sam@acme", "GET", "/flags/payouts/versions", ""), 200).Body["items"].([]any)
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
	h.Want(h.Do("sam@acme", "POST", "/flags", good), 201)
	read := h.Want(h.Do("sam@acme", "GET", "/flags/payouts", ""), 200)
	mine := strings.Replace(read.Text, `"owner":"finance"`, `"owner":"payments"`, 1)
	if got := h.Want(h.Do("sam@acme", "PUT", "/flags/payouts", mine), 200); got.Body["owner"] != "payments" {
		t.Errorf("got %s", got.Text)
	}
	// Somebody who read the same is too late.
	h.Want(h.Do("sam@acme", "PUT", "/flags/payouts", strings.Replace(read.Text, "finance", "ops", 1)), 409)
	h.Want(h.Do("sam@acme", "PUT", "/flags/payouts", strings.Replace(read.Text, "finance", "ops", 1), "If-Match: *"), 200)

	h.Want(h.Do("sam@acme", "PUT", "/audiences/vip", `{"include":["m-1"]}`), 200)
	read = h.Want(h.Do("sam@acme", "GET", "/audiences/vip", ""), 200)
	mine = strings.Replace(read.Text, `"m-1"`, `"m-2"`, 1)
	h.Want(h.Do("sam@acme", "PUT", "/audiences/vip", mine), 200)
	h.Want(h.Do("sam@acme", "PUT", "/audiences/vip", mine), 409)
}

func TestVersionsAndTheirDifferences(t *testing.T) {
	h := newHost(t)
	h.Want(h.Do("sam@acme", "POST", "/flags", good), 201)
	h.Want(h.Do("sam@acme", "PUT", "/flags/payouts", with(`"enabled":true`, `"enabled":false`)), 200)
	first := h.Want(h.Do("sam@acme", "GET", "/flags/payouts/versions/1", ""), 200)
	if at(first.Body, "flag", "environments", "prod", "enabled") != true || first.Body["action"] != flags.ActionCreate {
		t.Errorf("got %s", first.Text)
	}
	diff := h.Want(h.Do("sam@acme", "GET", "/flags/payouts/diff?from=1&to=2", ""), 200)
	if !strings.Contains(diff.Text, `{"op":"replace","path":"/environments/prod/enabled","before":true,"after":false}`) {
		t.Errorf("got %s", diff.Text)
	}
	for path, status := range map[string]int{
		"/flags/payouts/diff?from=1&to=9": 404, "/flags/payouts/diff?from=1": 400, "/flags/payouts/diff?from=x&to=1": 400,
		"/flags/payouts/versions/3": 404, "/flags/payouts/versions/x": 404, "/flags/none/versions": 404, "/flags/none/diff?from=1&to=1": 404,
	} {
		h.Want(h.Do("sam@acme", "GET", path, ""), status)
	}
	page := h.Want(h.Do("sam@acme", "GET", "/flags/payouts/versions?limit=1", ""), 200)
	next := page.Body["next"].(string)
	page = h.Want(h.Do("sam@acme", "GET", "/flags/payouts/versions?limit=1&after="+next, ""), 200)
	if at(page.Body["items"].([]any)[0], "revision") != 1.0 || page.Header.Get("Link") != "" {
		t.Errorf("got %s", page.Text)
	}
}

func TestEvaluationsShowTheirWay(t *testing.T) {
	h := newHost(t)
	h.Want(h.Do("sam@acme", "POST", "/flags", good), 201)
	ask := func(body string) httpapitest.Answer {
		return h.Want(h.Do("audra@acme", "POST", "/flags/payouts/evaluate", body), 200)
	}
	pro := ask(`{"environment":"prod","context":{"targetingKey":"m-1","plan":"pro","country":"DE"}}`)
	if pro.Body["value"] != true || pro.Body["variant"] != "on" || pro.Body["reason"] != "TARGETING_MATCH" || pro.Body["rule"] != "pro" || pro.Body["version"] != 1.0 {
		t.Errorf("got %s", pro.Text)
	}
	trace := pro.Body["trace"].([]any)
	if last := trace[len(trace)-1]; at(last, "kind") != "rule" || at(last, "name") != "pro" || at(last, "matched") != true {
		t.Errorf("got %s", pro.Text)
	}
	free := ask(`{"environment":"prod","context":{"targetingKey":"m-1","plan":"free"}}`)
	if free.Body["value"] != false || free.Body["reason"] != "DEFAULT" || free.Body["rule"] != "" {
		t.Errorf("got %s", free.Text)
	}
	elsewhere := ask(`{"environment":"dev","context":{"targetingKey":"m-1"}}`)
	if elsewhere.Body["value"] != nil || elsewhere.Body["reason"] != "DISABLED" {
		t.Errorf("got %s", elsewhere.Text)
	}
	draft := ask(`{"environment":"prod","context":{"targetingKey":"m-1","plan":"free"},"draft":` + with(`"pro","enterprise"`, `"free"`) + `}`)
	if draft.Body["value"] != true {
		t.Errorf("got %s", draft.Text)
	}
	if again := ask(`{"environment":"prod","context":{"targetingKey":"m-1","plan":"free"}}`); again.Text != free.Text {
		t.Errorf("after a draft was evaluated the flag is %s", again.Text)
	}
}

func TestPreviewNamesWhoWouldNotice(t *testing.T) {
	h := newHost(t)
	h.Want(h.Do("sam@acme", "POST", "/flags", good), 201)
	body := `{"environment":"prod","draft":` + with(`"path":"plan","op":"in","value":["pro","enterprise"]`, `"path":"targetingKey","op":"in","value":["m-3","m-4","m-5"]`) + `}`
	got := h.Want(h.Do("audra@acme", "POST", "/flags/payouts/preview", body), 200)
	if got.Body["subjects"] != 10.0 || got.Body["before"] != 4.0 || got.Body["after"] != 3.0 ||
		fmt.Sprint(got.Body["added"]) != "[m-4 m-5]" || fmt.Sprint(got.Body["removed"]) != "[m-0 m-1 m-2]" || fmt.Sprint(got.Body["changed"]) != "[]" {
		t.Errorf("got %s", got.Text)
	}
}

func TestKillAndRestore(t *testing.T) {
	h := newHost(t)
	h.Want(h.Do("sam@acme", "POST", "/flags", good), 201)
	killed := h.Want(h.Do("sam@acme", "POST", "/flags/payouts/kill", `{"environment":"prod","reason":"refunds fail"}`), 200)
	if at(killed.Body, "environments", "prod", "killed", "by") != "sam" || at(killed.Body, "environments", "prod", "killed", "reason") != "refunds fail" {
		t.Errorf("got %s", killed.Text)
	}
	// An edit does not take it back.
	h.Want(h.Do("sam@acme", "PUT", "/flags/payouts", good), 200)
	off := h.Want(h.Do("sam@acme", "POST", "/flags/payouts/evaluate", `{"environment":"prod","context":{"targetingKey":"m-1","plan":"pro"}}`), 200)
	if off.Body["value"] != false || off.Body["reason"] != "DISABLED" {
		t.Errorf("got %s", off.Text)
	}
	h.Want(h.Do("dana@acme", "POST", "/flags/payouts/restore", `{"environment":"prod","reason":"fixed"}`), 202)
	restored := h.Want(h.Do("sam@acme", "POST", "/flags/payouts/restore", `{"environment":"prod","reason":"fixed"}`), 200)
	if at(restored.Body, "environments", "prod", "killed") != nil {
		t.Errorf("got %s", restored.Text)
	}
}

func TestOverridesComeAndGo(t *testing.T) {
	h := newHost(t)
	h.Want(h.Do("sam@acme", "POST", "/flags", good), 201)
	body := `{"environment":"prod","attribute":"actor","subject":"tess","variant":"on","until":"2026-03-02T12:00:00Z","reason":"release test"}`
	set := h.Want(h.Do("sam@acme", "POST", "/flags/payouts/overrides", body), 200)
	overrides := at(set.Body, "environments", "prod", "overrides").([]any)
	if len(overrides) != 1 || at(overrides[0], "kind") != "qa" || at(overrides[0], "by") != "sam" {
		t.Fatalf("got %s", set.Text)
	}
	ask := func() any {
		return h.Want(h.Do("sam@acme", "POST", "/flags/payouts/evaluate", `{"environment":"prod","context":{"targetingKey":"x","actor":"tess"}}`), 200).Body["value"]
	}
	if ask() != true {
		t.Error("the override does not hold")
	}
	id := at(overrides[0], "id").(string)
	h.Want(h.Do("sam@acme", "DELETE", "/flags/payouts/overrides/none?environment=prod", ""), 404)
	h.Want(h.Do("sam@acme", "DELETE", "/flags/payouts/overrides/"+id+"?environment=prod&reason=done", ""), 200)
	if ask() != false {
		t.Error("the override holds on")
	}
}

func TestAudienceOverHTTP(t *testing.T) {
	h := newHost(t)
	saved := h.Want(h.Do("sam@acme", "PUT", "/audiences/vip?reason=launch", `{"description":"the best","include":["m-7"],"when":{"path":"plan","op":"eq","value":"pro"}}`), 200)
	if saved.Body["key"] != "vip" || saved.Header.Get("ETag") != `"1"` {
		t.Errorf("got %s", saved.Text)
	}
	h.Want(h.Do("sam@acme", "POST", "/flags", with(`{"path":"plan","op":"in","value":["pro","enterprise"]}`, `{"audience":"vip"}`)), 201)
	shown := h.Want(h.Do("audra@acme", "GET", "/audiences/vip", ""), 200)
	if fmt.Sprint(shown.Body["users"]) != "[flag payouts]" || at(shown.Body, "when", "path") != "plan" {
		t.Errorf("got %s", shown.Text)
	}
	inUse := h.Want(h.Do("sam@acme", "DELETE", "/audiences/vip", ""), 409)
	if !strings.HasSuffix(inUse.Body["type"].(string), ":audience_in_use") || !strings.Contains(inUse.Text, "flag payouts") {
		t.Errorf("got %s", inUse.Text)
	}
	list := h.Want(h.Do("audra@acme", "GET", "/audiences?limit=1", ""), 200)
	if n := len(list.Body["items"].([]any)); n != 1 {
		t.Errorf("got %s", list.Text)
	}
	h.Want(h.Do("nina@bloom", "GET", "/audiences/vip", ""), 404)
	h.Want(h.Do("sam@acme", "DELETE", "/flags/payouts", ""), 204)
	h.Want(h.Do("sam@acme", "DELETE", "/audiences/vip?reason=over", "", `If-Match: "9"`), 409)
	h.Want(h.Do("sam@acme", "DELETE", "/audiences/vip?reason=over", "", `If-Match: "1"`), 204)
	h.Want(h.Do("sam@acme", "GET", "/audiences/vip", ""), 404)
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
	h.Want(h.Do("sam@acme", "POST", "/flags", good), 201)
	h.Want(h.Do("sam@acme", "POST", "/flags/payouts/overrides", `{"environment":"prod","id":"o","kind":"tenant","attribute":"merchantId","subject":"m-1","variant":"on"}`), 200)
	h.Want(h.Do("sam@acme", "PUT", "/audiences/vip", `{"include":["m-1"]}`), 200)
	return h
}

func TestChangeThatWaitsForApprovalIsAccepted(t *testing.T) {
	h := prepared(t)
	before := h.Do("sam@acme", "GET", "/flags", "").Text + h.Do("sam@acme", "GET", "/audiences", "").Text
	for _, c := range changes {
		got := h.Want(h.Do("dana@acme", c.method, c.path, c.body), 202)
		if got.Body["status"] != "awaiting_approval" || got.Body["request_id"] != "req-1" {
			t.Errorf("%s %s: got %s", c.method, c.path, got.Text)
		}
	}
	if after := h.Do("sam@acme", "GET", "/flags", "").Text + h.Do("sam@acme", "GET", "/audiences", "").Text; after != before {
		t.Errorf("something was changed:\n%s\n%s", before, after)
	}
}

func TestWhoeverMayNotChangesNothing(t *testing.T) {
	h := prepared(t)
	for _, c := range changes {
		denied := h.Want(h.Do("audra@acme", c.method, c.path, c.body), 403)
		if at(denied.Body, "reason", "code") != "read_only" {
			t.Errorf("%s %s: got %s", c.method, c.path, denied.Text)
		}
		h.Want(h.Do("", c.method, c.path, c.body), 401)
	}
	for _, path := range []string{"/flags", "/flags/payouts", "/flags/payouts/versions", "/flags/payouts/versions/1", "/flags/payouts/diff?from=1&to=2", "/audiences", "/audiences/vip"} {
		h.Want(h.Do("mallory@acme", "GET", path, ""), 403)
		h.Want(h.Do("", "GET", path, ""), 401)
		h.Want(h.Do("audra@acme", "GET", path, ""), 200)
		if path != "/flags" && path != "/audiences" {
			h.Want(h.Do("nina@bloom", "GET", path, ""), 404)
		}
	}
	for _, path := range []string{"/flags/payouts/evaluate", "/flags/payouts/preview"} {
		body := `{"environment":"prod","draft":` + good + `}`
		h.Want(h.Do("mallory@acme", "POST", path, body), 403)
		h.Want(h.Do("audra@acme", "POST", path, body), 200)
	}
	for _, c := range changes {
		if c.path != "/flags" && c.path != "/audiences/vip" {
			h.Want(h.Do("nina@bloom", c.method, c.path, c.body), 404)
		}
	}
}

func TestListsArePaged(t *testing.T) {
	h := newHost(t)
	for i := range 5 {
		h.Want(h.Do("sam@acme", "POST", "/flags", with("payouts", fmt.Sprintf("flag-%d", i))), 201)
	}
	seen := map[string]bool{}
	path := "/flags?limit=2"
	for range 3 {
		page := h.Want(h.Do("sam@acme", "GET", path, ""), 200)
		for _, item := range page.Body["items"].([]any) {
			seen[at(item, "key").(string)] = true
		}
		if page.Body["next"] == "" {
			break
		}
		link := strings.TrimSuffix(strings.TrimPrefix(page.Header.Get("Link"), "<"), `>; rel="next"`)
		path = strings.TrimPrefix(link, prefix)
	}
	if len(seen) != 5 {
		t.Errorf("the pages hold %v", maps.Keys(seen))
	}
	h.Want(h.Do("sam@acme", "GET", "/flags?after=x", ""), 400)
	h.Want(h.Do("sam@acme", "GET", "/flags?limt=2", ""), 400)
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
			got := h.Do("sam@acme", c.method, c.path, c.body, "Content-Type: application/json")
			if got.Status != c.status || !strings.HasPrefix(got.Header.Get("Content-Type"), "application/problem+json") {
				t.Fatalf("got %d %s, want %d", got.Status, got.Text, c.status)
			}
			if c.pointer != "" && !strings.Contains(got.Text, `"pointer":"`+c.pointer+`"`) {
				t.Errorf("got %s, want the pointer %s", got.Text, c.pointer)
			}
		})
	}
}

func TestARevisionOfWhatIsNotThereIs404(t *testing.T) {
	h := prepared(t)
	h.Do("sam@acme", "PUT", "/audiences/gone", `{}`, "Content-Type: application/json")
	h.Do("sam@acme", "DELETE", "/audiences/gone", "")
	for _, c := range []struct{ method, path, body string }{
		{"PUT", "/flags/none", with("payouts", "none")},
		{"DELETE", "/flags/none", ""},
		{"DELETE", "/audiences/none", ""},
		{"DELETE", "/audiences/gone", ""},
	} {
		if got := h.Do("sam@acme", c.method, c.path, c.body, "Content-Type: application/json", `If-Match: "7"`); got.Status != 404 {
			t.Errorf("%s %s: got %d %s, want 404", c.method, c.path, got.Status, got.Text)
		}
	}
	if got := h.Do("sam@acme", "DELETE", "/flags/payouts", "", `If-Match: "7"`); got.Status != 409 {
		t.Errorf("a flag that is at another revision: got %d %s, want 409", got.Status, got.Text)
	}
}

func TestRepeatedCreationIsOneFlag(t *testing.T) {
	h := newHost(t)
	first := h.Want(h.Do("sam@acme", "POST", "/flags", good, "Idempotency-Key: k1"), 201)
	again := h.Want(h.Do("sam@acme", "POST", "/flags", good, "Idempotency-Key: k1"), 201)
	if first.Text != again.Text {
		t.Errorf("got %s, then %s", first.Text, again.Text)
	}
	h.Want(h.Do("sam@acme", "POST", "/flags", with("finance", "ops"), "Idempotency-Key: k1"), 409)
	h.Want(h.Do("sam@acme", "POST", "/flags?reason=other", good, "Idempotency-Key: k1"), 409)
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
	h.Want(h.Do("sam@tiny", "POST", "/flags", good), 201)
	full := h.Want(h.Do("sam@tiny", "POST", "/flags", strings.Replace(good, "payouts", "refunds", 1)), 409)
	if !strings.HasSuffix(full.Body["type"].(string), ":limit") || !strings.Contains(full.Text, `"limit":{"what":"flags","limit":1}`) {
		t.Errorf("got %s", full.Text)
	}
	shown := h.Want(h.Do("sam@tiny", "GET", "/flags/-/quotas", ""), 200)
	if want := `{"items":[{"what":"flags","limit":1,"used":1},{"what":"audiences","limit":1000,"used":0}],"next":""}`; strings.TrimSpace(shown.Text) != want {
		t.Errorf("got %s, want %s", shown.Text, want)
	}
	h.Want(h.Do("mallory@tiny", "GET", "/flags/-/quotas", ""), 403)
	h.Want(h.Do("sam@tiny", "GET", "/flags/-/quotas?what=1", ""), 400)
}
