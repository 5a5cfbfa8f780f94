package automation_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// inBubble runs a test over memory in a bubble, where waiting takes no time.
func inBubble(t *testing.T, cfg kitConfig, fn func(t *testing.T, k *kit)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		// Polls and heartbeats are all that would happen in a bubble that waits for days.
		// None of them falls on a time at which something is due.
		cfg.worker = jobs.WorkerConfig{Poll: 433*time.Second + time.Millisecond, Lease: 4*time.Hour + 7*time.Second}
		k := newKit(t, eachtest.Memory(t), cfg)
		stop := k.work(t)
		fn(t, k)
		stop()
	})
}

// last returns the newest run.
func (k *kit) last(t *testing.T) automation.RunDetail {
	t.Helper()
	all := k.runs(t, automation.RunQuery{})
	if len(all) == 0 {
		t.Fatal("there is no run")
	}
	d, err := k.service.Run(k.ctx, acme, all[len(all)-1].ID)
	must(t, err)
	return d
}

var errBusy = automation.Fail(automation.ClassTransient, "busy", errors.New("secret cause"))

func failing(context.Context, automation.Input) (automation.Output, error) {
	return automation.Output{}, errBusy
}

func TestAttemptsAreMadeWhenThePolicySays(t *testing.T) {
	t.Parallel()
	half := 0.5
	for name, c := range map[string]struct {
		retry  string
		policy automation.RetryPolicy
		want   int
	}{
		"the default":         {``, automation.RetryPolicy{}, 3},
		"five, fast":          {`,"retry":{"attempts":5,"delay":"2s","backoff":3,"max_delay":"10s","jitter":0.5}`, automation.RetryPolicy{Delay: automation.Duration(2 * time.Second), Backoff: 3, MaxDelay: automation.Duration(10 * time.Second), Jitter: &half}, 5},
		"seconds as a number": {`,"retry":{"attempts":2,"delay":7}`, automation.RetryPolicy{Delay: automation.Duration(7 * time.Second)}, 2},
		"one":                 {`,"retry":{"attempts":1}`, automation.RetryPolicy{}, 1},
		"a named one":         {`,"retry":"gentle"`, automation.RetryPolicy{Delay: automation.Duration(time.Hour), MaxDelay: automation.Duration(3 * time.Hour)}, 4},
		"never on this class": {`,"retry":{"never_on":["transient"]}`, automation.RetryPolicy{}, 1},
		"on another class":    {`,"retry":{"retry_on":["permanent"]}`, automation.RetryPolicy{}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := kitConfig{catalog: automation.CatalogConfig{Retries: map[string]automation.RetryPolicy{
				"gentle": {Attempts: 4, Delay: automation.Duration(time.Hour), MaxDelay: automation.Duration(3 * time.Hour)},
			}}}
			inBubble(t, cfg, func(t *testing.T, k *kit) {
				k.probe.answers(failing)
				k.rule(t, `"steps":[{"name":"tell","action":"test.probe"`+c.retry+`}]`)
				k.refund(t, "e1", 1)
				time.Sleep(100 * time.Hour)
				d := k.last(t)
				same(t, "the run", d.Run.Status, automation.Failed)
				log := d.Steps[0].Log
				if len(log) != c.want || d.Steps[0].Attempts != c.want {
					t.Fatalf("got %d attempts, want %d", len(log), c.want)
				}
				key := k.probe.calls[0].Key
				for i, a := range log {
					same(t, "the class", a.Class+": "+a.Error, "transient: busy")
					if i > 0 {
						wait := c.policy.Wait(d.Run.ID, "tell", i)
						if got := a.At.Sub(log[i-1].At); got < wait || got > wait+time.Second {
							t.Errorf("attempt %d comes after %v, want %v", i+1, got, wait)
						}
					}
					if in := k.probe.calls[i]; in.Key != key || in.Attempt != i+1 {
						t.Errorf("attempt %d has the number %d and the key %q, want %q", i+1, in.Attempt, in.Key, key)
					}
				}
			})
		})
	}
}

