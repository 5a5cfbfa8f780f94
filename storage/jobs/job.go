package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/lumelle/adminkit/storage"
)

const (
	// MaxPayload is the longest payload of a job in bytes.
	MaxPayload = 64 << 10
	// MaxTrace is the longest trace of a job in bytes.
	MaxTrace = 512
	// MaxReason is what is kept of the text of an error, in bytes.
	MaxReason = 1024
)

// A Job is a piece of work that a row asks for.
type Job struct {
	// ID is the order of enqueueing. The store sets it.
	ID int64
	// Tenant is whose work it is.
	Tenant string
	// Lane is what the job queues behind: an endpoint, a rule, a destination. The due
	// jobs of one lane start in order of Priority, Due and ID, at most the lane's cap at
	// a time; lanes do not delay each other. Lanes of different tenants are different
	// lanes.
	Lane string
	// Priority is before which due jobs of its lane the job starts, [Normal] where it is
	// zero.
	Priority Priority
	// Kind chooses the handler.
	Kind string
	// Key keeps the work from being asked for twice, where it is not empty: while a job
	// of the tenant with this key is unfinished, another one that is enqueued with it is
	// dropped. A job holds its key from its enqueueing, over all retries, until it is
	// completed, buried or cancelled. At most 255 bytes.
	Key string
	// Due is the earliest start, now where it is zero.
	Due time.Time
	// Payload is what the handler needs: at most 64 KiB, usually a few ids.
	Payload []byte
	// Trace is the W3C traceparent the work was asked for under, empty for none.
	Trace string
	// Attempt counts the starts before this one: 0 on the first.
	Attempt int
}

// Check returns what is wrong with a job that is to be enqueued, as a
// [storage.InvalidError] with pointers such as /payload, or nil.
func (j Job) Check() error {
	var bad *storage.InvalidError
	for _, id := range []struct{ pointer, value string }{
		{"/tenant", j.Tenant}, {"/lane", j.Lane}, {"/kind", j.Kind},
	} {
		var invalid *storage.InvalidError
		if errors.As(storage.CheckID(id.pointer, id.value), &invalid) {
			bad = bad.Add(invalid.Fields[0].Pointer, invalid.Fields[0].Message)
		}
	}
	if j.Priority < Low || j.Priority > High {
		bad = bad.Add("/priority", "must be between -1 and 1")
	}
	if len(j.Payload) > MaxPayload {
		bad = bad.Add("/payload", "must be at most 64 KiB long")
	}
	if j.Key != "" {
		var invalid *storage.InvalidError
		if errors.As(storage.CheckID("/key", j.Key), &invalid) {
			bad = bad.Add(invalid.Fields[0].Pointer, invalid.Fields[0].Message)
		}
	}
	if j.Due.Year() > 9999 {
		bad = bad.Add("/due", "must be before the year 10000")
	}
	var invalid *storage.InvalidError
	if errors.As(storage.CheckText("/trace", j.Trace, MaxTrace), &invalid) {
		bad = bad.Add(invalid.Fields[0].Pointer, invalid.Fields[0].Message)
	}
	return bad.Err()
}

// ErrFenced reports that the lease was lost: another worker owns the lane now and
// nothing this one does counts any more.
var ErrFenced = errors.New("jobs: the lease was lost")

// A Handler works jobs of one kind. A nil return completes the job. An error made by
// [RetryAt] starts it again at that time, one made by [Bury] moves it to the dead
// letters, and any other error retries it by the worker's backoff until its attempts
// are used up. A panic counts as an error.
//
// ctx ends when the lease is lost, when the job is cancelled, with the cause
// [ErrCancelled], and when [Worker.Close] runs out of time. A job runs
// at least once. To make its effect exactly once, write the effect and settle the
// task in one transaction with [Task.Complete]. One goroutine may work several jobs, one
// after the other.
type Handler func(ctx context.Context, task *Task) error

// Lost returns the kind under which a handler sees the jobs of a kind whose starts were
// lost [WorkerConfig.MaxLost] times in a row. Where there is such a handler it is called
// instead of the one that may be killing its process: it ends what waits for the job,
// without the job's work, and [Task.Lost] says how often that was tried. Where as many
// starts of it are lost again, or there is no such handler, the job is buried.
//
//	handlers := map[string]jobs.Handler{"report": makeReport, jobs.Lost("report"): giveReportUp}
func Lost(kind string) string { return kind + "/lost" }

type retryError struct {
	at  time.Time
	err error
}

func (e *retryError) Error() string {
	if e.err == nil {
		return "to be tried again"
	}
	return e.err.Error()
}

func (e *retryError) Unwrap() error { return e.err }

// RetryAt returns an error with which a handler has its job started again at a time
// of its own choice, at once where it is zero. err says why and may be nil. Such a retry counts as an attempt
// and is never refused: the handler decides itself when it has tried enough.
func RetryAt(at time.Time, err error) error { return &retryError{at: at, err: err} }

type buryError struct{ err error }

func (e *buryError) Error() string {
	if e.err == nil {
		return "buried by its handler"
	}
	return e.err.Error()
}

func (e *buryError) Unwrap() error { return e.err }

// Bury returns an error with which a handler moves its job to the dead letters at
// once. err says why and may be nil.
func Bury(err error) error { return &buryError{err: err} }
