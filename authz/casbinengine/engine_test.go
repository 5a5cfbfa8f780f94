package casbinengine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/authz/casbinengine"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func wantEffect(t *testing.T, ctx context.Context, a authz.Authorizer, r authz.Request, want audit.Effect) authz.Decision {
	t.Helper()
	d, err := a.Authorize(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	if d.Effect != want {
		t.Errorf("got %v (%s: %s), want %v", d.Effect, d.Reason.Code, d.Reason.Detail, want)
	}
	return d
}

func TestARevocationHoldsForTheNextDecisionOfEveryProcess(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		here := newShop(t, b.Authz())
		there, err := casbinengine.New(b.Authz(), shopWords, casbinengine.Config{Rules: shopRules()})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			for _, e := range []*casbinengine.Engine{here, there} {
				wantEffect(t, t.Context(), e, refund("sam", "1.00"), audit.Allow)
			}
			change(t, b.Authz(), "acme", authz.Change{Expected: authz.AnySequence, Remove: []string{"sam"}})
			for _, e := range []*casbinengine.Engine{here, there} {
				wantEffect(t, t.Context(), e, refund("sam", "1.00"), audit.Deny)
			}
			change(t, b.Authz(), "acme", authz.Change{
				ID: fmt.Sprint("back-", i), Expected: authz.AnySequence,
				Add: []authz.Row{withID("sam", casbinengine.Assign("acme", user("sam"), "support"))},
			})
		}
	})
}

func TestADecisionSeesTheTransactionOfItsContext(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		e := newShop(t, b.Authz())
		undo := errors.New("undo")
		inside := make(chan struct{})
		err := b.InTx(t.Context(), func(ctx context.Context) error {
			defer close(inside)
			c := authz.Change{ID: "revoke", At: shopTime, Expected: authz.AnySequence, Remove: []string{"sam"}}
			c.Add = []authz.Row{withID("zoe", casbinengine.Assign("acme", user("zoe"), "support"))}
			if _, err := b.Authz().Change(ctx, "acme", c); err != nil {
				return err
			}
			wantEffect(t, ctx, e, refund("sam", "1.00"), audit.Deny)
			wantEffect(t, ctx, e, refund("zoe", "1.00"), audit.Allow)
			// Whoever is outside of the transaction does not see it.
			wantEffect(t, storage.Detach(ctx), e, refund("sam", "1.00"), audit.Allow)
			wantEffect(t, storage.Detach(ctx), e, refund("zoe", "1.00"), audit.Deny)
			return undo
		})
		if !errors.Is(err, undo) {
			t.Fatal(err)
		}
		wantEffect(t, t.Context(), e, refund("sam", "1.00"), audit.Allow)
		wantEffect(t, t.Context(), e, refund("zoe", "1.00"), audit.Deny)
		// Another change takes the number of the one that was rolled back.
		change(t, b.Authz(), "acme", authz.Change{Expected: authz.AnySequence, Remove: []string{"marco"}})
		wantEffect(t, t.Context(), e, refund("zoe", "1.00"), audit.Deny)
		wantEffect(t, t.Context(), e, refund("marco", "1.00"), audit.Deny)
	})
}

func TestAChangeMadeAnewUnderItsIDIsNotTakenForTheOneThatWasRolledBack(t *testing.T) {
	b := eachtest.Memory(t)
	e := newShop(t, b.Authz())
	assign := func(id string) []authz.Row {
		return []authz.Row{withID(id, casbinengine.Assign("acme", user(id), "support"))}
	}
	undo := errors.New("undo")
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		c := authz.Change{ID: "hire", At: shopTime, Expected: authz.AnySequence, Add: assign("zoe")}
		if _, err := b.Authz().Change(ctx, "acme", c); err != nil {
			return err
		}
		wantEffect(t, ctx, e, refund("zoe", "1.00"), audit.Allow)
		return undo
	})
	if !errors.Is(err, undo) {
		t.Fatal(err)
	}
	c := authz.Change{ID: "hire", At: shopTime.Add(time.Second), Expected: authz.AnySequence, Add: assign("yan")}
	if _, err := b.Authz().Change(t.Context(), "acme", c); err != nil {
		t.Fatal(err)
	}
	wantEffect(t, t.Context(), e, refund("zoe", "1.00"), audit.Deny)
	wantEffect(t, t.Context(), e, refund("yan", "1.00"), audit.Allow)
}

