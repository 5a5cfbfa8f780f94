package automation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// TestWhatIsPrunedIsGoneAndWhatWaitsGoesOn prunes all that may be pruned beside a run that
// waits for a decision, whose version was replaced meanwhile.
func TestWhatIsPrunedIsGoneAndWhatWaitsGoesOn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		k := newKit(t, b, kitConfig{})
		k.work(t)
		r := k.rule(t, `"conditions":{"path":"/data/amount","op":"gte","value":100},"steps":[
			{"name":"ask","action":"approval.request","with":{"action":"a","resource":{"type":"order","id":"1"}}},{"name":"pay","action":"test.probe"}]`)
		k.refund(t, "large", 150)
		waiting := k.until(t, automation.Waiting)
		k.refund(t, "small", 1)
		waitFor(t, func() bool { return len(k.runs(t, automation.RunQuery{Status: automation.Filtered})) == 1 })
		filtered := k.runs(t, automation.RunQuery{Status: automation.Filtered})[0]
		k.decided(t, "approved", "req-of-nobody", "d1")
		for n := range 2 {
			_, err := k.service.Update(k.ctx, acme, r.ID, 0, definition(t, fmt.Sprintf(`"steps":[{"name":"v%d","action":"test.probe"}]`, n)))
			must(t, err)
		}
		later := time.Now().Add(time.Hour)
		done, err := automation.Prune(t.Context(), b.Automation(), acme, automation.Horizon{Runs: later, Signals: later})
		must(t, err)
		same(t, "what was deleted", done, automation.Pruned{Signals: 1, Runs: 1, Events: 1, Versions: 1})
		_, err = k.service.Run(k.ctx, acme, filtered.ID)
		wantErr(t, err, storage.ErrNotFound)
		_, err = k.service.Rerun(k.ctx, acme, filtered.ID, false, "")
		wantErr(t, err, storage.ErrNotFound)
		k.decided(t, "approved", waiting.Run.Wait.Key, "d2")
		d := k.until(t, automation.Succeeded)
		same(t, "the steps", steps(d), "ask:succeeded pay:succeeded")
		done, err = automation.Prune(t.Context(), b.Automation(), acme, automation.Horizon{Runs: later, Signals: later})
		must(t, err)
		same(t, "what was deleted once that had ended", done, automation.Pruned{Signals: 1, Runs: 1, Events: 1, Versions: 1})
		done, err = automation.Prune(t.Context(), b.Automation(), acme, automation.Horizon{})
		must(t, err)
		same(t, "what no horizon deletes", done, automation.Pruned{})
		current, _, err := k.service.Get(k.ctx, acme, r.ID)
		must(t, err)
		same(t, "the current version", current.Version, 3)
	})
}

// TestAnEventThatIsGoneStartsNothing lets the job of an event wait for longer than events
// are kept.
func TestAnEventThatIsGoneStartsNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		k := newKit(t, b, kitConfig{})
		k.rule(t, `"steps":[{"name":"pay","action":"test.probe"}]`)
		k.refund(t, "gone", 1)
		done, err := automation.Prune(t.Context(), b.Automation(), acme, automation.Horizon{Runs: time.Now().Add(time.Hour)})
		must(t, err)
		same(t, "what was deleted", done, automation.Pruned{Events: 1})
		k.work(t)
		k.refund(t, "new", 1)
		k.until(t, automation.Succeeded)
		same(t, "runs", len(k.runs(t, automation.RunQuery{})), 1)
		page, err := k.queue.DeadJobs(t.Context(), acme, jobs.DeadQuery{})
		must(t, err)
		same(t, "dead letters", len(page.Items), 0)
	})
}

// A ledger notes what is to be deleted, and fails for one tenant.
type ledger struct {
	automation.RetentionStore
	calls []string
}

func (l *ledger) note(what, tenant string, before time.Time) (int, error) {
	l.calls = append(l.calls, fmt.Sprint(what, " of ", tenant, " ", time.Since(before)))
	if tenant == "bloom" {
		return 0, errors.New("the store is away")
	}
	return 0, nil
}

func (l *ledger) PruneSignals(_ context.Context, tenant string, before time.Time, _ int) (int, error) {
	return l.note("signals", tenant, before)
}

