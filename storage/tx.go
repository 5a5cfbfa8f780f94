package storage

import "context"

// A Transactor runs functions in transactions. Every backend of the kit is one.
type Transactor interface {
	// InTx runs fn in a transaction carried by the ctx it passes to fn, commits when
	// fn returns nil and rolls back when it returns an error or panics. The error of
	// fn is returned as it is; a panic goes on after the rollback.
	//
	// Where ctx already carries a transaction of this backend, fn runs inside a
	// savepoint of it. fn runs at most once. After a nil return of the outermost
	// call the writes are durable.
	//
	// Errors of its own: [ErrCommitUnknown], [ErrUnavailable], [ErrTxDone] and
	// [ErrForeignTx]. fn must not keep its ctx after it returned.
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
}

// A Tx is the handle of a transaction as ctx carries it. Only authors of backends
// meet it.
type Tx interface {
	// Owner is the identity of the backend that began or joined the transaction.
	// Two handles belong together when their owners are equal.
	Owner() any
	// AfterCommit registers fn to run once after the outermost commit succeeded. It
	// returns false when the transaction cannot tell, because a host commits it. Undoing
	// a savepoint forgets what its own handle registered, and those of savepoints inside
	// it, and nothing else.
	AfterCommit(fn func()) bool
}

type txKey struct{}

// WithTx returns a ctx that carries tx. Backends call it; hosts use the WithTx
// method of their backend, which checks what it is given.
func WithTx(ctx context.Context, tx Tx) context.Context {
	return context.WithValue(ctx, txKey{}, tx)
}

// TxFor returns the transaction that ctx carries for owner, nil where it carries
// none, and [ErrForeignTx] where it carries one of another owner.
func TxFor(ctx context.Context, owner any) (Tx, error) {
	tx, _ := ctx.Value(txKey{}).(Tx)
	switch {
	case tx == nil:
		return nil, nil
	case tx.Owner() != owner:
		return nil, ErrForeignTx
	}
	return tx, nil
}

// Detach returns a ctx without the transaction that ctx carries, and with
// everything else. Use it for work that must not be part of the caller's change.
func Detach(ctx context.Context) context.Context {
	if tx, _ := ctx.Value(txKey{}).(Tx); tx == nil {
		return ctx
	}
	return context.WithValue(ctx, txKey{}, nil)
}

// AfterCommit runs fn after the transaction of ctx committed, at once where ctx
// carries none. It returns false, and forgets fn, where a host's own transaction
// was joined: only the host knows when that commits, so whoever waits must poll too.
func AfterCommit(ctx context.Context, fn func()) bool {
	tx, _ := ctx.Value(txKey{}).(Tx)
	if tx == nil {
		fn()
		return true
	}
	return tx.AfterCommit(fn)
}