func TestTheVersionNamesNumberAndContent(t *testing.T) {
	b := eachtest.Memory(t)
	e := newShop(t, b.Authz())
	first := wantEffect(t, t.Context(), e, refund("sam", "1.00"), audit.Allow).PolicyVersion
	if !strings.HasPrefix(first, "1-") || len(first) != len("1-")+32 {
		t.Errorf("got version %q, want the sequence and 32 hex digits", first)
	}
	change(t, b.Authz(), "acme", authz.Change{Expected: 1, Remove: []string{"audra"}})
	change(t, b.Authz(), "acme", authz.Change{Expected: 2, Add: []authz.Row{withID("audra2", casbinengine.Assign("acme", user("audra"), "auditor"))}})
	third := wantEffect(t, t.Context(), e, refund("sam", "1.00"), audit.Allow).PolicyVersion
	if !strings.HasPrefix(third, "3-") || third[2:] != first[2:] {
		t.Errorf("got version %q, want another number and the content of %q", third, first)
	}
}

func TestAnEmptyPolicyDenies(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		// This model allows whatever no row denies.
		const open = `[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act, eft
[policy_effect]
e = !some(where (p.eft == deny))
[matchers]
m = r.sub == p.sub && r.obj == p.obj && r.act == p.act
`
		e, err := casbinengine.NewWithModel(b.Authz(), open, casbinengine.ModelConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if d := wantEffect(t, t.Context(), e, refund("sam", "1.00"), audit.Deny); d.Reason.Code != authz.CodePolicyEmpty {
			t.Errorf("got code %s", d.Reason.Code)
		}
		row := authz.Row{ID: "1", Kind: "p", Values: []string{"user:sam", "order:1001", "orders.refund", "deny"}}
		change(t, b.Authz(), "acme", authz.Change{Add: []authz.Row{row}})
		wantEffect(t, t.Context(), e, refund("sam", "1.00"), audit.Deny)
		wantEffect(t, t.Context(), e, refund("zoe", "1.00"), audit.Allow)
		change(t, b.Authz(), "acme", authz.Change{Expected: 1, Remove: []string{"1"}})
		wantEffect(t, t.Context(), e, refund("zoe", "1.00"), audit.Deny)
	})
}

func TestAPolicyThatCannotBeLoadedDenies(t *testing.T) {
	for name, bad := range map[string]authz.Row{
		"a rule without its last columns":         {Kind: "p", Values: []string{"support", "orders.refund", "order"}},
		"an assignment without its tenant":        {Kind: "g", Values: []string{"user:sam", "support"}},
		"a rule of an unknown kind":               {Kind: "q", Values: []string{"x"}},
		"a rule with a condition that is not one": {Kind: "p", Values: []string{"support", "orders.refund", "order", "*", "allow", "?", ""}},
		"a row without a kind":                    {Values: []string{"x"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := eachtest.Memory(t)
			e := newShop(t, b.Authz())
			wantEffect(t, t.Context(), e, refund("sam", "1.00"), audit.Allow)
			// Written past the checks, as by somebody with access to the table.
			bad.ID = "bad"
			change(t, b.Authz(), "acme", authz.Change{Expected: authz.AnySequence, Add: []authz.Row{bad}})
			d, err := e.Authorize(t.Context(), refund("sam", "1.00"))
			if err == nil || d.Effect != audit.Deny || d.Reason.Code != authz.CodePolicyUnavailable {
				t.Errorf("got %v (%s), %v", d.Effect, d.Reason.Code, err)
			}
			r := refund("nina", "1.00")
			r.Tenant = "bloom"
			wantEffect(t, t.Context(), e, r, audit.Allow)
		})
	}
}

