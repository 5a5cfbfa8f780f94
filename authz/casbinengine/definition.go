package casbinengine

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/casbin/casbin/v2/constant"
	"github.com/casbin/casbin/v2/model"
	"github.com/casbin/casbin/v2/util"
)

// maxModel bounds the text of a model.
const maxModel = 64 << 10

// A definition is what a model's text says, without any policy.
type definition struct {
	text    string
	matcher string
	effect  string
	// requestTokens and policyTokens map the names in the matcher ("r_sub") to their
	// places.
	requestTokens map[string]int
	policyTokens  map[string]int
	// readsPolicy is false for matchers that mention no column of a rule: they are
	// evaluated once, whatever the policy.
	readsPolicy bool
	hasEval     bool
	// equalities are the top-level conjuncts r.x == p.y by their places: every rule
	// that matches satisfies them.
	equalities []equality
	// roles describes each role definition.
	roles map[string]roleDefinition
	// effectColumn is the place of p.eft, -1 where there is none.
	effectColumn int
}

type equality struct{ request, policy int }

type roleDefinition struct {
	// names counts the columns that link, a domain among them; columns all of them.
	names, columns int
	// plain definitions have no patterns and no conditions.
	plain bool
}

// define reads a model. casbin's parser decides what is a model; what its enforcer
// would only notice at the first decision is an error here.
func define(text string) (d *definition, err error) {
	defer func() {
		if recover() != nil {
			d, err = nil, fmt.Errorf("casbinengine: casbin cannot read the model")
		}
	}()
	if len(text) > maxModel {
		return nil, fmt.Errorf("casbinengine: the model is longer than %d bytes", maxModel)
	}
	m, err := model.NewModelFromString(text)
	if err != nil {
		return nil, fmt.Errorf("casbinengine: read the model: %w", err)
	}
	r, p, e, match := m["r"]["r"], m["p"]["p"], m["e"]["e"], m["m"]["m"]
	if r == nil || p == nil || e == nil || match == nil {
		return nil, fmt.Errorf("casbinengine: the model must define r, p, e and m")
	}
	d = &definition{
		text:          text,
		matcher:       match.Value,
		effect:        e.Value,
		requestTokens: places(r.Tokens),
		policyTokens:  places(p.Tokens),
		readsPolicy:   strings.Contains(match.Value, "p_"),
		hasEval:       util.HasEval(match.Value),
		roles:         map[string]roleDefinition{},
	}
	switch d.effect {
	case constant.AllowOverrideEffect, constant.DenyOverrideEffect, constant.AllowAndDenyEffect,
		constant.PriorityEffect, constant.SubjectPriorityEffect:
	default:
		return nil, fmt.Errorf("casbinengine: the model's policy effect is not one of casbin's")
	}
	if i, ok := d.policyTokens["p_eft"]; ok {
		d.effectColumn = i
	} else {
		d.effectColumn = -1
	}
	for kind, g := range m["g"] {
		if n := len(g.ParamsTokens); n != 0 && n != 2 {
			return nil, fmt.Errorf("casbinengine: role definition %s has %d conditions; a start and an end are what an assignment may have", kind, n)
		}
		d.roles[kind] = roleDefinition{
			names:   len(g.Tokens),
			columns: strings.Count(g.Value, "_"),
			// casbin matches domains by pattern where the matcher says so, and orders
			// rules by the role hierarchy where the effect says so.
			plain: len(g.ParamsTokens) == 0 && (len(g.Tokens) == 2 || len(g.Tokens) == 3) &&
				!strings.Contains(d.matcher, "keyMatch(r_dom, p_dom)") && d.effect != constant.SubjectPriorityEffect,
		}
	}
	d.equalities = d.findEqualities()
	return d, nil
}

func places(tokens []string) map[string]int {
	m := make(map[string]int, len(tokens))
	for i, t := range tokens {
		m[t] = i
	}
	return m
}

var equalityPattern = regexp.MustCompile(`^([rp]_\w+)\s*==\s*([rp]_\w+)$`)

// findEqualities splits the matcher at its top-level && and keeps the conjuncts that
// compare a request's field with a rule's. A top-level || means that no conjunct
// holds for all matches, so there are none.
func (d *definition) findEqualities() []equality {
	conjuncts, ok := splitConjuncts(d.matcher)
	if !ok {
		return nil
	}
	var found []equality
	for _, c := range conjuncts {
		names := equalityPattern.FindStringSubmatch(strings.TrimSpace(c))
		if names == nil {
			continue
		}
		if strings.HasPrefix(names[1], "p_") {
			names[1], names[2] = names[2], names[1]
		}
		r, inRequest := d.requestTokens[names[1]]
		p, inPolicy := d.policyTokens[names[2]]
		if inRequest && inPolicy {
			found = append(found, equality{r, p})
		}
	}
	return found
}

// splitConjuncts splits an expression at the && outside of parentheses and quotes.
// It reports false for anything it is not sure of.
func splitConjuncts(s string) ([]string, bool) {
	var parts []string
	depth, start := 0, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\'', '`':
			end := strings.IndexByte(s[i+1:], c)
			if end < 0 || strings.IndexByte(s[i+1:i+1+end], '\\') >= 0 {
				return nil, false
			}
			i += end + 1
		case '(', '[':
			depth++
		case ')', ']':
			depth--
		case '?', '|', ',':
			if depth == 0 {
				return nil, false
			}
		case '&':
			if depth == 0 && strings.HasPrefix(s[i:], "&&") {
				parts = append(parts, s[start:i])
				i++
				start = i + 1
			}
		}
	}
	return append(parts, s[start:]), depth == 0
}
