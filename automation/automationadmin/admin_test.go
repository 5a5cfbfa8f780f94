package automationadmin_test

import (
	"encoding/json"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi/httpapitest"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/automation/automationadmin"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

const good = `{"name":"Large refunds","automation_environment":"prod","trigger":{"type":"event","event_type":"lumelle.orders.v1.refunded"},` +
	`"conditions":{"all":[{"path":"/data/amount","op":"gte","value":100}]},` +
	`"steps":[{"name":"tell","action":"test.probe","with":{"order":{"$ref":"/subject"},"key":"SECRET"},"retry":{"attempts":2,"delay":"1ms"},"timeout":"30s"}],` +
	`"on_failure":[{"name":"note","action":"notify.log","with":{"message":"it failed"}}]}`

func TestRuleOverHTTP(t *testing.T) { eachtest.Run(t, ruleOverHTTP) }

func ruleOverHTTP(t *testing.T, b eachtest.Backend) {
	h := newHost(t, b)
	created := h.Want(h.Do("sam@acme", "POST", "/rules", good), 201)
	id := created.Body["id"].(string)
	if created.Body["enabled"] != false || created.Header.Get("ETag") != `"1"` || created.At(t, "owner/id") != "sam" || strings.Contains(created.Text, "HIDDEN") {
		t.Errorf("got %s %v", created.Text, created.Header)
	}
	shown := h.Want(h.Do("audra@acme", "GET", "/rules/"+id, ""), 200)
	if shown.Text != created.Text {
		t.Errorf("got %s, was created as %s", shown.Text, created.Text)
	}
	var in map[string]any
	must(t, json.Unmarshal([]byte(good), &in))
	for name, want := range in {
		got := shown.Body[name]
		if name == "steps" { // spans are written in one form
			want.([]any)[0].(map[string]any)["timeout"] = map[string]any{"step": "30s"}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	h.Want(h.Do("sam@acme", "PUT", "/rules/"+id, good, `If-Match: "7"`), 409)
	h.Want(h.Do("sam@acme", "PUT", "/rules/"+id, good, `If-Match: 1`), 400)
	changed := h.Want(h.Do("nina@acme", "PUT", "/rules/"+id, strings.Replace(good, "Large", "Larger", 1), `If-Match: "1"`), 200)
	if changed.Body["name"] != "Larger refunds" || changed.Header.Get("ETag") != `"2"` || changed.Body["version"] != 2.0 || changed.At(t, "owner/id") != "nina" {
		t.Errorf("got %s", changed.Text)
	}
	on := h.Want(h.Do("sam@acme", "POST", "/rules/"+id+"/enable", `{"reason":"go"}`), 200)
	if on.Body["enabled"] != true || on.Header.Get("ETag") != `"3"` {
		t.Errorf("got %s", on.Text)
	}
	h.Want(h.Do("sam@acme", "POST", "/rules/"+id+"/enable", ""), 200)
	draft := h.Want(h.Do("sam@acme", "PUT", "/rules/"+id, strings.Replace(good, `"prod"`, `"draft"`, 1)), 409)
	if !strings.HasSuffix(draft.Body["type"].(string), ":draft_rule") {
		t.Errorf("got %s", draft.Text)
	}
	off := h.Want(h.Do("sam@acme", "POST", "/rules/"+id+"/disable", ""), 200)
	if off.Body["enabled"] != false {
		t.Errorf("got %s", off.Text)
	}
	versions := h.Want(h.Do("sam@acme", "GET", "/rules/"+id+"/versions", ""), 200)
	if versions.At(t, "items/0/version") != 2.0 || versions.At(t, "items/1/created_by/id") != "sam" {
		t.Errorf("got %s", versions.Text)
	}
	first := h.Want(h.Do("sam@acme", "GET", "/rules/"+id+"/versions/1", ""), 200)
	if first.At(t, "definition/name") != "Large refunds" || first.Body["hash"] != versions.At(t, "items/1/hash") {
		t.Errorf("got %s", first.Text)
	}
}

// A page reads a rule, changes a word and sends all of it back.
func TestRuleComesBackChanged(t *testing.T) {
	h := newHost(t, eachtest.Memory(t))
	created := h.Want(h.Do("sam@acme", "POST", "/rules", good), 201)
	id := created.Body["id"].(string)
	edited := strings.Replace(created.Text, "Large refunds", "Edited", 1)
	changed := h.Want(h.Do("sam@acme", "PUT", "/rules/"+id, edited), 200)
	if changed.Body["name"] != "Edited" || changed.Body["revision"] != 2.0 || !reflect.DeepEqual(changed.Body["steps"], created.Body["steps"]) {
		t.Errorf("got %s", changed.Text)
	}
	h.Want(h.Do("sam@acme", "PUT", "/rules/"+id, edited), 409)
	h.Want(h.Do("sam@acme", "PUT", "/rules/"+id, edited, `If-Match: "2"`), 200)
	h.Want(h.Do("sam@acme", "PUT", "/rules/"+id, edited, `If-Match: *`), 200)
	got := h.Want(h.Do("sam@acme", "PUT", "/rules/"+id, strings.Replace(edited, id, "another", 1)), 422)
	if got.At(t, "errors/0/pointer") != "/id" {
		t.Errorf("got %s", got.Text)
	}
}

func TestChangeThatWaitsForApprovalIsAccepted(t *testing.T) {
	h := newHost(t, eachtest.Memory(t))
	id := h.rule(`{"name":"ask","action":"approval.request","with":{"action":"orders.refund","resource":{"type":"order","id":"1"}}}`)
	h.happens("orders.refund", "1", `{"amount":1}`)
	run := h.until("status=waiting")["id"].(string)
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/rules", good}, {"PUT", "/rules/" + id, good}, {"POST", "/rules/" + id + "/disable", ""}, {"POST", "/rules/" + id + "/enable", ""},
		{"POST", "/runs/" + run + "/rerun", ""}, {"POST", "/runs/" + run + "/cancel", ""},
	} {
		got := h.Want(h.Do("dana@acme", c.method, c.path, c.body), 202)
		if got.Body["status"] != "awaiting_approval" || got.Body["request_id"] != "req-1" {
			t.Errorf("%s %s: got %s", c.method, c.path, got.Text)
		}
	}
	again := []httpapitest.Answer{h.Do("dana@acme", "POST", "/rules", good, "Idempotency-Key: k"), h.Do("dana@acme", "POST", "/rules", good, "Idempotency-Key: k")}
	if again[0].Status != 202 || again[0].Text != again[1].Text {
		t.Errorf("got %+v", again)
	}
	// Sent again without a key it is the same change, which approvals take for one request.
	h.Want(h.Do("dana@acme", "POST", "/rules", good), 202)
	h.mu.Lock()
	first, second := h.asked[len(h.asked)-2], h.asked[len(h.asked)-1]
	h.mu.Unlock()
	if first.Action != automation.ActionCreate || first.Resource != second.Resource || string(first.Payload) != string(second.Payload) {
		t.Errorf("asked about %+v, then about %+v", first, second)
	}
	page := h.Want(h.Do("sam@acme", "GET", "/rules", ""), 200)
	if items := page.Body["items"].([]any); len(items) != 1 || items[0].(map[string]any)["version"] != 1.0 || items[0].(map[string]any)["enabled"] != true {
		t.Errorf("something was changed: %s", page.Text)
	}
	if got := h.until("limit=5"); got["status"] != "waiting" {
		t.Errorf("something was changed: %v", got)
	}
}

func TestListsArePaged(t *testing.T) {
	h := newHost(t, eachtest.Memory(t))
	for range 5 {
		h.Want(h.Do("sam@acme", "POST", "/rules", good), 201)
	}
	seen := map[string]bool{}
	path := "/rules?limit=2"
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
	for _, path := range []string{"/rules", "/runs"} {
		other := h.Want(h.Do("nina@bloom", "GET", path, ""), 200)
		if n := len(other.Body["items"].([]any)); n != 0 {
			t.Errorf("another tenant sees %d of %s", n, path)
		}
	}
}

func TestRepeatedCreationIsOneRule(t *testing.T) {
	h := newHost(t, eachtest.Memory(t))
	first := h.Want(h.Do("sam@acme", "POST", "/rules", good, "Idempotency-Key: k1"), 201)
	again := h.Want(h.Do("sam@acme", "POST", "/rules", good, "Idempotency-Key: k1"), 201)
	if first.Text != again.Text || again.Header.Get("ETag") != `"1"` {
		t.Errorf("got %s, then %s", first.Text, again.Text)
	}
	h.Want(h.Do("sam@acme", "POST", "/rules", strings.Replace(good, "Large", "Small", 1), "Idempotency-Key: k1"), 409)
	page := h.Want(h.Do("sam@acme", "GET", "/rules", ""), 200)
	if n := len(page.Body["items"].([]any)); n != 1 {
		t.Errorf("there are %d rules", n)
	}
}

func TestRefusalsOverHTTP(t *testing.T) {
	h := newHost(t, eachtest.Memory(t))
	id := h.Want(h.Do("sam@acme", "POST", "/rules", good), 201).Body["id"].(string)
	draft := h.Want(h.Do("sam@acme", "POST", "/rules", strings.Replace(good, `"prod"`, `"draft"`, 1)), 201).Body["id"].(string)
	with := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for _, c := range []struct {
		name, who, method, path, body string
		status                        int
		pointer                       string
	}{
		{"nobody", "", "GET", "/rules", "", 401, ""},
		{"who may not read", "mallory@acme", "GET", "/rules", "", 403, ""},
		{"who may not read runs", "mallory@acme", "GET", "/runs", "", 403, ""},
		{"who may not read the catalogue", "mallory@acme", "GET", "/catalog", "", 403, ""},
		{"who may not test", "mallory@acme", "POST", "/rules/" + id + "/test", "", 403, ""},
		{"who may not test a definition", "mallory@acme", "POST", "/rules/test", `{"definition":` + good + `}`, 403, ""},
		{"who may only read", "audra@acme", "POST", "/rules", good, 403, ""},
		{"who may only read changes", "audra@acme", "PUT", "/rules/" + id, good, 403, ""},
		{"who may only read enables", "audra@acme", "POST", "/rules/" + id + "/enable", "", 403, ""},
		{"another tenant's rule", "nina@bloom", "GET", "/rules/" + id, "", 404, ""},
		{"another tenant's versions", "nina@bloom", "GET", "/rules/" + id + "/versions", "", 404, ""},
		{"another tenant's version", "nina@bloom", "GET", "/rules/" + id + "/versions/1", "", 404, ""},
		{"changing another tenant's rule", "nina@bloom", "PUT", "/rules/" + id, good, 404, ""},
		{"enabling another tenant's rule", "nina@bloom", "POST", "/rules/" + id + "/enable", "", 404, ""},
		{"disabling another tenant's rule", "nina@bloom", "POST", "/rules/" + id + "/disable", "", 404, ""},
		{"testing another tenant's rule", "nina@bloom", "POST", "/rules/" + id + "/test", "", 404, ""},
		{"an id with NUL", "sam@acme", "GET", "/rules/a%00b", "", 404, ""},
		{"a version that is none", "sam@acme", "GET", "/rules/" + id + "/versions/one", "", 404, ""},
		{"a version that is not yet", "sam@acme", "GET", "/rules/" + id + "/versions/2", "", 404, ""},
		{"a run that is none", "sam@acme", "GET", "/runs/none", "", 404, ""},
		{"an unknown filter", "sam@acme", "GET", "/runs?rule=x", "", 400, "rule"},
		{"a filter twice", "sam@acme", "GET", "/runs?status=failed&status=waiting", "", 400, "status"},
		{"a status that is none", "sam@acme", "GET", "/runs?status=done", "", 400, "status"},
		{"a trigger that is none", "sam@acme", "GET", "/runs?trigger=magic", "", 400, "trigger"},
		{"a level that is none", "sam@acme", "GET", "/runs?level=WARN", "", 400, "level"},
		{"a time that is none", "sam@acme", "GET", "/runs?since=yesterday", "", 400, "since"},
		{"another time that is none", "sam@acme", "GET", "/runs?until=7", "", 400, "until"},
		{"a limit that is none", "sam@acme", "GET", "/rules?limit=0", "", 400, "limit"},
		{"a cursor that is none", "sam@acme", "GET", "/runs?after=x", "", 400, ""},
		{"no body", "sam@acme", "POST", "/rules", " ", 400, ""},
		{"no JSON", "sam@acme", "POST", "/rules", "name=x", 400, ""},
		{"a body too long", "sam@acme", "POST", "/rules", `{"name":"` + strings.Repeat("x", 1<<20) + `"}`, 413, ""},
		{"a test too long", "sam@acme", "POST", "/rules/" + id + "/test", `{"event":{"x":"` + strings.Repeat("x", 1<<20) + `"}}`, 413, ""},
		{"a definition too long", "sam@acme", "POST", "/rules", with("Large", strings.Repeat("x", 48<<10)), 422, ""},
		{"a body too deep", "sam@acme", "POST", "/rules", strings.Repeat("[", 65) + strings.Repeat("]", 65), 400, ""},
		{"a field twice", "sam@acme", "POST", "/rules", with(`{"name"`, `{"name":"x","name"`), 400, "/name"},
		{"a field of a step twice", "sam@acme", "PUT", "/rules/" + id, with(`{"name":"tell"`, `{"name":"tell","name":"x"`), 400, "/steps/0/name"},
		{"an unknown field", "sam@acme", "POST", "/rules", with(`{"name"`, `{"nome":1,"name"`), 422, "/nome"},
		{"a field in other letters", "sam@acme", "PUT", "/rules/" + id, with(`{"name"`, `{"ID":"x","name"`), 422, "/ID"},
		{"what only an answer has", "sam@acme", "POST", "/rules", with(`{"name"`, `{"id":"x","name"`), 422, "/id"},
		{"an unknown field of a step", "sam@acme", "POST", "/rules", with(`{"name":"tell"`, `{"name":"tell","do":1`), 422, "/steps/0/do"},
		{"a number for a name", "sam@acme", "POST", "/rules", with(`"name":"tell"`, `"name":7`), 422, "/steps/0/name"},
		{"an unknown action", "sam@acme", "POST", "/rules", with(`test.probe`, `test.none`), 422, "/steps/0/action"},
		{"an input that its action refuses", "sam@acme", "POST", "/rules", with(`"order":{"$ref":"/subject"}`, `"url":7`), 422, "/steps/0/with/url"},
		{"such an input on the way out", "sam@acme", "PUT", "/rules/" + id, with(`"message":"it failed"`, `"message":7`), 422, "/on_failure/0/with/message"},
		{"a reference to nowhere", "sam@acme", "POST", "/rules", with(`{"$ref":"/subject"}`, `{"$ref":"/steps/later/output"}`), 422, "/steps/0/with"},
		{"an unknown operator", "sam@acme", "POST", "/rules", with(`"gte"`, `"about"`), 422, "/conditions/all/0/op"},
		{"an unknown environment", "sam@acme", "POST", "/rules", with(`"prod"`, `"moon"`), 422, "/automation_environment"},
		{"an unknown policy", "sam@acme", "POST", "/rules", with(`{"attempts":2,"delay":"1ms"}`, `"often"`), 422, "/steps/0/retry"},
		{"a span that is none", "sam@acme", "POST", "/rules", with(`"1ms"`, `"soon"`), 422, "/steps/0/retry"},
		{"a negative revision", "sam@acme", "PUT", "/rules/" + id, with(`{"name"`, `{"revision":-1,"name"`), 422, "/revision"},
		{"no definition to test", "sam@acme", "POST", "/rules/test", `{}`, 422, "/definition"},
		{"a bad definition to test", "sam@acme", "POST", "/rules/test", `{"definition":` + with(`test.probe`, `test.none`) + `}`, 422, "/definition/steps/0/action"},
		{"a bad form of one", "sam@acme", "POST", "/rules/test", `{"definition":` + with(`"gte"`, `"about"`) + `}`, 422, "/definition/conditions/all/0/op"},
		{"an event that is none", "sam@acme", "POST", "/rules/" + id + "/test", `{"event":7}`, 422, "/event"},
		{"an event of another type", "sam@acme", "POST", "/rules/" + id + "/test", `{"event":{"type":"x"}}`, 422, "/event/type"},
		{"an output of no step", "sam@acme", "POST", "/rules/" + id + "/test", `{"outputs":{"x":1}}`, 422, "/outputs/x"},
		{"an outcome that is none", "sam@acme", "POST", "/rules/" + id + "/test", `{"outcomes":{"tell":"perhaps"}}`, 422, "/outcomes/tell"},
		{"an unknown field of a test", "sam@acme", "POST", "/rules/" + id + "/test", `{"events":{}}`, 400, "/events"},
		{"enabling a draft", "sam@acme", "POST", "/rules/" + draft + "/enable", "", 409, ""},
		{"an endless reason", "sam@acme", "POST", "/rules/" + id + "/disable", `{"reason":"` + strings.Repeat("x", audit.MaxReason+1) + `"}`, 422, "/reason"},
		{"an unknown field of an action", "sam@acme", "POST", "/rules/" + id + "/disable", `{"why":"x"}`, 400, "/why"},
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
	page := h.Want(h.Do("sam@acme", "GET", "/rules", ""), 200)
	if n := len(page.Body["items"].([]any)); n != 2 || page.At(t, "items/0/revision") != 1.0 {
		t.Errorf("something was changed: %s", page.Text)
	}
}

func TestDocumentCoversTheSurface(t *testing.T) {
	h := newHost(t, eachtest.Memory(t))
	httpapitest.Load(t, automationadmin.OpenAPI()).Covers(t, h.handler)
	served := httptest.NewRecorder()
	h.handler.ServeHTTP(served, httptest.NewRequest("GET", "/openapi.json", nil))
	if served.Code != 200 || served.Body.String() != string(automationadmin.OpenAPI()) {
		t.Error("the served document is another one")
	}
}

func TestNewNeedsItsParts(t *testing.T) {
	if _, err := automationadmin.New(nil, automationadmin.Config{}); err == nil {
		t.Error("a surface without a service was made")
	}
	h := newHost(t, eachtest.Memory(t))
	if _, err := automationadmin.New(h.service, automationadmin.Config{}); err == nil {
		t.Error("a surface without Identify was made")
	}
}

func TestQuotaIsShownAndNamedWhereItIsReached(t *testing.T) {
	h := newHost(t, eachtest.Memory(t))
	h.Want(h.Do("sam@tiny", "POST", "/rules", good), 201)
	full := h.Want(h.Do("sam@tiny", "POST", "/rules", good), 409)
	if !strings.HasSuffix(full.Body["type"].(string), ":limit") || !strings.Contains(full.Text, `"limit":{"what":"rules","limit":1}`) {
		t.Errorf("got %s", full.Text)
	}
	shown := h.Want(h.Do("sam@tiny", "GET", "/quotas", ""), 200)
	if want := `{"items":[{"what":"rules","limit":1,"used":1}],"next":""}`; strings.TrimSpace(shown.Text) != want {
		t.Errorf("got %s, want %s", shown.Text, want)
	}
	h.Want(h.Do("mallory@tiny", "GET", "/quotas", ""), 403)
	h.Want(h.Do("sam@tiny", "GET", "/quotas?what=1", ""), 400)
}
