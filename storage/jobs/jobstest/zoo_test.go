package jobstest

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// An animal is a store that is broken in one way. The methods that are set stand in front
// of those of a store that is right.
type animal struct {
	jobs.Store
	enqueue   func(ctx context.Context, list []jobs.Job) error
	setLane   func(ctx context.Context, tenant, lane string, config jobs.LaneConfig) error
	pauseLane func(ctx context.Context, tenant, lane string, paused bool) error
	lane      func(ctx context.Context, tenant, lane string, now time.Time) (jobs.LaneStatus, error)
	listLanes func(ctx context.Context, tenant, after string, now time.Time, limit int) ([]jobs.LaneStatus, error)
	beat      func(ctx context.Context, beat jobs.Beat) (jobs.Presence, error)
	claim     func(ctx context.Context, claim jobs.Claim) (jobs.Claimed, error)
	fetch     func(ctx context.Context, now time.Time, lanes []jobs.LaneFetch) ([]jobs.Fetched, error)
	settle    func(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error)
	prune     func(ctx context.Context, before time.Time, limit int) (int, error)
	dead      func(ctx context.Context, tenant string, id int64) (jobs.DeadJob, error)
	listDead  func(ctx context.Context, tenant string, filter jobs.Filter, after jobs.Position, limit int) ([]jobs.DeadJob, error)
	requeue   func(ctx context.Context, tenant string, id int64, due time.Time) (jobs.Job, error)
	attempts  func(ctx context.Context, tenant string, job int64, limit int) ([]jobs.Attempt, error)
	register
}

func (a *animal) Enqueue(ctx context.Context, list []jobs.Job) error {
	if a.enqueue != nil {
		return a.enqueue(ctx, list)
	}
	return a.Store.Enqueue(ctx, list)
}

func (a *animal) SetLane(ctx context.Context, tenant, lane string, config jobs.LaneConfig) error {
	if a.setLane != nil {
		return a.setLane(ctx, tenant, lane, config)
	}
	return a.Store.SetLane(ctx, tenant, lane, config)
}

func (a *animal) PauseLane(ctx context.Context, tenant, lane string, paused bool) error {
	if a.pauseLane != nil {
		return a.pauseLane(ctx, tenant, lane, paused)
	}
	return a.Store.PauseLane(ctx, tenant, lane, paused)
}

func (a *animal) Lane(ctx context.Context, tenant, lane string, now time.Time) (jobs.LaneStatus, error) {
	if a.lane != nil {
		return a.lane(ctx, tenant, lane, now)
	}
	return a.Store.Lane(ctx, tenant, lane, now)
}

func (a *animal) ListLanes(ctx context.Context, tenant, after string, now time.Time, limit int) ([]jobs.LaneStatus, error) {
	if a.listLanes != nil {
		return a.listLanes(ctx, tenant, after, now, limit)
	}
	return a.Store.ListLanes(ctx, tenant, after, now, limit)
}

func (a *animal) Beat(ctx context.Context, beat jobs.Beat) (jobs.Presence, error) {
	if a.beat != nil {
		return a.beat(ctx, beat)
	}
	return a.Store.Beat(ctx, beat)
}

func (a *animal) Claim(ctx context.Context, claim jobs.Claim) (jobs.Claimed, error) {
	if a.claim != nil {
		return a.claim(ctx, claim)
	}
	return a.Store.Claim(ctx, claim)
}

func (a *animal) Fetch(ctx context.Context, now time.Time, lanes []jobs.LaneFetch) ([]jobs.Fetched, error) {
	if a.fetch != nil {
		return a.fetch(ctx, now, lanes)
	}
	return a.Store.Fetch(ctx, now, lanes)
}

func (a *animal) Settle(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error) {
	if a.settle != nil {
		return a.settle(ctx, worker, outcomes)
	}
	return a.Store.Settle(ctx, worker, outcomes)
}

func (a *animal) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	if a.prune != nil {
		return a.prune(ctx, before, limit)
	}
	return a.Store.Prune(ctx, before, limit)
}

func (a *animal) Dead(ctx context.Context, tenant string, id int64) (jobs.DeadJob, error) {
	if a.dead != nil {
		return a.dead(ctx, tenant, id)
	}
	return a.Store.Dead(ctx, tenant, id)
}

func (a *animal) ListDead(ctx context.Context, tenant string, filter jobs.Filter, after jobs.Position, limit int) ([]jobs.DeadJob, error) {
	if a.listDead != nil {
		return a.listDead(ctx, tenant, filter, after, limit)
	}
	return a.Store.ListDead(ctx, tenant, filter, after, limit)
}

func (a *animal) Requeue(ctx context.Context, tenant string, id int64, due time.Time) (jobs.Job, error) {
	if a.requeue != nil {
		return a.requeue(ctx, tenant, id, due)
	}
	return a.Store.Requeue(ctx, tenant, id, due)
}

