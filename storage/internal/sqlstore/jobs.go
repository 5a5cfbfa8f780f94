package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// jobStore keeps the work engine. Its statements on the hot path exist twice: Postgres
// takes a whole batch in one statement, because each costs a round trip; SQLite runs a
// prepared statement a row, which is faster there than to read rows out of JSON.
type jobStore struct {
	storage.Signals
	db DB
}

var _ jobs.Store = jobStore{}

// Jobs returns the store of the work engine.
func (s *Stores) Jobs() jobs.Store { return jobStore{s.db, s.db} }

// inTx runs fn on the connection of the transaction of ctx, or of one of its own.
func (s jobStore) inTx(ctx context.Context, fn func(ctx context.Context, c storage.Conn) error) error {
	return s.db.InTx(ctx, func(ctx context.Context) error {
		c, err := s.db.Conn(ctx)
		if err != nil {
			return err
		}
		return fn(ctx, c)
	})
}

// fence locks the worker's row until the transaction ends, so that the worker is not
// ended meanwhile, or answers that it was. The lock leaves room for the worker's own
// beats and for any number of settlements at a time.
func (s jobStore) fence(ctx context.Context, c storage.Conn, worker int64) error {
	query := `SELECT 1 FROM adminkit_jobs_worker WHERE id = $1`
	if s.db.Dialect().Postgres {
		query += ` FOR KEY SHARE`
	}
	var one int
	err := storage.QueryRow(ctx, c, query, []any{worker}, &one)
	if errors.Is(err, storage.ErrNotFound) {
		return jobs.ErrFenced
	}
	return err
}

// SetLane implements jobs.Store.
func (s jobStore) SetLane(ctx context.Context, tenant, lane string, config jobs.LaneConfig) error {
	return s.inTx(ctx, func(ctx context.Context, c storage.Conn) error {
		_, err := c.Exec(ctx, `
			INSERT INTO adminkit_jobs_lane (tenant, lane, cap) VALUES ($1, $2, $3)
			ON CONFLICT (tenant, lane) DO UPDATE SET cap = excluded.cap`,
			tenant, lane, config.Cap)
		if err != nil {
			return fmt.Errorf("store lane: %w", err)
		}
		return nil
	})
}

// Beat implements jobs.Store.
func (s jobStore) Beat(ctx context.Context, beat jobs.Beat) (presence jobs.Presence, err error) {
	err = s.inTx(ctx, func(ctx context.Context, c storage.Conn) error {
		if beat.Leave {
			return s.leave(ctx, c, beat.Worker)
		}
		if presence.Worker, err = s.sign(ctx, c, beat); err != nil {
			return err
		}
		for _, dead := range beat.Dead {
			if dead.ID != presence.Worker.ID {
				if err := s.end(ctx, c, dead); err != nil {
					return err
				}
			}
		}
		presence.Peers, err = s.peers(ctx, c, presence.Worker.ID)
		return err
	})
	if err != nil {
		return jobs.Presence{}, err
	}
	return presence, nil
}

// sign writes the beat of a worker, or enrols a new one.
func (s jobStore) sign(ctx context.Context, c storage.Conn, beat jobs.Beat) (jobs.Peer, error) {
	me := jobs.Peer{ID: beat.Worker, Beats: 1, Lease: beat.Lease, Resting: beat.Resting}
	if beat.Worker == 0 {
		err := storage.QueryRow(ctx, c, `
			INSERT INTO adminkit_jobs_worker (beats, lease, resting) VALUES (1, $1, $2) RETURNING id`,
			[]any{beat.Lease.Microseconds(), beat.Resting}, &me.ID)
		if err != nil {
			return jobs.Peer{}, fmt.Errorf("enrol worker: %w", err)
		}
		return me, nil
	}
	err := storage.QueryRow(ctx, c, `
		UPDATE adminkit_jobs_worker SET beats = beats + 1, lease = $2, resting = $3 WHERE id = $1 RETURNING beats`,
		[]any{beat.Worker, beat.Lease.Microseconds(), beat.Resting}, &me.Beats)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return jobs.Peer{}, jobs.ErrFenced
	case err != nil:
		return jobs.Peer{}, fmt.Errorf("beat: %w", err)
	}
	return me, nil
}

