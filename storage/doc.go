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
// # Repeating after an error
//
// The table says of each error whether the change that answered it may have happened,
// and what it helps to make the same change again, under the same ids. Inside a
// transaction that is about the one call: what the transaction as a whole did, only the
// return of its outermost InTx says. Sentinels of other packages that wrap one of these
// are as that one is.
//
//	error                     happened  the same change again  what to do
//	ErrNotFound               no        is safe, in vain       ask for what the tenant has
//	ErrConflict               no        is safe, in vain       read, decide anew; a taken id may be that of an earlier try
//	ErrInvalid                no        is safe, in vain       mend the input
//	ErrLimit                  no        is safe, in vain       remove something, or have the limit raised
//	ErrBadCursor              no        is safe, in vain       begin the list anew
//	ErrTxDone                 no        is safe, in vain       use the ctx of a transaction that is open
//	ErrNoTx                   no        is safe, in vain       call it inside InTx
//	ErrForeignTx              no        is safe, in vain       keep one change to one backend
//	ErrTxBusy                 no        is safe, in vain       one goroutine, one statement after another
//	ErrCommitUnknown          maybe     is safe, needed        repeat the whole transaction until it answers otherwise
//	ErrUnavailable            no        is safe, helps         wait longer each time, then repeat the whole transaction
//	ErrNoSpace                no        is safe, helps         repeat once the disk has space
//	context.Canceled          no        is safe, helps         repeat with a fresh ctx, where the answer still matters
//	context.DeadlineExceeded  no        is safe, helps         repeat with more time
//
// Where an error matches two of them, the one that may have happened counts: look for
// [ErrCommitUnknown] first. After any other error the transaction was rolled back: it is
// the error of the function that InTx was given, or of the database about a statement.
//
// # Quotas
//
// How many objects of a kind a tenant may have is a [Quota] of the service that creates
// them. Its Config asks the host for the limits of a tenant, its method Quotas tells them
// with what is used, and one creation too many is [ErrLimit].
package storage
