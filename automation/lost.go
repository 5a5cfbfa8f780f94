package automation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// A lostTask is what the payloads of all kinds of jobs have.
type lostTask struct {
	startTask
	Gen int64 `json:"gen"`
	At  int64 `json:"at"`
}

// lost is the handler of jobs whose starts were lost again and again. It fails the step
// that the run was at each time, without calling its action once more. What comes then is
// the work of another job, whose starts are counted anew.
func (s *Service) lost(ctx context.Context, task *jobs.Task) error {
	var t lostTask
	if err := json.Unmarshal(task.Job.Payload, &t); err != nil {
		return badTask(err)
	}
	return s.governor.InTx(ctx, func(ctx context.Context) error {
		if err := s.giveUp(ctx, task, t); err != nil {
			return err
		}
		return task.Complete(ctx)
	})
}

func (s *Service) giveUp(ctx context.Context, task *jobs.Task, t lostTask) error {
	tenant := task.Job.Tenant
	r, err := s.store.GetRun(ctx, tenant, t.Run, true)
	switch {
	case errors.Is(err, storage.ErrNotFound) && task.Job.Kind == kindStart:
		return s.giveUpStart(ctx, task, t.startTask)
	case errors.Is(err, storage.ErrNotFound):
		return nil
	case err != nil:
		return err
	case !t.carries(task.Job, r):
		return nil
	}
	a := &activation{service: s}
	if err := a.load(ctx, r); err != nil {
		return err
	}
	e := Event{Kind: Lost, At: s.now(), Failure: lostFailure(task, "while this step ran")}
	var attempts []Attempt
	if a.command.Kind == Call {
		attempts = []Attempt{{Step: a.command.Step, N: a.command.Attempt, At: e.At, Class: e.Failure.Class, Error: e.Failure.Message, Detail: e.Failure.Message}}
	}
	a.decide(e)
	a.state.Run.Job = 0
	if err := a.save(ctx, attempts...); err != nil {
		return err
	}
	if err := s.late(ctx, tenant, r.Wait.Key); err != nil || a.command.Kind != Call {
		return err
	}
	return s.queue.Enqueue(ctx, startJob(tenant, startTask{Run: r.ID, Rule: r.RuleID, Event: r.EventKey}, r.Trace.Traceparent()))
}

// giveUpStart leaves a failed run where none could be started.
func (s *Service) giveUpStart(ctx context.Context, task *jobs.Task, t startTask) error {
	tenant := task.Job.Tenant
	rule, err := s.store.GetRule(ctx, tenant, t.Rule, false)
	if errors.Is(err, storage.ErrNotFound) || err == nil && !rule.Enabled {
		return nil
	}
	if err != nil {
		return err
	}
	event, err := s.store.GetEvent(ctx, tenant, t.Event)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	v, err := s.store.GetVersion(ctx, tenant, rule.ID, rule.Version)
	if err != nil {
		return err
	}
	a := &activation{service: s}
	if err := a.conceive(t.Run, v, event); err != nil {
		return err
	}
	a.state.Run.Trigger = ByEvent
	a.refuse(s.now(), lostFailure(task, "before the first step"))
	if err := a.save(ctx); !errors.Is(err, storage.ErrConflict) {
		return err
	}
	return nil // another job has started the rule for this event
}

// carries reports whether a run is in the hands of a job, or waits for it.
func (t *lostTask) carries(job jobs.Job, r Run) bool {
	if r.Status == Running && (r.Job == job.ID || r.Job == 0 && job.Kind == kindStart) {
		return true
	}
	switch job.Kind {
	case kindResume:
		return r.Status == Waiting && r.Wait.Gen == t.Gen
	case kindDeadline:
		return r.alive() && r.DeadlineAt.UnixMicro() == t.At
	}
	return false
}

// lostFailure says why a run is given up. The first lost start is never counted.
func lostFailure(task *jobs.Task, when string) Failure {
	return Failure{Class: ClassPermanent, Message: fmt.Sprintf("its process died, or lost its lease, at least %d times %s", task.Lost, when)}
}
