package adminkit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/storage/storagetest/faults"
	"github.com/lumelle/adminkit/webhooks"
)

// A bench is a store with a healthy walk on it, and the way to a walk whose calls
// fail by plan.
type bench struct {
	healthy *walk
	// faulty returns a walk on the same rows, which is closed by done.
	faulty func(t *testing.T, p *faults.Plan) (w *walk, done func())
}

var benches = []struct {
	store string
	open  func(t *testing.T) bench
}{{"memory", memoryBench}, {"sqlite", sqliteBench}, {"postgres", postgresBench}}

// each runs fn over the benches that ADMINKIT_STORES chooses.
func eachBench(t *testing.T, fn func(t *testing.T, b bench)) {
	t.Helper()
	for _, kind := range eachtest.Kinds(t) {
		for _, b := range benches {
			if b.store == kind.Name {
				t.Run(b.store, func(t *testing.T) {
					t.Parallel()
					opened := b.open(t)
					opened.healthy.cast(t, "http://127.0.0.1:1/")
					fn(t, opened)
				})
			}
		}
	}
}

func sqliteBench(t *testing.T) bench {
	path, keys := filepath.Join(t.TempDir(), "walk.db"), newKeys(t)
	open := func(t *testing.T, cfg sqlite.Config) (*walk, func()) {
		db, err := sqlite.Open(t.Context(), path, cfg)
		if err != nil {
			t.Fatal(err)
		}
		return newWalk(t, db, hostOf(t, db), keys, automated), func() { shut(t, db) }
	}
	healthy, done := open(t, sqlite.Config{})
	t.Cleanup(done)
	return bench{healthy, func(t *testing.T, p *faults.Plan) (*walk, func()) {
		return open(t, sqlite.Config{Connector: p.Connector})
	}}
}

func postgresBench(t *testing.T) bench {
	dsn, keys := eachtest.PostgresDSN(t), newKeys(t)
	open := func(t *testing.T, dial func(faults.DialFunc) faults.DialFunc) (*walk, func()) {
		cfg, err := pgxpool.ParseConfig(dsn)
		if err != nil {
			t.Fatal(err)
		}
		cfg.MaxConns = 4
		if dial != nil {
			var d net.Dialer
			cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
				return dial(d.DialContext)(ctx, network, addr)
			}
		}
		pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		db, err := postgres.New(t.Context(), pool, postgres.Config{})
		if err != nil {
			t.Fatal(err)
		}
		return newWalk(t, db, hostOf(t, db), keys, automated), func() {
			shut(t, db)
			pool.Close()
		}
	}
	healthy, done := open(t, nil)
	t.Cleanup(done)
	return bench{healthy, func(t *testing.T, p *faults.Plan) (*walk, func()) { return open(t, p.Dial) }}
}

// memoryBench fails the calls of the stores themselves: memory has no statements.
func memoryBench(t *testing.T) bench {
	var hooks hooks
	db, err := memory.New(memory.Config{Before: hooks.before, After: hooks.after})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, db) })
	w := newWalk(t, db, hostOf(t, db), newKeys(t), automated)
	return bench{w, func(_ *testing.T, p *faults.Plan) (*walk, func()) {
		hooks.set(p)
		return w, func() { hooks.set(nil) }
	}}
}

// hooks lets plans fail the calls of a memory backend.
type hooks struct {
	mu   sync.Mutex
	plan *faults.Plan
}

func (h *hooks) set(p *faults.Plan) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.plan = p
}

func (h *hooks) before(_ context.Context, call string) error { return h.fails(call, false) }
func (h *hooks) after(_ context.Context, call string) error  { return h.fails(call, true) }

func (h *hooks) fails(call string, made bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.plan == nil || (h.plan.Mode() == faults.After) != made || !h.plan.Fires(faults.Exec, call) {
		return nil
	}
	return fmt.Errorf("%w: %w in %s", storage.ErrUnavailable, faults.ErrInjected, call)
}

func shut(t *testing.T, db eachtest.Backend) {
	t.Helper()
	if err := db.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// modes are the faults that a store can have.
func modes(t *testing.T) []faults.Mode {
	if strings.HasSuffix(t.Name(), "/memory") {
		return []faults.Mode{faults.Before, faults.After}
	}
	return faults.Modes()
}

// A trail is what one refund has left, seen by the healthy walk.
type trail struct{ payments, events, decisions, messages, deliveries, starts int }

var (
	nothing = trail{}
	whole   = trail{payments: 1, events: 1, decisions: 1, messages: 1, deliveries: 1, starts: 1}
	// applied is whole but for the decision: that says needs_approval.
	applied = trail{payments: 1, events: 1, messages: 1, deliveries: 1, starts: 1}
)

func (w *walk) trail(t *testing.T, order, id string) (got trail) {
	t.Helper()
	ctx := t.Context()
	fail := func(err error) {
		t.Helper()
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			t.Fatal(err)
		}
	}
	var err error
	got.payments, err = w.till.paid(ctx, order)
	fail(err)
	page, err := w.log.Query(ctx, tenant, audit.Query{ResourceType: "order", ResourceID: order})
	fail(err)
	for _, e := range page.Items {
		switch {
		case e.Action == "orders.refund" && e.Outcome == audit.Success:
			got.events++
			if e.ID != id {
				t.Errorf("event %s, want %s", e.ID, id)
			}
		case e.Category == audit.Policy && e.Outcome == audit.Success:
			got.decisions++
		}
	}
	sent, err := w.webhooks.Deliveries(ctx, tenant, webhooks.DeliveryQuery{Limit: storage.MaxLimit})
	fail(err)
	seen := map[string]bool{}
	for _, d := range sent.Items {
		m, err := w.webhooks.Message(ctx, tenant, d.MessageID)
		fail(err)
		if m.EventID == id {
			seen[m.ID] = true
			got.deliveries++
		}
	}
	got.messages = len(seen)
	got.starts = w.starts(t, id)
	return got
}

