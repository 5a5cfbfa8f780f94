package jobs

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// A Task is one attempt of a job in the hands of its handler. Its methods settle the
// job in the transaction of ctx, so that the job ends together with its effect:
//
//	return backend.InTx(ctx, func(ctx context.Context) error {
//		if err := orders.MarkShipped(ctx, id); err != nil {
//			return err
//		}
//		return task.Complete(ctx)
//	})
//
// They answer [ErrFenced] where the job is no longer this worker's to settle. Return
// that error from the transaction: it rolls the effect back, and whoever owns the job
// now brings it about instead. Where ctx carries no transaction they commit at once.
//
// A handler settles its task at most once, and what it returns afterwards is ignored.
// Where the transaction did not commit, the task counts as failed.
type Task struct {
	// Job is what is to be done. Its Attempt counts the starts before this one.
	Job Job
	// Lost counts the starts in a row that were announced and lost, with their process or
	// its lease. The first one goes uncounted.
	Lost int

	store   Store
	now     func() time.Time
	worker  int64
	fetched *Fetched
	started time.Time
	charge  func(o *Outcome)
	missed  func() // the store does not take what becomes of the task

	mu        sync.Mutex
	outcome   *Outcome // what was written, nil for nothing
	committed bool     // whether its transaction is known to have committed
}

// Complete ends the job: it will not start again.
func (t *Task) Complete(ctx context.Context) error {
	return t.settle(ctx, Outcome{Result: Completed})
}

// RetryAt ends the attempt and has the job started again at a time, at once where it is
// zero. reason says why and may be empty.
func (t *Task) RetryAt(ctx context.Context, at time.Time, reason string) error {
	return t.settle(ctx, Outcome{Result: Retried, Due: at, Reason: reason})
}

// Bury ends the attempt and moves the job to the dead letters. reason says why.
func (t *Task) Bury(ctx context.Context, reason string) error {
	return t.settle(ctx, Outcome{Result: Buried, Reason: reason})
}

func (t *Task) settle(ctx context.Context, o Outcome) error {
	o.Job, o.Reason = *t.fetched, clip(o.Reason)
	o.Started, o.Ended = t.started, t.now()
	if o.Result == Retried {
		o.Due = dueAt(o.Due, o.Ended)
	}
	before, _ := t.settled()
	t.charge(&o)
	missed, err := t.store.Settle(ctx, t.worker, []Outcome{o})
	if err != nil {
		return err
	}
	if len(missed) > 0 {
		if before == nil { // otherwise it may be the one before that the store took
			t.missed()
		}
		return ErrFenced
	}
	t.mu.Lock()
	t.outcome = &o
	t.mu.Unlock()
	storage.AfterCommit(ctx, func() {
		t.mu.Lock()
		t.committed = true
		t.mu.Unlock()
	})
	return nil
}

// settled returns what the handler settled the task with, nil for nothing, and whether that
// is known to have been committed.
func (t *Task) settled() (outcome *Outcome, committed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.outcome, t.committed
}

// dueAt is the time of a start: what was asked for, or now where that is no time. No
// time is anything before 1970, behind which no position stands in any store.
func dueAt(at, now time.Time) time.Time {
	if at.UnixMicro() <= 0 {
		return now
	}
	return at
}

// clip makes the text of an error fit for storage: valid UTF-8 without NUL, of at most
// MaxReason bytes.
func clip(reason string) string {
	reason = strings.ToValidUTF8(strings.ReplaceAll(reason, "\x00", ""), "\uFFFD")
	if len(reason) <= MaxReason {
		return reason
	}
	return strings.ToValidUTF8(reason[:MaxReason], "")
}
