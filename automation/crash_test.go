package automation_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// long reports whether the long forms of the tests are wanted.
func long() bool { return os.Getenv("ADMINKIT_LONG") == "1" }

// TestAProcessThatStopsInAStepGoesOnAtIt stops a worker while it calls an action: the
// next one calls it again under the same key, and no step before it.
func TestAProcessThatStopsInAStepGoesOnAtIt(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		k := newKit(t, b, kitConfig{})
		k.rule(t, `"steps":[{"name":"a","action":"test.probe"},{"name":"b","action":"test.write"},{"name":"c","action":"test.probe"},{"name":"d","action":"test.probe"}]`)
		hangs := make(chan struct{})
		k.probe.answers(func(ctx context.Context, in automation.Input) (automation.Output, error) {
			if in.Step == "c" {
				close(hangs)
				<-ctx.Done()
				return automation.Output{}, ctx.Err()
			}
			return automation.Output{Value: []byte(`{}`)}, nil
		})
		must(t, k.worker.Start(t.Context()))
		k.refund(t, "e1", 1)
		<-hangs
		closing, cancel := context.WithCancel(t.Context())
		cancel() // no time to end in order
		_ = k.worker.Close(closing)
		first := k.probe.calls[2].Key
		k2 := newKit(t, b, kitConfig{})
		k2.work(t)
		d := k2.until(t, automation.Succeeded)
		same(t, "the steps", steps(d), "a:succeeded b:succeeded c:succeeded d:succeeded")
		same(t, "calls before", k.probe.made(), []string{"a", "b", "c"})
		same(t, "calls after", k2.probe.made(), []string{"c", "d"})
		same(t, "the key", k2.probe.calls[0].Key, first)
	})
}

// TestEveryFaultOfTheStoreIsSurvived has each call of the store fail once, before and
// after it took effect: the run comes to its end all the same, external steps repeat only
// under their key, and what is written in the transaction is written once.
func TestEveryFaultOfTheStoreIsSurvived(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"before", "after"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			for at := 1; ; at++ {
				fired := false
				synctest.Test(t, func(t *testing.T) { fired = survives(t, when, at) })
				if !fired {
					if at < 10 {
						t.Fatalf("only %d faults fired", at-1)
					}
					return
				}
			}
		})
	}
}

var errInjected = fmt.Errorf("injected: %w", storage.ErrUnavailable)

// survives runs a rule with a fault at the n-th call of the store and reports whether the
// fault fired.
func survives(t *testing.T, when string, at int) (fired bool) {
	t.Helper()
	var mu sync.Mutex
	armed, calls := false, 0
	hook := func(_ context.Context, call string) error {
		mu.Lock()
		defer mu.Unlock()
		if !armed || call == "jobs.Beat" || call == "jobs.Prune" {
			return nil
		}
		if calls++; calls == at {
			fired = true
			return errInjected
		}
		return nil
	}
	cfg := memory.Config{Before: hook}
	if when == "after" {
		cfg = memory.Config{After: hook}
	}
	b, err := memory.New(cfg)
	must(t, err)
	k := newKit(t, b, kitConfig{worker: jobs.WorkerConfig{
		Poll: 20 * time.Millisecond, Backoff: func(int) time.Duration { return time.Millisecond },
	}})
	k.rule(t, `"steps":[{"name":"a","action":"test.probe"},{"name":"flag","action":"publish.event","with":{"action":"orders.flag","resource":{"type":"order","id":"1"}}},
		{"name":"ask","action":"approval.request","with":{"action":"a","resource":{"type":"order","id":"1"}}},{"name":"z","action":"test.probe"}]`)
	stop := k.work(t)
	mu.Lock()
	armed = true
	mu.Unlock()
	// The host repeats what it records under its id until it is.
	trace := correlation.New()
	repeat(t, func() error {
		return k.governor.Record(k.ctx, audit.Event{
			ID: "e1", Tenant: acme, Action: "orders.refund", Time: time.Unix(1e9, 0), Trace: trace, Resource: audit.Resource{Type: "order", ID: "1"},
		})
	})
	d := k.eventually(t, automation.Waiting)
	repeat(t, func() error {
		return k.governor.Record(audit.WithActor(t.Context(), olivia), audit.Event{
			ID: "decision", Tenant: acme, Action: "approvals.request.approved", Time: time.Unix(1e9, 0), Trace: trace,
			Resource: audit.Resource{Type: "approval_request", ID: d.Run.Wait.Key},
		})
	})
	d = k.eventually(t, automation.Succeeded)
	stop()
	mu.Lock()
	armed = false
	mu.Unlock()
	if got := steps(d); got != "a:succeeded flag:succeeded ask:succeeded z:succeeded" {
		t.Errorf("fault %d %s: the steps are %s", at, when, got)
	}
	flagged := slices.DeleteFunc(k.audited(t), func(s string) bool { return s != "orders.flag success by sam" })
	if len(flagged) != 1 {
		t.Errorf("fault %d %s: the event was written %d times", at, when, len(flagged))
	}
	keys := map[string]string{}
	for _, in := range k.probe.calls {
		if known, ok := keys[in.Step]; ok && known != in.Key {
			t.Errorf("fault %d %s: step %s was called under the keys %q and %q", at, when, in.Step, known, in.Key)
		}
		keys[in.Step] = in.Key
	}
	return fired
}

