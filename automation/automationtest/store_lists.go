package automationtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
)

// walk reads a list to its end in pages of two and returns the names of its items.
func walk[T any](e *env, name func(T) string, page func(after storage.Cursor) (storage.Page[T], error)) []string {
	e.Helper()
	var all []string
	var after storage.Cursor
	for range 100 {
		p, err := page(after)
		e.must(err)
		if len(p.Items) > 2 {
			e.Fatalf("a page of at most 2 has %d items", len(p.Items))
		}
		for _, item := range p.Items {
			all = append(all, name(item))
		}
		if after = p.Next; after == "" {
			return all
		}
	}
	e.Fatalf("the list does not end")
	return nil
}

func pages(e *env) {
	for _, id := range []string{"b", "a", "c", "e", "d"} {
		r := e.rule(id)
		if id == "e" {
			r.CreatedAt = noon.Add(-time.Hour)
		}
		e.insertRule(r)
		run := e.run(id)
		if id == "e" {
			run.StartedAt = noon.Add(-time.Hour)
		}
		e.insertRun(run)
	}
	rule := e.rule("a")
	for n := 2; n <= 5; n++ {
		rule.Revision, rule.Version = int64(n), n
		v := e.version("a", n)
		e.must(e.Store.SaveRule(e.Ctx, e.Tenant, rule, &v))
	}
	e.ids("rules", walk(e, func(r automation.Rule) string { return r.ID }, func(after storage.Cursor) (storage.Page[automation.Rule], error) {
		return e.Store.ListRules(e.Ctx, e.Tenant, automation.RuleQuery{After: after, Limit: 2})
	}), "e", "a", "b", "c", "d")
	e.ids("versions", walk(e, func(v automation.Version) string { return fmt.Sprint(v.Number) }, func(after storage.Cursor) (storage.Page[automation.Version], error) {
		return e.Store.ListVersions(e.Ctx, e.Tenant, "a", automation.VersionQuery{After: after, Limit: 2})
	}), "5", "4", "3", "2", "1")
	for _, q := range []automation.RunQuery{{}, {RuleID: "rule"}, {Step: "ask"}} {
		e.ids("runs", walk(e, func(r automation.Run) string { return r.ID }, func(after storage.Cursor) (storage.Page[automation.Run], error) {
			q.After, q.Limit = after, 2
			return e.Store.ListRuns(e.Ctx, e.Tenant, q)
		}), "d", "c", "b", "a", "e")
	}
	first, err := e.Store.ListRuns(e.Ctx, e.Tenant, automation.RunQuery{Limit: 2})
	e.must(err)
	_, err = e.Store.ListRuns(e.Ctx, e.Tenant, automation.RunQuery{Status: automation.Failed, After: first.Next})
	e.want("a cursor of another list", err, storage.ErrBadCursor)
}

func filters(e *env) {
	for i, id := range []string{"a", "b", "c", "d", "e", "f"} {
		r := e.run(id)
		r.StartedAt = noon.Add(time.Duration(i) * time.Second)
		switch id {
		case "a":
			r.RuleID = "other"
		case "b":
			r.Status = automation.Failed
		case "c":
			r.Trigger, r.ParentID = automation.ByRerun, "a"
		case "d":
			r.EventType, r.Level = "x.y", slog.LevelError
		case "e":
			r.Environment, r.Level = automation.Staging, slog.LevelInfo
		}
		if id == "f" {
			e.must(e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: r, Steps: []automation.StepRun{e.step(1, "f-step")}}))
			continue
		}
		e.insertRun(r)
	}
	for _, c := range []struct {
		what string
		q    automation.RunQuery
		want string
	}{
		{"all", automation.RunQuery{}, "f e d c b a"},
		{"of a rule", automation.RunQuery{RuleID: "other"}, "a"},
		{"of a status", automation.RunQuery{Status: automation.Failed}, "b"},
		{"of a trigger", automation.RunQuery{Trigger: automation.ByRerun}, "c"},
		{"of an event type", automation.RunQuery{EventType: "x.y"}, "d"},
		{"of an environment", automation.RunQuery{Environment: automation.Staging}, "e"},
		{"with a step", automation.RunQuery{Step: "f-step"}, "f"},
		{"of a level", automation.RunQuery{Level: slog.LevelWarn}, "f d c b a"},
		{"of a higher level", automation.RunQuery{Level: slog.LevelError}, "d"},
		{"since", automation.RunQuery{Since: noon.Add(4 * time.Second)}, "f e"},
		{"until", automation.RunQuery{Until: noon.Add(2 * time.Second)}, "b a"},
		{"between", automation.RunQuery{Since: noon.Add(time.Second), Until: noon.Add(3 * time.Second)}, "c b"},
		{"of a rule between", automation.RunQuery{RuleID: "rule", Since: noon, Until: noon.Add(3 * time.Second)}, "c b"},
		{"of a rule and a status", automation.RunQuery{RuleID: "rule", Status: automation.Waiting, Step: "ask"}, "e d c"},
		{"of nothing", automation.RunQuery{RuleID: "other", Status: automation.Failed}, ""},
	} {
		got := walk(e, func(r automation.Run) string { return r.ID }, func(after storage.Cursor) (storage.Page[automation.Run], error) {
			c.q.After, c.q.Limit = after, 2
			return e.Store.ListRuns(e.Ctx, e.Tenant, c.q)
		})
		e.ids("runs "+c.what, got, strings.Fields(c.want)...)
	}
}