func TestRolesAreInheritedThroughChainsOfAnyLengthAndCycles(t *testing.T) {
	const links = 40
	b := eachtest.Memory(t)
	words := casbinengine.Vocabulary{Actions: []string{"orders.refund"}}
	for i := range links + 1 {
		words.Roles = append(words.Roles, fmt.Sprint("role", i))
	}
	e, err := casbinengine.New(b.Authz(), words, casbinengine.Config{Rules: []casbinengine.Rule{
		{ID: "refund", Role: words.Roles[links], Action: "orders.refund", Effect: audit.Allow},
	}})
	if err != nil {
		t.Fatal(err)
	}
	rows := []authz.Row{withID("sam", casbinengine.Assign("acme", user("sam"), "role0"))}
	for i := range links {
		rows = append(rows, authz.Row{ID: fmt.Sprint(i), Kind: "g", Values: []string{words.Roles[i], words.Roles[i+1], "acme"}})
	}
	rows = append(rows, authz.Row{ID: "back", Kind: "g", Values: []string{words.Roles[links], "role0", "acme"}})
	if err := e.CheckRows("acme", rows); err != nil {
		t.Fatal(err)
	}
	change(t, b.Authz(), "acme", authz.Change{Add: rows})
	wantEffect(t, t.Context(), e, refund("sam", "1.00"), audit.Allow)
	wantEffect(t, t.Context(), e, refund("zoe", "1.00"), audit.Deny)

	roles, err := e.Roles(t.Context(), "acme", user("sam"))
	if err != nil || len(roles) != links+1 || roles[0] != "role0" {
		t.Errorf("got %d roles %v, %v, want the %d of the cycle", len(roles), roles, err, links+1)
	}
	for _, subject := range []authz.Entity{user("zoe"), user("role0")} {
		if roles, err := e.Roles(t.Context(), "acme", subject); err != nil || len(roles) != 0 {
			t.Errorf("got roles %v, %v of %s", roles, err, subject.Key())
		}
	}
	if roles, err := e.Roles(t.Context(), "bloom", user("sam")); err != nil || len(roles) != 0 {
		t.Errorf("got roles %v, %v in another tenant", roles, err)
	}
}

func TestADenialSaysWhatIsMissing(t *testing.T) {
	e := newShop(t, eachtest.Memory(t).Authz())
	other := refund("sam", "1.00")
	other.Resource.Type = "payout"
	unruled := refund("sam", "1.00")
	unruled.Action = "orders.read"
	unknown := refund("sam", "1.00")
	unknown.Action = "orders.burn"
	colon := refund("sam", "1.00")
	colon.Subject.Type = "user:x"
	for _, tc := range []struct {
		name    string
		request authz.Request
		code    string
		detail  string
	}{
		{"a role", refund("audra", "1.00"), authz.CodeNoMatchingRule, "missing one of the roles owner, manager, support"},
		{"a rule", unruled, authz.CodeNoMatchingRule, "no rule allows the action to any role"},
		{"a fitting resource", other, authz.CodeConditionNotMet, "the resource or the condition does not fit: refund-support"},
		{"an attribute", refund("sam", "many"), authz.CodeMissingAttribute, "the request has no usable /payload/amount"},
		{"the action", unknown, authz.CodeUnknownAction, ""},
		{"a type", colon, authz.CodeInvalidInput, "invalid input: /subject/type: must not contain a colon"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := wantEffect(t, t.Context(), e, tc.request, audit.Deny)
			if d.Reason.Code != tc.code || d.Reason.Detail != tc.detail {
				t.Errorf("got %s: %q, want %s: %q", d.Reason.Code, d.Reason.Detail, tc.code, tc.detail)
			}
			if d.Reason.Text == "" || strings.Contains(d.Reason.Text, "refund-") {
				t.Errorf("got text %q", d.Reason.Text)
			}
		})
	}
}

