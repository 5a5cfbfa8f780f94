package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync"

	"github.com/lumelle/adminkit/storage"
)

// executor is what *sql.Conn and *sql.Tx have in common.
type executor interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// preparer is what *sql.DB and *sql.Conn have in common.
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// maxStatements bounds a statement cache. The kit's own statements fit many times;
// hosts that compose SQL text must not grow it without end.
const maxStatements = 1024

// statements keeps prepared statements by the text they came from.
type statements struct {
	mu    sync.RWMutex
	stmts map[string]*sql.Stmt
}

// get returns the statement for query, prepared on p.
func (s *statements) get(ctx context.Context, p preparer, query string) (*sql.Stmt, error) {
	s.mu.RLock()
	stmt := s.stmts[query]
	s.mu.RUnlock()
	if stmt != nil {
		return stmt, nil
	}
	stmt, err := p.PrepareContext(ctx, numbered(query))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.stmts[query]; other != nil {
		stmt.Close()
		return other, nil
	}
	if s.stmts == nil {
		s.stmts = map[string]*sql.Stmt{}
	}
	if len(s.stmts) >= maxStatements {
		for text, old := range s.stmts { // any one: the map's order is random
			delete(s.stmts, text)
			old.Close() // database/sql waits for its open rows
			break
		}
	}
	s.stmts[query] = stmt
	return stmt, nil
}

// drop closes and forgets all statements.
func (s *statements) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stmt := range s.stmts {
		stmt.Close()
	}
	s.stmts = nil
}

// rows gives the errors of *sql.Rows the words of package storage.
type rows struct{ *sql.Rows }

var _ storage.Rows = rows{}

// Err implements storage.Rows.
func (r rows) Err() error { return translate(r.Rows.Err()) }

// Close implements storage.Rows.
func (r rows) Close() error { return translate(r.Rows.Close()) }

// reader serves single reading statements outside of any transaction.
type reader struct {
	db    *sql.DB
	stmts statements
}

var _ storage.Conn = (*reader)(nil)

// Exec implements storage.Conn.
func (r *reader) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	stmt, err := r.stmts.get(ctx, r.db, query)
	if err != nil {
		return 0, translate(err)
	}
	res, err := stmt.ExecContext(ctx, args...)
	if err != nil {
		return 0, translate(err)
	}
	return res.RowsAffected()
}

// Query implements storage.Conn.
func (r *reader) Query(ctx context.Context, query string, args ...any) (storage.Rows, error) {
	stmt, err := r.stmts.get(ctx, r.db, query)
	if err != nil {
		return nil, translate(err)
	}
	rs, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return nil, translate(err)
	}
	return rows{rs}, nil
}

// snapshot runs fn in a transaction that only reads. It is begun by a statement, because
// database/sql would begin it as the host's driver was told to, which may be as a writer.
func (r *reader) snapshot(ctx context.Context, fn func(ctx context.Context, conn storage.Conn) error) error {
	c, err := r.db.Conn(ctx)
	if err != nil {
		return translate(err)
	}
	defer c.Close()
	// A statement whose ctx ends beside it may have run all the same, and nobody would end
	// what it began. This one takes no lock and need not end early.
	whole := context.WithoutCancel(ctx)
	if _, err := c.ExecContext(whole, "BEGIN DEFERRED"); err != nil {
		c.Raw(func(any) error { return driver.ErrBadConn })
		return translate(err)
	}
	defer func() {
		if _, err := c.ExecContext(whole, "ROLLBACK"); err != nil && inTransaction(whole, c) {
			c.Raw(func(any) error { return driver.ErrBadConn }) // ends with its connection
		}
	}()
	return fn(ctx, snapshot{c})
}

// A snapshot is the connection of a transaction that only reads.
type snapshot struct{ conn *sql.Conn }

var _ storage.Conn = snapshot{}

// Exec implements storage.Conn.
func (s snapshot) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := s.conn.ExecContext(ctx, numbered(query), args...)
	if err != nil {
		return 0, translate(err)
	}
	return res.RowsAffected()
}

// Query implements storage.Conn.
func (s snapshot) Query(ctx context.Context, query string, args ...any) (storage.Rows, error) {
	rs, err := s.conn.QueryContext(ctx, numbered(query), args...)
	if err != nil {
		return nil, translate(err)
	}
	return rows{rs}, nil
}
