package automationtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
)

var basicRules = []storeRule{
	{"AM-001", "a rule and its versions are kept as they are",
		"What was reviewed is what runs: every field comes back as it was saved, with times to the microsecond, and JSON byte for byte.", ruleKept},
	{"AM-002", "other tenants find nothing",
		"What another tenant owns does not exist: not by id, not in lists, not as a listener, not by trace or signal.", otherTenants},
	{"AM-003", "a rule is written for the revision before",
		"Whoever read an older revision lost a race and has to decide anew.", staleRule},
	{"AM-004", "a version is never replaced",
		"A run names the version it executes. A version that changes would change what happened.", versionStays},
	{"AM-005", "listeners are the enabled rules of the environment",
		"A disabled rule that still starts runs is out of control, and a rule of staging must not act on production.", listeners},
	{"AM-006", "an event is kept once",
		"The same event may be appended again. Its second coming starts nothing.", eventOnce},
	{"AM-007", "a run, its steps and attempts are kept as they are",
		"A run goes on from what is stored, possibly years later and in another process.", runKept},
	{"AM-008", "a run is written for the version before",
		"Of two workers that moved the same run, the second has moved one that does not exist any more.", staleRun},
	{"AM-009", "an event starts a rule once",
		"Two workers may try. The second is told by a conflict, which leaves its transaction usable. Reruns have a parent and may be many.", originOnce},
	{"AM-010", "a conflict of one part undoes the whole write",
		"A run that moved without its steps cannot be explained.", wholeWrites},
	{"AM-011", "a transaction that is rolled back leaves nothing",
		"The event, the run and the signal belong to the change that they came with.", rollback},
	{"AM-012", "lists are read page by page without gaps or repeats",
		"Rules come in order of creation, versions and runs the newest first; what was made at the same instant is not skipped.", pages},
	{"AM-013", "runs are chosen by every field of the query",
		"A filter that is ignored shows a wrong answer that looks right.", filters},
	{"AM-014", "a trace finds its runs and those that were resumed under it",
		"The timeline of the approver's trace shows the run that the decision set going, although it began under another.", traces},
	{"AM-015", "locking needs a transaction",
		"A lock that ends with the call protects nothing.", lockNeedsTx},
	{"AM-016", "a signal and a wait never miss each other",
		"Where both are written at the same time, the one that comes second finds the first. Otherwise a decision is made and its run waits for ever.", signalMeetsWait},
	{"AM-017", "a signal is kept once and settled once",
		"A repeated decision changes nothing, and a consumed one is not found again.", signals},
	{"AM-018", "what a caller holds is its own",
		"Changing what was saved or returned must not change what is stored.", aliasing},
	{"AM-019", "the past is deleted, and nothing that somebody waits for or names",
		"A store that keeps everything fills up. One that deletes a waiting run, its event, its version or its decision leaves work that can never be done.", retention},
	{"AM-020", "each old row is deleted once and the oldest first",
		"Several processes prune at the same time, a batch each, and count what they did.", pruneBatches},
	{"AM-021", "creations that count with lock take turns",
		"A quota holds when many rules are made at once only if each creation sees those before it.", countedRules},
}

var owner = audit.Actor{Type: audit.User, ID: "olivia", Name: "Olivia", ActingAs: "store-1", Authn: &audit.Authn{At: noon, ACR: "gold", AMR: []string{"otp"}}}

func (e *env) rule(id string) automation.Rule {
	return automation.Rule{
		ID: id, Tenant: e.Tenant, Name: "Rule " + id, Environment: automation.Prod, EventTypes: []string{"a.b", "a.c.*"},
		Enabled: true, Owner: owner, Version: 1, Revision: 1, CreatedAt: noon, UpdatedAt: noon.Add(time.Microsecond),
	}
}

func (e *env) version(rule string, n int) automation.Version {
	return automation.Version{
		Tenant: e.Tenant, RuleID: rule, Number: n, Document: []byte(fmt.Sprintf(`{"name": "v%d"}`, n)), Hash: strings.Repeat("ab", 32),
		CreatedBy: owner, CreatedAt: noon,
	}
}

