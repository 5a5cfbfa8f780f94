package portal_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/approvals/portal"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/httpapi/httpapitest"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/listing/saved"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/secrets"
)

const prefix = "/api/v1/approvals"

// A host is a portal over one Service, with a client whose every answer is held
// against the OpenAPI document.
type host struct {
	*httpapitest.Client
	t     *testing.T
	saved *saved.Service
	guard *approvals.Guard[refund]
	svc   *approvals.Service
	store approvals.Store
}

type refund struct {
	Amount string `json:"amount"`
}

// newHost has every refund wait for a manager.
func newHost(t *testing.T) *host {
	t.Helper()
	backend, err := memory.New(memory.Config{})
	must(t, err)
	queue, err := jobs.NewQueue(backend.Jobs(), jobs.Config{})
	must(t, err)
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, append(approvals.Actions(), audit.Action{Name: "orders.refund"})...)
	must(t, err)
	directory := approvals.DirectoryFunc(func(_ context.Context, tenant string, a audit.Actor) ([]string, error) {
		if tenant == "acme" && (a.ID == "marco" || a.ID == "olivia") {
			return []string{"manager"}, nil
		}
		return nil, nil
	})
	h := &host{t: t, store: backend.Approvals()}
	h.svc, err = approvals.New(backend, backend.Approvals(), queue, directory, catalog, audit.Disabled, approvals.Config{
		Policies: map[string]approvals.Policy{"": {Stages: []approvals.StageRule{
			{Name: "managers", Required: 2, Roles: []string{"manager"}},
			{Name: "owner", Users: []string{"nina"}, When: &targeting.Condition{Path: "/payload/amount", Op: targeting.Greater, Value: targeting.Int(1000)}},
		}}},
	})
	must(t, err)
	needed := audit.GateFunc(func(context.Context, audit.Event) (audit.Verdict, error) {
		return audit.Verdict{Effect: audit.NeedsApproval}, nil
	})
	governor, err := audit.NewGovernor(backend, approvals.Gate(needed, h.svc), audit.Disabled, catalog)
	must(t, err)
	h.guard, err = approvals.NewGuard(governor, h.svc, "orders.refund",
		func(context.Context, *audit.Event, refund) error { return nil }, approvals.GuardConfig{})
	must(t, err)

	keys, err := secrets.Generate()
	must(t, err)
	vault, err := secrets.New(keys)
	must(t, err)
	h.saved, err = saved.New(backend.SavedFilters(), []saved.List{saved.Of(approvals.Requests(approvals.TabPending))}, saved.Config{})
	must(t, err)
	surface, err := portal.New(h.svc, portal.Config{
		Config: httpapi.Config{Identify: httpapitest.Identify, Tx: backend, Idempotency: backend.Idempotency(), Vault: vault, Saved: h.saved},
		Authorize: func(_ context.Context, who httpapi.Identity) error {
			if who.Actor.ID == "dana" {
				return &audit.DeniedError{Verdict: audit.Verdict{Reason: audit.Reason{Code: "not_a_reader"}}}
			}
			return nil
		},
	})
	must(t, err)
	mux := http.NewServeMux()
	mux.Handle(prefix+"/", http.StripPrefix(prefix, surface))
	h.Client = httpapitest.Serve(t, mux, prefix, portal.OpenAPI())
	return h
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ask has sam refund an order and returns the id of the request.
func (h *host) ask(order string) string {
	h.t.Helper()
	ctx := audit.WithActor(h.t.Context(), audit.Actor{Type: audit.User, ID: "sam", Name: "Sam"})
	_, err := h.guard.Do(ctx, approvals.Change[refund]{
		Tenant: "acme", Resource: audit.Resource{Type: "order", ID: order}, Payload: refund{"150.00"}, BaseRevision: "3",
		Before: json.RawMessage(`{"refunded":"0.00","status":"paid"}`), After: json.RawMessage(`{"refunded":"150.00","status":"paid"}`),
		Reason: "damaged",
	})
	var pending *approvals.PendingError
	if !errors.As(err, &pending) {
		h.t.Fatal(err)
	}
	return pending.RequestID
}

