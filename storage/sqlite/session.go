package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/sqlstore"
)

// A session issues the statements of one open transaction: of a group, on the write
// connection, or of a host's own.
//
// SQLite ends a transaction by itself when the disk is full, an I/O error occurs or
// a statement is interrupted, savepoints included, and the next statement would
// commit by itself. So after each error the session asks whether the transaction is
// still there, and is lost from then on if it is not.
type session struct {
	on    executor
	stmts *statements // nil where statements are not kept
	conn  *sql.Conn   // what stmts are prepared on
	lost  error       // why nothing more may be issued
}

var _ sqlstore.Session = (*session)(nil)

// Exec implements sqlstore.Session. A statement that has begun is not interrupted by
// ctx: SQLite would end the whole transaction, and with it other callers' changes.
func (s *session) Exec(ctx context.Context, query string, args []any) (int64, error) {
	if s.lost != nil {
		return 0, s.lost
	}
	ctx = context.WithoutCancel(ctx)
	res, err := s.exec(ctx, query, args)
	if err != nil {
		return 0, s.failed(ctx, err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return 0, s.failed(ctx, err)
	}
	return n, nil
}

func (s *session) exec(ctx context.Context, query string, args []any) (sql.Result, error) {
	if s.stmts == nil {
		return s.on.ExecContext(ctx, numbered(query), args...)
	}
	stmt, err := s.stmts.get(ctx, s.conn, query)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(ctx, args...)
}

// Query implements sqlstore.Session.
func (s *session) Query(ctx context.Context, query string, args []any) (storage.Rows, error) {
	if s.lost != nil {
		return nil, s.lost
	}
	ctx = context.WithoutCancel(ctx)
	rs, err := s.query(ctx, query, args)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return &sessionRows{s: s, ctx: ctx, Rows: rs}, nil
}

func (s *session) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	if s.stmts == nil {
		return s.on.QueryContext(ctx, numbered(query), args...)
	}
	stmt, err := s.stmts.get(ctx, s.conn, query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

// Script implements sqlstore.Session.
func (s *session) Script(ctx context.Context, text string) error {
	if s.lost != nil {
		return s.lost
	}
	ctx = context.WithoutCancel(ctx)
	if _, err := s.on.ExecContext(ctx, text); err != nil {
		return s.failed(ctx, err)
	}
	return nil
}

// failed translates the error of a statement, and finds out whether the transaction
// outlived it.
func (s *session) failed(ctx context.Context, cause error) error {
	err := translate(cause)
	if s.lost == nil && !inTransaction(ctx, s.on) {
		s.lost = fmt.Errorf("%w: SQLite ended the transaction: %w", storage.ErrUnavailable, err)
	}
	return err
}

// inTransaction reports whether a transaction is open, for which SQLite has no
// statement: it asks for a second one, which is refused inside of one. The one that
// is not refused is ended at once.
func inTransaction(ctx context.Context, on executor) bool {
	if _, err := on.ExecContext(ctx, "BEGIN"); err != nil {
		return strings.Contains(err.Error(), "within a transaction") // the code is only SQLITE_ERROR
	}
	on.ExecContext(ctx, "ROLLBACK")
	return false
}

// sessionRows are the rows of a query in a transaction. Reading them can fail like
// any statement.
type sessionRows struct {
	*sql.Rows
	s   *session
	ctx context.Context
	err error
}

var _ storage.Rows = (*sessionRows)(nil)

// Err implements storage.Rows.
func (r *sessionRows) Err() error {
	if r.err == nil {
		if err := r.Rows.Err(); err != nil {
			r.err = r.s.failed(r.ctx, err)
		}
	}
	return r.err
}

// Close implements storage.Rows.
func (r *sessionRows) Close() error {
	if err := r.Rows.Close(); err != nil {
		return r.s.failed(r.ctx, err)
	}
	return r.Err()
}
