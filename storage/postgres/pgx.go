package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/sqlstore"
)

// querier is what pgx.Tx, *pgx.Conn and *pgxpool.Pool have in common.
type querier interface {
	Exec(ctx context.Context, query string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, query string, args ...any) (pgx.Rows, error)
}

// pgxSource is a pool of pgx.
type pgxSource struct {
	pool  *pgxpool.Pool
	conns int32 // at most
}

var _ source = pgxSource{}

// begin implements source. The transaction opens with its first statement, in one round
// trip to the server.
func (s pgxSource) begin(ctx context.Context, statements ...string) (transaction, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &pgxTransaction{source: s, opening: statements}, nil
}

func (s pgxSource) conn() storage.Conn { return conn{s.pool} }

func (s pgxSource) ping(ctx context.Context) error { return translate(s.pool.Ping(ctx)) }

// dial implements source, with what the host's pool does before it connects.
func (s pgxSource) dial(ctx context.Context) (*pgx.Conn, error) {
	cfg := s.pool.Config()
	if cfg.BeforeConnect != nil {
		if err := cfg.BeforeConnect(ctx, cfg.ConnConfig); err != nil {
			return nil, err
		}
	}
	return pgx.ConnectConfig(ctx, cfg.ConnConfig)
}

// conn gives a querier the shape of package storage: of a transaction, or of the pool
// for single statements outside of one.
type conn struct{ on querier }

var _ storage.Conn = conn{}

// Exec implements storage.Conn.
func (c conn) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	tag, err := c.on.Exec(ctx, query, args...)
	if err != nil {
		return 0, translate(err)
	}
	return tag.RowsAffected(), nil
}

// Query implements storage.Conn.
func (c conn) Query(ctx context.Context, query string, args ...any) (storage.Rows, error) {
	rs, err := c.on.Query(ctx, query, args...)
	if err != nil {
		return nil, translate(err)
	}
	return rows{rs}, nil
}

// session issues the statements of one open transaction.
type session struct{ tx pgx.Tx }

var _ sqlstore.Session = session{}

// Exec implements sqlstore.Session.
func (s session) Exec(ctx context.Context, query string, args []any) (int64, error) {
	return conn{s.tx}.Exec(ctx, query, args...)
}

// Query implements sqlstore.Session.
func (s session) Query(ctx context.Context, query string, args []any) (storage.Rows, error) {
	return conn{s.tx}.Query(ctx, query, args...)
}

// Script implements sqlstore.Session. Only the simple protocol takes several
// statements at once.
func (s session) Script(ctx context.Context, text string) error {
	_, err := s.tx.Conn().PgConn().Exec(ctx, text).ReadAll()
	return translate(err)
}

// rows gives pgx.Rows the shape and the errors of package storage.
type rows struct{ pgx.Rows }

var _ storage.Rows = rows{}

// Scan implements storage.Rows.
func (r rows) Scan(dest ...any) error { return translate(r.Rows.Scan(dest...)) }

// Err implements storage.Rows.
func (r rows) Err() error { return translate(r.Rows.Err()) }

// Close implements storage.Rows.
func (r rows) Close() error {
	r.Rows.Close()
	return r.Err()
}
