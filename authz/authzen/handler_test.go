package authzen_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/httpapi/httpapitest"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/authz/authzen"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// wordy answers what the action's name says, and keeps the questions.
type wordy struct{ asked []authz.Request }

func (a *wordy) Authorize(_ context.Context, r authz.Request) (authz.Decision, error) {
	a.asked = append(a.asked, r)
	d := authz.Decision{PolicyVersion: "7-abc", Rules: []string{"rule-1"}}
	switch r.Action {
	case "allow":
		d.Effect = audit.Allow
	case "approve":
		d.Effect = audit.NeedsApproval
		d.Obligations.Approval = &audit.ApprovalObligation{Policy: "refunds"}
	case "step_up":
		d.Effect = audit.StepUp
		d.Obligations.StepUp = &audit.StepUpObligation{MaxAge: 5 * time.Minute, ACRValues: []string{"phr"}}
	case "fail":
		return authz.Decision{Effect: audit.Allow}, errors.New("secret cause")
	case "broken":
		return authz.Decision{Effect: audit.Allow}, storage.ErrUnavailable
	}
	return d, nil
}

func ask(action string) string {
	return fmt.Sprintf(`{"subject":{"type":"user","id":"sam"},"action":{"name":%q},"resource":{"type":"order","id":"1"}}`, action)
}

func TestTheAnswerSaysWhatIsMissing(t *testing.T) {
	s := serve(t, eachtest.Memory(t), &wordy{})
	for _, tc := range []struct {
		action string
		want   string
	}{
		{"allow", `{"decision":true,"context":{"outcome":"allow","code":"allowed","reason_user":{"en":"Allowed."},"rules":["rule-1"],"policy_version":"7-abc"}}`},
		{"deny", `{"decision":false,"context":{"outcome":"deny","code":"no_matching_rule","reason_user":{"en":"None of your roles allows this."},"rules":["rule-1"],"policy_version":"7-abc"}}`},
		{"approve", `{"decision":false,"context":{"outcome":"needs_approval","code":"approval_required","reason_user":{"en":"This needs the approval of somebody else."},"rules":["rule-1"],"policy_version":"7-abc","obligations":[{"type":"approval","policy":"refunds"}]}}`},
		{"step_up", `{"decision":false,"context":{"outcome":"step_up","code":"step_up_required","reason_user":{"en":"Please confirm who you are and try again."},"rules":["rule-1"],"policy_version":"7-abc","acr_values":["phr"],"max_age":300,"obligations":[{"type":"step_up"}]}}`},
		{"fail", `{"decision":false,"context":{"outcome":"deny","code":"policy_unavailable","reason_user":{"en":"The permission could not be checked. Please try again."}}}`},
	} {
		t.Run(tc.action, func(t *testing.T) {
			status, _, body := s.post(t, "/evaluation", ask(tc.action))
			if status != http.StatusOK {
				t.Fatalf("got %d %s", status, body)
			}
			var got map[string]any
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatal(err)
			}
			if id, _ := got["context"].(map[string]any)["id"].(string); id == "" {
				t.Errorf("got no id of the recorded decision in %s", body)
			}
			delete(got["context"].(map[string]any), "id")
			var want map[string]any
			if err := json.Unmarshal([]byte(tc.want), &want); err != nil {
				t.Fatal(err)
			}
			if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
				t.Errorf("got  %s\nwant %s", g, w)
			}
		})
	}
}

func TestPropertiesReachTheAuthorizerWithTheirDigits(t *testing.T) {
	a := &wordy{}
	s := serve(t, eachtest.Memory(t), a)
	status, _, body := s.post(t, "/evaluation", `{
		"subject":{"type":"user","id":"sam","properties":{"department":"care"}},
		"action":{"name":"allow","properties":{"amount":100.000000000000000000001}},
		"resource":{"type":"order","id":"1","properties":{"ownerID":"rick"}},
		"context":{"env":"prod"},
		"unknown":{"is":"ignored"}}`)
	if status != http.StatusOK || len(a.asked) != 1 {
		t.Fatalf("got %d %s after %d questions", status, body, len(a.asked))
	}
	r := a.asked[0]
	if r.Tenant != "acme" || r.Subject.Key() != "user:sam" || r.Resource.Key() != "order:1" {
		t.Errorf("got request %+v", r)
	}
	if r.Payload["amount"] != json.Number("100.000000000000000000001") {
		t.Errorf("got amount %v, want every digit of it", r.Payload["amount"])
	}
	if r.Subject.Properties["department"] != "care" || r.Resource.Properties["ownerID"] != "rick" || r.Context["env"] != "prod" {
		t.Errorf("got properties %v, %v and context %v", r.Subject.Properties, r.Resource.Properties, r.Context)
	}
}

