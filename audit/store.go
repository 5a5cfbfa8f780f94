package audit

import (
	"context"

	"github.com/lumelle/adminkit/storage"
)

// A Store keeps records for a [Log]. Each backend of the kit has one.
//
// Methods work in the transaction of ctx; where it carries none, Insert opens one of
// its own. What was inserted in a transaction, or in a savepoint, goes with it where that
// is rolled back. Tenants, sources, ids and canonical records are kept byte for byte. What
// a method is given stays the caller's to change, and so does what it returns.
type Store interface {
	storage.Transactor

	// Insert adds rows of one tenant, all or none. A row whose source and id are taken
	// by the same canonical record is skipped; where they are taken by another one the
	// answer is storage.ErrConflict. Rows are recorded in their order. Many may insert the
	// same at once.
	Insert(ctx context.Context, tenant string, rows ...Row) error

	// Get returns a record, its RecordedAt in UTC and microseconds, or storage.ErrNotFound.
	Get(ctx context.Context, tenant, source, id string) (Record, error)

	// Recorded reports whether there is a record. It does not see what another
	// transaction has not committed. Asked inside a transaction it waits for the end of
	// every other one that asked for the same, so that of two equal changes made at the
	// same time the later finds the earlier.
	Recorded(ctx context.Context, tenant, source, id string) (bool, error)

	// List returns a page of the list that q asks for, in its order; equal times are
	// in the order of recording. q has been checked: its Limit is set, its times are
	// in microseconds. A cursor that was changed, or not made for q.ListName(), answers
	// storage.ErrBadCursor. The name leaves the tenant out: a cursor of another tenant is
	// either refused, or a position among the rows of this one. Inside a transaction a list
	// that is not polled shows what that wrote; whether a polled one does is left open.
	//
	// A list of order [Polled] answers a Next even where the page is short or empty,
	// and holds rows back as long as a row that sorts before them may still be
	// committed.
	List(ctx context.Context, tenant string, q Query) (storage.Page[Record], error)
}
