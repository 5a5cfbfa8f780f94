package approvals

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
)

// A Choice is a decision as it is made. Who makes it comes from ctx.
type Choice struct {
	// Decision is [Approve], [RequestChanges], [Decline] or [Comment].
	Decision Trigger
	// Revision is the one that was seen.
	Revision int
	// Comment is the text to it. The policy says which choices need one; a comment
	// always does.
	Comment string
	// ID makes the call repeatable: a decision of this request with that ID is not
	// made twice. One that somebody else made under it is storage.ErrConflict. Empty is
	// a fresh one.
	ID string
}

// Decide records what the actor of ctx says of a request, and moves it accordingly:
// the approval that was still missing makes it [StateApproved], and a job applies it; one
// decline rejects it.
//
// Authors and people whom the open stage does not ask are a [NotEligibleError], which
// is recorded; authors, and whoever any stage asks, may comment. A request that was
// decided meanwhile is an [IllegalTransitionError], another revision than the current
// one a [StaleRevisionError], a second vote an [AlreadyVotedError]; a missing comment
// is a *storage.InvalidError. None of them changes the request.
func (s *Service) Decide(ctx context.Context, tenant, id string, c Choice) (Request, error) {
	if err := c.check(); err != nil {
		return Request{}, err
	}
	return s.act(ctx, tenant, id, func(ctx context.Context, r Request, a audit.Actor) (Request, error) {
		return s.decide(ctx, r, a, c)
	})
}

func (c Choice) check() error {
	var bad *storage.InvalidError
	if !choice(c.Decision) {
		bad = bad.Add("/decision", "must be approve, request_changes, decline or comment")
	}
	if c.Revision < 1 {
		bad = bad.Add("/revision", "must be the revision that was seen, from 1")
	}
	if c.Decision == Comment && c.Comment == "" {
		bad = bad.Add("/comment", "must not be empty")
	}
	for _, err := range []error{storage.CheckText("/comment", c.Comment, audit.MaxReason), storage.CheckText("/id", c.ID, storage.MaxID)} {
		var invalid *storage.InvalidError
		if errors.As(err, &invalid) {
			bad = bad.Add(invalid.Fields[0].Pointer, invalid.Fields[0].Message)
		}
	}
	return bad.Err()
}

func (s *Service) decide(ctx context.Context, r Request, a audit.Actor, c Choice) (Request, error) {
	h, err := s.store.History(ctx, r.Tenant, r.ID)
	if err != nil {
		return r, err
	}
	if i := slices.IndexFunc(h.Decisions, func(d Decision) bool { return d.ID == c.ID }); i >= 0 {
		if !h.Decisions[i].Actor.Same(a) {
			return r, fmt.Errorf("%w: somebody else decided under this ID", storage.ErrConflict)
		}
		return r, nil
	}
	stage := r.OpenStage()
	if err := s.mayDecide(ctx, &r, stage, a, c.Decision); err != nil {
		return r, err
	}
	if _, err := Next(r.State, c.Decision); err != nil {
		return r, err
	}
	if c.Revision != r.Revision {
		return r, &StaleRevisionError{Seen: c.Revision, Current: r.Revision}
	}
	if c.Comment == "" && slices.Contains(r.Policy.CommentRequired, c.Decision) {
		return r, storage.Invalid("/comment", "must not be empty")
	}
	if s.overdue(&r) {
		return r, &IllegalTransitionError{From: StateExpired, Trigger: c.Decision}
	}
	d := Decision{
		ID: c.ID, Revision: r.Revision, Stage: stage, Choice: c.Decision, Actor: a, Comment: c.Comment,
		ContentHash: r.ContentHash, At: s.now(), Trace: correlation.From(ctx),
	}
	if d.ID == "" {
		d.ID = s.cfg.NewID()
	}
	if repeats(h.Decisions, d) {
		return r, &AlreadyVotedError{Choice: d.Choice}
	}
	trigger := s.count(&r, append(h.Decisions, d), d)
	return s.move(ctx, r, move{trigger: trigger, actor: a, comment: c.Comment, decision: &d})
}

// overdue reports a request that is as good as expired: its timer is late, and what
// the timeout promised holds all the same.
func (s *Service) overdue(r *Request) bool {
	return r.State.Undecided() && !s.now().Before(r.TimeoutAt)
}

// CanDecide reports why [Service.Decide] would refuse an approval of r by the actor of
// ctx, nil where it would not. A page asks it to know whether to show the form. h is
// the history of r.
func (s *Service) CanDecide(ctx context.Context, r Request, h History) error {
	a, err := actor(ctx)
	if err != nil {
		return err
	}
	stage := r.OpenStage()
	if err := s.mayDecide(ctx, &r, stage, a, Approve); err != nil {
		return err
	}
	if _, err := Next(r.State, Approve); err != nil {
		return err
	}
	if s.overdue(&r) {
		return &IllegalTransitionError{From: StateExpired, Trigger: Approve}
	}
	if repeats(h.Decisions, Decision{Revision: r.Revision, Stage: stage, Choice: Approve, Actor: a}) {
		return &AlreadyVotedError{Choice: Approve}
	}
	return nil
}

