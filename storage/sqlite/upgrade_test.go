package sqlite_test

import (
	"context"
	"testing"

	"github.com/lumelle/adminkit/storage/internal/migrate/migratetest"
	"github.com/lumelle/adminkit/storage/sqlite"
)

func TestDatabasesOfEachEarlierStateArriveAtTheNewest(t *testing.T) {
	migratetest.Run(t, migratetest.Options[*sqlite.Backend]{
		Place: func(t *testing.T) func(migrates bool) (*sqlite.Backend, error) {
			path := file(t)
			return func(migrates bool) (*sqlite.Backend, error) {
				b, err := sqlite.Open(t.Context(), path, sqlite.Config{NoMigrate: !migrates})
				if err == nil {
					t.Cleanup(func() { b.Close(context.Background()) })
				}
				return b, err
			}
		},
		Engine:     sqlite.Engine,
		Migrations: sqlite.Migrations(),
		Columns: `SELECT m.name, c.name, c.type FROM sqlite_master m, pragma_table_info(m.name) c
			WHERE m.type = 'table' AND m.name LIKE 'adminkit%' AND NOT (c.pk > 0 AND m.sql LIKE '%AUTOINCREMENT%')
			ORDER BY m.name, c.cid`,
		Schema: `SELECT type || ' ' || name || ' ' || COALESCE(sql, '') FROM sqlite_master ORDER BY type, name`,
	})
}
