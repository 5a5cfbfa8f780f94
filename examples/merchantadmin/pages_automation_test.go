package main

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/storage/sqlite"
)

func TestAutomationIsBuiltTestedEnabledAndFollowedThroughThePages(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, db string) {
		a := startAdmin(t, db)
		order := a.order(50_00).ID
		dana, sam := a.signIn("dana"), a.signIn("sam")

		offer := regexp.MustCompile(`/automations/new\?[^"]+`).FindString(dana.see("/orders/" + order))
		builder := strings.ReplaceAll(offer, "&amp;", "&")
		if page := dana.see(builder); !strings.Contains(page, `value="/data/order_id"`) || !strings.Contains(page, `value="`+order+`"`) {
			t.Fatalf("the builder does not begin with the order:\n%s", page)
		}
		dana.press("/automations/new", "step.add.notify.log", nil).want(http.StatusOK)
		said := url.Values{"step.0.with": {`{"message": "{{ /data/amount }} of {{ /data/order_id }} came back"}`}}
		sample := `{"specversion":"1.0","id":"1","source":"/merchantadmin","type":"` + typeRefunded + `","data":{"order_id":"` + order + `","amount":"1.00"}}`
		tested := dana.press("/automations/new", "test", url.Values{"step.0.with": said["step.0.with"], "event": {sample}}).want(http.StatusOK)
		if page := string(tested.body); !strings.Contains(page, "1.00 of "+order+" came back") || !strings.Contains(page, ">succeeded<") {
			t.Errorf("the test does not show what would be said:\n%s", page)
		}
		if page := dana.see("/automations"); strings.Contains(page, "Refunds of order") {
			t.Errorf("a test keeps the rule")
		}
		dana.see(builder)
		dana.press("/automations/new", "step.add.notify.log", nil)
		page := dana.follow(dana.press("/automations/new", "save", said))
		if !strings.Contains(page, "If /data/order_id is "+order) {
			t.Fatalf("the rule is not said:\n%s", page)
		}
		rule := regexp.MustCompile(`/automations/[0-9a-f-]{36}`).FindString(page)
		dana.form(rule+"/enable", url.Values{"reason": {"goes live"}}).want(http.StatusSeeOther)

		sam.see("/orders/" + order)
		sam.form("/orders/"+order+"/refund", url.Values{"id": {sam.hidden("id")}, "amount": {"7.00"}, "reason": {"late"}}).want(http.StatusSeeOther)
		run := ""
		eventually(t, "the run", func() bool {
			page := dana.see("/runs?status=succeeded")
			run = regexp.MustCompile(`/runs/[0-9a-f-]{36}`).FindString(page)
			return run != ""
		})
		if page := dana.see(run); !strings.Contains(page, "7.00 of "+order+" came back") || !strings.Contains(page, "Attempts") {
			t.Errorf("the run does not show its step:\n%s", page)
		}
		trace := regexp.MustCompile(`/timeline\?trace_id=[0-9a-f]+`).FindString(dana.page)
		if page := dana.see(trace); !strings.Contains(page, run) || !strings.Contains(page, ">step<") {
			t.Errorf("the timeline does not end in the run:\n%s", page)
		}
		if page := dana.follow(dana.form(run+"/rerun", url.Values{"reason": {"once more"}, "latest": {"on"}})); !strings.Contains(page, run) {
			t.Errorf("the new run does not name the one it repeats")
		}
		dana.form(run+"/cancel", nil).want(http.StatusConflict)
		dana.form(run+"/explode", nil).want(http.StatusNotFound)
		if page := dana.follow(dana.form(rule+"/disable", url.Values{"reason": {"enough"}})); !strings.Contains(page, `id="enable"`) {
			t.Errorf("the rule stays enabled")
		}
	})
}

func TestBuilderOfAutomationsSaysWhatIsWrongAndKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	a := startAdmin(t, sqlite.Memory)
	dana := a.signIn("dana")
	for name, c := range map[string]struct {
		button string
		change url.Values
		status int
		says   string
	}{
		"no name":                  {"save", url.Values{"name": {""}}, http.StatusUnprocessableEntity, "name-error"},
		"an input that is none":    {"test", url.Values{"step.0.with": {"{oops"}}, http.StatusUnprocessableEntity, "{oops"},
		"an input that is lacking": {"save", url.Values{"step.0.with": {"{}"}}, http.StatusUnprocessableEntity, `id="step.0-error"`},
		"an event that is none":    {"test", url.Values{"event": {"[]"}}, http.StatusUnprocessableEntity, "event"},
		"a button that fails":      {"step.up.0", nil, http.StatusOK, "Test run"},
		"a condition as JSON":      {"when.json", nil, http.StatusOK, "&#34;path&#34;"},
	} {
		t.Run(name, func(t *testing.T) {
			b := &browser{admin: a, cookie: dana.cookie}
			b.see("/automations/new?trigger=order.refunded&name=x&path=/data/currency&value=EUR")
			b.press("/automations/new", "step.add.notify.log", nil).want(http.StatusOK)
			if got := b.press("/automations/new", c.button, c.change); got.status != c.status || !strings.Contains(b.page, c.says) {
				t.Errorf("it answers %d, want %d and %q:\n%s", got.status, c.status, c.says, b.page)
			}
		})
	}
	sam := a.signIn("sam")
	sam.see("/automations/new?trigger=order.refunded&name=x")
	sam.press("/automations/new", "step.add.notify.log", nil)
	if got := sam.press("/automations/new", "save", nil); got.status != http.StatusForbidden {
		t.Errorf("support writes a rule: %d", got.status)
	}
	if got := a.signIn("nina").send("GET", "/runs/nothing", "", "Cookie", a.signIn("nina").cookie); got.status != http.StatusNotFound {
		t.Errorf("a run that is not there answers %d", got.status)
	}
}
