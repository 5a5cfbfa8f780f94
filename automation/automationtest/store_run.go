package automationtest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

func (e *env) getRun(id string) automation.Run {
	e.Helper()
	r, err := e.Store.GetRun(e.Ctx, e.Tenant, id, false)
	e.Must(err, "get the run "+id)
	return r
}

func (e *env) steps(run string) []automation.StepRun {
	e.Helper()
	all, err := e.Store.Steps(e.Ctx, e.Tenant, run)
	e.Must(err, "steps")
	return all
}

func (e *env) attempts(run string) []automation.Attempt {
	e.Helper()
	all, err := e.Store.Attempts(e.Ctx, e.Tenant, run)
	e.Must(err, "attempts")
	return all
}

// runs returns the ids of the runs that a query finds, page by page.
func (e *env) runs(q automation.RunQuery) []string {
	e.Helper()
	return walk(e, func(r automation.Run) string { return r.ID }, func(after storage.Cursor) (storage.Page[automation.Run], error) {
		q.After, q.Limit = after, 2
		return e.Store.ListRuns(e.Ctx, e.Tenant, q)
	})
}

// tried returns a first attempt of a step.
func tried(step string) automation.Attempt {
	return automation.Attempt{Step: step, N: 1, At: noon, Logs: []automation.LogLine{{At: noon, Text: "hm"}}}
}

