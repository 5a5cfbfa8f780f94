package approvals

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage/jobs"
)

// A move is a transition about to be made: what makes it, who, and what is written
// with it.
type move struct {
	trigger  Trigger
	actor    audit.Actor
	comment  string
	revision *Revision
	decision *Decision
}

// move makes one transition of r: it writes the request, its step and whatever comes
// with it, appends the one audit event, and enqueues the work that the new state asks
// for, all in the transaction of ctx. r is the request as it is to be written, but for
// what the transition itself changes.
func (s *Service) move(ctx context.Context, r Request, m move) (Request, error) {
	tr, err := Next(r.State, m.trigger)
	if err != nil {
		return r, err
	}
	now := s.now()
	r.State = tr.To
	r.Version++
	r.UpdatedAt = now
	if r.Version == 1 {
		r.CreatedAt = now
	}
	opened := r.openStage(now)
	w := Write{Request: r, Revision: m.revision, Decision: m.decision, Step: Step{
		Seq: r.Version, At: now, Trigger: tr.Trigger, Verb: tr.Verb, From: tr.From, To: tr.To,
		Revision: r.Revision, Actor: m.actor, Comment: m.comment, TraceID: r.Trace.TraceID,
	}}
	if link := linkOf(ctx, r.Trace); link.Valid() {
		w.Step.LinkID = link.TraceID
	}
	if tr.To == StateApproved {
		w.Grant = &Grant{RequestID: r.ID, Revision: r.Revision, ContentHash: r.ContentHash, EventID: r.EventID, At: now}
	}
	if err := s.store.Save(ctx, r.Tenant, w); err != nil {
		return r, err
	}
	if err := s.record(ctx, r, w.Step, m.decision); err != nil {
		return r, err
	}
	return r, s.enqueue(ctx, r, tr.Trigger, opened)
}

// openStage marks the stage that waits now as open since at and reports whether it
// was not before.
func (r *Request) openStage(at time.Time) bool {
	i := r.OpenStage()
	if i < 0 || !r.Stages[i].OpenedAt.IsZero() {
		return false
	}
	r.Stages[i].OpenedAt = at
	return true
}

// linkOf returns the trace of ctx where it is another than the request's.
func linkOf(ctx context.Context, own correlation.Trace) correlation.Trace {
	if t := correlation.From(ctx); t.Valid() && t.TraceID != own.TraceID {
		return t
	}
	return correlation.Trace{}
}

// record appends the audit event of a step.
func (s *Service) record(ctx context.Context, r Request, step Step, d *Decision) error {
	detail := map[string]any{
		"action": r.Action, "resource": r.Resource, "revision": r.Revision, "from": step.From, "to": step.To,
		"content_hash": r.ContentHash,
	}
	if d != nil {
		detail["decision"] = d.Choice
	}
	if r.Failure != nil {
		detail["failure"] = r.Failure
	}
	if step.Trigger == Submit || step.Trigger == Revise {
		if routed := routed(r.Stages); len(routed) > 0 {
			detail["stages"] = routed
		}
	}
	metadata, err := json.Marshal(detail)
	if err != nil {
		return fmt.Errorf("approvals: metadata: %w", err)
	}
	e := audit.Event{
		Action: ActionPrefix + step.Verb, Tenant: r.Tenant, Time: step.At, Actor: step.Actor,
		Resource: audit.Resource{Type: ResourceType, ID: r.ID}, Reason: step.Comment,
		Trace: r.Trace, Link: linkOf(ctx, r.Trace), Metadata: metadata, CausationID: r.CausationID, Hops: r.Hops,
		ApprovalID: r.ID,
	}
	if step.To == StateFailed {
		e.Outcome, e.Reason = audit.Failure, r.Failure.Code
	}
	if step.Actor.Same(system) {
		e.OnBehalfOf = &r.Requester
	}
	return s.append(ctx, e)
}

// append completes an event of the Service's own and hands it to the sink.
func (s *Service) append(ctx context.Context, e audit.Event) error {
	if err := s.catalog.Complete(ctx, &e); err != nil {
		return fmt.Errorf("approvals: %s: %w", e.Action, err)
	}
	return s.sink.Append(ctx, e)
}

// The kinds of the jobs of a request. Their lanes have the same names, one each for
// a tenant.
const (
	applyKind  = "approvals.apply"
	expireKind = "approvals.expire"
	askKind    = "approvals.ask"
	notifyKind = "approvals.notify"
)

// A task is the payload of a job.
type task struct {
	Request  string `json:"request"`
	Revision int    `json:"revision,omitempty"`
	Stage    int    `json:"stage,omitempty"`
}

// enqueue asks for the work that a transition makes due: applying what is approved,
// asking the approver of a stage that opened, expiring what begins to wait, telling how
// it ended.
func (s *Service) enqueue(ctx context.Context, r Request, trigger Trigger, opened bool) error {
	var due []jobs.Job
	add := func(kind string, at time.Time, t task) error {
		payload, err := json.Marshal(t)
		if err != nil {
			return fmt.Errorf("approvals: job: %w", err)
		}
		trace := correlation.From(ctx)
		if !trace.Valid() {
			trace = r.Trace
		}
		due = append(due, jobs.Job{Tenant: r.Tenant, Lane: kind, Kind: kind, Due: at, Payload: payload, Trace: trace.Traceparent()})
		return nil
	}
	var err error
	switch trigger {
	case Submit, Revise:
		err = add(expireKind, r.TimeoutAt, task{Request: r.ID, Revision: r.Revision})
	case Complete:
		err = add(applyKind, time.Time{}, task{Request: r.ID, Revision: r.Revision})
	}
	if err != nil {
		return err
	}
	// An answer that came while changes were requested was dropped: ask again.
	opened = opened || trigger == Resubmit
	if open := r.OpenStage(); opened && r.Policy.Stages[open].Approver != "" {
		if err := add(askKind, time.Time{}, task{Request: r.ID, Revision: r.Revision, Stage: open}); err != nil {
			return err
		}
	}
	if r.State.Ended() && s.cfg.Notifier != nil {
		if err := add(notifyKind, time.Time{}, task{Request: r.ID}); err != nil {
			return err
		}
	}
	if len(due) == 0 {
		return nil
	}
	return s.queue.Enqueue(ctx, due...)
}
