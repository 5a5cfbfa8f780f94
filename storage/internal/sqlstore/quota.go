package sqlstore

import (
	"context"
	"fmt"

	"github.com/lumelle/adminkit/storage"
)

// takeTurn waits until nobody else adds objects of a kind to a tenant, and lets nobody
// do so until the transaction of ctx ends. It writes a row, so that in a host's own
// transaction, which may read from one snapshot, a turn that came between is an error
// and not overlooked.
func takeTurn(ctx context.Context, db DB, tenant, what string) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, `
INSERT INTO adminkit_quota AS quota (tenant, what, turns) VALUES ($1, $2, 1)
ON CONFLICT (tenant, what) DO UPDATE SET turns = quota.turns + 1`, tenant, what); err != nil {
		return fmt.Errorf("take a turn with %s: %w", what, err)
	}
	return nil
}

// count returns what a query counts. With lock it takes the turn with what it counts
// first.
func count(ctx context.Context, db DB, tenant, what string, lock bool, query string, args ...any) (int64, error) {
	if lock {
		if err := takeTurn(ctx, db, tenant, what); err != nil {
			return 0, err
		}
	}
	conn, err := db.Reader(ctx)
	if err != nil {
		return 0, err
	}
	var n int64
	if err := storage.QueryRow(ctx, conn, query, args, &n); err != nil {
		return 0, fmt.Errorf("count %s: %w", what, err)
	}
	return n, nil
}
