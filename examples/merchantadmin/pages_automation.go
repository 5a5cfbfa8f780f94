package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/httpapi/webpage"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/automation/ruleform"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
)

// automationPages are the rules, the builder of a rule, and the runs.
func (a *app) automationPages(mux *http.ServeMux) {
	page := func(pattern string, h pageHandler) { a.page(mux, pattern, a.readable(readAutomation, h)) }
	page("GET /automations", a.rulesPage)
	page("GET /automations/new", a.ruleForm)
	page("POST /automations/new", a.ruleForm)
	page("GET /automations/{id}", func(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
		return a.rulePage(w, r, who, nil)
	})
	page("GET /automations/{id}/edit", a.ruleForm)
	page("POST /automations/{id}/edit", a.ruleForm)
	turn := func(turn func(r *http.Request, tenant, id, reason string) error) pageHandler {
		return func(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
			id := r.PathValue("id")
			return a.after(w, r, turn(r, who.Tenant, id, r.PostFormValue("reason")), "/automations/"+url.PathEscape(id),
				func(problem *httpapi.Problem) error { return a.rulePage(w, r, who, problem) })
		}
	}
	page("POST /automations/{id}/enable", turn(func(r *http.Request, tenant, id, reason string) error {
		_, err := a.automation.Enable(r.Context(), tenant, id, reason)
		return err
	}))
	page("POST /automations/{id}/disable", turn(func(r *http.Request, tenant, id, reason string) error {
		_, err := a.automation.Disable(r.Context(), tenant, id, reason)
		return err
	}))
	page("GET /runs", a.runsPage)
	page("GET /runs/{id}", func(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
		return a.runPage(w, r, who, nil)
	})
	page("POST /runs/{id}/{verb}", a.changeRun)
}

const runsOnPage = 25

func (a *app) rulesPage(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	page, err := a.automation.List(r.Context(), who.Tenant, automation.RuleQuery{After: storage.Cursor(r.FormValue("after")), Limit: flagsOnPage})
	if err != nil {
		return err
	}
	return a.show(w, r, who, "automations", view{Title: "Automations", Current: "/automations", Data: page})
}

type ruleData struct {
	Rule       automation.Rule
	Definition automation.Definition
	Versions   []automation.Version
	Runs       []runRow
}

// A runRow is a run in a list, with the name of its rule where the list is of many.
type runRow struct {
	automation.Run
	Rule string
}

