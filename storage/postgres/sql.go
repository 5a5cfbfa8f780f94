package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/signal"
)

// sqlSource is a host's database behind database/sql.
type sqlSource struct{ db *sql.DB }

var _ source = sqlSource{}

func (s sqlSource) begin(ctx context.Context, statements ...string) (transaction, error) {
	c, err := s.db.Conn(ctx)
	if err != nil {
		return nil, translate(err)
	}
	t := &sqlTransaction{sqlSession: sqlSession{on: c}, conn: c}
	if _, err := c.ExecContext(ctx, strings.Join(statements, "; ")); err != nil {
		t.discard()
		return nil, translate(err)
	}
	return t, nil
}

func (s sqlSource) conn() storage.Conn { return sqlConn{s.db} }

func (s sqlSource) ping(ctx context.Context) error { return translate(s.db.PingContext(ctx)) }

// dial implements source. database/sql has no way to hear notifications.
func (s sqlSource) dial(context.Context) (*pgx.Conn, error) { return nil, signal.ErrDeaf }

// sqlQuerier is what *sql.DB, *sql.Conn and *sql.Tx have in common.
type sqlQuerier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// sqlConn gives a sqlQuerier the shape of package storage.
type sqlConn struct{ on sqlQuerier }

var _ storage.Conn = sqlConn{}

// Exec implements storage.Conn.
func (c sqlConn) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := c.on.ExecContext(ctx, query, arrays(args)...)
	if err != nil {
		return 0, translate(err)
	}
	n, err := res.RowsAffected()
	return n, translate(err)
}

// Query implements storage.Conn.
func (c sqlConn) Query(ctx context.Context, query string, args ...any) (storage.Rows, error) {
	rs, err := c.on.QueryContext(ctx, query, arrays(args)...)
	if err != nil {
		return nil, translate(err)
	}
	return sqlRows{Rows: rs}, nil
}

// sqlSession issues the statements of one open transaction.
//
// A commit after a failed statement is a rollback on Postgres, and drivers tell that
// apart in ways of their own, or not at all. So the session remembers.
type sqlSession struct {
	on     sqlQuerier
	failed error
}

// Exec implements sqlstore.Session.
func (s *sqlSession) Exec(ctx context.Context, query string, args []any) (int64, error) {
	n, err := sqlConn{s.on}.Exec(ctx, query, args...)
	if err == nil && strings.HasPrefix(query, "ROLLBACK TO ") {
		s.failed = nil
	}
	return n, s.note(err)
}

// Query implements sqlstore.Session.
func (s *sqlSession) Query(ctx context.Context, query string, args []any) (storage.Rows, error) {
	rs, err := s.on.QueryContext(ctx, query, arrays(args)...)
	if err != nil {
		return nil, s.note(translate(err))
	}
	return sqlRows{rs, s}, nil
}

// Script implements sqlstore.Session. Drivers use the simple protocol, which takes
// several statements at once, where there are no arguments.
func (s *sqlSession) Script(ctx context.Context, text string) error {
	_, err := s.on.ExecContext(ctx, text)
	return s.note(translate(err))
}

func (s *sqlSession) note(err error) error {
	if err != nil && s.failed == nil {
		s.failed = err
	}
	return err
}

// sqlTransaction is a session that the Backend has begun. It ends it by statements and
// not with a *sql.Tx, whose Commit would wait for an answer without end.
type sqlTransaction struct {
	sqlSession
	conn *sql.Conn
}

var _ transaction = (*sqlTransaction)(nil)

func (t *sqlTransaction) commit(ctx context.Context) error {
	if t.failed != nil {
		t.rollback(ctx)
		return fmt.Errorf("%w: %w", errHidden, t.failed)
	}
	if _, err := t.conn.ExecContext(ctx, "COMMIT"); err != nil {
		t.discard()
		return err
	}
	t.conn.Close()
	return nil
}

func (t *sqlTransaction) rollback(ctx context.Context) {
	if _, err := t.conn.ExecContext(ctx, "ROLLBACK"); err != nil {
		t.discard()
		return
	}
	t.conn.Close()
}

// discard closes the connection instead of giving it back, which ends whatever is open
// on it.
func (t *sqlTransaction) discard() {
	t.conn.Raw(func(any) error { return driver.ErrBadConn })
	t.conn.Close()
}

// sqlRows gives *sql.Rows the errors of package storage. s is the session they belong
// to, nil outside of a transaction.
type sqlRows struct {
	*sql.Rows
	s *sqlSession
}

var _ storage.Rows = sqlRows{}

// Err implements storage.Rows.
func (r sqlRows) Err() error { return r.note(translate(r.Rows.Err())) }

// Close implements storage.Rows.
func (r sqlRows) Close() error { return r.note(translate(errors.Join(r.Rows.Close(), r.Rows.Err()))) }

func (r sqlRows) note(err error) error {
	if r.s == nil {
		return err
	}
	return r.s.note(err)
}

// arrays writes arguments that are lists as Postgres writes arrays: database/sql has no
// type for them.
func arrays(args []any) []any {
	var copied []any
	for i, arg := range args {
		var text string
		switch list := arg.(type) {
		case []string:
			text = array(list, quoted)
		case []int64:
			text = array(list, func(n int64) string { return strconv.FormatInt(n, 10) })
		case [][]byte:
			text = array(list, func(b []byte) string {
				if b == nil {
					return "NULL"
				}
				return `"\\x` + hex.EncodeToString(b) + `"`
			})
		default:
			continue
		}
		if copied == nil {
			copied = slices.Clone(args)
		}
		copied[i] = text
	}
	if copied == nil {
		return args
	}
	return copied
}

func array[E any](list []E, write func(E) string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, e := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(write(e))
	}
	b.WriteByte('}')
	return b.String()
}

// quoted writes a string as an element of an array.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
