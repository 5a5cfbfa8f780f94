package mapstore

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// A jobStore is the jobs.Store of a Backend. It takes no notes of when a lane is to be
// looked at: each claim goes over all jobs.
type jobStore struct {
	*Backend
	lanes    table[jobs.LaneID, laneRow]
	jobs     table[int64, jobs.Fetched]
	keys     table[tenantID, int64] // the jobs that have a key
	dead     table[int64, jobs.DeadJob]
	workers  table[int64, jobs.Peer]
	attempts table[int64, jobAttempt]

	// The last ids that were given. They are no part of a transaction, so that none is
	// given twice; who has the turn to write raises them.
	lastJob, lastWorker, lastAttempt int64
}

// A laneRow is a lane with the worker that owns it, zero for none. Its Suspect is true
// from the death of an owner until the next one takes it.
type laneRow struct {
	jobs.Lane
	Owner int64
}

// A jobAttempt is an attempt with its place in the order of recording.
type jobAttempt struct {
	jobs.Attempt
	Tenant string
	Place  int64
}

var _ jobs.Store = (*jobStore)(nil)

// Jobs returns the store of jobs.
func (b *Backend) Jobs() jobs.Store { return b.jobs }

// Enqueue implements jobs.Store.
func (s *jobStore) Enqueue(ctx context.Context, all []jobs.Job) error {
	return s.write(ctx, func(t *tx) error {
		for _, j := range all {
			s.lane(t, jobs.LaneID{Tenant: j.Tenant, Lane: j.Lane})
			if j.Key != "" && s.keys.has(t, tenantID{j.Tenant, j.Key}) {
				continue
			}
			s.lastJob++
			j.ID, j.Attempt = s.lastJob, 0
			s.add(t, j)
		}
		return nil
	})
}

// add stores a job that has an id, with its key and its lane.
func (s *jobStore) add(t *tx, j jobs.Job) {
	s.jobs.put(t, j.ID, jobs.Fetched{Job: j})
	if j.Key != "" {
		s.keys.put(t, tenantID{j.Tenant, j.Key}, j.ID)
	}
	s.lane(t, jobs.LaneID{Tenant: j.Tenant, Lane: j.Lane})
}

// lane makes a lane where there is none.
func (s *jobStore) lane(t *tx, id jobs.LaneID) {
	if !s.lanes.has(t, id) {
		s.lanes.put(t, id, laneRow{Lane: jobs.Lane{LaneID: id}})
	}
}

// remove deletes a job and frees its key.
func (s *jobStore) remove(t *tx, j jobs.Job) {
	s.jobs.delete(t, j.ID)
	if j.Key != "" {
		s.keys.delete(t, tenantID{j.Tenant, j.Key})
	}
}

// job returns a job of a tenant.
func (s *jobStore) job(t *tx, tenant string, id int64) (jobs.Fetched, error) {
	j, ok := s.jobs.get(t, id)
	if !ok || j.Tenant != tenant {
		return jobs.Fetched{}, storage.ErrNotFound
	}
	return j, nil
}

// record stores an attempt.
func (s *jobStore) record(t *tx, tenant string, a jobs.Attempt) {
	s.lastAttempt++
	s.attempts.put(t, s.lastAttempt, jobAttempt{a, tenant, s.lastAttempt})
}

// SetLane implements jobs.Store.
func (s *jobStore) SetLane(ctx context.Context, tenant, lane string, config jobs.LaneConfig) error {
	return s.write(ctx, func(t *tx) error {
		id := jobs.LaneID{Tenant: tenant, Lane: lane}
		row, _ := s.lanes.get(t, id)
		row.LaneID, row.LaneConfig = id, config
		s.lanes.put(t, id, row)
		if !config.Causes(row.Hold.Reason) {
			s.lift(t, row)
		}
		return nil
	})
}

// PauseLane implements jobs.Store.
func (s *jobStore) PauseLane(ctx context.Context, tenant, lane string, paused bool) error {
	return s.write(ctx, func(t *tx) error {
		id := jobs.LaneID{Tenant: tenant, Lane: lane}
		row, known := s.lanes.get(t, id)
		row.LaneID, row.Paused = id, paused
		if known && !paused {
			row.Hold = jobs.Hold{}
			row.Resumes++
		}
		s.lanes.put(t, id, row)
		return nil
	})
}

// lift ends what holds a lane, and counts that as a resumption.
func (s *jobStore) lift(t *tx, row laneRow) {
	row.Hold = jobs.Hold{}
	row.Resumes++
	s.lanes.put(t, row.LaneID, row)
}

// compareLanes compares in the order of tenants and names.
func compareLanes(a, b jobs.LaneID) int {
	return cmp.Or(strings.Compare(a.Tenant, b.Tenant), strings.Compare(a.Lane, b.Lane))
}

// comparePositions compares in the order of times and ids.
func comparePositions(a, b jobs.Position) int {
	return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
}

// due returns the position of a job among those of its lane and priority.
func due(j jobs.Job) jobs.Position { return jobs.Position{At: j.Due, ID: j.ID} }

// Lane implements jobs.Store.
func (s *jobStore) Lane(ctx context.Context, tenant, lane string, now time.Time) (jobs.LaneStatus, error) {
	var status jobs.LaneStatus
	err := s.read(ctx, func(t *tx) error {
		row, ok := s.lanes.get(t, jobs.LaneID{Tenant: tenant, Lane: lane})
		if !ok {
			return storage.ErrNotFound
		}
		status = s.status(t, row, micro(now))
		return nil
	})
	return status, err
}