func runRows(runs []automation.Run, rules []automation.Rule) (rows []runRow) {
	for _, run := range runs {
		row := runRow{Run: run}
		for _, rule := range rules {
			if rule.ID == run.RuleID {
				row.Rule = rule.Name
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func (a *app) rulePage(w http.ResponseWriter, r *http.Request, who httpapi.Identity, problem *httpapi.Problem) (err error) {
	var data ruleData
	id := r.PathValue("id")
	if data.Rule, data.Definition, err = a.automation.Get(r.Context(), who.Tenant, id); err != nil {
		return err
	}
	versions, err := a.automation.Versions(r.Context(), who.Tenant, id, automation.VersionQuery{Limit: versionsOnPage})
	if err != nil {
		return err
	}
	runs, err := a.automation.Runs(r.Context(), who.Tenant, automation.RunQuery{RuleID: id, Limit: versionsOnPage})
	if err != nil {
		return err
	}
	data.Versions, data.Runs = versions.Items, runRows(runs.Items, nil)
	return a.show(w, r, who, "automation", view{Title: data.Rule.Name, Current: "/automations", Problem: problem, Data: data})
}

type ruleFormData struct {
	// Path is where the form is sent, and Rule the one that is edited, if any.
	Path         string
	Rule         automation.Rule
	Form         ruleform.Form
	Environments []string
	Triggers     []automation.TriggerDescriptor
	Actions      []automation.Descriptor
	// Event is the event of a test run, and Test the run once it was tried.
	Event string
	Test  *automation.RunDetail
}

// ruleForm is the builder: it shows the form, does what its buttons say, tries the rule
// without any effect, and saves it.
func (a *app) ruleForm(w http.ResponseWriter, r *http.Request, who httpapi.Identity) (err error) {
	ctx, id, do := r.Context(), r.PathValue("id"), r.PostFormValue("do")
	catalog := a.automation.Catalog()
	data := ruleFormData{
		Path: r.URL.Path, Environments: catalog.Environments(), Triggers: catalog.Triggers(), Actions: catalog.Actions(),
		Form: newRule(r.URL.Query()), Event: r.PostFormValue("event"),
	}
	if id != "" {
		var d automation.Definition
		if data.Rule, d, err = a.automation.Get(ctx, who.Tenant, id); err != nil {
			return err
		}
		data.Form = ruleform.Of(d)
	}
	show := func(problem *httpapi.Problem) error {
		return a.show(w, r, who, "rule", view{Title: "Rule", Current: "/automations", Problem: problem, Data: data})
	}
	if r.Method == http.MethodGet {
		return show(nil)
	}
	sent, changed := ruleform.Read(r.PostForm), false
	if data.Form, changed = sent.Do(do, data.Actions); changed {
		return show(nil)
	}
	d, err := sent.Definition()
	switch revision, bad := strconv.ParseInt(r.PostFormValue("revision"), 10, 64); {
	case err != nil:
	case do != "save":
		var test automation.RunDetail
		event := json.RawMessage(data.Event)
		if data.Event == "" {
			event = sent.Sample(data.Triggers)
		}
		if test, err = a.automation.TestDefinition(ctx, who.Tenant, d, automation.TestInput{Event: event}); err == nil {
			a.hideErrors(r, who, test.Steps)
			data.Test = &test
			return show(nil)
		}
	case id == "":
		data.Rule, err = a.automation.Create(ctx, who.Tenant, automation.RuleInput{Definition: d})
	case bad != nil:
		return httpapi.BadRequest("revision", "must be a number")
	default:
		_, err = a.automation.Update(ctx, who.Tenant, id, revision, d)
	}
	return a.after(w, r, err, "/automations/"+url.PathEscape(data.Rule.ID), show)
}

// newRule is the form of a new rule. Pages that offer one for what they show say so in
// the address: the trigger, and a path with the value that it is about.
func newRule(q url.Values) ruleform.Form {
	d := automation.Definition{Name: q.Get("name"), Environment: automation.Prod, Trigger: automation.TriggerUse{Type: q.Get("trigger")}}
	if path := q.Get("path"); path != "" {
		d.Conditions = targeting.Condition{Path: path, Op: targeting.Equal, Value: targeting.String(q.Get("value"))}
	}
	return ruleform.Of(d)
}

type runsData struct {
	Filter   automation.RunQuery
	Statuses []automation.Status
	Rules    []automation.Rule
	Items    []runRow
	Next     string
}

func (a *app) runsPage(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
	data := runsData{Statuses: automation.Statuses(), Filter: automation.RunQuery{
		RuleID: r.FormValue("rule_id"), Status: automation.Status(r.FormValue("status")), EventType: r.FormValue("event_type"),
		After: storage.Cursor(r.FormValue("after")), Limit: runsOnPage,
	}}
	rules, err := a.automation.List(r.Context(), who.Tenant, automation.RuleQuery{Limit: storage.MaxLimit})
	if err != nil {
		return err
	}
	page, err := a.automation.Runs(r.Context(), who.Tenant, data.Filter)
	if err != nil {
		return err
	}
	data.Rules, data.Items, data.Next = rules.Items, runRows(page.Items, rules.Items), webpage.Next(r, page.Next)
	return a.show(w, r, who, "runs", view{Title: "Runs", Current: "/automations", Data: data})
}

type runData struct {
	automation.RunDetail
	Rule automation.Rule
}

func (a *app) runPage(w http.ResponseWriter, r *http.Request, who httpapi.Identity, problem *httpapi.Problem) error {
	run, err := a.automation.Run(r.Context(), who.Tenant, r.PathValue("id"))
	if err != nil {
		return err
	}
	rule, _, err := a.automation.Get(r.Context(), who.Tenant, run.Run.RuleID)
	if err != nil {
		return err
	}
	a.hideErrors(r, who, run.Steps)
	return a.show(w, r, who, "run", view{Title: "Run of " + rule.Name, Current: "/automations", Problem: problem, Data: runData{run, rule}})
}

// hideErrors takes causes and stacks from what is shown to those who may not read them.
func (a *app) hideErrors(r *http.Request, who httpapi.Identity, steps []automation.StepDetail) {
	if a.reading(readErrors)(r.Context(), who) == nil {
		return
	}
	for _, step := range steps {
		for i := range step.Log {
			step.Log[i].Detail = ""
		}
	}
}

// changeRun repeats a run or ends it.
func (a *app) changeRun(w http.ResponseWriter, r *http.Request, who httpapi.Identity) (err error) {
	id, reason, run := r.PathValue("id"), r.PostFormValue("reason"), automation.Run{}
	switch r.PathValue("verb") {
	case "rerun":
		run, err = a.automation.Rerun(r.Context(), who.Tenant, id, r.PostFormValue("latest") != "", reason)
	case "cancel":
		run, err = a.automation.Cancel(r.Context(), who.Tenant, id, reason)
	default:
		err = storage.ErrNotFound
	}
	return a.after(w, r, err, "/runs/"+url.PathEscape(run.ID), func(problem *httpapi.Problem) error { return a.runPage(w, r, who, problem) })
}
