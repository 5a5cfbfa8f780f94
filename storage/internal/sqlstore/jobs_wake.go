package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// A claim does not ask free lanes one by one whether they have work: with thousands of
// them parked it would do little else. It reads hints, rows that say when a free lane is to
// be looked at. Whoever makes work for a free lane hints, and so does whoever frees one. A
// hint may come too early or for nothing. It may be missing where a transaction that began
// while the lane had an owner commits after that gave the lane back; then the signal that
// names the lane finds it, and failing that the sweep.

// laneHead is the due time of the first job of a lane l, NULL for none.
const laneHead = `(SELECT MIN(h.due) FROM (
		SELECT (SELECT MIN(j.due) FROM adminkit_jobs_job j
			WHERE j.tenant = l.tenant AND j.lane = l.lane AND j.priority = p.priority) AS due
		FROM (SELECT 1 AS priority UNION ALL SELECT 0 UNION ALL SELECT -1) p) h)`

// hint says of free lanes when they are to be looked at, where no hint does.
func (s jobStore) hint(ctx context.Context, c storage.Conn, ids ...jobs.LaneID) error {
	err := s.manyLanes(ctx, c, ids, func(x string) string {
		return `
		INSERT INTO adminkit_jobs_wake (tenant, lane, at)
		SELECT f.tenant, f.lane, f.at FROM (
			SELECT e.tenant, e.lane, CASE WHEN e.held_until > e.head THEN e.held_until ELSE e.head END AS at FROM (
				SELECT l.tenant, l.lane, l.held_until, ` + laneHead + ` AS head
				FROM ` + x + ` JOIN adminkit_jobs_lane l ON l.tenant = x.tenant AND l.lane = x.lane
				WHERE l.owner = 0 AND NOT l.paused) e
			WHERE e.head IS NOT NULL) f
		WHERE NOT EXISTS (
			SELECT 1 FROM adminkit_jobs_wake w WHERE w.tenant = f.tenant AND w.lane = f.lane AND w.at <= f.at)`
	})
	if err != nil {
		return fmt.Errorf("hint at lanes: %w", err)
	}
	return nil
}

// rehint replaces the hints at lanes, but for lanes that somebody is about to change: one
// that is being given back gets no hint for as long as there is one.
func (s jobStore) rehint(ctx context.Context, c storage.Conn, now time.Time, ids []jobs.LaneID) error {
	lock := ""
	if s.db.Dialect().Postgres {
		lock = ` FOR UPDATE OF l SKIP LOCKED`
	}
	err := s.manyLanes(ctx, c, ids, func(x string) string {
		return `
		DELETE FROM adminkit_jobs_wake WHERE at <= $3 AND (tenant, lane) IN (
			SELECT l.tenant, l.lane FROM ` + x + ` JOIN adminkit_jobs_lane l ON l.tenant = x.tenant AND l.lane = x.lane` + lock + `)`
	}, micros(now))
	if err != nil {
		return fmt.Errorf("delete hints: %w", err)
	}
	return s.hint(ctx, c, ids...)
}

// hintAtNew is what an enqueueing row by row does for a lane that gets a job due at a time:
// it makes the lane where there is none, and hints where nobody owns it.
func hintAtNew(ctx context.Context, c storage.Conn, id jobs.LaneID, due int64) error {
	if _, err := c.Exec(ctx, `
		INSERT INTO adminkit_jobs_lane (tenant, lane) VALUES ($1, $2) ON CONFLICT (tenant, lane) DO NOTHING`,
		id.Tenant, id.Lane); err != nil {
		return fmt.Errorf("insert lane: %w", err)
	}
	if _, err := c.Exec(ctx, `
		INSERT INTO adminkit_jobs_wake (tenant, lane, at)
		SELECT f.tenant, f.lane, f.at FROM (
			SELECT l.tenant, l.lane, MAX(l.held_until, $3) AS at FROM adminkit_jobs_lane l
			WHERE l.tenant = $1 AND l.lane = $2 AND l.owner = 0 AND NOT l.paused) f
		WHERE NOT EXISTS (
			SELECT 1 FROM adminkit_jobs_wake w WHERE w.tenant = f.tenant AND w.lane = f.lane AND w.at <= f.at)`,
		id.Tenant, id.Lane, due); err != nil {
		return fmt.Errorf("hint at lane: %w", err)
	}
	return nil
}

// hintAtBatch is the part of a statement on Postgres that hints at the lanes of jobs x. A
// lane that the statement makes itself is not there yet.
const hintAtBatch = `
		hinted AS (
			INSERT INTO adminkit_jobs_wake (tenant, lane, at)
			SELECT f.tenant, f.lane, f.at FROM (
				SELECT x.tenant, x.lane, MIN(GREATEST(x.due, COALESCE(l.held_until, 0))) AS at
				FROM (SELECT u.tenant COLLATE "C" AS tenant, u.lane COLLATE "C" AS lane, u.due
					FROM unnest($1::text[], $2::text[], $6::bigint[]) AS u (tenant, lane, due) LIMIT cardinality($1::text[])) x
				LEFT JOIN adminkit_jobs_lane l ON l.tenant = x.tenant AND l.lane = x.lane
				WHERE l.tenant IS NULL OR l.owner = 0 AND NOT l.paused
				GROUP BY x.tenant, x.lane) f
			WHERE NOT EXISTS (
				SELECT 1 FROM adminkit_jobs_wake w WHERE w.tenant = f.tenant AND w.lane = f.lane AND w.at <= f.at))`

// free frees the lanes of a worker that is no more. What waits in them is for their next
// owner to see.
func (s jobStore) free(ctx context.Context, c storage.Conn, worker int64, suspect bool) error {
	if _, err := c.Exec(ctx, `
		INSERT INTO adminkit_jobs_wake (tenant, lane, at)
		SELECT tenant, lane, 0 FROM adminkit_jobs_lane WHERE owner = $1 AND owner <> 0 AND NOT paused`, worker); err != nil {
		return fmt.Errorf("hint at lanes: %w", err)
	}
	if _, err := c.Exec(ctx, `
		UPDATE adminkit_jobs_lane SET owner = 0, suspect = suspect OR $2 WHERE owner = $1 AND owner <> 0`, worker, suspect); err != nil {
		return fmt.Errorf("free lanes: %w", err)
	}
	return nil
}
