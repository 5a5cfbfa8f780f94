package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit/correlation"
)

// A sink is another system of the merchant, to which automations post.
type sink struct {
	url string

	mu    sync.Mutex
	posts []delivered
}

func newSink(t *testing.T) *sink {
	s := &sink{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.posts = append(s.posts, delivered{r.Header.Clone(), body})
		_, _ = io.WriteString(w, `{"ticket":"T-1"}`)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *sink) got() []delivered {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.posts)
}

// afterRefund is a rule on refunds of at least this many euros. It has somebody agree
// and then posts to url.
func afterRefund(url string, euros int) string {
	return `{
		"name": "tell the warehouse", "automation_environment": "prod",
		"trigger": {"type": "event", "event_type": "lumelle.orders.v1.refunded"},
		"conditions": {"all": [{"path": "/data/amount", "op": "gte", "value": ` + strconv.Itoa(euros) + `}]},
		"steps": [
			{"name": "ask", "action": "approval.request", "with": {
				"action": "warehouse.recall", "resource": {"type": "order", "id": {"$ref": "/data/order_id"}},
				"reason": "refund of {{ /data/amount }}"}},
			{"name": "post", "action": "http.post", "with": {"url": "` + url + `", "body": {
				"order": {"$ref": "/data/order_id"}, "request": {"$ref": "/steps/ask/output/request_id"}}}}
		]
	}`
}

// A run as the API shows it.
type shownRun struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	TraceID string `json:"trace_id"`
	Steps   []struct {
		Name   string         `json:"name"`
		Status string         `json:"status"`
		Output map[string]any `json:"output"`
	} `json:"steps"`
}

// runs returns the runs of a rule.
func (a *admin) runs(rule string) []shownRun {
	a.t.Helper()
	var list struct{ Items []shownRun }
	a.as("dana", "GET", "/api/v1/automation/runs?rule_id="+rule, "").want(http.StatusOK).json(&list)
	return list.Items
}

func (a *admin) run(id string) (r shownRun) {
	a.t.Helper()
	a.as("dana", "GET", "/api/v1/automation/runs/"+id, "").want(http.StatusOK).json(&r)
	return r
}

func TestRefundGoesOnInAnAutomation(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, db string) {
		a := startAdmin(t, db)
		messages, _ := a.receive()
		warehouse := newSink(t)

		// The flag gates the form: support has the new one, managers not yet.
		order := a.order(150_00).ID
		for person, want := range map[string]bool{"sam": true, "marco": false} {
			if got := strings.Contains(a.signIn(person).see("/orders/"+order), "Refund all that is left"); got != want {
				t.Errorf("%s has the new form: %t, want %t", person, got, want)
			}
		}

		rule := a.as("dana", "POST", "/api/v1/automation/rules", afterRefund(warehouse.url, 100)).want(http.StatusCreated).text("id")
		a.as("dana", "POST", "/api/v1/automation/rules/"+rule+"/enable", `{"reason":"goes live"}`).want(http.StatusOK)

		trace := correlation.New()
		asked := a.refund("sam", order, "150.00", "traceparent", trace.Traceparent()).want(http.StatusAccepted)
		a.decide("marco", asked.text("request_id"), "approve").want(http.StatusOK)
		<-messages

		var run shownRun
		eventually(t, "the run", func() bool {
			all := a.runs(rule)
			if len(all) != 1 || all[0].Status != "waiting" {
				return false
			}
			run = a.run(all[0].ID)
			return true
		})
		if run.TraceID != trace.TraceID {
			t.Errorf("the run belongs to trace %s, want that of the refund, %s", run.TraceID, trace.TraceID)
		}
		if n := len(warehouse.got()); n != 0 {
			t.Fatalf("%d posts before anybody agreed", n)
		}
		step, _ := run.Steps[0].Output["request_id"].(string)
		a.decide("dana", step, "approve").want(http.StatusForbidden) // her own rule
		a.decide("marco", step, "approve").want(http.StatusOK)
		eventually(t, "the end of the run", func() bool { return a.run(run.ID).Status == "succeeded" })

		posts := warehouse.got()
		if len(posts) != 1 || posts[0].header.Get("Idempotency-Key") == "" || !strings.Contains(string(posts[0].body), order) || !strings.Contains(string(posts[0].body), step) {
			t.Errorf("the warehouse got %d posts: %s", len(posts), posts[0].body)
		}
		if sent, ok := correlation.Parse(posts[0].header.Get("Traceparent")); !ok || sent.TraceID != trace.TraceID {
			t.Errorf("the post carries %q, want the trace of the refund", posts[0].header.Get("Traceparent"))
		}
		// The step's request is applied by a job of its own.
		eventually(t, "the step's request", func() bool { return a.request(step).State == "applied" })
		checkWholeTimeline(t, a, trace.TraceID)
	})
}

