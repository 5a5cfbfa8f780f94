package sqlstore

import (
	"context"
	"fmt"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// Claim implements jobs.Store. Most polls find nothing to take; they do not begin a
// writing transaction for that.
func (s jobStore) Claim(ctx context.Context, claim jobs.Claim) (claimed jobs.Claimed, err error) {
	if len(claim.Release) == 0 && !claim.Sync && claim.Sweep == nil {
		ready, err := s.ready(ctx, claim)
		if err != nil || !ready {
			return jobs.Claimed{}, err
		}
	}
	err = s.inTx(ctx, func(ctx context.Context, c storage.Conn) error {
		claimed = jobs.Claimed{}
		if err := s.fence(ctx, c, claim.Worker); err != nil {
			return err
		}
		if err := s.release(ctx, c, claim); err != nil {
			return err
		}
		if claim.Sync {
			if claimed.Held, err = s.held(ctx, c, claim.Worker); err != nil {
				return err
			}
		}
		if claim.Sweep != nil {
			if claimed.Swept, err = s.sweep(ctx, c, *claim.Sweep); err != nil {
				return err
			}
		}
		if claimed.Taken, err = s.take(ctx, c, claim); err != nil {
			return err
		}
		if !claim.Sync {
			return nil
		}
		return storage.QueryRow(ctx, c, `
			SELECT (SELECT COUNT(*) FROM adminkit_jobs_lane WHERE owner <> 0) + (
				SELECT COUNT(*) FROM (SELECT DISTINCT tenant, lane FROM adminkit_jobs_wake WHERE at <= $1) w
				JOIN adminkit_jobs_lane l ON l.tenant = w.tenant AND l.lane = w.lane
				WHERE l.owner = 0 AND NOT l.paused AND l.held_until <= $1 AND `+laneHead+` <= $1)`,
			[]any{micros(claim.Now)}, &claimed.Active)
	})
	if err != nil {
		return jobs.Claimed{}, err
	}
	return claimed, nil
}

// release gives lanes back.
func (s jobStore) release(ctx context.Context, c storage.Conn, claim jobs.Claim) error {
	err := s.manyLanes(ctx, c, claim.Release, func(x string) string {
		return `UPDATE adminkit_jobs_lane AS l SET owner = 0 FROM ` + x + ` WHERE l.tenant = x.tenant AND l.lane = x.lane AND l.owner = $3`
	}, claim.Worker)
	if err != nil {
		return fmt.Errorf("release lanes: %w", err)
	}
	return s.hint(ctx, c, claim.Release...)
}

// sweep hints at a page of all lanes, and answers where the page ends.
func (s jobStore) sweep(ctx context.Context, c storage.Conn, sweep jobs.Sweep) (end jobs.LaneID, err error) {
	rows, err := c.Query(ctx, `
		SELECT tenant, lane FROM adminkit_jobs_lane WHERE (tenant, lane) > ($1, $2) ORDER BY tenant, lane LIMIT $3`,
		sweep.After.Tenant, sweep.After.Lane, sweep.Limit)
	if err != nil {
		return end, fmt.Errorf("read lanes: %w", err)
	}
	defer rows.Close()
	var page []jobs.LaneID
	for rows.Next() {
		var id jobs.LaneID
		if err := rows.Scan(&id.Tenant, &id.Lane); err != nil {
			return end, fmt.Errorf("read lanes: %w", err)
		}
		page = append(page, id)
	}
	if err := rows.Err(); err != nil {
		return end, fmt.Errorf("read lanes: %w", err)
	}
	rows.Close()
	if len(page) == sweep.Limit {
		end = page[len(page)-1]
	}
	return end, s.hint(ctx, c, page...)
}

// ready reports whether there may be a lane to take.
func (s jobStore) ready(ctx context.Context, claim jobs.Claim) (ready bool, err error) {
	if claim.Take == 0 {
		return false, nil
	}
	c, err := s.db.Reader(ctx)
	if err != nil {
		return false, err
	}
	err = storage.QueryRow(ctx, c, `
		SELECT EXISTS (SELECT 1 FROM adminkit_jobs_wake WHERE at <= $1)`, []any{micros(claim.Now)}, &ready)
	if err != nil || ready {
		return ready, err
	}
	found, err := s.look(ctx, c, claim.Probe, "")
	for _, l := range found {
		ready = ready || l.startsBy(micros(claim.Now))
	}
	return ready, err
}

// held reads the lanes that a worker owns.
func (s jobStore) held(ctx context.Context, c storage.Conn, worker int64) (lanes []jobs.Lane, err error) {
	rows, err := c.Query(ctx, `
		SELECT `+laneColumns+` FROM adminkit_jobs_lane l WHERE l.owner = $1 AND l.owner <> 0`, worker)
	if err != nil {
		return nil, fmt.Errorf("read lanes: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var l laneScan
		if err := rows.Scan(l.dest()...); err != nil {
			return nil, fmt.Errorf("read lanes: %w", err)
		}
		lanes = append(lanes, l.result())
	}
	return lanes, rows.Err()
}

// A seenLane is a lane as a claim sees it.
type seenLane struct {
	jobs.Lane
	owner, head int64 // head is 0 where there is no job
}

// startsBy reports whether the lane is free and has work that may start by a time.
func (l seenLane) startsBy(now int64) bool {
	return l.owner == 0 && !l.Paused && l.head > 0 && l.head <= now && micros(l.Hold.Until) <= now
}

// look reads lanes, those that it can lock where it is to.
func (s jobStore) look(ctx context.Context, c storage.Conn, ids []jobs.LaneID, lock string) (list []seenLane, err error) {
	query := `
		SELECT ` + laneColumns + `, l.owner, COALESCE(` + laneHead + `, 0)
		FROM ` + s.laneSource() + ` JOIN adminkit_jobs_lane l ON l.tenant = x.tenant AND l.lane = x.lane` + lock
	read := func(args ...any) error {
		rows, err := c.Query(ctx, query, args...)
		if err != nil {
			return fmt.Errorf("read lanes: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var l laneScan
			var seen seenLane
			if err := rows.Scan(append(l.dest(), &seen.owner, &seen.head)...); err != nil {
				return fmt.Errorf("read lanes: %w", err)
			}
			seen.Lane = l.result()
			list = append(list, seen)
		}
		return rows.Err()
	}
	if len(ids) == 0 {
		return nil, nil
	}
	if s.db.Dialect().Postgres {
		return list, read(lanePairs(ids)...)
	}
	for _, id := range ids {
		if err := read(id.Tenant, id.Lane); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// minHints is how many hints a claim reads at a time at least.
const minHints = 64

// take makes free lanes with due jobs the worker's: those that are named first, then those
// that hints name, the earliest first. Hints that were read are gone; a lane that is not
// taken gets one for when it is to be looked at again.
func (s jobStore) take(ctx context.Context, c storage.Conn, claim jobs.Claim) (taken []jobs.Lane, err error) {
	lock := ""
	if s.db.Dialect().Postgres {
		lock = ` FOR UPDATE OF l SKIP LOCKED`
	}
	var locked []jobs.LaneID
	taking := func(ids []jobs.LaneID) error {
		found, err := s.look(ctx, c, ids, lock)
		if err != nil {
			return err
		}
		missing := make(map[jobs.LaneID]bool, len(ids))
		for _, id := range ids {
			missing[id] = true
		}
		var mine, later []jobs.LaneID
		for _, l := range found {
			delete(missing, l.LaneID)
			switch {
			case !l.startsBy(micros(claim.Now)) || len(taken) == claim.Take:
				later = append(later, l.LaneID)
			default:
				mine = append(mine, l.LaneID)
				taken = append(taken, l.Lane)
			}
		}
		for id := range missing {
			locked = append(locked, id)
		}
		err = s.manyLanes(ctx, c, mine, func(x string) string {
			return `UPDATE adminkit_jobs_lane AS l SET owner = $3, suspect = FALSE FROM ` + x + ` WHERE l.tenant = x.tenant AND l.lane = x.lane`
		}, claim.Worker)
		if err != nil {
			return fmt.Errorf("take lanes: %w", err)
		}
		return s.hint(ctx, c, later...)
	}
	if claim.Take == 0 {
		return nil, nil
	}
	if err := taking(claim.Probe); err != nil {
		return nil, err
	}
	locked = nil // whoever holds them looks at them
	for len(taken) < claim.Take {
		limit := max(claim.Take-len(taken), minHints)
		ids, n, err := s.hints(ctx, c, micros(claim.Now), limit)
		if err != nil {
			return nil, err
		}
		if err := taking(ids); err != nil {
			return nil, err
		}
		if n < limit {
			break
		}
	}
	return taken, s.rehint(ctx, c, locked)
}

// hints takes the earliest hints there are, and answers the lanes that they name and how
// many they were.
func (s jobStore) hints(ctx context.Context, c storage.Conn, now int64, limit int) (ids []jobs.LaneID, n int, err error) {
	rows, err := c.Query(ctx, `
		DELETE FROM adminkit_jobs_wake WHERE id IN (
			SELECT id FROM adminkit_jobs_wake WHERE at <= $1 ORDER BY at, id LIMIT $2`+s.db.Dialect().SkipLocked+`)
		RETURNING tenant, lane`, now, limit)
	if err != nil {
		return nil, 0, fmt.Errorf("read hints: %w", err)
	}
	defer rows.Close()
	seen := map[jobs.LaneID]bool{}
	for rows.Next() {
		var id jobs.LaneID
		if err := rows.Scan(&id.Tenant, &id.Lane); err != nil {
			return nil, 0, fmt.Errorf("read hints: %w", err)
		}
		n++
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return ids, n, rows.Err()
}
