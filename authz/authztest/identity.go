package authztest

import (
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
)

// identityRules are about who asks for what, where.
var identityRules = []rule{
	{
		id: "AU-001", name: "what a role of the subject allows is allowed",
		explanation: "an authorizer that denies everything is safe and of no use",
		run: func(e *env) {
			e.want(refund(sam, "50.00"), audit.Allow)
			e.want(refund(marco, "50.00"), audit.Allow)
			e.want(cancel(marco, "1001"), audit.Allow)
		},
	},
	{
		id: "AU-002", name: "a subject without the role is denied",
		explanation: "a right comes from a rule; where none applies the answer is no",
		run: func(e *env) {
			e.want(refund(user("zoe"), "50.00"), audit.Deny)
			e.want(cancel(sam, "1001"), audit.Deny)
		},
	},
	{
		id: "AU-003", name: "an action that the policy does not know is denied",
		explanation: "a handler with a typo in its action, or a new one that nobody wrote a rule for, must not be open",
		run: func(e *env) {
			for _, action := range []string{"orders.burn", "ORDERS.REFUND", "*", "refund"} {
				r := refund(marco, "50.00")
				r.Action = action
				e.want(r, audit.Deny)
			}
		},
	},
	{
		id: "AU-004", name: "an action is compared as a whole",
		explanation: "a prefix is not the action, and neither is a longer name that begins with it",
		run: func(e *env) {
			for _, action := range []string{"orders", "orders.", "orders.refun", "orders.refund_all", "orders.refund.force", Refund + " "} {
				r := refund(marco, "50.00")
				r.Action = action
				e.want(r, audit.Deny)
			}
		},
	},
	{
		id: "AU-005", name: "a type of resource is compared as a whole",
		explanation: "a right to orders is no right to order forms",
		run: func(e *env) {
			for _, kind := range []string{"orde", "orders", "order_form", "Order", "payout", "*"} {
				r := refund(marco, "50.00")
				r.Resource.Type = kind
				e.want(r, audit.Deny)
			}
		},
	},
	{
		id: "AU-006", name: "a role in one tenant is none in another",
		explanation: "tenants share the authorizer and nothing else",
		run: func(e *env) {
			r := refund(nina, "50.00")
			e.want(r, audit.Deny)
			r.Tenant = "bloom"
			e.want(r, audit.Allow)
			r = refund(sam, "50.00")
			r.Tenant = "bloom"
			e.want(r, audit.Deny)
		},
	},
	{
		id: "AU-007", name: "in a tenant that does not exist nobody may do anything",
		explanation: "an empty or unknown tenant is not a tenant with open doors",
		run: func(e *env) {
			for _, tenant := range []string{"", "cobalt", "ACME", "acme ", "*", "%"} {
				r := refund(marco, "50.00")
				r.Tenant = tenant
				e.want(r, audit.Deny)
			}
		},
	},
	{
		id: "AU-008", name: "subjects are compared byte for byte",
		explanation: "case, blanks and combining characters distinguish people, as they do in every store of the kit",
		run: func(e *env) {
			for _, id := range []string{"", "Sam", "sam ", " sam", "sa", "samuel", "sam\u0301", "ѕam", "*"} {
				e.want(refund(user(id), "50.00"), audit.Deny)
			}
		},
	},
	{
		id: "AU-009", name: "a subject is its type and its id",
		explanation: "a service account named like a person is not that person, however the two are joined",
		run: func(e *env) {
			for _, subject := range []authz.Entity{
				{Type: audit.ServiceAccount, ID: "sam"},
				{Type: "", ID: "sam"},
				{Type: "", ID: "user:sam"},
				{Type: "use", ID: "r:sam"},
				{Type: "user:sam", ID: ""},
			} {
				e.want(refund(subject, "50.00"), audit.Deny)
			}
			e.grant("acme", user("a:b"), Support)
			e.want(refund(authz.Entity{Type: "user:a", ID: "b"}, "50.00"), audit.Deny)
			e.want(refund(user("a:b"), "50.00"), audit.Allow)
		},
	},
	{
		id: "AU-010", name: "a subject named like a role does not have it",
		explanation: "engines that keep subjects and roles in one graph say that everybody has the role of their own name",
		run: func(e *env) {
			for _, subject := range []authz.Entity{user(Manager), {Type: Manager, ID: "x"}, {Type: "role", ID: Manager}, {Type: "", ID: Manager}} {
				e.want(refund(subject, "50.00"), audit.Deny)
			}
		},
	},
	{
		id: "AU-011", name: "a denial wins over every right",
		explanation: "a forbidding rule is the last word, whoever asks and whatever else matches",
		run: func(e *env) {
			e.grant("acme", marco, Support)
			d := e.want(cancel(marco, LockedID), audit.Deny)
			if d.Reason.Code == authz.CodeNoMatchingRule {
				e.Errorf("the reason is %s, as if no rule had matched", d.Reason.Code)
			}
			e.want(cancel(marco, LockedID+"2"), audit.Allow)
		},
	},
}
