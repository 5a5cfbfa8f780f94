package mapstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// died returns the position of a dead letter.
func died(j jobs.DeadJob) jobs.Position { return jobs.Position{At: j.Died, ID: j.ID} }

// deadJob returns a dead letter of a tenant.
func (s *jobStore) deadJob(t *tx, tenant string, id int64) (jobs.DeadJob, error) {
	j, ok := s.dead.get(t, id)
	if !ok || j.Tenant != tenant {
		return jobs.DeadJob{}, storage.ErrNotFound
	}
	return j, nil
}

// Dead implements jobs.Store.
func (s *jobStore) Dead(ctx context.Context, tenant string, id int64) (jobs.DeadJob, error) {
	var job jobs.DeadJob
	err := s.read(ctx, func(t *tx) (err error) {
		job, err = s.deadJob(t, tenant, id)
		return err
	})
	return job, err
}

// ListDead implements jobs.Store.
func (s *jobStore) ListDead(ctx context.Context, tenant string, filter jobs.Filter, after jobs.Position, limit int) ([]jobs.DeadJob, error) {
	start := after == jobs.Position{}
	after.At = micro(after.At)
	found, err := find(ctx, s.Backend, &s.dead, func(_ int64, j jobs.DeadJob) bool {
		return j.Tenant == tenant && passes(filter, j.Job) && (start || comparePositions(died(j), after) < 0)
	})
	slices.SortFunc(found, func(a, b jobs.DeadJob) int { return comparePositions(died(b), died(a)) })
	return first(found, limit), err
}

// Requeue implements jobs.Store.
func (s *jobStore) Requeue(ctx context.Context, tenant string, id int64, due time.Time) (jobs.Job, error) {
	var job jobs.Job
	err := s.write(ctx, func(t *tx) error {
		j, err := s.deadJob(t, tenant, id)
		if err != nil {
			return err
		}
		var free bool
		if job, free = s.requeue(t, j, due); !free {
			return storage.ErrConflict
		}
		return nil
	})
	if err != nil {
		return jobs.Job{}, err
	}
	return job, nil
}

// RequeueAll implements jobs.Store.
func (s *jobStore) RequeueAll(ctx context.Context, tenant string, filter jobs.Filter, due time.Time, limit int) ([]jobs.Job, error) {
	var all []jobs.Job
	err := s.write(ctx, func(t *tx) error {
		found := s.dead.find(t, func(_ int64, j jobs.DeadJob) bool { return j.Tenant == tenant && passes(filter, j.Job) })
		slices.SortFunc(found, func(a, b jobs.DeadJob) int { return comparePositions(died(a), died(b)) })
		for _, j := range found {
			if len(all) == limit {
				break
			}
			if job, free := s.requeue(t, j, due); free {
				all = append(all, job)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b jobs.Job) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

// requeue makes a job of a dead letter, and reports false where another job has its key.
func (s *jobStore) requeue(t *tx, j jobs.DeadJob, due time.Time) (jobs.Job, bool) {
	if j.Key != "" && s.keys.has(t, tenantID{j.Tenant, j.Key}) {
		return jobs.Job{}, false
	}
	s.dead.delete(t, j.ID)
	j.Due, j.Attempt = micro(due), 0
	s.add(t, j.Job)
	return j.Job, true
}

// Discard implements jobs.Store.
func (s *jobStore) Discard(ctx context.Context, tenant string, ids []int64) ([]jobs.DeadJob, error) {
	var discarded []jobs.DeadJob
	err := s.write(ctx, func(t *tx) error {
		for _, id := range ids {
			if j, err := s.deadJob(t, tenant, id); err == nil {
				s.dead.delete(t, id)
				discarded = append(discarded, j)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(discarded, func(a, b jobs.DeadJob) int { return cmp.Compare(a.ID, b.ID) })
	return discarded, nil
}
