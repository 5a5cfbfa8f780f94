package memory

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"
	"unique"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

func copyJob(row jobRow) jobs.Job {
	row.Payload = bytes.Clone(row.Payload)
	return row.Job
}

// aJob returns a job of a tenant.
func aJob(v view, tenant string, id int64) (jobRow, error) {
	row, ok := jobTable.get(v, jobRow{Job: jobs.Job{ID: id}})
	if !ok || row.Tenant != tenant {
		return jobRow{}, storage.ErrNotFound
	}
	return row, nil
}

func (s jobStore) Job(ctx context.Context, tenant string, id int64) (job jobs.Job, err error) {
	err = s.b.read(ctx, "jobs.Job", func(v view) error {
		row, err := aJob(v, tenant, id)
		job = copyJob(row)
		return err
	})
	return job, err
}

func (s jobStore) Lookup(ctx context.Context, tenant, key string) (job jobs.Job, err error) {
	err = s.b.read(ctx, "jobs.Lookup", func(v view) error {
		holder, ok := jobKeyTable.get(v, jobKeyRow{Tenant: tenant, Key: key})
		if !ok {
			return storage.ErrNotFound
		}
		row, err := aJob(v, tenant, holder.Job)
		job = copyJob(row)
		return err
	})
	return job, err
}

func (s jobStore) ListJobs(ctx context.Context, tenant string, filter jobs.Filter, after jobs.Position, limit int) (list []jobs.Job, err error) {
	err = s.b.read(ctx, "jobs.ListJobs", func(v view) error {
		list = nil
		for level := range jobs.Levels {
			from := firstJob(jobs.LaneID{Tenant: tenant, Lane: filter.Lane}, jobs.AtLevel(level), after)
			n := 0
			for row := range jobTable.ascend(v, jobsByDue, from) {
				if row.lane() != from.lane() || row.Priority != from.Priority || n == limit {
					break
				}
				if filter.Kind == "" || row.Kind == filter.Kind {
					list = append(list, copyJob(row))
					n++
				}
			}
		}
		slices.SortFunc(list, func(a, b jobs.Job) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID)) })
		list = list[:min(len(list), limit)]
		return nil
	})
	return list, err
}

func (s jobStore) Cancel(ctx context.Context, tenant string, id int64, at time.Time) (job jobs.Job, err error) {
	err = s.b.write(ctx, "jobs.Cancel", func(v view) error {
		row, err := aJob(v, tenant, id)
		if err != nil {
			return err
		}
		removeJob(v, row)
		jobAttemptTable.put(v, rowOfJobAttempt(tenant, nextID(v, "jobs.attempt"), jobs.Attempt{
			Job: id, Number: row.Attempt + row.Lost, Result: jobs.Cancelled, Started: at, Ended: at,
		}))
		if lane, ok := jobLaneTable.get(v, laneProbe(row.lane())); ok && row.Attempt > 0 && lane.Hold.Reason == jobs.HeldForRetry {
			liftLane(v, lane)
		}
		job = copyJob(row)
		return nil
	})
	return job, err
}

func (s jobStore) Attempts(ctx context.Context, tenant string, job int64, limit int) (list []jobs.Attempt, err error) {
	err = s.b.read(ctx, "jobs.Attempts", func(v view) error {
		list = nil
		from := jobAttemptRow{tenant: unique.Make(tenant), Job: job + 1}
		for row := range jobAttemptTable.descend(v, jobAttemptsByJob, from) {
			if row.tenant != from.tenant || row.Job != job || len(list) == limit {
				break
			}
			list = append(list, row.attempt())
		}
		return nil
	})
	return list, err
}
