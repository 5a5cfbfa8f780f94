package postgres

import (
	"context"
	_ "embed"
	"fmt"
)

//go:embed roles.sql
var roles string

// Roles returns the SQL file that lets the role adminkit_runtime work with the tables: add
// to and read the audit log, read and write the rest, and change no table. See the package
// documentation.
func Roles() string { return roles }

// Grant runs the statements of [Roles] in the schema of the Backend. The owner of the
// tables calls it after Migrate.
func (b *Backend) Grant(ctx context.Context) error {
	e := engine{b}
	return b.InTx(ctx, func(ctx context.Context) error {
		if err := e.LockMigrations(ctx); err != nil {
			return fmt.Errorf("lock migrations: %w", err)
		}
		if err := e.Script(ctx, roles); err != nil {
			return fmt.Errorf("grant to the runtime role: %w", err)
		}
		return nil
	})
}
