package casbinengine

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/effector"
	"github.com/casbin/casbin/v2/model"
	"github.com/casbin/casbin/v2/persist"
	"github.com/casbin/casbin/v2/util"
	"github.com/casbin/govaluate"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
)

// A policy is a model with its rows, compiled once and never changed. casbin parses
// the model, orders the rules and supplies the functions, the effects and the role
// managers of unusual definitions; what casbin's enforcer does at each request is
// done here over the rules that can match at all.
type policy struct {
	def   *definition
	rules []rule
	// index leads from a value of the request to the rules that ask for it, in order.
	// It is nil where the matcher has no usable equality.
	index   map[string][]int
	indexed equality

	functions  map[string]govaluate.ExpressionFunction
	expression *govaluate.EvaluableExpression
	links      map[string]linker
	hash       string
}

type rule struct {
	id     string
	values []string
	effect effector.Effect
	// requirement is NeedsApproval or StepUp for rules that only ask for something.
	requirement audit.Effect
	obligations audit.Obligations
}

// compile builds a policy. parse reads the columns of a rule that casbin does not
// know; it is nil for models that have none.
func compile(def *definition, rows []authz.Row, functions map[string]govaluate.ExpressionFunction, parse func(*rule) error) (p *policy, err error) {
	defer func() {
		if recover() != nil {
			p, err = nil, errors.New("casbinengine: casbin cannot read the policy")
		}
	}()
	p = &policy{def: def, links: map[string]linker{}, hash: hashRows(def.text, rows)}
	m, err := p.load(rows)
	if err != nil {
		return nil, err
	}
	if err := p.takeRules(m, rows, parse); err != nil {
		return nil, err
	}
	p.buildIndex()
	fm := model.LoadFunctionMap()
	p.functions = fm.GetFunctions()
	p.functions["attr"] = attrFunction
	for name, fn := range functions {
		p.functions[name] = fn
	}
	for kind, l := range p.links {
		p.functions[kind] = linkFunction(l)
	}
	if def.hasEval {
		return p, nil
	}
	p.expression, err = govaluate.NewEvaluableExpressionWithFunctions(def.matcher, p.functions)
	if err != nil {
		return nil, fmt.Errorf("casbinengine: read the matcher: %w", err)
	}
	return p, nil
}

// load hands the rows to casbin, except for plain role assignments, which go into
// graphs of our own: they are many, and casbin needs a kilobyte for each.
func (p *policy) load(rows []authz.Row) (model.Model, error) {
	m, err := model.NewModelFromString(p.def.text)
	if err != nil {
		return nil, fmt.Errorf("casbinengine: read the model: %w", err)
	}
	graphs := map[string]roleGraph{}
	var rest rowAdapter
	for _, row := range rows {
		g, ok := p.def.roles[row.Kind]
		if !ok || !g.plain {
			rest = append(rest, row)
			continue
		}
		if len(row.Values) < g.names {
			return nil, fmt.Errorf("casbinengine: row %q has %d columns, not %d", row.ID, len(row.Values), g.names)
		}
		if graphs[row.Kind] == nil {
			graphs[row.Kind] = roleGraph{}
		}
		domain := ""
		if g.names == 3 {
			domain = row.Values[2]
		}
		graphs[row.Kind].add(row.Values[0], row.Values[1], domain)
	}
	// The enforcer only loads, sorts and links; it never decides.
	enforcer, err := casbin.NewEnforcer(m, rest)
	if err != nil {
		return nil, fmt.Errorf("casbinengine: load the policy: %w", err)
	}
	if err := p.def.bound(enforcer, rest); err != nil {
		return nil, err
	}
	m = enforcer.GetModel()
	for kind, g := range p.def.roles {
		if g.plain {
			p.links[kind] = graphs[kind]
		} else if ast := m["g"][kind]; ast.CondRM != nil {
			p.links[kind] = &lockedLinker{linker: ast.CondRM}
		} else {
			p.links[kind] = &lockedLinker{linker: ast.RM}
		}
	}
	return m, nil
}

// bound makes the assignments of conditional definitions depend on their condition.
// casbin takes a link without a function for one that always holds.
func (d *definition) bound(enforcer *casbin.Enforcer, rows []authz.Row) error {
	for _, row := range rows {
		g, ok := d.roles[row.Kind]
		if !ok || g.columns == g.names {
			continue
		}
		if len(row.Values) < g.columns {
			return fmt.Errorf("casbinengine: row %q has %d columns, not %d", row.ID, len(row.Values), g.columns)
		}
		if g.names == 2 {
			ok = enforcer.AddNamedLinkConditionFunc(row.Kind, row.Values[0], row.Values[1], util.TimeMatchFunc)
		} else {
			ok = enforcer.AddNamedDomainLinkConditionFunc(row.Kind, row.Values[0], row.Values[1], row.Values[2], util.TimeMatchFunc)
		}
		if !ok {
			return fmt.Errorf("casbinengine: row %q cannot be bound to its time", row.ID)
		}
	}
	return nil
}

// lockedLinker serves casbin's own role managers one reader at a time: they change
// their maps while they answer.
type lockedLinker struct {
	mu     sync.Mutex
	linker linker
}

func (l *lockedLinker) HasLink(name, role string, domain ...string) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.linker.HasLink(name, role, domain...)
}