// count evaluates the decisions, of which d is the last, and returns the trigger that
// d turns out to be.
func (s *Service) count(r *Request, ds []Decision, d Decision) Trigger {
	opened := r.Stages
	r.Stages = Evaluate(r.Policy, opened, r.Revision, r.Authors, ds)
	for i := range r.Stages {
		r.Stages[i].OpenedAt = opened[i].OpenedAt
	}
	if d.Choice == Approve && allApproved(r.Stages) {
		return Complete
	}
	return d.Choice
}

// allApproved reports whether every stage that was asked approved, and one was.
func allApproved(stages []Stage) bool {
	approved := false
	for _, st := range stages {
		switch st.Status {
		case StageApproved:
			approved = true
		case StageSkipped:
		default:
			return false
		}
	}
	return approved
}

// repeats reports whether d says what the last vote of its actor in the stage said.
func repeats(ds []Decision, d Decision) bool {
	if d.Choice == Comment {
		return false
	}
	for _, earlier := range slices.Backward(ds) {
		if earlier.Stage == d.Stage && earlier.Revision == d.Revision && earlier.Choice != Comment && onePerson(earlier.Actor, d.Actor) {
			return earlier.Choice == d.Choice && d.Choice == Approve
		}
	}
	return false
}

// mayDecide reports who may not make a decision. stage is -1 where none is open: then
// whoever any stage asks may hear that it is too late.
func (s *Service) mayDecide(ctx context.Context, r *Request, stage int, a audit.Actor, choice Trigger) error {
	author := isAuthor(r.Authors, a)
	switch {
	case author && choice == Comment:
		return nil
	case author:
		return notEligible(CodeAuthor)
	case stage >= 0 && choice != Comment:
		ok, err := s.eligible(ctx, r, stage, a)
		if err != nil || ok {
			return err
		}
		return notEligible(CodeNotApprover)
	}
	return s.concerns(ctx, r, a)
}

// concerns reports somebody whom no stage of the request asks.
func (s *Service) concerns(ctx context.Context, r *Request, a audit.Actor) error {
	for i := range r.Policy.Stages {
		if r.Policy.skips(r.Stages, i) {
			continue
		}
		ok, err := s.eligible(ctx, r, i, a)
		if err != nil || ok {
			return err
		}
	}
	return notEligible(CodeNotApprover)
}

// mayEdit reports who may not revise.
func (s *Service) mayEdit(ctx context.Context, r *Request, a audit.Actor) error {
	switch {
	case isAuthor(r.Authors, a):
		return nil
	case r.State == StateDraft:
		return notEligible(CodeNotAuthor)
	}
	return s.concerns(ctx, r, a)
}

// Cancel takes a request back. Its authors may, and whoever has a role that the
// policy names for it, until it is being applied.
func (s *Service) Cancel(ctx context.Context, tenant, id, reason string) (Request, error) {
	if err := storage.CheckText("/reason", reason, audit.MaxReason); err != nil {
		return Request{}, err
	}
	return s.act(ctx, tenant, id, func(ctx context.Context, r Request, a audit.Actor) (Request, error) {
		if err := s.mayCancel(ctx, &r, a); err != nil {
			return r, err
		}
		return s.move(ctx, r, move{trigger: Cancel, actor: a, comment: reason})
	})
}

func (s *Service) mayCancel(ctx context.Context, r *Request, a audit.Actor) error {
	if isAuthor(r.Authors, a) {
		return nil
	}
	if len(r.Policy.CancelRoles) > 0 {
		roles, err := s.directory.Roles(ctx, r.Tenant, a)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(roles, func(role string) bool { return slices.Contains(r.Policy.CancelRoles, role) }) {
			return nil
		}
	}
	return notEligible(CodeNotAuthor)
}

// act locks a request and lets the actor of ctx do something to it, in one
// transaction. An attempt by somebody who is not eligible is recorded, and kept
// although it is answered with an error.
func (s *Service) act(ctx context.Context, tenant, id string, do func(ctx context.Context, r Request, a audit.Actor) (Request, error)) (Request, error) {
	a, err := actor(ctx)
	if err != nil {
		return Request{}, err
	}
	var r Request
	var refused *NotEligibleError
	err = s.tx.InTx(ctx, func(ctx context.Context) error {
		locked, err := s.store.Lock(ctx, tenant, id)
		if err != nil {
			return err
		}
		r, err = do(ctx, locked, a)
		if errors.As(err, &refused) {
			return s.append(ctx, audit.Event{
				Action: ActionRefused, Tenant: tenant, Actor: a, Outcome: audit.Denied, Reason: refused.Code,
				Resource: audit.Resource{Type: ResourceType, ID: id},
				Trace:    locked.Trace, Link: linkOf(ctx, locked.Trace), ApprovalID: id,
			})
		}
		return err
	})
	switch {
	case err != nil:
		return Request{}, err
	case refused != nil:
		return Request{}, refused
	}
	return r, nil
}
