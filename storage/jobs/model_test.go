package jobs_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// The memory store is the model: whatever is asked of the stores in whatever order, the
// SQL stores answer as it does.
func TestStoresAnswerAsMemoryDoes(t *testing.T) {
	kinds := eachtest.Kinds(t)
	backends := make([]eachtest.Backend, len(kinds))
	for i, k := range kinds {
		backends[i] = k.Open(t)
	}
	runs, operations := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		// Runs share the databases: tenants of their own, and an end to all that the last one
		// left, keep them apart.
		runs++
		m := &model{
			ctx: t.Context(), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
			tenants: []string{fmt.Sprint("a", runs), fmt.Sprint("b", runs)},
			asked:   &operations,
			peers:   map[int64]jobs.Peer{}, fetched: map[int64]jobs.Fetched{},
		}
		for i, b := range backends {
			kill(t, b.Jobs())
			finish(t, b.Jobs())
			m.sides = append(m.sides, side{kinds[i].Name, b})
		}
		rt.Repeat(map[string]func(*rapid.T){
			"enqueue": m.enqueue, "set lane": m.setLane, "pause lane": m.pauseLane, "look at lanes": m.lookAtLanes, "enrol": m.enrol, "beat": m.beat, "leave": m.leave,
			"claim": m.claim, "fetch": m.fetch, "settle": m.settle, "inspect": m.inspect, "requeue": m.requeue,
			"pass time": m.passTime, "list": m.list, "cancel": m.cancel, "requeue all": m.requeueAll, "discard": m.discard,
		})
	})
	t.Logf("%d operations were answered alike", operations)
}

// finish completes every job of a store.
func finish(t *testing.T, store jobs.Store) {
	t.Helper()
	far := time.Now().AddDate(100, 0, 0)
	me, err := store.Beat(t.Context(), jobs.Beat{Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	claimed, err := store.Claim(t.Context(), jobs.Claim{Worker: me.Worker.ID, Take: 1000, Now: far})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range claimed.Taken {
		list, err := store.Fetch(t.Context(), far, []jobs.LaneFetch{jobs.FromStart(l.LaneID, 1000)})
		if err != nil {
			t.Fatal(err)
		}
		outcomes := make([]jobs.Outcome, len(list))
		for i, f := range list {
			outcomes[i] = jobs.Outcome{Job: f, Result: jobs.Completed}
		}
		if _, err := store.Settle(t.Context(), me.Worker.ID, outcomes); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.Beat(t.Context(), jobs.Beat{Worker: me.Worker.ID, Leave: true}); err != nil {
		t.Fatal(err)
	}
}

type side struct {
	name string
	b    eachtest.Backend
}

// A model asks all stores the same and compares what they answer.
type model struct {
	ctx     context.Context
	sides   []side
	now     time.Time
	tenants []string
	asked   *int // calls that all stores answered

	workers []int64                // ended ones too
	peers   map[int64]jobs.Peer    // workers as they were last answered
	fetched map[int64]jobs.Fetched // jobs as they were last answered
	dead    []int64
}

var errUndone = errors.New("undone by the test")

// ask runs a call on every store, and fails where the answers differ.
func ask[R any](m *model, t *rapid.T, undo bool, call func(ctx context.Context, s jobs.Store) (R, error)) (R, error) {
	t.Helper()
	var first R
	var firstErr error
	for i, side := range m.sides {
		var r R
		var err error
		txErr := side.b.InTx(m.ctx, func(ctx context.Context) error {
			// A savepoint, so that an error leaves the transaction usable on every engine.
			err = side.b.InTx(ctx, func(ctx context.Context) (err error) {
				r, err = call(ctx, side.b.Jobs())
				return err
			})
			if undo {
				return errUndone
			}
			return nil
		})
		if txErr != nil && !errors.Is(txErr, errUndone) {
			t.Fatalf("%s: the transaction failed: %v", side.name, txErr)
		}
		err = sentinel(err)
		if i == 0 {
			first, firstErr = r, err
		} else if err != firstErr || !reflect.DeepEqual(r, first) {
			t.Fatalf("%s answers %+v, %v\n%s answers %+v, %v", m.sides[0].name, first, firstErr, side.name, r, err)
		}
	}
	*m.asked++
	if undo && firstErr == nil {
		return first, errUndone
	}
	return first, firstErr
}

// sentinel reduces an error to the one that it is.
func sentinel(err error) error {
	for _, s := range []error{jobs.ErrFenced, storage.ErrNotFound, storage.ErrConflict} {
		if errors.Is(err, s) {
			return s
		}
	}
	return err
}

// undo is drawn for calls that give no ids: those that were undone are gone on Postgres.
func undo(t *rapid.T) bool { return rapid.IntRange(0, 4).Draw(t, "undo") == 0 }

func (m *model) lane(t *rapid.T) jobs.LaneID {
	return jobs.LaneID{
		Tenant: rapid.SampledFrom(m.tenants).Draw(t, "tenant"),
		Lane:   rapid.SampledFrom([]string{"x", "X", "y "}).Draw(t, "lane"),
	}
}

func (m *model) worker(t *rapid.T) int64 {
	if len(m.workers) == 0 {
		t.Skip("no worker")
	}
	return rapid.SampledFrom(m.workers).Draw(t, "worker")
}

// moment is a time near now, of any precision.
func (m *model) moment(t *rapid.T) time.Time {
	return m.now.Add(time.Duration(rapid.IntRange(-3000, 3000).Draw(t, "offset")) * 500 * time.Nanosecond)
}

func (m *model) passTime(t *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(1, 1000).Draw(t, "microseconds")) * time.Microsecond)
}

func (m *model) enqueue(t *rapid.T) {
	var list []jobs.Job
	for range rapid.IntRange(1, 4).Draw(t, "jobs") {
		l := m.lane(t)
		list = append(list, jobs.Job{
			Tenant: l.Tenant, Lane: l.Lane, Kind: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "kind"), Due: m.moment(t),
			Key:      rapid.SampledFrom([]string{"", "", "key", "Key"}).Draw(t, "key"),
			Payload:  rapid.SampledFrom([][]byte{nil, {0}, []byte("payload")}).Draw(t, "payload"),
			Trace:    rapid.SampledFrom([]string{"", "trace"}).Draw(t, "trace"),
			Priority: jobs.Priority(rapid.IntRange(-1, 1).Draw(t, "priority")),
		})
	}
	ask(m, t, false, func(ctx context.Context, s jobs.Store) (any, error) {
		return nil, s.Enqueue(ctx, slices.Clone(list))
	})
}