// end deletes a worker that was found dead and marks its lanes. A row that a settlement
// holds is left for the next beat: nobody's heartbeat waits for a stranger's
// transaction.
func (s jobStore) end(ctx context.Context, c storage.Conn, dead jobs.Peer) error {
	n, err := c.Exec(ctx, `
		DELETE FROM adminkit_jobs_worker WHERE id IN (
			SELECT id FROM adminkit_jobs_worker WHERE id = $1 AND beats = $2`+s.db.Dialect().SkipLocked+`)`,
		dead.ID, dead.Beats)
	if err != nil {
		return fmt.Errorf("end worker: %w", err)
	}
	if n == 0 {
		return nil
	}
	if _, err := c.Exec(ctx, `
		UPDATE adminkit_jobs_lane SET owner = 0, suspect = TRUE WHERE owner = $1 AND owner <> 0`, dead.ID); err != nil {
		return fmt.Errorf("free lanes: %w", err)
	}
	return nil
}

// leave deletes a worker that goes of itself.
func (s jobStore) leave(ctx context.Context, c storage.Conn, worker int64) error {
	if _, err := c.Exec(ctx, `
		DELETE FROM adminkit_jobs_worker WHERE id = $1`, worker); err != nil {
		return fmt.Errorf("end worker: %w", err)
	}
	if _, err := c.Exec(ctx, `
		UPDATE adminkit_jobs_lane SET owner = 0 WHERE owner = $1 AND owner <> 0`, worker); err != nil {
		return fmt.Errorf("free lanes: %w", err)
	}
	return nil
}

