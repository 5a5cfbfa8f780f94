package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// Claim implements jobs.Store. Most polls find nothing to take; they do not begin a
// writing transaction for that. On SQLite, where such a one waits for all others, those that
// only ask for the worker's lanes do not either.
func (s jobStore) Claim(ctx context.Context, claim jobs.Claim) (claimed jobs.Claimed, err error) {
	var seen sight
	plain := len(claim.Release) == 0 && claim.Sweep == nil && !(claim.Sync && s.db.Dialect().Postgres)
	if plain {
		c, err := s.db.Reader(ctx)
		if err != nil {
			return jobs.Claimed{}, err
		}
		if seen, err = s.look(ctx, c, claim); err != nil {
			return jobs.Claimed{}, err
		}
		if len(seen.free)+len(seen.stale) == 0 {
			if claim.Sync {
				return s.sync(ctx, c, claim)
			}
			return jobs.Claimed{}, nil
		}
	}
	// Where transactions overlap, lanes that were given back are hinted at once more after
	// that: a job that committed meanwhile is there for the hint to see, and one that commits
	// later is announced when its lane is free.
	if len(claim.Release) > 0 && s.db.Dialect().Postgres {
		if err := s.inTx(ctx, func(ctx context.Context, c storage.Conn) error { return s.release(ctx, c, claim) }); err != nil {
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
		if !plain { // what it did may show more
			if seen, err = s.look(ctx, c, claim); err != nil {
				return err
			}
		}
		if claimed.Taken, err = s.take(ctx, c, claim, seen); err != nil {
			return err
		}
		if !claim.Sync {
			return nil
		}
		claimed.Active, err = s.active(ctx, c, claim.Now)
		return err
	})
	if err != nil {
		return jobs.Claimed{}, err
	}
	return claimed, nil
}

// sync answers a claim that asks for the worker's lanes and has nothing to take.
func (s jobStore) sync(ctx context.Context, c storage.Conn, claim jobs.Claim) (claimed jobs.Claimed, err error) {
	if err := s.fence(ctx, c, claim.Worker); err != nil {
		return jobs.Claimed{}, err
	}
	if claimed.Held, err = s.held(ctx, c, claim.Worker); err != nil {
		return jobs.Claimed{}, err
	}
	claimed.Active, err = s.active(ctx, c, claim.Now)
	return claimed, err
}

// active counts the lanes that workers share: those with an owner, and those with work for
// one.
func (s jobStore) active(ctx context.Context, c storage.Conn, now time.Time) (n int, err error) {
	err = storage.QueryRow(ctx, c, `
		SELECT (SELECT COUNT(*) FROM adminkit_jobs_lane WHERE owner <> 0) + (
			SELECT COUNT(*) FROM (SELECT DISTINCT tenant, lane FROM adminkit_jobs_wake WHERE at <= $1) w
			JOIN adminkit_jobs_lane l ON l.tenant = w.tenant AND l.lane = w.lane
			WHERE l.owner = 0 AND NOT l.paused AND l.held_until <= $1 AND `+laneHead+` <= $1)`,
		[]any{micros(now)}, &n)
	return n, err
}

