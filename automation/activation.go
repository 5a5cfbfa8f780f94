package automation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// An activation is a run in the hands of the job that carries it: from a start or the
// end of a wait to the next wait or the end. Its state is what is stored, and its command
// what comes next.
type activation struct {
	service *Service
	task    *jobs.Task
	program *Program
	event   TriggerEvent
	state   State
	command Command
	// deadline is the deadline that has its job.
	deadline time.Time
}

// prepare makes the state of a new run, and reports whether its trigger fires at all.
func (a *activation) prepare(ctx context.Context, id, ruleID string, number int, event TriggerEvent) (fires bool, err error) {
	s := a.service
	v, err := s.store.GetVersion(ctx, event.Tenant, ruleID, number)
	if err != nil {
		return false, err
	}
	if a.program, err = s.program(v); err != nil {
		return false, err
	}
	if err := a.conceive(id, v, event); err != nil {
		return false, err
	}
	if err := s.noteAudiences(ctx, a.program, &a.state); err != nil {
		return false, err
	}
	document, ok := a.state.event.value().(map[string]any)
	return ok && (a.program.trigger == nil || a.program.trigger.Fires(document)), nil
}

// conceive makes the state of a new run of a version.
func (a *activation) conceive(id string, v Version, event TriggerEvent) (err error) {
	a.event = event
	a.state, err = NewState(Run{
		ID: id, Tenant: event.Tenant, RuleID: v.RuleID, RuleVersion: v.Number, Environment: event.Environment,
		EventKey: event.Key, EventType: event.Type, Owner: v.CreatedBy, Hops: event.Hops, Trace: event.Trace,
	}, nil, event.Body)
	return err
}

// load reads all that belongs to a run, which goes on at its step.
func (a *activation) load(ctx context.Context, r Run) error {
	s := a.service
	v, err := s.store.GetVersion(ctx, r.Tenant, r.RuleID, r.RuleVersion)
	if err != nil {
		return err
	}
	if a.program, err = s.program(v); err != nil {
		return err
	}
	return a.loadState(ctx, r)
}

// loadState is load without the definition.
func (a *activation) loadState(ctx context.Context, r Run) (err error) {
	s := a.service
	if a.event, err = s.store.GetEvent(ctx, r.Tenant, r.EventKey); err != nil {
		return err
	}
	steps, err := s.store.Steps(ctx, r.Tenant, r.ID)
	if err != nil {
		return err
	}
	if a.state, err = NewState(r, steps, a.event.Body); err != nil {
		return err
	}
	a.deadline, a.command = r.DeadlineAt, Command{}
	if at := a.state.step(r.Cursor); r.Status == Running && at >= 0 {
		a.command = Command{Kind: Call, Step: r.Cursor, Attempt: steps[at].Attempts + 1}
	}
	return nil
}

// decide takes the run on by an event. A chain of causation that is too long ends here,
// where it can be seen.
func (a *activation) decide(e Event) {
	if e.Kind == Begin && a.state.Run.Hops >= audit.MaxHops {
		a.refuse(e.At, Failure{Class: ClassLoop, Message: "rules set each other off: the event is the eighth in a row"})
		return
	}
	a.state, a.command = Decide(a.program, a.state, e)
}

// refuse makes a new run one that failed before its first step.
func (a *activation) refuse(at time.Time, f Failure) {
	r := &a.state.Run
	r.Status, r.StartedAt, r.UpdatedAt, r.EndedAt, r.Level = Failed, at, at, at, slog.LevelError
	r.Failure = &f
	a.command = Command{Kind: Finish}
}

// save stores what was decided, in the transaction of ctx, with the work that it asks
// for: it is the one place where a run changes.
func (a *activation) save(ctx context.Context, attempts ...Attempt) error {
	s, r := a.service, &a.state.Run
	r.Version++
	if a.command.Kind == Call && a.task != nil {
		r.Job = a.task.Job.ID
	}
	if err := s.store.Save(ctx, r.Tenant, Write{Run: *r, Steps: a.state.Changed(), Attempts: attempts}); err != nil {
		return err
	}
	var work []jobs.Job
	if r.alive() && !r.DeadlineAt.IsZero() && !r.DeadlineAt.Equal(a.deadline) {
		work = append(work, deadlineJob(*r))
	}
	a.deadline = r.DeadlineAt
	switch a.command.Kind {
	case Park:
		if r.Wait.Kind == ForSignal {
			// The decision may have come before the wait.
			if err := s.queue.Enqueue(ctx, work...); err != nil {
				return err
			}
			resumed, err := a.signalled(ctx)
			if err != nil || resumed {
				return err
			}
			work = nil
		}
		if !r.Wait.DueAt.IsZero() {
			work = append(work, resumeJob(r.Tenant, r.RuleID, resumeTask{Run: r.ID, Gen: r.Wait.Gen}, r.Wait.DueAt, r.Trace.Traceparent()))
		}
	case Finish:
		if err := s.recordEnd(ctx, *r, a.event); err != nil {
			return err
		}
	}
	if err := s.queue.Enqueue(ctx, work...); err != nil {
		return err
	}
	if a.command.Kind == Call || a.task == nil {
		return nil
	}
	return a.task.Complete(ctx)
}

