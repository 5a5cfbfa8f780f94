package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lumelle/adminkit/storage"
)

// pgxTransaction is a transaction on a connection of a pool, which it takes with its
// first statement: BEGIN travels with that one. A transaction without a statement never
// reaches the server.
type pgxTransaction struct {
	source  pgxSource
	opening []string
	conn    *pgxpool.Conn // nil until it is taken
	tx      pgx.Tx        // nil until the transaction is open
	failed  error         // why it could not be opened
}

var _ transaction = (*pgxTransaction)(nil)

// Exec implements sqlstore.Session.
func (t *pgxTransaction) Exec(ctx context.Context, query string, args []any) (int64, error) {
	opened, err := t.openWith(ctx, query, args)
	if err != nil {
		return 0, err
	}
	if opened != nil {
		tag, err := opened.Exec()
		if closed := opened.Close(); err == nil {
			err = closed
		}
		return tag.RowsAffected(), translate(err)
	}
	return session{t.tx}.Exec(ctx, query, args)
}

// Query implements sqlstore.Session.
func (t *pgxTransaction) Query(ctx context.Context, query string, args []any) (storage.Rows, error) {
	opened, err := t.openWith(ctx, query, args)
	if err != nil {
		return nil, err
	}
	if opened != nil {
		rs, err := opened.Query()
		if err != nil {
			opened.Close()
			return nil, translate(err)
		}
		return firstRows{rows{rs}, opened}, nil
	}
	return session{t.tx}.Query(ctx, query, args)
}

// Script implements sqlstore.Session.
func (t *pgxTransaction) Script(ctx context.Context, text string) error {
	if err := t.open(ctx); err != nil {
		return err
	}
	return session{t.tx}.Script(ctx, text)
}

// openWith opens the transaction together with its first statement, whose results come
// next. It returns nil where the transaction is open already, or was opened apart.
func (t *pgxTransaction) openWith(ctx context.Context, query string, args []any) (pgx.BatchResults, error) {
	// Only a statement of its own may be several commands.
	if t.tx != nil || t.failed != nil || len(args) == 0 && strings.Contains(query, ";") {
		return nil, t.open(ctx)
	}
	sound, err := t.take(ctx)
	if err != nil {
		return nil, err
	}
	if !sound {
		return nil, t.open(ctx)
	}
	var b pgx.Batch
	b.BeginTx(pgx.TxOptions{BeginQuery: t.opening[0]})
	for _, statement := range t.opening[1:] {
		b.Queue(statement)
	}
	b.Queue(query, args...)
	results := t.conn.SendBatch(ctx, &b)
	for range t.opening {
		if _, err := results.Exec(); err != nil {
			results.Close()
			if t.conn.Conn().IsClosed() {
				return nil, t.fail(err) // while the statement ran, for all that can be known
			}
			// The statement cannot be prepared, so nothing was done. Issued again, its error
			// is one of a transaction that is open.
			t.release()
			return nil, t.open(ctx)
		}
	}
	t.tx = results.Tx()
	return results, nil
}

// open opens the transaction apart from its first statement, unless it is open already. It
// tries again where a connection of the pool turns out to be lost: after a restart of the
// server all of them are, and nothing has been done yet.
func (t *pgxTransaction) open(ctx context.Context) error {
	options := pgx.TxOptions{BeginQuery: strings.Join(t.opening, "; ")}
	for tries := t.source.conns; t.tx == nil && t.failed == nil; tries-- {
		if t.conn == nil {
			if _, err := t.take(ctx); err != nil {
				return err
			}
		}
		tx, err := t.conn.BeginTx(ctx, options)
		if err == nil {
			t.tx = tx
			break
		}
		if tries == 0 || !lost(err) || ctx.Err() != nil {
			return t.fail(err)
		}
		t.release()
	}
	return t.failed
}

// take takes a connection of the pool in exchange for the one it has. sound says that it is
// known not to have been lost while it rested, as far as the server told.
func (t *pgxTransaction) take(ctx context.Context) (sound bool, err error) {
	for tries := t.source.conns; ; tries-- {
		t.release()
		if t.conn, err = t.source.pool.Acquire(ctx); err != nil {
			if ctx.Err() != nil { // with another ctx the next statement may get one
				return false, translate(err)
			}
			return false, t.fail(err)
		}
		rests, known := soundly(t.conn.Conn().PgConn().Conn())
		if rests || !known || tries == 0 {
			return rests, nil
		}
		t.conn.Conn().Close(ctx)
	}
}

// fail has the transaction be one that could not be opened.
func (t *pgxTransaction) fail(err error) error {
	t.release()
	t.failed = fmt.Errorf("begin: %w", translate(err))
	return t.failed
}

// release gives the connection back to the pool, which closes it where anything is still
// under way on it.
func (t *pgxTransaction) release() {
	if t.conn != nil {
		t.conn.Release()
		t.conn = nil
	}
}

// commit implements transaction.
func (t *pgxTransaction) commit(ctx context.Context) error {
	defer t.release()
	switch {
	case t.failed != nil:
		return fmt.Errorf("%w: %w", errHidden, t.failed)
	case t.tx == nil:
		return nil
	case t.conn.Conn().IsClosed(): // lost with a statement before; COMMIT cannot be sent
		return errHidden
	}
	err := t.tx.Commit(ctx)
	if errors.Is(err, pgx.ErrTxCommitRollback) || errors.Is(err, pgx.ErrTxClosed) {
		return errHidden
	}
	return err
}

// rollback implements transaction. An error of it has closed the connection, and that rolls
// back too.
func (t *pgxTransaction) rollback(ctx context.Context) {
	defer t.release()
	if t.tx != nil {
		t.tx.Rollback(ctx)
	}
}

// firstRows are the rows of the statement that a transaction was opened with.
type firstRows struct {
	rows
	opened pgx.BatchResults
}

var _ storage.Rows = firstRows{}

// Close implements storage.Rows.
func (r firstRows) Close() error {
	err := r.rows.Close()
	if closed := r.opened.Close(); err == nil {
		err = translate(closed)
	}
	return err
}