func traces(e *env) {
	own, linked, both, neither := e.run("own"), e.run("linked"), e.run("both"), e.run("neither")
	linked.Trace, neither.Trace = traceOf("7"), traceOf("8")
	for i, r := range []automation.Run{own, linked, both, neither} {
		r.StartedAt = noon.Add(time.Duration(i) * time.Second)
		s := e.step(1, "ask")
		if r.ID == "linked" || r.ID == "both" {
			s.LinkID = own.Trace.TraceID
		}
		e.must(e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: r, Steps: []automation.StepRun{s}}))
	}
	found := func(traceID string) []string {
		e.Helper()
		runs, err := e.Store.TraceRuns(e.Ctx, e.Tenant, traceID)
		e.must(err)
		var ids []string
		for _, r := range runs {
			ids = append(ids, r.ID)
		}
		return ids
	}
	e.ids("of a trace", found(own.Trace.TraceID), "both", "linked", "own")
	e.ids("of the run's own trace", found(linked.Trace.TraceID), "linked")
	e.ids("of no trace", found(""))
}

func lockNeedsTx(e *env) {
	e.insertRule(e.rule("r1"))
	e.insertRun(e.run("run-1"))
	_, err := e.Store.GetRule(e.Ctx, e.Tenant, "r1", true)
	e.want("a locked rule", err, storage.ErrNoTx)
	_, err = e.Store.GetRun(e.Ctx, e.Tenant, "run-1", true)
	e.want("a locked run", err, storage.ErrNoTx)
	e.must(e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
		if _, err := e.Store.GetRule(ctx, e.Tenant, "r1", true); err != nil {
			return err
		}
		_, err := e.Store.GetRun(ctx, e.Tenant, "run-1", true)
		return err
	}))
	// Of increments that lock first, none is lost.
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			err := e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
				r, err := e.Store.GetRun(ctx, e.Tenant, "run-1", true)
				if err != nil {
					return err
				}
				r.Version++
				return e.Store.Save(ctx, e.Tenant, automation.Write{Run: r})
			})
			if err != nil {
				e.Errorf("a write under the lock: %v", err)
			}
		})
	}
	wg.Wait()
	r, err := e.Store.GetRun(e.Ctx, e.Tenant, "run-1", false)
	e.must(err)
	if r.Version != 9 {
		e.Errorf("after 8 writes under the lock the version is %d, want 9", r.Version)
	}
}

func signalMeetsWait(e *env) {
	for i := range 20 {
		r := e.run(fmt.Sprintf("run-%d", i))
		var waiter *automation.Waiter
		var pending []automation.Signal
		var wg sync.WaitGroup
		var errWait, errSignal error
		wg.Go(func() {
			errWait = e.Backend.InTx(e.Ctx, func(ctx context.Context) (err error) {
				s := e.step(1, "ask")
				s.WaitKey = r.Wait.Key
				if err := e.Store.Save(ctx, e.Tenant, automation.Write{Run: r, Steps: []automation.StepRun{s}}); err != nil {
					return err
				}
				pending, err = e.Store.PendingSignals(ctx, e.Tenant, r.Wait.Key)
				return err
			})
		})
		wg.Go(func() {
			errSignal = e.Backend.InTx(e.Ctx, func(ctx context.Context) (err error) {
				_, waiter, err = e.Store.PutSignal(ctx, e.Tenant, e.signal(r.Wait.Key, "s"))
				return err
			})
		})
		wg.Wait()
		e.must(errWait)
		e.must(errSignal)
		if waiter == nil && len(pending) == 0 {
			e.Fatalf("signal and wait %d missed each other", i)
		}
	}
	r := e.run("late")
	e.insertRun(r)
	_, w, err := e.Store.PutSignal(e.Ctx, e.Tenant, e.signal(r.Wait.Key, "s1"))
	e.must(err)
	e.equal("the waiter", w, &automation.Waiter{RunID: "late", RuleID: "rule", Gen: 2, Waiting: true})
	r.Version, r.Status, r.Wait = 2, automation.Succeeded, automation.Wait{Gen: 2}
	e.must(e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: r}))
	_, w, err = e.Store.PutSignal(e.Ctx, e.Tenant, e.signal("key-late", "s2"))
	e.must(err)
	e.equal("who waited", w, &automation.Waiter{RunID: "late", RuleID: "rule", Gen: 2})
	_, w, err = e.Store.PutSignal(e.Ctx, e.Tenant, e.signal("nobody", "s1"))
	e.must(err)
	if w != nil {
		e.Errorf("a signal that nobody waits for has the waiter %+v", w)
	}
}