var runRules = []storeRule{
	{"RS-020", "texts of runs, steps, attempts and events are kept byte for byte", "They are what people read when something went wrong.", func(e *env) {
		for i, text := range ruletest.Spellings() {
			r, s, a, v := e.run(fmt.Sprint("run-", i)), e.step(1, text), tried(text), e.event(text)
			r.Trigger, r.EventType, r.Cursor, r.Reason, r.Owner.Name, r.Audiences = text, text, text, text, text, []string{text}
			r.Failure.Message, s.Action, s.Branch, s.Failure.Message = text, text, text, text
			a.Error, a.Detail, a.Logs[0].Text = text, text, text
			v.Source, v.ID, v.Type = text, text, text
			e.Must(e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: r, Steps: []automation.StepRun{s}, Attempts: []automation.Attempt{a}}), "save")
			_, err := e.Store.InsertEvent(e.Ctx, e.Tenant, v)
			e.Must(err, "insert an event")
			e.equal(fmt.Sprintf("the run of %q", text), e.getRun(r.ID), r)
			e.equal(fmt.Sprintf("the step of %q", text), e.steps(r.ID), []automation.StepRun{s})
			e.equal(fmt.Sprintf("the attempt of %q", text), e.attempts(r.ID), []automation.Attempt{a})
			got, err := e.Store.GetEvent(e.Ctx, e.Tenant, text)
			e.Must(err, "get the event")
			e.equal(fmt.Sprintf("the event of %q", text), got, v)
		}
	}},
	{"RS-021", "inputs, outputs and bodies are kept byte for byte", "A rerun has to see what the run saw, to the last digit.", func(e *env) {
		for i, doc := range documents() {
			r, s, v := e.run(fmt.Sprint("run-", i)), e.step(1, "ask"), e.event(fmt.Sprint("k", i))
			s.Input, s.Output, v.Body = []byte(doc), []byte(doc+" "), []byte(" "+doc)
			e.Must(e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: r, Steps: []automation.StepRun{s}}), "save")
			_, err := e.Store.InsertEvent(e.Ctx, e.Tenant, v)
			e.Must(err, "insert an event")
			got, err := e.Store.GetEvent(e.Ctx, e.Tenant, v.Key)
			e.Must(err, "get the event")
			back := e.steps(r.ID)
			if len(back) != 1 {
				e.Fatalf("the steps are %+v", back)
			}
			e.Same([]string{string(back[0].Input), string(back[0].Output), string(got.Body)}, []string{doc, doc + " ", " " + doc}, "input, output and body")
		}
	}},
	{"RS-022", "times of runs, steps, attempts and events come back in UTC, cut to the microsecond", "Timers are compared with them, and lists are ordered by them.", func(e *env) {
		given := noon.Add(999).In(time.FixedZone("", 3600))
		r, s, a, v := e.run("run"), e.step(1, "ask"), tried("ask"), e.event("k")
		r.Wait.DueAt, r.DeadlineAt, r.StartedAt, r.UpdatedAt, r.EndedAt = given, given, given, given, given
		s.StartedAt, s.EndedAt, a.At, a.Duration, a.Logs[0].At, v.CreatedAt = given, given, given, 3*time.Microsecond+999, given, given
		e.Must(e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: r, Steps: []automation.StepRun{s}, Attempts: []automation.Attempt{a}}), "save")
		_, err := e.Store.InsertEvent(e.Ctx, e.Tenant, v)
		e.Must(err, "insert an event")
		got := e.getRun("run")
		e.Same([]time.Time{got.Wait.DueAt, got.DeadlineAt, got.StartedAt, got.UpdatedAt, got.EndedAt}, slices.Repeat([]time.Time{noon}, 5), "the times of the run")
		steps, tries := e.steps("run"), e.attempts("run")
		event, err := e.Store.GetEvent(e.Ctx, e.Tenant, "k")
		e.Must(err, "get the event")
		if len(steps) != 1 || len(tries) != 1 || len(tries[0].Logs) != 1 {
			e.Fatalf("the steps are %+v and the attempts %+v", steps, tries)
		}
		e.Same([]time.Time{steps[0].StartedAt, steps[0].EndedAt, tries[0].At, tries[0].Logs[0].At, event.CreatedAt}, slices.Repeat([]time.Time{noon}, 5), "the other times")
		e.Same(tries[0].Duration, 3*time.Microsecond, "the duration")
	}},
	{"RS-023", "a run and an event belong to the tenant that was given, whatever they say themselves", "The parameter is what the caller was allowed to write for.", func(e *env) {
		r, v := e.run("run"), e.event("k")
		r.Tenant, v.Tenant = "somebody-else", "somebody-else"
		e.insertRun(r)
		_, err := e.Store.InsertEvent(e.Ctx, e.Tenant, v)
		e.Must(err, "insert an event")
		got, err := e.Store.GetEvent(e.Ctx, e.Tenant, "k")
		e.Must(err, "get the event")
		e.Same([]string{e.getRun("run").Tenant, got.Tenant}, []string{e.Tenant, e.Tenant}, "the tenants")
	}},
	{"RS-024", "a refused write leaves neither steps nor attempts", "What a worker did under a version that is not there any more must not stand in the history.", func(e *env) {
		w := automation.Write{Run: e.run("run"), Steps: []automation.StepRun{e.step(1, "new")}, Attempts: []automation.Attempt{tried("new")}}
		w.Run.Version = 2
		e.WantErr(e.Store.Save(e.Ctx, e.Tenant, w), storage.ErrConflict, "version 2 of nothing")
		e.Same([]int{len(e.steps("run")), len(e.attempts("run"))}, []int{0, 0}, "the steps and attempts of nothing")
		e.insertRun(e.run("run"))
		w.Run.Version = 5
		e.WantErr(e.Store.Save(e.Ctx, e.Tenant, w), storage.ErrConflict, "version 5 over version 1")
		e.Same([]int{len(e.steps("run")), len(e.attempts("run"))}, []int{1, 0}, "the steps and attempts")
		twin := w
		twin.Run = e.run("twin")
		twin.Run.EventKey = e.run("run").EventKey
		e.WantErr(e.Store.Save(e.Ctx, e.Tenant, twin), storage.ErrConflict, "a second run for the event")
		e.Same([]int{len(e.steps("twin")), len(e.attempts("twin"))}, []int{0, 0}, "the steps and attempts of the second")
	}},
	{"RS-025", "a refused write leaves what its transaction wrote before and after it", "A worker that lost the race records that, in the same transaction.", func(e *env) {
		e.insertRun(e.run("run"))
		before, after := e.run("before"), e.run("after")
		e.Tx(func(ctx context.Context) error {
			e.in(ctx).insertRun(before)
			late := e.run("run")
			late.Version = 3
			e.WantErr(e.Store.Save(ctx, e.Tenant, automation.Write{Run: late}), storage.ErrConflict, "version 3 over version 1")
			e.in(ctx).insertRun(after)
			return nil
		})
		e.equal("what was written before", e.getRun("before"), before)
		e.equal("what was written after", e.getRun("after"), after)
	}},
	{"RS-026", "steps and attempts are of one run", "Two runs of a rule have the same steps.", func(e *env) {
		for n, id := range []string{"r", "R", "r1", "r "} {
			s, a := e.step(1, "ask"), tried("ask")
			s.Action, a.Error = fmt.Sprint("action ", n), fmt.Sprint("error ", n)
			e.Must(e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: e.run(id), Steps: []automation.StepRun{s}, Attempts: []automation.Attempt{a}}), "save")
		}
		for n, id := range []string{"r", "R", "r1", "r "} {
			s, a := e.steps(id), e.attempts(id)
			if len(s) != 1 || len(a) != 1 || s[0].Action != fmt.Sprint("action ", n) || a[0].Error != fmt.Sprint("error ", n) {
				e.Errorf("the steps of %q are %+v, the attempts %+v", id, s, a)
			}
		}
		e.Same([]int{len(e.steps("none")), len(e.attempts("none"))}, []int{0, 0}, "those of nothing")
	}},
	{"RS-027", "of very many attempts the first are read, in their order", "A step that was tried for years is shown with how it began, and the answer has an end.", func(e *env) {
		w := automation.Write{Run: e.run("run")}
		for n := range storage.MaxLimit + 2 {
			w.Attempts = append(w.Attempts, automation.Attempt{Step: "ask", N: n + 1, At: noon.Add(time.Duration(n/3) * time.Second)})
		}
		want := slices.Clone(w.Attempts[:storage.MaxLimit])
		slices.Reverse(w.Attempts)
		e.Must(e.Store.Save(e.Ctx, e.Tenant, w), "save")
		e.equal("the attempts", e.attempts("run"), want)
	}},
	{"RS-028", "a run is the only one of its rule, environment and event, told apart as a whole", "Names that are put together run together: the rule a of b/c and the rule a/b of c are two.", func(e *env) {
		n := 0
		for _, c := range [][3]string{{"a", "b", "c"}, {"a", "b/c", "d"}, {"a/b", "c", "d"}, {"a", "b", "c/d"}, {"a|b", "c", "d"}, {"a", "b|c", "d"}, {"A", "b", "c"}, {"a", "B", "c"}, {"a", "b", "C"}, {"ab", "c", "d"}, {"a", "bc", "d"}, {"a", "b", "cd"}} {
			r := e.run(fmt.Sprint("run-", n))
			n++
			r.RuleID, r.Environment, r.EventKey = c[0], c[1], c[2]
			e.Must(e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: r}), fmt.Sprintf("the run of %q", c))
		}
	}},
	{"RS-029", "of many that insert the same event at once one is told that it is fresh", "Each that thinks so starts the rules.", func(e *env) {
		fresh := make([]bool, ruletest.Writers)
		for _, err := range ruletest.Together(func(i int) (err error) {
			fresh[i], err = e.Store.InsertEvent(e.Ctx, e.Tenant, e.event("k"))
			return err
		}) {
			e.Must(err, "insert")
		}
		if n := len(slices.DeleteFunc(fresh, func(fresh bool) bool { return !fresh })); n != 1 {
			e.Errorf("%d were fresh, want 1", n)
		}
	}},
	{"RS-030", "an event whose transaction was rolled back is fresh the next time", "The change that it tells of was rolled back as well, and is made again.", func(e *env) {
		e.Undone(func(ctx context.Context) error {
			_, err := e.Store.InsertEvent(ctx, e.Tenant, e.event("k"))
			return err
		})
		fresh, err := e.Store.InsertEvent(e.Ctx, e.Tenant, e.event("k"))
		if err != nil || !fresh {
			e.Errorf("got %t, %v, want a fresh event", fresh, err)
		}
	}},
}