// starts returns how many runs of the walk's rule were asked for by an event.
func (w *walk) starts(t *testing.T, event string) (n int) {
	t.Helper()
	asked, err := w.queue.Jobs(t.Context(), tenant, jobs.JobQuery{Filter: jobs.Filter{Lane: "automation/" + w.rule}, Limit: storage.MaxLimit})
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range asked.Items[max(0, len(asked.Items)-4):] { // the last ones: nobody works them
		var task struct{ Event string }
		if err := json.Unmarshal(j.Payload, &task); err != nil {
			t.Fatal(err)
		}
		e, err := w.db.Automation().GetEvent(t.Context(), tenant, task.Event)
		if err != nil {
			t.Fatal(err)
		}
		if e.ID == event {
			n++
		}
	}
	return n
}

// foreseen reports whether err is one that a host is told to expect of a store that
// fails: nothing happened, nobody knows, or the driver's own.
func foreseen(err error) bool {
	return errors.Is(err, storage.ErrUnavailable) || errors.Is(err, storage.ErrCommitUnknown) || errors.Is(err, faults.ErrInjected)
}

// TestAFaultLeavesARefundWholeOrUndone fails each call of a refund in turn. All of
// its rows are there or none is, a nil answer means all, and the same id completes it.
func TestAFaultLeavesARefundWholeOrUndone(t *testing.T) {
	t.Parallel()
	eachBench(t, func(t *testing.T, b bench) {
		runs := 0
		for plan := range faults.Sweep(modes(t)...) {
			runs++
			order, id := orderNo(runs), fmt.Sprintf("refund-%d", runs)
			w, done := b.faulty(t, plan)
			plan.Arm()
			err := w.refund(t.Context(), order, id, 5000)
			plan.Disarm()
			done()
			call, fired := plan.Fired()
			got := b.healthy.trail(t, order, id)
			switch {
			case got != nothing && got != whole:
				t.Errorf("%v of %v: half a refund is left: %+v", plan, call, got)
			case err == nil && got != whole:
				t.Errorf("%v of %v: the refund was acknowledged and is not there", plan, call)
			case !fired && err != nil:
				t.Errorf("without a fault the refund answers %v", err)
			case err != nil && !foreseen(err):
				t.Errorf("%v of %v: the refund answers %v, which no documentation names", plan, call, err)
			}
			if err := b.healthy.refund(t.Context(), order, id, 5000); err != nil && !errors.Is(err, audit.ErrAlreadyRecorded) {
				t.Errorf("%v of %v: the repetition answers %v", plan, call, err)
			}
			if got := b.healthy.trail(t, order, id); got != whole {
				t.Errorf("%v of %v: after the repetition there is %+v, want %+v", plan, call, got, whole)
			}
		}
		t.Logf("%d runs, each with another call of the refund failing", runs)
	})
}

// TestAFaultLeavesAnApprovalAppliedOnceOrNotYet fails each call by which an approved
// refund is applied: the claim of the request, the decision that is asked again, the
// change, its records and messages, the grant, the end of the request.
func TestAFaultLeavesAnApprovalAppliedOnceOrNotYet(t *testing.T) {
	t.Parallel()
	eachBench(t, func(t *testing.T, b bench) {
		runs := 0
		for plan := range faults.Sweep(modes(t)...) {
			runs++
			order, id := orderNo(runs), fmt.Sprintf("refund-%d", runs)
			var pending *approvals.PendingError
			if err := b.healthy.refund(t.Context(), order, id, 50000); !errors.As(err, &pending) {
				t.Fatal(err)
			}
			if err := b.healthy.approve(t.Context(), "marco", pending.RequestID); err != nil {
				t.Fatal(err)
			}
			w, done := b.faulty(t, plan)
			plan.Arm()
			_, err := w.approvals.Apply(t.Context(), tenant, pending.RequestID)
			plan.Disarm()
			done()
			call, fired := plan.Fired()
			if !fired && err != nil {
				t.Errorf("without a fault the request answers %v", err)
			}
			if err != nil && !foreseen(err) {
				t.Errorf("%v of %v: the request answers %v, which no documentation names", plan, call, err)
			}
			got, state := b.healthy.trail(t, order, id), b.healthy.state(t, pending.RequestID)
			switch {
			case got != nothing && got != applied:
				t.Errorf("%v of %v: half a refund is left: %+v", plan, call, got)
			case (state == approvals.StateApplied) != (got == applied):
				t.Errorf("%v of %v: the request is %s and there is %+v", plan, call, state, got)
			case state != approvals.StateApplied && state != approvals.StateApplying && state != approvals.StateApproved:
				t.Errorf("%v of %v: the request is %s, and a fault that passes must not end it", plan, call, state)
			}
			if state != approvals.StateApplied {
				if _, err := b.healthy.approvals.Apply(t.Context(), tenant, pending.RequestID); err != nil {
					t.Errorf("%v of %v: the repetition answers %v", plan, call, err)
				}
			}
			if got, state := b.healthy.trail(t, order, id), b.healthy.state(t, pending.RequestID); got != applied || state != approvals.StateApplied {
				t.Errorf("%v of %v: in the end the request is %s and there is %+v, want %+v", plan, call, state, got, applied)
			}
		}
		t.Logf("%d runs, each with another call of the application failing", runs)
	})
}

func (w *walk) state(t *testing.T, request string) approvals.State {
	t.Helper()
	r, _, err := w.approvals.Get(t.Context(), tenant, request)
	if err != nil {
		t.Fatal(err)
	}
	return r.State
}
