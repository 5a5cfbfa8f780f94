package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/storage"
)

// Flags returns the store of flags and audiences.
func (s *Stores) Flags() flags.Store { return flagStore{s.db, s.db} }

type flagStore struct {
	storage.Signals
	db DB
}

var _ flags.Store = flagStore{}

// Lock holds the tenant's head, and makes it where there is none to hold.
func (s flagStore) Lock(ctx context.Context, tenant string) (int64, error) {
	c, err := s.db.Conn(ctx)
	if err != nil {
		return 0, err
	}
	var change int64
	err = storage.QueryRow(ctx, c, `
INSERT INTO adminkit_flags_head AS head (tenant, last_change) VALUES ($1, 0)
ON CONFLICT (tenant) DO UPDATE SET last_change = head.last_change
RETURNING last_change`, []any{tenant}, &change)
	if err != nil {
		return 0, fmt.Errorf("lock flags: %w", err)
	}
	return change, nil
}

func (s flagStore) Head(ctx context.Context, tenant string) (int64, error) {
	c, err := s.db.Reader(ctx)
	if err != nil {
		return 0, err
	}
	var change int64
	err = storage.QueryRow(ctx, c, `
SELECT last_change FROM adminkit_flags_head WHERE tenant = $1`, []any{tenant}, &change)
	if errors.Is(err, storage.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the head of flags: %w", err)
	}
	return change, nil
}

// Save moves the tenant's head first, and with that waits for whoever else does: so
// changes commit in the order of their numbers.
func (s flagStore) Save(ctx context.Context, tenant string, v flags.Version) (change int64, err error) {
	err = write(ctx, s.db, func(ctx context.Context, c storage.Conn) (err error) {
		change, err = s.save(ctx, c, tenant, v)
		return err
	})
	return change, err
}

func (s flagStore) save(ctx context.Context, c storage.Conn, tenant string, v flags.Version) (int64, error) {
	err := storage.QueryRow(ctx, c, `
INSERT INTO adminkit_flags_head AS head (tenant, last_change) VALUES ($1, 1)
ON CONFLICT (tenant) DO UPDATE SET last_change = head.last_change + 1
RETURNING last_change`, []any{tenant}, &v.Change)
	if err != nil {
		return 0, fmt.Errorf("move the head of flags: %w", err)
	}
	statement := `
UPDATE adminkit_flags_document SET revision = $4, change = $5, deleted = $6
WHERE tenant = $1 AND kind = $2 AND doc_key = $3 AND revision = $4 - 1`
	if v.Revision == 1 {
		statement = `
INSERT INTO adminkit_flags_document (tenant, kind, doc_key, revision, change, deleted)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant, kind, doc_key) DO NOTHING`
	}
	n, err := c.Exec(ctx, statement, tenant, string(v.Kind), v.Key, v.Revision, v.Change, v.Deleted)
	if err != nil {
		return 0, fmt.Errorf("save %s: %w", v.Kind, err)
	}
	if n == 0 {
		return 0, storage.ErrConflict
	}
	if err := insertFlagVersion(ctx, c, tenant, v); err != nil {
		return 0, err
	}
	return v.Change, useAudiences(ctx, c, tenant, v)
}