// release gives lanes back. On Postgres it locks them in the order in which the lanes of a
// worker that is found dead are freed, which may be this one: its fence holds that off later.
func (s jobStore) release(ctx context.Context, c storage.Conn, claim jobs.Claim) error {
	err := s.manyLanes(ctx, c, claim.Release, func(x string) string {
		if s.db.Dialect().Postgres {
			return `
		WITH mine AS MATERIALIZED (
			SELECT l.tenant, l.lane FROM ` + x + ` JOIN adminkit_jobs_lane l ON l.tenant = x.tenant AND l.lane = x.lane
			WHERE l.owner = $3 ORDER BY l.tenant, l.lane FOR NO KEY UPDATE OF l)
		UPDATE adminkit_jobs_lane AS l SET owner = 0 FROM mine WHERE l.tenant = mine.tenant AND l.lane = mine.lane`
		}
		return `
		UPDATE adminkit_jobs_lane AS l SET owner = 0 FROM ` + x + ` WHERE l.tenant = x.tenant AND l.lane = x.lane AND l.owner = $3`
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

// held reads the lanes that a worker owns.
func (s jobStore) held(ctx context.Context, c storage.Conn, worker int64) ([]jobs.Lane, error) {
	lanes, err := scanLanes(ctx, c, nil, `
		SELECT `+laneColumns+` FROM adminkit_jobs_lane l WHERE l.owner = $1 AND l.owner <> 0`, worker)
	if err != nil {
		return nil, fmt.Errorf("read lanes: %w", err)
	}
	return lanes, nil
}

// A sight is what a claim sees without locking anything: another claim that looks at the
// same time sees the same, and each takes what the other does not.
type sight struct {
	free  []jobs.LaneID // free lanes with work, those that were named first
	stale []jobs.LaneID // lanes without, to which hints lead all the same
	more  bool          // there are hints behind the last one
	at    int64         // of the last hint
	id    int64
}

// look looks at the lanes that are named, and at those that the earliest hints name.
func (s jobStore) look(ctx context.Context, c storage.Conn, claim jobs.Claim) (sight, error) {
	if claim.Take == 0 {
		return sight{}, nil
	}
	named, err := s.lookAt(ctx, c, claim.Probe, claim.Now)
	if err != nil {
		return sight{}, err
	}
	seen, err := s.lookBehind(ctx, c, claim, sight{})
	if err != nil {
		return sight{}, err
	}
	seen.free = append(named, seen.free...)
	return seen, nil
}

// lookAt answers which lanes are free and have work that may start.
func (s jobStore) lookAt(ctx context.Context, c storage.Conn, ids []jobs.LaneID, now time.Time) (free []jobs.LaneID, err error) {
	err = s.eachLanes(ids, func(args ...any) error {
		rows, err := c.Query(ctx, `
			SELECT l.tenant, l.lane FROM `+s.laneSource()+` JOIN adminkit_jobs_lane l ON l.tenant = x.tenant AND l.lane = x.lane
			WHERE l.owner = 0 AND NOT l.paused AND l.held_until <= $3 AND `+laneHead+` <= $3`, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id jobs.LaneID
			if err := rows.Scan(&id.Tenant, &id.Lane); err != nil {
				return err
			}
			free = append(free, id)
		}
		return rows.Err()
	}, micros(now))
	if err != nil {
		return nil, fmt.Errorf("read lanes: %w", err)
	}
	return free, nil
}

// minHints is how many hints a claim reads at a time at least.
const minHints = 64

// lookBehind looks at the lanes that the next hints name, the earliest first.
func (s jobStore) lookBehind(ctx context.Context, c storage.Conn, claim jobs.Claim, last sight) (seen sight, err error) {
	limit := max(claim.Take, minHints)
	rows, err := c.Query(ctx, `
		SELECT w.at, w.id, w.tenant, w.lane,
			COALESCE(l.owner = 0 AND NOT l.paused AND l.held_until <= $1 AND `+laneHead+` <= $1, FALSE)
		FROM (SELECT at, id, tenant, lane FROM adminkit_jobs_wake
			WHERE at <= $1 AND (at, id) > ($2, $3) ORDER BY at, id LIMIT $4) w
		LEFT JOIN adminkit_jobs_lane l ON l.tenant = w.tenant AND l.lane = w.lane
		ORDER BY w.at, w.id`, micros(claim.Now), last.at, last.id, limit)
	if err != nil {
		return sight{}, fmt.Errorf("read hints: %w", err)
	}
	defer rows.Close()
	known := map[jobs.LaneID]bool{}
	n := 0
	for ; rows.Next(); n++ {
		var id jobs.LaneID
		var free bool
		if err := rows.Scan(&seen.at, &seen.id, &id.Tenant, &id.Lane, &free); err != nil {
			return sight{}, fmt.Errorf("read hints: %w", err)
		}
		switch {
		case known[id]:
		case free:
			seen.free = append(seen.free, id)
		default:
			seen.stale = append(seen.stale, id)
		}
		known[id] = true
	}
	seen.more = n == limit
	return seen, rows.Err()
}

// take makes lanes that were seen the worker's. Where others took too many of them
// meanwhile it looks further.
func (s jobStore) take(ctx context.Context, c storage.Conn, claim jobs.Claim, seen sight) (taken []jobs.Lane, err error) {
	for {
		if taken, err = s.own(ctx, c, claim, seen.free, taken); err != nil {
			return nil, fmt.Errorf("take lanes: %w", err)
		}
		if err := s.rehint(ctx, c, claim.Now, seen.stale); err != nil {
			return nil, err
		}
		if len(taken) == claim.Take || !seen.more {
			return taken, nil
		}
		if seen, err = s.lookBehind(ctx, c, claim, seen); err != nil {
			return nil, err
		}
	}
}

// own makes lanes the worker's until it has taken enough, as far as they are still free,
// and removes the hints at them that nobody relies on. On Postgres it locks what it takes
// and no more, and leaves what another claim has locked to that one.
func (s jobStore) own(ctx context.Context, c storage.Conn, claim jobs.Claim, ids []jobs.LaneID, taken []jobs.Lane) ([]jobs.Lane, error) {
	if !s.db.Dialect().Postgres {
		return s.ownRows(ctx, c, claim, ids, taken)
	}
	if len(ids) == 0 {
		return taken, nil
	}
	return scanLanes(ctx, c, taken, `
		WITH free AS MATERIALIZED (
			SELECT `+laneColumns+`
			FROM `+s.laneSource()+` JOIN adminkit_jobs_lane l ON l.tenant = x.tenant AND l.lane = x.lane
			WHERE l.owner = 0 AND NOT l.paused AND l.held_until <= $3
			ORDER BY x.number LIMIT $4 FOR UPDATE OF l SKIP LOCKED),
		found AS (
			DELETE FROM adminkit_jobs_wake WHERE id = ANY(ARRAY(
				SELECT w.id FROM free JOIN adminkit_jobs_wake w ON w.tenant = free.tenant AND w.lane = free.lane
				FOR UPDATE OF w SKIP LOCKED)))
		UPDATE adminkit_jobs_lane AS mine SET owner = $5, suspect = FALSE FROM free l
		WHERE mine.tenant = l.tenant AND mine.lane = l.lane
		RETURNING `+laneColumns,
		append(lanePairs(ids), micros(claim.Now), claim.Take-len(taken), claim.Worker)...)
}

// ownRows does so lane by lane.
func (s jobStore) ownRows(ctx context.Context, c storage.Conn, claim jobs.Claim, ids []jobs.LaneID, taken []jobs.Lane) ([]jobs.Lane, error) {
	for _, id := range ids {
		before := len(taken)
		if before == claim.Take {
			break
		}
		var err error
		if taken, err = scanLanes(ctx, c, taken, `
			SELECT `+laneColumns+` FROM adminkit_jobs_lane l
			WHERE l.tenant = $1 AND l.lane = $2 AND l.owner = 0 AND NOT l.paused AND l.held_until <= $3`,
			id.Tenant, id.Lane, micros(claim.Now)); err != nil {
			return nil, err
		}
		if len(taken) == before {
			continue
		}
		if _, err := c.Exec(ctx, `
			UPDATE adminkit_jobs_lane SET owner = $3, suspect = FALSE WHERE tenant = $1 AND lane = $2`,
			id.Tenant, id.Lane, claim.Worker); err != nil {
			return nil, err
		}
		if _, err := c.Exec(ctx, `
			DELETE FROM adminkit_jobs_wake WHERE tenant = $1 AND lane = $2`, id.Tenant, id.Lane); err != nil {
			return nil, err
		}
	}
	return taken, nil
}
