package memory

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"slices"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

func (s jobStore) Dead(ctx context.Context, tenant string, id int64) (dead jobs.DeadJob, err error) {
	err = s.b.read(ctx, "jobs.Dead", func(v view) error {
		row, ok := deadJobTable.get(v, deadJobRow{Job: jobs.Job{Tenant: tenant, ID: id}})
		if !ok {
			return storage.ErrNotFound
		}
		dead = copyDeadJob(row)
		return nil
	})
	return dead, err
}

func copyDeadJob(row deadJobRow) jobs.DeadJob {
	row.Payload = bytes.Clone(row.Payload)
	return jobs.DeadJob(row)
}

// chosenDead returns the rows that a filter lets through, of those that an order has in
// one piece.
func chosenDead(rows iter.Seq[deadJobRow], tenant string, filter jobs.Filter) iter.Seq[deadJobRow] {
	return func(yield func(deadJobRow) bool) {
		for row := range rows {
			if row.Tenant != tenant || filter.Lane != "" && row.Lane != filter.Lane {
				return
			}
			if (filter.Kind == "" || row.Kind == filter.Kind) && !yield(row) {
				return
			}
		}
	}
}

// deadOrder returns the order in which the rows of a filter's lane stand together.
func deadOrder(filter jobs.Filter) int {
	if filter.Lane == "" {
		return deadJobsByDeath
	}
	return deadJobsByLane
}

func (s jobStore) ListDead(ctx context.Context, tenant string, filter jobs.Filter, after jobs.Position, limit int) (list []jobs.DeadJob, err error) {
	err = s.b.read(ctx, "jobs.ListDead", func(v view) error {
		list = nil
		from := deadJobRow{Job: jobs.Job{Tenant: tenant, Lane: filter.Lane, ID: after.ID - 1}, Died: stored(after.At)}
		if after == (jobs.Position{}) { // the place behind the last row
			if filter.Lane == "" {
				from.Tenant += "\x00"
			} else {
				from.Lane += "\x00"
			}
		}
		rows := deadJobTable.descend(v, deadOrder(filter), from)
		for row := range chosenDead(rows, tenant, filter) {
			if len(list) == limit {
				break
			}
			list = append(list, copyDeadJob(row))
		}
		return nil
	})
	return list, err
}

// requeueDead makes a dead letter a job again, and reports false where another job has
// its key.
func requeueDead(v view, row deadJobRow, due time.Time) (job jobs.Job, ok bool) {
	job = row.Job
	job.Due, job.Attempt, job.Payload = stored(due), 0, bytes.Clone(row.Payload)
	if !insertJob(v, jobRow{Job: job}) {
		return jobs.Job{}, false
	}
	deadJobTable.delete(v, row)
	return job, true
}

func (s jobStore) Requeue(ctx context.Context, tenant string, id int64, due time.Time) (job jobs.Job, err error) {
	err = s.b.write(ctx, "jobs.Requeue", func(v view) error {
		row, ok := deadJobTable.get(v, deadJobRow{Job: jobs.Job{Tenant: tenant, ID: id}})
		if !ok {
			return storage.ErrNotFound
		}
		if job, ok = requeueDead(v, row, due); !ok {
			return storage.ErrConflict
		}
		return nil
	})
	return job, err
}

func (s jobStore) RequeueAll(ctx context.Context, tenant string, filter jobs.Filter, due time.Time, limit int) (list []jobs.Job, err error) {
	err = s.b.write(ctx, "jobs.RequeueAll", func(v view) error {
		list = nil
		n := 0
		rows := deadJobTable.ascend(v, deadOrder(filter), deadJobRow{Job: jobs.Job{Tenant: tenant, Lane: filter.Lane}})
		taken := map[string]bool{} // keys that were taken before
		for row := range chosenDead(rows, tenant, filter) {
			if n == limit {
				break
			}
			known, seen := taken[row.Key]
			if !seen && row.Key != "" {
				known = jobKeyTable.has(v, jobKeyRow{Tenant: tenant, Key: row.Key})
				taken[row.Key] = known
			}
			if known {
				continue
			}
			n++
			if job, ok := requeueDead(v, row, due); ok {
				list = append(list, job)
			}
		}
		slices.SortFunc(list, func(a, b jobs.Job) int { return cmp.Compare(a.ID, b.ID) })
		return nil
	})
	return list, err
}

func (s jobStore) Discard(ctx context.Context, tenant string, ids []int64) (list []jobs.DeadJob, err error) {
	err = s.b.write(ctx, "jobs.Discard", func(v view) error {
		list = nil
		for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
			row, ok := deadJobTable.get(v, deadJobRow{Job: jobs.Job{Tenant: tenant, ID: id}})
			if ok {
				deadJobTable.delete(v, row)
				list = append(list, copyDeadJob(row))
			}
		}
		return nil
	})
	return list, err
}
