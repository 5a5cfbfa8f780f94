package faults

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
)

// Connector returns c with the faults of the plan, for sql.OpenDB:
//
//	db := sql.OpenDB(plan.Connector(c))
//
// Counted are connections, prepared statements, transactions, statements and rows.
// A lost connection is closed, which undoes what it had not committed, and answers
// driver.ErrBadConn from then on.
func (p *Plan) Connector(c driver.Connector) driver.Connector {
	return &connector{Connector: c, plan: p}
}

type connector struct {
	driver.Connector
	plan *Plan
}

// Connect implements driver.Connector.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	if c.plan.Fires(Connect, "") {
		if !c.plan.mode.made() {
			return nil, failure(c.plan.mode)
		}
		inner, err := c.Connector.Connect(ctx)
		if err == nil {
			inner.Close()
		}
		return nil, failure(c.plan.mode)
	}
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{inner: inner, plan: c.plan, open: map[io.Closer]bool{}}, nil
}

func failure(m Mode) error {
	if m.lost() {
		return driver.ErrBadConn
	}
	return ErrInjected
}

// A conn is a connection. database/sql uses it from one goroutine at a time.
type conn struct {
	inner driver.Conn
	plan  *Plan
	lost  bool
	// open holds the statements and rows that end with a lost connection, *stmt and
	// *rows.
	open map[io.Closer]bool
}

var (
	_ driver.ConnPrepareContext = (*conn)(nil)
	_ driver.ConnBeginTx        = (*conn)(nil)
	_ driver.ExecerContext      = (*conn)(nil)
	_ driver.QueryerContext     = (*conn)(nil)
	_ driver.Pinger             = (*conn)(nil)
	_ driver.SessionResetter    = (*conn)(nil)
	_ driver.Validator          = (*conn)(nil)
	_ driver.NamedValueChecker  = (*conn)(nil)
)

// do makes one call, or fails it as the plan says. The call's effects beyond its
// error are undone by drop where the caller is told that it failed.
func (c *conn) do(op Op, query string, call func() error, drop func()) error {
	if c.lost {
		return driver.ErrBadConn
	}
	if !c.plan.Fires(op, query) {
		return call()
	}
	if c.plan.mode.made() {
		if err := call(); err == nil && drop != nil {
			drop()
		}
	}
	if c.plan.mode.lost() {
		c.lose()
	}
	return failure(c.plan.mode)
}

// lose closes the connection under its user's feet.
func (c *conn) lose() {
	c.lost = true
	open := slices.Collect(maps.Keys(c.open))
	for _, x := range open { // rows before the statements they come from
		if r, ok := x.(*rows); ok {
			r.Close()
		}
	}
	for _, x := range open {
		x.Close()
	}
	c.inner.Close()
}

// kind tells statements that are calls of their own in drivers that have them.
func kind(query string, other Op) Op {
	words := strings.Fields(strings.ToUpper(strings.TrimRight(query, "; \n")))
	switch {
	case len(words) == 0:
		return other
	case words[0] == "BEGIN":
		return Begin
	case words[0] == "COMMIT":
		return Commit
	case words[0] == "ROLLBACK" && !slices.Contains(words, "TO"):
		return Rollback
	}
	return other
}

// Prepare implements driver.Conn.
func (c *conn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

// PrepareContext implements driver.ConnPrepareContext.
func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	var s driver.Stmt
	err := c.do(Prepare, query, func() (err error) {
		if p, ok := c.inner.(driver.ConnPrepareContext); ok {
			s, err = p.PrepareContext(ctx, query)
		} else {
			s, err = c.inner.Prepare(query)
		}
		return err
	}, func() { s.Close() })
	if err != nil {
		return nil, err
	}
	w := &stmt{c: c, inner: s, query: query}
	c.open[w] = true
	return w, nil
}

// Close implements driver.Conn.
func (c *conn) Close() error {
	if c.lost {
		return nil
	}
	return c.inner.Close()
}

// Begin implements driver.Conn.
func (c *conn) Begin() (driver.Tx, error) { return c.BeginTx(context.Background(), driver.TxOptions{}) }

// BeginTx implements driver.ConnBeginTx.
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	var t driver.Tx
	err := c.do(Begin, "", func() (err error) {
		if b, ok := c.inner.(driver.ConnBeginTx); ok {
			t, err = b.BeginTx(ctx, opts)
		} else {
			t, err = c.inner.Begin() //nolint:staticcheck // what a driver has without BeginTx
		}
		return err
	}, func() { t.Rollback() })
	if err != nil {
		return nil, err
	}
	return &tx{c: c, inner: t}, nil
}

// ExecContext implements driver.ExecerContext.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	inner, ok := c.inner.(driver.ExecerContext)
	if !ok {
		return nil, driver.ErrSkip
	}
	var res driver.Result
	err := c.do(kind(query, Exec), query, func() (err error) {
		res, err = inner.ExecContext(ctx, query, args)
		return err
	}, nil)
	if err != nil {
		return nil, err
	}
	return res, nil
}

