package automationadmin_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/httpapi/httpapitest"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/automation/automationadmin"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/storage/listing/listingtest"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

var day = time.Date(2026, 11, 1, 9, 0, 0, 123_456_000, time.UTC)

// fill gives a tenant rules and runs, of which several have one time, and returns the runs.
func fill(t *testing.T, s automation.Store, tenant string, n int) (runs []automation.Run) {
	t.Helper()
	owner := audit.Actor{Type: audit.User, ID: "sam"}
	for i := range n {
		rule := automation.Rule{
			ID: fmt.Sprintf("%s-rule%02d", tenant, i*7%n), Name: []string{"Refund", "refund", "ä & b", "_"}[i%4], Environment: []string{automation.Prod, automation.Staging}[i%2],
			EventTypes: []string{refunded}, Enabled: i%3 == 0, Owner: owner, Version: 1, Revision: 1,
			CreatedAt: day.Add(time.Duration(i/3) * time.Microsecond), UpdatedAt: day.Add(-time.Duration(i%2) * time.Hour),
		}
		must(t, s.SaveRule(t.Context(), tenant, rule, &automation.Version{RuleID: rule.ID, Number: 1, Document: []byte(`{}`), Hash: "h", CreatedBy: owner, CreatedAt: day}))
		run := automation.Run{
			ID: fmt.Sprintf("%s-run%02d", tenant, i*7%n), Tenant: tenant, RuleID: fmt.Sprint("rule", i%4), RuleVersion: 1 + i%2, Environment: rule.Environment,
			Status: automation.Statuses()[i%7], Trigger: automation.Triggers()[i%2], EventKey: fmt.Sprint("k", i), EventType: fmt.Sprint("lumelle.orders.v", i%3),
			Owner: owner, Reason: []string{"", "because"}[i%2], StartedAt: day.Add(time.Duration(i/3) * time.Microsecond), UpdatedAt: day.Add(time.Duration(i) * time.Second), Version: 1,
		}
		if run.Trace.TraceID = fmt.Sprint("t", i/2); i%4 == 0 {
			run.DeadlineAt = day.Add(time.Hour)
		}
		if run.Status.Ended() {
			run.EndedAt = run.UpdatedAt
		}
		if run.Trigger == automation.ByRerun {
			run.ParentID = "first"
		}
		must(t, s.Save(t.Context(), tenant, automation.Write{Run: run}))
		runs = append(runs, run)
	}
	return runs
}

func TestListsAreAsTheyAreDeclared(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		h := newHost(t, b)
		fill(t, b.Automation(), "acme", 13)
		fill(t, b.Automation(), "bloom", 3)
		for _, l := range []struct {
			path   string
			name   string
			fields []listing.FieldInfo
			sort   listing.Sort
		}{
			{"/rules", automation.Rules().Name, automation.Rules().Info(), automation.Rules().Sort},
			{"/runs", automation.Runs().Name, automation.Runs().Info(), automation.Runs().Sort},
		} {
			t.Run(strings.TrimPrefix(l.path, "/"), func(t *testing.T) {
				httpapitest.List(t, httpapitest.ListUnderTest{
					Fields: l.fields, Sort: l.sort, URL: h.URL + l.path, Own: h.As("audra@acme"), Stranger: h.As("nina@bloom"),
					Document: httpapitest.Load(t, automationadmin.OpenAPI()), Path: l.path,
					Saved: h.saved, Name: l.name, Person: httpapi.Identity{Tenant: "acme", Actor: audit.Actor{Type: audit.User, ID: "audra"}},
				})
			})
		}
	})
}

// TestFiltersGoWithTheOtherChoicesOfRuns: what a query chooses by its own fields, a scan
// over the rest finds in every order.
func TestFiltersGoWithTheOtherChoicesOfRuns(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		all := fill(t, b.Automation(), "acme", 20)
		for name, q := range map[string]automation.RunQuery{
			"of a rule":           {RuleID: "rule1"},
			"since":               {Since: day.Add(2 * time.Microsecond)},
			"until":               {Until: day.Add(5 * time.Microsecond)},
			"of a rule and since": {RuleID: "rule1", Since: day.Add(time.Microsecond), Until: day.Add(5 * time.Microsecond)},
		} {
			var chosen []automation.Run
			for _, r := range all {
				if (q.RuleID == "" || r.RuleID == q.RuleID) && !r.StartedAt.Before(q.Since) && (q.Until.IsZero() || r.StartedAt.Before(q.Until)) {
					chosen = append(chosen, r)
				}
			}
			list := listingtest.Of(automation.Runs(), func(asked listing.Query) (storage.Page[automation.Run], error) {
				q := q
				q.Filters, q.Sort, q.After, q.Limit = asked.Filters, asked.Sort, asked.After, asked.Limit
				return b.Automation().ListRuns(t.Context(), "acme", q)
			})
			for _, sort := range list.Sorts() {
				for _, filters := range [][]listing.Filter{nil, {listing.Is("trigger", automation.ByEvent)}, {{Field: "started_at", Op: listing.Gt, Values: []string{day.Format(time.RFC3339Nano)}}}} {
					if err := list.Same(chosen, listing.Query{Filters: filters, Sort: sort, Limit: 2}); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
			}
		}
	})
}

