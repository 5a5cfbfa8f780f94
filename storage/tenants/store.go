package tenants

import (
	"context"
	"errors"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// ErrInTx reports a call inside a transaction. An export reads one state of its own, and
// a deletion commits as it goes.
var ErrInTx = errors.New("tenants: not inside a transaction")

// A Store gives a tenant's rows away and deletes them. Each backend of the kit has one. A
// ctx that carries a transaction of the backend is answered with [ErrInTx].
type Store interface {
	// Rows calls each for the rows of a tenant, in the order of [Tables] and of their
	// keys, with the values of t.Exported(). Tables that are Internal it leaves out. All
	// rows are those of one state that was committed; what is committed meanwhile is not
	// seen. The values are each's to keep only until it returns. Rows holds a bounded
	// number of rows in memory, and ends with the error of each.
	Rows(ctx context.Context, tenant string, each func(t Table, values []any) error) error

	// DeleteRows deletes up to limit rows that a tenant has in a table, in a transaction
	// of its own, and returns how many they were. Fewer than limit means that none were
	// left. table is the Name of one of [Tables]; another is storage.ErrNotFound.
	DeleteRows(ctx context.Context, tenant, table string, limit int) (int, error)
}

// Config adjusts a [Service]. Its zero value is ready for use.
type Config struct {
	// Now is the clock of exports; nil is the system's.
	Now func() time.Time
}

// A Service lets tenants leave. It asks nobody whether they may: that is for the host to
// decide and to record. It is safe for concurrent use.
type Service struct {
	store Store
	cfg   Config
}

// New makes a Service over store.
func New(store Store, cfg Config) (*Service, error) {
	if store == nil {
		return nil, errors.New("tenants: no store")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{store: store, cfg: cfg}, nil
}

// Counts says how many rows there were of each table, by its name.
type Counts map[string]int64

// Total returns the sum of the counts.
func (c Counts) Total() int64 {
	var n int64
	for _, rows := range c {
		n += rows
	}
	return n
}

func checkTenant(tenant string) error {
	if tenant == "" {
		return storage.Invalid("/tenant", "must not be empty")
	}
	return nil
}
