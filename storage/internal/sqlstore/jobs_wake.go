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
//
// Whoever finds a hint that is early enough needs none of its own, but only as long as that
// one stays: a claim that cannot see the new job yet takes the hint for one that leads to
// nothing. So on Postgres the hint is locked by whoever relies on it, and no claim deletes
// one that is. Nobody waits for such a lock: who cannot have it leaves a hint of its own,
// or leaves the hint where it is.

// laneHead is the due time of the first job of a lane l, NULL for none.
const laneHead = `(SELECT MIN(h.due) FROM (
		SELECT (SELECT MIN(j.due) FROM adminkit_jobs_job j
			WHERE j.tenant = l.tenant AND j.lane = l.lane AND j.priority = p.priority) AS due
		FROM (SELECT 1 AS priority UNION ALL SELECT 0 UNION ALL SELECT -1) p) h)`

// unlessHinted ends a statement that hints at lanes f: it leaves out those with a hint that
// is early enough.
const unlessHinted = `
		WHERE NOT EXISTS (
			SELECT 1 FROM adminkit_jobs_wake w WHERE w.tenant = f.tenant AND w.lane = f.lane AND w.at <= f.at)`

// unlessHintedLocked does so on Postgres. A hint that was deleted since the statement began
// is no hint to it.
const unlessHintedLocked = `
		LEFT JOIN LATERAL (
			SELECT w.id FROM adminkit_jobs_wake w WHERE w.tenant = f.tenant AND w.lane = f.lane AND w.at <= f.at
			LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) kept ON TRUE
		WHERE kept.id IS NULL`

// hint says of free lanes when they are to be looked at, where no hint does. It serves for
// jobs that have committed: whoever deletes the hint that is there sees them.
func (s jobStore) hint(ctx context.Context, c storage.Conn, ids ...jobs.LaneID) error {
	return s.hintUnless(ctx, c, unlessHinted, ids)
}

// hintAtRequeued does so for jobs that the transaction itself brings.
func (s jobStore) hintAtRequeued(ctx context.Context, c storage.Conn, ids ...jobs.LaneID) error {
	if s.db.Dialect().Postgres {
		return s.hintUnless(ctx, c, unlessHintedLocked, ids)
	}
	return s.hintUnless(ctx, c, unlessHinted, ids)
}

func (s jobStore) hintUnless(ctx context.Context, c storage.Conn, unless string, ids []jobs.LaneID) error {
	err := s.manyLanes(ctx, c, ids, func(x string) string {
		return `
		INSERT INTO adminkit_jobs_wake (tenant, lane, at)
		SELECT f.tenant, f.lane, f.at FROM (
			SELECT e.tenant, e.lane, CASE WHEN e.held_until > e.head THEN e.held_until ELSE e.head END AS at FROM (
				SELECT l.tenant, l.lane, l.held_until, ` + laneHead + ` AS head
				FROM ` + x + ` JOIN adminkit_jobs_lane l ON l.tenant = x.tenant AND l.lane = x.lane
				WHERE l.owner = 0 AND NOT l.paused) e
			WHERE e.head IS NOT NULL) f` + unless
	})
	if err != nil {
		return fmt.Errorf("hint at lanes: %w", err)
	}
	return nil
}

// rehint replaces the hints at lanes, but for lanes that somebody is about to change: one
// that is being given back gets no hint for as long as there is one.
func (s jobStore) rehint(ctx context.Context, c storage.Conn, now time.Time, ids []jobs.LaneID) error {
	err := s.manyLanes(ctx, c, ids, func(x string) string {
		if s.db.Dialect().Postgres {
			return `
		DELETE FROM adminkit_jobs_wake WHERE id = ANY(ARRAY(
			SELECT w.id FROM ` + x + ` JOIN adminkit_jobs_lane l ON l.tenant = x.tenant AND l.lane = x.lane
			JOIN adminkit_jobs_wake w ON w.tenant = l.tenant AND w.lane = l.lane AND w.at <= $3
			FOR UPDATE OF l, w SKIP LOCKED))`
		}
		return `
		DELETE FROM adminkit_jobs_wake WHERE at <= $3 AND (tenant, lane) IN (
			SELECT l.tenant, l.lane FROM ` + x + ` JOIN adminkit_jobs_lane l ON l.tenant = x.tenant AND l.lane = x.lane)`
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
			WHERE l.tenant = $1 AND l.lane = $2 AND l.owner = 0 AND NOT l.paused) f`+unlessHinted,
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
				GROUP BY x.tenant, x.lane) f` + unlessHintedLocked + `)`

// free frees the lanes of a worker that is no more. What waits in them is for their next
// owner to see.
func (s jobStore) free(ctx context.Context, c storage.Conn, worker int64, suspect bool) error {
	if _, err := c.Exec(ctx, `
		INSERT INTO adminkit_jobs_wake (tenant, lane, at)
		SELECT tenant, lane, 0 FROM adminkit_jobs_lane WHERE owner = $1 AND owner <> 0 AND NOT paused`, worker); err != nil {
		return fmt.Errorf("hint at lanes: %w", err)
	}
	if s.db.Dialect().Postgres { // in the order in which a release locks them
		if _, err := c.Exec(ctx, `
		SELECT 1 FROM adminkit_jobs_lane WHERE owner = $1 AND owner <> 0 ORDER BY tenant, lane FOR NO KEY UPDATE`, worker); err != nil {
			return fmt.Errorf("lock lanes: %w", err)
		}
	}
	if _, err := c.Exec(ctx, `
		UPDATE adminkit_jobs_lane SET owner = 0, suspect = suspect OR $2 WHERE owner = $1 AND owner <> 0`, worker, suspect); err != nil {
		return fmt.Errorf("free lanes: %w", err)
	}
	return nil
}
