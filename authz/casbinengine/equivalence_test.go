package casbinengine_test

import (
	"fmt"
	"testing"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"
	"pgregory.net/rapid"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/authz/casbinengine"
)

// TestEngineDecidesRandomPoliciesAsCasbinDoes asks engine and enforcer the same
// questions about the same random rows, over the effects and matchers that differ.
func TestEngineDecidesRandomPoliciesAsCasbinDoes(t *testing.T) {
	effects := []string{
		"some(where (p.eft == allow))",
		"!some(where (p.eft == deny))",
		"some(where (p.eft == allow)) && !some(where (p.eft == deny))",
		"priority(p.eft) || deny",
	}
	matchers := []string{
		"g(r.sub, p.sub, r.dom) && r.dom == p.dom && r.obj == p.obj && r.act == p.act",
		"r.act == p.act && r.obj == p.obj && r.dom == p.dom && g(r.sub, p.sub, r.dom)",
		"p.act == r.act && keyMatch(r.obj, p.obj) && g(r.sub, p.sub, r.dom)",
		"g(r.sub, p.sub, r.dom) && r.obj == p.obj && r.act == p.act || r.sub == 's0'",
		"(r.obj == p.obj || p.obj == 'o0') && r.act == p.act && (g(r.sub, p.sub, r.dom) || p.sub == 's1')",
		"r.dom == p.dom && regexMatch(r.act, p.act) && r.sub == p.sub",
	}
	rapid.Check(t, func(t *rapid.T) {
		text := fmt.Sprintf(`[request_definition]
r = sub, dom, obj, act
[policy_definition]
p = sub, dom, obj, act, eft
[role_definition]
g = _, _, _
[policy_effect]
e = %s
[matchers]
m = %s
`, rapid.SampledFrom(effects).Draw(t, "effect"), rapid.SampledFrom(matchers).Draw(t, "matcher"))
		word := func(prefix string, n int) *rapid.Generator[string] {
			return rapid.Map(rapid.IntRange(0, n-1), func(i int) string { return fmt.Sprint(prefix, i) })
		}
		subject, domain, object, action := word("s", 6), word("d", 2), word("o", 3), word("a", 2)
		rule := rapid.Custom(func(t *rapid.T) []string {
			return []string{
				subject.Draw(t, "sub"), domain.Draw(t, "dom"), object.Draw(t, "obj"), action.Draw(t, "act"),
				rapid.SampledFrom([]string{"allow", "deny", "allow", "later"}).Draw(t, "eft"),
			}
		})
		link := rapid.Custom(func(t *rapid.T) []string {
			return []string{subject.Draw(t, "name"), subject.Draw(t, "role"), domain.Draw(t, "dom")}
		})
		distinct := func(v []string) string { return fmt.Sprintf("%q", v) }
		rules := rapid.SliceOfNDistinct(rule, 1, 12, distinct).Draw(t, "rules")
		links := rapid.SliceOfNDistinct(link, 0, 8, distinct).Draw(t, "links")

		m, err := model.NewModelFromString(text)
		if err != nil {
			t.Fatal(err)
		}
		reference, err := casbin.NewEnforcer(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := reference.AddPolicies(rules); err != nil {
			t.Fatal(err)
		}
		if _, err := reference.AddGroupingPolicies(links); err != nil {
			t.Fatal(err)
		}
		var rows []authz.Row
		for i, v := range rules {
			rows = append(rows, authz.Row{ID: fmt.Sprint("p", i), Kind: "p", Values: v})
		}
		for i, v := range links {
			rows = append(rows, authz.Row{ID: fmt.Sprint("g", i), Kind: "g", Values: v})
		}
		engine, err := casbinengine.NewWithModel(emptyStore{}, text, casbinengine.ModelConfig{Rows: rows, Request: func(r authz.Request) ([]any, error) {
			return []any{r.Subject.ID, r.Resource.Type, r.Resource.ID, r.Action}, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			sub, dom, obj, act := subject.Draw(t, "sub"), domain.Draw(t, "dom"), object.Draw(t, "obj"), action.Draw(t, "act")
			want, err := reference.Enforce(sub, dom, obj, act)
			if err != nil {
				t.Fatal(err)
			}
			got, err := engine.Authorize(t.Context(), authz.Request{
				Tenant: "acme", Subject: user(sub), Action: act, Time: shopTime,
				Resource: authz.Entity{Type: dom, ID: obj},
			})
			if err != nil {
				t.Fatal(err)
			}
			if (got.Effect == audit.Allow) != want {
				t.Fatalf("%s %s %s %s: engine says %v, casbin %t\n%s", sub, dom, obj, act, got.Effect, want, text)
			}
		}
	})
}
