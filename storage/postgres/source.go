package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/sqlstore"
)

// A source is where transactions and connections come from: a pool of pgx, or a
// host's database/sql.
type source interface {
	// begin opens a transaction with the given statements, now or with its first statement.
	begin(ctx context.Context, statements ...string) (transaction, error)
	// conn returns the connection for single statements outside of a transaction.
	conn() storage.Conn
	ping(ctx context.Context) error
	// dial opens a connection of its own, outside of the pool. It answers
	// signal.ErrDeaf where that cannot be done.
	dial(ctx context.Context) (*pgx.Conn, error)
}

// A transaction is one that the Backend has begun and ends.
type transaction interface {
	sqlstore.Session
	commit(ctx context.Context) error
	rollback(ctx context.Context)
}
