package postgres

import (
	"context"

	"github.com/lumelle/adminkit/storage"
)

// enter has the audit log know the run of the server. The first event would do it as well,
// but until then those who poll a database that was just restored would wait: the ids of
// its transactions seem to be still to come.
func (b *Backend) enter(ctx context.Context) error {
	c, err := b.Reader(ctx)
	if err != nil {
		return err
	}
	var may bool // without tables, and on a server that only follows another, there is nothing to enter
	err = storage.QueryRow(ctx, c, `SELECT to_regproc('adminkit_audit_turn') IS NOT NULL AND NOT pg_is_in_recovery()`, nil, &may)
	if err != nil || !may {
		return err
	}
	return b.InTx(ctx, func(ctx context.Context) error {
		c, err := b.Conn(ctx)
		if err != nil {
			return err
		}
		var turn string
		return storage.QueryRow(ctx, c, `SELECT CAST(adminkit_audit_turn() AS TEXT)`, nil, &turn)
	})
}
