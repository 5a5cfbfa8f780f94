package approvals

import (
	"context"
	"errors"
	"fmt"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

// An Approver is asked when a stage that names it opens. It decides at once, as a
// check or a policy does, or answers pending and later calls [Service.Decide], as a
// chat or a portal does for the people behind it.
type Approver interface {
	// Ask is called from a job after the stage opened, at least once, and outside of
	// any transaction. An error leaves the stage waiting and is retried by the job
	// queue.
	Ask(ctx context.Context, s StageOpen) (Answer, error)
}

// ApproverFunc is a function as an [Approver].
type ApproverFunc func(ctx context.Context, s StageOpen) (Answer, error)

// Ask implements [Approver].
func (f ApproverFunc) Ask(ctx context.Context, s StageOpen) (Answer, error) { return f(ctx, s) }

// A StageOpen is what an [Approver] is asked.
type StageOpen struct {
	// Request is the request at the revision that waits.
	Request Request
	// Stage is the index of the stage in Request.Stages.
	Stage int
}

// An Answer is what an [Approver] says. The zero Answer is pending.
type Answer struct {
	// Decision is [Approve], [RequestChanges], [Decline], [Comment], or empty for
	// pending.
	Decision Trigger
	Comment  string
}

// workAsk asks the approver of a stage and records its answer as the decision of the
// approver's own actor. A stage that is decided or revised meanwhile is left alone.
func (s *Service) workAsk(ctx context.Context, tenant string, t task, done settler) error {
	r, err := s.store.Get(ctx, tenant, t.Request)
	if err != nil {
		return err
	}
	if r.Revision != t.Revision || r.OpenStage() != t.Stage {
		return done.Complete(ctx)
	}
	name := r.Policy.Stages[t.Stage].Approver
	approver := s.cfg.Approvers[name]
	if approver == nil {
		return fmt.Errorf("approvals: there is no approver %q here", name)
	}
	answer, err := approver.Ask(ctx, StageOpen{Request: r, Stage: t.Stage})
	if err != nil {
		return fmt.Errorf("approvals: approver %q: %w", name, err)
	}
	if answer == (Answer{}) {
		return done.Complete(ctx)
	}
	ctx = audit.WithActor(ctx, approverActor(name))
	err = s.tx.InTx(ctx, func(ctx context.Context) error {
		_, err := s.Decide(ctx, tenant, r.ID, Choice{Decision: answer.Decision, Comment: answer.Comment, Revision: r.Revision})
		if err != nil {
			return err
		}
		return done.Complete(ctx)
	})
	if errors.Is(err, storage.ErrConflict) {
		return done.Complete(ctx) // others decided first
	}
	return err
}
