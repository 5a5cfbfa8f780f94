package sqlstore

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/secrets/credentials"
)

type credentialStore struct{ db DB }

var _ credentials.Store = credentialStore{}

// Credentials returns the store of package credentials.
func (s *Stores) Credentials() credentials.Store { return credentialStore{s.db} }

// write runs fn as a whole or not at all, and says what could not be done.
func (s credentialStore) write(ctx context.Context, what string, fn func(ctx context.Context, conn storage.Conn) error) error {
	if err := write(ctx, s.db, fn); err != nil {
		return fmt.Errorf("%s a credential: %w", what, err)
	}
	return nil
}

func (s credentialStore) Insert(ctx context.Context, tenant string, r credentials.Record, most int64) error {
	return s.write(ctx, "insert", func(ctx context.Context, conn storage.Conn) error {
		n, err := conn.Exec(ctx, `
INSERT INTO adminkit_credential (tenant, name, kind, sealed, key_id, revision, created_at, updated_at, last_used_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (tenant, name) DO NOTHING`,
			tenant, r.Name, r.Kind, r.Sealed, r.KeyID, r.Revision, micros(r.CreatedAt), micros(r.UpdatedAt), micros(r.LastUsedAt))
		if err == nil && n == 0 {
			err = storage.ErrConflict
		}
		if err != nil || most == storage.Unlimited {
			return err
		}
		have, err := s.count(ctx, tenant, true)
		if err != nil {
			return err
		}
		return storage.Quota{What: credentials.What, Limit: most, Used: have}.Check()
	})
}

func (s credentialStore) Count(ctx context.Context, tenant string) (int64, error) {
	return s.count(ctx, tenant, false)
}

// count leaves out the names that begin with a dot, which "/" follows in the order of
// bytes.
func (s credentialStore) count(ctx context.Context, tenant string, lock bool) (int64, error) {
	return count(ctx, s.db, tenant, credentials.What, lock, `
SELECT COUNT(*) FROM adminkit_credential WHERE tenant = $1 AND (name < '.' OR name >= '/')`, tenant)
}

const aCredential = `
SELECT 1 FROM adminkit_credential WHERE tenant = $1 AND name = $2`

func (s credentialStore) Update(ctx context.Context, tenant string, r credentials.Record, revision int64) error {
	return s.write(ctx, "update", func(ctx context.Context, conn storage.Conn) error {
		n, err := conn.Exec(ctx, `
UPDATE adminkit_credential SET kind = $4, sealed = $5, key_id = $6, revision = $7, updated_at = $8
WHERE tenant = $1 AND name = $2 AND revision = $3`,
			tenant, r.Name, revision, r.Kind, r.Sealed, r.KeyID, r.Revision, micros(r.UpdatedAt))
		if err == nil && n == 0 {
			err = moved(ctx, conn, aCredential, tenant, r.Name)
		}
		return err
	})
}

func (s credentialStore) Delete(ctx context.Context, tenant, name string, revision int64) error {
	return s.write(ctx, "delete", func(ctx context.Context, conn storage.Conn) error {
		n, err := conn.Exec(ctx, `
DELETE FROM adminkit_credential WHERE tenant = $1 AND name = $2 AND revision = $3`,
			tenant, name, revision)
		if err == nil && n == 0 {
			err = moved(ctx, conn, aCredential, tenant, name)
		}
		return err
	})
}

const credentialColumns = `
SELECT name, kind, sealed, key_id, revision, created_at, updated_at, last_used_at FROM adminkit_credential`

func scanCredential(rows storage.Rows, tenant string) (credentials.Record, error) {
	r := credentials.Record{Credential: credentials.Credential{Tenant: tenant}}
	var created, updated, used int64
	if err := rows.Scan(&r.Name, &r.Kind, &r.Sealed, &r.KeyID, &r.Revision, &created, &updated, &used); err != nil {
		return r, fmt.Errorf("scan a credential: %w", err)
	}
	r.Sealed = bytes.Clone(r.Sealed)
	r.CreatedAt, r.UpdatedAt, r.LastUsedAt = fromMicros(created), fromMicros(updated), fromMicros(used)
	return r, nil
}

func (s credentialStore) Get(ctx context.Context, tenant, name string) (r credentials.Record, err error) {
	conn, err := s.db.Reader(ctx)
	if err != nil {
		return r, err
	}
	err = one(ctx, conn, credentialColumns+`
WHERE tenant = $1 AND name = $2`, []any{tenant, name}, func(rows storage.Rows) error {
		r, err = scanCredential(rows, tenant)
		return err
	})
	return r, err
}

func (s credentialStore) List(ctx context.Context, tenant string, q credentials.Query) (page storage.Page[credentials.Record], err error) {
	limit, err := storage.Limit(q.Limit)
	if err != nil {
		return page, err
	}
	after, err := q.Position(tenant)
	if err != nil {
		return page, err
	}
	conn, err := s.db.Reader(ctx)
	if err != nil {
		return page, err
	}
	all, err := scanAll(ctx, conn, func(rows storage.Rows) (credentials.Record, error) { return scanCredential(rows, tenant) }, credentialColumns+`
WHERE tenant = $1 AND name > $2 AND ($3 = '' OR kind = $3)
ORDER BY name LIMIT $4`,
		tenant, after, q.Kind, limit+1)
	return pageOf(all, limit, func(last credentials.Record) storage.Cursor { return q.Next(tenant, last) }), err
}

func (s credentialStore) Touch(ctx context.Context, tenant, name string, at time.Time) error {
	return s.write(ctx, "touch", func(ctx context.Context, conn storage.Conn) error {
		_, err := conn.Exec(ctx, `
UPDATE adminkit_credential SET last_used_at = $3
WHERE tenant = $1 AND name = $2 AND last_used_at < $3`,
			tenant, name, micros(at))
		return err
	})
}

func (s credentialStore) ReplaceSealed(ctx context.Context, tenant string, r credentials.Record, fresh []byte, keyID string) (replaced bool, err error) {
	err = s.write(ctx, "seal again", func(ctx context.Context, conn storage.Conn) error {
		n, err := conn.Exec(ctx, `
UPDATE adminkit_credential SET sealed = $4, key_id = $5
WHERE tenant = $1 AND name = $2 AND sealed = $3`,
			tenant, r.Name, r.Sealed, fresh, keyID)
		replaced = n == 1
		return err
	})
	return replaced && err == nil, err
}