// insertRule saves a new rule with its first version.
func (e *env) insertRule(r automation.Rule) {
	e.Helper()
	v := e.version(r.ID, 1)
	e.must(e.Store.SaveRule(e.Ctx, e.Tenant, r, &v))
}

func traceOf(digit string) correlation.Trace {
	return correlation.Trace{TraceID: strings.Repeat(digit, 32), SpanID: strings.Repeat("2b", 8), Flags: 1, State: "k=v"}
}

// run returns a run that waits for the signals of the key "key-<id>", with every field set.
func (e *env) run(id string) automation.Run {
	return automation.Run{
		ID: id, Tenant: e.Tenant, RuleID: "rule", RuleVersion: 3, Environment: automation.Prod, Status: automation.Waiting,
		Trigger: automation.ByEvent, EventKey: "event-" + id, EventType: "a.b", Owner: owner, Cursor: "ask", Failing: true,
		Audiences: []string{"beta", "vip"},
		Wait:      automation.Wait{Kind: automation.ForSignal, Key: "key-" + id, DueAt: noon.Add(time.Hour), Gen: 2}, Job: 1<<62 + 1,
		Failure: &automation.Failure{Step: "lookup", Class: "permanent", Message: "refused", Attempt: 2}, Reason: "r",
		Level: slog.LevelWarn, Hops: 3, Trace: traceOf("1"), DeadlineAt: noon.Add(2 * time.Hour),
		StartedAt: noon, UpdatedAt: noon.Add(time.Second), EndedAt: noon.Add(time.Minute), Version: 1,
	}
}

func (e *env) step(seq int, path string) automation.StepRun {
	return automation.StepRun{
		Path: path, Seq: seq, Action: "approval.request", Status: automation.Waiting, Attempts: 1, Input: []byte(`{"a": 1}`),
		Output: []byte(`{"b": 2}`), Branch: "on_decline", Failure: &automation.Failure{Class: "timeout", Message: "m"},
		StartedAt: noon, EndedAt: noon.Add(time.Microsecond),
	}
}

// insertRun saves a run that waits at a step of the name "ask".
func (e *env) insertRun(r automation.Run) {
	e.Helper()
	ask := e.step(1, "ask")
	ask.WaitKey = r.Wait.Key
	e.must(e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: r, Steps: []automation.StepRun{ask}}))
}

func (e *env) event(key string) automation.TriggerEvent {
	return automation.TriggerEvent{
		Key: key, Tenant: e.Tenant, Source: "/orders", ID: "id-" + key, Type: "a.b", Environment: automation.Prod,
		Body: []byte(`{"data": {"amount": 150}}`), Trace: traceOf("3"), Hops: 2, CreatedAt: noon,
	}
}

func (e *env) signal(key, id string) automation.Signal {
	return automation.Signal{
		Key: key, ID: id, Outcome: automation.Approved, Payload: []byte(`{"comment": "ok"}`), TraceID: strings.Repeat("4", 32),
		At: noon, State: automation.SignalPending,
	}
}

