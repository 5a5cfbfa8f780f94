package jobs

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// asStarted returns the job as its handler sees it: a start that was lost was a start.
func (f Fetched) asStarted() Job {
	j := f.Job
	j.Attempt += f.Lost
	return j
}

// errExited is what became of a handler that ended its goroutine.
var errExited = errors.New("the handler ended its goroutine")

// A start is a job that is to be worked.
type start struct {
	ctx    context.Context // ends with the tenure, or when the job is cancelled
	tenure *tenure
	lane   *lane
	job    Fetched
}

// startLocked counts a job as started, and puts it where a goroutine takes it from. The
// caller has one spawned for it, or takes one itself.
func (w *Worker) startLocked(t *tenure, l *lane, job Fetched) {
	ctx, cancel := context.WithCancelCause(t.ctx)
	t.runs[job.ID] = cancel
	if _, void := l.void[job.ID]; void { // cancelled while its start was announced
		cancel(ErrCancelled)
	}
	w.startedLocked(job.Job)
	w.starts = append(w.starts, &start{ctx: ctx, tenure: t, lane: l, job: job})
}

// nextLocked takes the job that was started first off the queue, nil for none.
func (w *Worker) nextLocked() *start {
	if len(w.starts) == 0 {
		return nil
	}
	s := w.starts[0]
	w.starts[0] = nil
	w.starts = w.starts[1:]
	return s
}

// spawn has goroutines work what is started, one for each job. One that is done with its job
// takes the next, so where handlers are quick most of the others find nothing left, and their
// stacks need not grow to what handlers need.
func (w *Worker) spawn(n int) {
	for range n {
		go func() {
			w.mu.Lock()
			s := w.nextLocked()
			w.mu.Unlock()
			w.work(s)
		}()
	}
}

// work works a job, and what is to be worked after it.
func (w *Worker) work(s *start) {
	for s != nil {
		s = w.run(s)
	}
}

// run works one job and sees to its outcome. It returns what is to be worked next, nil for
// nothing.
func (w *Worker) run(s *start) (next *start) {
	ctx, t, l, job := s.ctx, s.tenure, s.lane, &s.job
	task := &Task{
		Job: job.asStarted(), Lost: job.Lost, store: w.store, now: w.queue.now,
		worker: t.worker, fetched: job, started: w.queue.now(),
		charge: func(o *Outcome) {
			w.mu.Lock()
			defer w.mu.Unlock()
			t.board.charge(l, o)
		},
		missed: func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			l.uncharge(job.ID)
			l.discount(job.ID)
			t.board.enturn(l)
			signal(w.wake)
		},
	}
	err := errExited
	defer func() {
		if r := recover(); r != nil {
			w.config.Logger.Error("a handler panicked", "kind", job.Kind, "job", job.ID,
				"panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", r)
		}
		next = w.ended(t, l, task, err)
		if err == errExited && next != nil { // this goroutine is not there for it
			go w.work(next)
		}
	}()
	kind := job.Kind
	if job.Lost >= w.config.MaxLost {
		kind = Lost(kind)
	}
	if handler, ok := w.handlers[kind]; ok {
		err = handler(ctx, task)
	} else {
		err = fmt.Errorf("no handler for kind %q", kind)
	}
	return nil
}

// hopeless reports whether a job is not started any more, because too many starts of it
// were lost.
func (w *Worker) hopeless(job Fetched) bool {
	limit := w.config.MaxLost
	if _, ok := w.handlers[Lost(job.Kind)]; ok {
		limit *= 2
	}
	return job.Lost >= limit
}

// ended frees the slot of a job and takes its outcome on. It returns what is to be worked
// in its place, nil for nothing.
func (w *Worker) ended(t *tenure, l *lane, task *Task, err error) (next *start) {
	outcome, committed := task.settled()
	var judged *settlement
	if !committed {
		judged = w.judge(t, l, task, err)
	}
	var event, turned *Event
	w.mu.Lock()
	t.runs[task.Job.ID](nil)
	delete(t.runs, task.Job.ID)
	w.endLocked(t, l)
	if committed {
		s := &settlement{tenure: t, lane: l, outcome: *outcome}
		event, turned = w.noteLocked(s, false), s.turned(false)
	} else {
		t.board.charge(l, &judged.outcome)
		w.submitLocked(judged)
	}
	w.restLocked()
	// What the host is told may take a while. No job waits for it.
	quiet := event == nil && turned == nil && len(w.counts.runs) == 0
	n := w.dispatchLocked()
	if quiet {
		if next = w.nextLocked(); next != nil && n > 0 {
			n--
		}
	}
	w.spawn(n)
	w.mu.Unlock()
	if !quiet {
		w.tell(event)
		w.tell(turned)
		w.tellRuns()
	}
	return next
}

// endLocked frees the slot of a job, and its place in the lane.
func (w *Worker) endLocked(t *tenure, l *lane) {
	w.running--
	t.board.finish(l)
}

// judge decides what becomes of a job by what its handler returned. The methods of the error
// and Backoff are the host's: they run without the worker's mutex, and a panic of theirs is
// one of the handler.
func (w *Worker) judge(t *tenure, l *lane, task *Task, err error) (s *settlement) {
	defer func() {
		if r := recover(); r != nil {
			w.config.Logger.Error("an error or Backoff panicked", "kind", task.Job.Kind, "job", task.Job.ID,
				"panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			s = w.verdict(t, l, task, fmt.Errorf("panic: %v", r), backoff)
		}
	}()
	return w.verdict(t, l, task, err, w.config.Backoff)
}

// verdict is judge with the wait before a retry.
func (w *Worker) verdict(t *tenure, l *lane, task *Task, err error, backoff func(attempt int) time.Duration) *settlement {
	s := &settlement{tenure: t, lane: l, outcome: Outcome{
		Job: *task.fetched, Result: Retried, Started: task.started, Ended: w.queue.now(),
	}}
	o := &s.outcome
	if err != nil {
		o.Reason = clip(err.Error())
	}
	if asked, _ := task.settled(); asked != nil || errors.Is(err, ErrFenced) {
		// The handler settled in a transaction that is not known to have committed. If
		// it did commit, this finds the job settled and changes nothing.
		s.doubtful = true
		if o.Reason == "" {
			o.Reason = "settled in a transaction that did not commit"
		}
	}
	var retry *retryError
	var bury *buryError
	switch {
	case err == nil && !s.doubtful:
		o.Result = Completed
	case errors.As(err, &retry):
		o.Due = dueAt(retry.at, o.Ended)
	case errors.As(err, &bury), task.Job.Attempt+1 >= w.config.MaxAttempts:
		o.Result = Buried
	default:
		o.Due = o.Ended.Add(backoff(task.Job.Attempt))
	}
	return s
}