func TestNoStackLeavesTheEngine(t *testing.T) {
	const pattern = `[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = regexMatch(r.sub, p.sub) && panics(r.obj)
`
	b := eachtest.Memory(t)
	e, err := casbinengine.NewWithModel(b.Authz(), pattern, casbinengine.ModelConfig{
		Functions: map[string]func(args ...any) (any, error){"panics": func(...any) (any, error) { panic("secret") }},
	})
	if err != nil {
		t.Fatal(err)
	}
	change(t, b.Authz(), "acme", authz.Change{Add: []authz.Row{{ID: "1", Kind: "p", Values: []string{"([", "order", "read"}}}})
	change(t, b.Authz(), "bloom", authz.Change{Add: []authz.Row{{ID: "1", Kind: "p", Values: []string{".*", "order", "read"}}}})
	for _, tenant := range []string{"acme", "bloom"} {
		r := refund("sam", "1.00")
		r.Tenant = tenant
		d, err := e.Authorize(t.Context(), r)
		if err == nil || d.Effect != audit.Deny {
			t.Fatalf("%s: got %v, %v, want a denial with its cause", tenant, d.Effect, err)
		}
		for _, text := range []string{err.Error(), d.Reason.Text, d.Reason.Detail} {
			if strings.Contains(text, "goroutine") || strings.Contains(text, ".go:") || strings.Contains(text, "secret") {
				t.Errorf("%s: the stack or the panic's value is in %q", tenant, text)
			}
		}
	}
}

