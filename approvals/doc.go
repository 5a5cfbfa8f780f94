// Package approvals has others agree to a change before it is made, and then makes it
// once.
//
// A policy that answers needs_approval is enough: [Gate] turns that answer into a
// change request and tells the caller [PendingError]. People with the right role
// decide; the approval that was still missing has a job apply the change, on behalf
// of whoever asked, in one transaction with its audit record and everything else that
// hangs on it.
//
// # Wiring
//
// Construction goes round once, because the gate needs the Service and the changes
// need the gate:
//
//	service, err := approvals.New(backend, backend.Approvals(), queue, directory, catalog, sink, approvals.Config{
//		Policies: map[string]approvals.Policy{
//			"": {Stages: []approvals.StageRule{{Name: "manager", Roles: []string{"manager", "owner"}}}},
//		},
//	})
//	governor, err := audit.NewGovernor(backend, approvals.Gate(guard, service), sink, catalog)
//	refunds, err := approvals.NewGuard(governor, service, "orders.refund", applyRefund, approvals.GuardConfig{})
//	worker, err := jobs.NewWorker(queue, service.Handlers(), jobs.WorkerConfig{})
//
// The catalogue lists [Actions] beside the host's own. The [Directory] says which
// roles somebody has; a host answers from what its authorization uses.
//
// # A change, from end to end
//
// A [Guard] is an action of the host that is defined once and runs now, or when it is
// approved:
//
//	_, err := refunds.Do(ctx, approvals.Change[Refund]{
//		Tenant: "acme", Resource: order, Payload: Refund{Amount: "150.00"}, BaseRevision: "3",
//	})
//	var pending *approvals.PendingError
//	if errors.As(err, &pending) {
//		// 202: pending.RequestID waits for approval
//	}
//
// Asking again for the same finds the same request. [Service.Decide] records what the
// actor of ctx says; [Service.Revise], [Service.Resubmit], [Service.Cancel] and
// [Service.Rerequest] are what its author can do; [Service.List], [Service.Get] and
// [Service.Counts] show it. Package portal serves all of it over HTTP.
//
// # States
//
// The table behind [Transitions] is the state machine; there is no other. Whatever is
// not in it is an [IllegalTransitionError].
//
//	draft              edit → draft, submit → awaiting_approval, cancel → cancelled
//	awaiting_approval  approve, comment → awaiting_approval, complete → approved,
//	                   request_changes → changes_requested, decline → rejected,
//	                   revise → awaiting_approval, cancel → cancelled, expire → expired
//	changes_requested  comment → changes_requested, resubmit, revise → awaiting_approval,
//	                   cancel → cancelled, expire → expired
//	approved           start → applying, revise → awaiting_approval, cancel → cancelled
//	applying           finish → applied, fail → failed
//
// Each transition writes one [Step] of the request's history and one audit event,
// "approvals.request." and its verb, in the trace the request began under and linked
// to the trace of whoever made it.
//
// # Who may decide
//
// A [Policy] has stages, asked one after another; a stage wants a number of different
// people of some roles, or by name. Nobody decides on a request of their own: not who
// asked, not whom they asked for, not who edited it, under no other identity. One
// person counts once in a stage. One decline rejects. A comment counts as nothing. An
// attempt by somebody who may not is recorded as denied.
//
// # Whom a change asks
//
// A stage may have a condition, of package targeting: it is then asked for the changes
// that the condition is for, by what they are about, who wants them, their payload, or an
// audience, which means the same here as to a flag and to a rule of an automation.
//
//	features, err := flags.New(governor, backend.Flags(), queue, flags.Config{InUse: service.AudienceUsers})
//	...
//	approvals.Config{
//		Policies: map[string]approvals.Policy{"refund": {Stages: []approvals.StageRule{
//			{Name: "manager", Roles: []string{"manager"}},
//			{Name: "owner", Roles: []string{"owner"}, When: &targeting.Condition{Any: []targeting.Condition{
//				{Path: "/payload/amount", Op: targeting.GreaterEqual, Value: targeting.Int(1000)},
//				{Audience: "new-merchants"},
//			}}},
//		}}},
//		Audiences: func(ctx context.Context, tenant string) (*targeting.Library, error) {
//			return features.AudienceLibrary(ctx, tenant)
//		},
//	}
//
// [Route] settles it when a revision is submitted, and [Stage] keeps the answer with its
// reason: an audience that changes later moves nothing that waits. Where a condition cannot
// be decided, or every stage would be skipped, more people are asked and never fewer.
// Nobody of a skipped stage decides. [Service.AudienceUsers] keeps audiences that a policy
// names from being deleted; a host whose rules use audiences too joins the answers.
//
// # What an approval is bound to
//
// Decisions belong to a revision and to the hash of its content ([Hash]): tenant,
// action, resource, payload and base revision. A revision with another content voids
// them, and they stay on record. [Evaluate] is the pure function behind all of it.
//
// # Applying
//
// An [Applier] makes the change; a Guard is one, and package approvalstest has the
// guide and the suite for others. The job claims the request ([StateApplying]), which
// everybody sees, and then does everything else in one transaction: it makes sure that
// what was approved is what is there, at the revision it was approved for; asks the
// gate again, which may still deny; uses up the grant; makes the change; records it;
// and settles request and job. A crash at any point leaves all of it or none, and the
// next attempt has the same event id.
//
// An error that may pass is tried again. A conflict, a refusal, a bad payload and a
// [Permanent] error end the request as [StateFailed], with a [Failure] that names no
// internals, and so does a change that kills its process each time ([FailedLost]).
// [Service.Rerequest] asks once more.
//
// # Time
//
// A request that is undecided at its TimeoutAt expires, by a job and, where the job is
// late, for everybody who still tries to decide. A revision begins the time anew.
//
// # Approvers that are no people
//
// A stage may name an [Approver] of the Config, which is asked by a job when the stage
// opens: a limit, a risk score, a chat. Its answer is one decision of the stage. Where
// asking it killed its process each time the history of the request says so, the stage goes
// on waiting until the timeout, and the job is a dead letter that asks again when it is
// requeued.
//
// # Telling the requester
//
// Whoever asked has left when a worker applies the change. A [Notifier] of the Config is
// told how each request ended, applied and failed ones too, by a job that is enqueued in
// the transaction of the end: at least once for every end, and for none that was rolled
// back.
//
//	approvals.Config{Notifier: approvals.NotifierFunc(func(ctx context.Context, n approvals.Notice) error {
//		return mail.Send(ctx, n.Request.Requester.ID, n.Step.Verb, n.Request.Failure)
//	})}
//
// # What is not here yet
//
// Trees of groups, delegation, escalation, snoozing, applying at a later time and
// signed links are not part of this version.
package approvals
