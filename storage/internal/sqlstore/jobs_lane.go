package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// SetLane implements jobs.Store.
func (s jobStore) SetLane(ctx context.Context, tenant, lane string, config jobs.LaneConfig) error {
	return s.inTx(ctx, func(ctx context.Context, c storage.Conn) error {
		_, err := c.Exec(ctx, `
			INSERT INTO adminkit_jobs_lane (tenant, lane, cap, rate, burst, fifo, failures, cooldown)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (tenant, lane) DO UPDATE SET cap = excluded.cap, rate = excluded.rate, burst = excluded.burst,
				fifo = excluded.fifo, failures = excluded.failures, cooldown = excluded.cooldown`,
			tenant, lane, config.Cap, config.Rate, config.Burst, config.Order == jobs.FIFO,
			config.Breaker.Failures, config.Breaker.Cooldown.Microseconds())
		if err != nil {
			return fmt.Errorf("store lane: %w", err)
		}
		return s.lift(ctx, c, tenant, lane, `(held_for = 'breaker' AND failures = 0 OR held_for = 'retry' AND NOT fifo)`)
	})
}

// PauseLane implements jobs.Store.
func (s jobStore) PauseLane(ctx context.Context, tenant, lane string, paused bool) error {
	return s.inTx(ctx, func(ctx context.Context, c storage.Conn) error {
		query := `
			INSERT INTO adminkit_jobs_lane (tenant, lane, paused) VALUES ($1, $2, TRUE)
			ON CONFLICT (tenant, lane) DO UPDATE SET paused = TRUE`
		if !paused {
			query = `
			INSERT INTO adminkit_jobs_lane (tenant, lane) VALUES ($1, $2)
			ON CONFLICT (tenant, lane) DO UPDATE SET paused = FALSE,
				resumes = adminkit_jobs_lane.resumes + 1, held_until = 0, held_for = ''`
		}
		if _, err := c.Exec(ctx, query, tenant, lane); err != nil {
			return fmt.Errorf("store lane: %w", err)
		}
		if paused {
			return nil
		}
		return s.hint(ctx, c, jobs.LaneID{Tenant: tenant, Lane: lane})
	})
}

// lift ends what holds a lane, where a condition says that it does so for nothing. It counts
// as a resumption, so that the lane's owner hears of it.
func (s jobStore) lift(ctx context.Context, c storage.Conn, tenant, lane, condition string) error {
	n, err := c.Exec(ctx, `
		UPDATE adminkit_jobs_lane SET resumes = resumes + 1, held_until = 0, held_for = ''
		WHERE tenant = $1 AND lane = $2 AND `+condition, tenant, lane)
	if err != nil {
		return fmt.Errorf("lift hold of lane: %w", err)
	}
	if n == 0 {
		return nil
	}
	return s.hint(ctx, c, jobs.LaneID{Tenant: tenant, Lane: lane})
}

// hold writes the holds that came with outcomes, but for those that were missed. Only the
// owner of a lane holds it, and for nothing that its config has no more.
func (s jobStore) hold(ctx context.Context, c storage.Conn, worker int64, outcomes []jobs.Outcome, missed []int64) error {
	left := make(map[int64]bool, len(missed))
	for _, id := range missed {
		left[id] = true
	}
	for _, o := range outcomes {
		if o.Hold == nil || left[o.Job.ID] {
			continue
		}
		if _, err := c.Exec(ctx, `
			UPDATE adminkit_jobs_lane SET held_until = $4, held_for = $5 WHERE tenant = $1 AND lane = $2 AND owner = $3
				AND CASE $5 WHEN 'breaker' THEN failures > 0 WHEN 'retry' THEN fifo ELSE TRUE END`,
			o.Job.Tenant, o.Job.Lane, worker, micros(o.Hold.Until), string(o.Hold.Reason)); err != nil {
			return fmt.Errorf("hold lane: %w", err)
		}
	}
	return nil
}

// laneColumns are the columns of a lane l that its owner is told.
const laneColumns = `l.tenant, l.lane, l.cap, l.rate, l.burst, l.fifo, l.failures, l.cooldown,
	l.paused, l.resumes, l.held_until, l.held_for, l.suspect`

// laneScan reads laneColumns.
type laneScan struct {
	lane               jobs.Lane
	fifo               bool
	cooldown, heldTill int64
}

func (l *laneScan) dest() []any {
	return []any{
		&l.lane.Tenant, &l.lane.Lane, &l.lane.Cap, &l.lane.Rate, &l.lane.Burst, &l.fifo, &l.lane.Breaker.Failures, &l.cooldown,
		&l.lane.Paused, &l.lane.Resumes, &l.heldTill, (*string)(&l.lane.Hold.Reason), &l.lane.Suspect,
	}
}

func (l *laneScan) result() jobs.Lane {
	if l.fifo {
		l.lane.Order = jobs.FIFO
	}
	l.lane.Breaker.Cooldown = time.Duration(l.cooldown) * time.Microsecond
	l.lane.Hold.Until = fromMicros(l.heldTill)
	return l.lane
}

// scanLanes appends what a query for laneColumns answers.
func scanLanes(ctx context.Context, c storage.Conn, list []jobs.Lane, query string, args ...any) ([]jobs.Lane, error) {
	rows, err := c.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l laneScan
		if err := rows.Scan(l.dest()...); err != nil {
			return nil, err
		}
		list = append(list, l.result())
	}
	return list, rows.Err()
}

// manyLanes runs a statement for lanes: at once on Postgres, one by one on SQLite. In the
// statement x is where the lanes come from, with the columns tenant and lane; parameters
// of its own begin at $3.
func (s jobStore) manyLanes(ctx context.Context, c storage.Conn, ids []jobs.LaneID, statement func(x string) string, args ...any) error {
	query := statement(s.laneSource())
	return s.eachLanes(ids, func(args ...any) error {
		_, err := c.Exec(ctx, query, args...)
		return err
	}, args...)
}

// eachLanes calls run with the arguments of a statement that has lanes in it: once for all
// on Postgres, once for each on SQLite.
func (s jobStore) eachLanes(ids []jobs.LaneID, run func(args ...any) error, args ...any) error {
	if len(ids) == 0 {
		return nil
	}
	if s.db.Dialect().Postgres {
		return run(append(lanePairs(ids), args...)...)
	}
	for _, id := range ids {
		if err := run(append([]any{id.Tenant, id.Lane}, args...)...); err != nil {
			return err
		}
	}
	return nil
}

// laneSource is where the lanes of a statement come from.
//
// The limit, here and where else a list meets a table, has no effect but on the plan:
// Postgres reckons with one row instead of ten. For ten it reads a table that is still
// small from end to end, and keeps that plan while the table grows.
func (s jobStore) laneSource() string {
	if s.db.Dialect().Postgres {
		return `(SELECT u.tenant COLLATE "C" AS tenant, u.lane COLLATE "C" AS lane, u.number
			FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS u (tenant, lane, number) LIMIT cardinality($1::text[])) x`
	}
	return `(SELECT $1 AS tenant, $2 AS lane) x`
}

func lanePairs(ids []jobs.LaneID) []any {
	tenants, lanes := make([]string, len(ids)), make([]string, len(ids))
	for i, id := range ids {
		tenants[i], lanes[i] = id.Tenant, id.Lane
	}
	return []any{tenants, lanes}
}
