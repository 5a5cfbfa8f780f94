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
// # Writing a store
//
// A store is a handful of tables and no clock. What it has to get right:
//
//   - Ids of jobs and workers are never given twice, not even when the row with the
//     highest one is gone.
//   - Settle holds the worker's row from its check until the end of the transaction, so
//     that a worker which is ended at the same moment is either ended afterwards or was
//     ended before. Reading the row first and writing later is the classical mistake.
//   - The row is held in a mode that lets the worker's own beats pass, and ending a worker
//     does not wait for a settlement whose transaction is open.
//   - An outcome counts for one job at one attempt. A job that is gone, or is another
//     attempt by now, is reported and left alone; the other outcomes of the batch count.
//   - A claim takes only lanes that nobody owns, also when two claims run at once.
package jobstest
