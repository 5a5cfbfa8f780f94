package sqlite_test

import (
	"context"
	"database/sql/driver"
	"sync/atomic"
	"testing"

	driversqlite "modernc.org/sqlite"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/sqlite"
)

// A planner counts how often SELECT is compiled on the connections made through it.
type planner struct {
	driver.Connector
	compiled *atomic.Int64
}

// Connect implements driver.Connector.
func (p planner) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := p.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	err = c.(driversqlite.AuthorizerRegisterer).RegisterAuthorizer(
		func(action driversqlite.AuthorizerActionCode, _, _, _, _ string) driversqlite.AuthorizerReturnCode {
			if action == driversqlite.AuthSelect {
				p.compiled.Add(1)
			}
			return driversqlite.AuthorizerOK
		})
	return c, err
}

func TestAQueryIsCompiledOnceWhateverItsLimit(t *testing.T) {
	var compiled atomic.Int64
	b := open(t, file(t), sqlite.Config{Connector: func(c driver.Connector) driver.Connector { return planner{c, &compiled} }})
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		c, err := b.Conn(ctx)
		if err != nil {
			return err
		}
		compiled.Store(0)
		for limit := range 10 {
			rows, err := c.Query(ctx, `SELECT value FROM json_each($1) ORDER BY value LIMIT $2`, `[1,2,3,4,5]`, limit)
			if err != nil {
				return err
			}
			if got, err := count(rows); err != nil || got != min(limit, 5) {
				t.Errorf("a limit of %d answered %d rows: %v", limit, got, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := compiled.Load(); got != 1 {
		t.Errorf("the query was compiled %d times, want once", got)
	}
}

// count reads rows to their end.
func count(rows storage.Rows) (n int, err error) {
	defer rows.Close()
	for rows.Next() {
		n++
	}
	return n, rows.Err()
}