// do sends a request and returns the status and the decoded body.
func (h *host) do(who, method, path, body string, header ...string) (int, map[string]any) {
	h.t.Helper()
	a := h.Do(who, method, path, body, header...)
	return a.Status, a.Body
}

func code(problem map[string]any) any {
	reason, _ := problem["reason"].(map[string]any)
	return reason["code"]
}

func TestDecidingOverHTTP(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, who, body string
		status          int
		code, pointer   string
	}{
		{"a manager may approve", "marco@acme", `{"decision":"approve","revision":1}`, 200, "", ""},
		{"the author may not", "sam@acme", `{"decision":"approve","revision":1}`, 403, "author", ""},
		{"the author may comment", "sam@acme", `{"decision":"comment","comment":"please","revision":1}`, 200, "", ""},
		{"a stranger may not", "bob@acme", `{"decision":"approve","revision":1}`, 403, "not_an_approver", ""},
		{"a stranger may not even comment", "bob@acme", `{"decision":"comment","comment":"hi","revision":1}`, 403, "not_an_approver", ""},
		{"another tenant has no such request", "marco@bloom", `{"decision":"approve","revision":1}`, 404, "", ""},
		{"nobody is asked to say who they are", "", `{"decision":"approve","revision":1}`, 401, "", ""},
		{"a revision that was never there is stale", "marco@acme", `{"decision":"approve","revision":2}`, 409, "stale_revision", ""},
		{"declining needs a comment", "marco@acme", `{"decision":"decline","revision":1}`, 422, "", "/comment"},
		{"requesting changes needs a comment", "marco@acme", `{"decision":"request_changes","revision":1}`, 422, "", "/comment"},
		{"a comment needs a text", "marco@acme", `{"decision":"comment","revision":1}`, 422, "", "/comment"},
		{"a decision is one of four words", "marco@acme", `{"decision":"Approve","revision":1}`, 422, "", "/decision"},
		{"the triggers of the machine are no decisions", "marco@acme", `{"decision":"complete","revision":1}`, 422, "", "/decision"},
		{"the revision has to be said", "marco@acme", `{"decision":"approve"}`, 422, "", "/revision"},
		{"a comment is bounded", "marco@acme", `{"decision":"approve","revision":1,"comment":"` + strings.Repeat("x", 4097) + `"}`, 422, "", "/comment"},
		{"a NUL is no text", "marco@acme", `{"decision":"approve","revision":1,"comment":"\u0000"}`, 422, "", "/comment"},
		{"an unknown field is refused", "marco@acme", `{"decision":"approve","revision":1,"force":true}`, 400, "", "/force"},
		{"a field twice is refused", "marco@acme", `{"decision":"decline","decision":"approve","revision":1}`, 400, "", "/decision"},
		{"a field in another case is refused", "marco@acme", `{"Decision":"approve","revision":1}`, 400, "", "/Decision"},
		{"a revision is a number", "marco@acme", `{"decision":"approve","revision":"1"}`, 400, "", "/revision"},
		{"a body is needed", "marco@acme", ``, 400, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			id := h.ask("order-1")
			status, body := h.do(c.who, "POST", "/requests/"+id+"/decisions", c.body)
			if status != c.status {
				t.Fatalf("status %d, want %d: %v", status, c.status, body)
			}
			if c.code != "" && code(body) != c.code {
				t.Errorf("code %v, want %s", code(body), c.code)
			}
			if c.pointer != "" {
				errs, _ := body["errors"].([]any)
				if len(errs) != 1 || errs[0].(map[string]any)["pointer"] != c.pointer {
					t.Errorf("errors %v, want one at %s", errs, c.pointer)
				}
			}
		})
	}
}

