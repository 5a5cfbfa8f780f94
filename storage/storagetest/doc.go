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
//     Flags, Webhooks, Jobs and Idempotency that return the Store of that package;
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
//
// # Writing a backend
//
// The transaction travels in ctx. InTx puts a handle there with storage.WithTx, and
// every method of every store asks storage.TxFor for it. Make a handle of its own for
// each savepoint, so that a ctx which outlived its savepoint is told from one that is
// still good.
//
// Checklist:
//
//  1. Does a deferred function undo the transaction when fn panics or ends its
//     goroutine (TX-003, TX-004)?
//  2. Is ctx checked once more between the return of fn and the commit (TX-015)?
//  3. Does a handle refuse use after the end, by a second goroutine, and while a
//     savepoint is open on top of it (TX-010 to TX-013)?
//  4. Does the tenant stand in every WHERE and in every key (TN)?
//  5. Are key columns compared by their bytes: COLLATE "C", BINARY, or no collation at
//     all (ID, PG-001)?
//  6. Does every ORDER BY end with a unique column (PG-001)?
//  7. Does an update name the revision it expects in the same statement that writes
//     (RV-002)?
//  8. Does migrating hold a lock that other processes wait for (MG-002)?
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
