package automation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
)

func TestARerunHasTheSameInputsAndItsParent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		k := newKit(t, b, kitConfig{})
		k.work(t)
		r := k.rule(t, `"retry":{"attempts":1},"steps":[{"name":"tell","action":"test.probe","with":{"amount":{"$ref":"/data/amount"}}}]`)
		k.probe.answers(failing)
		e := k.refund(t, "e1", 150)
		first := k.until(t, automation.Failed)
		k.probe.answers(nil)
		_, err := k.service.Update(k.ctx, acme, r.ID, r.Revision, definition(t, `"steps":[{"name":"other","action":"test.probe","with":{"twice":"{{ /data/amount }}{{ /data/amount }}"}}]`))
		must(t, err)
		_, err = k.service.Disable(k.ctx, acme, r.ID, "no more")
		must(t, err)
		same1, err := k.service.Rerun(k.ctx, acme, first.Run.ID, false, "try again")
		must(t, err)
		latest, err := k.service.Rerun(k.ctx, acme, first.Run.ID, true, "")
		must(t, err)
		waitFor(t, func() bool { return len(k.runs(t, automation.RunQuery{Status: automation.Succeeded})) == 2 })
		again, err := k.service.Run(k.ctx, acme, same1.ID)
		must(t, err)
		newest, err := k.service.Run(k.ctx, acme, latest.ID)
		must(t, err)
		for _, d := range []automation.RunDetail{again, newest} {
			same(t, "its parent", d.Run.ParentID, first.Run.ID)
			same(t, "its trigger", d.Run.Trigger, automation.ByRerun)
			same(t, "its event", string(d.Event.Body), string(first.Event.Body))
			same(t, "its trace", d.Run.Trace.TraceID, e.Trace.TraceID)
		}
		same(t, "the same version", again.Run.RuleVersion, 1)
		same(t, "gets", k.probe.with("tell"), `{"amount":150}`)
		same(t, "the latest version", newest.Run.RuleVersion, 2)
		same(t, "gets", k.probe.with("other"), `{"twice":"150150"}`)
		unchanged, err := k.service.Run(k.ctx, acme, first.Run.ID)
		must(t, err)
		same(t, "the first run", unchanged.Run, first.Run)
		same(t, "reruns", len(k.runs(t, automation.RunQuery{Trigger: automation.ByRerun})), 2)
		if all := k.audited(t); !slices.Contains(all, "automation.run.rerun success by sam") {
			t.Errorf("the rerun is not on record: %q", all)
		}
		_, err = k.service.Rerun(k.ctx, "bloom", first.Run.ID, false, "")
		wantErr(t, err, storage.ErrNotFound)
	})
}

// TestARerunOfTheLatestVersionIsForTheSameEvents moves a rule to other environments and
// event types, whose runs must not begin with what happened elsewhere.
func TestARerunOfTheLatestVersionIsForTheSameEvents(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		k := newKit(t, b, kitConfig{})
		k.work(t)
		r := k.rule(t, `"steps":[{"name":"tell","action":"test.probe"}]`)
		k.refund(t, "e1", 150)
		first := k.until(t, automation.Succeeded)
		r, err := k.service.Disable(k.ctx, acme, r.ID, "")
		must(t, err)
		for _, c := range []struct {
			name   string
			change func(d *automation.Definition)
		}{
			{"a draft", func(d *automation.Definition) { d.Environment = automation.Draft }},
			{"another environment", func(d *automation.Definition) { d.Environment = automation.Staging }},
			{"another event type", func(d *automation.Definition) { d.Trigger.EventType = "lumelle.orders.v1.flagged" }},
		} {
			d := definition(t, `"steps":[{"name":"tell","action":"test.probe"}]`)
			c.change(&d)
			r, err = k.service.Update(k.ctx, acme, r.ID, r.Revision, d)
			must(t, err)
			_, err = k.service.Rerun(k.ctx, acme, first.Run.ID, true, "")
			if !errors.Is(err, automation.ErrMoved) {
				t.Errorf("%s: got %v, want ErrMoved", c.name, err)
			}
		}
		_, err = k.service.Rerun(k.ctx, acme, first.Run.ID, false, "")
		must(t, err)
		waitFor(t, func() bool { return len(k.runs(t, automation.RunQuery{Status: automation.Succeeded})) == 2 })
		same(t, "runs", len(k.runs(t, automation.RunQuery{})), 2)
	})
}