// recordEnd records the end of a run that did something.
func (s *Service) recordEnd(ctx context.Context, r Run, event TriggerEvent) error {
	action, outcome := "", audit.Failure
	switch r.Status {
	case Succeeded:
		action, outcome = ActionSucceeded, audit.Success
	case Failed:
		action = ActionFailed
	case TimedOut:
		action = ActionTimedOut
	default:
		return nil
	}
	e := audit.Event{
		Tenant: r.Tenant, Action: action, Category: audit.System, Outcome: outcome, Actor: worker, OnBehalfOf: &r.Owner, Time: r.EndedAt,
		Resource: audit.Resource{Type: ResourceRun, ID: r.ID}, Trace: r.Trace, CausationID: event.ID, Hops: min(r.Hops+1, audit.MaxHops),
		Metadata: encode(runRecord{RuleID: r.RuleID, Version: r.RuleVersion, Environment: r.Environment, Failure: r.Failure}),
	}
	if link := correlation.From(ctx); link.Valid() && link.TraceID != r.Trace.TraceID {
		e.Link = link
	}
	if r.Failure != nil {
		e.Reason = r.Failure.Class
	}
	return s.governor.Record(ctx, e)
}

// runRecord is what events say of a run.
type runRecord struct {
	RuleID      string   `json:"rule_id"`
	Version     int      `json:"version"`
	Environment string   `json:"environment"`
	Failure     *Failure `json:"failure,omitempty"`
}

// worker is who acts where no person does.
var worker = audit.Actor{Type: audit.SystemActor, ID: "automation"}

