package tenants_test

import (
	"context"
	"time"

	"github.com/lumelle/adminkit/storage/tenants"
)

// A fake is a store that gives what it is told to.
type fake struct {
	rows   []fakeRow
	remove func(table string, limit int) (int, error)
}

type fakeRow struct {
	table  string
	values []any
}

func (f fake) Rows(_ context.Context, _ string, each func(t tenants.Table, values []any) error) error {
	for _, r := range f.rows {
		for _, t := range tenants.Tables() {
			if t.Name != r.table {
				continue
			}
			if err := each(t, r.values); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f fake) DeleteRows(_ context.Context, _, table string, limit int) (int, error) {
	return f.remove(table, limit)
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func serviceOver(store tenants.Store) *tenants.Service {
	s, err := tenants.New(store, tenants.Config{Now: func() time.Time { return noon }})
	if err != nil {
		panic(err) // there is a store
	}
	return s
}

func listener(tenant, pattern string) fakeRow {
	return fakeRow{"automation_listener", []any{tenant, "prod", pattern, "rule-1"}}
}