func TestAWaitingRunIsCancelled(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		k := newKit(t, b, kitConfig{})
		k.work(t)
		k.rule(t, `"steps":[{"name":"ask","action":"approval.request","with":{"action":"a","resource":{"type":"order","id":"1"}}},{"name":"pay","action":"test.probe"}]`)
		k.refund(t, "e1", 1)
		d := k.until(t, automation.Waiting)
		_, err := k.service.Cancel(k.ctx, acme, d.Run.ID, "wrong")
		must(t, err)
		k.decided(t, "approved", d.Run.Wait.Key, "late")
		got, err := k.service.Run(k.ctx, acme, d.Run.ID)
		must(t, err)
		same(t, "the run", string(got.Run.Status)+" "+got.Run.Reason, "cancelled wrong")
		same(t, "the steps", steps(got), "ask:cancelled pay:skipped")
		pending, err := b.Automation().PendingSignals(k.ctx, acme, d.Run.Wait.Key)
		must(t, err)
		same(t, "signals left", len(pending), 0)
	})
}

// TestWhoMayNotIsRefused walks every change of the Service with a gate that denies.
func TestWhoMayNotIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		deny := ""
		gate := audit.GateFunc(func(_ context.Context, e audit.Event) (audit.Verdict, error) {
			if e.Action == deny {
				return audit.Verdict{Effect: audit.Deny, Reason: audit.Reason{Code: "no"}}, nil
			}
			return audit.Verdict{Effect: audit.Allow}, nil
		})
		k := newKit(t, b, kitConfig{gate: gate})
		d := definition(t, `"steps":[{"name":"ask","action":"approval.request","with":{"action":"a","resource":{"type":"order","id":"1"}}}]`)
		r := k.rule(t, `"steps":[{"name":"ask","action":"approval.request","with":{"action":"a","resource":{"type":"order","id":"1"}}}]`)
		stop := k.work(t)
		k.refund(t, "e1", 1)
		run := k.until(t, automation.Waiting).Run
		stop()
		for action, change := range map[string]func() error{
			automation.ActionCreate: func() error {
				_, err := k.service.Create(k.ctx, acme, automation.RuleInput{ID: "new", Definition: d})
				return err
			},
			automation.ActionUpdate:  func() error { _, err := k.service.Update(k.ctx, acme, r.ID, 0, d); return err },
			automation.ActionDisable: func() error { _, err := k.service.Disable(k.ctx, acme, r.ID, ""); return err },
			automation.ActionEnable:  func() error { _, err := k.service.Enable(k.ctx, acme, r.ID, ""); return err },
			automation.ActionRerun:   func() error { _, err := k.service.Rerun(k.ctx, acme, run.ID, false, ""); return err },
			automation.ActionCancel:  func() error { _, err := k.service.Cancel(k.ctx, acme, run.ID, ""); return err },
		} {
			deny = action
			if err := change(); !errors.Is(err, audit.ErrDenied) {
				t.Errorf("%s: got %v, want %v", action, err, audit.ErrDenied)
			}
			if all := k.audited(t); all[len(all)-1] != action+" denied by sam" {
				t.Errorf("%s: the attempt is not on record: %q", action, all[len(all)-1])
			}
		}
		rule, _, err := k.service.Get(k.ctx, acme, r.ID)
		must(t, err)
		same(t, "the rule", rule.Revision, r.Revision)
		same(t, "runs", len(k.runs(t, automation.RunQuery{})), 1)
		same(t, "the run", k.runs(t, automation.RunQuery{})[0].Status, automation.Waiting)
	})
}

func TestAFailingStepShowsItsErrorAndStack(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		k := newKit(t, b, kitConfig{service: automation.Config{Redact: func(doc json.RawMessage) json.RawMessage {
			return json.RawMessage(strings.ReplaceAll(string(doc), "4242", "****"))
		}}})
		k.work(t)
		k.probe.answers(func(_ context.Context, in automation.Input) (automation.Output, error) {
			in.Log(slog.LevelWarn, "about to break")
			if in.Step == "pay" {
				panic("broken gear")
			}
			return automation.Output{Value: json.RawMessage(`{"card":"4242"}`)}, nil
		})
		k.rule(t, `"steps":[{"name":"lookup","action":"test.probe"},{"name":"pay","action":"test.probe","with":{"card":{"$ref":"/steps/lookup/output/card"}}}]`)
		k.refund(t, "e1", 1)
		d := k.until(t, automation.Failed)
		pay := d.Steps[1]
		a := pay.Log[0]
		same(t, "the error", a.Class+": "+a.Error, "permanent: the action broke down")
		if !strings.Contains(a.Detail, "broken gear") || !strings.Contains(a.Detail, "history_test.go") {
			t.Errorf("the detail has no panic and stack:\n%s", a.Detail)
		}
		same(t, "its log", a.Logs[0].Text, "about to break")
		same(t, "the input that is shown", string(pay.Input), `{"card":"****"}`)
		same(t, "the input that was given", k.probe.with("pay"), `{"card":"4242"}`)
		same(t, "the output that is shown", string(d.Steps[0].Output), `{"card":"****"}`)
		same(t, "runs with warnings", len(k.runs(t, automation.RunQuery{Level: slog.LevelWarn})), 1)
		same(t, "runs with errors", len(k.runs(t, automation.RunQuery{Level: slog.LevelError})), 1)
		if a.TraceID != d.Run.Trace.TraceID || a.SpanID == "" {
			t.Errorf("the attempt has the span %s of trace %s, want one of %s", a.SpanID, a.TraceID, d.Run.Trace.TraceID)
		}
	})
}

