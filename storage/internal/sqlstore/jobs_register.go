package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// Job implements jobs.Store.
func (s jobStore) Job(ctx context.Context, tenant string, id int64) (jobs.Job, error) {
	return s.oneJob(ctx, `
		SELECT id, tenant, lane, kind, key, priority, due, attempt, lost, trace, payload FROM adminkit_jobs_job
		WHERE tenant = $1 AND id = $2`, tenant, id)
}

// Lookup implements jobs.Store.
func (s jobStore) Lookup(ctx context.Context, tenant, key string) (jobs.Job, error) {
	return s.oneJob(ctx, `
		SELECT id, tenant, lane, kind, key, priority, due, attempt, lost, trace, payload FROM adminkit_jobs_job
		WHERE tenant = $1 AND key = $2 AND key <> ''`, tenant, key)
}

func (s jobStore) oneJob(ctx context.Context, query string, args ...any) (jobs.Job, error) {
	list, err := s.listJobs(ctx, query, args...)
	switch {
	case err != nil:
		return jobs.Job{}, err
	case len(list) == 0:
		return jobs.Job{}, storage.ErrNotFound
	}
	return list[0], nil
}

// ListJobs implements jobs.Store. It reads the levels of the lane one by one, which is how
// the index has them.
func (s jobStore) ListJobs(ctx context.Context, tenant string, filter jobs.Filter, after jobs.Position, limit int) ([]jobs.Job, error) {
	level := `(
			SELECT id, tenant, lane, kind, key, priority, due, attempt, lost, trace, payload FROM adminkit_jobs_job
			WHERE tenant = $1` + chosen(filter) + ` AND (due, id) > ($4, $5) AND priority = `
	const first = ` ORDER BY due, id LIMIT $6)`
	return s.listJobs(ctx, `
		SELECT * FROM `+level+`1`+first+` high
		UNION ALL
		SELECT * FROM `+level+`0`+first+` normal
		UNION ALL
		SELECT * FROM `+level+`-1`+first+` low
		ORDER BY due, id LIMIT $6`,
		tenant, filter.Lane, filter.Kind, micros(after.At), after.ID, limit)
}

func (s jobStore) listJobs(ctx context.Context, query string, args ...any) ([]jobs.Job, error) {
	c, err := s.db.Reader(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := c.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read jobs: %w", err)
	}
	list, err := scanJobs(rows, nil)
	return asJobs(list), err
}

// asJobs drops what only the owner of a lane has to know.
func asJobs(list []jobs.Fetched) []jobs.Job {
	if len(list) == 0 {
		return nil
	}
	all := make([]jobs.Job, len(list))
	for i, f := range list {
		all[i] = f.Job
	}
	return all
}

// Cancel implements jobs.Store.
func (s jobStore) Cancel(ctx context.Context, tenant string, id int64, at time.Time) (job jobs.Job, err error) {
	err = s.inTx(ctx, func(ctx context.Context, c storage.Conn) error {
		rows, err := c.Query(ctx, `
			DELETE FROM adminkit_jobs_job WHERE tenant = $1 AND id = $2
			RETURNING id, tenant, lane, kind, key, priority, due, attempt, lost, trace, payload`, tenant, id)
		if err != nil {
			return fmt.Errorf("cancel job: %w", err)
		}
		list, err := scanJobs(rows, nil)
		switch {
		case err != nil:
			return err
		case len(list) == 0:
			return storage.ErrNotFound
		}
		job = list[0].Job
		if _, err := c.Exec(ctx, `
			INSERT INTO adminkit_jobs_attempt (tenant, job, number, worker, result, reason, started, ended)
			VALUES ($1, $2, $3, 0, $4, '', $5, $5)`,
			tenant, id, job.Attempt+list[0].Lost, string(jobs.Cancelled), micros(at)); err != nil {
			return fmt.Errorf("record cancelling: %w", err)
		}
		if job.Attempt == 0 {
			return nil
		}
		return s.lift(ctx, c, job.Tenant, job.Lane, `held_for = 'retry'`)
	})
	return job, err
}

// Attempts implements jobs.Store.
func (s jobStore) Attempts(ctx context.Context, tenant string, job int64, limit int) (list []jobs.Attempt, err error) {
	c, err := s.db.Reader(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := c.Query(ctx, `
		SELECT job, number, worker, result, reason, started, ended FROM adminkit_jobs_attempt
		WHERE tenant = $1 AND job = $2 ORDER BY id DESC LIMIT $3`, tenant, job, limit)
	if err != nil {
		return nil, fmt.Errorf("read attempts: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var a jobs.Attempt
		var started, ended int64
		if err := rows.Scan(&a.Job, &a.Number, &a.Worker, (*string)(&a.Result), &a.Reason, &started, &ended); err != nil {
			return nil, fmt.Errorf("read attempts: %w", err)
		}
		a.Started, a.Ended = fromMicros(started), fromMicros(ended)
		list = append(list, a)
	}
	return list, rows.Err()
}
