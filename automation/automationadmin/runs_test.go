package automationadmin_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestTestHasNoEffect(t *testing.T) {
	h := newHost(t, eachtest.Memory(t))
	h.probe.answers = []func() (automation.Output, error){func() (automation.Output, error) {
		t.Error("an action was called")
		return automation.Output{}, nil
	}}
	id := h.Want(h.Do("sam@acme", "POST", "/rules", good), 201).Body["id"].(string)
	for _, c := range []struct{ name, path, body, status, input, output string }{
		{"with samples alone", "/rules/" + id + "/test", ``, "succeeded", `{"key":"(redacted)","order":"order/7"}`, `{"id":"sample"}`},
		{"with an event", "/rules/" + id + "/test", `{"event":{"type":"` + refunded + `","subject":"order/9","data":{"amount":100}},"outputs":{"tell":{"id":1}}}`,
			"succeeded", `{"key":"(redacted)","order":"order/9"}`, `{"id":1}`},
		{"with a failure", "/rules/" + id + "/test", `{"outcomes":{"tell":"failed"}}`, "failed", `{"key":"(redacted)","order":"order/7"}`, `null`},
		{"with an event that is filtered", "/rules/" + id + "/test", `{"event":{"type":"` + refunded + `","data":{"amount":99}}}`, "filtered", `null`, `null`},
		{"of a definition", "/rules/test", `{"definition":` + strings.Replace(good, "tell", "say", 1) + `}`, "succeeded", `{"key":"(redacted)","order":"order/7"}`, `{"id":"sample"}`},
	} {
		got := h.Want(h.Do("audra@acme", "POST", c.path, c.body), 200)
		input, _ := json.Marshal(got.At(t, "steps/0/input"))
		output, _ := json.Marshal(got.At(t, "steps/0/output"))
		if got.Body["status"] != c.status || string(input) != c.input || string(output) != c.output {
			t.Errorf("%s: got %s, want %s from %s to %s", c.name, got.Text, c.status, c.input, c.output)
		}
	}
	page := h.Want(h.Do("sam@acme", "GET", "/runs", ""), 200)
	if n := len(page.Body["items"].([]any)); n != 0 {
		t.Errorf("%d runs were stored", n)
	}
}

func TestRunOverHTTP(t *testing.T) { eachtest.Run(t, runOverHTTP) }

func runOverHTTP(t *testing.T, b eachtest.Backend) {
	h := newHost(t, b)
	fails := func() (automation.Output, error) {
		return automation.Output{}, automation.Fail(automation.ClassTransient, "nobody answered", errors.New("dial tcp 10.0.0.7: refused"))
	}
	h.probe.answers = []func() (automation.Output, error){fails, fails}
	id := h.rule(`{"name":"tell","action":"test.probe","with":{"order":{"$ref":"/subject"},"key":"SECRET"},"retry":"twice"},{"name":"more","action":"test.probe"}`)
	e := h.happens("orders.refund", "1001", `{"amount":150,"note":"SECRET"}`)
	failed := h.until("rule_id=" + id + "&status=failed")
	if failed["trace_id"] != e.Trace.TraceID || failed["trigger"] != "event" || failed["event_type"] != refunded || failed["ended_at"] == nil || failed["wait"] != nil ||
		failed["level"] != "error" || failed["automation_environment"] != "prod" {
		t.Errorf("got %v", failed)
	}
	detail := h.Want(h.Do("sam@acme", "GET", "/runs/"+failed["id"].(string), ""), 200)
	if detail.At(t, "error/step") != "tell" || detail.At(t, "steps/0/error/class") != "transient" || detail.At(t, "steps/0/status") != "failed" ||
		detail.At(t, "steps/1/status") != "skipped" || detail.At(t, "event/data/amount") != 150.0 {
		t.Errorf("got %s", detail.Text)
	}
	if input := detail.At(t, "steps/0/input"); !reflect.DeepEqual(input, map[string]any{"order": "thing/1001", "key": "(redacted)"}) {
		t.Errorf("the input is %v", input)
	}
	attempts := detail.At(t, "steps/0/attempts").([]any)
	if len(attempts) != 2 || detail.At(t, "steps/0/attempts/1/n") != 2.0 || detail.At(t, "steps/0/attempts/0/error") != "nobody answered" ||
		detail.At(t, "steps/0/attempts/0/class") != "transient" || detail.At(t, "steps/0/attempts/0/logs/0/text") != "called" ||
		detail.At(t, "steps/0/attempts/0/logs/0/level") != "warn" || detail.At(t, "steps/0/attempts/0/trace_id") != e.Trace.TraceID {
		t.Errorf("got %s", detail.Text)
	}
	for _, hidden := range []string{"SECRET", "10.0.0.7", "HIDDEN"} {
		if strings.Contains(detail.Text, hidden) {
			t.Errorf("%s is shown: %s", hidden, detail.Text)
		}
	}
	told := h.Want(h.Do("olivia@acme", "GET", "/runs/"+failed["id"].(string), ""), 200)
	if s, _ := told.At(t, "steps/0/attempts/0/detail").(string); !strings.Contains(s, "10.0.0.7") {
		t.Errorf("an operator does not see the cause: %s", told.Text)
	}

	h.Want(h.Do("nina@bloom", "GET", "/runs/"+failed["id"].(string), ""), 404)
	h.Want(h.Do("nina@bloom", "POST", "/runs/"+failed["id"].(string)+"/rerun", ""), 404)
	h.Want(h.Do("audra@acme", "POST", "/runs/"+failed["id"].(string)+"/rerun", ""), 403)
	again := h.Want(h.Do("sam@acme", "POST", "/runs/"+failed["id"].(string)+"/rerun", `{"reason":"it is back"}`, "Idempotency-Key: r1"), 201)
	twice := h.Want(h.Do("sam@acme", "POST", "/runs/"+failed["id"].(string)+"/rerun", `{"reason":"it is back"}`, "Idempotency-Key: r1"), 201)
	if again.Body["parent_id"] != failed["id"] || again.Body["trigger"] != "rerun" || again.Text != twice.Text {
		t.Errorf("got %s, then %s", again.Text, twice.Text)
	}
	done := h.until("trigger=rerun&status=succeeded")
	if done["id"] != again.Body["id"] {
		t.Errorf("got %v", done)
	}
	repeated := h.Want(h.Do("sam@acme", "GET", "/runs/"+done["id"].(string), ""), 200)
	if !reflect.DeepEqual(repeated.Body["event"], detail.Body["event"]) || !reflect.DeepEqual(repeated.At(t, "steps/0/input"), detail.At(t, "steps/0/input")) {
		t.Errorf("the inputs changed: %s", repeated.Text)
	}
	ended := h.Want(h.Do("sam@acme", "POST", "/runs/"+done["id"].(string)+"/cancel", ""), 409)
	if !strings.HasSuffix(ended.Body["type"].(string), ":run_ended") {
		t.Errorf("got %s", ended.Text)
	}
}

