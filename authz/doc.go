// Package authz decides who may do what: it is the gate before every protected
// change, and the place where the answer is recorded.
//
// # Asking
//
// A [Request] names a tenant, a subject, an action and a resource, and carries what
// conditions may read. An [Authorizer] answers a [Decision]: allow, deny,
// needs_approval or step_up, with a reason in a stable code and a sentence, the
// rules that determined it, the exact version of the policy, and what has to happen
// before the answer is yes. The zero Decision denies, and so does an error.
//
// Hosts hold a [Guard]. It asks the Authorizer, contains its panics and failures,
// bounds its time, settles the order of the gates (allowed at all, then step-up,
// then approval), and records the decision as an event of the category policy:
//
//	engine, err := casbinengine.New(backend.Authz(), words, casbinengine.Config{Rules: rules})
//	guard, err := authz.New(engine, backend, sink, catalog, authz.Config{})
//	decision, err := guard.Authorize(ctx, authz.Request{
//		Tenant:   "acme",
//		Subject:  authz.Entity{Type: "user", ID: "sam"},
//		Action:   "orders.read",
//		Resource: authz.Entity{Type: "order", ID: "1001"},
//	})
//	if err != nil || decision.Effect != audit.Allow {
//		...
//	}
//
// # Guarding changes
//
// A Guard is an [audit.Gate]. Given to an [audit.Governor] it stands before every
// change: the event is the question, its actor (or whom the actor acts for) the
// subject, its payload what conditions read below /payload. The record of the
// decision is written in the transaction of the change:
//
//	governor, err := audit.NewGovernor(backend, guard, sink, catalog)
//
// The catalogue must list the entries of [Actions].
//
// # Freshness
//
// A rule may ask for a proof of identity of at most some age ([Fresh]). The age is
// taken between the proof ([audit.Authn]) and the time of the request; where the
// proof is too old, too weak or unknown the answer is step_up with the obligation.
//
// # Policies
//
// A policy is a list of rows ([Row]) of one tenant in a [Store]. [Policies] changes it:
// checked by the engine, gated, recorded, and effective with the next decision of
// every process. What the rows mean is the engine's affair; package casbinengine has
// the one of this kit. Package authzen serves decisions over HTTP, and package
// authztest judges an Authorizer.
package authz
