package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/storage/listing/saved"
)

type savedFilterStore struct{ db DB }

var _ saved.Store = savedFilterStore{}

// SavedFilters returns the store of package saved.
func (s *Stores) SavedFilters() saved.Store { return savedFilterStore{s.db} }

// write runs fn as a whole or not at all, and says what could not be done.
func (s savedFilterStore) write(ctx context.Context, what string, fn func(ctx context.Context, conn storage.Conn) error) error {
	if err := write(ctx, s.db, fn); err != nil {
		return fmt.Errorf("%s a saved filter: %w", what, err)
	}
	return nil
}

func (s savedFilterStore) Insert(ctx context.Context, tenant string, f saved.Filter, most int64) error {
	filters, err := json.Marshal(f.Filters)
	if err != nil {
		return fmt.Errorf("insert a saved filter: %w", err)
	}
	return s.write(ctx, "insert", func(ctx context.Context, conn storage.Conn) error {
		n, err := conn.Exec(ctx, `
INSERT INTO adminkit_saved_filter (tenant, id, list, owner, name, filters, sort, revision, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT DO NOTHING`,
			tenant, f.ID, f.List, f.Owner, f.Name, string(filters), f.Sort.String(), f.Revision, micros(f.CreatedAt), micros(f.UpdatedAt))
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
		return storage.Quota{What: saved.What, Limit: most, Used: have}.Check()
	})
}

func (s savedFilterStore) Count(ctx context.Context, tenant string) (int64, error) {
	return s.count(ctx, tenant, false)
}

func (s savedFilterStore) count(ctx context.Context, tenant string, lock bool) (int64, error) {
	return count(ctx, s.db, tenant, saved.What, lock, `
SELECT COUNT(*) FROM adminkit_saved_filter WHERE tenant = $1`, tenant)
}

const aSavedFilter = `
SELECT 1 FROM adminkit_saved_filter WHERE tenant = $1 AND id = $2`

// Update lets the index refuse a name that is taken: the savepoint undoes the statement
// that failed.
func (s savedFilterStore) Update(ctx context.Context, tenant string, f saved.Filter, revision int64) error {
	filters, err := json.Marshal(f.Filters)
	if err != nil {
		return fmt.Errorf("update a saved filter: %w", err)
	}
	return s.write(ctx, "update", func(ctx context.Context, conn storage.Conn) error {
		n, err := conn.Exec(ctx, `
UPDATE adminkit_saved_filter SET name = $4, filters = $5, sort = $6, revision = $7, updated_at = $8
WHERE tenant = $1 AND id = $2 AND revision = $3`,
			tenant, f.ID, revision, f.Name, string(filters), f.Sort.String(), f.Revision, micros(f.UpdatedAt))
		if err == nil && n == 0 {
			err = moved(ctx, conn, aSavedFilter, tenant, f.ID)
		}
		return err
	})
}

func (s savedFilterStore) Delete(ctx context.Context, tenant, id string, revision int64) error {
	return s.write(ctx, "delete", func(ctx context.Context, conn storage.Conn) error {
		n, err := conn.Exec(ctx, `
DELETE FROM adminkit_saved_filter WHERE tenant = $1 AND id = $2 AND revision = $3`,
			tenant, id, revision)
		if err == nil && n == 0 {
			err = moved(ctx, conn, aSavedFilter, tenant, id)
		}
		return err
	})
}

const savedFilterColumns = `
SELECT id, list, owner, name, filters, sort, revision, created_at, updated_at FROM adminkit_saved_filter`

func scanSavedFilter(rows storage.Rows, tenant string) (saved.Filter, error) {
	f := saved.Filter{Tenant: tenant}
	var filters, sort string
	var created, updated int64
	if err := rows.Scan(&f.ID, &f.List, &f.Owner, &f.Name, &filters, &sort, &f.Revision, &created, &updated); err != nil {
		return f, fmt.Errorf("scan a saved filter: %w", err)
	}
	if err := json.Unmarshal([]byte(filters), &f.Filters); err != nil {
		return f, fmt.Errorf("read the saved filter %s: %w", f.ID, err)
	}
	f.Sort = listing.ParseSort(sort)
	f.CreatedAt, f.UpdatedAt = fromMicros(created), fromMicros(updated)
	return f, nil
}

func (s savedFilterStore) Get(ctx context.Context, tenant, id string) (f saved.Filter, err error) {
	conn, err := s.db.Reader(ctx)
	if err != nil {
		return f, err
	}
	err = one(ctx, conn, savedFilterColumns+`
WHERE tenant = $1 AND id = $2`, []any{tenant, id}, func(rows storage.Rows) error {
		f, err = scanSavedFilter(rows, tenant)
		return err
	})
	return f, err
}

func (s savedFilterStore) List(ctx context.Context, tenant string, q saved.Query) (page storage.Page[saved.Filter], err error) {
	limit, err := storage.Limit(q.Limit)
	if err != nil {
		return page, err
	}
	name, id, err := q.Position(tenant)
	if err != nil {
		return page, err
	}
	conn, err := s.db.Reader(ctx)
	if err != nil {
		return page, err
	}
	all, err := scanAll(ctx, conn, func(rows storage.Rows) (saved.Filter, error) { return scanSavedFilter(rows, tenant) }, savedFilterColumns+`
WHERE tenant = $1 AND list = $2 AND (owner = '' OR owner = $3) AND (name > $4 OR name = $4 AND id > $5)
ORDER BY name, id LIMIT $6`,
		tenant, q.List, q.Viewer, name, id, limit+1)
	return pageOf(all, limit, func(last saved.Filter) storage.Cursor { return q.Next(tenant, last) }), err
}
