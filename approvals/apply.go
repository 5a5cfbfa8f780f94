package approvals

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// An Applier makes approved changes of one action. [Guard] is the one for a host's
// own actions; whoever writes another finds the contract, and the suite that checks
// it, in package approvalstest.
type Applier interface {
	// Apply makes the change in the transaction of ctx, by way of an audit.Governor
	// whose gate is [Gate] and with Approved.Event: the gate asks again, uses up the
	// grant and so binds the change to what was approved. It writes rows only; what
	// must reach the world goes out from those rows.
	//
	// An error undoes what was written, but for an audit.Refusal, after which only
	// the record of the refusal may be there. storage.ErrConflict, ErrNotFound and
	// ErrInvalid, a refusal, and an error made by [Permanent] end the request as
	// [StateFailed]; after any other it is tried again with the same event id.
	Apply(ctx context.Context, a Approved) (Result, error)
}

// ApplierFunc is a function as an [Applier].
type ApplierFunc func(ctx context.Context, a Approved) (Result, error)

// Apply implements [Applier].
func (f ApplierFunc) Apply(ctx context.Context, a Approved) (Result, error) { return f(ctx, a) }

// An Approved is a change that may be made now.
type Approved struct {
	Request Request
	// Event is the change as it is to be recorded: under the id it was asked for, by
	// the system on behalf of the requester, in the trace it began under, linked to
	// the trace of who approved it.
	Event audit.Event
}

// A Result is what an [Applier] answers.
type Result struct {
	// Output is kept with the request, JSON or nil: the id of what was made.
	Output json.RawMessage
}

// A Revisioner is an [Applier] that knows the revision of a resource. Where it is
// not the one the change was made for, the request fails with [FailedConflict]
// before anything is tried. It is an optional power, found by type assertion.
type Revisioner interface {
	// Revision returns the resource's revision in the transaction of ctx.
	Revision(ctx context.Context, tenant string, resource audit.Resource) (string, error)
}

// A Checker is an [Applier] that knows a good payload. It is asked when a request is
// revised. It is an optional power, found by type assertion.
type Checker interface {
	// CheckPayload answers a *storage.InvalidError with pointers below "/payload".
	CheckPayload(ctx context.Context, payload json.RawMessage) error
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// Permanent marks an error of an [Applier] that no other attempt will mend. The
// request fails with [FailedApplier]. err stays with the operators; nil stays nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err: err}
}

// errUngoverned reports an Applier that returned without the grant being used.
var errUngoverned = errors.New("approvals: the applier changed something without asking its gate")

// Handlers returns the work of the Service by job kind, for a jobs.Worker. A queue that
// several services share needs one worker with the handlers of all of them: join the
// maps, whose keys differ.
func (s *Service) Handlers() map[string]jobs.Handler {
	handler := func(ctx context.Context, t *jobs.Task) error { return s.work(ctx, t.Job, t) }
	return map[string]jobs.Handler{
		applyKind: handler, expireKind: handler, askKind: handler, notifyKind: handler,
		jobs.Lost(applyKind): s.lost, jobs.Lost(askKind): s.lost,
		jobs.Lost(expireKind): handler, // to expire is to end what waits
	}
}

// A settler ends a job in the transaction of ctx. *jobs.Task is one.
type settler interface {
	Complete(ctx context.Context) error
}

// work does one job, as the system and under the trace it was asked for.
func (s *Service) work(ctx context.Context, job jobs.Job, done settler) error {
	var t task
	if err := json.Unmarshal(job.Payload, &t); err != nil {
		return badTask(job, err)
	}
	ctx = audit.WithActor(traced(ctx, job), system)
	switch job.Kind {
	case applyKind:
		return s.lasting(job, s.workApply(ctx, job.Tenant, t, job.Attempt, done))
	case expireKind:
		due, err := s.workExpire(ctx, job.Tenant, t, done)
		if err == nil && !due.IsZero() {
			return jobs.RetryAt(due, nil)
		}
		return s.lasting(job, err)
	case askKind:
		return s.workAsk(ctx, job.Tenant, t, done)
	case notifyKind:
		return s.workNotify(ctx, job.Tenant, t, done)
	}
	return jobs.Bury(fmt.Errorf("approvals: there are no jobs of kind %q", job.Kind))
}

// traced returns ctx with a span of the trace that a job was asked for under.
func traced(ctx context.Context, job jobs.Job) context.Context {
	if trace, ok := correlation.Parse(job.Trace); ok {
		return correlation.With(ctx, trace.Child())
	}
	return ctx
}

func badTask(job jobs.Job, err error) error {
	return jobs.Bury(fmt.Errorf("approvals: payload of job %q: %w", job.Kind, err))
}

// lasting has a job that failed with err tried again for as long as it does: no request
// waits for ever because something was away for long.
func (s *Service) lasting(job jobs.Job, err error) error {
	if err == nil || errors.Is(err, jobs.ErrFenced) {
		return err
	}
	return jobs.RetryAt(s.now().Add(s.cfg.Backoff(job.Attempt)), err)
}

