package automation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// The kinds of jobs.
const (
	// kindStart starts the run of a rule for an event.
	kindStart = "automation.start"
	// kindResume goes on with a run whose wait is over.
	kindResume = "automation.resume"
	// kindDeadline times a run out.
	kindDeadline = "automation.deadline"
)

// startTask is the payload of a [kindStart] job.
type startTask struct {
	Run   string `json:"run"`
	Rule  string `json:"rule"`
	Event string `json:"event"`
}

// resumeTask is the payload of a [kindResume] job. The generation makes jobs of an
// earlier wait void.
type resumeTask struct {
	Run string `json:"run"`
	Gen int64  `json:"gen"`
	// Key is that of the signal that woke the run, empty for a timer.
	Key string `json:"key,omitempty"`
}

// deadlineTask is the payload of a [kindDeadline] job. A run that was given another
// deadline has another job for it.
type deadlineTask struct {
	Run string `json:"run"`
	// At is the deadline in microseconds since 1970.
	At int64 `json:"at"`
}

func startJob(tenant string, t startTask, traceparent string) jobs.Job {
	return jobs.Job{Tenant: tenant, Lane: lane(t.Rule), Kind: kindStart, Payload: encode(t), Trace: traceparent}
}

func resumeJob(tenant, ruleID string, t resumeTask, due time.Time, traceparent string) jobs.Job {
	return jobs.Job{Tenant: tenant, Lane: lane(ruleID), Kind: kindResume, Due: due, Payload: encode(t), Trace: traceparent}
}

func deadlineJob(r Run) jobs.Job {
	return jobs.Job{
		Tenant: r.Tenant, Lane: lane(r.RuleID), Kind: kindDeadline, Due: r.DeadlineAt,
		Payload: encode(deadlineTask{Run: r.ID, At: r.DeadlineAt.UnixMicro()}), Trace: r.Trace.Traceparent(),
	}
}

// lane is what the runs of a rule queue behind: its own lane, so that one with a backlog
// or a slow action delays no other.
func lane(ruleID string) string { return "automation/" + ruleID }

// Handlers returns the handlers of this package's jobs, for jobs.NewWorker. A queue that
// several services share needs one worker with the handlers of all of them: join the
// maps, whose keys differ.
func (s *Service) Handlers() map[string]jobs.Handler {
	lost := s.lasting(s.lost)
	return map[string]jobs.Handler{
		kindStart: s.lasting(s.start), kindResume: s.lasting(s.resume), kindDeadline: s.lasting(s.timeOut),
		jobs.Lost(kindStart): lost, jobs.Lost(kindResume): lost, jobs.Lost(kindDeadline): lost,
	}
}

// maxBackoff is how long work waits at most after a failure of our own.
const maxBackoff = 10 * time.Minute

// lasting makes a handler try again for as long as our own side fails: a run that was
// asked for is not given up because a database was away for long, or because this
// process does not know one of its actions. What an action does wrong is no error of the
// handler.
func (s *Service) lasting(h jobs.Handler) jobs.Handler {
	return func(ctx context.Context, task *jobs.Task) error {
		err := h(ctx, task)
		if err == nil || errors.Is(err, jobs.ErrFenced) || errors.Is(err, errBadTask) {
			return err
		}
		wait := min(time.Second<<min(task.Job.Attempt, 20), maxBackoff)
		return jobs.RetryAt(s.now().Add(wait), err)
	}
}

// errBadTask reports a job that this package did not write.
var errBadTask = errors.New("automation: the job cannot be read")

func badTask(err error) error { return jobs.Bury(fmt.Errorf("%w: %w", errBadTask, err)) }

// start is the handler of [kindStart].
func (s *Service) start(ctx context.Context, task *jobs.Task) error {
	var t startTask
	if err := json.Unmarshal(task.Job.Payload, &t); err != nil {
		return badTask(err)
	}
	a := &activation{service: s, task: task}
	err := s.governor.InTx(ctx, func(ctx context.Context) error {
		r, err := s.store.GetRun(ctx, task.Job.Tenant, t.Run, true)
		switch {
		case err == nil && r.Status == Running && (r.Job == task.Job.ID || r.Job == 0):
			return a.load(ctx, r)
		case err == nil:
			return task.Complete(ctx)
		case !errors.Is(err, storage.ErrNotFound):
			return err
		}
		return a.begin(ctx, t)
	})
	if err != nil {
		return err
	}
	return a.work(ctx)
}

