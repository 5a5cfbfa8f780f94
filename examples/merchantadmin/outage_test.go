package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// TestALostDatabaseTakesNoFlagAwayAndDeniesNobody stops the Postgres that holds both the
// flags and the policy below an admin that runs. What was known goes on being answered,
// whoever reads anything else is told to ask again, and all is well when it is back.
func TestALostDatabaseTakesNoFlagAwayAndDeniesNobody(t *testing.T) {
	t.Parallel()
	for _, kind := range eachtest.Kinds(t) {
		if kind.Name == "postgres" {
			loseTheDatabase(t)
		}
	}
}

// A shownFlag is an evaluation as OFREP tells it: a reason that the protocol does not
// have stands in the metadata.
type shownFlag struct {
	Key      string
	Value    any
	Variant  string
	Reason   string
	Metadata struct{ Reason string }
}

func (f shownFlag) stale() bool { return f.Metadata.Reason == "STALE" }

// outageReads are what every one of these people may read while the database answers.
var outageReads = []string{
	"/api/v1/flags", "/api/v1/flags/" + newRefundForm, "/api/v1/audiences",
	"/api/v1/approvals/requests",
	"/api/v1/webhooks/endpoints", "/api/v1/webhooks/deliveries",
	"/api/v1/automation/rules", "/api/v1/automation/runs",
	"/api/v1/audit/events", "/api/v1/timeline?trace_id=" + strings.Repeat("a", 32),
	"/api/v1/lists/webhooks.endpoints/filters",
	"/api/v1/orders",
	"/flags", "/approvals", "/webhooks", "/deliveries", "/automations", "/audit", "/orders",
}

func loseTheDatabase(t *testing.T) {
	server := eachtest.PostgresCluster(t)
	delivered := make(chan struct{}, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { delivered <- struct{}{} }))
	t.Cleanup(receiver.Close)
	a := startAdmin(t, server.DSN())
	a.as("dana", "POST", "/api/v1/webhooks/endpoints", `{"url":"`+receiver.URL+`","event_types":["lumelle.orders.v1.refunded"]}`).want(http.StatusCreated)
	order := a.order(100_00).ID

	const support = `{"context":{"targetingKey":"store-1","role":"support"}}`
	one := func() (f shownFlag) {
		t.Helper()
		a.as("sam", "POST", "/ofrep/v1/evaluate/flags/"+newRefundForm, support).want(http.StatusOK).json(&f)
		return f
	}
	bulk := func() shownFlag {
		t.Helper()
		var all struct{ Flags []shownFlag }
		a.as("sam", "POST", "/ofrep/v1/evaluate/flags", support).want(http.StatusOK).json(&all)
		for _, f := range all.Flags {
			if f.Key == newRefundForm {
				return f
			}
		}
		t.Fatalf("the list lacks %s: %+v", newRefundForm, all)
		return shownFlag{}
	}
	evaluations := map[string]func() shownFlag{"one flag": one, "all flags": bulk}
	// On a busy machine the first read may take longer than an evaluation waits for it.
	eventually(t, "that the flags are read", func() bool {
		return a.as("sam", "POST", "/ofrep/v1/evaluate/flags/"+newRefundForm, support).status == http.StatusOK
	})
	for name, evaluate := range evaluations {
		var f shownFlag
		eventually(t, "that the flags are known", func() bool { f = evaluate(); return !f.stale() })
		if f.Value != true || f.Variant != "on" {
			t.Fatalf("%s before: %+v, want on", name, f)
		}
	}
	people := map[string]*browser{}
	for _, person := range []string{"olivia", "audra"} {
		people[person] = a.signIn(person)
	}
	// read asks for everything, as a script or as a browser does, and returns what was not
	// answered with the status.
	read := func(want int) (others []string) {
		t.Helper()
		for person, b := range people {
			for _, path := range outageReads {
				var r answer
				if strings.HasPrefix(path, "/api/") {
					r = a.as(person, "GET", path, "")
				} else {
					r = b.send("GET", path, "", "Cookie", b.cookie)
				}
				if r.status != want {
					others = append(others, person+" "+r.about+": "+http.StatusText(r.status))
				}
			}
		}
		return others
	}
	if others := read(http.StatusOK); len(others) > 0 {
		t.Fatalf("before: not 200: %q", others)
	}
	notSupport := func() int { return a.as("sam", "GET", "/api/v1/webhooks/endpoints", "").status }
	if got := notSupport(); got != http.StatusForbidden {
		t.Fatalf("before: support reads endpoints: %d, want 403", got)
	}

	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "that the flags are stale", func() bool { return one().stale() && bulk().stale() })
	for range 20 {
		for name, evaluate := range evaluations {
			if f := evaluate(); f.Value != true || f.Variant != "on" || !f.stale() {
				t.Errorf("%s while the database is away: %+v, want on and STALE", name, f)
			}
		}
	}
	if others := read(http.StatusServiceUnavailable); len(others) > 0 {
		t.Errorf("while the database is away: not 503: %q", others)
	}
	if got := notSupport(); got != http.StatusServiceUnavailable {
		t.Errorf("while nobody knows what support may read: %d, want 503", got)
	}
	a.send("POST", "/ofrep/v1/evaluate/flags/"+newRefundForm, support).want(http.StatusUnauthorized)
	a.refund("sam", order, "5.00").want(http.StatusServiceUnavailable)
	a.send("GET", "/healthz", "").want(http.StatusOK)
	a.send("GET", "/readyz", "").want(http.StatusServiceUnavailable)

	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "that the flags are known again", func() bool { return !one().stale() && !bulk().stale() })
	eventually(t, "that the admin is ready", func() bool { return a.send("GET", "/readyz", "").status == http.StatusOK })
	var others []string
	eventually(t, "that everything is read again", func() bool { others = read(http.StatusOK); return len(others) == 0 })
	if got := notSupport(); got != http.StatusForbidden {
		t.Errorf("after: support reads endpoints: %d, want 403", got)
	}
	a.refund("sam", order, "5.00").want(http.StatusOK)
	<-delivered // the worker delivers again
	a.as("dana", "POST", "/api/v1/flags/"+newRefundForm+"/kill", `{"environment":"prod","reason":"it is back"}`).want(http.StatusOK)
	eventually(t, "that a change after the outage arrives", func() bool { return one().Variant == "off" && bulk().Variant == "off" })
}
