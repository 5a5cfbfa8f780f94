package sqlstore

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// Dead implements jobs.Store.
func (s jobStore) Dead(ctx context.Context, tenant string, id int64) (jobs.DeadJob, error) {
	c, err := s.db.Reader(ctx)
	if err != nil {
		return jobs.DeadJob{}, err
	}
	return deadJob(ctx, c, `
		SELECT id, tenant, lane, kind, due, attempt, trace, payload, reason, died FROM adminkit_jobs_dead
		WHERE tenant = $1 AND id = $2`, tenant, id)
}

func deadJob(ctx context.Context, c storage.Conn, query string, args ...any) (jobs.DeadJob, error) {
	rows, err := c.Query(ctx, query, args...)
	if err != nil {
		return jobs.DeadJob{}, fmt.Errorf("read dead letter: %w", err)
	}
	list, err := scanDeadJobs(rows)
	switch {
	case err != nil:
		return jobs.DeadJob{}, err
	case len(list) == 0:
		return jobs.DeadJob{}, storage.ErrNotFound
	}
	return list[0], nil
}

// ListDead implements jobs.Store.
func (s jobStore) ListDead(ctx context.Context, tenant string, after jobs.Position, limit int) ([]jobs.DeadJob, error) {
	c, err := s.db.Reader(ctx)
	if err != nil {
		return nil, err
	}
	died, id := micros(after.At), after.ID
	if after == (jobs.Position{}) {
		died, id = math.MaxInt64, math.MaxInt64
	}
	rows, err := c.Query(ctx, `
		SELECT id, tenant, lane, kind, due, attempt, trace, payload, reason, died FROM adminkit_jobs_dead
		WHERE tenant = $1 AND (died, id) < ($2, $3) ORDER BY died DESC, id DESC LIMIT $4`,
		tenant, died, id, limit)
	if err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	return scanDeadJobs(rows)
}

func scanDeadJobs(rows storage.Rows) (list []jobs.DeadJob, err error) {
	defer rows.Close()
	for rows.Next() {
		var d jobs.DeadJob
		var due, died int64
		if err := rows.Scan(&d.ID, &d.Tenant, &d.Lane, &d.Kind, &due, &d.Attempt, &d.Trace, &d.Payload, &d.Reason, &died); err != nil {
			return nil, fmt.Errorf("read dead letters: %w", err)
		}
		d.Due, d.Died, d.Payload = fromMicros(due), fromMicros(died), orNil(d.Payload)
		list = append(list, d)
	}
	return list, rows.Err()
}

// Requeue implements jobs.Store.
func (s jobStore) Requeue(ctx context.Context, tenant string, id int64, due time.Time) (job jobs.Job, err error) {
	err = s.inTx(ctx, func(ctx context.Context, c storage.Conn) error {
		dead, err := deadJob(ctx, c, `
			SELECT id, tenant, lane, kind, due, attempt, trace, payload, reason, died FROM adminkit_jobs_dead
			WHERE tenant = $1 AND id = $2`+s.db.Dialect().ForUpdate, tenant, id)
		if err != nil {
			return err
		}
		job = dead.Job
		job.Due, job.Attempt = fromMicros(micros(due)), 0
		if _, err := c.Exec(ctx, `
			DELETE FROM adminkit_jobs_dead WHERE tenant = $1 AND id = $2`, tenant, id); err != nil {
			return fmt.Errorf("delete dead letter: %w", err)
		}
		if _, err := c.Exec(ctx, `
			INSERT INTO adminkit_jobs_job (id, tenant, lane, kind, due, attempt, lost, trace, payload)
			VALUES ($1, $2, $3, $4, $5, 0, 0, $6, $7)`,
			job.ID, job.Tenant, job.Lane, job.Kind, micros(due), job.Trace, notNull(job.Payload)); err != nil {
			return fmt.Errorf("insert job: %w", err)
		}
		return nil
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