func (e *env) want(what string, got, want error) {
	e.Helper()
	if !errors.Is(got, want) {
		e.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func ruleKept(e *env) {
	full := e.rule("r1")
	bare := automation.Rule{ID: "r2", Tenant: e.Tenant, Name: "n", Environment: automation.Draft, EventTypes: []string{"a.b"},
		Owner: audit.Actor{Type: audit.User, ID: "sam"}, Version: 1, Revision: 1, CreatedAt: noon, UpdatedAt: noon}
	for _, want := range []automation.Rule{full, bare} {
		e.insertRule(want)
		got, err := e.Store.GetRule(e.Ctx, e.Tenant, want.ID, false)
		e.must(err)
		e.equal("the rule came back changed", got, want)
	}
	got, err := e.Store.GetVersion(e.Ctx, e.Tenant, "r1", 1)
	e.must(err)
	e.equal("the version came back changed", got, e.version("r1", 1))
	full.Revision, full.Enabled, full.Name, full.EventTypes, full.UpdatedAt = 2, false, "other", []string{"x"}, noon.Add(time.Hour)
	full.Environment, full.Version = automation.Staging, 2
	v := e.version("r1", 2)
	e.must(e.Store.SaveRule(e.Ctx, e.Tenant, full, &v))
	again, err := e.Store.GetRule(e.Ctx, e.Tenant, "r1", false)
	e.must(err)
	e.equal("the changed rule came back otherwise", again, full)
}

func otherTenants(e *env) {
	e.insertRule(e.rule("r1"))
	e.insertRun(e.run("run-1"))
	_, err := e.Store.InsertEvent(e.Ctx, e.Tenant, e.event("event-1"))
	e.must(err)
	_, _, err = e.Store.PutSignal(e.Ctx, e.Tenant, e.signal("key-early", "s1"))
	e.must(err)
	other := e.Tenant + "-other"
	for what, read := range map[string]func() error{
		"GetRule":    func() error { _, err := e.Store.GetRule(e.Ctx, other, "r1", false); return err },
		"GetVersion": func() error { _, err := e.Store.GetVersion(e.Ctx, other, "r1", 1); return err },
		"GetEvent":   func() error { _, err := e.Store.GetEvent(e.Ctx, other, "event-1"); return err },
		"GetRun":     func() error { _, err := e.Store.GetRun(e.Ctx, other, "run-1", false); return err },
		"SaveRule": func() error {
			r := e.rule("r1")
			r.Revision = 2
			return e.Store.SaveRule(e.Ctx, other, r, nil)
		},
	} {
		e.want(what, read(), storage.ErrNotFound)
	}
	rules, err := e.Store.ListRules(e.Ctx, other, automation.RuleQuery{})
	e.must(err)
	versions, err := e.Store.ListVersions(e.Ctx, other, "r1", automation.VersionQuery{})
	e.must(err)
	runs, err := e.Store.ListRuns(e.Ctx, other, automation.RunQuery{})
	e.must(err)
	listeners, err := e.Store.Listeners(e.Ctx, other, automation.Prod, []string{"a.b"})
	e.must(err)
	steps, err := e.Store.Steps(e.Ctx, other, "run-1")
	e.must(err)
	traced, err := e.Store.TraceRuns(e.Ctx, other, strings.Repeat("1", 32))
	e.must(err)
	pending, err := e.Store.PendingSignals(e.Ctx, other, "key-early")
	e.must(err)
	fresh, waiter, err := e.Store.PutSignal(e.Ctx, other, e.signal("key-run-1", "s1"))
	e.must(err)
	if n := len(rules.Items) + len(versions.Items) + len(runs.Items) + len(listeners) + len(steps) + len(traced) + len(pending); n > 0 || waiter != nil || !fresh {
		e.Errorf("another tenant finds %d rows and the waiter %+v", n, waiter)
	}
	foreign := e.run("run-1")
	foreign.Version = 2
	e.want("Save", e.Store.Save(e.Ctx, other, automation.Write{Run: foreign}), storage.ErrConflict)
}

func staleRule(e *env) {
	r := e.rule("r1")
	e.insertRule(r)
	r.Revision, r.Name = 2, "second"
	e.must(e.Store.SaveRule(e.Ctx, e.Tenant, r, nil))
	e.must(e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
		r.Name = "stale"
		e.want("a stale revision", e.Store.SaveRule(ctx, e.Tenant, r, nil), storage.ErrConflict)
		again := e.rule("r1")
		v := e.version("r1", 7)
		e.want("a taken id", e.Store.SaveRule(ctx, e.Tenant, again, &v), storage.ErrConflict)
		missing := e.rule("none")
		missing.Revision = 2
		e.want("an unknown rule", e.Store.SaveRule(ctx, e.Tenant, missing, nil), storage.ErrNotFound)
		_, err := e.Store.GetRule(ctx, e.Tenant, "r1", true)
		return err // the transaction is usable
	}))
	got, err := e.Store.GetRule(e.Ctx, e.Tenant, "r1", false)
	e.must(err)
	if got.Name != "second" || got.Revision != 2 {
		e.Errorf("the rule is %q at revision %d, want second at 2", got.Name, got.Revision)
	}
	_, err = e.Store.GetVersion(e.Ctx, e.Tenant, "r1", 7)
	e.want("the version of a refused write", err, storage.ErrNotFound)
}