func TestRerunTakesTheLatestVersionWhereAsked(t *testing.T) {
	h := newHost(t, eachtest.Memory(t))
	id := h.rule(`{"name":"tell","action":"test.probe"}`)
	h.happens("orders.refund", "1", `{"amount":1}`)
	run := h.until("status=succeeded")["id"].(string)
	h.Want(h.Do("sam@acme", "PUT", "/rules/"+id, good), 200)
	for body, want := range map[string]float64{``: 1, `{"latest":true}`: 2} {
		if got := h.Want(h.Do("sam@acme", "POST", "/runs/"+run+"/rerun", body), 201); got.Body["rule_version"] != want {
			t.Errorf("%s: got %s, want version %v", body, got.Text, want)
		}
	}
}

func TestWaitingRunOverHTTP(t *testing.T) { eachtest.Run(t, waitingRunOverHTTP) }

func waitingRunOverHTTP(t *testing.T, b eachtest.Backend) {
	h := newHost(t, b)
	id := h.rule(`{"name":"ask","action":"approval.request","with":{"action":"orders.refund","resource":{"type":"order","id":"1"}},"timeout":"patient"},` +
		`{"name":"tell","action":"test.probe"}`)
	h.happens("orders.refund", "1", `{"amount":1}`)
	waiting := h.until("status=waiting&step=ask")
	wait, _ := waiting["wait"].(map[string]any)
	if wait["kind"] != "approval" || wait["key"] != "req-9" || wait["due_at"] == nil || waiting["step"] != "ask" || waiting["ended_at"] != nil {
		t.Errorf("got %v", waiting)
	}
	h.Want(h.Do("nina@bloom", "POST", "/runs/"+waiting["id"].(string)+"/cancel", ""), 404)
	h.Want(h.Do("audra@acme", "POST", "/runs/"+waiting["id"].(string)+"/cancel", ""), 403)
	h.Want(h.Do("sam@acme", "POST", "/runs/"+waiting["id"].(string)+"/cancel", `{"reason":"\u0000"}`), 422)
	cancelled := h.Want(h.Do("sam@acme", "POST", "/runs/"+waiting["id"].(string)+"/cancel", `{"reason":"by mistake"}`), 200)
	if cancelled.Body["status"] != "cancelled" || cancelled.Body["reason"] != "by mistake" || cancelled.Body["wait"] != nil {
		t.Errorf("got %s", cancelled.Text)
	}

	h.Want(h.Do("sam@acme", "POST", "/runs/"+waiting["id"].(string)+"/rerun", ""), 201)
	h.until("status=waiting")
	decided := h.happens("approvals.request.approved", "req-9", `{}`)
	done := h.until("rule_id=" + id + "&status=succeeded")
	detail := h.Want(h.Do("sam@acme", "GET", "/runs/"+done["id"].(string), ""), 200)
	if detail.At(t, "steps/0/wait_key") != "req-9" || detail.At(t, "steps/0/link_id") != decided.Trace.TraceID || detail.At(t, "steps/0/output/decision") != "approved" {
		t.Errorf("got %s", detail.Text)
	}
}

