package jobstest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// A register holds the methods of an animal with which people look after jobs.
type register struct {
	job        func(ctx context.Context, tenant string, id int64) (jobs.Job, error)
	lookup     func(ctx context.Context, tenant, key string) (jobs.Job, error)
	listJobs   func(ctx context.Context, tenant string, filter jobs.Filter, after jobs.Position, limit int) ([]jobs.Job, error)
	cancel     func(ctx context.Context, tenant string, id int64, at time.Time) (jobs.Job, error)
	requeueAll func(ctx context.Context, tenant string, filter jobs.Filter, due time.Time, limit int) ([]jobs.Job, error)
	discard    func(ctx context.Context, tenant string, ids []int64) ([]jobs.DeadJob, error)
}

func (a *animal) Job(ctx context.Context, tenant string, id int64) (jobs.Job, error) {
	if a.job != nil {
		return a.job(ctx, tenant, id)
	}
	return a.Store.Job(ctx, tenant, id)
}

func (a *animal) Lookup(ctx context.Context, tenant, key string) (jobs.Job, error) {
	if a.lookup != nil {
		return a.lookup(ctx, tenant, key)
	}
	return a.Store.Lookup(ctx, tenant, key)
}

func (a *animal) ListJobs(ctx context.Context, tenant string, filter jobs.Filter, after jobs.Position, limit int) ([]jobs.Job, error) {
	if a.listJobs != nil {
		return a.listJobs(ctx, tenant, filter, after, limit)
	}
	return a.Store.ListJobs(ctx, tenant, filter, after, limit)
}

func (a *animal) Cancel(ctx context.Context, tenant string, id int64, at time.Time) (jobs.Job, error) {
	if a.cancel != nil {
		return a.cancel(ctx, tenant, id, at)
	}
	return a.Store.Cancel(ctx, tenant, id, at)
}

func (a *animal) RequeueAll(ctx context.Context, tenant string, filter jobs.Filter, due time.Time, limit int) ([]jobs.Job, error) {
	if a.requeueAll != nil {
		return a.requeueAll(ctx, tenant, filter, due, limit)
	}
	return a.Store.RequeueAll(ctx, tenant, filter, due, limit)
}

func (a *animal) Discard(ctx context.Context, tenant string, ids []int64) ([]jobs.DeadJob, error) {
	if a.discard != nil {
		return a.discard(ctx, tenant, ids)
	}
	return a.Store.Discard(ctx, tenant, ids)
}

// enqueuedAs returns a breaking that changes jobs before they are stored.
func enqueuedAs(change func(j *jobs.Job)) func(a *animal) {
	return func(a *animal) {
		a.enqueue = func(ctx context.Context, list []jobs.Job) error {
			list = slices.Clone(list)
			for i := range list {
				change(&list[i])
			}
			return a.Store.Enqueue(ctx, list)
		}
	}
}

// keepHolds has claims find the lanes held that are held when the function it returns is
// called with them.
func keepHolds(a *animal) func(ctx context.Context, tenant, lane string) error {
	kept := map[jobs.LaneID]jobs.Hold{}
	a.claim = func(ctx context.Context, claim jobs.Claim) (jobs.Claimed, error) {
		claimed, err := a.Store.Claim(ctx, claim)
		for i, l := range claimed.Held {
			if hold, ok := kept[l.LaneID]; ok {
				claimed.Held[i].Hold = hold
			}
		}
		return claimed, err
	}
	return func(ctx context.Context, tenant, lane string) error {
		l, err := a.Store.Lane(ctx, tenant, lane, noon)
		if err == nil && l.Hold != (jobs.Hold{}) {
			kept[l.LaneID] = l.Hold
		}
		return err
	}
}