func TestWhatCannotBeReadIsRefused(t *testing.T) {
	a := &wordy{}
	s := serve(t, eachtest.Memory(t), a)
	const subject, action, resource = `"subject":{"type":"user","id":"sam"}`, `"action":{"name":"allow"}`, `"resource":{"type":"order","id":"1"}`
	good := "{" + subject + "," + action + "," + resource + "}"
	for _, tc := range []struct {
		name   string
		body   string
		header []string
		status int
		says   string
	}{
		{"an empty body", "", nil, 400, "empty"},
		{"a body that is no JSON", "{", nil, 400, "not valid JSON"},
		{"a list", "[]", nil, 400, "wrong type"},
		{"two values", good + good, nil, 400, "not valid JSON"},
		{"no subject", "{" + action + "," + resource + "}", nil, 400, "subject is missing"},
		{"a subject that is null", `{"subject":null,` + action + "," + resource + "}", nil, 400, "subject must be an object"},
		{"a subject that is a string", `{"subject":"sam",` + action + "," + resource + "}", nil, 400, "subject must be an object"},
		{"a subject without a type", `{"subject":{"id":"sam"},` + action + "," + resource + "}", nil, 400, "subject.type"},
		{"a subject without an id", `{"subject":{"type":"user"},` + action + "," + resource + "}", nil, 400, "subject.id"},
		{"an id that is a number", `{"subject":{"type":"user","id":7},` + action + "," + resource + "}", nil, 400, "subject/id has the wrong type"},
		{"a name in another case", `{"Subject":{"type":"user","id":"sam"},` + action + "," + resource + "}", nil, 400, "subject is missing"},
		{"a duplicate name", "{" + subject + "," + subject + "," + action + "," + resource + "}", nil, 400, "given twice"},
		{"a duplicate name deep inside", `{` + subject + `,"action":{"name":"allow","properties":{"amount":1,"amount":9000}},` + resource + "}", nil, 400, "given twice"},
		{"no action", "{" + subject + "," + resource + "}", nil, 400, "action is missing"},
		{"an action without a name", "{" + subject + `,"action":{},` + resource + "}", nil, 400, "action.name"},
		{"no resource", "{" + subject + "," + action + "}", nil, 400, "resource is missing"},
		{"a resource without an id", "{" + subject + "," + action + `,"resource":{"type":"order"}}`, nil, 400, "resource.id"},
		{"properties that are a list", "{" + subject + "," + action + `,"resource":{"type":"order","id":"1","properties":[]}}`, nil, 400, "resource.properties must be an object"},
		{"a context that is a string", "{" + subject + "," + action + "," + resource + `,"context":"prod"}`, nil, 400, "context must be an object"},
		{"deep nesting", `{"context":` + strings.Repeat(`{"a":`, 100) + `1` + strings.Repeat(`}`, 100) + "}", nil, 400, "nested"},
		{"text", good, []string{"Content-Type", "text/plain"}, 400, "Content-Type"},
		{"no content type", good, []string{"Content-Type", ""}, 400, "Content-Type"},
		{"more than a mebibyte", `{"a":"` + strings.Repeat("x", 1<<20) + `"}`, nil, 413, "1 MiB"},
		{"nobody", good, []string{"Authorization", ""}, 401, "nobody"},
		{"a store that is away", ask("broken"), nil, 503, "could not be made"},
	} {
		for _, path := range []string{"/evaluation", "/evaluations"} {
			t.Run(tc.name+path, func(t *testing.T) {
				status, header, body := s.post(t, path, tc.body, append(tc.header, "X-Request-ID", "r-1")...)
				var message string
				if err := json.Unmarshal([]byte(body), &message); err != nil {
					t.Fatalf("got %s, want a string", body)
				}
				if status != tc.status || !strings.Contains(message, tc.says) {
					t.Errorf("got %d %q, want %d with %q", status, message, tc.status, tc.says)
				}
				if header.Get("X-Request-ID") != "r-1" {
					t.Errorf("got X-Request-ID %q back", header.Get("X-Request-ID"))
				}
				if strings.Contains(message, "Go ") || strings.Contains(message, "json:") {
					t.Errorf("the message speaks of internals: %q", message)
				}
			})
		}
	}
	if len(a.asked) > 2 {
		t.Errorf("got %d questions asked, want those of the broken store only", len(a.asked))
	}
}