func versionStays(e *env) {
	r := e.rule("r1")
	e.insertRule(r)
	r.Revision, r.Name = 2, "second"
	v := e.version("r1", 1)
	v.Document = []byte(`{"name": "other"}`)
	e.must(e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
		e.want("a taken number", e.Store.SaveRule(ctx, e.Tenant, r, &v), storage.ErrConflict)
		_, err := e.Store.GetRule(ctx, e.Tenant, "r1", true)
		return err
	}))
	got, err := e.Store.GetVersion(e.Ctx, e.Tenant, "r1", 1)
	e.must(err)
	e.equal("the version changed", got, e.version("r1", 1))
	rule, err := e.Store.GetRule(e.Ctx, e.Tenant, "r1", false)
	e.must(err)
	if rule.Revision != 1 {
		e.Errorf("the rule of a refused write is at revision %d, want 1", rule.Revision)
	}
}

func listeners(e *env) {
	find := func(environment string, patterns ...string) []string {
		e.Helper()
		ids, err := e.Store.Listeners(e.Ctx, e.Tenant, environment, patterns)
		e.must(err)
		return ids
	}
	r2, r1, off, staging := e.rule("r2"), e.rule("r1"), e.rule("off"), e.rule("staging")
	off.Enabled, staging.Environment = false, automation.Staging
	for _, r := range []automation.Rule{r2, r1, off, staging} {
		e.insertRule(r)
	}
	e.ids("of a type and a group", find(automation.Prod, "*", "a.c.*", "a.b"), "r1", "r2")
	e.ids("of a type that nobody named", find(automation.Prod, "a", "a.c", "A.B"))
	e.ids("of nothing", find(automation.Prod))
	e.ids("of staging", find(automation.Staging, "a.b"), "staging")
	r1.Revision, r1.EventTypes = 2, []string{"x.y"}
	e.must(e.Store.SaveRule(e.Ctx, e.Tenant, r1, nil))
	e.ids("after r1 listens elsewhere", find(automation.Prod, "a.b"), "r2")
	e.ids("where r1 listens now", find(automation.Prod, "x.y"), "r1")
	r1.Revision, r1.Environment = 3, automation.Staging
	e.must(e.Store.SaveRule(e.Ctx, e.Tenant, r1, nil))
	e.ids("after r1 moved to staging", find(automation.Prod, "x.y"))
	r1.Revision, r1.Enabled = 4, false
	e.must(e.Store.SaveRule(e.Ctx, e.Tenant, r1, nil))
	e.ids("after r1 was disabled", find(automation.Staging, "x.y"))
	r1.Revision, r1.Enabled = 5, true
	e.must(e.Store.SaveRule(e.Ctx, e.Tenant, r1, nil))
	e.ids("after r1 was enabled", find(automation.Staging, "x.y"), "r1")
}

func eventOnce(e *env) {
	fresh, err := e.Store.InsertEvent(e.Ctx, e.Tenant, e.event("k"))
	e.must(err)
	if !fresh {
		e.Errorf("a new event is not fresh")
	}
	e.must(e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
		other := e.event("k")
		other.Body = []byte(`{}`)
		fresh, err := e.Store.InsertEvent(ctx, e.Tenant, other)
		e.must(err)
		if fresh {
			e.Errorf("an event that is there is fresh")
		}
		got, err := e.Store.GetEvent(ctx, e.Tenant, "k")
		e.must(err)
		e.equal("the event came back changed", got, e.event("k"))
		return nil
	}))
	_, err = e.Store.GetEvent(e.Ctx, e.Tenant, "none")
	e.want("an unknown event", err, storage.ErrNotFound)
}

