package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/examples/merchantadmin/shop"
	"github.com/lumelle/adminkit/storage/idempotency"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/secrets"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/webhooks"
)

// A backend is what the admin needs of a database; sqlite and postgres both are one.
type backend interface {
	shop.DB
	Ping(ctx context.Context) error
	Close(ctx context.Context) error
	Approvals() approvals.Store
	Audit() audit.Store
	Authz() authz.Store
	Idempotency() idempotency.Store
	Jobs() jobs.Store
	Webhooks() webhooks.Store
}

var (
	_ backend = (*sqlite.Backend)(nil)
	_ backend = (*postgres.Backend)(nil)
)

func isPostgres(db string) bool {
	return strings.HasPrefix(db, "postgres://") || strings.HasPrefix(db, "postgresql://")
}

// openBackend opens the database that -db names, emptied first where -reset asks.
func openBackend(ctx context.Context, cfg config) (backend, error) {
	if cfg.reset {
		if err := resetDatabase(ctx, cfg.db); err != nil {
			return nil, fmt.Errorf("-reset: %w", err)
		}
	}
	if isPostgres(cfg.db) {
		return postgres.Open(ctx, cfg.db, postgres.Config{})
	}
	return sqlite.Open(ctx, cfg.db, sqlite.Config{})
}

// resetDatabase removes the tables of the kit and of the shop, and nothing else a
// Postgres may hold; of SQLite it removes the file.
func resetDatabase(ctx context.Context, db string) error {
	switch {
	case db == sqlite.Memory:
		return nil
	case !isPostgres(db):
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if err := os.Remove(db + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return nil
	}
	conn, err := pgx.Connect(ctx, db)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, `SELECT tablename FROM pg_tables WHERE schemaname = current_schema()
		AND (tablename LIKE 'adminkit\_%' OR tablename LIKE 'shop\_%')`)
	if err != nil {
		return err
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) == 0 {
		return err
	}
	for i := range tables {
		tables[i] = pgx.Identifier{tables[i]}.Sanitize()
	}
	_, err = conn.Exec(ctx, "DROP TABLE "+strings.Join(tables, ", ")+" CASCADE")
	return err
}

// openVault opens the vault whose keys seal what must not be read from the database
// alone. The processes that share a database share the file of its keys.
func openVault(cfg config, log *slog.Logger) (*secrets.Vault, error) {
	path := cfg.keys
	switch {
	case path != "":
	case cfg.db == sqlite.Memory:
		keys, err := secrets.Generate()
		if err != nil {
			return nil, err
		}
		return secrets.New(keys)
	case isPostgres(cfg.db):
		path = "merchantadmin.keys"
	default:
		path = cfg.db + ".keys"
	}
	keys, err := secrets.OpenFile(path)
	if err != nil {
		return nil, fmt.Errorf("-keys: %w", err)
	}
	log.Debug("keys opened", "file", path)
	return secrets.New(keys)
}
