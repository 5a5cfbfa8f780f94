package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
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
		SELECT id, tenant, lane, kind, key, priority, due, attempt, trace, payload, reason, died FROM adminkit_jobs_dead
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
func (s jobStore) ListDead(ctx context.Context, tenant string, filter jobs.Filter, after jobs.Position, limit int) ([]jobs.DeadJob, error) {
	c, err := s.db.Reader(ctx)
	if err != nil {
		return nil, err
	}
	died, id := micros(after.At), after.ID
	if after == (jobs.Position{}) {
		died, id = math.MaxInt64, math.MaxInt64
	}
	rows, err := c.Query(ctx, `
		SELECT id, tenant, lane, kind, key, priority, due, attempt, trace, payload, reason, died FROM adminkit_jobs_dead
		WHERE tenant = $1`+chosen(filter)+` AND (died, id) < ($4, $5) ORDER BY died DESC, id DESC LIMIT $6`,
		tenant, filter.Lane, filter.Kind, died, id, limit)
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
		if err := rows.Scan(&d.ID, &d.Tenant, &d.Lane, &d.Kind, &d.Key, &d.Priority, &due, &d.Attempt, &d.Trace, &d.Payload, &d.Reason, &died); err != nil {
			return nil, fmt.Errorf("read dead letters: %w", err)
		}
		d.Due, d.Died, d.Payload = fromMicros(due), fromMicros(died), orNil(d.Payload)
		list = append(list, d)
	}
	return list, rows.Err()
}

// chosen is the part of a WHERE that holds for what a filter lets through, whose lane and
// kind are bound as $2 and $3. What is not asked for is not compared, so that the planner
// sees which index serves.
func chosen(filter jobs.Filter) string {
	lane, kind := ` AND lane = $2`, ` AND kind = $3`
	if filter.Lane == "" {
		lane = ` AND $2 = ''`
	}
	if filter.Kind == "" {
		kind = ` AND $3 = ''`
	}
	return lane + kind
}

// Requeue implements jobs.Store.
func (s jobStore) Requeue(ctx context.Context, tenant string, id int64, due time.Time) (job jobs.Job, err error) {
	err = s.inTx(ctx, func(ctx context.Context, c storage.Conn) error {
		dead, err := deadJob(ctx, c, `
			SELECT id, tenant, lane, kind, key, priority, due, attempt, trace, payload, reason, died FROM adminkit_jobs_dead
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
		n, err := c.Exec(ctx, `
			INSERT INTO adminkit_jobs_job (id, tenant, lane, kind, key, priority, due, attempt, lost, trace, payload)
			VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, $8, $9)`+unlessKeyed,
			job.ID, job.Tenant, job.Lane, job.Kind, job.Key, int64(job.Priority), micros(due), job.Trace, notNull(job.Payload))
		switch {
		case err != nil:
			return fmt.Errorf("insert job: %w", err)
		case n == 0:
			return fmt.Errorf("a job has the key of the dead letter: %w", storage.ErrConflict)
		}
		return s.hintAtRequeued(ctx, c, jobs.LaneID{Tenant: job.Tenant, Lane: job.Lane})
	})
	if err != nil {
		return jobs.Job{}, err
	}
	return job, nil
}

// RequeueAll implements jobs.Store.
func (s jobStore) RequeueAll(ctx context.Context, tenant string, filter jobs.Filter, due time.Time, limit int) (list []jobs.Job, err error) {
	err = s.inTx(ctx, func(ctx context.Context, c storage.Conn) error {
		rows, err := c.Query(ctx, `
			INSERT INTO adminkit_jobs_job (id, tenant, lane, kind, key, priority, due, attempt, lost, trace, payload)
			SELECT d.id, d.tenant, d.lane, d.kind, d.key, d.priority, CAST($4 AS BIGINT), 0, 0, d.trace, d.payload FROM (
				SELECT id, tenant, lane, kind, key, priority, trace, payload FROM adminkit_jobs_dead dead
				WHERE tenant = $1`+chosen(filter)+` AND NOT EXISTS (
					SELECT 1 FROM adminkit_jobs_job j WHERE j.tenant = $1 AND j.key = dead.key AND j.key <> '')
				ORDER BY died, id LIMIT $5`+s.db.Dialect().SkipLocked+`) d
			WHERE TRUE`+unlessKeyed+`
			RETURNING id, tenant, lane, kind, key, priority, due, attempt, lost, trace, payload`,
			tenant, filter.Lane, filter.Kind, micros(due), limit)
		if err != nil {
			return fmt.Errorf("requeue dead letters: %w", err)
		}
		back, err := scanJobs(rows, nil)
		if err != nil {
			return err
		}
		list = asJobs(back)
		slices.SortFunc(list, func(a, b jobs.Job) int { return cmp.Compare(a.ID, b.ID) })
		ids := make([]int64, len(list))
		for i, j := range list {
			ids[i] = j.ID
		}
		if _, err := c.Exec(ctx, `
			DELETE FROM adminkit_jobs_dead WHERE tenant = $1 AND id `+s.db.Dialect().In(2), tenant, s.db.Dialect().List(ids)); err != nil {
			return fmt.Errorf("delete dead letters: %w", err)
		}
		var lanes []jobs.LaneID
		for _, j := range list {
			if id := (jobs.LaneID{Tenant: j.Tenant, Lane: j.Lane}); !slices.Contains(lanes, id) {
				lanes = append(lanes, id)
			}
		}
		return s.hintAtRequeued(ctx, c, lanes...)
	})
	return list, err
}

// Discard implements jobs.Store.
func (s jobStore) Discard(ctx context.Context, tenant string, ids []int64) (list []jobs.DeadJob, err error) {
	err = s.inTx(ctx, func(ctx context.Context, c storage.Conn) error {
		rows, err := c.Query(ctx, `
			DELETE FROM adminkit_jobs_dead WHERE tenant = $1 AND id `+s.db.Dialect().In(2)+`
			RETURNING id, tenant, lane, kind, key, priority, due, attempt, trace, payload, reason, died`,
			tenant, s.db.Dialect().List(ids))
		if err != nil {
			return fmt.Errorf("delete dead letters: %w", err)
		}
		if list, err = scanDeadJobs(rows); err != nil {
			return err
		}
		slices.SortFunc(list, func(a, b jobs.DeadJob) int { return cmp.Compare(a.ID, b.ID) })
		return nil
	})
	return list, err
}