func runKept(e *env) {
	full := e.run("run-1")
	bare := automation.Run{ID: "run-2", Tenant: e.Tenant, RuleID: "rule", RuleVersion: 1, Environment: automation.Prod,
		Status: automation.Running, Trigger: automation.ByRerun, ParentID: "run-1", EventKey: "event-run-1", EventType: "a.b",
		Owner: audit.Actor{Type: audit.User, ID: "sam"}, Trace: traceOf("1"), StartedAt: noon, UpdatedAt: noon, Version: 1}
	steps := []automation.StepRun{e.step(1, "z-first"), e.step(2, "a-second"), {Path: "third", Seq: 3, Action: "if", Status: automation.Running, StartedAt: noon}}
	steps[0].WaitKey, steps[1].LinkID = "w", strings.Repeat("5", 32)
	attempts := []automation.Attempt{
		{Step: "z-first", N: 1, At: noon, Duration: 3 * time.Microsecond, Class: "transient", Error: "no answer", Detail: "dial: x\nstack", TraceID: "t", SpanID: "s",
			Logs: []automation.LogLine{{At: noon, Level: slog.LevelWarn, Text: "hm"}, {At: noon.Add(time.Microsecond), Level: slog.LevelError, Text: "oh"}}},
		{Step: "z-first", N: 2, At: noon.Add(time.Second)},
		{Step: "a-second", N: 1, At: noon.Add(time.Second)},
	}
	for _, want := range []automation.Run{full, bare} {
		e.must(e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: want, Steps: []automation.StepRun{steps[1], steps[0], steps[2]}, Attempts: attempts}))
		got, err := e.Store.GetRun(e.Ctx, e.Tenant, want.ID, false)
		e.must(err)
		e.equal("the run came back changed", got, want)
		back, err := e.Store.Steps(e.Ctx, e.Tenant, want.ID)
		e.must(err)
		e.equal("the steps came back changed", back, steps)
		made, err := e.Store.Attempts(e.Ctx, e.Tenant, want.ID)
		e.must(err)
		e.equal("the attempts came back changed", made, []automation.Attempt{attempts[0], attempts[2], attempts[1]})
	}
	next := full
	next.Version, next.Status, next.Wait, next.Failure, next.Cursor = 2, automation.Succeeded, automation.Wait{Gen: 3}, nil, ""
	changed := steps[2]
	changed.Status, changed.Output = automation.Succeeded, []byte(`[1]`)
	e.must(e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: next, Steps: []automation.StepRun{changed}}))
	got, err := e.Store.GetRun(e.Ctx, e.Tenant, full.ID, false)
	e.must(err)
	e.equal("the next version came back changed", got, next)
	back, err := e.Store.Steps(e.Ctx, e.Tenant, full.ID)
	e.must(err)
	e.equal("the changed step came back otherwise", back, []automation.StepRun{steps[0], steps[1], changed})
}

func staleRun(e *env) {
	r := e.run("run-1")
	e.insertRun(r)
	r.Version = 2
	e.must(e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: r}))
	e.must(e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
		for _, version := range []int64{2, 4} {
			stale := r
			stale.Version, stale.Reason = version, "stale"
			e.want("a write for another version", e.Store.Save(ctx, e.Tenant, automation.Write{Run: stale}), storage.ErrConflict)
		}
		missing := e.run("none")
		missing.Version = 2
		e.want("a write of an unknown run", e.Store.Save(ctx, e.Tenant, automation.Write{Run: missing}), storage.ErrConflict)
		_, err := e.Store.GetRun(ctx, e.Tenant, "run-1", true)
		return err
	}))
	got, err := e.Store.GetRun(e.Ctx, e.Tenant, "run-1", false)
	e.must(err)
	e.equal("the run changed", got, r)
	race(e, func(i int) error {
		next := r
		next.Version, next.Reason = 3, fmt.Sprint(i)
		return e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: next})
	})
}

// race has eight callers try the same, and wants one of them to succeed and the others
// to be told of the conflict.
func race(e *env, try func(i int) error) {
	e.Helper()
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { errs[i] = try(i) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, storage.ErrConflict):
			e.Errorf("a caller that lost the race got %v, want %v", err, storage.ErrConflict)
		}
	}
	if won != 1 {
		e.Errorf("%d of 8 callers won the race, want 1", won)
	}
}