func TestRunsAreFiltered(t *testing.T) {
	h := newHost(t, eachtest.Memory(t))
	quiet := h.rule(`{"name":"note","action":"notify.log","with":{"message":"hm"}}`)
	h.happens("orders.refund", "1", `{"amount":1}`)
	h.runs("status=succeeded", 1)
	loud := h.rule(`{"name":"tell","action":"test.probe"}`)
	h.happens("orders.refund", "2", `{"amount":1}`)
	all := h.runs("status=succeeded", 3)
	for _, c := range []struct {
		query string
		want  int
	}{
		{"", 3}, {"rule_id=" + quiet, 2}, {"rule_id=" + loud, 1}, {"rule_id=none", 0}, {"status=failed", 0}, {"trigger=event", 3}, {"trigger=rerun", 0},
		{"event_type=" + refunded, 3}, {"event_type=x", 0}, {"automation_environment=prod", 3}, {"automation_environment=staging", 0},
		{"step=tell", 1}, {"step=note", 2}, {"level=warn", 1}, {"level=error", 0}, {"status=succeeded&step=note&rule_id=" + quiet + "&trigger=event&limit=1", 1},
		{"since=2026-01-01T00:00:00Z&until=2026-01-02T00:00:00Z", 0}, {"since=2026-01-01T00:00:00Z", 3}, {"until=2026-01-01T00:00:00Z", 0},
	} {
		h.runs(c.query, c.want)
	}
	for i, run := range all { // the newest first
		at := run["started_at"].(string)
		var since, until int
		for _, other := range all {
			if startedAt(t, other).Before(startedAt(t, run)) {
				until++
			} else {
				since++
			}
		}
		h.runs("since="+at, since)
		h.runs("until="+at, until)
		if i > 0 && startedAt(t, run).After(startedAt(t, all[i-1])) {
			t.Errorf("run %d began after the one before it in the list", i)
		}
	}
}

func startedAt(t *testing.T, run map[string]any) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, run["started_at"].(string))
	must(t, err)
	return at
}

// What another side answered may not be what I-JSON allows. It is read all the same.
func TestRunWithAnOutputThatIsNoIJSONIsShown(t *testing.T) {
	h := newHost(t, eachtest.Memory(t))
	h.probe.answers = []func() (automation.Output, error){func() (automation.Output, error) {
		return automation.Output{Value: json.RawMessage("{\"a\":1,\"a\":12345678901234567890,\"b\":\"\xff\"}")}, nil
	}}
	h.rule(`{"name":"tell","action":"test.probe"}`)
	h.happens("orders.refund", "1", `{"amount":1}`)
	run := h.until("status=succeeded")["id"].(string)
	got := h.Want(h.Do("sam@acme", "GET", "/runs/"+run, ""), 200)
	if !strings.Contains(got.Text, `"output":{"a":12345678901234567890,"b":"`+"\uFFFD"+`"}`) {
		t.Errorf("got %s", got.Text)
	}
}

func TestCatalogOverHTTP(t *testing.T) {
	h := newHost(t, eachtest.Memory(t))
	got := h.Want(h.Do("audra@acme", "GET", "/catalog", ""), 200)
	if fmt.Sprint(got.Body["environments"]) != "[draft staging prod]" || got.At(t, "retries/twice/attempts") != 2.0 || got.At(t, "timeouts/patient/step") != "1h0m0s" {
		t.Errorf("got %s", got.Text)
	}
	if got.At(t, "triggers/0/name") != "order.refunded" || got.At(t, "triggers/0/schema/required/0") != "amount" {
		t.Errorf("got %s", got.Text)
	}
	var names []any
	for _, a := range got.Body["actions"].([]any) {
		names = append(names, a.(map[string]any)["name"])
	}
	if fmt.Sprint(names) != "[approval.request notify.log stop test.probe wait]" {
		t.Errorf("the actions are %v", names)
	}
	// Every sample fires: a rule on the trigger, with the action and its sample input,
	// goes to its end.
	for _, a := range got.Body["actions"].([]any) {
		action := a.(map[string]any)
		with, err := json.Marshal(action["sample_input"])
		must(t, err)
		sample, err := json.Marshal(got.At(t, "triggers/0/sample"))
		must(t, err)
		body := fmt.Sprintf(`{"definition":{"name":"x","automation_environment":"prod","trigger":{"type":"order.refunded"},"steps":[{"name":"one","action":%q,"with":%s}]},"event":%s}`,
			action["name"], with, sample)
		if tested := h.Want(h.Do("sam@acme", "POST", "/rules/test", body), 200); tested.At(t, "steps/0/status") != "succeeded" {
			t.Errorf("%v: got %s", action["name"], tested.Text)
		}
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	h := newHost(t, eachtest.Memory(t))
	for _, c := range []struct {
		method, path string
		status       int
	}{{"GET", "/", 404}, {"GET", "/rules/x/steps", 404}, {"DELETE", "/rules/x", 405}, {"POST", "/catalog", 405}} {
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		if w.Code != c.status || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: got %d %s, want %d", c.method, c.path, w.Code, w.Body, c.status)
		}
	}
}
