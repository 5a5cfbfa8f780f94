package authztest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// The words of the suite's policy.
const (
	Support = "support" // a role
	Manager = "manager" // a role

	Refund = "orders.refund" // an action with an amount
	Cancel = "orders.cancel" // an action without a payload
	Order  = "order"         // a type of resource

	// LockedID is the id of the order that nobody may cancel.
	LockedID = "locked"
)

// A Harness is an Authorizer with this policy, in every tenant, and no assignments:
//
//   - [Support] may do [Refund] to resources of type [Order].
//   - [Manager] may do [Refund] and [Cancel] to resources of type [Order].
//   - Whoever does [Refund] with /payload/amount above 100.00 needs approval.
//   - Whoever does [Refund] with /payload/amount above 1000.00 needs a proof of
//     identity of at most five minutes, and approval.
//   - [Cancel] of the order [LockedID] is forbidden to everybody.
//
// The policy knows no other action. An amount is a JSON number in any of its notations
// (100, 1e2, as float64 or json.Number), or a string of decimal digits with at most one
// point between them ("100", "0100.00"); any other string is no number, though a parser
// of numbers may take it ("1e2", "+50", ".5", "0x10"). Both compare exactly.
//
// Assignments are part of the policy: after Grant and Revoke decisions name another
// version.
type Harness struct {
	Authorizer authz.Authorizer
	// Grant gives a role to a subject in a tenant, and Revoke takes it back. When they
	// return, the next decision sees it. Both are required.
	Grant  func(ctx context.Context, tenant string, subject authz.Entity, role string) error
	Revoke func(ctx context.Context, tenant string, subject authz.Entity, role string) error
	// Break makes the policy unreadable, as a store that went away does. nil skips
	// the rule about it.
	Break func()
}

// Options says how to get at the Authorizer under test.
type Options struct {
	// New returns a fresh harness; every rule gets its own. Required.
	New func(t *testing.T) Harness
}

// Run tests an Authorizer. Every rule is a subtest named by its id.
func Run(t *testing.T, options Options) {
	t.Helper()
	if options.New == nil {
		t.Fatal("authztest: Options.New is required")
	}
	for _, r := range rules() {
		t.Run(r.id+" "+r.name, func(t *testing.T) {
			h := options.New(t)
			if r.breaks && h.Break == nil {
				t.Skip("the harness cannot break its policy")
			}
			r.check(t, h)
		})
	}
}

// A rule is one thing an Authorizer has to keep.
type rule struct {
	id, name, explanation string
	// breaks marks rules that need Harness.Break.
	breaks bool
	run    func(e *env)
}

func rules() []rule {
	return slices.Concat(identityRules, conditionRules, gateRules, changeRules, robustnessRules)
}

// patience is how long a rule may take.
const patience = 30 * time.Second

// check runs the rule and explains it where it fails.
func (r rule) check(t testing.TB, h Harness) {
	t.Helper()
	r.about().Check(t, patience, func(ctx context.Context) {
		e := &env{TB: t, ctx: ctx, h: h}
		defer func() {
			if cause := recover(); cause != nil {
				e.Errorf("panic: %v", cause)
			}
		}()
		e.grant("acme", sam, Support)
		e.grant("acme", marco, Manager)
		e.grant("bloom", nina, Manager)
		r.run(e)
	})
}

func (r rule) about() ruletest.Rule {
	return ruletest.Rule{ID: r.id, Name: r.name, Explanation: r.explanation}
}

// Rules returns the rules of [Run], in their order.
func Rules() []ruletest.Rule {
	var all []ruletest.Rule
	for _, r := range rules() {
		all = append(all, r.about())
	}
	return all
}

// The people of the suite, and its noon.
var (
	sam   = user("sam")
	marco = user("marco")
	nina  = user("nina")
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

func user(id string) authz.Entity { return authz.Entity{Type: audit.User, ID: id} }

// An env is what a rule gets to work with.
type env struct {
	testing.TB
	ctx context.Context
	h   Harness
}

func (e *env) grant(tenant string, subject authz.Entity, role string) {
	e.Helper()
	if err := e.h.Grant(e.ctx, tenant, subject, role); err != nil {
		e.Fatalf("grant %s to %s in %s: %v", role, subject.Key(), tenant, err)
	}
}

func (e *env) revoke(tenant string, subject authz.Entity, role string) {
	e.Helper()
	if err := e.h.Revoke(e.ctx, tenant, subject, role); err != nil {
		e.Fatalf("revoke %s from %s in %s: %v", role, subject.Key(), tenant, err)
	}
}

// refund asks for a refund in acme, with the amount as it came out of JSON.
func refund(subject authz.Entity, amount any) authz.Request {
	return authz.Request{
		Tenant:   "acme",
		Subject:  subject,
		Action:   Refund,
		Resource: authz.Entity{Type: Order, ID: "1001", Properties: map[string]any{}},
		Payload:  map[string]any{"amount": amount},
		Context:  map[string]any{},
		Time:     noon,
	}
}

// cancel asks for an order of acme to be cancelled.
func cancel(subject authz.Entity, id string) authz.Request {
	r := refund(subject, "1.00")
	r.Action, r.Resource.ID, r.Payload = Cancel, id, map[string]any{}
	return r
}

// proven adds a proof of identity of some age.
func proven(r authz.Request, age time.Duration) authz.Request {
	r.Authn = &audit.Authn{At: r.Time.Add(-age)}
	return r
}

// authorize asks, and holds every answer to what all answers have in common.
func (e *env) authorize(r authz.Request) authz.Decision {
	e.Helper()
	d, err := e.h.Authorizer.Authorize(e.ctx, r)
	if err != nil && d.Effect != audit.Deny {
		e.Errorf("%s: the answer is %v beside the error %v, want a denial", describe(r), d.Effect, err)
	}
	return d
}

// want asks and compares the effect.
func (e *env) want(r authz.Request, effect audit.Effect) authz.Decision {
	e.Helper()
	d := e.authorize(r)
	if d.Effect != effect {
		e.Errorf("%s: got %v (%s), want %v", describe(r), d.Effect, d.Reason.Code, effect)
	}
	return d
}

func describe(r authz.Request) string {
	payload, err := json.Marshal(r.Payload)
	if err != nil {
		payload = []byte("?")
	}
	return fmt.Sprintf("%.80q in %.40q asks for %.40q of %.80q with %.80s", r.Subject.Key(), r.Tenant, r.Action, r.Resource.Key(), payload)
}