func TestManyRulesAndRunsAreChangedEachAsIfItStoodAlone(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		h := newHost(t, b)
		owner := audit.Actor{Type: audit.User, ID: "sam"}
		must(t, b.Automation().SaveRule(t.Context(), "acme", automation.Rule{
			ID: "gone", Name: "Gone", Environment: automation.Prod, EventTypes: []string{refunded}, Owner: owner, Version: 1, Revision: 1, CreatedAt: day, UpdatedAt: day,
		}, &automation.Version{RuleID: "gone", Number: 1, Document: []byte(`{}`), Hash: "h", CreatedBy: owner, CreatedAt: day}))
		for i := range 3 {
			_, err := b.Automation().InsertEvent(t.Context(), "acme", automation.TriggerEvent{
				Key: fmt.Sprint("k", i), Source: "/orders", ID: fmt.Sprint(i), Type: refunded, Environment: automation.Prod, Body: []byte(`{}`), CreatedAt: day,
			})
			must(t, err)
			run := automation.Run{
				ID: fmt.Sprint("run", i), RuleID: "gone", RuleVersion: 1, Environment: automation.Prod, Status: automation.Waiting, Trigger: automation.ByEvent,
				EventKey: fmt.Sprint("k", i), EventType: refunded, StartedAt: day, UpdatedAt: day, Version: 1,
				Wait: automation.Wait{Kind: automation.ForSignal, Key: "decision", Gen: 1},
			}
			if i == 1 {
				run.Status, run.EndedAt = automation.Succeeded, day
			}
			must(t, b.Automation().Save(t.Context(), "acme", automation.Write{Run: run}))
		}
		told := func(who, path, body string) (lines []string) {
			t.Helper()
			got := h.Want(h.Do(who, "POST", path, body), 200)
			for _, i := range got.Body["items"].([]any) {
				item := i.(map[string]any)
				line := fmt.Sprint(item["id"], " ", item["status"])
				if p, ok := item["problem"].(map[string]any); ok {
					line += p["type"].(string)[strings.LastIndexByte(p["type"].(string), ':'):]
				}
				if id, ok := item["request_id"]; ok {
					line += fmt.Sprint(" ", id)
				}
				lines = append(lines, line)
			}
			return lines
		}
		const ids = `{"ids":["run0","run1","nobody"],"action":"cancel","reason":"stop"}`
		for _, c := range []struct {
			who, path, body string
			want            []string
		}{
			{"audra@acme", "/runs/bulk", ids, []string{"run0 refused:denied", "run1 refused:run_ended", "nobody refused:not_found"}},
			{"dana@acme", "/runs/bulk", `{"ids":["run0"],"action":"cancel"}`, []string{"run0 awaiting_approval req-1"}},
			{"nina@bloom", "/runs/bulk", ids, []string{"run0 refused:not_found", "run1 refused:not_found", "nobody refused:not_found"}},
			{"sam@acme", "/runs/bulk", ids, []string{"run0 done", "run1 refused:run_ended", "nobody refused:not_found"}},
			{"sam@acme", "/runs/bulk", `{"filter":{"status":{"in":["running","waiting"]}},"action":"cancel"}`, []string{"run2 done"}},
			{"sam@acme", "/rules/bulk", `{"ids":["nobody"],"action":"disable","reason":"stop"}`, []string{"nobody refused:not_found"}},
		} {
			if got := told(c.who, c.path, c.body); !slices.Equal(got, c.want) {
				t.Errorf("%s %s: got %q, want %q", c.who, c.body, got, c.want)
			}
		}
		for id, want := range map[string]automation.Status{"run0": automation.Cancelled, "run1": automation.Succeeded, "run2": automation.Cancelled} {
			if r, err := b.Automation().GetRun(t.Context(), "acme", id, false); err != nil || r.Status != want {
				t.Errorf("%s is %s (%v), want %s", id, r.Status, err, want)
			}
		}
		rule := h.Want(h.Do("sam@acme", "POST", "/rules", bulkRule), 201)
		id := rule.Body["id"].(string)
		for _, c := range []struct {
			action string
			want   bool
		}{{"enable", true}, {"disable", false}} {
			body := fmt.Sprintf(`{"filter":{"name":{"eq":"Bulk"}},"action":%q}`, c.action)
			if got := told("sam@acme", "/rules/bulk", body); !slices.Equal(got, []string{id + " done"}) {
				t.Errorf("got %q", got)
			}
			if got := h.Want(h.Do("sam@acme", "GET", "/rules/"+id, ""), 200); got.Body["enabled"] != c.want {
				t.Errorf("after %s: %s", c.action, got.Text)
			}
		}
	})
}

const bulkRule = `{"name":"Bulk","automation_environment":"prod","trigger":{"type":"event","event_type":"` + refunded + `"},"steps":[{"name":"note","action":"notify.log","with":{"message":"x"}}]}`