var runListRules = []storeRule{
	{"RS-040", "runs of one instant are in the order of the bytes of their ids, the last first", "A cursor that was made under one order is read under another where a replica has another locale.", func(e *env) {
		var want []string
		for _, id := range ruletest.Spellings() {
			r := e.run(id)
			e.insertRun(r)
			want = append(want, id)
		}
		slices.Sort(want)
		slices.Reverse(want)
		e.Same(e.runs(automation.RunQuery{}), want, "all runs")
		e.Same(e.runs(automation.RunQuery{RuleID: "rule"}), want, "those of the rule")
	}},
	{"RS-041", "a list goes on behind a run that it would not show any more", "The run that a page ended with goes on while the next page is read.", func(e *env) {
		for n := range 5 {
			r := e.run(fmt.Sprint("run-", n))
			r.StartedAt = noon.Add(time.Duration(n/2) * time.Second)
			e.insertRun(r)
		}
		q := automation.RunQuery{Status: automation.Waiting, Limit: 2}
		first, err := e.Store.ListRuns(e.Ctx, e.Tenant, q)
		e.Must(err, "list")
		moved := e.getRun("run-3")
		moved.Version, moved.Status = 2, automation.Succeeded
		e.Must(e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: moved}), "save")
		q.After, q.Limit = first.Next, 10
		rest, err := e.Store.ListRuns(e.Ctx, e.Tenant, q)
		e.Must(err, "list on")
		var got []string
		for _, r := range append(first.Items, rest.Items...) {
			got = append(got, r.ID)
		}
		e.Same(got, []string{"run-4", "run-3", "run-2", "run-1", "run-0"}, "both pages")
	}},
	{"RS-042", "a list and a trace have runs whole and as they are now", "It is what people see, and what they act upon.", func(e *env) {
		r := e.run("run")
		e.insertRun(r)
		r.Version, r.Status, r.Failure = 2, automation.Failed, &automation.Failure{Class: "permanent", Message: "no"}
		e.Must(e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: r}), "save")
		page, err := e.Store.ListRuns(e.Ctx, e.Tenant, automation.RunQuery{})
		e.Must(err, "list")
		e.equal("the list", page.Items, []automation.Run{r})
		traced, err := e.Store.TraceRuns(e.Ctx, e.Tenant, r.Trace.TraceID)
		e.Must(err, "trace")
		e.equal("the trace", traced, []automation.Run{r})
	}},
	{"RS-043", "a query that names no level has runs of every level", "Zero is the level of information and of a query that does not ask; runs that only said more are below it.", func(e *env) {
		for n, level := range []slog.Level{slog.LevelDebug, 0, slog.LevelWarn} {
			r := e.run(fmt.Sprint("run-", n))
			r.Level = level
			e.insertRun(r)
		}
		e.Same(e.runs(automation.RunQuery{}), []string{"run-2", "run-1", "run-0"}, "of no level")
		e.Same(e.runs(automation.RunQuery{Level: slog.LevelDebug}), []string{"run-2", "run-1", "run-0"}, "of the lowest")
		e.Same(e.runs(automation.RunQuery{Level: slog.LevelWarn}), []string{"run-2"}, "of a higher one")
	}},
	{"RS-044", "texts of a query are compared by their bytes", "A filter that folds case shows what was not asked for.", func(e *env) {
		r := e.run("run")
		r.RuleID, r.EventType, r.Environment, r.Trigger = "rule", "a.b", "prod", "event"
		e.insertRun(r)
		for what, q := range map[string]automation.RunQuery{
			"rule": {RuleID: "RULE"}, "event type": {EventType: "A.B"}, "environment": {Environment: "Prod"},
			"step": {Step: "ASK"}, "a part of the step": {Step: "as"}, "a pattern": {EventType: "a%"},
		} {
			e.Same(e.runs(q), []string(nil), what)
		}
	}},
	{"RS-045", "a trace is found by all of its bytes", "A part of a trace id, or one in other letters, is another trace.", func(e *env) {
		r, s := e.run("run"), e.step(1, "ask")
		r.Trace.TraceID, s.LinkID = strings.Repeat("1a", 16), strings.Repeat("5e", 16)
		e.Must(e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: r, Steps: []automation.StepRun{s}}), "save")
		for _, other := range []string{strings.Repeat("1a", 15), strings.Repeat("1A", 16), strings.Repeat("5E", 16), "%"} {
			found, err := e.Store.TraceRuns(e.Ctx, e.Tenant, other)
			e.Must(err, "trace")
			e.Same(len(found), 0, fmt.Sprintf("the runs of %q", other))
		}
	}},
	{"RS-046", "a run is traced once, however many of its steps are linked", "A timeline that shows it twice tells of two runs.", func(e *env) {
		r := e.run("run")
		var steps []automation.StepRun
		for n := range 3 {
			s := e.step(n, fmt.Sprint("step-", n))
			s.LinkID = r.Trace.TraceID
			steps = append(steps, s)
		}
		e.Must(e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: r, Steps: steps}), "save")
		other := e.run("other")
		other.Trace = traceOf("9")
		e.Must(e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: other, Steps: steps}), "save")
		found, err := e.Store.TraceRuns(e.Ctx, e.Tenant, r.Trace.TraceID)
		e.Must(err, "trace")
		e.equal("the runs of the trace", found, []automation.Run{r, other})
	}},
}

