package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/examples/merchantadmin/shop"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/idempotency"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/listing/saved"
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
	Automation() automation.Store
	Flags() flags.Store
	Idempotency() idempotency.Store
	Jobs() jobs.Store
	SavedFilters() saved.Store
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
func openBackend(ctx context.Context, cfg config, log *slog.Logger) (backend, error) {
	if cfg.reset {
		if err := resetDatabase(ctx, cfg.db); err != nil {
			return nil, fmt.Errorf("-reset: %w", err)
		}
	}
	if isPostgres(cfg.db) {
		return postgres.Open(ctx, cfg.db, postgres.Config{})
	}
	return sqlite.Open(ctx, cfg.db, sqlite.Config{Logger: log})
}

// resetDatabase removes the tables of the kit and of the shop, and nothing else that
// the database may hold. A process that works with it meanwhile goes on with what is
// made anew: of SQLite the file stays, or that process would write into a removed one.
func resetDatabase(ctx context.Context, db string) error {
	if isPostgres(db) {
		return resetPostgres(ctx, db)
	}
	return resetSQLite(ctx, db)
}

func resetSQLite(ctx context.Context, path string) error {
	if path == sqlite.Memory {
		return nil
	}
	db, err := sqlite.Open(ctx, path, sqlite.Config{NoMigrate: true})
	if err != nil {
		return err
	}
	err = db.InTx(ctx, func(ctx context.Context) error {
		c, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		tables, err := sqliteTables(ctx, c)
		if err != nil {
			return err
		}
		for _, table := range tables {
			if _, err := c.Exec(ctx, "DROP TABLE "+pgx.Identifier{table}.Sanitize()); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, db.Close(context.WithoutCancel(ctx)))
}

// sqliteTables returns what is to be removed, the newest first: a table that refers to
// another is younger.
func sqliteTables(ctx context.Context, c storage.Conn) ([]string, error) {
	rows, err := c.Query(ctx, `SELECT name FROM sqlite_master WHERE type = 'table'
		AND (name LIKE 'adminkit\_%' ESCAPE '\' OR name LIKE 'shop\_%' ESCAPE '\') ORDER BY rowid DESC`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var tables []string
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			return nil, err
		}
		tables = append(tables, table)
	}
	return tables, rows.Err()
}

func resetPostgres(ctx context.Context, db string) error {
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
