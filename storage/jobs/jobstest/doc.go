// Package jobstest is the conformance suite of [jobs.Store]. Authors of a backend run it
// with one call:
//
//	func TestJobs(t *testing.T) {
//		jobstest.Run(t, jobstest.Options{
//			New: func(t *testing.T) jobstest.Backend { return open(t) },
//		})
//	}
//
// A case carries a rule id and, where it fails, says what the rule is for. The suite is
// itself tested against stores that break one rule each.
//
// # Writing a Store
//
// A store is a handful of tables and no clock.
//
// The contract: that of every method stands in the documentation of jobs.Store. What is
// promised above it, that no job is lost and none is settled twice, rests on this:
//
//   - Ids of jobs and workers are never given twice, not even when the row with the
//     highest one is gone.
//   - Settle holds the worker's row from its check until the end of the transaction, so
//     that a worker which is ended at the same moment is either ended afterwards or was
//     ended before.
//   - An outcome counts for one job at one attempt. A job that is gone, or is another
//     attempt by now, is reported and left alone; the other outcomes of the batch count.
//   - A claim takes only lanes that nobody owns, also when two claims run at once.
//
// Checklist:
//
//   - The worker's row is held in a mode that lets the worker's own beats pass, and
//     ending a worker does not wait for a settlement whose transaction is open.
//   - Times come from the caller.
//   - Enqueue works in the transaction of ctx.
//
// Common mistakes:
//
//   - To read the worker's row first and to write later.
//   - To take ids from the highest row.
//   - To fail a batch of outcomes for one job that is gone.
//
// Reference: storage/memory, and storage/sqlite and storage/postgres over one body of
// SQL.
package jobstest