func signals(e *env) {
	late := e.signal("k", "late")
	late.State = automation.SignalLate
	second := e.signal("k", "b")
	second.At = noon.Add(time.Second)
	second.Payload, second.TraceID, second.Outcome = nil, "", automation.Declined
	for _, s := range []automation.Signal{second, e.signal("k", "z"), e.signal("k", "a"), late, e.signal("other", "a")} {
		fresh, _, err := e.Store.PutSignal(e.Ctx, e.Tenant, s)
		e.must(err)
		if !fresh {
			e.Errorf("the new signal %s of %s is not fresh", s.ID, s.Key)
		}
	}
	e.must(e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
		again := e.signal("k", "a")
		again.Outcome = automation.Declined
		fresh, _, err := e.Store.PutSignal(ctx, e.Tenant, again)
		e.must(err)
		if fresh {
			e.Errorf("a repeated signal is fresh")
		}
		got, err := e.Store.PendingSignals(ctx, e.Tenant, "k")
		e.must(err)
		e.equal("the pending signals", got, []automation.Signal{e.signal("k", "a"), e.signal("k", "z"), second})
		return nil
	}))
	e.must(e.Store.SetSignals(e.Ctx, e.Tenant, "k", automation.SignalConsumed, "a", "none"))
	e.must(e.Store.SetSignals(e.Ctx, e.Tenant, "k", automation.SignalLate, "z", "b"))
	left, err := e.Store.PendingSignals(e.Ctx, e.Tenant, "k")
	e.must(err)
	other, err := e.Store.PendingSignals(e.Ctx, e.Tenant, "other")
	e.must(err)
	if len(left) != 0 || len(other) != 1 {
		e.Errorf("pending are %v of k and %v of other, want none and one", left, other)
	}
	fresh, _, err := e.Store.PutSignal(e.Ctx, e.Tenant, e.signal("k", "a"))
	e.must(err)
	if fresh {
		e.Errorf("a consumed signal is fresh again")
	}
}

func aliasing(e *env) {
	r, v := e.rule("r1"), e.version("r1", 1)
	r.EventTypes = slices.Clone(r.EventTypes)
	e.must(e.Store.SaveRule(e.Ctx, e.Tenant, r, &v))
	run, step, event := e.run("run-1"), e.step(1, "ask"), e.event("k")
	e.must(e.Store.Save(e.Ctx, e.Tenant, automation.Write{Run: run, Steps: []automation.StepRun{step}}))
	_, err := e.Store.InsertEvent(e.Ctx, e.Tenant, event)
	e.must(err)
	r.EventTypes[0], v.Document[0], run.Failure.Class, step.Output[0], event.Body[0] = "x", 'x', "x", 'x', 'x'
	for range 2 { // the second round sees what changing the answers of the first did
		gotRule, err := e.Store.GetRule(e.Ctx, e.Tenant, "r1", false)
		e.must(err)
		gotVersion, err := e.Store.GetVersion(e.Ctx, e.Tenant, "r1", 1)
		e.must(err)
		gotRun, err := e.Store.GetRun(e.Ctx, e.Tenant, "run-1", false)
		e.must(err)
		gotSteps, err := e.Store.Steps(e.Ctx, e.Tenant, "run-1")
		e.must(err)
		gotEvent, err := e.Store.GetEvent(e.Ctx, e.Tenant, "k")
		e.must(err)
		e.equal("the rule", gotRule, e.rule("r1"))
		e.equal("the version", gotVersion, e.version("r1", 1))
		e.equal("the run", gotRun, e.run("run-1"))
		e.equal("the step", gotSteps, []automation.StepRun{e.step(1, "ask")})
		e.equal("the event", gotEvent, e.event("k"))
		gotRule.EventTypes[0], gotVersion.Document[0], gotRun.Failure.Class, gotSteps[0].Output[0], gotEvent.Body[0] = "x", 'x', "x", 'x', 'x'
	}
}

func countedRules(e *env) {
	off := e.rule("off")
	off.Enabled = false
	e.insertRule(off)
	_, err := e.Store.CountRules(e.Ctx, e.Tenant, true)
	e.want("a count with lock", err, storage.ErrNoTx)
	const most = 4
	errFull := errors.New("full")
	errs := make(chan error, 16)
	for i := range cap(errs) {
		go func() {
			errs <- e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
				r := e.rule(fmt.Sprintf("r%d", i))
				v := e.version(r.ID, 1)
				if err := e.Store.SaveRule(ctx, e.Tenant, r, &v); err != nil {
					return err
				}
				n, err := e.Store.CountRules(ctx, e.Tenant, true)
				if err == nil && n > most {
					err = errFull
				}
				return err
			})
		}()
	}
	for range cap(errs) {
		if err := <-errs; !errors.Is(err, errFull) {
			e.must(err)
		}
	}
	for tenant, want := range map[string]int64{e.Tenant: most, e.Tenant + "x": 0} {
		n, err := e.Store.CountRules(e.Ctx, tenant, false)
		e.must(err)
		e.equal("the rules of "+tenant, n, want)
	}
}
