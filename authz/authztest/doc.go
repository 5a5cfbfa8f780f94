// Package authztest judges implementations of [authz.Authorizer] and of [authz.Store].
//
// # Writing an Authorizer
//
// An Authorizer is one method. What makes it trustworthy is what it does when
// something is odd, and that is what this suite is about:
//
//	func (e *Engine) Authorize(ctx context.Context, r authz.Request) (authz.Decision, error) {
//		policy, err := e.policy(ctx, r.Tenant)
//		if err != nil {
//			return authz.Decision{}, err // denies; the Guard records why
//		}
//		d := policy.decide(r)
//		return d.Settle(r), nil // step-up before approval, reasons filled in
//	}
//
// The contract:
//
//   - The zero Decision denies. Return it with every error; never an Allow.
//   - Everything is compared as a whole and byte for byte: tenant, type and id of
//     subject and resource, action. A subject is its type and its id together.
//   - What the policy does not know is denied: the action, the tenant, the attribute
//     that a condition reads.
//   - Deny wins over allow. Of what is allowed, step-up comes before approval;
//     [authz.Decision.Settle] does that part.
//   - A change of the policy holds for the next decision. A cache of decisions is a
//     bug that waits.
//   - Every decision has a reason with a stable code and a text that quotes no
//     internals, and the version of the policy; what a rule determined names the rule.
//   - Authorize honours ctx, reads through the transaction that ctx carries, leaves
//     the request's maps alone, and may be called from many goroutines.
//
// Checklist:
//
//   - Compare amounts as decimals, to the last digit, and refuse what money is not
//     written as.
//   - Measure the age of a proof against the time of the request, and trust none that
//     lies ahead.
//   - Move the version with everything that can change a decision: rules, roles and who
//     has them.
//   - Run the suite with -race too.
//
// Common mistakes, each of which a rule of the suite catches:
//
//   - To match a prefix where equality was meant.
//   - To give a role to a subject that is named like it.
//   - To compare amounts as floating point.
//   - To keep the version where only an assignment changed.
//   - To let a missing attribute switch a rule off, silently.
//   - To take an identity from the future for a fresh one.
//
// Reference: package casbinengine.
//
// # Running the suite
//
// [Options].New writes the suite's small policy, described at [Harness], in the
// words of the engine under test:
//
//	func TestEngine(t *testing.T) {
//		authztest.Run(t, authztest.Options{New: func(t *testing.T) authztest.Harness {
//			e := newEngine(t, policy)
//			return authztest.Harness{Authorizer: e, Grant: e.grant, Revoke: e.revoke, Break: e.lock}
//		}})
//	}
//
// Every rule is a subtest with an id, and says what it is about when it fails. The
// suite itself is held to a zoo of broken authorizers, at least one for each rule.
//
// # Writing a Store
//
// [RunStore] holds an authz.Store to the rules PS, each of which is a promise that stands
// in the documentation of that interface, and each of which is shown to find a store that
// breaks it. They share one backend and have a tenant of their own each.
//
// Checklist:
//
//   - Does the head's row exist, or is something else locked, before the first change of a
//     tenant compares its sequence (PS-032)?
//   - Is the id of the change looked at before its sequence (PS-019)?
//   - Is a refused change undone in a transaction that goes on (PS-038)?
//   - Are rows removed before others are added (PS-029), and told apart by
//     authz.Row.Digest (PS-026)?
//   - Are places numbers in their order (PS-006)?
//
// Reference: storage/memory, and storage/sqlite and storage/postgres over one body of
// SQL.
package authztest
