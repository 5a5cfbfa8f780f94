package automation_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
)

func TestARuleIsWrittenTestedEnabledAndRuns(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		k := newKit(t, b, kitConfig{})
		k.work(t)
		r, err := k.service.Create(k.ctx, acme, automation.RuleInput{ID: "r1", Definition: definition(t,
			`"conditions":{"all":[{"path":"/data/amount","op":"gte","value":100}]},
			"steps":[{"name":"tell","action":"test.probe","with":{"order":{"$ref":"/subject"},"text":"{{ /data/amount }} of {{ /subject }}"}}]`)})
		must(t, err)
		same(t, "the new rule is", r.Enabled, false)
		tested, err := k.service.Test(k.ctx, acme, "r1", automation.TestInput{Event: []byte(`{"type":"` + refunded + `","subject":"order/7","data":{"amount":120}}`)})
		must(t, err)
		same(t, "the test run", tested.Run.Status, automation.Succeeded)
		same(t, "its input", string(tested.Steps[0].Input), `{"order":"order/7","text":"120 of order/7"}`)
		same(t, "calls of a test run", len(k.probe.made()), 0)
		k.refund(t, "before", 500) // nobody listens yet
		_, err = k.service.Enable(k.ctx, acme, "r1", "go")
		must(t, err)
		e := k.refund(t, "large", 150)
		d := k.until(t, automation.Succeeded)
		same(t, "the trace", d.Run.Trace.TraceID, e.Trace.TraceID)
		same(t, "the steps", steps(d), "tell:succeeded")
		same(t, "the input", k.probe.with("tell"), `{"order":"order/1001","text":"150 of order/1001"}`)
		k.refund(t, "small", 99)
		waitFor(t, func() bool { return len(k.runs(t, automation.RunQuery{Status: automation.Filtered})) == 1 })
		d = k.until(t, automation.Succeeded, automation.Filtered)
		if !strings.Contains(d.Run.Reason, "/data/amount") || len(k.probe.made()) != 1 {
			t.Errorf("filtered because %q after the calls %v", d.Run.Reason, k.probe.made())
		}
		if strings.Contains(d.Run.Reason, "99") {
			t.Errorf("the reason %q tells what stands in the event, which only Redact may show", d.Run.Reason)
		}
		same(t, "what is on record", k.audited(t), []string{
			"automation.rule.created success by sam", "orders.refund success by sam", "automation.rule.enabled success by sam",
			"orders.refund success by sam", "automation.run.succeeded success by automation", "orders.refund success by sam",
		})
	})
}

// TestATimeThatNoStoreHasIsNoWait gives a wait a time that lies in the year 10000 where
// the clocks of JSON and of the stores are read, in UTC.
func TestATimeThatNoStoreHasIsNoWait(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		k := newKit(t, b, kitConfig{})
		k.work(t)
		k.rule(t, `"steps":[{"name":"nap","action":"wait","with":{"until":"{{ /data/note ?? null }}"}}]`)
		must(t, k.governor.Record(k.ctx, audit.Event{
			Tenant: acme, Action: "orders.refund", Resource: audit.Resource{Type: "order", ID: "1001"}, Payload: []byte(`{"note":"9999-12-31T23:59:59-01:00"}`),
		}))
		d := k.until(t, automation.Failed)
		same(t, "the failure", d.Run.Failure.Class, automation.ClassInvalid)
	})
}

func TestAStepSeesWhatTheStepsBeforeAnswered(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		k := newKit(t, b, kitConfig{})
		k.work(t)
		k.rule(t, `"steps":[
			{"name":"lookup","action":"test.probe"},
			{"name":"note","action":"test.write","with":{"id":{"$ref":"/steps/lookup/output/id"}}},
			{"name":"tell","action":"test.probe","with":{"all":"{{ /steps/lookup/output/id }}+{{ /steps/note/output/id }}","whole":{"$ref":"/steps/note/output"},
				"note":"{{ /data/note }}","none":"{{ /data/none ?? \"-\" }}","amount":"{{ /data/amount }}"}}]`)
		k.refund(t, "e1", 150)
		d := k.until(t, automation.Succeeded)
		same(t, "the steps", steps(d), "lookup:succeeded note:succeeded tell:succeeded")
		same(t, "step 2 saw", k.probe.with("note"), `{"id":"lookup-1"}`)
		same(t, "step 3 saw", k.probe.with("tell"), `{"all":"lookup-1+note-1","amount":150,"none":"-","note":"it's \"broken\"","whole":{"id":"note-1"}}`)
	})
}

