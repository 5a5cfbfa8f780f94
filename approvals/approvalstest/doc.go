// Package approvalstest holds implementations of package approvals to their contracts:
// stores with [Run], appliers with [RunApplier], approvers with [RunApprover].
//
//	func TestStore(t *testing.T) {
//		approvalstest.Run(t, approvalstest.Options{
//			New: func(t *testing.T) approvalstest.Backend { return open(t) },
//		})
//	}
//
// Every rule is a subtest named by its id, such as CR-014, and prints what it is for
// when it fails. Each rule is itself shown to find an implementation that breaks it.
//
// # Writing a Store
//
// A Store keeps rows; it decides nothing. Contract and order of every method are in
// the documentation of approvals.Store. The parts that go wrong first:
//
//   - Save compares the version and replaces in one statement. Reading it first loses
//     races (CR-004, CR-023).
//   - A conflict must leave the transaction usable: on an engine where a failed
//     statement ends it, insert with ON CONFLICT DO NOTHING and count (CR-005, CR-006).
//   - The DedupeKey is taken only while State.Open holds (CR-007).
//   - Lists continue behind (CreatedAt, ID), never behind a time or an offset (CR-011).
//   - Consume is one conditional UPDATE (CR-014, CR-015).
//
// # Writing an Applier
//
// An Applier makes approved changes of one action. For an action of your own use
// approvals.Guard, which is one. Write your own where a service of yours makes the
// change already:
//
//	func (a publishApplier) Apply(ctx context.Context, approved approvals.Approved) (approvals.Result, error) {
//		draft, err := decode(approved.Event.Payload)
//		if err != nil {
//			return approvals.Result{}, storage.Invalid("/payload", "is no draft")
//		}
//		_, err = a.governor.Change(ctx, approved.Event, func(ctx context.Context, e *audit.Event) error {
//			return a.store.Publish(ctx, e.Tenant, draft)
//		})
//		return approvals.Result{}, err
//	}
//
// Checklist: the change goes through a Governor whose gate is approvals.Gate, with
// Approved.Event as it is (AL-001); everything is written with the ctx of the inner
// function, nothing before the gate was asked (AL-002, AL-003); what must reach the
// world goes out from rows, after the commit. Errors say whether another attempt
// helps: storage.ErrConflict, ErrNotFound, ErrInvalid and approvals.Permanent end the
// request, any other error is tried again under the same event id (AL-004).
//
// Common mistakes: a fresh event id (the grant does not cover it), decoding the payload
// into something that is written differently again (the hash differs), calling a
// provider inside the transaction (it is slow, and a rollback cannot take it back),
// wrapping the Governor's refusal in an error that is none (errors.As must find it).
//
// # Writing an Approver
//
// An Approver is asked by a job when its stage opens, at least once and outside of any
// transaction. Answer at once, or answer the zero Answer and let somebody call
// Service.Decide later: as the person behind a chat or a portal, never as yourself for
// them. An error leaves the stage waiting and is tried again; an answer that comes
// after others decided is dropped. Answer the same when asked again (AP-002), say why
// when declining (AP-003), pass ctx on (AP-004) and change nothing (AP-005).
package approvalstest