// furnish writes one of everything.
func (e *env) furnish() {
	e.Helper()
	e.insertRule(e.rule("rule"))
	r := e.run("run")
	s := e.step(1, "ask")
	s.WaitKey, s.LinkID = r.Wait.Key, strings.Repeat("5", 32)
	e.Must(e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: r, Steps: []automation.StepRun{s}, Attempts: []automation.Attempt{tried("ask")}}), "save")
	e.insertEvent("event", noon)
	e.put(e.signal("key", "s"))
}

// reads are what every reading method answers of what furnish wrote.
func (e *env) reads() map[string]any {
	e.Helper()
	all := map[string]any{}
	note := func(name string, answer any, err error) {
		e.Helper()
		e.Must(err, name)
		all[name] = answer
	}
	rule, err := e.Store.GetRule(e.Ctx, e.Tenant, "rule", false)
	note("GetRule", rule, err)
	rules, err := e.Store.ListRules(e.Ctx, e.Tenant, automation.RuleQuery{})
	note("ListRules", rules, err)
	n, err := e.Store.CountRules(e.Ctx, e.Tenant, false)
	note("CountRules", n, err)
	version, err := e.Store.GetVersion(e.Ctx, e.Tenant, "rule", 1)
	note("GetVersion", version, err)
	versions, err := e.Store.ListVersions(e.Ctx, e.Tenant, "rule", automation.VersionQuery{})
	note("ListVersions", versions, err)
	ids, err := e.Store.Listeners(e.Ctx, e.Tenant, automation.Prod, []string{"a.b"})
	note("Listeners", ids, err)
	event, err := e.Store.GetEvent(e.Ctx, e.Tenant, "event")
	note("GetEvent", event, err)
	run, err := e.Store.GetRun(e.Ctx, e.Tenant, "run", false)
	note("GetRun", run, err)
	runs, err := e.Store.ListRuns(e.Ctx, e.Tenant, automation.RunQuery{})
	note("ListRuns", runs, err)
	traced, err := e.Store.TraceRuns(e.Ctx, e.Tenant, strings.Repeat("5", 32))
	note("TraceRuns", traced, err)
	all["Steps"], all["Attempts"], all["PendingSignals"] = e.steps("run"), e.attempts("run"), e.pending("key")
	return all
}