// ListLanes implements jobs.Store.
func (s *jobStore) ListLanes(ctx context.Context, tenant, after string, now time.Time, limit int) ([]jobs.LaneStatus, error) {
	var all []jobs.LaneStatus
	err := s.read(ctx, func(t *tx) error {
		rows := s.lanes.find(t, func(id jobs.LaneID, _ laneRow) bool { return id.Tenant == tenant && id.Lane > after })
		slices.SortFunc(rows, func(a, b laneRow) int { return compareLanes(a.LaneID, b.LaneID) })
		for _, row := range first(rows, limit) {
			all = append(all, s.status(t, row, micro(now)))
		}
		return nil
	})
	return all, err
}

// status counts what waits in a lane.
func (s *jobStore) status(t *tx, row laneRow, now time.Time) jobs.LaneStatus {
	status := jobs.LaneStatus{LaneID: row.LaneID, Config: row.LaneConfig, Paused: row.Paused, Hold: row.Hold, Owner: row.Owner}
	earliest := func(at *time.Time, other time.Time) {
		if at.IsZero() || other.Before(*at) {
			*at = other
		}
	}
	for _, j := range s.jobs.find(t, func(_ int64, j jobs.Fetched) bool { return inLane(j.Job, row.LaneID) }) {
		if j.Due.After(now) {
			status.Ahead++
			earliest(&status.NextDue, j.Due)
		} else {
			status.Due++
			earliest(&status.OldestDue, j.Due)
		}
	}
	status.Dead = len(s.dead.find(t, func(_ int64, j jobs.DeadJob) bool { return inLane(j.Job, row.LaneID) }))
	for _, n := range []*int{&status.Due, &status.Ahead, &status.Dead} {
		*n = min(*n, jobs.MaxCount)
	}
	return status
}

func inLane(j jobs.Job, lane jobs.LaneID) bool { return j.Tenant == lane.Tenant && j.Lane == lane.Lane }

// Job implements jobs.Store.
func (s *jobStore) Job(ctx context.Context, tenant string, id int64) (jobs.Job, error) {
	var job jobs.Job
	err := s.read(ctx, func(t *tx) error {
		j, err := s.job(t, tenant, id)
		job = j.Job
		return err
	})
	return job, err
}

// Lookup implements jobs.Store.
func (s *jobStore) Lookup(ctx context.Context, tenant, key string) (jobs.Job, error) {
	var job jobs.Job
	err := s.read(ctx, func(t *tx) error {
		id, ok := s.keys.get(t, tenantID{tenant, key})
		if !ok {
			return storage.ErrNotFound
		}
		j, err := s.job(t, tenant, id)
		job = j.Job
		return err
	})
	return job, err
}

// ListJobs implements jobs.Store.
func (s *jobStore) ListJobs(ctx context.Context, tenant string, filter jobs.Filter, after jobs.Position, limit int) ([]jobs.Job, error) {
	after.At = micro(after.At)
	found, err := find(ctx, s.Backend, &s.jobs, func(_ int64, j jobs.Fetched) bool {
		return j.Tenant == tenant && passes(filter, j.Job) && comparePositions(due(j.Job), after) > 0
	})
	slices.SortFunc(found, func(a, b jobs.Fetched) int { return comparePositions(due(a.Job), due(b.Job)) })
	var all []jobs.Job
	for _, j := range first(found, limit) {
		all = append(all, j.Job)
	}
	return all, err
}

// passes reports whether a filter lets a job through.
func passes(filter jobs.Filter, j jobs.Job) bool {
	return (filter.Lane == "" || filter.Lane == j.Lane) && (filter.Kind == "" || filter.Kind == j.Kind)
}

// Cancel implements jobs.Store.
func (s *jobStore) Cancel(ctx context.Context, tenant string, id int64, at time.Time) (jobs.Job, error) {
	var job jobs.Job
	err := s.write(ctx, func(t *tx) error {
		j, err := s.job(t, tenant, id)
		if err != nil {
			return err
		}
		s.remove(t, j.Job)
		s.record(t, tenant, jobs.Attempt{Job: id, Number: j.Attempt + j.Lost, Result: jobs.Cancelled, Started: at, Ended: at})
		lane, _ := s.lanes.get(t, jobs.LaneID{Tenant: j.Tenant, Lane: j.Lane})
		if j.Attempt > 0 && lane.Hold.Reason == jobs.HeldForRetry {
			s.lift(t, lane)
		}
		job = j.Job
		return nil
	})
	if err != nil {
		return jobs.Job{}, err
	}
	return job, nil
}

// Attempts implements jobs.Store.
func (s *jobStore) Attempts(ctx context.Context, tenant string, job int64, limit int) ([]jobs.Attempt, error) {
	found, err := find(ctx, s.Backend, &s.attempts, func(_ int64, a jobAttempt) bool { return a.Tenant == tenant && a.Job == job })
	slices.SortFunc(found, func(a, b jobAttempt) int { return cmp.Compare(b.Place, a.Place) })
	var all []jobs.Attempt
	for _, a := range first(found, limit) {
		all = append(all, a.Attempt)
	}
	return all, err
}

// Prune implements jobs.Store.
func (s *jobStore) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	pruned := 0
	err := s.write(ctx, func(t *tx) error {
		old := s.attempts.find(t, func(_ int64, a jobAttempt) bool { return a.Ended.Before(micro(before)) })
		slices.SortFunc(old, func(a, b jobAttempt) int {
			return cmp.Or(a.Ended.Compare(b.Ended), cmp.Compare(a.Place, b.Place))
		})
		old = first(old, limit)
		for _, a := range old {
			s.attempts.delete(t, a.Place)
		}
		pruned = len(old)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return pruned, nil
}