func (m *model) setLane(t *rapid.T) {
	l := m.lane(t)
	config := jobs.LaneConfig{
		Cap: rapid.IntRange(0, 3).Draw(t, "cap"), Rate: rapid.Float64Range(0, 100).Draw(t, "rate"),
		Burst: rapid.IntRange(0, 3).Draw(t, "burst"), Order: rapid.SampledFrom([]jobs.Order{jobs.Parallel, jobs.FIFO}).Draw(t, "order"),
		Breaker: jobs.Breaker{
			Failures: rapid.IntRange(0, 3).Draw(t, "failures"),
			Cooldown: time.Duration(rapid.IntRange(0, 3000).Draw(t, "cooldown")) * 500 * time.Nanosecond,
		},
	}
	ask(m, t, undo(t), func(ctx context.Context, s jobs.Store) (any, error) {
		return nil, s.SetLane(ctx, l.Tenant, l.Lane, config)
	})
}

func (m *model) pauseLane(t *rapid.T) {
	l, paused := m.lane(t), rapid.Bool().Draw(t, "paused")
	ask(m, t, undo(t), func(ctx context.Context, s jobs.Store) (any, error) {
		return nil, s.PauseLane(ctx, l.Tenant, l.Lane, paused)
	})
}

func (m *model) lookAtLanes(t *rapid.T) {
	l, now := m.lane(t), m.moment(t)
	limit := rapid.IntRange(1, 5).Draw(t, "limit")
	ask(m, t, false, func(ctx context.Context, s jobs.Store) (jobs.LaneStatus, error) {
		return s.Lane(ctx, l.Tenant, l.Lane, now)
	})
	ask(m, t, false, func(ctx context.Context, s jobs.Store) ([]jobs.LaneStatus, error) {
		return s.ListLanes(ctx, l.Tenant, l.Lane, now, limit)
	})
}

func (m *model) note(p jobs.Presence) {
	for _, peer := range append(p.Peers, p.Worker) {
		m.peers[peer.ID] = peer
	}
}

func (m *model) enrol(t *rapid.T) {
	resting := rapid.Bool().Draw(t, "resting")
	p, err := ask(m, t, false, func(ctx context.Context, s jobs.Store) (jobs.Presence, error) {
		return s.Beat(ctx, jobs.Beat{Lease: time.Second, Resting: resting})
	})
	if err == nil {
		m.note(p)
		m.workers = append(m.workers, p.Worker.ID)
	}
}