// calls are the methods of a store.
func (e *env) calls() map[string]func(ctx context.Context) error {
	answer := func(_ any, err error) error { return err }
	calls := map[string]func(ctx context.Context) error{
		"SaveRule": func(ctx context.Context) error { return e.Store.SaveRule(ctx, e.Tenant, e.rule("late"), nil) },
		"GetRule":  func(ctx context.Context) error { return answer(e.Store.GetRule(ctx, e.Tenant, "rule", false)) },
		"ListRules": func(ctx context.Context) error {
			return answer(e.Store.ListRules(ctx, e.Tenant, automation.RuleQuery{}))
		},
		"CountRules": func(ctx context.Context) error { return answer(e.Store.CountRules(ctx, e.Tenant, false)) },
		"GetVersion": func(ctx context.Context) error { return answer(e.Store.GetVersion(ctx, e.Tenant, "rule", 1)) },
		"ListVersions": func(ctx context.Context) error {
			return answer(e.Store.ListVersions(ctx, e.Tenant, "rule", automation.VersionQuery{}))
		},
		"Listeners": func(ctx context.Context) error {
			return answer(e.Store.Listeners(ctx, e.Tenant, automation.Prod, []string{"a.b"}))
		},
		"InsertEvent": func(ctx context.Context) error { return answer(e.Store.InsertEvent(ctx, e.Tenant, e.event("late"))) },
		"GetEvent":    func(ctx context.Context) error { return answer(e.Store.GetEvent(ctx, e.Tenant, "event")) },
		"Save": func(ctx context.Context) error {
			return e.Store.Save(ctx, e.Tenant, automation.Write{Run: e.run("late")})
		},
		"GetRun":    func(ctx context.Context) error { return answer(e.Store.GetRun(ctx, e.Tenant, "run", false)) },
		"Steps":     func(ctx context.Context) error { return answer(e.Store.Steps(ctx, e.Tenant, "run")) },
		"Attempts":  func(ctx context.Context) error { return answer(e.Store.Attempts(ctx, e.Tenant, "run")) },
		"ListRuns":  func(ctx context.Context) error { return answer(e.Store.ListRuns(ctx, e.Tenant, automation.RunQuery{})) },
		"TraceRuns": func(ctx context.Context) error { return answer(e.Store.TraceRuns(ctx, e.Tenant, "t")) },
		"PutSignal": func(ctx context.Context) error {
			_, _, err := e.Store.PutSignal(ctx, e.Tenant, e.signal("late", "s"))
			return err
		},
		"PendingSignals": func(ctx context.Context) error { return answer(e.Store.PendingSignals(ctx, e.Tenant, "key")) },
		"SetSignals": func(ctx context.Context) error {
			return e.Store.SetSignals(ctx, e.Tenant, "key", automation.SignalLate, "s")
		},
	}
	for name, prune := range e.prunes() {
		calls[name] = func(ctx context.Context) error { return answer(prune(ctx, 10)) }
	}
	return calls
}

