package automationtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
)

// old and fresh lie on both sides of noon, which the past ends at.
var (
	old   = noon.Add(-time.Microsecond)
	fresh = noon
)

// past saves a run that ended at a time, or waits where that is zero.
func (e *env) past(id string, ended time.Time) automation.Run {
	e.Helper()
	r := e.run(id)
	r.EndedAt, r.Trace = ended, correlation.Trace{}
	if !ended.IsZero() {
		r.Status = automation.Succeeded
	}
	e.insertRun(r)
	return r
}

// insertEvent saves an event that was created at a time.
func (e *env) insertEvent(key string, created time.Time) {
	e.Helper()
	event := e.event(key)
	event.CreatedAt = created
	_, err := e.Store.InsertEvent(e.Ctx, e.Tenant, event)
	e.must(err)
}

// putSignal saves a pending signal of a tenant that was sent at a time.
func (e *env) putSignal(tenant, key string, at time.Time) {
	e.Helper()
	s := e.signal(key, "s")
	s.At = at
	_, _, err := e.Store.PutSignal(e.Ctx, tenant, s)
	e.must(err)
}

// prune deletes the past of the tenant before noon.
func (e *env) prune() automation.Pruned {
	e.Helper()
	done, err := automation.Prune(e.Ctx, e.Store, e.Tenant, automation.Horizon{Runs: noon, Signals: noon})
	e.must(err)
	return done
}

// gone fails where a read did not answer storage.ErrNotFound though it should have, or did
// though it should not.
func (e *env) gone(what string, want bool, err error) {
	e.Helper()
	if got := errors.Is(err, storage.ErrNotFound); got != want || err != nil && !got {
		e.Errorf("%s: gone is %v and the error %v, want gone to be %v", what, got, err, want)
	}
}

func retention(e *env) {
	e.insertRule(e.rule("rule"))
	for n, created := range []time.Time{2: old.Add(-3 * time.Hour), 3: old.Add(-2 * time.Hour), 4: old, 5: fresh} {
		if n < 2 {
			continue
		}
		r, v := e.rule("rule"), e.version("rule", n)
		r.Version, r.Revision, v.CreatedAt = n, int64(n), created
		e.must(e.Store.SaveRule(e.Ctx, e.Tenant, r, &v))
	}
	for id, ended := range map[string]time.Time{"old": old, "fresh": fresh, "waits": {}} {
		e.past(id, ended)
		e.insertEvent("event-"+id, old)
	}
	// What goes on stays, whatever time it has.
	for _, status := range []automation.Status{automation.Running, automation.Waiting, automation.Pending} {
		r := e.run("odd-" + string(status))
		r.Status, r.EndedAt = status, old
		e.insertRun(r)
	}
	e.insertEvent("event-of-none", old)
	e.insertEvent("event-now", fresh)
	rerun := e.run("rerun")
	rerun.ParentID, rerun.EventKey, rerun.RuleVersion, rerun.EndedAt, rerun.Status = "old", "event-old", 2, fresh, automation.Failed
	e.insertRun(rerun)
	for key, at := range map[string]time.Time{"key-old": old, "key-waits": old, "key-of-none": old, "key-now": fresh} {
		e.putSignal(e.Tenant, key, at)
	}
	other := e.Tenant + "-other"
	e.putSignal(other, "k", old)

	// Version 1 is executed by nobody, 2 by the rerun, 3 by the runs, 4 was current until
	// noon, and 5 is.
	e.equal("what was deleted", e.prune(), automation.Pruned{Signals: 2, Runs: 1, Events: 1, Versions: 1})
	e.equal("what is left to delete", e.prune(), automation.Pruned{})
	for id, want := range map[string]bool{
		"old": true, "fresh": false, "waits": false, "rerun": false, "odd-running": false, "odd-waiting": false, "odd-pending": false,
	} {
		_, err := e.Store.GetRun(e.Ctx, e.Tenant, id, false)
		e.gone("run "+id, want, err)
	}
	steps, err := e.Store.Steps(e.Ctx, e.Tenant, "old")
	e.must(err)
	e.equal("steps of the run that is gone", len(steps), 0)
	steps, err = e.Store.Steps(e.Ctx, e.Tenant, "waits")
	e.must(err)
	e.equal("steps of a run that is not", len(steps), 1)
	for key, want := range map[string]bool{"event-of-none": true, "event-old": false, "event-fresh": false, "event-waits": false, "event-now": false} {
		_, err := e.Store.GetEvent(e.Ctx, e.Tenant, key)
		e.gone(key, want, err)
	}
	for n := 1; n <= 5; n++ {
		_, err := e.Store.GetVersion(e.Ctx, e.Tenant, "rule", n)
		e.gone(fmt.Sprint("version ", n), n == 1, err)
	}
	for key, want := range map[string]int{"key-old": 0, "key-waits": 1, "key-of-none": 0, "key-now": 1} {
		left, err := e.Store.PendingSignals(e.Ctx, e.Tenant, key)
		e.must(err)
		e.equal("signals of "+key, len(left), want)
	}
	left, err := e.Store.PendingSignals(e.Ctx, other, "k")
	e.must(err)
	e.equal("signals of another tenant", len(left), 1)
}

func pruneBatches(e *env) {
	const n = 25
	for i := range n {
		r := e.past(fmt.Sprintf("run-%02d", i), noon.Add(-time.Duration(n-i)*time.Minute))
		e.insertEvent(r.EventKey, noon.Add(-time.Hour))
	}
	first, err := e.Store.PruneRuns(e.Ctx, e.Tenant, noon, 1)
	e.must(err)
	e.equal("the first batch", first, 1)
	_, err = e.Store.GetRun(e.Ctx, e.Tenant, "run-00", false)
	e.gone("the oldest run", true, err)
	var deleted atomic.Int64
	var all sync.WaitGroup
	errs := make(chan error, 4)
	for range 4 {
		all.Go(func() {
			for {
				n, err := e.Store.PruneRuns(e.Ctx, e.Tenant, noon, 4)
				deleted.Add(int64(n))
				if err != nil || n == 0 {
					errs <- err
					return
				}
			}
		})
	}
	all.Wait()
	for range 4 {
		e.must(<-errs)
	}
	e.equal("what was deleted side by side", deleted.Load(), int64(n-1))
	e.equal("what is left to delete", e.prune(), automation.Pruned{Events: n})
	rolled := errors.New("rolled back")
	e.past("last", old)
	err = e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
		if _, err := e.Store.PruneRuns(ctx, e.Tenant, noon, 0); err != nil {
			return err
		}
		return rolled
	})
	if !errors.Is(err, rolled) {
		e.Fatalf("got %v", err)
	}
	_, err = e.Store.GetRun(e.Ctx, e.Tenant, "last", false)
	e.gone("a run whose deletion was rolled back", false, err)
	_, err = e.Store.PruneRuns(e.Ctx, e.Tenant, noon, -1)
	if !errors.Is(err, storage.ErrInvalid) {
		e.Errorf("a negative limit: got %v, want storage.ErrInvalid", err)
	}
}
