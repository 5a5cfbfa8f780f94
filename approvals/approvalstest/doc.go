// Package approvalstest holds implementations of package approvals to their contracts:
// stores with [RunStore], appliers with [RunApplier], approvers with [RunApprover].
//
//	func TestStore(t *testing.T) {
//		approvalstest.RunStore(t, func(t *testing.T) approvalstest.StoreUnderTest { return open(t) })
//	}
//
// Every rule is a subtest named by its id, such as CR-014, and prints what it is for
// when it fails. Each rule is itself shown to find an implementation that breaks it.
//
// # Writing a Store
//
// A Store keeps rows; it decides nothing.
//
// The contract: that of every method stands in the documentation of approvals.Store,
// with its order and its errors. All of them work in the transaction of ctx.
//
// Checklist:
//
//   - Save compares the version and replaces in one statement (CR-004, CR-023), and leaves
//     nothing of what came with it where it is refused (QS-002), which it is for a decision,
//     a step, a revision or a grant that the request has as well (QS-013, QS-014). A grant is
//     kept under the request that it comes with (QS-015).
//   - A conflict leaves the transaction usable (CR-005, CR-006).
//   - The DedupeKey is taken only while State.Open holds (CR-007, QS-021), by a unique key
//     and not by a look before the write (QS-025).
//   - Lists continue behind (CreatedAt, ID) (CR-011).
//   - Consume is one conditional UPDATE (CR-014, CR-015).
//   - Policy and Stages are kept as they are, with conditions and reasons (CR-001, CR-029),
//     and an empty list of CommentRequired is told from none (QS-009).
//   - Lock reads what is stored when it is given (QS-027).
//
// Common mistakes:
//
//   - To read a version, compare it in the program and write without a WHERE. It loses
//     races.
//   - To let an INSERT fail on an engine where a failed statement ends the transaction.
//     Insert with ON CONFLICT DO NOTHING and count.
//   - To continue a list behind a time or an offset. Ties are then lost or come twice.
//
// Reference: storage/memory, and storage/sqlite and storage/postgres over one body of
// SQL.
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
// The contract:
//
//   - The change goes through a Governor whose gate is approvals.Gate, with
//     Approved.Event as it is (AL-001, AL-005).
//   - Everything is written with the ctx of the inner function, nothing before the gate
//     was asked (AL-002, AL-003).
//   - Errors say whether another attempt helps: storage.ErrConflict, ErrNotFound,
//     ErrInvalid and approvals.Permanent end the request, any other error is tried again
//     under the same event id (AL-004).
//
// Checklist:
//
//   - What must reach the world goes out from rows, after the commit.
//   - The refusal of the Governor is returned so that errors.As finds it.
//   - A payload that cannot be read is a *storage.InvalidError.
//
// Common mistakes:
//
//   - To make a fresh event id. The grant does not cover it.
//   - To decode the payload into something that is written differently again. The hash
//     differs.
//   - To call a provider inside the transaction. It is slow, and a rollback cannot take
//     it back.
//   - To wrap the Governor's refusal in an error that is none.
//
// Reference: approvals.Guard.
//
// # Writing an Approver
//
// An Approver is asked by a job when its stage opens, at least once and outside of any
// transaction. It answers at once, or the zero Answer, and somebody calls
// Service.Decide later:
//
//	limit := approvals.ApproverFunc(func(ctx context.Context, s approvals.StageOpen) (approvals.Answer, error) {
//		if above(s.Request.Payload, 100) {
//			return approvals.Answer{Decision: approvals.Decline, Comment: "more than 100"}, ctx.Err()
//		}
//		return approvals.Answer{Decision: approvals.Approve}, ctx.Err()
//	})
//
// The contract:
//
//   - The answer is a word of a decision or none (AP-001), the same when it is asked
//     again (AP-002), with a comment where it is unwelcome (AP-003).
//   - It ends with ctx (AP-004) and leaves the request as it is (AP-005).
//   - An error leaves the stage waiting and is tried again; an answer that comes after
//     others decided is dropped.
//
// Checklist:
//
//   - Pass ctx to whatever is asked.
//   - Find a question that was asked before by the request, its revision and its stage,
//     where asking means to send something.
//   - Decide later as the person behind a chat or a portal.
//
// Common mistakes:
//
//   - To decide later as the approver itself, for a person. The record then hides who it
//     was.
//   - To send a message with every question. The job that asks runs at least once.
//   - To approve where the world could not be asked.
//
// Reference: approvals.ApproverFunc around a rule of your own, as in the Example of
// [RunApprover].
package approvalstest
