package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"github.com/lumelle/adminkit/storage"
)

// pgxTransaction is a transaction on a connection of a pool, which it takes with its
// first statement: BEGIN travels with that one. A transaction without a statement never
// reaches the server.
type pgxTransaction struct {
	source  pgxSource
	opening []string
	tx      pgx.Tx // nil until the transaction is open
	failed  error  // why it could not be opened
}

var _ transaction = (*pgxTransaction)(nil)

// Exec implements sqlstore.Session.
func (t *pgxTransaction) Exec(ctx context.Context, query string, args []any) (int64, error) {
	if opened := t.openWith(ctx, query, args); opened != nil {
		tag, err := opened.Exec()
		if closed := opened.Close(); err == nil {
			err = closed
		}
		return tag.RowsAffected(), translate(err)
	}
	if t.failed != nil {
		return 0, t.failed
	}
	return session{t.tx}.Exec(ctx, query, args)
}

// Query implements sqlstore.Session.
func (t *pgxTransaction) Query(ctx context.Context, query string, args []any) (storage.Rows, error) {
	if opened := t.openWith(ctx, query, args); opened != nil {
		rs, err := opened.Query()
		if err != nil {
			opened.Close()
			return nil, translate(err)
		}
		return firstRows{rows{rs}, opened}, nil
	}
	if t.failed != nil {
		return nil, t.failed
	}
	return session{t.tx}.Query(ctx, query, args)
}

// Script implements sqlstore.Session.
func (t *pgxTransaction) Script(ctx context.Context, text string) error {
	if t.tx == nil && t.failed == nil {
		t.open(ctx)
	}
	if t.failed != nil {
		return t.failed
	}
	return session{t.tx}.Script(ctx, text)
}

// openWith opens the transaction together with its first statement, whose results come
// next. It returns nil where the transaction is open already, was opened apart, or failed
// to open.
func (t *pgxTransaction) openWith(ctx context.Context, query string, args []any) pgx.BatchResults {
	if t.tx != nil || t.failed != nil {
		return nil
	}
	var b pgx.Batch
	b.BeginTx(pgx.TxOptions{BeginQuery: t.opening[0]})
	for _, statement := range t.opening[1:] {
		b.Queue(statement)
	}
	b.Queue(query, args...)
	results := t.source.pool.SendBatch(ctx, &b)
	for range t.opening {
		if _, err := results.Exec(); err != nil {
			results.Close()
			results.Tx().Rollback(context.WithoutCancel(ctx)) // gives the connection back
			t.openAfter(ctx, err)
			return nil
		}
	}
	t.tx = results.Tx()
	return results
}

// openAfter opens the transaction apart from its first statement, after both together
// failed before it was open: the connection was lost, or the statement cannot be
// prepared. The statement is then issued again, and its error is one of a transaction
// that is open.
func (t *pgxTransaction) openAfter(ctx context.Context, err error) {
	if unreachable(ctx, err) {
		t.failed = fmt.Errorf("begin: %w", translate(err))
		return
	}
	t.open(ctx)
}

// open opens the transaction. It tries again where a connection of the pool turns out to be
// lost: after a restart of the server all of them are, and nothing has been done yet.
func (t *pgxTransaction) open(ctx context.Context) {
	options := pgx.TxOptions{BeginQuery: strings.Join(t.opening, "; ")}
	for tries := t.source.conns; ; tries-- {
		tx, err := t.source.pool.BeginTx(ctx, options)
		if err == nil {
			t.tx = tx
			return
		}
		if tries == 0 || !lost(err) || unreachable(ctx, err) {
			t.failed = fmt.Errorf("begin: %w", translate(err))
			return
		}
	}
}

// unreachable reports whether err says that no other connection will do better.
func unreachable(ctx context.Context, err error) bool {
	var connect *pgconn.ConnectError
	return ctx.Err() != nil || errors.As(err, &connect) || errors.Is(err, puddle.ErrClosedPool)
}

// commit implements transaction.
func (t *pgxTransaction) commit(ctx context.Context) error {
	switch {
	case t.failed != nil:
		return fmt.Errorf("%w: %w", errHidden, t.failed)
	case t.tx == nil:
		return nil
	}
	err := t.tx.Commit(ctx)
	if errors.Is(err, pgx.ErrTxCommitRollback) || errors.Is(err, pgx.ErrTxClosed) {
		return errHidden // the second: the connection was lost, and COMMIT was never sent
	}
	return err
}

// rollback gives the connection back to the pool. An error of it has closed the
// connection, and that rolls back too.
func (t *pgxTransaction) rollback(ctx context.Context) {
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