func TestARunActsAsTheOwnerOfItsRule(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		gate := audit.GateFunc(func(_ context.Context, e audit.Event) (audit.Verdict, error) {
			if e.Action == "orders.flag" && e.Actor.ID != "olivia" {
				return audit.Verdict{Effect: audit.Deny, Reason: audit.Reason{Code: "not_yours"}}, nil
			}
			return audit.Verdict{Effect: audit.Allow}, nil
		})
		k := newKit(t, b, kitConfig{gate: gate})
		k.work(t)
		const body = `"steps":[{"name":"flag","action":"publish.event","with":{"action":"orders.flag","resource":{"type":"order","id":"1001"},"data":{"n":{"$ref":"/data/amount"}}}}]`
		r := k.rule(t, body)
		k.refund(t, "e1", 150)
		d := k.until(t, automation.Failed)
		same(t, "the failure", d.Run.Failure.Class, automation.ClassDenied)
		same(t, "attempts", len(d.Steps[0].Log), 1)
		if all := k.audited(t); !slices.Contains(all, "orders.flag denied by sam") {
			t.Errorf("the attempt is not on record: %q", all)
		}
		// Whoever writes the next version owns the rule.
		_, err := k.service.Update(audit.WithActor(t.Context(), olivia), acme, r.ID, 0, definition(t, body))
		must(t, err)
		e := k.refund(t, "e2", 150)
		waitFor(t, func() bool { return len(k.runs(t, automation.RunQuery{Status: automation.Succeeded})) == 1 })
		page, err := k.log.Query(k.ctx, acme, audit.Query{Action: "orders.flag", Descending: true})
		must(t, err)
		flagged := page.Items[0]
		same(t, "who flagged it", flagged.Actor, audit.Actor{Type: audit.User, ID: "olivia", ActingAs: "automation_rule/" + r.ID})
		same(t, "its trace", flagged.Trace.TraceID, e.Trace.TraceID)
		same(t, "its cause", flagged.CausationID, "e2")
		same(t, "its hops", flagged.Hops, 1)
	})
}

func TestRulesThatSetEachOtherOffEnd(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		k := newKit(t, b, kitConfig{})
		k.work(t)
		d, err := automation.ParseDefinition([]byte(`{"name":"echo","automation_environment":"prod","trigger":{"type":"event","event_type":"lumelle.orders.v1.*"},
			"steps":[{"name":"flag","action":"publish.event","with":{"action":"orders.flag","resource":{"type":"order","id":"1001"}}}]}`))
		must(t, err)
		r, err := k.service.Create(k.ctx, acme, automation.RuleInput{Definition: d})
		must(t, err)
		_, err = k.service.Enable(k.ctx, acme, r.ID, "")
		must(t, err)
		k.refund(t, "e1", 1)
		waitFor(t, func() bool { return len(k.runs(t, automation.RunQuery{Status: automation.Failed})) == 1 })
		k.until(t, automation.Succeeded, automation.Failed)
		all := k.runs(t, automation.RunQuery{})
		failed := k.runs(t, automation.RunQuery{Status: automation.Failed})
		if len(all) != audit.MaxHops+1 || len(failed) != 1 || failed[0].Failure.Class != automation.ClassLoop {
			t.Errorf("got %d runs of which %+v failed, want %d and one of class loop", len(all), failed, audit.MaxHops+1)
		}
	})
}