// repeat does something until it is done, whatever faults there are.
func repeat(t *testing.T, fn func() error) {
	t.Helper()
	for {
		err := fn()
		if err == nil {
			return
		}
		if !errors.Is(err, storage.ErrUnavailable) && !errors.Is(err, storage.ErrCommitUnknown) {
			t.Fatal(err)
		}
	}
}

// eventually waits until the only run has a status, whatever reading it answers.
func (k *kit) eventually(t *testing.T, want automation.Status) (d automation.RunDetail) {
	t.Helper()
	waitFor(t, func() bool {
		page, err := k.service.Runs(k.ctx, acme, automation.RunQuery{})
		if err != nil || len(page.Items) != 1 || page.Items[0].Status != want {
			return false
		}
		d, err = k.service.Run(k.ctx, acme, page.Items[0].ID)
		return err == nil && d.Run.Status == want
	})
	return d
}

// TestManyParkedRunsAllWake parks runs, begins anew in another process, and decides all.
func TestManyParkedRunsAllWake(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b eachtest.Backend) {
		n := 300
		if long() {
			n = 10_000
		}
		k := newKit(t, b, kitConfig{})
		stop := k.work(t)
		k.rule(t, `"steps":[{"name":"ask","action":"approval.request","with":{"action":"a","resource":{"type":"order","id":"1"}}},{"name":"pay","action":"test.write"}]`)
		for i := range n {
			k.refund(t, fmt.Sprintf("e%d", i), 1)
		}
		count := func(s automation.Status) int {
			total, q := 0, automation.RunQuery{Status: s, Limit: storage.MaxLimit}
			for {
				page, err := k.service.Runs(k.ctx, acme, q)
				must(t, err)
				total += len(page.Items)
				if q.After = page.Next; q.After == "" {
					return total
				}
			}
		}
		waitFor(t, func() bool { return count(automation.Waiting) == n })
		stop()
		k2 := newKit(t, b, kitConfig{})
		k2.work(t)
		k.mu.Lock()
		requests := slices.Compact(slices.Sorted(slices.Values(k.requests)))
		k.mu.Unlock()
		same(t, "requests", len(requests), n)
		for i, id := range requests {
			k2.decided(t, "approved", id, fmt.Sprintf("d%d", i))
		}
		waitFor(t, func() bool { return count(automation.Succeeded) == n })
		same(t, "calls", len(k2.probe.made()), n)
	})
}