func TestABatchFollowsItsSemantic(t *testing.T) {
	item := func(action string) string { return fmt.Sprintf(`{"action":{"name":%q}}`, action) }
	batch := func(semantic string, items ...string) string {
		return fmt.Sprintf(`{"subject":{"type":"user","id":"sam"},"resource":{"type":"order","id":"1"},
			"evaluations":[%s],"options":{"evaluations_semantic":%q}}`, strings.Join(items, ","), semantic)
	}
	for _, tc := range []struct {
		name string
		body string
		want []bool
	}{
		{"all are answered in order", batch("execute_all", item("allow"), item("deny"), item("allow")), []bool{true, false, true}},
		{"all is the default", strings.Replace(batch("x", item("deny"), item("allow")), `"evaluations_semantic":"x"`, "", 1), []bool{false, true}},
		{"the first deny ends it", batch("deny_on_first_deny", item("allow"), item("approve"), item("allow")), []bool{true, false}},
		{"an item that cannot be read is a deny", batch("deny_on_first_deny", item("allow"), `{"action":{}}`, item("allow")), []bool{true, false}},
		{"the first permit ends it", batch("permit_on_first_permit", item("deny"), item("allow"), item("deny")), []bool{false, true}},
		{"an item replaces a part as a whole", batch("execute_all", `{"action":{"name":"allow"},"resource":{"type":"order"}}`), []bool{false}},
		{"an item that is no object is its own error", batch("execute_all", `7`, item("allow")), []bool{false, true}},
		{"a store that is away fails its item", batch("execute_all", item("broken"), item("allow")), []bool{false, true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := serve(t, eachtest.Memory(t), &wordy{})
			status, _, body := s.post(t, "/evaluations", tc.body)
			var got struct{ Evaluations []struct{ Decision bool } }
			if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK {
				t.Fatalf("got %d %s", status, body)
			}
			var decisions []bool
			for _, e := range got.Evaluations {
				decisions = append(decisions, e.Decision)
			}
			if !slices.Equal(decisions, tc.want) {
				t.Errorf("got %v, want %v: %s", decisions, tc.want, body)
			}
		})
	}
}

func TestABatchWithoutItemsIsOneEvaluation(t *testing.T) {
	s := serve(t, eachtest.Memory(t), &wordy{})
	for _, body := range []string{ask("allow"), strings.Replace(ask("allow"), "{", `{"evaluations":[],`, 1)} {
		status, _, got := s.post(t, "/evaluations", body)
		if status != http.StatusOK || !strings.HasPrefix(got, `{"decision":true`) {
			t.Errorf("got %d %s for %s", status, got, body)
		}
	}
}

func TestABatchIsBounded(t *testing.T) {
	s := serve(t, eachtest.Memory(t), &wordy{})
	items := strings.TrimSuffix(strings.Repeat("{},", authzen.MaxEvaluations+1), ",")
	if status, _, body := s.post(t, "/evaluations", `{"evaluations":[`+items+`]}`); status != http.StatusBadRequest {
		t.Errorf("got %d %s", status, body)
	}
	if status, _, body := s.post(t, "/evaluations", `{"evaluations":[{}],"options":{"evaluations_semantic":"some"}}`); status != http.StatusBadRequest {
		t.Errorf("got %d %s", status, body)
	}
}

func TestEveryEvaluationIsRecorded(t *testing.T) {
	s := serve(t, eachtest.Memory(t), &wordy{})
	const n = 7
	for i := range n {
		s.post(t, "/evaluation", ask([]string{"allow", "deny", "approve", "step_up"}[i%4]))
	}
	page, err := s.log.Query(t.Context(), "acme", audit.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Items) != n {
		t.Errorf("got %d events of %d evaluations", len(page.Items), n)
	}
}

func TestTheProofOfIdentityIsTheCallersOwn(t *testing.T) {
	a := &wordy{}
	authn := &audit.Authn{At: time.Now()}
	h, err := authzen.New(a, httpapi.Config{Identify: func(*http.Request) (httpapi.Identity, error) {
		return httpapi.Identity{Tenant: "acme", Actor: audit.Actor{Type: "user", ID: "sam", Authn: authn}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"sam", "marco"} {
		body := strings.Replace(ask("allow"), "sam", subject, 1)
		if status := record(h, http.MethodPost, "/evaluation", body).Code; status != http.StatusOK {
			t.Fatalf("got %d", status)
		}
	}
	if a.asked[0].Authn != authn {
		t.Error("sam asks about sam: the proof of sam is not there")
	}
	if a.asked[1].Authn != nil {
		t.Error("sam asks about marco: the proof of sam counts for marco")
	}
}

func TestTheDocumentCoversTheHandler(t *testing.T) {
	h, err := authzen.New(&wordy{}, httpapi.Config{Identify: identify})
	if err != nil {
		t.Fatal(err)
	}
	httpapitest.Load(t, authzen.OpenAPI()).Covers(t, h)
	if got := record(h, http.MethodGet, "/openapi.json", "").Body.Bytes(); !slices.Equal(got, authzen.OpenAPI()) {
		t.Error("the served document is not the embedded one")
	}
}