func TestOnlyEventsOfTheEnvironmentFire(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		k := newKit(t, b, kitConfig{outbox: automation.OutboxConfig{Environment: func(e audit.Event) string {
			if strings.HasPrefix(e.ID, "staging") {
				return automation.Staging
			}
			return automation.Prod
		}}})
		k.work(t)
		r := k.rule(t, `"steps":[{"name":"tell","action":"test.probe"}]`)
		staging := definition(t, `"steps":[{"name":"tell","action":"test.probe"}]`)
		staging.Environment = automation.Staging
		s, err := k.service.Create(k.ctx, acme, automation.RuleInput{Definition: staging})
		must(t, err)
		_, err = k.service.Enable(k.ctx, acme, s.ID, "")
		must(t, err)
		draft := staging
		draft.Environment = automation.Draft
		dr, err := k.service.Create(k.ctx, acme, automation.RuleInput{Definition: draft})
		must(t, err)
		_, err = k.service.Enable(k.ctx, acme, dr.ID, "")
		wantErr(t, err, automation.ErrDraft)
		_, err = k.service.Update(k.ctx, acme, r.ID, 0, draft)
		wantErr(t, err, automation.ErrDraft)
		k.refund(t, "e1", 1)
		k.refund(t, "staging-1", 1)
		k.until(t, automation.Succeeded)
		waitFor(t, func() bool { return len(k.runs(t, automation.RunQuery{Status: automation.Succeeded})) == 2 })
		same(t, "runs of prod", len(k.runs(t, automation.RunQuery{RuleID: r.ID})), 1)
		got := k.runs(t, automation.RunQuery{RuleID: s.ID})
		same(t, "runs of staging", len(got), 1)
		same(t, "its environment", got[0].Environment, automation.Staging)
	})
}

// waitFor waits until ok answers true.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("it does not come to pass")
		}
	}
}

func TestWhatDoesNotFeed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		k := newKit(t, b, kitConfig{})
		d := definition(t, `"steps":[{"name":"tell","action":"test.probe"}]`)
		d.Trigger.EventType = "*"
		r, err := k.service.Create(k.ctx, acme, automation.RuleInput{Definition: d})
		must(t, err)
		_, err = k.service.Enable(k.ctx, acme, r.ID, "")
		must(t, err)
		order := audit.Resource{Type: "order", ID: "1"}
		for _, e := range []audit.Event{
			{Action: "orders.read", Resource: order},
			{Action: "orders.refund", Resource: order, Outcome: audit.Denied},
			{Action: "orders.refund", Resource: order, Outcome: audit.Failure},
			{Action: "webhooks.endpoint.disabled", Resource: order},
			{Action: automation.ActionEnable, Resource: audit.Resource{Type: automation.ResourceRule, ID: "r"}},
		} {
			e.Tenant = acme
			must(t, k.governor.Record(k.ctx, e))
		}
		other := audit.Event{Tenant: "bloom", Action: "orders.refund", Resource: order}
		must(t, k.governor.Record(k.ctx, other))
		once := audit.Event{ID: "e1", Tenant: acme, Action: "orders.refund", Resource: order, Time: time.Unix(1, 0), Trace: correlation.New()}
		must(t, k.governor.Record(k.ctx, once, once))
		must(t, k.governor.Record(k.ctx, once))
		k.work(t)
		k.until(t, automation.Succeeded)
		same(t, "calls", len(k.probe.made()), 1)
	})
}

func TestAnApprovalIsWaitedForAndResumesOnce(t *testing.T) {
	t.Parallel()
	const body = `"steps":[
		{"name":"ask","action":"approval.request","with":{"action":"orders.refund","resource":{"type":"order","id":"1001"},"payload":{"amount":{"$ref":"/data/amount"}}},"on_decline":[
			{"name":"declined","action":"test.probe","with":{"why":{"$ref":"/steps/ask/output/payload/comment"}}}]},
		{"name":"pay","action":"test.probe","with":{"decision":{"$ref":"/steps/ask/output/decision"},"by":"{{ /steps/ask/output/payload/by }}"}}]`
	each(t, func(t *testing.T, b backend) {
		k := newKit(t, b, kitConfig{})
		stop := k.work(t)
		k.rule(t, body)
		k.refund(t, "e1", 150)
		d := k.until(t, automation.Waiting)
		same(t, "the wait", d.Run.Wait.Kind, automation.ForSignal)
		same(t, "the steps", steps(d), "ask:waiting declined:pending pay:pending")
		same(t, "its key", d.Run.Wait.Key, "req-"+d.Run.ID+"/ask/0")
		// Another process goes on with it.
		stop()
		k2 := newKit(t, b, kitConfig{})
		k2.work(t)
		trace := k2.decided(t, "approved", d.Run.Wait.Key, "decision-1")
		k2.decided(t, "approved", d.Run.Wait.Key, "decision-2")
		done := k2.until(t, automation.Succeeded)
		same(t, "the steps", steps(done), "ask:succeeded pay:succeeded declined:skipped")
		same(t, "calls", k2.probe.made(), []string{"pay"})
		same(t, "what the next step saw", k2.probe.with("pay"), `{"by":"olivia","decision":"approved"}`)
		k2.decided(t, "rejected", d.Run.Wait.Key, "decision-3")
		again := k2.until(t, automation.Succeeded)
		same(t, "a late decision changes", again.Run.Version, done.Run.Version)
		waitFor(t, func() bool {
			pending, err := b.Automation().PendingSignals(k.ctx, acme, d.Run.Wait.Key)
			must(t, err)
			return len(pending) == 0
		})
		// The approver's trace finds the run.
		entries, err := k2.service.Timeline(k.ctx, acme, trace.TraceID)
		must(t, err)
		var kinds []string
		for _, e := range entries {
			kinds = append(kinds, e.Kind+" "+e.Summary)
		}
		same(t, "the approver's timeline", len(kinds), 3)
	})
	each(t, func(t *testing.T, b backend) {
		k := newKit(t, b, kitConfig{})
		k.work(t)
		k.rule(t, body)
		k.refund(t, "e1", 150)
		d := k.until(t, automation.Waiting)
		k.decided(t, "rejected", d.Run.Wait.Key, "decision-1")
		done := k.until(t, automation.Succeeded)
		same(t, "the steps", steps(done), "ask:succeeded(on_decline) declined:succeeded pay:skipped")
		same(t, "the comment", k.probe.with("declined"), `{"why":"looks fine"}`)
	})
}

