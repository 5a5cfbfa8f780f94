package approvals

import (
	"context"
	"errors"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

// A PendingError is the answer to a change that waits for approval. It is an
// [audit.Refusal]: the attempt is recorded as pending, and the request is kept.
type PendingError struct {
	// RequestID is the request that was opened, or that was open for the same change.
	RequestID string
}

// Error implements error.
func (e *PendingError) Error() string { return "waits for approval: request " + e.RequestID }

// Refused implements [audit.Refusal].
func (e *PendingError) Refused() audit.Outcome { return audit.Pending }

var _ audit.Refusal = (*PendingError)(nil)

// Gate decorates a gate with approvals. Where inner answers needs_approval, the
// change is answered with a [PendingError] that names a request for it; every other
// answer passes through.
//
// The same person asking for the same change (tenant, action, resource and payload)
// finds the request that is still open. Where the base revision moved meanwhile, that
// request is revised to the new one and asks again.
//
// While an approved request is applied, ctx carries its grant. inner is asked again,
// about the time at which the approved change was asked for, so that a step-up given
// then counts: deny still wins, and so does a policy that asks for another approval than
// was given. Where the event is the one that was approved, the grant answers
// needs_approval, and is used up in the transaction of ctx.
func Gate(inner audit.Gate, s *Service) audit.Gate { return gate{inner: inner, service: s} }

type gate struct {
	inner   audit.Gate
	service *Service
}

// Check implements [audit.Gate].
func (g gate) Check(ctx context.Context, e audit.Event) (audit.Verdict, error) {
	if g.inner == nil || g.service == nil {
		return audit.Verdict{}, errors.New("approvals: a gate without an inner gate or a service")
	}
	if pass := passFrom(ctx); pass != nil {
		return g.redeem(ctx, e, pass)
	}
	v, err := g.inner.Check(ctx, e)
	if err != nil || v.Effect != audit.NeedsApproval {
		return v, err
	}
	r, err := g.service.ask(ctx, e, v)
	switch {
	case errors.Is(err, ErrInfeasible):
		return deny(v, "approval_infeasible", "nobody is left who could approve this"), nil
	case err != nil:
		return audit.Verdict{}, err
	}
	v.ApprovalID = r.ID
	return v, &PendingError{RequestID: r.ID}
}

// redeem answers with the grant of ctx.
func (g gate) redeem(ctx context.Context, e audit.Event, p *pass) (audit.Verdict, error) {
	hash, err := Hash(e)
	if err != nil {
		return audit.Verdict{}, err
	}
	covered := hash == p.grant.ContentHash && e.ID == p.grant.EventID
	asked := e
	if covered {
		asked.Time = p.request.SubmittedAt
	}
	v, err := g.inner.Check(ctx, asked)
	v.ApprovalID = p.request.ID
	if err != nil || v.Effect != audit.Allow && v.Effect != audit.NeedsApproval {
		return v, err
	}
	switch {
	case !covered && v.Effect == audit.Allow:
		v.ApprovalID = "" // another change, which needs none
		return v, nil
	case !covered:
		return deny(v, "not_what_was_approved", "this is not the change that was approved"), nil
	case v.Effect == audit.NeedsApproval && policyName(v) != p.request.PolicyName:
		return deny(v, "approval_policy_moved", "another approval is needed by now"), nil
	}
	err = g.service.store.Consume(ctx, e.Tenant, p.grant, g.service.now())
	if errors.Is(err, storage.ErrConflict) {
		return deny(v, "grant_used", "the approval was used before"), nil
	}
	if err != nil {
		return audit.Verdict{}, err
	}
	p.used = true
	v.Effect, v.ApprovedBy = audit.Allow, p.request.ApprovedBy()
	return v, nil
}

// deny turns a verdict into a refusal of our own, and keeps who decided what.
func deny(v audit.Verdict, code, text string) audit.Verdict {
	v.Effect, v.Reason = audit.Deny, audit.Reason{Code: code, Text: text}
	v.Obligations = audit.Obligations{}
	return v
}

// policyName returns the approval policy that a verdict asks for.
func policyName(v audit.Verdict) string {
	if v.Obligations.Approval == nil {
		return ""
	}
	return v.Obligations.Approval.Policy
}

// A pass is the grant as ctx carries it while its request is applied.
type pass struct {
	request Request
	grant   Grant
	// used is set when the gate let the change pass. It is read after the applier
	// returned, on its goroutine.
	used bool
}

type passKey struct{}

func withPass(ctx context.Context, p *pass) context.Context {
	return context.WithValue(ctx, passKey{}, p)
}

func passFrom(ctx context.Context) *pass {
	p, _ := ctx.Value(passKey{}).(*pass)
	return p
}
