package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/tenants"
)

// Tenants returns the store that lets tenants leave.
func (s *Stores) Tenants() tenants.Store { return tenantStore{s.db} }

type tenantStore struct{ db DB }

var _ tenants.Store = tenantStore{}

// The statements are made of the names in tenants.Tables, and of nothing else.

// selectTenant reads the rows of a tenant in a table, in the order of its key.
func selectTenant(t tenants.Table) string {
	names := make([]string, 0, len(t.Columns))
	for _, c := range t.Exported() {
		names = append(names, c.Name)
	}
	return `SELECT ` + strings.Join(names, ", ") + ` FROM adminkit_` + t.Name +
		` WHERE tenant = $1 ORDER BY ` + strings.Join(append([]string{"tenant"}, t.Key...), ", ")
}

// deleteTenant deletes some rows of a tenant in a table.
func deleteTenant(t tenants.Table) string {
	if len(t.Key) == 0 { // one row
		return `DELETE FROM adminkit_` + t.Name + ` WHERE tenant = $1 AND $2 > 0`
	}
	key := strings.Join(t.Key, ", ")
	return `DELETE FROM adminkit_` + t.Name + ` WHERE tenant = $1 AND (` + key + `) IN (
	SELECT ` + key + ` FROM adminkit_` + t.Name + ` WHERE tenant = $1 LIMIT $2)`
}

// Rows implements tenants.Store.
func (s tenantStore) Rows(ctx context.Context, tenant string, each func(t tenants.Table, values []any) error) error {
	if err := s.outside(ctx); err != nil {
		return err
	}
	return s.db.Snapshot(ctx, func(ctx context.Context, conn storage.Conn) error {
		for _, t := range tenants.Tables() {
			if t.Internal {
				continue
			}
			if err := tenantRows(ctx, conn, tenant, t, each); err != nil {
				return err
			}
		}
		return nil
	})
}

func tenantRows(ctx context.Context, conn storage.Conn, tenant string, t tenants.Table, each func(t tenants.Table, values []any) error) error {
	rows, err := conn.Query(ctx, selectTenant(t), tenant)
	if err != nil {
		return fmt.Errorf("read %s: %w", t.Name, err)
	}
	defer rows.Close()
	for rows.Next() {
		values, err := tenantValues(rows, t.Exported())
		if err != nil {
			return fmt.Errorf("read %s: %w", t.Name, err)
		}
		if err := each(t, values); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s: %w", t.Name, err)
	}
	return rows.Close()
}

// tenantValues reads the values of a row.
func tenantValues(rows storage.Rows, columns []tenants.Column) ([]any, error) {
	dest := make([]any, len(columns))
	for i, c := range columns {
		switch c.Kind {
		case tenants.Text:
			dest[i] = new(*string)
		case tenants.Integer:
			dest[i] = new(*int64)
		case tenants.Real:
			dest[i] = new(*float64)
		case tenants.Boolean:
			dest[i] = new(*bool)
		default:
			dest[i] = new([]byte)
		}
	}
	if err := rows.Scan(dest...); err != nil {
		return nil, err
	}
	values := make([]any, len(dest))
	for i, d := range dest {
		switch v := d.(type) {
		case **string:
			values[i] = orNothing(*v)
		case **int64:
			values[i] = orNothing(*v)
		case **float64:
			values[i] = orNothing(*v)
		case **bool:
			values[i] = orNothing(*v)
		case *[]byte:
			if *v != nil {
				values[i] = *v
			}
		}
	}
	return values, nil
}

// orNothing returns what p points at, nil for NULL.
func orNothing[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

// DeleteRows implements tenants.Store.
func (s tenantStore) DeleteRows(ctx context.Context, tenant, table string, limit int) (n int, err error) {
	if err := s.outside(ctx); err != nil {
		return 0, err
	}
	all := tenants.Tables()
	i := slices.IndexFunc(all, func(t tenants.Table) bool { return t.Name == table })
	if i < 0 {
		return 0, storage.ErrNotFound
	}
	err = write(ctx, s.db, func(ctx context.Context, conn storage.Conn) error {
		deleted, err := conn.Exec(ctx, deleteTenant(all[i]), tenant, limit)
		n = int(deleted)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// outside answers tenants.ErrInTx where ctx carries a transaction.
func (s tenantStore) outside(ctx context.Context) error {
	switch _, err := s.db.Conn(ctx); {
	case errors.Is(err, storage.ErrNoTx):
		return nil
	case err != nil:
		return err
	}
	return tenants.ErrInTx
}