func (a *animal) Attempts(ctx context.Context, tenant string, job int64, limit int) ([]jobs.Attempt, error) {
	if a.attempts != nil {
		return a.attempts(ctx, tenant, job, limit)
	}
	return a.Store.Attempts(ctx, tenant, job, limit)
}

// A cage is a backend with an animal for its store.
type cage struct {
	storage.Transactor
	store jobs.Store
}

func (c cage) Jobs() jobs.Store { return c.store }

// fetchedAs returns a breaking that changes each job as it is fetched.
func fetchedAs(change func(f *jobs.Fetched)) func(a *animal) {
	return func(a *animal) {
		a.fetch = func(ctx context.Context, now time.Time, lanes []jobs.LaneFetch) ([]jobs.Fetched, error) {
			list, err := a.Store.Fetch(ctx, now, lanes)
			for i := range list {
				change(&list[i])
			}
			return list, err
		}
	}
}

// unfenced returns a breaking that has dead workers settle under the name of a live one.
func unfenced(only func(o jobs.Outcome) bool) func(a *animal) {
	return func(a *animal) {
		a.settle = func(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error) {
			missed, err := a.Store.Settle(ctx, worker, outcomes)
			if errors.Is(err, jobs.ErrFenced) && only(outcomes[0]) {
				p, err := a.Store.Beat(ctx, jobs.Beat{Lease: time.Minute})
				if err != nil {
					return nil, err
				}
				return a.Store.Settle(ctx, p.Worker.ID, outcomes)
			}
			return missed, err
		}
	}
}

// now finds the stored job of an outcome, for animals that do not look at its attempt.
func (a *animal) now(ctx context.Context, o jobs.Outcome) (jobs.Fetched, bool) {
	list, err := a.Store.Fetch(ctx, noon.AddDate(1, 0, 0), []jobs.LaneFetch{
		jobs.FromStart(jobs.LaneID{Tenant: strings.TrimSuffix(o.Job.Tenant, "-other"), Lane: o.Job.Lane}, 1000),
	})
	if err != nil {
		return jobs.Fetched{}, false
	}
	i := slices.IndexFunc(list, func(f jobs.Fetched) bool { return f.ID == o.Job.ID })
	if i < 0 {
		return jobs.Fetched{}, false
	}
	return list[i], true
}

// outcomesAs returns a breaking that changes outcomes before they are stored.
func outcomesAs(change func(o *jobs.Outcome)) func(a *animal) {
	return func(a *animal) {
		a.settle = func(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error) {
			changed := slices.Clone(outcomes)
			for i := range changed {
				change(&changed[i])
			}
			return a.Store.Settle(ctx, worker, changed)
		}
	}
}

// claimAs returns a breaking that changes claims and their answers.
func claimAs(before func(c *jobs.Claim), after func(c *jobs.Claimed)) func(a *animal) {
	return func(a *animal) {
		a.claim = func(ctx context.Context, claim jobs.Claim) (jobs.Claimed, error) {
			if before != nil {
				before(&claim)
			}
			claimed, err := a.Store.Claim(ctx, claim)
			if after != nil {
				after(&claimed)
			}
			return claimed, err
		}
	}
}

// A mutant breaks a store so that a rule has to catch it.
type mutant struct {
	rule, name string
	breaks     func(a *animal)
}

