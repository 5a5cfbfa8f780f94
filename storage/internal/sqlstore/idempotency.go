package sqlstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/idempotency"
)

type idempotencyStore struct{ db DB }

var _ idempotency.Store = idempotencyStore{}

// Idempotency returns the store of answers kept under idempotency keys.
func (s *Stores) Idempotency() idempotency.Store { return idempotencyStore{s.db} }

// Begin lets the unique key decide who is first: the loser's INSERT waits for the
// winner's transaction and then does nothing.
func (s idempotencyStore) Begin(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
	if err := idempotency.CheckKey(tenant, actor, key); err != nil {
		return nil, err
	}
	c, err := s.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	for range 2 {
		n, err := c.Exec(ctx, `
			INSERT INTO adminkit_idempotency_record
				(tenant, actor, idempotency_key, fingerprint, status, header, body, created_at)
			VALUES ($1, $2, $3, $4, 0, $5, $6, $7)
			ON CONFLICT (tenant, actor, idempotency_key) DO NOTHING`,
			tenant, actor, key, fingerprint[:], []byte("null"), []byte{}, micros(now))
		if err != nil {
			return nil, fmt.Errorf("claim idempotency key: %w", err)
		}
		if n == 1 {
			return nil, nil
		}
		r, err := s.get(ctx, c, tenant, actor, key)
		switch {
		case errors.Is(err, storage.ErrNotFound):
			// On Postgres a Delete may commit between the two statements. The key is free.
			continue
		case err != nil:
			return nil, err
		case r.Fingerprint != fingerprint:
			return nil, idempotency.ErrMismatch
		case r.Status == 0:
			return nil, storage.ErrConflict
		}
		return r, nil
	}
	return nil, fmt.Errorf("claim idempotency key: %w: its record was deleted twice before it was read", storage.ErrUnavailable)
}

func (s idempotencyStore) get(ctx context.Context, c storage.Conn, tenant, actor, key string) (*idempotency.Record, error) {
	r := idempotency.Record{Tenant: tenant, Actor: actor, Key: key}
	var row storedRecord
	err := storage.QueryRow(ctx, c, `
		SELECT fingerprint, status, header, body, created_at
		FROM adminkit_idempotency_record
		WHERE tenant = $1 AND actor = $2 AND idempotency_key = $3`,
		[]any{tenant, actor, key}, &row.fingerprint, &r.Status, &row.header, &row.body, &row.created)
	if err == nil {
		err = row.into(&r)
	}
	if err != nil {
		return nil, fmt.Errorf("read idempotency record: %w", err)
	}
	return &r, nil
}

// A storedRecord is what a row keeps in another form than a Record has it.
type storedRecord struct {
	fingerprint, header, body []byte
	created                   int64
}

func (row storedRecord) into(r *idempotency.Record) error {
	if len(row.fingerprint) != len(r.Fingerprint) {
		return errors.New("the stored fingerprint has a wrong length")
	}
	r.Fingerprint = [32]byte(row.fingerprint)
	if err := json.Unmarshal(row.header, &r.Header); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	if len(row.body) > 0 {
		r.Body = bytes.Clone(row.body)
	}
	r.CreatedAt = fromMicros(row.created)
	return nil
}

func (s idempotencyStore) Finish(ctx context.Context, tenant, actor, key string, status int, header map[string]string, body []byte) error {
	if err := idempotency.CheckKey(tenant, actor, key); err != nil {
		return err
	}
	if err := idempotency.CheckAnswer(status, header, body); err != nil {
		return err
	}
	c, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	if len(header) == 0 {
		header = nil
	}
	encoded, err := json.Marshal(header)
	if err != nil {
		return fmt.Errorf("finish idempotency record: header: %w", err)
	}
	if body == nil {
		body = []byte{}
	}
	n, err := c.Exec(ctx, `
		UPDATE adminkit_idempotency_record
		SET status = $4, header = $5, body = $6
		WHERE tenant = $1 AND actor = $2 AND idempotency_key = $3 AND status = 0`,
		tenant, actor, key, status, encoded, body)
	if err != nil {
		return fmt.Errorf("finish idempotency record: %w", err)
	}
	return s.claimed(ctx, c, n, tenant, actor, key)
}