func insertFlagVersion(ctx context.Context, c storage.Conn, tenant string, v flags.Version) error {
	audiences, err := json.Marshal(v.Audiences)
	if err != nil {
		return fmt.Errorf("encode audiences: %w", err)
	}
	author, err := json.Marshal(v.Author)
	if err != nil {
		return fmt.Errorf("encode author: %w", err)
	}
	if _, err := c.Exec(ctx, `
INSERT INTO adminkit_flags_version (
	tenant, kind, doc_key, revision, change, deleted, body, hash, audiences, action, comment, event_id, author, saved_at, created_at
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
		tenant, string(v.Kind), v.Key, v.Revision, v.Change, v.Deleted, orNull(v.Body), v.Hash, audiences,
		v.Action, v.Comment, v.EventID, author, micros(v.At), micros(v.CreatedAt)); err != nil {
		return fmt.Errorf("insert version: %w", err)
	}
	return nil
}

// useAudiences replaces what is known of the audiences that a document uses: nothing
// once it is deleted.
func useAudiences(ctx context.Context, c storage.Conn, tenant string, v flags.Version) error {
	if v.Revision > 1 {
		if _, err := c.Exec(ctx, `
DELETE FROM adminkit_flags_use WHERE tenant = $1 AND kind = $2 AND doc_key = $3`,
			tenant, string(v.Kind), v.Key); err != nil {
			return fmt.Errorf("forget audiences: %w", err)
		}
	}
	if v.Deleted {
		return nil
	}
	for _, audience := range v.Audiences {
		if _, err := c.Exec(ctx, `
INSERT INTO adminkit_flags_use (tenant, audience, kind, doc_key) VALUES ($1, $2, $3, $4)`,
			tenant, audience, string(v.Kind), v.Key); err != nil {
			return fmt.Errorf("note audience: %w", err)
		}
	}
	return nil
}

const flagVersionColumns = `
SELECT v.kind, v.doc_key, v.revision, v.change, v.deleted, v.body, v.hash, v.audiences, v.action, v.comment, v.event_id, v.author, v.saved_at, v.created_at`

// currentFlagVersion selects the current versions of documents.
const currentFlagVersion = flagVersionColumns + `
FROM adminkit_flags_document d
JOIN adminkit_flags_version v ON v.tenant = d.tenant AND v.kind = d.kind AND v.doc_key = d.doc_key AND v.revision = d.revision`

func (s flagStore) Get(ctx context.Context, tenant string, kind flags.Kind, key string) (flags.Version, error) {
	found, err := s.read(ctx, currentFlagVersion+`
WHERE d.tenant = $1 AND d.kind = $2 AND d.doc_key = $3`, tenant, string(kind), key)
	if err != nil {
		return flags.Version{}, err
	}
	if len(found) == 0 {
		return flags.Version{}, storage.ErrNotFound
	}
	return found[0], nil
}

func (s flagStore) List(ctx context.Context, tenant string, q flags.ListQuery) ([]flags.Version, error) {
	return s.read(ctx, currentFlagVersion+`
WHERE d.tenant = $1 AND d.kind = $2 AND d.doc_key > $3 AND NOT d.deleted
ORDER BY d.doc_key LIMIT $4`, tenant, string(q.Kind), q.After, q.Limit)
}

func (s flagStore) Count(ctx context.Context, tenant string, kind flags.Kind) (int64, error) {
	return count(ctx, s.db, tenant, string(kind), false, `
SELECT COUNT(*) FROM adminkit_flags_document
WHERE tenant = $1 AND kind = $2 AND NOT deleted`, tenant, string(kind))
}

func (s flagStore) Versions(ctx context.Context, tenant string, kind flags.Kind, key string, before int64, limit int) ([]flags.Version, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	return s.read(ctx, flagVersionColumns+`
FROM adminkit_flags_version v
WHERE v.tenant = $1 AND v.kind = $2 AND v.doc_key = $3 AND v.revision < $4
ORDER BY v.revision DESC LIMIT $5`, tenant, string(kind), key, before, limit)
}

func (s flagStore) Users(ctx context.Context, tenant, audience string, limit int) ([]flags.Version, error) {
	return s.read(ctx, currentFlagVersion+`
JOIN adminkit_flags_use u ON u.tenant = d.tenant AND u.kind = d.kind AND u.doc_key = d.doc_key
WHERE u.tenant = $1 AND u.audience = $2
ORDER BY u.kind, u.doc_key LIMIT $3`, tenant, audience, limit)
}

func (s flagStore) Changes(ctx context.Context, tenant string, after int64, limit int) ([]flags.Version, error) {
	return s.read(ctx, currentFlagVersion+`
WHERE d.tenant = $1 AND d.change > $2
ORDER BY d.change LIMIT $3`, tenant, after, limit)
}

func (s flagStore) Use(ctx context.Context, tenant string, u flags.OverrideUse) (first bool, err error) {
	err = write(ctx, s.db, func(ctx context.Context, c storage.Conn) error {
		n, err := c.Exec(ctx, `
INSERT INTO adminkit_flags_override_use (tenant, flag, environment, override_id, subject, used_on)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant, flag, environment, override_id, subject, used_on) DO NOTHING`,
			tenant, u.Flag, u.Environment, u.Override, u.Subject, micros(u.Day))
		if err != nil {
			return fmt.Errorf("note the use of an override: %w", err)
		}
		first = n == 1
		return nil
	})
	return first, err
}

// read returns the versions that a query answers.
func (s flagStore) read(ctx context.Context, query string, args ...any) ([]flags.Version, error) {
	c, err := s.db.Reader(ctx)
	if err != nil {
		return nil, err
	}
	return scanAll(ctx, c, scanFlagVersion, query, args...)
}

func scanFlagVersion(rows storage.Rows) (v flags.Version, err error) {
	var audiences, author []byte
	var at, created int64
	err = rows.Scan((*string)(&v.Kind), &v.Key, &v.Revision, &v.Change, &v.Deleted, (*[]byte)(&v.Body), &v.Hash, &audiences,
		&v.Action, &v.Comment, &v.EventID, &author, &at, &created)
	if err != nil {
		return v, fmt.Errorf("read version: %w", err)
	}
	if err := json.Unmarshal(audiences, &v.Audiences); err != nil {
		return v, fmt.Errorf("read version: audiences: %w", err)
	}
	if len(v.Audiences) == 0 {
		v.Audiences = nil
	}
	v.At, v.CreatedAt = fromMicros(at), fromMicros(created)
	return v, unmarshalActor(author, &v.Author)
}