func (m *model) beat(t *rapid.T) {
	beat := jobs.Beat{Worker: m.worker(t), Resting: rapid.Bool().Draw(t, "resting"), Lease: time.Duration(rapid.IntRange(1, 3).Draw(t, "lease")) * time.Second}
	for _, id := range slices.Sorted(maps.Keys(m.peers)) {
		if rapid.IntRange(0, 5).Draw(t, "dead") == 0 {
			peer := m.peers[id]
			peer.Beats -= int64(rapid.IntRange(0, 1).Draw(t, "beats ago"))
			beat.Dead = append(beat.Dead, peer)
		}
	}
	p, err := ask(m, t, undo(t), func(ctx context.Context, s jobs.Store) (jobs.Presence, error) { return s.Beat(ctx, beat) })
	if err == nil {
		m.note(p)
	}
}

func (m *model) leave(t *rapid.T) {
	w := m.worker(t)
	ask(m, t, undo(t), func(ctx context.Context, s jobs.Store) (jobs.Presence, error) {
		return s.Beat(ctx, jobs.Beat{Worker: w, Leave: true})
	})
}

func (m *model) claim(t *rapid.T) {
	claim := jobs.Claim{
		// None or all: which come first is the store's choice.
		Worker: m.worker(t), Take: 100 * rapid.IntRange(0, 1).Draw(t, "take"),
		Now: m.moment(t), Sync: rapid.Bool().Draw(t, "sync"),
	}
	for range rapid.IntRange(0, 2).Draw(t, "release") {
		claim.Release = append(claim.Release, m.lane(t))
	}
	if rapid.Bool().Draw(t, "probe") {
		claim.Probe = append(claim.Probe, m.lane(t))
	}
	ask(m, t, undo(t), func(ctx context.Context, s jobs.Store) (jobs.Claimed, error) {
		c, err := s.Claim(ctx, claim)
		if quiet := !claim.Sync && len(claim.Release) == 0; quiet && errors.Is(err, jobs.ErrFenced) {
			err = nil // where it finds nothing to take it need not look at the worker
		}
		byName := func(x, y jobs.Lane) int {
			return cmp.Or(cmp.Compare(x.Tenant, y.Tenant), cmp.Compare(x.Lane, y.Lane))
		}
		slices.SortFunc(c.Taken, byName)
		slices.SortFunc(c.Held, byName)
		return c, err
	})
}

func (m *model) fetch(t *rapid.T) {
	var fetches []jobs.LaneFetch
	seen := map[jobs.LaneID]bool{}
	for range rapid.IntRange(1, 3).Draw(t, "lanes") {
		f := jobs.LaneFetch{LaneID: m.lane(t)}
		for level := range f.Levels {
			f.Levels[level].Limit = rapid.IntRange(0, 5).Draw(t, "limit")
			if rapid.Bool().Draw(t, "behind a position") {
				f.Levels[level].After = jobs.Position{At: m.moment(t), ID: int64(rapid.IntRange(0, 50).Draw(t, "id"))}
			}
		}
		if !seen[f.LaneID] {
			seen[f.LaneID] = true
			fetches = append(fetches, f)
		}
	}
	now := m.moment(t)
	list, err := ask(m, t, undo(t), func(ctx context.Context, s jobs.Store) ([]jobs.Fetched, error) {
		return s.Fetch(ctx, now, fetches)
	})
	if err != nil {
		return
	}
	for _, f := range list {
		m.fetched[f.ID] = f
	}
}

func (m *model) settle(t *rapid.T) {
	if len(m.fetched) == 0 {
		t.Skip("no job")
	}
	w := m.worker(t)
	var list []jobs.Outcome
	known := rapid.Permutation(slices.Sorted(maps.Keys(m.fetched))).Draw(t, "jobs")
	for _, id := range known[:rapid.IntRange(1, min(4, len(known))).Draw(t, "outcomes")] {
		o := jobs.Outcome{
			Job: m.fetched[id], Due: m.moment(t), Started: m.moment(t), Ended: m.moment(t),
			Result: rapid.SampledFrom([]jobs.Result{jobs.Completed, jobs.Retried, jobs.Retried, jobs.Buried, jobs.Begun}).Draw(t, "result"),
			Reason: rapid.SampledFrom([]string{"", "reason"}).Draw(t, "reason"),
		}
		if o.Due.Before(o.Job.Due) { // only an owner makes a job due earlier, and it knows
			o.Due = o.Job.Due
		}
		if rapid.IntRange(0, 2).Draw(t, "hold") == 0 {
			o.Hold = &jobs.Hold{Until: m.moment(t), Reason: rapid.SampledFrom([]jobs.HoldReason{jobs.HeldForRetry, jobs.HeldByBreaker}).Draw(t, "held for")}
		}
		if rapid.IntRange(0, 9).Draw(t, "other tenant") == 0 {
			o.Job.Tenant = "stranger"
		}
		list = append(list, o)
	}
	missed, err := ask(m, t, undo(t), func(ctx context.Context, s jobs.Store) ([]int64, error) {
		return s.Settle(ctx, w, slices.Clone(list))
	})
	if err != nil {
		return
	}
	for _, o := range list {
		if o.Result == jobs.Buried && !slices.Contains(missed, o.Job.ID) {
			m.dead = append(m.dead, o.Job.ID)
		}
	}
}