func (s idempotencyStore) Release(ctx context.Context, tenant, actor, key string) error {
	if err := idempotency.CheckKey(tenant, actor, key); err != nil {
		return err
	}
	c, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	n, err := c.Exec(ctx, `
		DELETE FROM adminkit_idempotency_record
		WHERE tenant = $1 AND actor = $2 AND idempotency_key = $3 AND status = 0`,
		tenant, actor, key)
	if err != nil {
		return fmt.Errorf("release idempotency key: %w", err)
	}
	return s.claimed(ctx, c, n, tenant, actor, key)
}

// claimed explains a write to a claimed key that touched n rows: nil for one, else
// whether the key is finished or was never claimed.
func (s idempotencyStore) claimed(ctx context.Context, c storage.Conn, n int64, tenant, actor, key string) error {
	if n == 1 {
		return nil
	}
	if _, err := s.get(ctx, c, tenant, actor, key); err != nil {
		return err
	}
	return storage.ErrConflict
}

func (s idempotencyStore) Delete(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
	limit, err := storage.Limit(limit)
	if err != nil {
		return 0, err
	}
	var n int64
	err = write(ctx, s.db, func(ctx context.Context, c storage.Conn) (err error) {
		n, err = c.Exec(ctx, `
			DELETE FROM adminkit_idempotency_record
			WHERE (tenant, actor, idempotency_key) IN (
				SELECT tenant, actor, idempotency_key
				FROM adminkit_idempotency_record
				WHERE tenant = $1 AND created_at < $2
				ORDER BY created_at, actor, idempotency_key
				LIMIT $3)`,
			tenant, micros(before), limit)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("delete idempotency records: %w", err)
	}
	return int(n), nil
}

func (s idempotencyStore) List(ctx context.Context, tenant string, after storage.Cursor, limit int) (page storage.Page[idempotency.Record], err error) {
	limit, err = storage.Limit(limit)
	if err != nil {
		return page, err
	}
	actor, key, err := idempotency.Position(tenant, after)
	if err != nil {
		return page, err
	}
	conn, err := s.db.Reader(ctx)
	if err != nil {
		return page, err
	}
	all, err := scanAll(ctx, conn, func(rows storage.Rows) (idempotency.Record, error) {
		r := idempotency.Record{Tenant: tenant}
		var row storedRecord
		if err := rows.Scan(&r.Actor, &r.Key, &row.fingerprint, &r.Status, &row.header, &row.body, &row.created); err != nil {
			return r, err
		}
		err := row.into(&r)
		return r, err
	}, `
		SELECT actor, idempotency_key, fingerprint, status, header, body, created_at
		FROM adminkit_idempotency_record
		WHERE tenant = $1 AND (actor, idempotency_key) > ($2, $3) AND status <> 0
		ORDER BY actor, idempotency_key LIMIT $4`,
		tenant, actor, key, limit+1)
	if err != nil {
		return page, fmt.Errorf("list idempotency records: %w", err)
	}
	return pageOf(all, limit, func(last idempotency.Record) storage.Cursor { return last.Next(tenant) }), nil
}

func (s idempotencyStore) ReplaceBody(ctx context.Context, tenant, actor, key string, old, fresh []byte) (bool, error) {
	if err := idempotency.CheckKey(tenant, actor, key); err != nil {
		return false, err
	}
	if err := idempotency.CheckAnswer(100, nil, fresh); err != nil {
		return false, err
	}
	var n int64
	err := write(ctx, s.db, func(ctx context.Context, c storage.Conn) (err error) {
		n, err = c.Exec(ctx, `
			UPDATE adminkit_idempotency_record SET body = $5
			WHERE tenant = $1 AND actor = $2 AND idempotency_key = $3 AND body = $4 AND status <> 0`,
			tenant, actor, key, old, fresh)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("replace the body of an idempotency record: %w", err)
	}
	return n == 1, nil
}
