package flags_test

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/storage/storagetest/faults"
)

// A bench is a healthy backend, and the way to one on the same rows whose calls fail by
// plan.
type bench struct {
	healthy eachtest.Backend
	modes   []faults.Mode
	faulty  func(t *testing.T, p *faults.Plan) (b eachtest.Backend, done func())
}

var benches = map[string]func(t *testing.T) bench{"memory": memoryBench, "sqlite": sqliteBench, "postgres": postgresBench}

func memoryBench(t *testing.T) bench {
	var mu sync.Mutex
	var plan *faults.Plan
	fails := func(call string, made bool) error {
		mu.Lock()
		defer mu.Unlock()
		if plan == nil || (plan.Mode() == faults.After) != made || !plan.Fires(faults.Exec, call) {
			return nil
		}
		return fmt.Errorf("%w: %w in %s", storage.ErrUnavailable, faults.ErrInjected, call)
	}
	set := func(p *faults.Plan) {
		mu.Lock()
		defer mu.Unlock()
		plan = p
	}
	b, err := memory.New(memory.Config{
		Before: func(_ context.Context, call string) error { return fails(call, false) },
		After:  func(_ context.Context, call string) error { return fails(call, true) },
	})
	must(t, err)
	return bench{b, []faults.Mode{faults.Before, faults.After}, func(_ *testing.T, p *faults.Plan) (eachtest.Backend, func()) {
		set(p)
		return b, func() { set(nil) }
	}}
}

func sqliteBench(t *testing.T) bench {
	path := filepath.Join(t.TempDir(), "flags.db")
	open := func(t *testing.T, cfg sqlite.Config) (eachtest.Backend, func()) {
		b, err := sqlite.Open(t.Context(), path, cfg)
		must(t, err)
		return b, func() { must(t, b.Close(context.WithoutCancel(t.Context()))) }
	}
	healthy, done := open(t, sqlite.Config{})
	t.Cleanup(done)
	return bench{healthy, faults.Modes(), func(t *testing.T, p *faults.Plan) (eachtest.Backend, func()) {
		return open(t, sqlite.Config{Connector: p.Connector})
	}}
}

func postgresBench(t *testing.T) bench {
	dsn := eachtest.PostgresDSN(t)
	open := func(t *testing.T, dial func(faults.DialFunc) faults.DialFunc) (eachtest.Backend, func()) {
		cfg, err := pgxpool.ParseConfig(dsn)
		must(t, err)
		if dial != nil {
			var d net.Dialer
			cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
				return dial(d.DialContext)(ctx, network, addr)
			}
		}
		pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
		must(t, err)
		b, err := postgres.New(t.Context(), pool, postgres.Config{})
		must(t, err)
		return b, func() {
			must(t, b.Close(context.WithoutCancel(t.Context())))
			pool.Close()
		}
	}
	healthy, done := open(t, nil)
	t.Cleanup(done)
	return bench{healthy, faults.Modes(), func(t *testing.T, p *faults.Plan) (eachtest.Backend, func()) { return open(t, p.Dial) }}
}

// A trail is what one override has left.
type trail struct{ versions, events, jobs int }

func trailOf(t *testing.T, k *kit, key string) (got trail) {
	t.Helper()
	found, err := k.service.Versions(k.ctx, "acme", key, flags.VersionQuery{})
	must(t, err)
	got.versions = len(found.Items) - 1 // beside its creation
	page, err := k.log.Query(k.ctx, "acme", audit.Query{Action: flags.ActionSetOverride, ResourceID: key})
	must(t, err)
	got.events = len(page.Items)
	lane := jobs.FromStart(jobs.LaneID{Tenant: "acme", Lane: "flags.expire"}, 1000)
	due, err := k.backend.Jobs().Fetch(k.ctx, time.Now().Add(2*time.Hour), []jobs.LaneFetch{lane})
	must(t, err)
	got.jobs = len(due)
	return got
}

// TestAFaultLeavesAChangeWholeOrUndone fails each call by which an override is set in
// turn. Its version, its event and its job are there or none is, a nil answer means all,
// and asking again completes it without a second event.
func TestAFaultLeavesAChangeWholeOrUndone(t *testing.T) {
	for _, kind := range eachtest.Kinds(t) {
		t.Run(kind.Name, func(t *testing.T) {
			b := benches[kind.Name](t)
			healthy := newKit(t, b.healthy, flags.Config{})
			until := time.Now().Add(time.Hour)
			o := flags.Override{Attribute: flags.AttrActor, Subject: "sam", Variant: "on", Until: &until, Reason: "a demo"}
			runs, due := 0, 0
			for plan := range faults.Sweep(b.modes...) {
				runs++
				f := checkout()
				f.Key = fmt.Sprintf("checkout-%04d", runs)
				must(t, healthy.create(f))
				backend, done := b.faulty(t, plan)
				k := newKit(t, backend, flags.Config{})
				plan.Arm()
				_, err := k.service.SetOverride(k.ctx, "acme", f.Key, "prod", o)
				plan.Disarm()
				done()
				call, fired := plan.Fired()
				nothing, whole := trail{jobs: due}, trail{versions: 1, events: 1, jobs: due + 1}
				got := trailOf(t, healthy, f.Key)
				switch {
				case got != nothing && got != whole:
					t.Errorf("%v of %v: half a change is left: %+v", plan, call, got)
				case err == nil && got != whole:
					t.Errorf("%v of %v: the change was acknowledged and is not there", plan, call)
				case !fired && err != nil:
					t.Errorf("without a fault the change answers %v", err)
				}
				_, err = healthy.service.SetOverride(healthy.ctx, "acme", f.Key, "prod", o)
				must(t, err)
				if got := trailOf(t, healthy, f.Key); got != whole {
					t.Errorf("%v of %v: after the repetition there is %+v, want %+v", plan, call, got, whole)
				}
				due++
			}
			t.Logf("%d runs, each with another call of the change failing", runs)
		})
	}
}
