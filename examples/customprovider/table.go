package customprovider

import (
	"context"
	"errors"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

// A Database is what a [Table] needs of its host: transactions, and SQL in them. The
// SQL backends of the kit are databases.
type Database interface {
	storage.Transactor
	// Conn executes in the transaction of ctx.
	Conn(ctx context.Context) (storage.Conn, error)
	// Reader reads outside of transactions.
	Reader(ctx context.Context) (storage.Conn, error)
}

// A Table is an audit sink that keeps events in a table of its own beside the host's,
// where the host's reports can join it.
type Table struct{ db Database }

var (
	_ audit.AuditSink = (*Table)(nil)
	_ audit.Recorded  = (*Table)(nil)
)

// NewTable makes the table where it is missing and returns the sink.
func NewTable(ctx context.Context, db Database) (*Table, error) {
	if db == nil {
		return nil, errors.New("customprovider: no database")
	}
	t := &Table{db}
	// The key is what makes an event the same event. It is a constraint: looking first
	// and writing then would let two writers through.
	err := t.exec(ctx, `CREATE TABLE IF NOT EXISTS activity (
	tenant_id TEXT NOT NULL,
	source    TEXT NOT NULL,
	id        TEXT NOT NULL,
	seq       INTEGER NOT NULL,
	record    BLOB NOT NULL,
	PRIMARY KEY (tenant_id, source, id)
)`)
	return t, err
}

// Append implements audit.AuditSink. It writes rows and nothing else.
func (t *Table) Append(ctx context.Context, events ...audit.Event) error {
	// Inside a transaction this is a savepoint of it, outside one of its own: a batch
	// is kept whole or not at all.
	return t.db.InTx(ctx, func(ctx context.Context) error {
		for _, e := range events {
			// The canonical bytes are a copy: the caller may use its buffers again.
			record, err := audit.NewRecord(e)
			if err != nil {
				return err
			}
			err = t.exec(ctx, `INSERT INTO activity (tenant_id, source, id, seq, record)
VALUES ($1, $2, $3, (SELECT COALESCE(MAX(seq), 0) + 1 FROM activity WHERE tenant_id = $1), $4)
ON CONFLICT (tenant_id, source, id) DO NOTHING`, e.Tenant, e.Source, e.ID, record.Canonical)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Recorded implements audit.Recorded: it lets a Governor recognise a change that is
// repeated under its id.
func (t *Table) Recorded(ctx context.Context, tenant, source, id string) (bool, error) {
	found := true
	err := t.db.InTx(ctx, func(ctx context.Context) error {
		c, err := t.db.Conn(ctx)
		if err != nil {
			return err
		}
		var one int
		err = storage.QueryRow(ctx, c, `SELECT 1 FROM activity WHERE tenant_id = $1 AND source = $2 AND id = $3`,
			[]any{tenant, source, id}, &one)
		if errors.Is(err, storage.ErrNotFound) {
			found = false
			return nil
		}
		return err
	})
	return found && err == nil, err
}

// Events returns the events of a tenant in the order they were appended.
func (t *Table) Events(ctx context.Context, tenant string) ([]audit.Event, error) {
	c, err := t.db.Reader(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := c.Query(ctx, `SELECT record FROM activity WHERE tenant_id = $1 ORDER BY seq`, tenant)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []audit.Event
	for rows.Next() {
		var r audit.Record
		if err := rows.Scan(&r.Canonical); err != nil {
			return nil, err
		}
		e, err := r.Event()
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, rows.Err()
}

// exec runs a statement in the transaction of ctx, or in one of its own.
func (t *Table) exec(ctx context.Context, query string, args ...any) error {
	return t.db.InTx(ctx, func(ctx context.Context) error {
		c, err := t.db.Conn(ctx)
		if err != nil {
			return err
		}
		_, err = c.Exec(ctx, query, args...)
		return err
	})
}