func TestRetryAfterIsAFloor(t *testing.T) {
	t.Parallel()
	inBubble(t, kitConfig{}, func(t *testing.T, k *kit) {
		k.probe.answers(func(_ context.Context, in automation.Input) (automation.Output, error) {
			if in.Attempt == 1 {
				return automation.Output{}, &automation.ActionError{Class: automation.ClassRateLimited, Message: "later", RetryAfter: time.Hour}
			}
			return automation.Output{Value: []byte(`{}`)}, nil
		})
		k.rule(t, `"steps":[{"name":"tell","action":"test.probe"}]`)
		k.refund(t, "e1", 1)
		time.Sleep(59 * time.Minute)
		same(t, "the run", k.last(t).Run.Status, automation.Waiting)
		same(t, "it waits for", k.last(t).Run.Wait.Kind, automation.ForRetry)
		time.Sleep(2 * time.Minute)
		same(t, "the run", k.last(t).Run.Status, automation.Succeeded)
	})
}

// slow answers when its ctx ends, and never before.
func slow(ctx context.Context, _ automation.Input) (automation.Output, error) {
	<-ctx.Done()
	return automation.Output{}, ctx.Err()
}

func TestWhatTakesTooLongTimesOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		head, step string
		within     time.Duration
		attempts   int
		message    string
	}{
		"a step":             {``, `,"timeout":"10s"`, 10 * time.Second, 1, "within 10s"},
		"a step of attempts": {``, `,"timeout":{"step":"1m","attempt":"10s"},"retry":{"delay":"1s","attempts":50,"backoff":1,"jitter":0}`, 60 * time.Second, 6, "within 1m0s"},
		"all attempts":       {``, `,"timeout":{"attempt":"1s"},"retry":{"attempts":2,"delay":"1s","jitter":0}`, 3 * time.Second, 2, "took too long"},
		"a named policy":     {``, `,"timeout":"brief"`, 3 * time.Second, 1, "within 3s"},
		"the run":            {`"timeout":"20s",`, ``, 20 * time.Second, 1, "the run took longer"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := kitConfig{catalog: automation.CatalogConfig{Timeouts: map[string]automation.TimeoutPolicy{"brief": {Step: automation.Duration(3 * time.Second)}}}}
			inBubble(t, cfg, func(t *testing.T, k *kit) {
				k.probe.answers(slow)
				k.rule(t, c.head+`"steps":[{"name":"slow","action":"test.probe"`+c.step+`},{"name":"never","action":"test.probe"}]`)
				k.refund(t, "e1", 1)
				time.Sleep(time.Hour)
				d := k.last(t)
				same(t, "the run", d.Run.Status, automation.TimedOut)
				same(t, "the steps", steps(d), "slow:timed_out never:skipped")
				same(t, "the class", d.Run.Failure.Class, automation.ClassTimeout)
				if !strings.Contains(d.Run.Failure.Message, c.message) {
					t.Errorf("the message is %q, want one with %q", d.Run.Failure.Message, c.message)
				}
				if got := d.Run.EndedAt.Sub(d.Run.StartedAt); got < c.within || got > c.within+2*time.Second {
					t.Errorf("it ended after %v, want %v", got, c.within)
				}
				if got := len(k.probe.made()); got != c.attempts {
					t.Errorf("it was called %d times, want %d", got, c.attempts)
				}
			})
		})
	}
}

func TestARunThatTimedOutTakesItsFailureRouteOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, kitConfig{}, func(t *testing.T, k *kit) {
		k.probe.answers(slow)
		k.rule(t, `"timeout":"20s","steps":[{"name":"slow","action":"test.probe"}],"on_failure":[{"name":"sorry","action":"test.probe"}]`)
		k.refund(t, "e1", 1)
		time.Sleep(time.Hour)
		d := k.last(t)
		same(t, "the run", d.Run.Status, automation.TimedOut)
		same(t, "the steps", steps(d), "slow:timed_out sorry:timed_out")
		same(t, "the failure", d.Run.Failure.Step, "slow")
		same(t, "it took", d.Run.EndedAt.Sub(d.Run.StartedAt).Round(time.Second), 40*time.Second)
	})
}

func TestATimerIsOverWhenItsTimeHasCome(t *testing.T) {
	t.Parallel()
	inBubble(t, kitConfig{}, func(t *testing.T, k *kit) {
		k.rule(t, `"steps":[{"name":"nap","action":"wait","with":{"duration":"24h"}},{"name":"tell","action":"test.probe","with":{"since":{"$ref":"/steps/nap/output/until"}}}]`)
		k.refund(t, "e1", 1)
		time.Sleep(23 * time.Hour)
		same(t, "the run", k.last(t).Run.Status, automation.Waiting)
		same(t, "calls", len(k.probe.made()), 0)
		time.Sleep(2 * time.Hour)
		d := k.last(t)
		same(t, "the run", d.Run.Status, automation.Succeeded)
		same(t, "the wait took", d.Steps[0].EndedAt.Sub(d.Steps[0].StartedAt).Round(time.Second), 24*time.Hour)
	})
}