func (s jobStore) peers(ctx context.Context, c storage.Conn, except int64) (peers []jobs.Peer, err error) {
	rows, err := c.Query(ctx, `
		SELECT id, beats, lease, resting FROM adminkit_jobs_worker WHERE id <> $1 ORDER BY id`, except)
	if err != nil {
		return nil, fmt.Errorf("read workers: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var p jobs.Peer
		var lease int64
		if err := rows.Scan(&p.ID, &p.Beats, &lease, &p.Resting); err != nil {
			return nil, fmt.Errorf("read workers: %w", err)
		}
		p.Lease = time.Duration(lease) * time.Microsecond
		peers = append(peers, p)
	}
	return peers, rows.Err()
}

// Claim implements jobs.Store. Most polls find nothing to take; they do not begin a
// writing transaction for that.
func (s jobStore) Claim(ctx context.Context, claim jobs.Claim) (claimed jobs.Claimed, err error) {
	if len(claim.Release) == 0 && !claim.Sync {
		ready, err := s.ready(ctx, claim)
		if err != nil || !ready {
			return jobs.Claimed{}, err
		}
	}
	err = s.inTx(ctx, func(ctx context.Context, c storage.Conn) error {
		if err := s.fence(ctx, c, claim.Worker); err != nil {
			return err
		}
		for _, id := range claim.Release {
			if _, err := c.Exec(ctx, `
				UPDATE adminkit_jobs_lane SET owner = 0 WHERE tenant = $1 AND lane = $2 AND owner = $3`,
				id.Tenant, id.Lane, claim.Worker); err != nil {
				return fmt.Errorf("release lane: %w", err)
			}
		}
		if claim.Sync {
			if claimed.Held, err = s.held(ctx, c, claim.Worker); err != nil {
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
			SELECT (SELECT COUNT(*) FROM adminkit_jobs_lane WHERE owner <> 0) +
				(SELECT COUNT(*) FROM adminkit_jobs_lane l WHERE `+freeLane+`)`,
			[]any{micros(claim.Now)}, &claimed.Active)
	})
	if err != nil {
		return jobs.Claimed{}, err
	}
	return claimed, nil
}

// freeLane holds for lanes l that are free and have work due at $1. Mostly nothing is due
// at all: the first of all due times says so before each free lane is asked for its own,
// and a parked job costs nothing. It is no EXISTS, for which Postgres would read the table.
const freeLane = `l.owner = 0
	AND (SELECT MIN(due) FROM adminkit_jobs_job) <= $1
	AND EXISTS (SELECT 1 FROM adminkit_jobs_job j WHERE j.tenant = l.tenant AND j.lane = l.lane AND j.due <= $1)`

// ready reports whether there is a free lane with due work.
func (s jobStore) ready(ctx context.Context, claim jobs.Claim) (ready bool, err error) {
	if claim.Take == 0 {
		return false, nil
	}
	c, err := s.db.Reader(ctx)
	if err != nil {
		return false, err
	}
	err = storage.QueryRow(ctx, c, `
		SELECT EXISTS (SELECT 1 FROM adminkit_jobs_lane l WHERE `+freeLane+`)`,
		[]any{micros(claim.Now)}, &ready)
	return ready, err
}

// held reads the lanes that a worker owns.
func (s jobStore) held(ctx context.Context, c storage.Conn, worker int64) ([]jobs.Lane, error) {
	rows, err := c.Query(ctx, `
		SELECT tenant, lane, cap, suspect FROM adminkit_jobs_lane WHERE owner = $1 AND owner <> 0`, worker)
	if err != nil {
		return nil, fmt.Errorf("read lanes: %w", err)
	}
	return scanLanes(rows)
}

// take makes free lanes with due jobs the worker's.
func (s jobStore) take(ctx context.Context, c storage.Conn, claim jobs.Claim) ([]jobs.Lane, error) {
	if s.db.Dialect().Postgres {
		rows, err := c.Query(ctx, `
			WITH free AS MATERIALIZED (
				SELECT l.tenant, l.lane, l.suspect FROM adminkit_jobs_lane l WHERE `+freeLane+`
				ORDER BY l.tenant, l.lane LIMIT $3
				FOR UPDATE OF l SKIP LOCKED)
			UPDATE adminkit_jobs_lane l SET owner = $2, suspect = FALSE
			FROM free WHERE l.tenant = free.tenant AND l.lane = free.lane
			RETURNING l.tenant, l.lane, l.cap, free.suspect`,
			micros(claim.Now), claim.Worker, claim.Take)
		if err != nil {
			return nil, fmt.Errorf("take lanes: %w", err)
		}
		return scanLanes(rows)
	}
	rows, err := c.Query(ctx, `
		SELECT l.tenant, l.lane, l.cap, l.suspect FROM adminkit_jobs_lane l WHERE `+freeLane+`
		ORDER BY l.tenant, l.lane LIMIT $2`, micros(claim.Now), claim.Take)
	if err != nil {
		return nil, fmt.Errorf("take lanes: %w", err)
	}
	lanes, err := scanLanes(rows)
	if err != nil {
		return nil, err
	}
	for _, l := range lanes {
		if _, err := c.Exec(ctx, `
			UPDATE adminkit_jobs_lane SET owner = $1, suspect = FALSE WHERE tenant = $2 AND lane = $3`,
			claim.Worker, l.Tenant, l.Lane); err != nil {
			return nil, fmt.Errorf("take lane: %w", err)
		}
	}
	return lanes, nil
}

func scanLanes(rows storage.Rows) (lanes []jobs.Lane, err error) {
	defer rows.Close()
	for rows.Next() {
		var l jobs.Lane
		if err := rows.Scan(&l.Tenant, &l.Lane, &l.Cap, &l.Suspect); err != nil {
			return nil, fmt.Errorf("read lanes: %w", err)
		}
		lanes = append(lanes, l)
	}
	return lanes, rows.Err()
}

// Prune implements jobs.Store.
func (s jobStore) Prune(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = s.inTx(ctx, func(ctx context.Context, c storage.Conn) error {
		deleted, err := c.Exec(ctx, `
			DELETE FROM adminkit_jobs_attempt WHERE id IN (
				SELECT id FROM adminkit_jobs_attempt WHERE ended < $1 ORDER BY ended, id LIMIT $2`+s.db.Dialect().SkipLocked+`)`,
			micros(before), limit)
		if err != nil {
			return fmt.Errorf("delete attempts: %w", err)
		}
		n = int(deleted)
		return nil
	})
	return n, err
}
