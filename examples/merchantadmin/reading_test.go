package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/storage/sqlite"
)

// What a role reads through the surfaces it reads on the pages, and nothing beside.
func TestRolesReadWhatThePolicyLetsThem(t *testing.T) {
	t.Parallel()
	a := startAdmin(t, sqlite.Memory)
	a.as("dana", "POST", "/api/v1/webhooks/endpoints", `{"url":"http://127.0.0.1:9/private","event_types":["*"]}`).want(http.StatusCreated)
	everybody := []string{
		"/api/v1/audit/events", "/api/v1/approvals/requests", "/api/v1/timeline?trace_id=" + strings.Repeat("a", 32),
		"/audit", "/approvals", "/timeline?trace_id=" + strings.Repeat("a", 32),
	}
	notSupport := []string{"/api/v1/webhooks/endpoints", "/api/v1/webhooks/deliveries", "/webhooks", "/deliveries"}
	for _, person := range []string{"olivia", "marco", "sam", "audra", "dana"} {
		b := a.signIn(person)
		ask := func(path string, want int) answer {
			if strings.HasPrefix(path, "/api/") {
				return a.as(person, "GET", path, "").want(want)
			}
			return b.send("GET", path, "", "Cookie", b.cookie).want(want)
		}
		for _, path := range everybody {
			ask(path, http.StatusOK)
		}
		want, shown := http.StatusOK, true
		if person == "sam" {
			want, shown = http.StatusForbidden, false
		}
		for _, path := range notSupport {
			ask(path, want)
		}
		if page := b.see("/orders"); strings.Contains(page, `href="/deliveries"`) != shown {
			t.Errorf("%s finds the way to the deliveries: %t, want %t", person, !shown, shown)
		}
	}
}

func TestWhoMayNotReadLearnsNothingFromAForm(t *testing.T) {
	t.Parallel()
	a := startAdmin(t, sqlite.Memory)
	a.as("dana", "POST", "/api/v1/webhooks/endpoints", `{"url":"http://127.0.0.1:9/private","event_types":["*"]}`).want(http.StatusCreated)
	got := a.signIn("sam").form("/webhooks", url.Values{"url": {"http://127.0.0.1:9/in"}, "event_types": {"*"}}).want(http.StatusForbidden)
	if strings.Contains(string(got.body), "/private") {
		t.Error("the refusal lists the endpoints")
	}
}

func TestTheAuditorReadsAndChangesNothing(t *testing.T) {
	t.Parallel()
	a := startAdmin(t, sqlite.Memory)
	a.as("audra", "POST", "/api/v1/webhooks/endpoints", `{"url":"http://127.0.0.1:9/in","event_types":["*"]}`).want(http.StatusForbidden)
	a.refund("audra", a.order(100_00).ID, "5.00").want(http.StatusForbidden)
}