var transactionRules = []storeRule{
	{"RS-070", "every read sees what its transaction wrote, and sees the same after the commit", "A service reads what it wrote and goes on with it; an answer of nil means that it is there.", func(e *env) {
		var inside map[string]any
		e.Tx(func(ctx context.Context) error {
			e.in(ctx).furnish()
			inside = e.in(ctx).reads()
			return nil
		})
		for name, after := range e.reads() {
			e.equal(name+" after the commit", after, inside[name])
		}
		e.equal("who listens", inside["Listeners"], []string{"rule"})
		e.equal("how many rules there are", inside["CountRules"], int64(1))
		for _, name := range []string{"TraceRuns", "Steps", "Attempts", "PendingSignals"} {
			if fmt.Sprint(inside[name]) == "[]" {
				e.Errorf("%s sees nothing of what its transaction wrote", name)
			}
		}
	}},
	{"RS-071", "a savepoint that is rolled back takes its writes and leaves those around it", "A step that failed is undone, and the change goes on without it.", func(e *env) {
		var want map[string]any
		e.Tx(func(ctx context.Context) error {
			e := e.in(ctx)
			e.furnish()
			want = e.reads()
			e.Undone(func(ctx context.Context) error {
				e := e.in(ctx)
				e.addVersion(e.rule("rule"))
				other := e.rule("other")
				e.insertRule(other)
				r := e.run("run")
				r.Version = 2
				e.Must(e.Store.Save(ctx, e.Tenant, automation.Write{Run: r, Steps: []automation.StepRun{e.step(2, "more")}, Attempts: []automation.Attempt{tried("more")}}), "save")
				e.Must(e.Store.SetSignals(ctx, e.Tenant, "key", automation.SignalConsumed, "s"), "set")
				return nil
			})
			return nil
		})
		for name, after := range e.reads() {
			e.equal(name, after, want[name])
		}
	}},
	{"RS-072", "what is answered is the caller's own, and so is what was given", "A handler that shortens what it shows must not shorten what is stored.", func(e *env) {
		given := tried("ask")
		s := e.signal("key", "s")
		r := e.run("run")
		e.Must(e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: r, Attempts: []automation.Attempt{given}}), "save")
		e.put(s)
		spoil := func(a automation.Attempt, s automation.Signal, r automation.Run) {
			a.Logs[0].Text, s.Payload[0], r.Audiences[0], r.Failure.Message, r.Owner.Authn.ACR = "X", 'X', "X", "X", "X"
		}
		r.Owner.Authn = &audit.Authn{}
		spoil(given, s, r)
		for range 2 {
			a, s := e.attempts("run"), e.pending("key")
			page, err := e.Store.ListRuns(e.Ctx, e.Tenant, automation.RunQuery{})
			e.Must(err, "list")
			e.equal("the attempts", a, []automation.Attempt{tried("ask")})
			e.equal("the signals", s, []automation.Signal{e.signal("key", "s")})
			e.equal("the runs", page.Items, []automation.Run{e.run("run")})
			if e.Failed() {
				return
			}
			page.Items[0].Owner.Authn = &audit.Authn{}
			spoil(a[0], s[0], page.Items[0])
		}
	}},
	{"RS-073", "no method works under a transaction that has ended", "A ctx that outlived its transaction must not write past it, nor read what was undone. storage.ErrTxDone.", func(e *env) {
		e.furnish()
		before := e.reads()
		e.Refuses(e.Ended(), storage.ErrTxDone, e.calls())
		e.equal("what is there", e.reads(), before)
	}},
	{"RS-074", "no method works under another backend's transaction", "A write that is not in the transaction it was meant for is not undone with it. storage.ErrForeignTx.", func(e *env) {
		e.furnish()
		before := e.reads()
		e.Refuses(e.Foreign(), storage.ErrForeignTx, e.calls())
		e.equal("what is there", e.reads(), before)
	}},
}