// Apply applies an approved request now, as the job does that waits for a worker, and
// returns the request afterwards: [StateApplied], or [StateFailed]. The job then finds
// nothing left to do. A request that nobody has approved is an
// [IllegalTransitionError]; an error that may pass is returned, and the job tries again.
func (s *Service) Apply(ctx context.Context, tenant, id string) (Request, error) {
	r, err := s.store.Get(ctx, tenant, id)
	if err != nil {
		return r, err
	}
	if r.State != StateApplying {
		if _, err := Next(r.State, Start); err != nil {
			return r, err
		}
	}
	ctx = audit.WithActor(ctx, system)
	if err := s.workApply(ctx, tenant, task{Request: id, Revision: r.Revision}, 0, unsettled{}); err != nil {
		return r, err
	}
	return s.store.Get(ctx, tenant, id)
}

// unsettled leaves the job of a request to its worker.
type unsettled struct{}

func (unsettled) Complete(context.Context) error { return nil }

// workApply applies an approved request: first it claims the request, visibly and for
// good, then it makes the change and settles request, grant and job in one
// transaction. Whatever ends it in between, the next attempt finds the request
// claimed and goes on; whatever ends it later finds it applied.
func (s *Service) workApply(ctx context.Context, tenant string, t task, attempt int, done settler) error {
	claimed, err := s.claim(ctx, tenant, t, done)
	if err != nil || !claimed {
		return err
	}
	return s.tx.InTx(ctx, func(ctx context.Context) error {
		r, err := s.store.Lock(ctx, tenant, t.Request)
		if err != nil {
			return err
		}
		if r.State != StateApplying || r.Revision != t.Revision {
			return done.Complete(ctx)
		}
		out, err := s.apply(ctx, r)
		m := move{trigger: Finish, actor: system}
		if err != nil {
			failure := s.classify(err, attempt)
			if failure == nil {
				return err
			}
			m.trigger, r.Failure = Fail, failure
		}
		r.Output = out.Output
		if _, err := s.move(ctx, r, m); err != nil {
			return err
		}
		return done.Complete(ctx)
	})
}

// claim moves an approved request to applying and reports whether it is ours to
// apply. Where it was cancelled, revised, applied or deleted meanwhile the job ends.
func (s *Service) claim(ctx context.Context, tenant string, t task, done settler) (claimed bool, err error) {
	err = s.tx.InTx(ctx, func(ctx context.Context) error {
		r, err := s.store.Lock(ctx, tenant, t.Request)
		switch {
		case errors.Is(err, storage.ErrNotFound):
			return done.Complete(ctx)
		case err != nil:
			return err
		case r.State == StateApplying && r.Revision == t.Revision:
			claimed = true
			return nil
		case r.State != StateApproved || r.Revision != t.Revision:
			return done.Complete(ctx)
		}
		claimed = true
		_, err = s.move(ctx, r, move{trigger: Start, actor: system})
		return err
	})
	return claimed && err == nil, err
}

// apply makes the change of r in a savepoint, so that a failure can be recorded where
// the change was undone.
func (s *Service) apply(ctx context.Context, r Request) (out Result, err error) {
	applier, ok := s.applier(r.Action)
	if !ok {
		return Result{}, fmt.Errorf("approvals: the action %q has no applier here", r.Action)
	}
	var refusal audit.Refusal
	err = s.tx.InTx(ctx, func(ctx context.Context) error {
		if err := s.verify(ctx, r, applier); err != nil {
			return err
		}
		p := &pass{request: r, grant: Grant{
			RequestID: r.ID, Revision: r.Revision, ContentHash: r.ContentHash, EventID: r.EventID,
		}}
		if r.Hops > 0 {
			ctx = audit.WithCause(ctx, audit.Cause{EventID: r.CausationID, Hops: r.Hops})
		}
		e := r.event()
		e.Link = linkOf(ctx, r.Trace)
		var err error
		out, err = call(withPass(ctx, p), applier, Approved{Request: r, Event: e})
		switch {
		case refused(err, &refusal):
			return nil // its record stays
		case err == nil && !p.used:
			return errUngoverned
		}
		return err
	})
	if err == nil && refusal != nil {
		err = refusal
	}
	if err == nil && out.Output != nil && !json.Valid(out.Output) {
		return Result{}, Permanent(errors.New("approvals: the applier's output is not JSON"))
	}
	return out, err
}

