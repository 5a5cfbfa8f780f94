package casbinengine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/authz/casbinengine"
)

// The size of BenchmarkDecision: 20 role rules, 100,000 assignments.
const (
	benchRules       = 20
	benchRoles       = 10
	benchAssignments = 100_000
)

// bareModel is what a host would write for a bare enforcer: the same roles, tenants
// and rules, cheap comparisons first, without conditions, obligations or reasons.
const bareModel = `[request_definition]
r = sub, dom, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.act == p.act && r.obj == p.obj && g(r.sub, p.sub, r.dom)
`

// BenchmarkDecision decides through the engine, store included, beside a bare casbin
// enforcer in the same run: half allowed, half denied. ratio is ours by theirs.
func BenchmarkDecision(b *testing.B) {
	words := casbinengine.Vocabulary{}
	for i := range benchRoles {
		words.Roles = append(words.Roles, fmt.Sprintf("role%d", i))
	}
	for i := range benchRules {
		words.Actions = append(words.Actions, fmt.Sprintf("orders.action%d", i))
	}
	m, err := model.NewModelFromString(bareModel)
	if err != nil {
		b.Fatal(err)
	}
	bare, err := casbin.NewEnforcer(m)
	if err != nil {
		b.Fatal(err)
	}
	var rules []casbinengine.Rule
	for i := range benchRules {
		role, action := words.Roles[i%benchRoles], words.Actions[i]
		rules = append(rules, casbinengine.Rule{
			ID: fmt.Sprint(i), Role: role, Action: action, ResourceType: "order", Effect: audit.Allow,
		})
		if _, err := bare.AddPolicy(role, "order", action); err != nil {
			b.Fatal(err)
		}
	}
	store := newMemory(b).Authz()
	engine, err := casbinengine.New(store, words, casbinengine.Config{Rules: rules})
	if err != nil {
		b.Fatal(err)
	}
	var rows []authz.Row
	var links [][]string
	for i := range benchAssignments {
		row := casbinengine.Assign("acme", user(fmt.Sprintf("u%d", i)), words.Roles[i%benchRoles])
		links = append(links, row.Values)
		row.ID = fmt.Sprint("a", i)
		rows = append(rows, row)
	}
	change(b, store, "acme", authz.Change{Add: rows})
	if _, err := bare.AddGroupingPolicies(links); err != nil {
		b.Fatal(err)
	}

	// The subjects step through the assignments, so that neither side meets the same
	// question twice in a row.
	request := func(i int) authz.Request {
		n := i * 7919 % benchAssignments
		return authz.Request{
			Tenant: "acme", Subject: user(fmt.Sprintf("u%d", n)), Time: shopTime,
			Action: words.Actions[(n+i%2)%benchRules], Resource: authz.Entity{Type: "order", ID: "1001"},
		}
	}
	requests := make([]authz.Request, 4096)
	for i := range requests {
		requests[i] = request(i)
	}
	ours := func(r authz.Request) bool {
		d, err := engine.Authorize(b.Context(), r)
		if err != nil {
			b.Fatal(err)
		}
		return d.Effect == audit.Allow
	}
	theirs := func(r authz.Request) bool {
		ok, err := bare.Enforce(r.Subject.Key(), r.Tenant, r.Resource.Type, r.Action)
		if err != nil {
			b.Fatal(err)
		}
		return ok
	}
	for _, r := range requests {
		if ours(r) != theirs(r) {
			b.Fatalf("engine and casbin disagree about %+v", r)
		}
	}
	var spent, reference time.Duration
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		// Rounds alternate, so that a busy machine slows both sides.
		r := requests[i%len(requests)]
		start := time.Now()
		ours(r)
		middle := time.Now()
		theirs(r)
		spent += middle.Sub(start)
		reference += time.Since(middle)
	}
	b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N), "engine-ns/op")
	b.ReportMetric(float64(reference.Nanoseconds())/float64(b.N), "casbin-ns/op")
	b.ReportMetric(float64(spent)/float64(reference), "ratio")
}
