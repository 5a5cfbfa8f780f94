package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/sqlstore"
)

// maxIdentifier is the length in bytes from which on Postgres would cut a name off.
const maxIdentifier = 63

// place sees to it that connections work in the schema of the Config, and makes that
// schema where it is missing and may be made.
func (b *Backend) place(ctx context.Context, mayMake bool) error {
	if b.cfg.Schema == "" {
		return nil
	}
	there, current, err := b.schema(ctx)
	if err == nil && there && current != b.cfg.Schema {
		// Another process may have made it while the statement ran, whose rows told of it and
		// whose path did not yet. The next statement knows the path too.
		_, current, err = b.schema(ctx)
	}
	if err != nil || !there && !mayMake {
		return err
	}
	if !there {
		if err := b.makeSchema(ctx); err != nil {
			return fmt.Errorf("make the schema: %w", err)
		}
		if _, current, err = b.schema(ctx); err != nil {
			return err
		}
	}
	return b.fits(current)
}

// schema reports whether the schema of the Config is there, and the one that connections
// work in.
func (b *Backend) schema(ctx context.Context) (there bool, current string, err error) {
	c, err := b.Reader(ctx)
	if err != nil {
		return false, "", err
	}
	err = storage.QueryRow(ctx, c, `
		SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1), COALESCE(current_schema(), '')`,
		[]any{b.cfg.Schema}, &there, &current)
	return there, current, err
}

// makeSchema lets processes that start together take turns: IF NOT EXISTS alone fails
// where two make it at the same time, and asks for the right to make one in any case.
func (b *Backend) makeSchema(ctx context.Context) error {
	return b.InTx(ctx, func(ctx context.Context) error {
		if err := (engine{b}).LockMigrations(ctx); err != nil {
			return err
		}
		there, _, err := b.schema(ctx)
		if err != nil || there {
			return err
		}
		c, err := b.Conn(ctx)
		if err != nil {
			return err
		}
		_, err = c.Exec(ctx, "CREATE SCHEMA "+pgx.Identifier{b.cfg.Schema}.Sanitize())
		return err
	})
}

func (b *Backend) fits(current string) error {
	if current != b.cfg.Schema {
		return fmt.Errorf("postgres: Config.Schema is %q and the connection works in %q: set search_path on the connections that are not the kit's own",
			b.cfg.Schema, current)
	}
	return nil
}

// joined returns the session of a host's transaction. Where a schema is configured it is
// looked at once whether the transaction works in it: the tables of another kit may have
// the same names.
func (b *Backend) joined(s sqlstore.Session) sqlstore.Session {
	if b.cfg.Schema == "" {
		return s
	}
	return &placed{Session: s, b: b}
}

// A placed session asks before its first statement where it is.
type placed struct {
	sqlstore.Session
	b    *Backend
	sure bool
}

var _ sqlstore.Session = (*placed)(nil)

// Exec implements sqlstore.Session.
func (p *placed) Exec(ctx context.Context, query string, args []any) (int64, error) {
	if err := p.look(ctx); err != nil {
		return 0, err
	}
	return p.Session.Exec(ctx, query, args)
}

// Query implements sqlstore.Session.
func (p *placed) Query(ctx context.Context, query string, args []any) (storage.Rows, error) {
	if err := p.look(ctx); err != nil {
		return nil, err
	}
	return p.Session.Query(ctx, query, args)
}

// Script implements sqlstore.Session.
func (p *placed) Script(ctx context.Context, text string) error {
	if err := p.look(ctx); err != nil {
		return err
	}
	return p.Session.Script(ctx, text)
}

func (p *placed) look(ctx context.Context) error {
	if p.sure {
		return nil
	}
	rows, err := p.Session.Query(ctx, `SELECT COALESCE(current_schema(), '')`, nil)
	if err != nil {
		return err
	}
	defer rows.Close()
	var current string
	for rows.Next() {
		if err := rows.Scan(&current); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if err := p.b.fits(current); err != nil {
		return err
	}
	p.sure = true
	return nil
}
