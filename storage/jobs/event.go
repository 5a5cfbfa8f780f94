package jobs

// An EventKind says what an [Event] tells.
type EventKind string

const (
	// EventBuried tells that a job was moved to the dead letters.
	EventBuried EventKind = "buried"
	// EventCancelled tells that a job was cancelled. It comes from the [Queue] when the
	// job was removed, without a worker, and from the worker that had started it once that
	// run has ended for nothing.
	EventCancelled EventKind = "cancelled"
	// EventRequeued tells that a dead letter was made a job again.
	EventRequeued EventKind = "requeued"
	// EventDiscarded tells that a dead letter was deleted.
	EventDiscarded EventKind = "discarded"
	// EventFenced tells that the outcome of a job was refused, because the lease it ran
	// under was lost. The owner of its lane runs the job again.
	EventFenced EventKind = "fenced"
	// EventDouble tells that the outcome of a job found the job settled already, while
	// the lease was held all the time. No run of this package brings that about:
	// somebody wrote to the store's tables, or the store is broken.
	EventDouble EventKind = "double"
	// EventBreakerOpened tells that a job failed and with it the breaker of its lane opened,
	// or stayed open after a try.
	EventBreakerOpened EventKind = "breaker_opened"
	// EventBreakerClosed tells that a job completed and with it the breaker of its lane
	// closed.
	EventBreakerClosed EventKind = "breaker_closed"
	// EventLeaseLost tells that the worker lost its lease and with it all its lanes. It
	// names no job. The worker goes on under a new one.
	EventLeaseLost EventKind = "lease_lost"
)

// An Event is something an operator wants to hear of. Package jobs records nothing
// itself; the host's wiring turns events into audit records and alarms.
type Event struct {
	Kind EventKind
	// Worker is the id of the worker as the store knows it, zero where a [Queue] tells.
	Worker int64
	// Job is the job it is about, zero for none.
	Job Job
	// Reason is the text of the error, empty for none. It is for operators.
	Reason string
}