func originOnce(e *env) {
	first := e.run("run-1")
	e.insertRun(first)
	e.must(e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
		twin := e.run("run-2")
		twin.EventKey = first.EventKey
		e.want("a second run for the event", e.Store.Save(ctx, e.Tenant, automation.Write{Run: twin}), storage.ErrConflict)
		for i, change := range []func(r *automation.Run){
			func(r *automation.Run) { r.ParentID = "run-1" },
			func(r *automation.Run) { r.ParentID = "run-1" },
			func(r *automation.Run) { r.RuleID = "other" },
			func(r *automation.Run) { r.Environment = automation.Staging },
			func(r *automation.Run) { r.EventKey = "other" },
		} {
			r := e.run(fmt.Sprintf("run-%d", 10+i))
			r.EventKey = first.EventKey
			change(&r)
			e.must(e.Store.Save(ctx, e.Tenant, automation.Write{Run: r}))
		}
		first.Version = 2
		return e.Store.Save(ctx, e.Tenant, automation.Write{Run: first})
	}))
	race(e, func(i int) error {
		r := e.run(fmt.Sprintf("run-%d", 20+i))
		r.EventKey = "raced"
		return e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: r})
	})
}

func wholeWrites(e *env) {
	r := e.run("run-1")
	attempt := automation.Attempt{Step: "ask", N: 1, At: noon}
	e.must(e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: r, Steps: []automation.StepRun{e.step(1, "ask")}, Attempts: []automation.Attempt{attempt}}))
	next := r
	next.Version, next.Reason = 2, "half"
	attempt.Error = "again"
	err := e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: next, Steps: []automation.StepRun{e.step(2, "new")}, Attempts: []automation.Attempt{attempt}})
	e.want("an attempt whose number is taken", err, storage.ErrConflict)
	e.must(e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
		err := e.Store.Save(ctx, e.Tenant, automation.Write{Run: next, Steps: []automation.StepRun{e.step(2, "new")}, Attempts: []automation.Attempt{attempt}})
		e.want("the same inside of a transaction", err, storage.ErrConflict)
		_, err = e.Store.GetRun(ctx, e.Tenant, "run-1", true)
		return err
	}))
	got, err := e.Store.GetRun(e.Ctx, e.Tenant, "run-1", false)
	e.must(err)
	e.equal("the run of a refused write changed", got, r)
	steps, err := e.Store.Steps(e.Ctx, e.Tenant, "run-1")
	e.must(err)
	if len(steps) != 1 {
		e.Errorf("a refused write left %d steps, want 1", len(steps))
	}
}

func rollback(e *env) {
	undone := errors.New("undone")
	err := e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
		v := e.version("r1", 1)
		e.must(e.Store.SaveRule(ctx, e.Tenant, e.rule("r1"), &v))
		_, err := e.Store.InsertEvent(ctx, e.Tenant, e.event("k"))
		e.must(err)
		e.must(e.Store.Save(ctx, e.Tenant, automation.Write{Run: e.run("run-1"), Steps: []automation.StepRun{e.step(1, "ask")}}))
		_, _, err = e.Store.PutSignal(ctx, e.Tenant, e.signal("key", "s1"))
		e.must(err)
		return undone
	})
	e.want("the transaction", err, undone)
	_, err = e.Store.GetRule(e.Ctx, e.Tenant, "r1", false)
	e.want("the rule", err, storage.ErrNotFound)
	_, err = e.Store.GetEvent(e.Ctx, e.Tenant, "k")
	e.want("the event", err, storage.ErrNotFound)
	_, err = e.Store.GetRun(e.Ctx, e.Tenant, "run-1", false)
	e.want("the run", err, storage.ErrNotFound)
	pending, err := e.Store.PendingSignals(e.Ctx, e.Tenant, "key")
	e.must(err)
	ids, err := e.Store.Listeners(e.Ctx, e.Tenant, automation.Prod, []string{"a.b"})
	e.must(err)
	if len(pending)+len(ids) > 0 {
		e.Errorf("a rollback left signals %v and listeners %v", pending, ids)
	}
}
