package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/storage"
)

type authzStore struct{ db DB }

var _ authz.Store = authzStore{}

// Authz returns the store of policies.
func (s *Stores) Authz() authz.Store { return authzStore{s.db} }

func (s authzStore) Head(ctx context.Context, tenant string) (authz.Head, error) {
	c, err := s.db.Reader(ctx)
	if err != nil {
		return authz.Head{}, err
	}
	return readHead(ctx, c, `
		SELECT sequence, change_id, changed_at
		FROM adminkit_authz_policy
		WHERE tenant = $1`, tenant)
}

// readHead answers the zero Head where the tenant has none.
func readHead(ctx context.Context, c storage.Conn, query, tenant string) (authz.Head, error) {
	var h authz.Head
	var at int64
	err := storage.QueryRow(ctx, c, query, []any{tenant}, &h.Sequence, &h.ChangeID, &at)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return authz.Head{}, nil
	case err != nil:
		return authz.Head{}, fmt.Errorf("read the policy's head: %w", err)
	}
	h.At = fromMicros(at)
	return h, nil
}

func (s authzStore) Rows(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[authz.Row], error) {
	var page storage.Page[authz.Row]
	limit, err := storage.Limit(limit)
	if err != nil {
		return page, err
	}
	sequence, position, err := authz.RowPosition(tenant, after)
	if err != nil {
		return page, err
	}
	c, err := s.db.Reader(ctx)
	if err != nil {
		return page, err
	}
	rows, err := c.Query(ctx, `
		SELECT id, kind, row_values, sequence, position
		FROM adminkit_authz_row
		WHERE tenant = $1 AND (sequence, position) > ($2, $3)
		ORDER BY sequence, position
		LIMIT $4`, tenant, sequence, position, limit+1)
	if err != nil {
		return page, fmt.Errorf("list the policy's rows: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if len(page.Items) == limit {
			page.Next = authz.RowCursor(tenant, sequence, position)
			return page, rows.Close()
		}
		var r authz.Row
		var values []byte
		if err := rows.Scan(&r.ID, &r.Kind, &values, &sequence, &position); err != nil {
			return page, fmt.Errorf("list the policy's rows: %w", err)
		}
		if err := json.Unmarshal(values, &r.Values); err != nil {
			return page, fmt.Errorf("list the policy's rows: row %s: %w", strconv.Quote(r.ID), err)
		}
		page.Items = append(page.Items, r)
	}
	return page, rows.Err()
}

func (s authzStore) Change(ctx context.Context, tenant string, change authz.Change) (authz.Head, error) {
	var head authz.Head
	err := write(ctx, s.db, func(ctx context.Context, c storage.Conn) (err error) {
		head, err = s.change(ctx, c, tenant, change)
		return err
	})
	return head, err
}

func (s authzStore) change(ctx context.Context, c storage.Conn, tenant string, change authz.Change) (authz.Head, error) {
	// Two first changes of a tenant meet at this row: the second waits for the first.
	_, err := c.Exec(ctx, `
		INSERT INTO adminkit_authz_policy (tenant, sequence, change_id, changed_at)
		VALUES ($1, 0, '', 0)
		ON CONFLICT (tenant) DO NOTHING`, tenant)
	if err != nil {
		return authz.Head{}, fmt.Errorf("begin the policy: %w", err)
	}
	old, err := readHead(ctx, c, `
		SELECT sequence, change_id, changed_at
		FROM adminkit_authz_policy
		WHERE tenant = $1 `+s.db.Dialect().ForUpdate, tenant)
	switch {
	case err != nil:
		return authz.Head{}, err
	case old.ChangeID == change.ID:
		return old, nil
	case change.Expected != authz.AnySequence && change.Expected != old.Sequence:
		return authz.Head{}, storage.ErrConflict
	}
	head := authz.Head{Sequence: old.Sequence + 1, ChangeID: change.ID, At: fromMicros(micros(change.At))}
	for _, id := range change.Remove {
		n, err := c.Exec(ctx, `
			DELETE FROM adminkit_authz_row
			WHERE tenant = $1 AND id = $2`, tenant, id)
		if err != nil {
			return authz.Head{}, fmt.Errorf("remove a row of the policy: %w", err)
		}
		if n == 0 {
			return authz.Head{}, fmt.Errorf("row %s: %w", strconv.Quote(id), storage.ErrNotFound)
		}
	}
	for i, r := range change.Add {
		if err := addRow(ctx, c, tenant, head.Sequence, i, r); err != nil {
			return authz.Head{}, err
		}
	}
	_, err = c.Exec(ctx, `
		UPDATE adminkit_authz_policy
		SET sequence = $2, change_id = $3, changed_at = $4
		WHERE tenant = $1`, tenant, head.Sequence, head.ChangeID, micros(head.At))
	if err != nil {
		return authz.Head{}, fmt.Errorf("move the policy's head: %w", err)
	}
	return head, nil
}

func addRow(ctx context.Context, c storage.Conn, tenant string, sequence int64, position int, r authz.Row) error {
	values, err := json.Marshal(r.Values)
	if err != nil {
		return fmt.Errorf("add a row to the policy: %w", err)
	}
	digest := r.Digest()
	_, err = c.Exec(ctx, `
		INSERT INTO adminkit_authz_row (tenant, id, sequence, position, kind, row_values, digest)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		tenant, r.ID, sequence, position, r.Kind, values, digest[:])
	if err != nil {
		return fmt.Errorf("add row %s to the policy: %w", strconv.Quote(r.ID), err)
	}
	return nil
}
