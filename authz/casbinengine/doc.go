// Package casbinengine decides by casbin models: it is the kit's [authz.Authorizer].
//
// # The governance model
//
// [New] makes an [Engine] of the [GovernanceModel]. Its policy has two kinds of
// rows. A [Rule] says what a role may do; [Assign] gives a role to a subject in one
// tenant. Rules that hold in every tenant stand in [Config], assignments in the
// store:
//
//	words := casbinengine.Vocabulary{
//		Roles:   []string{"manager", "support"},
//		Actions: []string{"orders.refund"},
//	}
//	engine, err := casbinengine.New(backend.Authz(), words, casbinengine.Config{Rules: []casbinengine.Rule{
//		{ID: "refund", Role: "support", Action: "orders.refund", ResourceType: "order", Effect: audit.Allow},
//		{ID: "refund-large", Role: casbinengine.Everyone, Action: "orders.refund",
//			Effect: audit.NeedsApproval, When: "/payload/amount > 100.00"},
//	}})
//
// A rule of effect allow or deny is casbin's: deny wins, and what no rule allows is
// denied. A rule of effect needs_approval or step_up allows nothing; where it
// matches, what is allowed needs that first. Rules of which several match must not name
// different approval policies: nobody knows which is the stricter, and the request is
// denied. One that names none leaves the choice to the others.
//
// # Conditions
//
// [Rule.When] compares attributes of the request, which are named by JSON pointers
// ([Attributes.Lookup] lists the roots):
//
//	/payload/amount > 100.00 && /payload/currency in ["EUR", "GBP"]
//
// Numbers compare by their decimal digits, exactly, whether the attribute is a JSON
// number or a decimal string. An attribute that is missing or of another type denies
// the request, whatever the other rules say.
//
// # Writing policies
//
// The engine checks rows for [authz.Policies]: every column, role, action and
// condition must be known exactly, and a tenant's rows speak of that tenant only. A
// row with a typo is refused with a pointer to its field and never stored.
//
// # Other models
//
// [NewWithModel] takes any casbin model with one request and one policy definition.
// It decides what casbin's Enforcer decides, over the rules that can match at all:
// where the matcher compares r.x == p.y at its top level, the others are not looked
// at. There are three differences, all on the safe side: chains of roles may have any
// length (casbin stops after ten links), an empty policy denies unless
// [ModelConfig.Ruleless] says otherwise, and no memory of past questions is kept.
// casbin's caching enforcers and its switch that turns enforcement off are not
// reachable from here.
//
// A role definition with two conditions, g = _, _, (_, _), is one of temporary roles:
// the conditions are the start and the end ("2026-03-14 00:00:00", "_" for open) by
// the clock of the process.
package casbinengine