func TestRequestAsItIsServed(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	id := h.ask("order-1")
	status, body := h.do("marco@acme", "GET", "/requests/"+id, "")
	if status != 200 || body["state"] != "awaiting_approval" || fmt.Sprint(body["requested_by"]) != "map[id:sam name:Sam type:user]" {
		t.Fatalf("%d %v", status, body)
	}
	if got := fmt.Sprint(body["diff"]); got != "[map[after:150.00 before:0.00 op:replace path:/refunded]]" {
		t.Errorf("diff %s", got)
	}
	if got := fmt.Sprint(body["you"]); got != "map[may_decide:true]" {
		t.Errorf("you, as the approver: %s", got)
	}
	if _, body := h.do("sam@acme", "GET", "/requests/"+id, ""); code(body["you"].(map[string]any)) != "author" {
		t.Errorf("you, as the author: %v", body["you"])
	}
	if status, _ := h.do("nina@bloom", "GET", "/requests/"+id, ""); status != 404 {
		t.Errorf("another tenant got %d, want 404", status)
	}
	h.do("marco@acme", "POST", "/requests/"+id+"/decisions", `{"decision":"approve","revision":1,"comment":"fine"}`)
	if status, body := h.do("marco@acme", "POST", "/requests/"+id+"/decisions", `{"decision":"approve","revision":1}`); status != 409 || code(body) != "already_voted" {
		t.Errorf("a second vote: %d %v", status, body)
	}
	status, body = h.do("olivia@acme", "POST", "/requests/"+id+"/decisions", `{"decision":"approve","revision":1}`)
	if status != 200 || body["state"] != "approved" {
		t.Fatalf("the last approval: %d %v", status, body)
	}
	stages := body["stages"].([]any)[0].(map[string]any)
	if stages["status"] != "approved" || len(stages["approved_by"].([]any)) != 2 {
		t.Errorf("stages %v", stages)
	}
	skipped := fmt.Sprint(body["stages"].([]any)[1])
	if want := "map[approved_by:[] name:owner reason:map[code:condition_false text:/payload/amount gt 1000 does not hold] required:1 status:skipped]"; skipped != want {
		t.Errorf("the stage that nobody was asked at: %s, want %s", skipped, want)
	}
	if _, told := stages["reason"]; told {
		t.Errorf("a stage without a condition has a reason: %v", stages)
	}
	var verbs []string
	for _, e := range body["timeline"].([]any) {
		verbs = append(verbs, fmt.Sprint(e.(map[string]any)["verb"]))
	}
	if got := strings.Join(verbs, " "); got != "submitted endorsed approved" {
		t.Errorf("timeline %q", got)
	}
	if status, body := h.do("marco@acme", "POST", "/requests/"+id+"/decisions", `{"decision":"approve","revision":1}`); status != 409 || code(body) != "approved" {
		t.Errorf("a decision on a decided request: %d %v", status, body)
	}
}