// letter draws a dead letter, which may have been requeued, and a tenant, which may be
// another's.
func (m *model) letter(t *rapid.T) (tenant string, id int64) {
	if len(m.dead) == 0 {
		t.Skip("no dead letter")
	}
	return rapid.SampledFrom(m.tenants).Draw(t, "tenant"), rapid.SampledFrom(m.dead).Draw(t, "dead letter")
}

func (m *model) requeue(t *rapid.T) {
	tenant, id := m.letter(t)
	due := m.moment(t)
	ask(m, t, undo(t), func(ctx context.Context, s jobs.Store) (jobs.Job, error) { return s.Requeue(ctx, tenant, id, due) })
}

func (m *model) inspect(t *rapid.T) {
	tenant, id := m.letter(t)
	ask(m, t, false, func(ctx context.Context, s jobs.Store) (jobs.DeadJob, error) { return s.Dead(ctx, tenant, id) })
	ask(m, t, false, func(ctx context.Context, s jobs.Store) ([]jobs.Attempt, error) {
		return s.Attempts(ctx, tenant, id, 3)
	})
	filter := m.filter(t)
	var after jobs.Position
	for {
		list, err := ask(m, t, false, func(ctx context.Context, s jobs.Store) ([]jobs.DeadJob, error) {
			return s.ListDead(ctx, tenant, filter, after, 2)
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			return
		}
		after = jobs.Position{At: list[len(list)-1].Died, ID: list[len(list)-1].ID}
	}
}

// filter draws a filter, which may let all through.
func (m *model) filter(t *rapid.T) jobs.Filter {
	return jobs.Filter{
		Lane: rapid.SampledFrom([]string{"", "x", "X", "y "}).Draw(t, "lane of the filter"),
		Kind: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "kind of the filter"),
	}
}

func (m *model) list(t *rapid.T) {
	l, key := m.lane(t), rapid.SampledFrom([]string{"key", "Key", "none"}).Draw(t, "key")
	ask(m, t, false, func(ctx context.Context, s jobs.Store) (jobs.Job, error) { return s.Lookup(ctx, l.Tenant, key) })
	filter := jobs.Filter{Lane: l.Lane, Kind: m.filter(t).Kind}
	var after jobs.Position
	for {
		list, err := ask(m, t, false, func(ctx context.Context, s jobs.Store) ([]jobs.Job, error) {
			return s.ListJobs(ctx, l.Tenant, filter, after, 2)
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			return
		}
		for _, j := range list {
			ask(m, t, false, func(ctx context.Context, s jobs.Store) (jobs.Job, error) { return s.Job(ctx, l.Tenant, j.ID) })
		}
		after = jobs.Position{At: list[len(list)-1].Due, ID: list[len(list)-1].ID}
	}
}

func (m *model) cancel(t *rapid.T) {
	if len(m.fetched) == 0 {
		t.Skip("no job")
	}
	id := rapid.SampledFrom(slices.Sorted(maps.Keys(m.fetched))).Draw(t, "job")
	tenant, at := rapid.SampledFrom(m.tenants).Draw(t, "tenant"), m.moment(t)
	ask(m, t, undo(t), func(ctx context.Context, s jobs.Store) (jobs.Job, error) { return s.Cancel(ctx, tenant, id, at) })
	ask(m, t, false, func(ctx context.Context, s jobs.Store) ([]jobs.Attempt, error) { return s.Attempts(ctx, tenant, id, 3) })
}

func (m *model) requeueAll(t *rapid.T) {
	tenant, filter, due := rapid.SampledFrom(m.tenants).Draw(t, "tenant"), m.filter(t), m.moment(t)
	limit := rapid.IntRange(1, 4).Draw(t, "limit")
	ask(m, t, undo(t), func(ctx context.Context, s jobs.Store) ([]jobs.Job, error) {
		return s.RequeueAll(ctx, tenant, filter, due, limit)
	})
}

func (m *model) discard(t *rapid.T) {
	tenant, id := m.letter(t)
	_, other := m.letter(t)
	ask(m, t, undo(t), func(ctx context.Context, s jobs.Store) ([]jobs.DeadJob, error) {
		return s.Discard(ctx, tenant, []int64{id, other})
	})
}
