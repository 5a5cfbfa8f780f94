// Package jobs is the work engine of the kit: what a committed row asks for is done by
// a worker, at least once, whatever dies in between.
//
// A [Queue] takes jobs in, in the transaction of the change that asks for them. A
// [Worker] hands them to a [Handler] by their kind.
package jobs