// verify makes sure, under the lock, that what is about to be applied is what was
// approved, by people who may.
func (s *Service) verify(ctx context.Context, r Request, applier Applier) error {
	hash, err := Hash(r.event())
	if err != nil {
		return err
	}
	h, err := s.store.History(ctx, r.Tenant, r.ID)
	if err != nil {
		return err
	}
	if hash != r.ContentHash || !allApproved(Evaluate(r.Policy, r.Stages, r.Revision, r.Authors, h.Decisions)) {
		return &audit.DeniedError{Verdict: audit.Verdict{Reason: audit.Reason{
			Code: "not_what_was_approved", Text: "this is not the change that was approved",
		}}}
	}
	v, ok := applier.(Revisioner)
	if !ok {
		return nil
	}
	current, err := v.Revision(ctx, r.Tenant, r.Resource)
	if err != nil {
		return err
	}
	if current != r.BaseRevision {
		return storage.ErrConflict
	}
	return nil
}

// call contains a panic of an applier: it is an error like any other.
func call(ctx context.Context, applier Applier, a Approved) (out Result, err error) {
	defer func() {
		if v := recover(); v != nil {
			out, err = Result{}, fmt.Errorf("approvals: the applier of %q panicked: %v", a.Request.Action, v)
		}
	}()
	return applier.Apply(ctx, a)
}

// classify returns the failure that err is, nil where another attempt is due.
func (s *Service) classify(err error, attempt int) *Failure {
	var refusal audit.Refusal
	var permanent *permanentError
	switch {
	case refused(err, &refusal):
		return &Failure{FailedDenied, "the change is no longer allowed"}
	case errors.Is(err, storage.ErrConflict), errors.Is(err, storage.ErrNotFound), errors.Is(err, audit.ErrAlreadyRecorded):
		return &Failure{FailedConflict, "what it changes is no longer as it was when approval was asked for"}
	case errors.Is(err, storage.ErrInvalid):
		return &Failure{FailedInvalid, "what it asks for is not valid"}
	case errors.Is(err, storage.ErrLimit):
		return &Failure{FailedLimit, "there are as many of it as there may be"}
	case errors.Is(err, errUngoverned):
		return &Failure{FailedUngoverned, "it could not be applied under governance"}
	case errors.As(err, &permanent):
		return &Failure{FailedApplier, "it could not be applied"}
	case !lost(err) && attempt+1 >= s.cfg.ApplyAttempts:
		return &Failure{FailedAttempts, "it could not be applied in time"}
	}
	return nil
}

// refused reports a gate that said no, as opposed to one that could not say.
func refused(err error, refusal *audit.Refusal) bool {
	var denied *audit.DeniedError
	if errors.As(err, &denied) && denied.Err != nil {
		return false
	}
	return errors.As(err, refusal)
}

// lost reports errors after which the transaction cannot hold a record of them.
func lost(err error) bool {
	for _, target := range []error{
		storage.ErrUnavailable, storage.ErrTxDone, storage.ErrTxBusy, storage.ErrForeignTx, storage.ErrCommitUnknown,
		jobs.ErrFenced, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// event rebuilds the change that r asks for, as it is recorded when it is applied.
func (r *Request) event() audit.Event {
	requester := r.Requester
	return audit.Event{
		ID: r.EventID, Source: r.Source, Tenant: r.Tenant, Action: r.Action, Resource: r.Resource,
		Actor:      audit.Actor{Type: system.Type, ID: system.ID, ActingAs: requester.ID},
		OnBehalfOf: &requester, Origin: r.Origin, Reason: r.Reason, Trace: r.Trace,
		Before: r.Before, After: r.After, Payload: r.Payload, BaseRevision: r.BaseRevision, Metadata: r.Metadata,
		CausationID: r.CausationID, Hops: r.Hops,
	}
}

// workExpire ends a request that is undecided at its timeout. A timer that a revision
// or a decision overtook changes nothing; one that is early is due again at the answer.
func (s *Service) workExpire(ctx context.Context, tenant string, t task, done settler) (due time.Time, err error) {
	err = s.tx.InTx(ctx, func(ctx context.Context) error {
		due = time.Time{}
		r, err := s.expire(ctx, tenant, t.Request)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		if err == nil && r.State.Undecided() && r.Revision == t.Revision {
			due = r.TimeoutAt
			return nil
		}
		return done.Complete(ctx) // a later revision has a timer of its own
	})
	return due, err
}

// Expire ends a request whose timeout has passed and that is still undecided, as its
// timer does, and returns it as it is then. Any other request stays as it is.
func (s *Service) Expire(ctx context.Context, tenant, id string) (r Request, err error) {
	err = s.tx.InTx(ctx, func(ctx context.Context) error {
		r, err = s.expire(ctx, tenant, id)
		return err
	})
	return r, err
}

func (s *Service) expire(ctx context.Context, tenant, id string) (Request, error) {
	r, err := s.store.Lock(ctx, tenant, id)
	if err != nil || !r.State.Undecided() || r.TimeoutAt.After(s.now()) {
		return r, err
	}
	if i := r.OpenStage(); i >= 0 {
		r.Stages = slices.Clone(r.Stages)
		r.Stages[i].Status = StageExpired
	}
	return s.move(ctx, r, move{trigger: Expire, actor: system})
}
