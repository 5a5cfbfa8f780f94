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

// ask returns the open request for e, opened now where there is none.
func (s *Service) ask(ctx context.Context, e audit.Event, v audit.Verdict) (Request, error) {
	r, err := s.prepare(e, policyName(v))
	if err != nil {
		return Request{}, err
	}
	v.Reason.Detail = "" // for operators, who find it with the decision
	r.Cause = Cause{DecisionID: v.DecisionID, Reason: v.Reason, Rules: v.Rules, PolicyVersion: v.PolicyVersion}
	err = s.tx.InTx(ctx, func(ctx context.Context) error {
		opened, err := s.submit(ctx, r, r.Requester)
		if errors.Is(err, storage.ErrConflict) {
			opened, err = s.reuse(ctx, r)
		}
		r = opened
		return err
	})
	return r, err
}

// prepare makes the draft of a request from the event that is to be approved.
func (s *Service) prepare(e audit.Event, policy string) (Request, error) {
	p, ok := s.cfg.Policies[policy]
	if !ok {
		return Request{}, fmt.Errorf("approvals: there is no policy %q", policy)
	}
	r := Request{
		ID: s.cfg.NewID(), Tenant: e.Tenant, State: StateDraft, Action: e.Action, Resource: e.Resource,
		EventID: e.ID, Source: e.Source, Origin: e.Origin, Metadata: e.Metadata,
		Requester: e.Subject(), Authors: authorsOf(e), PolicyName: policy, Policy: p, Trace: e.Trace,
		CausationID: e.CausationID, Hops: e.Hops,
	}
	return r, r.fill(Content{
		Payload: e.Payload, BaseRevision: e.BaseRevision, Before: e.Before, After: e.After, Reason: e.Reason,
	})
}

// fill sets the content of r and the hashes over it.
func (r *Request) fill(c Content) (err error) {
	r.Content = c
	e := audit.Event{Tenant: r.Tenant, Action: r.Action, Resource: r.Resource, Actor: r.Requester, Payload: c.Payload, BaseRevision: c.BaseRevision}
	if r.ContentHash, err = Hash(e); err != nil {
		return err
	}
	r.DedupeKey, err = dedupeKey(e)
	return err
}

// authorsOf returns everybody whose change e is.
func authorsOf(e audit.Event) []audit.Actor {
	authors := []audit.Actor{e.Subject()}
	if e.OnBehalfOf != nil {
		authors = append(authors, e.Actor)
	}
	return authors
}

// withAuthor returns authors and a. Somebody who acts as another than before is listed
// once more: neither of the two may decide.
func withAuthor(authors []audit.Actor, a audit.Actor) []audit.Actor {
	known := func(author audit.Actor) bool { return author.Same(a) && author.ActingAs == a.ActingAs }
	if slices.ContainsFunc(authors, known) {
		return authors
	}
	return append(slices.Clone(authors), a)
}

// submit asks for the approval of r: a draft that is stored, or one that is not yet.
func (s *Service) submit(ctx context.Context, r Request, by audit.Actor) (Request, error) {
	if err := s.askAnew(ctx, &r); err != nil {
		return r, err
	}
	m := move{trigger: Submit, actor: by, comment: r.Reason}
	if r.Revision == 0 {
		r.Revision = 1
		m.revision = s.revisionOf(r, r.Requester)
	}
	return s.move(ctx, r, m)
}

// askAnew sets what begins with each submission of a content: whom it asks, and until
// when.
func (s *Service) askAnew(ctx context.Context, r *Request) error {
	route, err := s.route(ctx, r)
	if err != nil {
		return err
	}
	if err := r.Policy.feasible(route, r.Authors); err != nil {
		return err
	}
	r.SubmittedAt = s.now()
	r.TimeoutAt = r.SubmittedAt.Add(r.Policy.Timeout)
	r.Stages = Evaluate(r.Policy, route, r.Revision, r.Authors, nil)
	return nil
}

func (s *Service) revisionOf(r Request, editor audit.Actor) *Revision {
	return &Revision{Number: r.Revision, Content: r.Content, ContentHash: r.ContentHash, Editor: editor, At: s.now()}
}

// reuse returns the open request for the same change, at the base of the new one. One
// that should have expired by now does, and makes way; one that another transaction
// ended meanwhile has done so.
func (s *Service) reuse(ctx context.Context, asked Request) (Request, error) {
	found, err := s.store.Open(ctx, asked.Tenant, asked.DedupeKey)
	if errors.Is(err, storage.ErrNotFound) {
		return s.submit(ctx, asked, asked.Requester)
	}
	if err != nil {
		return Request{}, err
	}
	r, err := s.store.Lock(ctx, asked.Tenant, found.ID)
	if err != nil {
		return Request{}, err
	}
	if s.overdue(&r) {
		if _, err := s.expire(ctx, r.Tenant, r.ID); err != nil {
			return Request{}, err
		}
		return s.submit(ctx, asked, asked.Requester)
	}
	if !r.State.Open() {
		return s.submit(ctx, asked, asked.Requester)
	}
	if r.ContentHash == asked.ContentHash || r.State == StateApplying {
		return r, nil
	}
	return s.revise(ctx, r, asked.Requester, asked.Content)
}

// Draft keeps a change that asks nobody yet: e as it would be handed to the Governor,
// under the approval policy of that name. Its actor is taken from e, else from ctx.
func (s *Service) Draft(ctx context.Context, e audit.Event, policy string) (Request, error) {
	if err := s.catalog.Complete(ctx, &e); err != nil {
		return Request{}, err
	}
	if _, ok := s.cfg.Policies[policy]; !ok {
		return Request{}, storage.Invalid("/policy", "is not a policy")
	}
	r, err := s.prepare(e, policy)
	if err != nil {
		return Request{}, err
	}
	r.Revision = 1
	err = s.tx.InTx(ctx, func(ctx context.Context) (err error) {
		r, err = s.move(ctx, r, move{trigger: Edit, actor: r.Requester, comment: r.Reason, revision: s.revisionOf(r, r.Requester)})
		return err
	})
	return r, err
}