// begin starts the run that t asks for, if its rule still wants it.
func (a *activation) begin(ctx context.Context, t startTask) error {
	s, tenant := a.service, a.task.Job.Tenant
	rule, err := s.store.GetRule(ctx, tenant, t.Rule, false)
	if errors.Is(err, storage.ErrNotFound) {
		return a.task.Complete(ctx)
	}
	if err != nil {
		return err
	}
	event, err := s.store.GetEvent(ctx, tenant, t.Event)
	if errors.Is(err, storage.ErrNotFound) {
		return a.task.Complete(ctx) // it waited for longer than events are kept
	}
	if err != nil {
		return err
	}
	if !rule.Enabled || rule.Environment != event.Environment || !listens(rule.EventTypes, event.Type) {
		return a.task.Complete(ctx)
	}
	fires, err := a.prepare(ctx, t.Run, rule.ID, rule.Version, event)
	if err != nil {
		return err
	}
	if !fires {
		return a.task.Complete(ctx)
	}
	a.state.Run.Trigger = ByEvent
	a.decide(Event{Kind: Begin, At: s.now()})
	err = a.save(ctx)
	if errors.Is(err, storage.ErrConflict) {
		// Another job has started the rule for this event.
		a.command = Command{}
		return a.task.Complete(ctx)
	}
	return err
}

// resume is the handler of [kindResume].
func (s *Service) resume(ctx context.Context, task *jobs.Task) error {
	var t resumeTask
	if err := json.Unmarshal(task.Job.Payload, &t); err != nil {
		return badTask(err)
	}
	a := &activation{service: s, task: task}
	err := s.governor.InTx(ctx, func(ctx context.Context) error {
		r, err := s.store.GetRun(ctx, task.Job.Tenant, t.Run, true)
		switch {
		case errors.Is(err, storage.ErrNotFound):
			return task.Complete(ctx)
		case err != nil:
			return err
		case r.Status == Running && r.Job == task.Job.ID:
			return a.load(ctx, r)
		case r.Status != Waiting || r.Wait.Gen != t.Gen:
			if err := s.late(ctx, r.Tenant, t.Key); err != nil {
				return err
			}
			return task.Complete(ctx)
		}
		if err := a.load(ctx, r); err != nil {
			return err
		}
		return a.wake(ctx)
	})
	if err != nil {
		return err
	}
	return a.work(ctx)
}

// late marks the signals that came while the one before them was taking effect.
func (s *Service) late(ctx context.Context, tenant, key string) error {
	if key == "" {
		return nil
	}
	pending, err := s.store.PendingSignals(ctx, tenant, key)
	if err != nil {
		return err
	}
	return s.store.SetSignals(ctx, tenant, key, SignalLate, ids(pending)...)
}

func ids(signals []Signal) (all []string) {
	for _, s := range signals {
		all = append(all, s.ID)
	}
	return all
}

// wake ends the wait of a run, by the signal that came or because its time has.
func (a *activation) wake(ctx context.Context) error {
	w, now := a.state.Run.Wait, a.service.now()
	if w.Kind == ForSignal {
		resumed, err := a.signalled(ctx)
		if err != nil || resumed {
			return err
		}
		if w.DueAt.IsZero() {
			return a.task.Complete(ctx)
		}
	}
	if now.Before(w.DueAt) {
		return a.task.RetryAt(ctx, w.DueAt, "not due yet")
	}
	a.decide(Event{Kind: Due, At: now, Gen: w.Gen})
	return a.save(ctx)
}

// signalled goes on with the first signal that came for the run's wait, and reports
// whether there was one. The others are late.
func (a *activation) signalled(ctx context.Context) (bool, error) {
	store, tenant, w := a.service.store, a.task.Job.Tenant, a.state.Run.Wait
	pending, err := store.PendingSignals(ctx, tenant, w.Key)
	if err != nil || len(pending) == 0 {
		return false, err
	}
	if err := store.SetSignals(ctx, tenant, w.Key, SignalConsumed, pending[0].ID); err != nil {
		return false, err
	}
	if err := store.SetSignals(ctx, tenant, w.Key, SignalLate, ids(pending[1:])...); err != nil {
		return false, err
	}
	a.decide(Event{Kind: Signalled, At: a.service.now(), Gen: w.Gen, Signal: pending[0]})
	return true, a.save(ctx)
}

// timeOut is the handler of [kindDeadline].
func (s *Service) timeOut(ctx context.Context, task *jobs.Task) error {
	var t deadlineTask
	if err := json.Unmarshal(task.Job.Payload, &t); err != nil {
		return badTask(err)
	}
	a := &activation{service: s, task: task}
	err := s.governor.InTx(ctx, func(ctx context.Context) error {
		r, err := s.store.GetRun(ctx, task.Job.Tenant, t.Run, true)
		switch {
		case errors.Is(err, storage.ErrNotFound):
			return task.Complete(ctx)
		case err != nil:
			return err
		case r.Status == Running && r.Job == task.Job.ID:
			return a.load(ctx, r)
		case !r.alive() || r.DeadlineAt.UnixMicro() != t.At:
			return task.Complete(ctx)
		}
		now := s.now()
		if now.Before(r.DeadlineAt) {
			return task.RetryAt(ctx, r.DeadlineAt, "not due yet")
		}
		if err := a.load(ctx, r); err != nil {
			return err
		}
		s.interrupt(ctx, r)
		a.decide(Event{Kind: Overdue, At: now})
		return a.save(ctx)
	})
	if err != nil {
		return err
	}
	return a.work(ctx)
}
