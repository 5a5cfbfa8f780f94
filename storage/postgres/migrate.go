package postgres

import (
	"context"
	"embed"
	"io/fs"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/migrate"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations returns the SQL files that make the tables, for hosts that run them with
// a tool of their own, in the order of their names. Such hosts set Config.NoMigrate.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the directory is compiled in
	}
	return sub
}

// Migrate applies the migrations that are pending, all of them or none. Processes
// that start at the same time wait for each other. It refuses a database that this
// program cannot work on, because the applied migrations are not those of this release or
// of the next; see the package documentation.
func (b *Backend) Migrate(ctx context.Context) error {
	if err := b.place(ctx, true); err != nil {
		return err
	}
	return migrate.Run(ctx, engine{b}, Migrations(), b.cfg.Now)
}

// Pending returns the names of the migrations that Migrate would apply.
func (b *Backend) Pending(ctx context.Context) ([]string, error) {
	if err := b.place(ctx, true); err != nil {
		return nil, err
	}
	return migrate.Pending(ctx, engine{b}, Migrations())
}

// check refuses a database that this program cannot work on, and writes nothing.
func (b *Backend) check(ctx context.Context) error {
	if err := b.place(ctx, false); err != nil {
		return err
	}
	return migrate.Check(ctx, engine{b}, Migrations())
}

// engine is what the migration runner sees of a Backend.
type engine struct{ *Backend }

var _ migrate.Engine = engine{}

// migrationLock is the key of the advisory lock, "adminkit" in ASCII.
const migrationLock = 0x61646d696e6b6974

// LockMigrations takes a lock that ends with the transaction, so that it works behind
// a pooler too.
func (e engine) LockMigrations(ctx context.Context) error {
	c, err := e.Conn(ctx)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(migrationLock))
	return err
}

// Bookkeeping implements migrate.Engine.
func (e engine) Bookkeeping(ctx context.Context) (bool, error) {
	c, err := e.Reader(ctx)
	if err != nil {
		return false, err
	}
	var there bool
	err = storage.QueryRow(ctx, c, `
		SELECT EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'adminkit_migration')`, nil, &there)
	return there, err
}

// Script runs the statements of a file.
func (e engine) Script(ctx context.Context, text string) error {
	h, err := e.tx(ctx)
	if err != nil {
		return err
	}
	return h.Script(ctx, text)
}
