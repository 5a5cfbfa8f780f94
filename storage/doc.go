// Package storage holds the words of persistence that every domain of the kit
// shares: transactions, errors, cursors and identifiers. It imports the standard
// library only and persists nothing itself; the sub-packages memory, sqlite and
// postgres do.
//
// # Transactions travel in ctx
//
// A [Transactor] runs a function inside a transaction and puts that transaction
// into the ctx it hands to the function. Every Store of the kit that is called
// with this ctx writes into the same transaction, whichever domain it belongs to:
//
//	err := backend.InTx(ctx, func(ctx context.Context) error {
//		if err := orders.MarkRefunded(ctx, id); err != nil { // the host's own table
//			return err
//		}
//		return log.Append(ctx, event) // the kit's audit row
//	})
//
// A nested InTx is a savepoint: when its function fails, only its own writes are
// undone and the outer transaction stays usable. A host that began a transaction
// of its own joins it with the backend's WithTx method; the kit then never commits
// or rolls back that transaction, it only sets savepoints inside it.
//
// Three rules make this safe:
//
//   - A ctx that outlives its transaction answers [ErrTxDone]. It never falls back
//     to autocommit.
//   - A ctx that carries another backend's transaction answers [ErrForeignTx]. Two
//     databases never take part in one change by accident.
//   - [Detach] is the one way to drop the transaction and keep the rest of ctx;
//     context.WithoutCancel keeps it.
//
// # The life of a record
//
// The documentation of the kit uses three words. A record is volatile until its
// transaction commits, durable after the commit returned nil, and published once a
// reader that polls can see it. [ErrCommitUnknown] says that a record is either
// volatile or durable and nobody knows which: repeat the write under the same id.
//
// # Hearing of commits
//
// A backend that is a [Signals] tells the services of all processes on its database that
// something was committed, by topic. These are hints; whoever listens polls as well.
//
// # Errors
//
// Sentinels say which error it is ([ErrNotFound], [ErrConflict] ...), typed errors
// say what with ([InvalidError] names the fields, [LimitError] the limit). Match with
// errors.Is and errors.As.
//
// # Quotas
//
// How many objects of a kind a tenant may have is a [Quota] of the service that creates
// them. Its Config asks the host for the limits of a tenant, its method Quotas tells them
// with what is used, and one creation too many is [ErrLimit].
package storage
