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
	return s.free(ctx, c, dead.ID, true)
}

// leave deletes a worker that goes of itself.
func (s jobStore) leave(ctx context.Context, c storage.Conn, worker int64) error {
	if _, err := c.Exec(ctx, `
		DELETE FROM adminkit_jobs_worker WHERE id = $1`, worker); err != nil {
		return fmt.Errorf("end worker: %w", err)
	}
	return s.free(ctx, c, worker, false)
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

// Prune implements jobs.Store.
func (s jobStore) Prune(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = s.inTx(ctx, func(ctx context.Context, c storage.Conn) error {
		deleted, err := c.Exec(ctx, `
			WITH old AS MATERIALIZED (
				SELECT tenant, job, id FROM adminkit_jobs_attempt WHERE ended < $1 ORDER BY ended, id LIMIT $2`+s.db.Dialect().SkipLocked+`)
			DELETE FROM adminkit_jobs_attempt WHERE (tenant, job, id) IN (SELECT tenant, job, id FROM old)`,
			micros(before), limit)
		if err != nil {
			return fmt.Errorf("delete attempts: %w", err)
		}
		n = int(deleted)
		return nil
	})
	return n, err
}