func TestUnknownSubjectsTakeNoMemory(t *testing.T) {
	b := newMemory(t)
	e := newShop(t, b.Authz())
	ask := func(n int) {
		for i := range n {
			r := refund(fmt.Sprintf("stranger-%d", i), "1.00")
			wantEffect(t, t.Context(), e, r, audit.Deny)
			r.Tenant = r.Subject.ID
			wantEffect(t, t.Context(), e, r, audit.Deny)
		}
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	ask(100)
	before := heap()
	ask(20_000)
	// casbin's own memory of 20,000 subjects is 56 MB.
	if grown := int64(heap()) - int64(before); grown > 2<<20 {
		t.Errorf("20,000 unknown subjects and tenants left %d KiB behind", grown>>10)
	}
}

func TestNoFaultOfTheStoreAllows(t *testing.T) {
	type fault struct {
		name string
		hook func(fail func(call string) error) memory.Config
	}
	faults := []fault{
		{"before the call", func(fail func(string) error) memory.Config {
			return memory.Config{Before: func(_ context.Context, call string) error { return fail(call) }}
		}},
		{"after the call", func(fail func(string) error) memory.Config {
			return memory.Config{After: func(_ context.Context, call string) error { return fail(call) }}
		}},
	}
	boom := errors.New("boom")
	for _, f := range faults {
		for _, cause := range []error{boom, storage.ErrUnavailable, storage.ErrNotFound, context.DeadlineExceeded} {
			t.Run(f.name+" "+cause.Error(), func(t *testing.T) {
				failed := 0
				for nth := 1; ; nth++ {
					calls, armed := 0, false
					b, err := memory.New(f.hook(func(string) error {
						if !armed {
							return nil
						}
						if calls++; calls == nth {
							return cause
						}
						return nil
					}))
					if err != nil {
						t.Fatal(err)
					}
					e := newShop(t, b.Authz())
					wantEffect(t, t.Context(), e, refund("sam", "1.00"), audit.Allow)
					// The rows moved, so that the decision has to read all of them again.
					change(t, b.Authz(), "acme", authz.Change{Expected: authz.AnySequence, Remove: []string{"audra"}})
					armed = true
					d, err := e.Authorize(t.Context(), refund("sam", "1.00"))
					if calls < nth {
						break
					}
					failed++
					if err == nil || d.Effect != audit.Deny {
						t.Errorf("call %d failed and the answer is %v, %v", nth, d.Effect, err)
					}
					armed = false
					wantEffect(t, t.Context(), e, refund("sam", "1.00"), audit.Allow)
					if err := b.Close(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if failed < 3 {
					t.Errorf("got %d faults, want one at the head, one at the rows, one at the head again", failed)
				}
			})
		}
	}
}

// The switch that allows everything, and the enforcers that remember answers, are a
// name away. This holds the package to not naming them.
func TestCasbinsDangerousPartsAreOutOfReach(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"EnableEnforce", "CachedEnforcer", "SyncedEnforcer", ".Enforce(", ".EnforceEx(", "GenerateGFunction", "EnableAcceptJsonRequest"} {
			if strings.Contains(string(text), word) {
				t.Errorf("%s names %s: decisions are made in enforce.go only", path, word)
			}
		}
	}
}

func TestABadRuleIsNamedByItsField(t *testing.T) {
	_, err := casbinengine.New(newMemory(t).Authz(), shopWords, casbinengine.Config{Rules: []casbinengine.Rule{
		{ID: "1", Role: "support", Action: "orders.refund", Effect: audit.Allow},
		{ID: "2", Role: "king", Action: "orders.refund", Effect: audit.Allow, When: "payload > 3"},
	}})
	invalid, ok := errors.AsType[*storage.InvalidError](err)
	if !ok || len(invalid.Fields) != 2 || invalid.Fields[0].Pointer != "/Rules/1/When" || invalid.Fields[1].Pointer != "/Rules/1/Role" {
		t.Errorf("got %v, want the fields When and Role of the second rule", err)
	}
}

func TestNewRefusesWhatWouldDecideWrong(t *testing.T) {
	store := newMemory(t).Authz()
	allow := casbinengine.Rule{ID: "1", Role: "support", Action: "orders.refund", Effect: audit.Allow}
	for name, build := range map[string]func() (*casbinengine.Engine, error){
		"no store": func() (*casbinengine.Engine, error) { return casbinengine.New(nil, shopWords, casbinengine.Config{}) },
		"no roles": func() (*casbinengine.Engine, error) {
			return casbinengine.New(store, casbinengine.Vocabulary{Actions: shopWords.Actions}, casbinengine.Config{})
		},
		"a role that looks like a subject": func() (*casbinengine.Engine, error) {
			return casbinengine.New(store, casbinengine.Vocabulary{Roles: []string{"user:sam"}, Actions: shopWords.Actions}, casbinengine.Config{})
		},
		"a role that is everyone": func() (*casbinengine.Engine, error) {
			return casbinengine.New(store, casbinengine.Vocabulary{Roles: []string{"*"}, Actions: shopWords.Actions}, casbinengine.Config{})
		},
		"a rule without an id": func() (*casbinengine.Engine, error) {
			return casbinengine.New(store, shopWords, casbinengine.Config{Rules: []casbinengine.Rule{{Role: "support", Action: "orders.refund"}}})
		},
		"two rules of one id": func() (*casbinengine.Engine, error) {
			return casbinengine.New(store, shopWords, casbinengine.Config{Rules: []casbinengine.Rule{allow, allow}})
		},
		"a rule of an unknown role": func() (*casbinengine.Engine, error) {
			return casbinengine.New(store, shopWords, casbinengine.Config{Rules: []casbinengine.Rule{{ID: "1", Role: "king", Action: "orders.refund"}}})
		},
		"a model that is none": func() (*casbinengine.Engine, error) {
			return casbinengine.NewWithModel(store, "hello", casbinengine.ModelConfig{})
		},
		"a model without a matcher": func() (*casbinengine.Engine, error) {
			return casbinengine.NewWithModel(store, "[request_definition]\nr = sub\n", casbinengine.ModelConfig{})
		},
		"a model with an unknown effect": func() (*casbinengine.Engine, error) {
			return casbinengine.NewWithModel(store, strings.Replace(rbacModel, "some(where (p.eft == allow))", "true", 1), casbinengine.ModelConfig{})
		},
		"a matcher that is no expression": func() (*casbinengine.Engine, error) {
			return casbinengine.NewWithModel(store, strings.Replace(rbacModel, "r.act == p.act", "r.act == ", 1), casbinengine.ModelConfig{})
		},
		"a token that nobody can fill": func() (*casbinengine.Engine, error) {
			return casbinengine.NewWithModel(store, strings.Replace(rbacModel, "r = sub,", "r = moon,", 1), casbinengine.ModelConfig{})
		},
		"a function that is nil": func() (*casbinengine.Engine, error) {
			return casbinengine.NewWithModel(store, rbacModel, casbinengine.ModelConfig{Functions: map[string]func(...any) (any, error){"f": nil}})
		},
		"rows that the model does not fit": func() (*casbinengine.Engine, error) {
			return casbinengine.NewWithModel(store, rbacModel, casbinengine.ModelConfig{Rows: []authz.Row{{ID: "1", Kind: "p", Values: []string{"x"}}}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			if e, err := build(); err == nil || e != nil {
				t.Errorf("got %v, %v, want an error", e, err)
			}
		})
	}
}