// takeRules takes the rules in the order in which casbin would read them.
func (p *policy) takeRules(m model.Model, rows []authz.Row, parse func(*rule) error) error {
	ids := map[[sha256.Size]byte]string{}
	for _, row := range rows {
		if row.Kind == "p" {
			d := row.Digest()
			if _, ok := ids[d]; !ok {
				ids[d] = row.ID
			}
		}
	}
	for _, values := range m["p"]["p"].Policy {
		if len(values) != len(p.def.policyTokens) {
			return fmt.Errorf("casbinengine: a rule has %d columns, not %d", len(values), len(p.def.policyTokens))
		}
		r := rule{values: values, effect: effector.Allow}
		r.id = ids[authz.Row{Kind: "p", Values: values}.Digest()]
		if i := p.def.effectColumn; i >= 0 {
			switch values[i] {
			case "allow":
			case "deny":
				r.effect = effector.Deny
			default:
				r.effect = effector.Indeterminate
				if e, ok := parseEffect(values[i]); ok {
					r.requirement = e
				}
			}
		}
		if parse != nil {
			if err := parse(&r); err != nil {
				return fmt.Errorf("casbinengine: rule %q: %w", r.id, err)
			}
		}
		p.rules = append(p.rules, r)
	}
	return nil
}

// buildIndex chooses the equality that leaves the fewest rules.
func (p *policy) buildIndex() {
	for _, e := range p.def.equalities {
		index := map[string][]int{}
		for i, r := range p.rules {
			v := r.values[e.policy]
			index[v] = append(index[v], i)
		}
		if len(index) > len(p.index) {
			p.index, p.indexed = index, e
		}
	}
}

// candidates returns the places of the rules that can match.
func (p *policy) candidates(request []any) []int {
	if p.index != nil {
		if v, ok := request[p.indexed.request].(string); ok {
			return p.index[v]
		}
	}
	all := make([]int, len(p.rules))
	for i := range all {
		all[i] = i
	}
	return all
}

// linkFunction is casbin's g without its memory of every name it was asked for.
func linkFunction(l linker) govaluate.ExpressionFunction {
	return func(args ...any) (any, error) {
		var names [3]string
		if len(args) < 2 || len(args) > len(names) {
			return nil, errors.New("a role function wants two names and perhaps a domain")
		}
		for i, a := range args {
			s, ok := a.(string)
			if !ok {
				return nil, errors.New("a role function wants strings")
			}
			names[i] = s
		}
		return l.HasLink(names[0], names[1], names[2:len(args)]...)
	}
}

// rowAdapter hands rows to casbin.
type rowAdapter []authz.Row

var _ persist.Adapter = rowAdapter(nil)

// LoadPolicy implements persist.Adapter.
func (a rowAdapter) LoadPolicy(m model.Model) error {
	for _, row := range a {
		if row.Kind == "" {
			return errors.New("a row has no kind")
		}
		if m[row.Kind[:1]][row.Kind] == nil {
			return fmt.Errorf("row %q is of a kind that the model does not define", row.ID)
		}
		if err := persist.LoadPolicyArray(append([]string{row.Kind}, row.Values...), m); err != nil {
			return err
		}
	}
	return nil
}

var errReadOnly = errors.New("the rows are read only")

// SavePolicy implements persist.Adapter.
func (rowAdapter) SavePolicy(model.Model) error { return errReadOnly }

// AddPolicy implements persist.Adapter.
func (rowAdapter) AddPolicy(string, string, []string) error { return errReadOnly }

// RemovePolicy implements persist.Adapter.
func (rowAdapter) RemovePolicy(string, string, []string) error { return errReadOnly }

// RemoveFilteredPolicy implements persist.Adapter.
func (rowAdapter) RemoveFilteredPolicy(string, string, int, ...string) error { return errReadOnly }

// hashRows is the SHA-256 of the model and the rows in their order, as 32 hex digits.
func hashRows(text string, rows []authz.Row) string {
	h := sha256.New()
	h.Write([]byte(text))
	for _, row := range rows {
		d := row.Digest()
		h.Write(d[:])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// evalFunction is casbin's eval(p.rule) for the request at hand.
func (p *policy) evalFunction(at *parameters) govaluate.ExpressionFunction {
	return func(args ...any) (any, error) {
		if len(args) != 1 {
			return nil, errors.New("eval wants one rule")
		}
		text, ok := args[0].(string)
		if !ok {
			return nil, errors.New("eval wants a string")
		}
		e, err := govaluate.NewEvaluableExpressionWithFunctions(util.EscapeAssertion(text), p.functions)
		if err != nil {
			return nil, fmt.Errorf("eval: %w", err)
		}
		return e.Eval(at)
	}
}

// parameters resolves the names of a matcher for one request and one rule.
type parameters struct {
	def     *definition
	request []any
	rule    []string
}

// Get implements govaluate.Parameters.
func (p *parameters) Get(name string) (any, error) {
	if strings.HasPrefix(name, "r_") {
		if i, ok := p.def.requestTokens[name]; ok {
			return p.request[i], nil
		}
	} else if i, ok := p.def.policyTokens[name]; ok {
		return p.rule[i], nil
	}
	return nil, fmt.Errorf("the model does not define %q", name)
}