// Submit asks for the approval of a draft. Only its authors may. Where the same
// change is waiting for approval already, it answers storage.ErrConflict.
func (s *Service) Submit(ctx context.Context, tenant, id string) (Request, error) {
	return s.act(ctx, tenant, id, func(ctx context.Context, r Request, a audit.Actor) (Request, error) {
		if _, err := Next(r.State, Submit); err != nil {
			return r, err
		}
		if !isAuthor(r.Authors, a) {
			return r, notEligible(CodeNotAuthor)
		}
		r.Requester, r.Authors = refreshed(r.Requester, a), withAuthor(r.Authors, a)
		return s.submit(ctx, r, a)
	})
}

// Revise changes what a request asks for. The new revision asks again: decisions on
// earlier ones stay on record and count no more. Whoever revises becomes an author and
// may not decide any longer. Authors may revise, and so may those who may decide.
//
// revision is the one that was seen; another one is a [StaleRevisionError]. A content
// with the hash of the present one changes nothing.
func (s *Service) Revise(ctx context.Context, tenant, id string, revision int, c Content) (Request, error) {
	return s.act(ctx, tenant, id, func(ctx context.Context, r Request, a audit.Actor) (Request, error) {
		trigger := Revise
		if r.State == StateDraft {
			trigger = Edit
		}
		if err := s.mayEdit(ctx, &r, a); err != nil {
			return r, err
		}
		if _, err := Next(r.State, trigger); err != nil {
			return r, err
		}
		if s.overdue(&r) {
			return r, &IllegalTransitionError{From: StateExpired, Trigger: trigger}
		}
		if r.Revision != revision {
			return r, &StaleRevisionError{Seen: revision, Current: r.Revision}
		}
		if err := s.checkContent(ctx, r, c); err != nil {
			return r, err
		}
		return s.revise(ctx, r, a, c)
	})
}

// Resubmit puts a request forward again as it is, after changes were requested that
// its author does not want to make. Decisions keep counting, and whoever requested
// the changes may decide anew. Only authors may.
func (s *Service) Resubmit(ctx context.Context, tenant, id, comment string) (Request, error) {
	return s.act(ctx, tenant, id, func(ctx context.Context, r Request, a audit.Actor) (Request, error) {
		if !isAuthor(r.Authors, a) {
			return r, notEligible(CodeNotAuthor)
		}
		if err := storage.CheckText("/comment", comment, audit.MaxReason); err != nil {
			return r, err
		}
		if s.overdue(&r) {
			return r, &IllegalTransitionError{From: StateExpired, Trigger: Resubmit}
		}
		return s.move(ctx, r, move{trigger: Resubmit, actor: a, comment: comment})
	})
}

// revise writes a new revision of r, unless c is what r asks for already.
func (s *Service) revise(ctx context.Context, r Request, editor audit.Actor, c Content) (Request, error) {
	old := r.ContentHash
	if err := r.fill(c); err != nil {
		return r, err
	}
	if r.ContentHash == old {
		return s.store.Get(ctx, r.Tenant, r.ID)
	}
	r.Revision++
	r.Requester, r.Authors = refreshed(r.Requester, editor), withAuthor(r.Authors, editor)
	trigger := Edit
	if r.State != StateDraft {
		trigger = Revise
		if err := s.askAnew(ctx, &r); err != nil {
			return r, err
		}
	}
	return s.move(ctx, r, move{trigger: trigger, actor: editor, comment: c.Reason, revision: s.revisionOf(r, editor)})
}

// refreshed returns the requester with the newer proof of identity, where it is they
// who act.
func refreshed(requester, a audit.Actor) audit.Actor {
	if requester.Same(a) {
		return a
	}
	return requester
}

// checkContent refuses what could not be recorded when it is applied, or what the
// applier finds wrong, while its author can still mend it.
func (s *Service) checkContent(ctx context.Context, r Request, c Content) error {
	r.Content = c
	e := r.event()
	if err := s.catalog.Complete(ctx, &e); err != nil {
		return err
	}
	a, _ := s.applier(r.Action)
	if v, ok := a.(Checker); ok {
		return v.CheckPayload(ctx, c.Payload)
	}
	return nil
}

// Rerequest asks once more for what an ended request did not bring about: it was
// rejected, cancelled, expired or failed. The answer is a new request with PreviousID;
// no decision is carried over, all authors stay authors, and whoever acts for one of
// them becomes one. Only they may.
func (s *Service) Rerequest(ctx context.Context, tenant, id string) (Request, error) {
	return s.act(ctx, tenant, id, func(ctx context.Context, old Request, a audit.Actor) (Request, error) {
		if !isAuthor(old.Authors, a) {
			return old, notEligible(CodeNotAuthor)
		}
		if !old.State.Ended() || old.State == StateApplied {
			return old, &IllegalTransitionError{From: old.State, Trigger: Submit}
		}
		e := old.event()
		e.ID = s.cfg.NewID()
		e.Actor, e.OnBehalfOf = a, nil
		if e.Trace = correlation.From(ctx); !e.Trace.Valid() {
			e.Trace = correlation.New()
		}
		r, err := s.prepare(e, old.PolicyName)
		if err != nil {
			return old, err
		}
		r.Authors, r.PreviousID, r.Cause = withAuthor(old.Authors, a), old.ID, old.Cause
		return s.submit(ctx, r, a)
	})
}