func TestTheTimelineTellsRunsAndSteps(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		k := newKit(t, b, kitConfig{})
		k.work(t)
		k.rule(t, `"steps":[{"name":"big","if":{"path":"/data/amount","op":"gte","value":100},"then":[{"name":"tell","action":"test.probe"}]}]`)
		e := k.refund(t, "e1", 150)
		d := k.until(t, automation.Succeeded)
		entries, err := correlation.Timeline(k.ctx, acme, e.Trace.TraceID, k.log, k.service)
		must(t, err)
		var got []string
		for _, entry := range entries {
			if entry.Kind == automation.KindRun || entry.Kind == automation.KindStep {
				got = append(got, entry.Kind+" "+strings.ReplaceAll(entry.ID, d.Run.ID, "R")+" "+strings.ReplaceAll(entry.Summary, d.Run.RuleID, "rule"))
			}
		}
		same(t, "the timeline", got, []string{
			"run R run of rule version 1: succeeded", "step R/big step big (if): succeeded, then", "step R/tell step tell (test.probe): succeeded",
		})
		other, err := k.service.Timeline(k.ctx, "bloom", e.Trace.TraceID)
		must(t, err)
		same(t, "another tenant's timeline", len(other), 0)
	})
}

// TestRunListsEqualAReferenceScan compares every filter, page by page, to a scan of all.
func TestRunListsEqualAReferenceScan(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		n := 2000
		if long() {
			n = 100_000
		}
		all := seedRuns(t, b, n)
		k := newKit(t, b, kitConfig{})
		at := all[n/2].StartedAt
		for name, q := range map[string]automation.RunQuery{
			"all": {}, "of a rule": {RuleID: "rule-3"}, "failed": {Status: automation.Failed}, "reruns": {Trigger: automation.ByRerun},
			"of a type": {EventType: "lumelle.orders.v1.flagged"}, "of staging": {Environment: automation.Staging},
			"with a step": {Step: "step-2"}, "with errors": {Level: slog.LevelError}, "since": {Since: at}, "until": {Until: at},
			"of a rule, failed, since": {RuleID: "rule-3", Status: automation.Failed, Since: at}, "of a rule with a step until": {RuleID: "rule-5", Step: "step-1", Until: at},
			"with all at once":        {Status: automation.Running, Trigger: automation.ByRerun, Step: "step-1", Level: slog.LevelWarn, Since: all[3*n/4].StartedAt, Until: all[n/4].StartedAt},
			"failed, oldest first":    {Status: automation.Failed, Sort: listing.Sort{Field: "started_at"}},
			"of a rule, oldest first": {RuleID: "rule-2", Level: slog.LevelWarn, Since: at, Sort: listing.Sort{Field: "started_at"}},
		} {
			var want []string
			for _, r := range all {
				if chosen(q, r) {
					want = append(want, r.ID)
				}
			}
			if q.Sort.Field != "" {
				slices.Reverse(want)
			}
			var got []string
			q.Limit = 997
			for {
				page, err := k.service.Runs(k.ctx, acme, q)
				must(t, err)
				for _, r := range page.Items {
					got = append(got, r.ID)
				}
				if q.After = page.Next; q.After == "" {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("runs %s: got %d, want %d, in the order of their start", name, len(got), len(want))
			}
			if len(want) == 0 || name != "all" && len(want) == n {
				t.Errorf("runs %s: the filter chooses %d of %d", name, len(want), n)
			}
		}
	})
}