func TestAnApprovalThatDoesNotComeTimesOutAndALateOneChangesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ route, steps, status string }{
		"without a route": {``, "ask:timed_out", "timed_out"},
		"with a route":    {`,"on_timeout":[{"name":"remind","action":"test.probe"}]`, "ask:succeeded(on_timeout) remind:succeeded", "succeeded"},
		"with an end":     {`,"on_timeout":[]`, "ask:succeeded(on_timeout)", "succeeded"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, kitConfig{}, func(t *testing.T, k *kit) {
				k.rule(t, `"steps":[{"name":"ask","action":"approval.request","timeout":"48h","with":{"action":"a","resource":{"type":"order","id":"1"}}`+c.route+`}]`)
				k.refund(t, "e1", 1)
				time.Sleep(47 * time.Hour)
				waiting := k.last(t)
				same(t, "the run", waiting.Run.Status, automation.Waiting)
				time.Sleep(2 * time.Hour)
				d := k.last(t)
				same(t, "the run", string(d.Run.Status), c.status)
				same(t, "the steps", steps(d), c.steps)
				k.decided(t, "approved", waiting.Run.Wait.Key, "late")
				time.Sleep(time.Hour)
				same(t, "its version after a late decision", k.last(t).Run.Version, d.Run.Version)
				pending, err := k.backend.Automation().PendingSignals(k.ctx, acme, waiting.Run.Wait.Key)
				must(t, err)
				same(t, "signals left", len(pending), 0)
			})
		})
	}
}

func TestTheTimerOfAWaitThatIsOverIsVoid(t *testing.T) {
	t.Parallel()
	inBubble(t, kitConfig{}, func(t *testing.T, k *kit) {
		release := make(chan struct{})
		k.probe.answers(func(ctx context.Context, in automation.Input) (automation.Output, error) {
			<-release
			return automation.Output{Value: []byte(`{"ok":true}`)}, nil
		})
		k.rule(t, `"steps":[{"name":"ask","action":"approval.request","timeout":"1h","with":{"action":"a","resource":{"type":"order","id":"1"}}},
			{"name":"pay","action":"test.probe","timeout":{"attempt":"1h"}}]`)
		k.refund(t, "e1", 1)
		time.Sleep(59*time.Minute + 50*time.Second)
		k.decided(t, "approved", k.last(t).Run.Wait.Key, "decision")
		time.Sleep(time.Minute) // the timer fires while the next step runs
		d := k.last(t)
		same(t, "the run", d.Run.Status, automation.Running)
		same(t, "the steps", steps(d), "ask:succeeded pay:running")
		close(release)
		time.Sleep(time.Minute)
		same(t, "the run", k.last(t).Run.Status, automation.Succeeded)
		same(t, "calls", k.probe.made(), []string{"pay"})
	})
}

func TestACancelledRunCallsNothingMore(t *testing.T) {
	t.Parallel()
	inBubble(t, kitConfig{}, func(t *testing.T, k *kit) {
		ended := false
		k.probe.answers(func(ctx context.Context, _ automation.Input) (automation.Output, error) {
			<-ctx.Done()
			ended = true
			return automation.Output{Value: []byte(`{"late":true}`)}, nil
		})
		k.rule(t, `"steps":[{"name":"slow","action":"test.probe","timeout":{"attempt":"1h"}},{"name":"never","action":"test.probe"}],"on_failure":[{"name":"sorry","action":"test.probe"}]`)
		k.refund(t, "e1", 1)
		time.Sleep(time.Second)
		run := k.last(t).Run
		cancelled, err := k.service.Cancel(k.ctx, acme, run.ID, "wrong order")
		must(t, err)
		same(t, "the run", cancelled.Status, automation.Cancelled)
		synctest.Wait()
		if !ended {
			t.Error("the action goes on")
		}
		time.Sleep(time.Hour)
		d := k.last(t)
		same(t, "the run", d.Run, cancelled)
		same(t, "the steps", steps(d), "slow:cancelled never:skipped sorry:skipped")
		same(t, "calls", k.probe.made(), []string{"slow"})
		_, err = k.service.Cancel(k.ctx, acme, run.ID, "again")
		wantErr(t, err, automation.ErrEnded)
	})
}