var registerZoo = []mutant{
	{"JS-028", "does not tell others who rests", func(a *animal) {
		a.beat = func(ctx context.Context, beat jobs.Beat) (jobs.Presence, error) {
			p, err := a.Store.Beat(ctx, beat)
			for i := range p.Peers {
				p.Peers[i].Resting = false
			}
			return p, err
		}
	}},
	{"JS-028", "has a worker rest for ever", func(a *animal) {
		rested := map[int64]bool{}
		a.beat = func(ctx context.Context, beat jobs.Beat) (jobs.Presence, error) {
			beat.Resting = beat.Resting || rested[beat.Worker]
			rested[beat.Worker] = beat.Resting && beat.Worker != 0
			return a.Store.Beat(ctx, beat)
		}
	}},
	{"JS-080", "knows no keys", enqueuedAs(func(j *jobs.Job) { j.Key = "" })},
	{"JS-080", "refuses a batch with a key that is taken", func(a *animal) {
		a.enqueue = func(ctx context.Context, list []jobs.Job) error {
			seen := map[string]bool{}
			for _, j := range list {
				if j.Key != "" && seen[j.Key] {
					return nil
				}
				seen[j.Key] = true
			}
			return a.Store.Enqueue(ctx, list)
		}
	}},
	{"JS-097", "makes no lane for a job whose key is taken", func(a *animal) {
		a.enqueue = func(ctx context.Context, list []jobs.Job) error {
			return a.Store.Enqueue(ctx, slices.DeleteFunc(slices.Clone(list), func(j jobs.Job) bool {
				_, err := a.Store.Lookup(ctx, j.Tenant, j.Key)
				return j.Key != "" && err == nil
			}))
		}
	}},
	{"JS-097", "makes no lane for a job that repeats another's key", func(a *animal) {
		a.enqueue = func(ctx context.Context, list []jobs.Job) error {
			seen := map[string]bool{}
			return a.Store.Enqueue(ctx, slices.DeleteFunc(slices.Clone(list), func(j jobs.Job) bool {
				repeats := j.Key != "" && seen[j.Key]
				seen[j.Key] = true
				return repeats
			}))
		}
	}},
	{"JS-081", "gives a key up with a retry", func(a *animal) {
		a.settle = func(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error) {
			missed, err := a.Store.Settle(ctx, worker, outcomes)
			if err != nil || outcomes[0].Result != jobs.Retried {
				return missed, err
			}
			job, err := a.Store.Cancel(ctx, outcomes[0].Job.Tenant, outcomes[0].Job.ID, noon)
			if err != nil {
				return missed, err
			}
			job.Key = ""
			return missed, a.Store.Enqueue(ctx, []jobs.Job{job})
		}
	}},
	{"JS-081", "keeps the key of a job that ended", func(a *animal) {
		used := map[string]bool{}
		a.enqueue = func(ctx context.Context, list []jobs.Job) error {
			for _, j := range list {
				if id := j.Tenant + " " + j.Key; j.Key != "" && used[id] {
					return nil
				} else if j.Key != "" {
					used[id] = true
				}
			}
			return a.Store.Enqueue(ctx, list)
		}
	}},
	{"JS-082", "folds the case of keys", enqueuedAs(func(j *jobs.Job) { j.Key = strings.ToLower(j.Key) })},
	{"JS-082", "finds keys of whatever tenant", func(a *animal) {
		a.lookup = func(ctx context.Context, tenant, key string) (jobs.Job, error) {
			return a.Store.Lookup(ctx, strings.TrimSuffix(tenant, "-other"), key)
		}
	}},
	{"JS-083", "keeps the key of an enqueueing that was rolled back", func(a *animal) {
		used := map[string]bool{}
		a.enqueue = func(ctx context.Context, list []jobs.Job) error {
			for _, j := range list {
				if used[j.Key] {
					return nil
				}
				used[j.Key] = true
			}
			return a.Store.Enqueue(ctx, list)
		}
	}},
	{"JS-084", "gives up keys at the commit", func(a *animal) {
		a.enqueue = func(ctx context.Context, list []jobs.Job) error {
			if storage.Detach(ctx) != ctx {
				return nil // the key is still taken
			}
			return a.Store.Enqueue(ctx, list)
		}
	}},
	{"JS-085", "answers a job without its payload", func(a *animal) {
		a.job = func(ctx context.Context, tenant string, id int64) (jobs.Job, error) {
			j, err := a.Store.Job(ctx, tenant, id)
			j.Payload = nil
			return j, err
		}
	}},
	{"JS-085", "finds a job without a key", func(a *animal) {
		a.lookup = func(ctx context.Context, tenant, key string) (jobs.Job, error) {
			if key == "" {
				return jobs.Job{Tenant: tenant}, nil
			}
			return a.Store.Lookup(ctx, tenant, key)
		}
	}},
	{"JS-086", "lists jobs by id alone", func(a *animal) {
		a.listJobs = func(ctx context.Context, tenant string, filter jobs.Filter, after jobs.Position, limit int) ([]jobs.Job, error) {
			list, err := a.Store.ListJobs(ctx, tenant, filter, jobs.Position{}, 1000)
			slices.SortFunc(list, func(x, y jobs.Job) int { return int(x.ID - y.ID) })
			list = slices.DeleteFunc(list, func(j jobs.Job) bool { return j.ID <= after.ID })
			return list[:min(limit, len(list))], err
		}
	}},
	{"JS-086", "goes on behind a time instead of a place", func(a *animal) {
		a.listJobs = func(ctx context.Context, tenant string, filter jobs.Filter, after jobs.Position, limit int) ([]jobs.Job, error) {
			if after != (jobs.Position{}) {
				after.ID = 1 << 40
			}
			return a.Store.ListJobs(ctx, tenant, filter, after, min(limit, 1))
		}
	}},
	{"JS-087", "lists jobs of all kinds", func(a *animal) {
		a.listJobs = func(ctx context.Context, tenant string, filter jobs.Filter, after jobs.Position, limit int) ([]jobs.Job, error) {
			return a.Store.ListJobs(ctx, tenant, jobs.Filter{Lane: filter.Lane}, after, limit)
		}
	}},
	{"JS-088", "finds jobs of other tenants", func(a *animal) {
		a.job = func(ctx context.Context, tenant string, id int64) (jobs.Job, error) {
			return a.Store.Job(ctx, strings.TrimSuffix(tenant, "-other"), id)
		}
	}},
	{"JS-088", "lists jobs of other tenants", func(a *animal) {
		a.listJobs = func(ctx context.Context, tenant string, filter jobs.Filter, after jobs.Position, limit int) ([]jobs.Job, error) {
			return a.Store.ListJobs(ctx, strings.TrimSuffix(tenant, "-other"), filter, after, limit)
		}
	}},
	{"JS-088", "cancels jobs of other tenants", func(a *animal) {
		a.cancel = func(ctx context.Context, tenant string, id int64, at time.Time) (jobs.Job, error) {
			return a.Store.Cancel(ctx, strings.TrimSuffix(tenant, "-other"), id, at)
		}
	}},
	{"JS-089", "records no cancelling", func(a *animal) {
		a.attempts = func(ctx context.Context, tenant string, job int64, limit int) ([]jobs.Attempt, error) {
			list, err := a.Store.Attempts(ctx, tenant, job, limit)
			return slices.DeleteFunc(list, func(a jobs.Attempt) bool { return a.Result == jobs.Cancelled }), err
		}
	}},
	{"JS-089", "parks a cancelled job instead of removing it", func(a *animal) {
		a.cancel = func(ctx context.Context, tenant string, id int64, at time.Time) (jobs.Job, error) {
			j, err := a.Store.Cancel(ctx, tenant, id, at)
			if err != nil {
				return j, err
			}
			parked := j
			parked.Due = noon.AddDate(100, 0, 0)
			return j, a.Store.Enqueue(ctx, []jobs.Job{parked})
		}
	}},
	{"JS-090", "lets a worker settle a job that was cancelled", func(a *animal) {
		cancelled := map[int64]bool{}
		a.cancel = func(ctx context.Context, tenant string, id int64, at time.Time) (jobs.Job, error) {
			cancelled[id] = true
			return a.Store.Cancel(ctx, tenant, id, at)
		}
		a.settle = func(ctx context.Context, worker int64, outcomes []jobs.Outcome) ([]int64, error) {
			missed, err := a.Store.Settle(ctx, worker, outcomes)
			return slices.DeleteFunc(missed, func(id int64) bool { return cancelled[id] }), err
		}
	}},
	{"JS-091", "cancels whatever becomes of the transaction", func(a *animal) {
		var late []func()
		a.cancel = func(ctx context.Context, tenant string, id int64, at time.Time) (jobs.Job, error) {
			late = append(late, func() { a.Store.Cancel(storage.Detach(ctx), tenant, id, at) })
			return a.Store.Job(ctx, tenant, id)
		}
		a.fetch = func(ctx context.Context, now time.Time, lanes []jobs.LaneFetch) ([]jobs.Fetched, error) {
			for _, fn := range late {
				fn()
			}
			return a.Store.Fetch(ctx, now, lanes)
		}
	}},
	{"JS-098", "waits for a job that was cancelled", func(a *animal) {
		hold := keepHolds(a)
		a.cancel = func(ctx context.Context, tenant string, id int64, at time.Time) (jobs.Job, error) {
			j, err := a.Store.Job(ctx, tenant, id)
			if err != nil {
				return j, err
			}
			if err := hold(ctx, tenant, j.Lane); err != nil {
				return j, err
			}
			return a.Store.Cancel(ctx, tenant, id, at)
		}
	}},
	{"JS-098", "ends a wait whichever job is cancelled", func(a *animal) {
		a.cancel = func(ctx context.Context, tenant string, id int64, at time.Time) (jobs.Job, error) {
			j, err := a.Store.Cancel(ctx, tenant, id, at)
			if err != nil || j.Attempt > 0 {
				return j, err
			}
			return j, a.Store.PauseLane(ctx, tenant, j.Lane, false)
		}
	}},
	{"JS-098", "closes a breaker when a job is cancelled", func(a *animal) {
		a.cancel = func(ctx context.Context, tenant string, id int64, at time.Time) (jobs.Job, error) {
			j, err := a.Store.Cancel(ctx, tenant, id, at)
			if err != nil {
				return j, err
			}
			l, err := a.Store.Lane(ctx, tenant, j.Lane, at)
			if err != nil || l.Hold.Reason != jobs.HeldByBreaker {
				return j, err
			}
			return j, a.Store.PauseLane(ctx, tenant, j.Lane, false)
		}
	}},
	{"JS-092", "does not look at the lane of dead letters", func(a *animal) {
		a.listDead = func(ctx context.Context, tenant string, filter jobs.Filter, after jobs.Position, limit int) ([]jobs.DeadJob, error) {
			return a.Store.ListDead(ctx, tenant, jobs.Filter{Kind: filter.Kind}, after, limit)
		}
	}},
	{"JS-092", "does not look at the kind of dead letters", func(a *animal) {
		a.listDead = func(ctx context.Context, tenant string, filter jobs.Filter, after jobs.Position, limit int) ([]jobs.DeadJob, error) {
			return a.Store.ListDead(ctx, tenant, jobs.Filter{Lane: filter.Lane}, after, limit)
		}
	}},
	{"JS-093", "drops a dead letter whose key is taken", func(a *animal) {
		a.requeue = func(ctx context.Context, tenant string, id int64, due time.Time) (jobs.Job, error) {
			j, err := a.Store.Requeue(ctx, tenant, id, due)
			if errors.Is(err, storage.ErrConflict) {
				if _, err := a.Store.Discard(ctx, tenant, []int64{id}); err != nil {
					return j, err
				}
			}
			return j, err
		}
	}},
	{"JS-094", "requeues the latest deaths first", func(a *animal) {
		a.requeueAll = func(ctx context.Context, tenant string, filter jobs.Filter, due time.Time, limit int) ([]jobs.Job, error) {
			list, err := a.Store.ListDead(ctx, tenant, filter, jobs.Position{}, limit)
			var back []jobs.Job
			for _, d := range list {
				j, err := a.Store.Requeue(ctx, tenant, d.ID, due)
				if err != nil {
					return nil, err
				}
				back = append(back, j)
			}
			return back, err
		}
	}},
	{"JS-094", "requeues whatever the filter says", func(a *animal) {
		a.requeueAll = func(ctx context.Context, tenant string, filter jobs.Filter, due time.Time, limit int) ([]jobs.Job, error) {
			return a.Store.RequeueAll(ctx, tenant, jobs.Filter{}, due, limit)
		}
	}},
	{"JS-094", "requeues without a limit", func(a *animal) {
		a.requeueAll = func(ctx context.Context, tenant string, filter jobs.Filter, due time.Time, limit int) ([]jobs.Job, error) {
			return a.Store.RequeueAll(ctx, tenant, filter, due, 1000)
		}
	}},
	{"JS-095", "stops at the first whose key is taken", func(a *animal) {
		a.requeueAll = func(ctx context.Context, tenant string, filter jobs.Filter, due time.Time, limit int) ([]jobs.Job, error) {
			list, err := a.Store.ListDead(ctx, tenant, filter, jobs.Position{}, 1000)
			if err != nil {
				return nil, err
			}
			slices.Reverse(list)
			var back []jobs.Job
			for _, d := range list[:min(limit, len(list))] {
				j, err := a.Store.Requeue(ctx, tenant, d.ID, due)
				if errors.Is(err, storage.ErrConflict) {
					return back, nil
				}
				back = append(back, j)
			}
			return back, nil
		}
	}},
	{"JS-096", "discards without a look at the tenant", func(a *animal) {
		a.discard = func(ctx context.Context, tenant string, ids []int64) ([]jobs.DeadJob, error) {
			return a.Store.Discard(ctx, strings.TrimSuffix(tenant, "-other"), ids)
		}
	}},
	{"JS-096", "discards nothing", func(a *animal) {
		a.discard = func(ctx context.Context, tenant string, ids []int64) ([]jobs.DeadJob, error) {
			var list []jobs.DeadJob
			for _, id := range slices.Sorted(slices.Values(ids)) {
				if d, err := a.Store.Dead(ctx, tenant, id); err == nil {
					list = append(list, d)
				}
			}
			return list, nil
		}
	}},
}
