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
// What the methods change, for a store that takes notes of nothing:
//
//   - A lane is its config, its owner, whether it is paused, suspect and held, and its count
//     of resumes. PauseLane changes whether it is paused, SetLane the config, and ends a
//     hold that the new config has no cause for, with one resume more (JS-099); a lane
//     that existed and is resumed has one resume more and is held no more, also where it was
//     not paused (JS-079).
//   - Beat of worker zero makes one with one beat. Any other has its beats raised by one and
//     its lease and resting replaced, and is answered ErrFenced where it is not there.
//     Workers of Dead whose beats are those that the list says are deleted, never the one
//     that beats; their lanes become free and suspect. Leave deletes the worker, if it is
//     there, and its lanes become free without becoming suspect. The answer has the beats
//     after the call, and the others as they are after it.
//   - A lane can be taken at a time when it is free, not paused, has a job of any priority
//     that is due by then, and is held until then or an earlier time at the most.
//   - Claim gives lanes back, reads what the worker holds now (Held), looks at the lanes of
//     the sweep, and takes lanes: those of Probe first, then the others, those whose work
//     has waited longest before those that have just become due. Taken tells a lane as it
//     was found, suspect or not; then the lane is not suspect any more. Active counts the
//     lanes that have an owner after that and those that could still be taken. A store
//     without notes answers a sweep with the last of the lanes behind After, or the zero
//     lane where there are fewer than Limit.
//   - Settle looks for the job by tenant, id and attempt. Its attempt bears the number
//     Job.Attempt + Job.Lost. Completed deletes the job and frees its key. Retried makes it
//     due at Due, at the attempt after that number, with nothing lost. Buried deletes it,
//     frees its key and makes a dead letter of it, at the attempt after that number, with
//     Reason and died at Ended. Begun sets Lost to Job.Lost + 1 and does no more. Each of
//     them then stores its Hold, where it has one, the worker owns the lane, and the lane's
//     config is one that causes it (JS-100).
//   - Cancel does what Completed does, and the attempt's number is that of the stored job. A
//     lane whose Hold says HeldForRetry is held no more, and has one resume more, where the
//     job had attempts (JS-098).
//   - Requeue makes a job of a dead letter: its id, lane, kind, key, priority, payload and
//     trace, no attempts, and nothing lost. RequeueAll and Discard answer in the order of ids.
//
// Checklist:
//
//   - The worker's row is held in a mode that lets the worker's own beats pass, and
//     ending a worker does not wait for a settlement whose transaction is open.
//   - Times come from the caller.
//   - Enqueue works in the transaction of ctx, and makes the lane of a job before it looks
//     at the key (JS-097).
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