// checkWholeTimeline holds the timeline of a refund that an automation followed to the
// order of cause.
func checkWholeTimeline(t *testing.T, a *admin, trace string) {
	t.Helper()
	var timeline struct {
		Items []struct {
			Kind string    `json:"kind"`
			At   time.Time `json:"at"`
		}
	}
	a.as("audra", "GET", "/api/v1/timeline?trace_id="+trace, "").want(http.StatusOK).json(&timeline)
	first, count := map[string]int{}, map[string]int{}
	for i, item := range timeline.Items {
		if _, ok := first[item.Kind]; !ok {
			first[item.Kind] = i
		}
		count[item.Kind]++
		if i > 0 && item.At.Before(timeline.Items[i-1].At) {
			t.Errorf("entry %d is of %v, before the one it follows", i, item.At)
		}
	}
	kinds := []string{"decision", "approval", "audit", "delivery", "attempt", "run", "step"}
	for _, kind := range kinds {
		if count[kind] == 0 {
			t.Errorf("the timeline has no %s: %v", kind, count)
		}
	}
	for _, pair := range [][2]string{{"decision", "approval"}, {"approval", "audit"}, {"audit", "delivery"}, {"delivery", "attempt"}, {"audit", "run"}, {"run", "step"}} {
		if first[pair[0]] > first[pair[1]] {
			t.Errorf("the first %s comes after the first %s", pair[0], pair[1])
		}
	}
	if count["step"] != 2 {
		t.Errorf("the timeline has %d steps, want 2", count["step"])
	}
}

func TestCausesOfAttemptsAreForOwnersAndDevelopers(t *testing.T) {
	t.Parallel()
	a := startAdmin(t, "memory:")
	rule := a.as("dana", "POST", "/api/v1/automation/rules", `{
		"name": "tell nobody", "automation_environment": "prod", "trigger": {"type": "order.refunded"}, "retry": {"attempts": 1},
		"steps": [{"name": "post", "action": "http.post", "with": {"url": "http://10.1.2.3:7/"}}]
	}`).want(http.StatusCreated).text("id")
	a.as("dana", "POST", "/api/v1/automation/rules/"+rule+"/enable", `{}`).want(http.StatusOK)
	a.refund("sam", a.order(50_00).ID, "7.00").want(http.StatusOK)
	run := ""
	eventually(t, "the run to fail", func() bool {
		for _, r := range a.runs(rule) {
			if r.Status == "failed" {
				run = r.ID
			}
		}
		return run != ""
	})
	const cause = "egress: the destination may not be reached"
	for person, may := range map[string]bool{"olivia": true, "dana": true, "marco": false, "sam": false, "audra": false} {
		if got := strings.Contains(string(a.as(person, "GET", "/api/v1/automation/runs/"+run, "").want(http.StatusOK).body), cause); got != may {
			t.Errorf("%s reads the cause over the API: %t, want %t", person, got, may)
		}
		if got := strings.Contains(a.signIn(person).see("/runs/"+run), cause); got != may {
			t.Errorf("%s reads the cause on the page: %t, want %t", person, got, may)
		}
	}
}