// seedRuns saves runs that differ in all that lists filter by, and returns them, the
// newest first. Each has the one step "step-<n>".
func seedRuns(t *testing.T, b backend, n int) []automation.Run {
	t.Helper()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	all := make([]automation.Run, n)
	for i := range all {
		at := start.Add(time.Duration(i/3) * time.Second)
		all[i] = automation.Run{
			ID: fmt.Sprintf("run-%06d", i), Tenant: acme, RuleID: fmt.Sprintf("rule-%d", i%7), RuleVersion: 1,
			Environment: []string{automation.Prod, automation.Prod, automation.Staging}[i%3], Status: automation.Statuses()[i%5],
			Trigger: []string{automation.ByEvent, automation.ByRerun}[i/7%2], EventKey: fmt.Sprintf("event-%d", i), EventType: []string{refunded, "lumelle.orders.v1.flagged"}[i/11%2],
			ParentID: fmt.Sprintf("parent-%d", i), Owner: sam, Level: []slog.Level{slog.LevelInfo, slog.LevelWarn, slog.LevelError}[i/13%3],
			Cursor: fmt.Sprintf("step-%d", i/17%3), StartedAt: at, UpdatedAt: at, Version: 1, Trace: correlation.Trace{TraceID: strings.Repeat("a", 32), SpanID: strings.Repeat("b", 16)},
		}
	}
	for begin := 0; begin < n; begin += 1000 {
		must(t, b.InTx(t.Context(), func(ctx context.Context) error {
			for _, r := range all[begin:min(begin+1000, n)] {
				step := automation.StepRun{Path: r.Cursor, Seq: 1, Action: "test.probe", Status: automation.Running, StartedAt: r.StartedAt}
				if err := b.Automation().Save(ctx, acme, automation.Write{Run: r, Steps: []automation.StepRun{step}}); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	slices.Reverse(all)
	return all
}

func chosen(q automation.RunQuery, r automation.Run) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	return is(q.RuleID, r.RuleID) && is(string(q.Status), string(r.Status)) && is(q.Trigger, r.Trigger) && is(q.EventType, r.EventType) &&
		is(q.Environment, r.Environment) && is(q.Step, r.Cursor) && (q.Level == 0 || r.Level >= q.Level) &&
		!r.StartedAt.Before(q.Since) && (q.Until.IsZero() || r.StartedAt.Before(q.Until))
}

func TestBadQueriesAreRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		k := newKit(t, b, kitConfig{})
		for _, q := range []automation.RunQuery{{Status: "late"}, {Trigger: "fate"}, {Limit: -1}} {
			_, err := k.service.Runs(k.ctx, acme, q)
			wantErr(t, err, storage.ErrInvalid)
		}
		_, err := k.service.Runs(k.ctx, acme, automation.RunQuery{After: "x"})
		wantErr(t, err, storage.ErrBadCursor)
	})
}

func TestVersionsStayAndRevisionsMove(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		k := newKit(t, b, kitConfig{})
		r, err := k.service.Create(k.ctx, acme, automation.RuleInput{ID: "r1", Definition: definition(t, `"steps":[{"name":"a","action":"test.probe"}]`)})
		must(t, err)
		_, err = k.service.Create(k.ctx, acme, automation.RuleInput{ID: "r1", Definition: definition(t, `"steps":[{"name":"a","action":"test.probe"}]`)})
		wantErr(t, err, storage.ErrConflict)
		second, err := k.service.Update(k.ctx, acme, "r1", r.Revision, definition(t, `"steps":[{"name":"b","action":"test.probe"}]`))
		must(t, err)
		same(t, "the version", second.Version, 2)
		_, err = k.service.Update(k.ctx, acme, "r1", r.Revision, definition(t, `"steps":[{"name":"c","action":"test.probe"}]`))
		wantErr(t, err, storage.ErrConflict)
		page, err := k.service.Versions(k.ctx, acme, "r1", automation.VersionQuery{})
		must(t, err)
		var got []string
		for _, v := range page.Items {
			d, err := automation.ParseDefinition(v.Document)
			must(t, err)
			_, hash, err := d.Document()
			must(t, err)
			got = append(got, fmt.Sprint(v.Number, " ", d.Steps[0].Name, " ", hash == v.Hash, " by ", v.CreatedBy.ID))
		}
		same(t, "the versions", got, []string{"2 b true by sam", "1 a true by sam"})
		_, err = k.service.Versions(k.ctx, "bloom", "r1", automation.VersionQuery{})
		wantErr(t, err, storage.ErrNotFound)
		list, err := k.service.List(k.ctx, acme, automation.RuleQuery{})
		must(t, err)
		same(t, "rules", len(list.Items), 1)
		on, err := k.service.Enable(k.ctx, acme, "r1", "")
		must(t, err)
		again, err := k.service.Enable(k.ctx, acme, "r1", "")
		must(t, err)
		same(t, "enabling twice", again, on)
	})
}