// work calls actions until the run waits, ends or is somebody else's.
func (a *activation) work(ctx context.Context) error {
	for a.command.Kind == Call {
		n := &a.program.nodes[a.program.index[a.command.Step]]
		var err error
		if n.action.descriptor.Effect == Transactional {
			err = a.callInTx(ctx, n)
		} else {
			err = a.callOutside(ctx, n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// callOutside calls an action that reaches out, or nowhere, and writes down what came of
// it. When the process dies in between, the action is called again under the same key.
func (a *activation) callOutside(ctx context.Context, n *node) error {
	t := a.try(ctx, n)
	if t.event.Kind == Broke && ctx.Err() != nil {
		// Not the action failed but we were stopped. The job starts again elsewhere.
		return ctx.Err()
	}
	// It happened: write it down even while the worker is told to stop.
	return a.settle(context.WithoutCancel(ctx), t)
}

// settle writes down what came of an attempt.
func (a *activation) settle(ctx context.Context, t try) error {
	return a.service.governor.InTx(ctx, func(ctx context.Context) error {
		if mine, err := a.hold(ctx); err != nil || !mine {
			return err
		}
		a.decide(t.event)
		return a.save(ctx, t.attempt)
	})
}

// hold locks the run and reports whether it still stands as this activation knows it.
// Where it was ended or taken on meanwhile, what the attempt brought is dropped.
func (a *activation) hold(ctx context.Context) (bool, error) {
	known := &a.state.Run
	r, err := a.service.store.GetRun(ctx, known.Tenant, known.ID, true)
	if err != nil {
		return false, err
	}
	if r.Version == known.Version {
		return true, nil
	}
	if r.Status == Running && r.Job == a.task.Job.ID {
		// Another worker has the same job, because a lease was lost. Go on from where the
		// run is; the fence stops whoever is not the owner any more.
		return false, a.load(ctx, r)
	}
	a.command = Command{}
	return false, a.task.Complete(ctx)
}

// errRolledBack carries the failure of a transactional action out of its transaction, so
// that whatever it had written is undone.
var errRolledBack = errors.New("automation: the action failed")

// callInTx calls an action in the transaction that also stores what came of it.
func (a *activation) callInTx(ctx context.Context, n *node) error {
	var t try
	called := false
	err := a.service.governor.InTx(ctx, func(ctx context.Context) error {
		if mine, err := a.hold(ctx); err != nil || !mine {
			return err
		}
		t = a.try(ctx, n)
		called = true
		if t.event.Kind == Broke && !t.refused {
			return errRolledBack
		}
		a.decide(t.event)
		return a.save(ctx, t.attempt)
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case !called || t.event.Kind != Broke || t.refused:
		return err
	case ours(t.err):
		return t.err
	}
	return a.settle(ctx, t)
}

// A try is an attempt that was made: what it means for the run, and how it is recorded.
type try struct {
	event   Event
	attempt Attempt
	// refused is set where a gate said no, whose record stays.
	refused bool
	// err is the error of the attempt.
	err error
}

// ours reports the failure of our own store, which is no failure of an action that works
// in it: the job tries again, for as long as it takes.
func ours(err error) bool {
	for _, target := range []error{
		storage.ErrUnavailable, storage.ErrTxDone, storage.ErrTxBusy, storage.ErrForeignTx, storage.ErrCommitUnknown, jobs.ErrFenced,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// try makes one attempt of the step that the run is at.
func (a *activation) try(ctx context.Context, n *node) try {
	s, r := a.service, &a.state.Run
	step := &a.state.Steps[a.state.step(a.command.Step)]
	began := s.now()
	t := try{
		event:   Event{Kind: Broke, At: began, Step: n.path},
		attempt: Attempt{Step: n.path, N: a.command.Attempt, At: began},
	}
	with, err := n.input(&a.state)
	t.event.Input = s.redacted(with)
	if err != nil {
		t.fail(err, false)
		return t
	}
	ctx = audit.WithActor(correlation.With(ctx, r.Trace), r.actor())
	ctx = audit.WithCause(ctx, audit.Cause{EventID: a.event.ID, Hops: r.Hops + 1})
	ctx, span := s.cfg.Tracer.Start(ctx, SpanAttempt, r.attributes(n.path, n.what(), a.command.Attempt)...)
	if trace := correlation.From(ctx); trace.Valid() {
		t.attempt.TraceID, t.attempt.SpanID = trace.TraceID, trace.SpanID
	}
	limited, cancel := context.WithTimeout(ctx, n.limit(step.StartedAt, r.DeadlineAt, began))
	defer cancel()
	defer s.watch(r.ID, cancel)()
	log := &attemptLog{now: s.now}
	in := Input{
		Tenant: r.Tenant, Environment: r.Environment, RuleID: r.RuleID, RunID: r.ID, Step: n.path,
		Key: idempotencyKey(r.ID, n.path), Attempt: a.command.Attempt, With: with, Now: began, log: log.add,
	}
	out, err := n.action.call(limited, in)
	if err == nil {
		err = n.accept(out)
	}
	ended := s.now()
	t.event.At, t.attempt.Duration = ended, ended.Sub(began)
	t.attempt.Logs, t.event.Level = log.close()
	if err != nil {
		_, t.refused = errors.AsType[audit.Refusal](err)
		t.fail(err, errors.Is(limited.Err(), context.DeadlineExceeded))
		span.End(errors.New(t.attempt.Class))
		return t
	}
	t.event.Kind, t.event.Output = Done, out
	span.End(nil)
	return t
}

// idempotencyKey names one step of one run, the same for all of its attempts. The last
// part counts repetitions of the step; a step is done once.
func idempotencyKey(runID, path string) string { return runID + "/" + path + "/0" }

// fail makes t an attempt that failed with err.
func (t *try) fail(err error, timedOut bool) {
	failure, action := failureOf(err, timedOut)
	t.event.Failure, t.err = failure, err
	if action != nil {
		t.event.RetryAfter = max(action.RetryAfter, 0)
	}
	t.attempt.Class, t.attempt.Error, t.attempt.Detail = failure.Class, failure.Message, clip(err.Error(), MaxDetail)
}

// input renders what the step gives its action.
func (n *node) input(s *State) ([]byte, error) {
	with, err := n.with.render(s)
	if err != nil {
		return nil, Fail(ClassInvalid, err.Error(), nil)
	}
	if err := rebase(n.action.input.Validate(with), "/with"); err != nil {
		return with, err
	}
	return with, nil
}

// limit is how long an attempt that begins at a time may take.
func (n *node) limit(step, run, began time.Time) time.Duration {
	limit := n.timeout.attempt()
	if deadline := n.deadline(step); !deadline.IsZero() {
		limit = min(limit, deadline.Sub(began))
	}
	if !run.IsZero() {
		limit = min(limit, run.Sub(began))
	}
	return limit
}

// accept reports what is wrong with an output.
func (n *node) accept(out Output) error {
	bad := func(what string) error {
		return Fail(ClassPermanent, "the action answered what it may not", fmt.Errorf("%s: %s", n.what(), what))
	}
	if err := n.action.checkOutput(out.Value); err != nil {
		return bad(err.Error())
	}
	if s := out.Stop; s != nil && s.Status != Succeeded && s.Status != Failed && s.Status != Filtered {
		return bad("it stops the run as " + string(s.Status))
	}
	w := out.Await
	switch {
	case w == nil:
	case out.Stop != nil:
		return bad("it waits and stops")
	case w.Key == "" && w.Until.IsZero():
		return bad("it waits for nothing")
	case w.Key != "" && !n.action.descriptor.Waits:
		return bad("it waits for a signal, and its descriptor says that it does not")
	case w.Key != "" && storage.CheckID("/key", w.Key) != nil:
		return bad("the key that it waits for is no identifier")
	}
	return nil
}