func TestInboxOverHTTP(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	var ids []string
	for i := range 3 {
		ids = append(ids, h.ask(fmt.Sprint("order-", i)))
	}
	if status, _ := h.do("sam@acme", "POST", "/requests/"+ids[1]+"/cancel", `{"reason":"found it"}`); status != 200 {
		t.Fatalf("cancel: %d", status)
	}
	_, page := h.do("marco@acme", "GET", "/requests?limit=1", "")
	if got := page["items"].([]any)[0].(map[string]any)["id"]; got != ids[0] {
		t.Errorf("the first pending request is %v, want the oldest %s", got, ids[0])
	}
	if got := fmt.Sprint(page["counts"]); got != "map[Done:1 Pending:2 Snoozed:0]" {
		t.Errorf("counts %s", got)
	}
	_, page = h.do("marco@acme", "GET", "/requests?limit=1&after="+page["next"].(string), "")
	if got := page["items"].([]any)[0].(map[string]any)["id"]; got != ids[2] || page["next"] != "" {
		t.Errorf("the second page has %v and continues at %q", got, page["next"])
	}
	_, page = h.do("marco@acme", "GET", "/requests?tab=Done", "")
	if got := page["items"].([]any); len(got) != 1 || got[0].(map[string]any)["state"] != "cancelled" {
		t.Errorf("done %v", got)
	}
	for path, want := range map[string]int{
		"/requests?tab=done": 400, "/requests?limit=0": 400, "/requests?after=x": 400, "/requests?state=draft": 400, "/requests?tab=Done&tab=Pending": 400,
	} {
		if status, _ := h.do("marco@acme", "GET", path, ""); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	if _, page := h.do("nina@bloom", "GET", "/requests", ""); len(page["items"].([]any)) != 0 {
		t.Errorf("another tenant sees %v", page["items"])
	}
}

func TestCancellingOverHTTP(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	id := h.ask("order-1")
	if status, body := h.do("marco@acme", "POST", "/requests/"+id+"/cancel", ""); status != 403 || code(body) != "not_an_author" {
		t.Errorf("somebody else: %d %v", status, body)
	}
	if status, _ := h.do("sam@bloom", "POST", "/requests/"+id+"/cancel", ""); status != 404 {
		t.Errorf("another tenant: %d", status)
	}
	if status, body := h.do("sam@acme", "POST", "/requests/"+id+"/cancel", ""); status != 200 || body["state"] != "cancelled" {
		t.Errorf("the author, without a body: %d %v", status, body)
	}
	if status, body := h.do("sam@acme", "POST", "/requests/"+id+"/cancel", ""); status != 409 || code(body) != "cancelled" {
		t.Errorf("once more: %d %v", status, body)
	}
}

func TestRepeatedDecisionGivesTheSameAnswer(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	id := h.ask("order-1")
	const body = `{"decision":"approve","revision":1}`
	refused, _ := h.do("sam@acme", "POST", "/requests/"+id+"/decisions", body, "Idempotency-Key: k")
	if refused != 403 {
		t.Fatalf("the author: %d", refused)
	}
	_, h1, err := h.svc.Get(t.Context(), "acme", id)
	must(t, err)
	first, one := h.do("marco@acme", "POST", "/requests/"+id+"/decisions", body, "Idempotency-Key: k")
	again, two := h.do("marco@acme", "POST", "/requests/"+id+"/decisions", body, "Idempotency-Key: k")
	if first != 200 || again != 200 || fmt.Sprint(one) != fmt.Sprint(two) {
		t.Errorf("%d %v\n%d %v", first, one, again, two)
	}
	_, h2, err := h.svc.Get(t.Context(), "acme", id)
	must(t, err)
	if len(h2.Decisions) != len(h1.Decisions)+1 {
		t.Errorf("%d decisions, want one more than %d", len(h2.Decisions), len(h1.Decisions))
	}
	if status, _ := h.do("marco@acme", "POST", "/requests/"+id+"/decisions", `{"decision":"decline","revision":1,"comment":"no"}`, "Idempotency-Key: k"); status != 409 {
		t.Errorf("the same key with another body: %d, want 409", status)
	}
}

func TestWhomTheHostLetsNotReadSeesNothing(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	id := h.ask("order-1")
	for _, path := range []string{"/requests", "/requests/" + id} {
		status, body := h.do("dana@acme", "GET", path, "")
		if status != 403 || strings.Contains(fmt.Sprint(body), "order-1") {
			t.Errorf("GET %s: %d %v, want 403 and nothing of the request", path, status, body)
		}
	}
}

func TestDocumentCoversTheHandler(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	surface, err := portal.New(h.svc, portal.Config{Config: httpapi.Config{Identify: httpapitest.Identify}})
	must(t, err)
	httpapitest.Load(t, portal.OpenAPI()).Covers(t, surface)
	w := httptest.NewRecorder()
	surface.ServeHTTP(w, httptest.NewRequest("GET", "/openapi.json", nil))
	if w.Code != 200 || w.Body.String() != string(portal.OpenAPI()) {
		t.Errorf("the document is not served as it is: %d", w.Code)
	}
}

func TestNewRefusesHalfAPortal(t *testing.T) {
	t.Parallel()
	if _, err := portal.New(nil, portal.Config{Config: httpapi.Config{Identify: httpapitest.Identify}}); err == nil {
		t.Error("a portal without a service was made")
	}
	if _, err := portal.New(newHost(t).svc, portal.Config{}); err == nil {
		t.Error("a portal without Identify was made")
	}
}
