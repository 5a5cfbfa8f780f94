// Package storagetest tells whether a backend keeps the promises of package storage
// and of the domains' stores. The backends of the kit pass it; run it on yours.
//
//	func TestConformance(t *testing.T) {
//		storagetest.Run(t, storagetest.Options{
//			New: func(t *testing.T) storagetest.Backend {
//				b, err := mybackend.Open(t.Context(), t.TempDir())
//				if err != nil {
//					t.Fatal(err)
//				}
//				t.Cleanup(func() { b.Close(context.WithoutCancel(t.Context())) })
//				return b
//			},
//		})
//	}
//
// Each rule is a subtest with an id (TX-007) and a sentence for its name; when it
// fails, the reason why the rule exists is printed with it. Ids do not change.
//
// # What a backend has to offer
//
// A [Backend] runs transactions and can be closed. Everything else is found by type
// assertion, and a backend may have as little of it as it likes:
//
//   - the stores of the domains, as methods named Audit, Authz, Approvals, Automation,
//     Flags, Webhooks, Jobs, Idempotency, Credentials and SavedFilters that return the
//     Store of that package;
//   - Tenants() tenants.Store, for tenants that leave;
//   - Conn(ctx) (storage.Conn, error), for the host's own tables in the kit's
//     transaction;
//   - Migrate(ctx) error and Pending(ctx) ([]string, error), for tables that it
//     brings up to date itself.
//
// [Options] says how to begin a host's transaction and how to open one place several
// times. The first line of the run names what was found, and a line names each rule
// that does not apply because something is missing.
//
// # The rules
//
//   - TX: one transaction over all stores, savepoints, panics, cancellation, ctx that
//     outlive their transaction, use by two goroutines, concurrent writers, closing.
//   - HJ: transactions that the host began and the backend joined.
//   - TN: nothing of one tenant is seen or changed by another.
//   - ID: identifiers are kept byte for byte, and unfit ones refused.
//   - PG: pages, ties, cursors.
//   - RV: revisions, and updates that are not lost.
//   - TE: what a tenant that leaves takes along (package tenants).
//   - TD: what is left of one that was deleted.
//   - MG: migrations, and several processes that start at once.
//
// These hold of every store. Then each store that was found is held to the promises of
// its own methods, by the suite of its domain:
//
//   - LS: audit records (package audittest).
//   - JS: jobs (package jobstest).
//   - PS: authz (package authztest).
//   - MS: webhooks (package webhookstest).
//   - IS: idempotency (package idempotencytest).
//   - CR, QS: approvals (package approvalstest).
//   - FS: flags (package flagstest).
//   - AM, RS: automation (package automationtest).
//   - CV, CS: credentials (package credentialstest).
//   - SF: saved filters (package savedtest).
//
// # Writing a storage adapter
//
// An adapter is a backend by somebody else: one type that runs transactions, can be
// closed, and has a method for each store that it offers. It needs nothing but the public
// packages, this guide, and the documentation of the Store interfaces; it is right when
// [Run] passes. The sections behind this one go through it in the order of building.
//
//	type Backend struct{ ... }
//
//	func (b *Backend) InTx(ctx context.Context, fn func(ctx context.Context) error) error
//	func (b *Backend) Close(ctx context.Context) error
//	func (b *Backend) Audit() audit.Store                   // each of these may be missing
//	func (b *Backend) Idempotency() idempotency.Store
//	func (b *Backend) Jobs() jobs.Store
//	func (b *Backend) Webhooks() webhooks.Store
//	func (b *Backend) Authz() authz.Store
//	func (b *Backend) Credentials() credentials.Store
//	func (b *Backend) Flags() flags.Store
//	func (b *Backend) Approvals() approvals.Store
//	func (b *Backend) Automation() automation.Store
//	func (b *Backend) SavedFilters() saved.Store
//
// A store is found where the method has exactly this signature: it returns the interface,
// not your type.
//
// The contract, in three parts:
//
//   - One transaction holds what all stores of a backend write in it. It is found in ctx,
//     and nowhere else.
//   - What the methods of all stores have in common: tenants, texts, times, copies, errors,
//     lists. It is under "What all stores have in common".
//   - What each method promises. It stands in the documentation of its interface, and each
//     package that tests one (audittest, idempotencytest, jobstest, webhookstest, authztest,
//     credentialstest, flagstest, approvalstest, automationtest, savedtest) says under "Writing a
//     Store" what is missed most.
//
// A store decides nothing. It neither checks permissions nor states nor the length of a
// name, has no clock, and makes no ids but those that its documentation says it gives
// (ids of jobs, of workers and of attempts, and the place of a change of flags): the
// services above do. Only an idempotency.Store checks what it is given.
//
// Checklist:
//
//  1. Does a deferred function undo the transaction when fn panics or ends its
//     goroutine (TX-003, TX-004)?
//  2. Is ctx checked once more between the return of fn and the commit (TX-015)?
//  3. Does a handle refuse use after the end, by a second goroutine, and while a
//     savepoint is open on top of it (TX-010 to TX-013)?
//  4. Is the writer free again before what AfterCommit registered runs (TX-017)?
//  5. Does the tenant stand in every WHERE and in every key (TN)?
//  6. Are key columns compared by their bytes: COLLATE "C", BINARY, or no collation at
//     all (ID, PG-001)?
//  7. Does every ORDER BY end with a unique column (PG-001)?
//  8. Does an update name the revision it expects in the same statement that writes
//     (RV-002)?
//  9. Does a method that is refused leave the transaction around it usable, and nothing of
//     itself (RV-003)?
//  10. Is what a method was given copied before it is kept, and what is kept copied before
//     it is answered?
//  11. Does migrating hold a lock that other processes wait for (MG-002)?
//  12. Does the suite pass with -race, and again with -shuffle=on and -count=3?
//
// Common mistakes, each of which this suite was proven against:
//
//   - a ctx after the commit falls back to a plain connection, and writes;
//   - the pool's connection is used for one statement in the middle of a transaction;
//   - a savepoint is released where it should be rolled back to;
//   - the error of fn is wrapped, or lost behind the error of the rollback;
//   - a row that was not found is answered as an empty one with a nil error;
//   - a list goes on by OFFSET;
//   - a revision is read, compared in the program, and then written without a WHERE.
//
// Reference: none is needed. Where this guide or the documentation of a method leaves a
// question open, that is a mistake of theirs.
//
// # The transactions of an adapter
//
// InTx makes a handle, puts it into ctx with storage.WithTx, and every method of every
// store asks storage.TxFor for it with the backend as the owner. TxFor answers
// storage.ErrForeignTx by itself where ctx carries a transaction of another backend. Make
// a handle of its own for each savepoint, so that a ctx which outlived its savepoint is
// told from one that is still good:
//
//	// A tx is the transaction, or a savepoint on top of it.
//	type tx struct {
//		b      *Backend
//		parent *tx         // nil for the transaction itself
//		call   *sync.Mutex // one for all levels of a transaction, held while a method works
//		ended  bool        // under call, as is the next one
//		child  *tx         // the savepoint that is open on top
//		after  []func()
//	}
//
//	// enter comes first in every method of every store, and in InTx where ctx carries t.
//	func (t *tx) enter() error {
//		if !t.call.TryLock() {
//			return storage.ErrTxBusy // another goroutine is inside
//		}
//		switch {
//		case t.ended:
//			t.call.Unlock()
//			return storage.ErrTxDone
//		case t.child != nil:
//			t.call.Unlock()
//			return storage.ErrTxBusy // the write would become part of the savepoint
//		}
//		return nil
//	}
//
// What the outermost InTx does, in this order:
//
//  1. TxFor. A handle means a savepoint: see below.
//  2. Answer storage.ErrUnavailable where the backend is closed, and ctx.Err() where ctx is
//     done (TX-016, TX-021). fn does not run then.
//  3. Begin; where writers take turns, wait for the turn or for ctx. A transaction that is
//     begun with storage.Detach of a ctx inside another one waits for itself on such a
//     backend, and that is as it should be.
//  4. Run fn with the ctx that carries the handle, once.
//  5. Where fn returned an error, roll back and return that very error (TX-002). Where it
//     panicked or ended its goroutine, roll back in a deferred function (TX-003, TX-004): no
//     recover, so that the panic goes on by itself.
//  6. Where ctx is done by now, roll back and return ctx.Err() (TX-015).
//  7. Commit. Where its answer was lost return storage.ErrCommitUnknown, where it surely did
//     not happen storage.ErrUnavailable (and storage.ErrNoSpace as well for a full disk).
//  8. Mark the handle as ended, give the writer's turn back, and only then run what was
//     registered with AfterCommit, in its order (TX-017): those functions use the backend.
//
// A nested InTx enters the outer handle, sets its child and leaves it again, and does 4 to
// 6 with a handle of its own. In the end it marks that one as ended, clears child, and
// either keeps its writes as part of the outer level or undoes just them. What was
// registered with AfterCommit of its own handle goes on to the outer level, or is forgotten
// with the writes; what was registered meanwhile with that of the outer level stays (TX-023).
// When a level ends, all levels that a goroutine left open on top of it end too.
//
// storage.Tx has two methods. Owner answers what TxFor is asked with. AfterCommit answers
// true, and false on a handle that has ended and in a transaction that a host commits.
//
// A method that finds no handle in ctx reads what was committed last, without waiting for a
// writer and without seeing what is not committed (TX-006); one that writes opens a
// transaction of its own. Methods that need one say so: storage.ErrNoTx. All of them answer
// ctx.Err() for a ctx that is done and storage.ErrUnavailable after Close.
//
// A method that writes happens as a whole or not at all, inside a transaction too, and the
// transaction goes on after a refusal. So either everything is checked before the first
// write, or the method sets a savepoint of its own. Only InsertMessage and SetSecrets of
// webhooks may leave that to their caller.
//
// Locks are held until the end of the outermost transaction. Where writers take turns there
// is nothing to lock: a method with a lock is the one without, but for storage.ErrNoTx.
// Where transactions run side by side, what the documentation calls waiting, locking and
// "at the same time" has to be locked also where there is no row yet, by an advisory lock
// or by a row for each tenant or key.
//
// Optional powers:
//
//   - A host's own transaction, joined by a method of your making whose name in the kit is
//     WithTx(ctx, tx): it returns a ctx with a handle whose commit is the host's. The kit
//     sets savepoints in it and never ends it. [Options].Host turns the rules HJ on.
//   - Tenants() tenants.Store, for tenants that leave;
//   - Conn(ctx) (storage.Conn, error), for the host's own SQL in the kit's transaction.
//   - storage.Signals on the backend, and on the stores that Jobs and Flags return: services
//     look for it there by type assertion, and poll where it is missing.
//   - Migrate and Pending, for tables that are brought up to date.
//
// # What all stores have in common
//
// Tenants. Everything belongs to one, whose name is part of every key: the same id in two
// tenants is two records. What another tenant owns is storage.ErrNotFound, as if it were
// not there.
//
// Texts are compared by their bytes and kept as they are: no case is folded, nothing is
// trimmed or normalised. Services give ids of 1 to storage.MaxID bytes of UTF-8 without a
// NUL; other texts may be empty. JSON and bodies are bytes, and come back to the last one.
//
// Times are kept to the microsecond, what is finer is cut off, and come back in UTC; the
// zero time comes back as the zero time (time.Time.IsZero), not as 1970. Durations are kept
// to the microsecond unless a field says otherwise. Comparisons of times are made with what
// is kept: cut what you were given first.
//
// Nothing is the same as empty for slices, maps and bytes, and nil is the answer; the one
// exception is CommentRequired of an approvals.Policy, where an empty list is a choice. The
// field Tenant of a record is the tenant that the method was given, whatever the record said.
//
// Copies. What a method is given stays the caller's, and so does what it answers: slices,
// maps and what pointers lead to are copied on both ways.
//
// Revisions and versions. A new record has 1. An update says which one it replaces, and the
// service gives the one after it; the store compares and writes in one step. Of many
// updates of one revision one succeeds, the others get storage.ErrConflict. Where the
// record is not there an update is storage.ErrNotFound, unless its documentation says
// otherwise.
//
// Lists that return a storage.Page apply storage.Limit to the limit, answer
// storage.ErrBadCursor before they look at a row, and set Next exactly where there are more
// items: read one more than was asked for. The cursor is made and opened by a function
// beside the query (Next and Position of its type, audit.Query.ListName, authz.RowCursor),
// so that it fits no other list or filter. A query with a method Plan is filtered, sorted
// and continued by what that returns: a store that has all rows of a tenant at hand gives
// them to Select of the plan, which does the rest but for what the documentation of Plan
// leaves to the store (package listing). A list goes on behind the key of the last
// item, also where that item is gone. Lists that take a position or a name and a limit
// return at most so many, and leave the cursor to their service; their limit is positive.
//
// Locking methods return what is stored now, not what the transaction saw at its beginning.
//
// # What each store is
//
// How many rules each has is told by [Rules]. Build in this order; each step runs by itself.
//
//  1. Transactions, and with them any one store: the rules TX, TN, ID, PG and RV need
//     something to write. audit.Store is a good first one.
//  2. audit.Store: one table that grows. The key is tenant, source, id; two rows are the same
//     where their Leaf is. Rows bear a number in the order of recording. A cursor holds the
//     time and the number of the last item. Query.Actor finds ActorID or ActingAs,
//     Query.TraceID finds TraceID or LinkTraceID, and the other fields their column. Order
//     ByTime compares Time with Since and Until; the other two orders compare RecordedAt with
//     Since. A polled list answers a Next always: without items the one it was asked with, or
//     one for the start. Where transactions overlap it must also stop before the first number
//     that is not committed yet.
//  3. idempotency.Store: one table. A claim is a row without an answer.
//  4. jobs.Store: jobs, lanes, workers, attempts and dead letters. It is the longest one, and
//     the one with rules about two at once; "Writing a Store" in jobstest has what each
//     method changes.
//  5. webhooks.Store: endpoints with secrets, health and patterns; messages, deliveries and
//     attempts.
//  6. authz.Store: a head and rows for each tenant.
//  7. credentials.Store: one table.
//  8. flags.Store: versions, the current one of each key, and a counter for each tenant.
//  9. approvals.Store: requests with revisions, decisions, steps and grants.
//  10. automation.Store: rules with versions, runs with steps and attempts, events, signals.
//  11. saved.Store: one table.
//
// # Running part of the suite
//
// [Run] tests what is there. To begin with one store, give the backend that one method; to
// have only one tested, embed the backend in a struct for the test that has just that one:
//
//	type onlyAudit struct{ b *Backend }
//
//	func (o onlyAudit) InTx(ctx context.Context, fn func(ctx context.Context) error) error { return o.b.InTx(ctx, fn) }
//	func (o onlyAudit) Close(ctx context.Context) error                                    { return o.b.Close(ctx) }
//	func (o onlyAudit) Audit() audit.Store                                                 { return o.b.Audit() }
//
// A store can be begun before all of its methods are there: embed its interface in your
// type, and the program compiles. A method that is missing panics when a rule gets to it,
// which ends the run; so choose rules with -run meanwhile. A rule is a subtest of [Run], and
// those of a domain stand below the name of their store:
//
//	go test -run 'TestConformance/TX-'
//	go test -run 'TestConformance/audit/LS-00'
//
// The suites of the domains can be run alone as well: audittest.RunStore,
// idempotencytest.RunStore, jobstest.Run, webhookstest.RunStore, authztest.RunStore,
// credentialstest.RunStore, flagstest.RunStore, approvalstest.RunStore,
// automationtest.RunStore and savedtest.RunStore take a function that opens a backend with
// transactions and their one store.
//
// Where a store of the backend reads outside of transactions by waiting for the writer, set
// [Options].ReadersWait. Rules about several processes need [Options].Shared, those about
// hosts [Options].Host; without them the log says which rules were left out.
//
// # Below the suite
//
// The package links no engine. Package eachtest below it runs the kit's own tests over
// the kit's own backends, and package ruletest is what this suite and those of the domains
// are made of.
//
// What no suite can see, because something under the backend has to break, is found out
// with package faults, which makes database calls fail one at a time, package process, which
// kills a child that writes, package powercut, which simulates power cuts from what a
// child wrote and synced, and package cluster, which runs a Postgres to crash. Package
// ledger is a workload for all of them that knows what has to be left.
package storagetest