func TestADecisionThatComesBeforeTheWaitIsNotLost(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		k := newKit(t, b, kitConfig{service: automation.Config{}, outbox: automation.OutboxConfig{NewID: func() string { return "run-1" }}})
		k.decided(t, "approved", "req-run-1/ask/0", "decision-1")
		k.rule(t, `"steps":[{"name":"ask","action":"approval.request","with":{"action":"a","resource":{"type":"order","id":"1"}}},{"name":"pay","action":"test.probe"}]`)
		k.work(t)
		k.refund(t, "e1", 1)
		d := k.until(t, automation.Succeeded)
		same(t, "the steps", steps(d), "ask:succeeded pay:succeeded")
	})
}

func TestADeclineWithoutARouteFails(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		k := newKit(t, b, kitConfig{})
		k.work(t)
		k.rule(t, `"steps":[{"name":"ask","action":"approval.request","with":{"action":"a","resource":{"type":"order","id":"1"}}},{"name":"pay","action":"test.probe"}],
			"on_failure":[{"name":"sorry","action":"test.probe","with":{"class":{"$ref":"/error/class"},"step":{"$ref":"/error/step"},"n":"{{ /error/attempt }}"}}]`)
		k.refund(t, "e1", 1)
		d := k.until(t, automation.Waiting)
		k.decided(t, "rejected", d.Run.Wait.Key, "decision-1")
		d = k.until(t, automation.Failed)
		same(t, "the steps", steps(d), "ask:failed sorry:succeeded pay:skipped")
		same(t, "the error", k.probe.with("sorry"), `{"class":"declined","n":1,"step":"ask"}`)
	})
}

func TestATransactionalActionIsUndoneWithItsFailure(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		k := newKit(t, b, kitConfig{})
		k.work(t)
		k.probe.answers(func(ctx context.Context, in automation.Input) (automation.Output, error) {
			if in.Step == "write" && in.Attempt == 1 {
				_, err := b.Automation().InsertEvent(ctx, acme, automation.TriggerEvent{Key: "written", Source: "/s", ID: "i", Type: "a.b", Environment: "prod", Body: []byte(`{}`)})
				must(t, err)
				return automation.Output{}, errors.New("too late")
			}
			return automation.Output{}, nil
		})
		k.rule(t, `"retry":{"attempts":1},"steps":[{"name":"write","action":"test.write"}]`)
		k.refund(t, "e1", 1)
		d := k.until(t, automation.Failed)
		same(t, "the class", d.Run.Failure.Class, automation.ClassUnknown)
		same(t, "the message", d.Run.Failure.Message, "the action failed")
		same(t, "the detail", d.Steps[0].Log[0].Detail, "too late")
		_, err := b.Automation().GetEvent(k.ctx, acme, "written")
		wantErr(t, err, storage.ErrNotFound)
	})
}
