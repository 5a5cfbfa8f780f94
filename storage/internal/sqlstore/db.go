// Package sqlstore is the one body of SQL behind the backends sqlite and postgres.
//
// Every domain's Store lives here once, one file a domain, in plain SQL that both
// engines understand: placeholders are $1, $2 ..., statements stand in full where
// they are used, times are BIGINT microseconds, key columns order bytewise. What
// differs between the engines is in [Dialect], and is kept to a handful of hooks.
//
// An engine implements [DB] and, for each transaction, a [Session]; [Tx] keeps the rules
// of package storage on top of that. What a store has to know:
//
//   - A write belongs to the transaction of ctx, and to one of its own where there is
//     none: db.InTx does both.
//   - One statement after another: rows are closed before the next statement, else that
//     answers storage.ErrTxBusy.
//   - On Postgres a failed statement ends its level. A unique violation that is part of
//     the plan needs ON CONFLICT, or an InTx of its own.
//   - In ORDER BY and GROUP BY Postgres takes a bare name for the output column of that
//     name before the table's: do not give a cast the name of what it casts.
//   - A list is bound as []string, []int64 or [][]byte. Postgres takes it as an array,
//     SQLite through Dialect.In and Dialect.List only.
package sqlstore

import (
	"context"
	"hash/fnv"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// A DB is what an engine offers to the stores.
type DB interface {
	storage.Transactor
	storage.Signals

	// Conn returns the connection of the transaction that ctx carries, and
	// storage.ErrNoTx where it carries none.
	Conn(ctx context.Context) (storage.Conn, error)

	// Reader returns the connection of the transaction that ctx carries, else one
	// for single reading statements outside of any transaction.
	Reader(ctx context.Context) (storage.Conn, error)

	// Snapshot runs fn with a connection on which all that it reads is of one state, that
	// of the first statement. ctx carries no transaction.
	Snapshot(ctx context.Context, fn func(ctx context.Context, conn storage.Conn) error) error

	// Dialect returns the hooks of the engine.
	Dialect() *Dialect
}

// A Dialect holds what the two engines say differently.
//
// Errors are not among it: an engine's connections answer the errors of package
// storage already (a unique violation is storage.ErrConflict, a lost connection
// storage.ErrUnavailable), wrapped once.
type Dialect struct {
	// Postgres is true for the Postgres engine, for the few statements that exist
	// twice.
	Postgres bool

	// SkipLocked ends a SELECT that claims rows. SQLite has one writer and needs none.
	// With a LIMIT it belongs into a WITH ... AS MATERIALIZED: a planner may evaluate a
	// subselect again for each row it is compared with, and then the rows that are gone by
	// then make place for others.
	SkipLocked string

	// ForUpdate ends a SELECT that locks the rows it reads until the transaction
	// ends. SQLite has one writer and needs none.
	ForUpdate string

	// ForShare ends a SELECT whose rows must not change until the transaction ends.
	ForShare string

	// In returns the right side of a membership test against the list that is bound
	// as parameter n: `id ` + d.In(2). Bind the list with List.
	In func(n int) string

	// List binds a list of strings or integers as the one parameter of In.
	List func(list any) any
}

// micros is how a time is stored: microseconds since 1970 UTC, zero for no time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// fromMicros is the inverse of micros.
func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// lockKey is the number under which a key is locked where no row stands for it yet. Two
// keys of one number take turns without need.
func lockKey(table string, parts ...string) int64 {
	h := fnv.New64a()
	h.Write([]byte(table))
	for _, part := range parts {
		h.Write([]byte{0})
		h.Write([]byte(part))
	}
	return int64(h.Sum64())
}