var zoo = []mutant{
	{"JS-001", "cuts times to the second", fetchedAs(func(f *jobs.Fetched) { f.Due = f.Due.Truncate(time.Second) })},
	{"JS-001", "forgets the trace", fetchedAs(func(f *jobs.Fetched) { f.Trace = "" })},
	{"JS-001", "answers local time", fetchedAs(func(f *jobs.Fetched) { f.Due = f.Due.In(time.FixedZone("", 3600)) })},
	{"JS-002", "answers an empty payload for none", fetchedAs(func(f *jobs.Fetched) {
		if f.Payload == nil {
			f.Payload = []byte{}
		}
	})},
	{"JS-003", "sorts a batch by lane", func(a *animal) {
		a.enqueue = func(ctx context.Context, list []jobs.Job) error {
			return a.Store.Enqueue(ctx, slices.SortedFunc(slices.Values(list), func(x, y jobs.Job) int { return cmp.Compare(x.Lane, y.Lane) }))
		}
	}},
	{"JS-004", "gives the id of a job again that ended", func(a *animal) {
		alias := map[int64]int64{} // ids by place: the n-th that is alive
		a.fetch = func(ctx context.Context, now time.Time, lanes []jobs.LaneFetch) ([]jobs.Fetched, error) {
			list, err := a.Store.Fetch(ctx, now, lanes)
			for i := range list {
				alias[int64(i+1)] = list[i].ID
				list[i].ID = int64(i + 1)
			}
			return list, err
		}
		a.settle = func(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error) {
			outcomes = slices.Clone(outcomes)
			for i := range outcomes {
				outcomes[i].Job.ID = alias[outcomes[i].Job.ID]
			}
			return a.Store.Settle(ctx, worker, outcomes)
		}
	}},
	{"JS-005", "enqueues beside the transaction", func(a *animal) {
		a.enqueue = func(ctx context.Context, list []jobs.Job) error {
			go a.Store.Enqueue(storage.Detach(ctx), list) // the memory store has one writer
			return nil
		}
		a.fetch = func(ctx context.Context, now time.Time, lanes []jobs.LaneFetch) ([]jobs.Fetched, error) {
			for {
				list, err := a.Store.Fetch(ctx, now, lanes)
				if len(list) > 0 || err != nil || len(lanes) == 1 && lanes[0].Levels[1].Limit > 100 {
					return list, err
				}
				runtime.Gosched()
			}
		}
	}},
	{"JS-006", "folds the case of lanes", func(a *animal) {
		a.enqueue = func(ctx context.Context, list []jobs.Job) error {
			list = slices.Clone(list)
			for i := range list {
				list[i].Lane = strings.ToLower(list[i].Lane)
			}
			return a.Store.Enqueue(ctx, list)
		}
	}},
	{"JS-007", "keeps lanes without their tenant", func(a *animal) {
		a.claim = func(ctx context.Context, claim jobs.Claim) (jobs.Claimed, error) {
			claimed, err := a.Store.Claim(ctx, claim)
			claimed.Taken = slices.CompactFunc(claimed.Taken, func(x, y jobs.Lane) bool { return x.Lane == y.Lane })
			return claimed, err
		}
	}},
	{"JS-008", "orders by id alone", func(a *animal) {
		a.fetch = func(ctx context.Context, now time.Time, lanes []jobs.LaneFetch) ([]jobs.Fetched, error) {
			list, err := a.Store.Fetch(ctx, now, lanes)
			slices.SortFunc(list, func(x, y jobs.Fetched) int { return cmp.Compare(x.ID, y.ID) })
			return list, err
		}
	}},
	{"JS-009", "fetches what is due within the second", func(a *animal) {
		a.fetch = func(ctx context.Context, now time.Time, lanes []jobs.LaneFetch) ([]jobs.Fetched, error) {
			return a.Store.Fetch(ctx, now.Add(time.Second), lanes)
		}
	}},
	{"JS-009", "fetches only what was due before now", func(a *animal) {
		a.fetch = func(ctx context.Context, now time.Time, lanes []jobs.LaneFetch) ([]jobs.Fetched, error) {
			return a.Store.Fetch(ctx, now.Add(-time.Microsecond), lanes)
		}
	}},
	{"JS-010", "takes the limit for all lanes together", func(a *animal) {
		a.fetch = func(ctx context.Context, now time.Time, lanes []jobs.LaneFetch) ([]jobs.Fetched, error) {
			list, err := a.Store.Fetch(ctx, now, lanes)
			if len(lanes) > 0 && len(list) > lanes[0].Levels[1].Limit {
				list = list[:lanes[0].Levels[1].Limit]
			}
			return list, err
		}
	}},
	{"JS-010", "begins at the position instead of behind it", func(a *animal) {
		a.fetch = func(ctx context.Context, now time.Time, lanes []jobs.LaneFetch) ([]jobs.Fetched, error) {
			lanes = slices.Clone(lanes)
			for i := range lanes {
				lanes[i].Levels[1].After.ID--
			}
			return a.Store.Fetch(ctx, now, lanes)
		}
	}},
	{"JS-011", "forgets a cap that was set before the first job", func(a *animal) {
		a.setLane = func(ctx context.Context, tenant, lane string, config jobs.LaneConfig) error {
			if lane == "before" {
				return nil
			}
			return a.Store.SetLane(ctx, tenant, lane, config)
		}
	}},
	{"JS-012", "frees a lane whose cap is set", func(a *animal) {
		var last jobs.Claim
		a.claim = func(ctx context.Context, claim jobs.Claim) (jobs.Claimed, error) {
			last = claim
			return a.Store.Claim(ctx, claim)
		}
		a.setLane = func(ctx context.Context, tenant, lane string, config jobs.LaneConfig) error {
			last.Take, last.Release = 0, []jobs.LaneID{{Tenant: tenant, Lane: lane}}
			if _, err := a.Store.Claim(ctx, last); err != nil {
				return err
			}
			return a.Store.SetLane(ctx, tenant, lane, config)
		}
	}},
	{"JS-001", "forgets the priority", fetchedAs(func(f *jobs.Fetched) { f.Priority = jobs.Normal })},
	{"JS-013", "orders by due time alone", func(a *animal) {
		a.fetch = func(ctx context.Context, now time.Time, lanes []jobs.LaneFetch) ([]jobs.Fetched, error) {
			list, err := a.Store.Fetch(ctx, now, lanes)
			slices.SortFunc(list, func(x, y jobs.Fetched) int { return x.Due.Compare(y.Due) })
			return list, err
		}
	}},
	{"JS-014", "begins all priorities behind the position of the first", func(a *animal) {
		a.fetch = func(ctx context.Context, now time.Time, lanes []jobs.LaneFetch) ([]jobs.Fetched, error) {
			lanes = slices.Clone(lanes)
			for i := range lanes {
				for level := range lanes[i].Levels {
					lanes[i].Levels[level].After = lanes[i].Levels[0].After
				}
			}
			return a.Store.Fetch(ctx, now, lanes)
		}
	}},
	{"JS-014", "answers priorities that were not asked for", func(a *animal) {
		a.fetch = func(ctx context.Context, now time.Time, lanes []jobs.LaneFetch) ([]jobs.Fetched, error) {
			lanes = slices.Clone(lanes)
			for i := range lanes {
				for level := range lanes[i].Levels {
					lanes[i].Levels[level].Limit = max(lanes[i].Levels[level].Limit, 1)
				}
			}
			return a.Store.Fetch(ctx, now, lanes)
		}
	}},
	{"JS-020", "gives the id of a worker again that left", func(a *animal) {
		var left []int64
		a.beat = func(ctx context.Context, beat jobs.Beat) (jobs.Presence, error) {
			if beat.Leave {
				left = append(left, beat.Worker)
				return jobs.Presence{}, nil
			}
			if beat.Worker == 0 && len(left) > 0 {
				beat.Worker, left = left[0], left[1:]
			}
			return a.Store.Beat(ctx, beat)
		}
	}},
	{"JS-021", "does not count beats", func(a *animal) {
		a.beat = func(ctx context.Context, beat jobs.Beat) (jobs.Presence, error) {
			p, err := a.Store.Beat(ctx, beat)
			p.Worker.Beats = 1
			return p, err
		}
	}},
	{"JS-022", "enrols a dead worker again under its id", func(a *animal) {
		a.beat = func(ctx context.Context, beat jobs.Beat) (jobs.Presence, error) {
			p, err := a.Store.Beat(ctx, beat)
			if errors.Is(err, jobs.ErrFenced) {
				return jobs.Presence{Worker: jobs.Peer{ID: beat.Worker, Beats: 1, Lease: beat.Lease}}, nil
			}
			return p, err
		}
	}},
	{"JS-023", "ends a worker whatever its count", func(a *animal) {
		a.beat = func(ctx context.Context, beat jobs.Beat) (jobs.Presence, error) {
			if len(beat.Dead) > 0 {
				p, err := a.Store.Beat(ctx, jobs.Beat{Worker: beat.Worker, Lease: beat.Lease})
				if err != nil {
					return p, err
				}
				beat.Dead = p.Peers
			}
			return a.Store.Beat(ctx, beat)
		}
	}},
	{"JS-024", "suspects nothing", claimAs(nil, func(c *jobs.Claimed) {
		for i := range c.Taken {
			c.Taken[i].Suspect = false
		}
	})},
	{"JS-025", "suspects everything", claimAs(nil, func(c *jobs.Claimed) {
		for i := range c.Taken {
			c.Taken[i].Suspect = true
		}
	})},
	{"JS-026", "refuses a worker that leaves twice", func(a *animal) {
		left := map[int64]bool{}
		a.beat = func(ctx context.Context, beat jobs.Beat) (jobs.Presence, error) {
			if beat.Leave && left[beat.Worker] {
				return jobs.Presence{}, jobs.ErrFenced
			}
			left[beat.Worker] = beat.Leave
			return a.Store.Beat(ctx, beat)
		}
	}},
	{"JS-027", "suspects a lane for ever", func(a *animal) {
		suspects := map[jobs.LaneID]bool{}
		a.claim = func(ctx context.Context, claim jobs.Claim) (jobs.Claimed, error) {
			claimed, err := a.Store.Claim(ctx, claim)
			for i, l := range claimed.Taken {
				suspects[l.LaneID] = suspects[l.LaneID] || l.Suspect
				claimed.Taken[i].Suspect = suspects[l.LaneID]
			}
			return claimed, err
		}
	}},
	{"JS-030", "takes lanes whose jobs are due later", claimAs(func(c *jobs.Claim) { c.Now = c.Now.AddDate(1, 0, 0) }, nil)},
	{"JS-031", "hands a lane to everybody", func(a *animal) {
		var all []jobs.Lane
		a.claim = func(ctx context.Context, claim jobs.Claim) (jobs.Claimed, error) {
			claimed, err := a.Store.Claim(ctx, claim)
			all = append(all, claimed.Taken...)
			if claim.Take > 0 && claim.Take < 100 {
				claimed.Taken = slices.Clone(all)
			}
			return claimed, err
		}
	}},
	{"JS-032", "takes all lanes there are", claimAs(func(c *jobs.Claim) { c.Take = 1000 }, nil)},
	{"JS-033", "does not release", claimAs(func(c *jobs.Claim) { c.Release = nil }, nil)},
	{"JS-034", "releases whosever lane it is", func(a *animal) {
		owners := map[jobs.LaneID]int64{}
		a.claim = func(ctx context.Context, claim jobs.Claim) (jobs.Claimed, error) {
			for _, id := range claim.Release {
				if _, err := a.Store.Claim(ctx, jobs.Claim{Worker: owners[id], Release: []jobs.LaneID{id}}); err != nil {
					return jobs.Claimed{}, err
				}
			}
			claimed, err := a.Store.Claim(ctx, claim)
			for _, l := range claimed.Taken {
				owners[l.LaneID] = claim.Worker
			}
			return claimed, err
		}
	}},
	{"JS-035", "forgets the lanes held at a sync", claimAs(nil, func(c *jobs.Claimed) { c.Held = nil })},
	{"JS-035", "does not count the lanes taken with a sync", claimAs(nil, func(c *jobs.Claimed) { c.Active -= len(c.Taken) })},
	{"JS-035", "counts only lanes with an owner", claimAs(nil, func(c *jobs.Claimed) { c.Active = len(c.Held) + len(c.Taken) })},
	{"JS-036", "lets a dead worker claim", func(a *animal) {
		a.claim = func(ctx context.Context, claim jobs.Claim) (jobs.Claimed, error) {
			claimed, err := a.Store.Claim(ctx, claim)
			if errors.Is(err, jobs.ErrFenced) {
				err = nil
			}
			return claimed, err
		}
	}},
	{"JS-037", "reads free lanes first and takes them later", func(a *animal) {
		// Two claims that meet in between answer the same lanes.
		var mu sync.Mutex
		var waiting chan jobs.Claimed
		a.claim = func(ctx context.Context, claim jobs.Claim) (jobs.Claimed, error) {
			if claim.Take != 3 {
				return a.Store.Claim(ctx, claim)
			}
			mu.Lock()
			if waiting == nil {
				mine := make(chan jobs.Claimed)
				waiting = mine
				mu.Unlock()
				select {
				case claimed := <-mine:
					return claimed, nil
				case <-time.After(10 * time.Millisecond):
					mu.Lock()
					alone := waiting == mine
					if alone {
						waiting = nil
					}
					mu.Unlock()
					if !alone {
						return <-mine, nil
					}
					return a.Store.Claim(ctx, claim)
				}
			}
			other := waiting
			waiting = nil
			mu.Unlock()
			claimed, err := a.Store.Claim(ctx, claim)
			other <- claimed
			return claimed, err
		}
	}},
	{"JS-015", "forgets the breaker of a lane", func(a *animal) {
		a.setLane = func(ctx context.Context, tenant, lane string, config jobs.LaneConfig) error {
			config.Breaker = jobs.Breaker{}
			return a.Store.SetLane(ctx, tenant, lane, config)
		}
	}},
	{"JS-038", "takes no lane for a job of low priority", func(a *animal) {
		low := map[jobs.LaneID]bool{}
		a.enqueue = func(ctx context.Context, list []jobs.Job) error {
			for _, j := range list {
				low[jobs.LaneID{Tenant: j.Tenant, Lane: j.Lane}] = j.Priority == jobs.Low
			}
			return a.Store.Enqueue(ctx, list)
		}
		a.claim = func(ctx context.Context, claim jobs.Claim) (jobs.Claimed, error) {
			claimed, err := a.Store.Claim(ctx, claim)
			claimed.Taken = slices.DeleteFunc(claimed.Taken, func(l jobs.Lane) bool { return low[l.LaneID] })
			return claimed, err
		}
	}},
	{"JS-039", "forgets the lanes of dead workers", func(a *animal) {
		a.claim = func(ctx context.Context, claim jobs.Claim) (jobs.Claimed, error) {
			claimed, err := a.Store.Claim(ctx, claim)
			claimed.Taken = slices.DeleteFunc(claimed.Taken, func(l jobs.Lane) bool { return l.Suspect })
			return claimed, err
		}
	}},
	{"JS-070", "pauses nothing", func(a *animal) {
		a.pauseLane = func(ctx context.Context, tenant, lane string, paused bool) error {
			if paused {
				return nil
			}
			return a.Store.PauseLane(ctx, tenant, lane, paused)
		}
	}},
	{"JS-070", "resumes nothing", func(a *animal) {
		a.pauseLane = func(ctx context.Context, tenant, lane string, paused bool) error {
			if !paused {
				return nil
			}
			return a.Store.PauseLane(ctx, tenant, lane, paused)
		}
	}},
	{"JS-071", "does not tell of a pause", claimAs(nil, func(c *jobs.Claimed) {
		for i := range c.Held {
			c.Held[i].Paused = false
		}
	})},
	{"JS-072", "does not count resumptions", claimAs(nil, func(c *jobs.Claimed) {
		for i := range c.Held {
			c.Held[i].Resumes = 0
		}
	})},
	{"JS-099", "holds a lane for a breaker that it has no more", func(a *animal) {
		hold := keepHolds(a)
		a.setLane = func(ctx context.Context, tenant, lane string, config jobs.LaneConfig) error {
			if err := hold(ctx, tenant, lane); err != nil && !errors.Is(err, storage.ErrNotFound) {
				return err
			}
			return a.Store.SetLane(ctx, tenant, lane, config)
		}
	}},
	{"JS-099", "ends whatever holds a lane that is set", func(a *animal) {
		a.setLane = func(ctx context.Context, tenant, lane string, config jobs.LaneConfig) error {
			if l, err := a.Store.Lane(ctx, tenant, lane, noon); err == nil && l.Hold != (jobs.Hold{}) {
				if err := a.Store.PauseLane(ctx, tenant, lane, false); err != nil {
					return err
				}
			}
			return a.Store.SetLane(ctx, tenant, lane, config)
		}
	}},
	{"JS-100", "holds a lane for whatever a worker says", func(a *animal) {
		held := map[jobs.LaneID]jobs.Hold{}
		a.settle = func(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error) {
			missed, err := a.Store.Settle(ctx, worker, outcomes)
			for _, o := range outcomes {
				if o.Hold != nil && len(missed) == 0 {
					held[jobs.LaneID{Tenant: o.Job.Tenant, Lane: o.Job.Lane}] = *o.Hold
				}
			}
			return missed, err
		}
		a.claim = func(ctx context.Context, claim jobs.Claim) (jobs.Claimed, error) {
			claimed, err := a.Store.Claim(ctx, claim)
			for i, l := range claimed.Held {
				if h := held[l.LaneID]; !l.Causes(h.Reason) {
					claimed.Held[i].Hold = h
				}
			}
			return claimed, err
		}
	}},
	{"JS-079", "counts the resumption that made a lane", func(a *animal) {
		a.pauseLane = func(ctx context.Context, tenant, lane string, paused bool) error {
			_, err := a.Store.Lane(ctx, tenant, lane, noon)
			if errors.Is(err, storage.ErrNotFound) && !paused {
				if err := a.Store.PauseLane(ctx, tenant, lane, true); err != nil {
					return err
				}
			}
			return a.Store.PauseLane(ctx, tenant, lane, paused)
		}
	}},
	{"JS-073", "holds nothing", outcomesAs(func(o *jobs.Outcome) { o.Hold = nil })},
	{"JS-073", "forgets why it holds", claimAs(nil, func(c *jobs.Claimed) {
		for i := range c.Taken {
			c.Taken[i].Hold.Reason = ""
		}
	})},
	{"JS-074", "holds whosever lane it is", func(a *animal) {
		held := map[jobs.LaneID]jobs.Hold{}
		a.settle = func(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error) {
			for _, o := range outcomes {
				if o.Hold != nil {
					held[jobs.LaneID{Tenant: o.Job.Tenant, Lane: o.Job.Lane}] = *o.Hold
				}
			}
			return a.Store.Settle(ctx, worker, outcomes)
		}
		a.claim = func(ctx context.Context, claim jobs.Claim) (jobs.Claimed, error) {
			claimed, err := a.Store.Claim(ctx, claim)
			for i, l := range claimed.Held {
				claimed.Held[i].Hold = held[l.LaneID]
			}
			return claimed, err
		}
	}},
	{"JS-075", "takes no notice of the lanes that a claim names", claimAs(func(c *jobs.Claim) { c.Probe = nil }, nil)},
	{"JS-076", "sweeps one piece and says that it is done", claimAs(nil, func(c *jobs.Claimed) { c.Swept = jobs.LaneID{} })},
	{"JS-076", "sweeps the same piece for ever", func(a *animal) {
		a.claim = func(ctx context.Context, claim jobs.Claim) (jobs.Claimed, error) {
			if claim.Sweep != nil && claim.Sweep.After.Lane == "b" {
				claim.Sweep = &jobs.Sweep{Limit: claim.Sweep.Limit, After: jobs.LaneID{Tenant: claim.Sweep.After.Tenant, Lane: "a"}}
			}
			return a.Store.Claim(ctx, claim)
		}
	}},
	{"JS-077", "counts a lane at its normal priority alone", func(a *animal) {
		a.lane = func(ctx context.Context, tenant, lane string, now time.Time) (jobs.LaneStatus, error) {
			s, err := a.Store.Lane(ctx, tenant, lane, now)
			s.Due, s.Ahead = (s.Due+2)/3, (s.Ahead+2)/3
			return s, err
		}
	}},
	{"JS-077", "does not tell what is next", func(a *animal) {
		a.lane = func(ctx context.Context, tenant, lane string, now time.Time) (jobs.LaneStatus, error) {
			s, err := a.Store.Lane(ctx, tenant, lane, now)
			s.NextDue = time.Time{}
			return s, err
		}
	}},
	{"JS-078", "begins a page at the name instead of behind it", func(a *animal) {
		a.listLanes = func(ctx context.Context, tenant, after string, now time.Time, limit int) ([]jobs.LaneStatus, error) {
			list, err := a.Store.ListLanes(ctx, tenant, after, now, limit)
			if last, lastErr := a.Store.Lane(ctx, tenant, after, now); lastErr == nil {
				list = append([]jobs.LaneStatus{last}, list...)
			}
			return list[:min(limit, len(list))], err
		}
	}},
	{"JS-078", "finds lanes of other tenants", func(a *animal) {
		a.lane = func(ctx context.Context, tenant, lane string, now time.Time) (jobs.LaneStatus, error) {
			return a.Store.Lane(ctx, strings.TrimSuffix(tenant, "-other"), lane, now)
		}
	}},
	{"JS-040", "records no attempt", func(a *animal) {
		a.attempts = func(context.Context, string, int64, int) ([]jobs.Attempt, error) { return nil, nil }
	}},
	{"JS-040", "keeps a completed job", outcomesAs(func(o *jobs.Outcome) {
		if o.Result == jobs.Completed && !o.Due.IsZero() && o.Job.Lane == "lane" {
			o.Result, o.Due = jobs.Retried, noon
		}
	})},
	{"JS-041", "does not count the attempt of a retry", fetchedAs(func(f *jobs.Fetched) { f.Attempt = 0 })},
	{"JS-041", "retries at once", outcomesAs(func(o *jobs.Outcome) { o.Due = noon })},
	{"JS-042", "buries without the payload", func(a *animal) {
		a.dead = func(ctx context.Context, tenant string, id int64) (jobs.DeadJob, error) {
			d, err := a.Store.Dead(ctx, tenant, id)
			d.Payload = nil
			return d, err
		}
	}},
	{"JS-043", "does not count announced starts", fetchedAs(func(f *jobs.Fetched) { f.Lost = 0 })},
	{"JS-043", "records an attempt for an announcement", func(a *animal) {
		begun := map[int64]bool{}
		a.settle = func(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error) {
			for _, o := range outcomes {
				begun[o.Job.ID] = o.Result == jobs.Begun
			}
			return a.Store.Settle(ctx, worker, outcomes)
		}
		a.attempts = func(ctx context.Context, tenant string, job int64, limit int) ([]jobs.Attempt, error) {
			list, err := a.Store.Attempts(ctx, tenant, job, limit)
			if begun[job] {
				list = append(list, jobs.Attempt{Job: job})
			}
			return list, err
		}
	}},
	{"JS-044", "counts a repeated announcement twice", func(a *animal) {
		a.settle = func(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error) {
			outcomes = slices.Clone(outcomes)
			for i := range outcomes {
				if f, ok := a.now(ctx, outcomes[i]); ok && outcomes[i].Result == jobs.Begun {
					outcomes[i].Job.Lost = f.Lost
				}
			}
			return a.Store.Settle(ctx, worker, outcomes)
		}
	}},
	{"JS-045", "lets a dead worker complete", unfenced(func(o jobs.Outcome) bool { return o.Result == jobs.Completed })},
	{"JS-045", "lets a dead worker retry", unfenced(func(o jobs.Outcome) bool { return o.Result == jobs.Retried })},
	{"JS-045", "lets a dead worker bury", unfenced(func(o jobs.Outcome) bool { return o.Result == jobs.Buried })},
	{"JS-045", "lets a dead worker announce", unfenced(func(o jobs.Outcome) bool { return o.Result == jobs.Begun })},
	{"JS-046", "does not tell what it missed", func(a *animal) {
		a.settle = func(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error) {
			_, err := a.Store.Settle(ctx, worker, outcomes)
			return nil, err
		}
	}},
	{"JS-046", "refuses a whole batch for one job that is gone", func(a *animal) {
		a.settle = func(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error) {
			for _, o := range outcomes {
				if _, ok := a.now(ctx, o); !ok {
					return []int64{o.Job.ID}, nil
				}
			}
			return a.Store.Settle(ctx, worker, outcomes)
		}
	}},
	{"JS-047", "does not look at the attempt", func(a *animal) {
		a.settle = func(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error) {
			outcomes = slices.Clone(outcomes)
			for i := range outcomes {
				if f, ok := a.now(ctx, outcomes[i]); ok && f.Tenant == outcomes[i].Job.Tenant {
					outcomes[i].Job.Attempt = f.Attempt
				}
			}
			return a.Store.Settle(ctx, worker, outcomes)
		}
	}},
	{"JS-048", "finds jobs by id alone", func(a *animal) {
		a.settle = func(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error) {
			outcomes = slices.Clone(outcomes)
			for i := range outcomes {
				if f, ok := a.now(ctx, outcomes[i]); ok {
					outcomes[i].Job.Tenant = f.Tenant
				}
			}
			return a.Store.Settle(ctx, worker, outcomes)
		}
	}},
	{"JS-049", "settles after the transaction whatever became of it", func(a *animal) {
		var late []func()
		a.settle = func(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error) {
			if storage.Detach(ctx) == ctx {
				return a.Store.Settle(ctx, worker, outcomes)
			}
			late = append(late, func() { a.Store.Settle(storage.Detach(ctx), worker, outcomes) })
			return nil, nil
		}
		a.fetch = func(ctx context.Context, now time.Time, lanes []jobs.LaneFetch) ([]jobs.Fetched, error) {
			for _, fn := range late {
				fn()
			}
			late = nil
			return a.Store.Fetch(ctx, now, lanes)
		}
	}},
	{"JS-050", "checks the fence first and writes after the transaction", func(a *animal) {
		var late []func()
		a.settle = func(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error) {
			if storage.Detach(ctx) == ctx {
				return a.Store.Settle(ctx, worker, outcomes)
			}
			late = append(late, func() { a.Store.Settle(storage.Detach(ctx), worker, outcomes) })
			return nil, nil
		}
		a.fetch = func(ctx context.Context, now time.Time, lanes []jobs.LaneFetch) ([]jobs.Fetched, error) {
			for _, fn := range late {
				fn()
			}
			late = nil
			return a.Store.Fetch(ctx, now, lanes)
		}
	}},
	{"JS-060", "lists the earliest death first", func(a *animal) {
		a.listDead = func(ctx context.Context, tenant string, filter jobs.Filter, after jobs.Position, limit int) ([]jobs.DeadJob, error) {
			list, err := a.Store.ListDead(ctx, tenant, filter, after, limit)
			slices.Reverse(list)
			return list, err
		}
	}},
	{"JS-061", "goes on behind a time instead of a place", func(a *animal) {
		a.listDead = func(ctx context.Context, tenant string, filter jobs.Filter, after jobs.Position, limit int) ([]jobs.DeadJob, error) {
			if after != (jobs.Position{}) {
				after.ID = 0
			}
			return a.Store.ListDead(ctx, tenant, filter, after, limit)
		}
	}},
	{"JS-062", "finds dead letters of other tenants", func(a *animal) {
		a.dead = func(ctx context.Context, tenant string, id int64) (jobs.DeadJob, error) {
			return a.Store.Dead(ctx, strings.TrimSuffix(tenant, "-other"), id)
		}
	}},
	{"JS-062", "requeues dead letters of other tenants", func(a *animal) {
		a.requeue = func(ctx context.Context, tenant string, id int64, due time.Time) (jobs.Job, error) {
			return a.Store.Requeue(ctx, strings.TrimSuffix(tenant, "-other"), id, due)
		}
	}},
	{"JS-062", "lists dead letters of other tenants", func(a *animal) {
		a.listDead = func(ctx context.Context, tenant string, filter jobs.Filter, after jobs.Position, limit int) ([]jobs.DeadJob, error) {
			return a.Store.ListDead(ctx, strings.TrimSuffix(tenant, "-other"), filter, after, limit)
		}
	}},
	{"JS-062", "tells attempts of other tenants", func(a *animal) {
		a.attempts = func(ctx context.Context, tenant string, job int64, limit int) ([]jobs.Attempt, error) {
			return a.Store.Attempts(ctx, strings.TrimSuffix(tenant, "-other"), job, limit)
		}
	}},
	{"JS-063", "requeues under a new id", func(a *animal) {
		a.requeue = func(ctx context.Context, tenant string, id int64, due time.Time) (jobs.Job, error) {
			d, err := a.Store.Dead(ctx, tenant, id)
			if err != nil {
				return jobs.Job{}, err
			}
			d.Job.Due = due
			return d.Job, a.Store.Enqueue(ctx, []jobs.Job{d.Job})
		}
	}},
	{"JS-064", "prunes without a limit", func(a *animal) {
		a.prune = func(ctx context.Context, before time.Time, limit int) (int, error) {
			return a.Store.Prune(ctx, before, 1000)
		}
	}},
	{"JS-064", "prunes what ended at the time itself", func(a *animal) {
		a.prune = func(ctx context.Context, before time.Time, limit int) (int, error) {
			return a.Store.Prune(ctx, before.Add(time.Microsecond), limit)
		}
	}},
	{"JS-065", "answers all attempts", func(a *animal) {
		a.attempts = func(ctx context.Context, tenant string, job int64, limit int) ([]jobs.Attempt, error) {
			return a.Store.Attempts(ctx, tenant, job, 1000)
		}
	}},
}

func TestEachBrokenStoreIsCaughtByItsRule(t *testing.T) {
	all := map[string]rule{}
	for _, r := range rules() {
		if _, twice := all[r.id]; twice {
			t.Errorf("there are two rules %s", r.id)
		}
		all[r.id] = r
	}
	proven := map[string]bool{}
	for _, m := range slices.Concat(zoo, registerZoo) {
		proven[m.rule] = true
		t.Run(m.rule+" a store that "+m.name, func(t *testing.T) {
			t.Parallel()
			failures := ruletest.Find(t.Context(), func(t testing.TB) {
				b, err := memory.New(memory.Config{})
				if err != nil {
					t.Fatal(err)
				}
				a := &animal{Store: b.Jobs()}
				m.breaks(a)
				all[m.rule].check(t, cage{b, a})
			})
			if len(failures) == 0 {
				t.Error("the rule does not catch it")
			}
			t.Log(strings.Join(failures, "\n"))
		})
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if !proven[id] {
			t.Errorf("no broken store proves rule %s", id)
		}
	}
}