func (l *ledger) PruneRuns(_ context.Context, tenant string, before time.Time, _ int) (int, error) {
	return l.note("runs", tenant, before)
}

func (l *ledger) PruneEvents(_ context.Context, tenant string, before time.Time, _ int) (int, error) {
	return l.note("events", tenant, before)
}

func (l *ledger) PruneVersions(_ context.Context, tenant string, before time.Time, _ int) (int, error) {
	return l.note("versions", tenant, before)
}

func TestAPrunerComesBackAndPassesByWhatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		asked := 0
		tenants := func(context.Context) ([]string, error) {
			if asked++; asked == 2 {
				return nil, errors.New("nobody knows the tenants")
			}
			return []string{"bloom", "acme"}, nil
		}
		store := &ledger{}
		p, err := automation.NewPruner(store, tenants, automation.PrunerConfig{KeepRuns: 2 * time.Hour, KeepSignals: time.Hour, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
		must(t, err)
		ctx, stop := context.WithTimeout(t.Context(), 2*time.Hour+time.Minute)
		defer stop()
		p.Run(ctx) // at once, after an hour in vain, and after two
		once := []string{"signals of bloom 1h0m0s", "signals of acme 1h0m0s", "runs of acme 2h0m0s", "events of acme 2h0m0s", "versions of acme 2h0m0s"}
		same(t, "the calls", store.calls, append(once, once...))
		if n := strings.Count(logged.String(), "level=ERROR"); n != 3 || !strings.Contains(logged.String(), "tenant=bloom") {
			t.Errorf("logged %d errors:\n%s", n, logged.String())
		}
	})
}

func TestAPruningOutOfTurnTellsWhatFailed(t *testing.T) {
	store := &ledger{}
	p, err := automation.NewPruner(store, func(context.Context) ([]string, error) { return []string{"bloom", "acme"}, nil }, automation.PrunerConfig{})
	must(t, err)
	if err := p.Prune(t.Context()); err == nil || len(store.calls) != 5 {
		t.Errorf("got %v after %d calls, want the error of one tenant and all of the other's done", err, len(store.calls))
	}
	unknown := errors.New("nobody knows the tenants")
	p, err = automation.NewPruner(store, func(context.Context) ([]string, error) { return nil, unknown }, automation.PrunerConfig{})
	must(t, err)
	if err := p.Prune(t.Context()); !errors.Is(err, unknown) {
		t.Errorf("got %v, want %v", err, unknown)
	}
}

func TestAPrunerKeepsByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &ledger{}
		p, err := automation.NewPruner(store, func(context.Context) ([]string, error) { return []string{"acme"}, nil }, automation.PrunerConfig{})
		must(t, err)
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		p.Run(ctx)
		same(t, "the calls", store.calls, []string{"signals of acme 168h0m0s", "runs of acme 2160h0m0s", "events of acme 2160h0m0s", "versions of acme 2160h0m0s"})
	})
}

func TestAPrunerIsMadeOfWhatItNeeds(t *testing.T) {
	t.Parallel()
	none := func(context.Context) ([]string, error) { return nil, nil }
	for name, make := range map[string]func() (*automation.Pruner, error){
		"no store": func() (*automation.Pruner, error) { return automation.NewPruner(nil, none, automation.PrunerConfig{}) },
		"no tenants": func() (*automation.Pruner, error) {
			return automation.NewPruner(&ledger{}, nil, automation.PrunerConfig{})
		},
		"negative KeepRuns": func() (*automation.Pruner, error) {
			return automation.NewPruner(&ledger{}, none, automation.PrunerConfig{KeepRuns: -1})
		},
		"negative KeepSignals": func() (*automation.Pruner, error) {
			return automation.NewPruner(&ledger{}, none, automation.PrunerConfig{KeepSignals: -1})
		},
		"negative Every": func() (*automation.Pruner, error) {
			return automation.NewPruner(&ledger{}, none, automation.PrunerConfig{Every: -1})
		},
	} {
		if p, err := make(); p != nil || err == nil {
			t.Errorf("%s: got %v, %v; want an error", name, p, err)
		}
	}
}
