package audit

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/lumelle/adminkit/storage"
)

// A Governor walks a change through its gate and into its sink, in one transaction.
// Every Service of the kit changes things through one, and so does a host that
// governs an action of its own.
type Governor struct {
	tx      storage.Transactor
	gate    Gate
	sink    AuditSink
	catalog *Catalog
}

// NewGovernor makes a Governor. All four are required; [Ungated] and [Disabled] are
// the ways to go without a gate or a sink.
func NewGovernor(tx storage.Transactor, gate Gate, sink AuditSink, catalog *Catalog) (*Governor, error) {
	switch {
	case tx == nil:
		return nil, errors.New("audit: no transactor")
	case gate == nil:
		return nil, errors.New("audit: no gate; choose audit.Ungated by name to go without")
	case sink == nil:
		return nil, errNoSink
	case catalog == nil:
		return nil, errors.New("audit: no catalogue")
	}
	return &Governor{tx: tx, gate: gate, sink: sink, catalog: catalog}, nil
}

// Catalog returns the catalogue that completes the Governor's events.
func (g *Governor) Catalog() *Catalog { return g.catalog }

// InTx runs fn in a transaction of the Governor's store.
func (g *Governor) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	return g.tx.InTx(ctx, fn)
}

// Change asks the gate whether e may happen, runs apply and appends e, all in one
// transaction: the one of ctx, or one of its own. It returns the event as it was
// appended.
//
// A caller who leaves e.Time empty has the event dated when the gate has answered.
//
// apply makes the change with the ctx it is given and may complete the event (its
// After, its Resource). It runs at most once.
//
// A refusal is a [DeniedError], a [StepUpError] or the gate's own [Refusal] such as
// approvals.PendingError. The attempt is then recorded under an id of its own, and
// the record is kept: where ctx carries the host's transaction, the host commits.
// Every other error leaves nothing behind.
//
// Where the caller chose e.ID and that event is recorded already, the answer is
// [ErrAlreadyRecorded] and nothing happens; so a change whose commit was
// [storage.ErrCommitUnknown] is repeated under the same id.
func (g *Governor) Change(ctx context.Context, e Event, apply func(ctx context.Context, e *Event) error) (Event, error) {
	repeatable, timed := e.ID != "", !e.Time.IsZero()
	if err := g.catalog.Complete(ctx, &e); err != nil {
		return e, err
	}
	var refusal error
	err := g.tx.InTx(ctx, func(ctx context.Context) error {
		if repeatable {
			if err := g.checkNew(ctx, e); err != nil {
				return err
			}
		}
		verdict, err := g.check(ctx, e)
		if !timed {
			// The gate's own records are of an earlier moment than what they led to.
			e.Time = g.catalog.Now()
		}
		if _, ok := errors.AsType[Refusal](err); err != nil && !ok {
			return &gateError{err}
		}
		if err != nil || verdict.Effect != Allow {
			refusal, err = g.refuse(ctx, e, verdict, err)
			return err
		}
		e.DecisionID, e.ApprovalID, e.ApprovedBy = verdict.DecisionID, verdict.ApprovalID, verdict.ApprovedBy
		if apply == nil {
			return errors.New("audit: a change without a function that makes it")
		}
		if err := apply(ctx, &e); err != nil {
			return err
		}
		if err := e.check(); err != nil {
			// The fault of apply and not of its input: no caller shall take it for that.
			return fmt.Errorf("audit: the change left a bad event: %v", err)
		}
		return g.sink.Append(ctx, e)
	})
	if failed, ok := errors.AsType[*gateError](err); ok {
		return e, g.denyFailed(ctx, e, failed.err)
	}
	if err != nil {
		return e, err
	}
	return e, refusal
}

// A gateError carries the failure of a gate out of the transaction, so that whatever
// the gate had written by then is undone.
type gateError struct{ err error }

func (e *gateError) Error() string { return e.err.Error() }
func (e *gateError) Unwrap() error { return e.err }

// denyFailed answers a change whose gate failed. The denial is recorded by itself;
// where the store failed under the gate there is nothing to record and nowhere to, and
// the caller shall repeat the change instead of reading a denial.
func (g *Governor) denyFailed(ctx context.Context, e Event, cause error) error {
	if isStoreFailure(cause) {
		return cause
	}
	denied := &DeniedError{Verdict: Verdict{Reason: Reason{Code: "gate_error", Text: "the check could not be completed"}}, Err: cause}
	err := g.tx.InTx(ctx, func(ctx context.Context) error {
		_, err := g.refuse(ctx, e, denied.Verdict, denied)
		return err
	})
	if err != nil {
		return errors.Join(denied, err)
	}
	return denied
}

// check asks the gate. A gate that panics has not said yes: the panic becomes an
// error, which denies, so that the attempt is recorded and the host goes on.
func (g *Governor) check(ctx context.Context, e Event) (v Verdict, err error) {
	defer func() {
		if p := recover(); p != nil {
			v, err = Verdict{}, fmt.Errorf("audit: the gate panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return g.gate.Check(ctx, e)
}

// Record appends facts that need no gate, in the transaction of ctx or one of its
// own.
func (g *Governor) Record(ctx context.Context, events ...Event) error {
	done := make([]Event, len(events))
	copy(done, events)
	for i := range done {
		if err := g.catalog.Complete(ctx, &done[i]); err != nil {
			return err
		}
	}
	return g.tx.InTx(ctx, func(ctx context.Context) error { return g.sink.Append(ctx, done...) })
}

func (g *Governor) checkNew(ctx context.Context, e Event) error {
	r, ok := g.sink.(Recorded)
	if !ok {
		return nil
	}
	known, err := r.Recorded(ctx, e.Tenant, e.Source, e.ID)
	if err != nil {
		return err
	}
	if known {
		return ErrAlreadyRecorded
	}
	return nil
}

// refuse records an attempt that a gate refused and returns the refusal.
func (g *Governor) refuse(ctx context.Context, e Event, v Verdict, err error) (Refusal, error) {
	refusal, ok := errors.AsType[Refusal](err)
	switch {
	case ok:
	case v.Effect == StepUp:
		refusal = &StepUpError{Verdict: v}
	default:
		// An unanswered NeedsApproval denies too: no gate took it up.
		refusal = &DeniedError{Verdict: v}
	}
	e.ID, e.Outcome = g.catalog.NewID(), refusal.Refused()
	e.DecisionID, e.ApprovalID = v.DecisionID, v.ApprovalID
	if e.Outcome == Denied {
		e.Reason = v.Reason.Code
	}
	return refusal, g.sink.Append(ctx, e)
}

// isStoreFailure reports errors after which the transaction cannot be used, or
// which the caller shall repeat instead of reading as a denial.
func isStoreFailure(err error) bool {
	for _, target := range []error{
		storage.ErrUnavailable, storage.ErrTxDone, storage.ErrTxBusy, storage.ErrForeignTx,
		context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}
