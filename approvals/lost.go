package approvals

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

// lost is the handler of jobs whose starts were lost again and again. It ends what waits
// for the job without what may be killing its processes: no [Applier] and no [Approver] is
// called once more.
func (s *Service) lost(ctx context.Context, done *jobs.Task) error {
	var t task
	if err := json.Unmarshal(done.Job.Payload, &t); err != nil {
		return badTask(done.Job, err)
	}
	ctx = audit.WithActor(traced(ctx, done.Job), system)
	giveUp := s.giveUpApplying
	if done.Job.Kind == askKind {
		giveUp = s.giveUpAsking
	}
	err := s.tx.InTx(ctx, func(ctx context.Context) error { return giveUp(ctx, done, t) })
	return s.lasting(done.Job, err)
}

// giveUpApplying fails a request that no process lived to apply. The change and the end of
// its request commit together, so what is not applied here was not made.
func (s *Service) giveUpApplying(ctx context.Context, done *jobs.Task, t task) error {
	r, err := s.store.Lock(ctx, done.Job.Tenant, t.Request)
	if errors.Is(err, storage.ErrNotFound) {
		return done.Complete(ctx)
	}
	if err != nil {
		return err
	}
	if r.Revision == t.Revision && r.State == StateApproved {
		if r, err = s.move(ctx, r, move{trigger: Start, actor: system}); err != nil {
			return err
		}
	}
	if r.Revision == t.Revision && r.State == StateApplying {
		r.Failure = &Failure{FailedLost, "it could not be applied: its worker was lost each time"}
		if _, err := s.move(ctx, r, move{trigger: Fail, actor: system}); err != nil {
			return err
		}
	}
	return done.Complete(ctx)
}

// giveUpAsking has the history of a request tell that the approver of its open stage could
// not be asked. Nobody has decided, so the request goes on waiting, until its timeout at the
// latest; the job is buried, so that an operator can have the approver asked once more.
func (s *Service) giveUpAsking(ctx context.Context, done *jobs.Task, t task) error {
	r, err := s.store.Lock(ctx, done.Job.Tenant, t.Request)
	if errors.Is(err, storage.ErrNotFound) {
		return done.Complete(ctx)
	}
	if err != nil {
		return err
	}
	if r.State != StateAwaitingApproval || r.Revision != t.Revision || r.OpenStage() != t.Stage {
		return done.Complete(ctx)
	}
	why := fmt.Sprintf("the process that asked approver %q died, or lost its lease, at least %d times", r.Policy.Stages[t.Stage].Approver, done.Lost)
	if _, err := s.move(ctx, r, move{trigger: Comment, actor: system, comment: why}); err != nil {
		return err
	}
	return done.Bury(ctx, why)
}
