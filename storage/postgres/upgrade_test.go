package postgres_test

import (
	"context"
	"testing"

	"github.com/lumelle/adminkit/storage/internal/migrate/migratetest"
	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/postgres"
)

func TestDatabasesOfEachEarlierStateArriveAtTheNewest(t *testing.T) {
	t.Parallel()
	migratetest.Run(t, migratetest.Options[*postgres.Backend]{
		Place: func(t *testing.T) func(migrates bool) (*postgres.Backend, error) {
			dsn := pgtest.DSN(t)
			return func(migrates bool) (*postgres.Backend, error) {
				b, err := postgres.Open(t.Context(), dsn, postgres.Config{NoMigrate: !migrates})
				if err == nil {
					t.Cleanup(func() { b.Close(context.Background()) })
				}
				return b, err
			}
		},
		Engine:     postgres.Engine,
		Migrations: postgres.Migrations(),
		Columns: `SELECT table_name, column_name, data_type FROM information_schema.columns
			WHERE table_schema = current_schema() AND identity_generation IS DISTINCT FROM 'ALWAYS' AND udt_name <> 'xid8'
			ORDER BY table_name, ordinal_position`,
		Schema: `SELECT line FROM (
				SELECT format('column %s.%s %s %s %s %s', table_name, column_name, data_type, collation_name, is_nullable, column_default)
				FROM information_schema.columns WHERE table_schema = current_schema()
				UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema()
				UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
			) AS all_there_is (line) ORDER BY line COLLATE "C"`,
	})
}