// QueryContext implements driver.QueryerContext.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	inner, ok := c.inner.(driver.QueryerContext)
	if !ok {
		return nil, driver.ErrSkip
	}
	return c.query(query, func() (driver.Rows, error) { return inner.QueryContext(ctx, query, args) })
}

func (c *conn) query(query string, call func() (driver.Rows, error)) (driver.Rows, error) {
	var r driver.Rows
	err := c.do(Query, query, func() (err error) {
		r, err = call()
		return err
	}, func() { r.Close() })
	if err != nil {
		return nil, err
	}
	w := &rows{c: c, inner: r, query: query}
	c.open[w] = true
	return w, nil
}

// Ping implements driver.Pinger. It does not count.
func (c *conn) Ping(ctx context.Context) error {
	if c.lost {
		return driver.ErrBadConn
	}
	if p, ok := c.inner.(driver.Pinger); ok {
		return p.Ping(ctx)
	}
	return nil
}

// ResetSession implements driver.SessionResetter.
func (c *conn) ResetSession(ctx context.Context) error {
	if c.lost {
		return driver.ErrBadConn
	}
	if r, ok := c.inner.(driver.SessionResetter); ok {
		return r.ResetSession(ctx)
	}
	return nil
}

// IsValid implements driver.Validator.
func (c *conn) IsValid() bool {
	if c.lost {
		return false
	}
	v, ok := c.inner.(driver.Validator)
	return !ok || v.IsValid()
}

// CheckNamedValue implements driver.NamedValueChecker.
func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if n, ok := c.inner.(driver.NamedValueChecker); ok {
		return n.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

// A stmt is a prepared statement.
type stmt struct {
	c     *conn
	inner driver.Stmt
	query string
}

var (
	_ driver.StmtExecContext  = (*stmt)(nil)
	_ driver.StmtQueryContext = (*stmt)(nil)
)

// Close implements driver.Stmt.
func (s *stmt) Close() error {
	if !s.c.open[s] {
		return nil // closed before, or with its connection
	}
	delete(s.c.open, s)
	return s.inner.Close()
}

// NumInput implements driver.Stmt.
func (s *stmt) NumInput() int { return s.inner.NumInput() }

// Exec implements driver.Stmt.
func (s *stmt) Exec(args []driver.Value) (driver.Result, error) {
	return s.ExecContext(context.Background(), named(args))
}

// Query implements driver.Stmt.
func (s *stmt) Query(args []driver.Value) (driver.Rows, error) {
	return s.QueryContext(context.Background(), named(args))
}

// ExecContext implements driver.StmtExecContext.
func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	var res driver.Result
	err := s.c.do(kind(s.query, Exec), s.query, func() (err error) {
		if e, ok := s.inner.(driver.StmtExecContext); ok {
			res, err = e.ExecContext(ctx, args)
			return err
		}
		values, err := positional(args)
		if err == nil {
			res, err = s.inner.Exec(values) //nolint:staticcheck // what a driver has without ExecContext
		}
		return err
	}, nil)
	if err != nil {
		return nil, err
	}
	return res, nil
}

// QueryContext implements driver.StmtQueryContext.
func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.c.query(s.query, func() (driver.Rows, error) {
		if q, ok := s.inner.(driver.StmtQueryContext); ok {
			return q.QueryContext(ctx, args)
		}
		values, err := positional(args)
		if err != nil {
			return nil, err
		}
		return s.inner.Query(values) //nolint:staticcheck // what a driver has without QueryContext
	})
}

func named(args []driver.Value) []driver.NamedValue {
	values := make([]driver.NamedValue, len(args))
	for i, v := range args {
		values[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return values
}

func positional(args []driver.NamedValue) ([]driver.Value, error) {
	values := make([]driver.Value, len(args))
	for i, v := range args {
		if v.Name != "" {
			return nil, errors.New("faults: the driver has no named parameters")
		}
		values[i] = v.Value
	}
	return values, nil
}

// A tx is a transaction of a driver.
type tx struct {
	c     *conn
	inner driver.Tx
}

// Commit implements driver.Tx. One that fails before it is made has rolled back, as
// database/sql expects of a driver.
func (t *tx) Commit() error {
	return t.end(Commit, t.inner.Commit)
}

// Rollback implements driver.Tx.
func (t *tx) Rollback() error { return t.end(Rollback, t.inner.Rollback) }

func (t *tx) end(op Op, call func() error) error {
	made := false
	err := t.c.do(op, "", func() error {
		made = true
		return call()
	}, nil)
	if !made && !t.c.lost {
		t.inner.Rollback()
	}
	return err
}

// rows are the rows of a query.
type rows struct {
	c     *conn
	inner driver.Rows
	query string
}

// Columns implements driver.Rows.
func (r *rows) Columns() []string { return r.inner.Columns() }

// Close implements driver.Rows.
func (r *rows) Close() error {
	if !r.c.open[r] {
		return nil // closed before, or with its connection
	}
	delete(r.c.open, r)
	return r.inner.Close()
}

// Next implements driver.Rows.
func (r *rows) Next(dest []driver.Value) error {
	return r.c.do(Next, r.query, func() error { return r.inner.Next(dest) }, nil)
}
