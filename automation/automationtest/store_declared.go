package automationtest

import (
	"fmt"
	"time"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/storage/listing/listingtest"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

const whyDeclared = "Whoever filters by something that the store passes over acts on objects that were never meant: every field with every operator, in every order, is as a plain scan finds it, and what is not declared is refused."

var declaredRules = []storeRule{
	{"RS-047", "rules are listed as their list declares", whyDeclared, func(e *env) {
		texts := ruletest.Spellings()
		var all []automation.Rule
		for n := range 18 {
			r := e.rule(fmt.Sprintf("r%02d", n*7%18))
			r.Name, r.Environment = texts[n%len(texts)], []string{automation.Prod, automation.Staging, automation.Draft}[n%3]
			r.Enabled, r.Version = n%4 != 0, 1+n%2
			r.CreatedAt, r.UpdatedAt = noon.Add(time.Duration(n/3)*time.Microsecond), noon.Add(-time.Duration(n%3)*time.Hour)
			e.insertRule(r)
			all = append(all, r)
		}
		o := e.of(e.Tenant + "-other")
		o.insertRule(o.rule("r99"))
		listingtest.Check(e, listingtest.Of(automation.Rules(), func(q listing.Query) (storage.Page[automation.Rule], error) {
			return e.Store.ListRules(e.Ctx, e.Tenant, automation.RuleQuery{Filters: q.Filters, Sort: q.Sort, After: q.After, Limit: q.Limit})
		}), all)
	}},
	{"RS-048", "runs are listed as their list declares", whyDeclared, func(e *env) {
		texts := ruletest.Spellings()
		var all []automation.Run
		for n := range 18 {
			r := e.run(fmt.Sprintf("r%02d", n*7%18))
			r.RuleID, r.RuleVersion = []string{"rule", "Rule"}[n%2], 1+n%3
			r.Environment = []string{automation.Prod, automation.Staging}[n%2]
			r.Status = automation.Statuses()[n%len(automation.Statuses())]
			r.Trigger, r.EventType = automation.ByEvent, []string{"a.b", "a.B", "a.b.c"}[n%3]
			if n%4 == 0 {
				r.Trigger, r.ParentID = automation.ByRerun, fmt.Sprint("p", n%3)
			}
			r.Reason, r.Trace = texts[n%len(texts)], traceOf(fmt.Sprint(1+n%3))
			r.StartedAt, r.UpdatedAt = noon.Add(time.Duration(n/3)*time.Microsecond), noon.Add(-time.Duration(n)*time.Hour)
			if n%3 == 0 {
				r.DeadlineAt, r.EndedAt = time.Time{}, time.Time{}
			}
			e.insertRun(r)
			all = append(all, r)
		}
		o := e.of(e.Tenant + "-other")
		o.insertRun(o.run("r99"))
		listingtest.Check(e, listingtest.Of(automation.Runs(), func(q listing.Query) (storage.Page[automation.Run], error) {
			return e.Store.ListRuns(e.Ctx, e.Tenant, automation.RunQuery{Filters: q.Filters, Sort: q.Sort, After: q.After, Limit: q.Limit})
		}), all)
	}},
}
