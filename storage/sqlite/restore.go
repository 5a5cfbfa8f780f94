package sqlite

import (
	"context"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// advance has the audit log go on counting from the present time in microseconds, where
// it is not beyond that. A file that comes from a backup has forgotten which numbers were
// given after it was taken, and those who poll hold cursors with them: given again, such a
// number would not be seen. Nobody records a million events a second, so what was given
// anywhere is below the time. A file is only replaced while nobody has it open, which
// makes this the one moment to do it.
func (b *Backend) advance(ctx context.Context) error {
	c, err := b.Reader(ctx)
	if err != nil {
		return err
	}
	var there bool
	err = storage.QueryRow(ctx, c, `
		SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'adminkit_audit_event')`, nil, &there)
	if err != nil || !there {
		return err
	}
	now := time.Now().UnixMicro()
	return b.InTx(ctx, func(ctx context.Context) error {
		c, err := b.Conn(ctx)
		if err != nil {
			return err
		}
		n, err := c.Exec(ctx, `UPDATE sqlite_sequence SET seq = MAX(seq, $1) WHERE name = 'adminkit_audit_event'`, now)
		if err != nil || n != 0 {
			return err
		}
		_, err = c.Exec(ctx, `INSERT INTO sqlite_sequence (name, seq) VALUES ('adminkit_audit_event', $1)`, now)
		return err
	})
}
