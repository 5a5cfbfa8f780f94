package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
)

// A writer is where the one write connection comes from. Only the committer uses it,
// and never from two goroutines at once.
type writer struct {
	db *sql.DB

	// keep is false for a host's own database: there a connection is borrowed for a
	// group and given back, because the host's pool may consist of one.
	keep  bool
	conn  *sql.Conn
	stmts statements
}

// acquire returns the connection.
func (w *writer) acquire(ctx context.Context) (*sql.Conn, error) {
	if w.conn == nil {
		conn, err := w.db.Conn(ctx)
		if err != nil {
			return nil, err
		}
		w.conn = conn
	}
	return w.conn, nil
}

// session returns a session on conn. Prepared statements end with their connection,
// so they are kept only where that is kept.
func (w *writer) session(conn *sql.Conn) *session {
	s := &session{on: conn}
	if w.keep {
		s.stmts, s.conn = &w.stmts, conn
	}
	return s
}

// release gives the connection back after a regular end.
func (w *writer) release() {
	if !w.keep {
		w.close()
	}
}

// discard closes the connection for good, which rolls back whatever is open on it.
func (w *writer) discard() {
	w.stmts.drop()
	if w.conn != nil {
		w.conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	w.close()
}

func (w *writer) close() {
	w.stmts.drop()
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
}
