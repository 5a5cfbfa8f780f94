package casbinengine

import (
	"errors"
	"fmt"
	"maps"

	"github.com/casbin/casbin/v2/effector"
	"github.com/casbin/govaluate"

	"github.com/lumelle/adminkit/audit"
)

// A result is what a policy says of one request.
type result struct {
	allowed bool
	// decisive are the rules behind the answer, in order.
	decisive []*rule
	// required are the matching rules that ask for something.
	required []*rule
}

var (
	errEvaluate = errors.New("casbinengine: the policy could not be evaluated")
	errNeither  = fmt.Errorf("%w: the matcher is neither true nor false", errEvaluate)
	effects     = effector.NewDefaultEffector()
)

// enforce decides as casbin's Enforcer does: rule after rule until the effect is
// certain. Beyond that it goes on to the rules that ask for something, whose effect
// casbin takes for indeterminate.
//
// A panic below, which a bad pattern can cause, is an error without its stack.
func (p *policy) enforce(request ...any) (res result, err error) {
	defer func() {
		if recover() != nil {
			res, err = result{}, errEvaluate
		}
	}()
	if len(request) != len(p.def.requestTokens) {
		return res, fmt.Errorf("%w: the request has %d values, not %d", errEvaluate, len(request), len(p.def.requestTokens))
	}
	at := &parameters{def: p.def, request: request}
	expression, err := p.matcher(at)
	if err != nil {
		return res, err
	}
	if len(p.rules) == 0 || !p.def.readsPolicy {
		return p.enforceOnce(expression, at)
	}
	candidates := p.candidates(request)
	if len(candidates) == 0 {
		// No rule can match. What that means is for the model's effect to say.
		return p.alone(effector.Indeterminate, 0)
	}
	return p.scan(expression, at, candidates)
}

func (p *policy) scan(expression *govaluate.EvaluableExpression, at *parameters, candidates []int) (result, error) {
	var found result
	merged := effector.Indeterminate
	kinds, matches := make([]effector.Effect, len(candidates)), make([]float64, len(candidates))
	for i, place := range candidates {
		r := &p.rules[place]
		if merged == effector.Deny {
			break
		}
		if merged != effector.Indeterminate && r.requirement == audit.Deny {
			continue
		}
		at.rule = r.values
		ok, err := p.matches(expression, at)
		if err != nil {
			return result{}, err
		}
		if ok && r.requirement != audit.Deny {
			found.required = append(found.required, r)
		}
		if merged != effector.Indeterminate {
			continue
		}
		kinds[i] = r.effect
		if ok {
			matches[i] = 1
		}
		var explained int
		merged, explained, err = effects.MergeEffects(p.def.effect, kinds, matches, i, len(candidates))
		if err != nil {
			return result{}, fmt.Errorf("%w: %w", errEvaluate, err)
		}
		if merged != effector.Indeterminate {
			found.decisive = p.decisive(candidates, kinds, matches, explained)
		}
	}
	found.allowed = merged == effector.Allow
	if !found.allowed {
		found.required = nil
	}
	return found, nil
}

// decisive returns the rule that casbin names, and the others of its effect that
// matched: a subject may have the right twice.
func (p *policy) decisive(candidates []int, kinds []effector.Effect, matches []float64, explained int) []*rule {
	if explained < 0 {
		return nil
	}
	var found []*rule
	for i, place := range candidates {
		if matches[i] != 0 && kinds[i] == kinds[explained] {
			found = append(found, &p.rules[place])
		}
	}
	return found
}

// enforceOnce is casbin's way with policies without rules, and with matchers that
// read none: the matcher is evaluated once, with empty columns.
func (p *policy) enforceOnce(expression *govaluate.EvaluableExpression, at *parameters) (result, error) {
	if p.def.hasEval && len(p.rules) == 0 {
		return result{}, fmt.Errorf("%w: eval needs a rule", errEvaluate)
	}
	at.rule = make([]string, len(p.def.policyTokens))
	v, err := expression.Eval(at)
	if err != nil {
		return result{}, fmt.Errorf("%w: %w", errEvaluate, err)
	}
	switch v {
	case true:
		return p.alone(effector.Allow, 1)
	case false:
		return p.alone(effector.Indeterminate, 1)
	}
	return result{}, errNeither
}

// alone is the answer of a policy whose one rule has the given effect.
func (p *policy) alone(kind effector.Effect, match float64) (result, error) {
	merged, _, err := effects.MergeEffects(p.def.effect, []effector.Effect{kind}, []float64{match}, 0, 1)
	if err != nil {
		return result{}, fmt.Errorf("%w: %w", errEvaluate, err)
	}
	return result{allowed: merged == effector.Allow}, nil
}

// matcher returns the compiled matcher. One with eval reads the request through a
// function, and is therefore compiled for each request.
func (p *policy) matcher(at *parameters) (*govaluate.EvaluableExpression, error) {
	if !p.def.hasEval {
		return p.expression, nil
	}
	functions := maps.Clone(p.functions)
	functions["eval"] = p.evalFunction(at)
	e, err := govaluate.NewEvaluableExpressionWithFunctions(p.def.matcher, functions)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errEvaluate, err)
	}
	return e, nil
}

func (p *policy) matches(expression *govaluate.EvaluableExpression, at *parameters) (bool, error) {
	v, err := expression.Eval(at)
	if err != nil {
		return false, fmt.Errorf("%w: %w", errEvaluate, err)
	}
	switch v := v.(type) {
	case bool:
		return v, nil
	case float64:
		return v != 0, nil
	}
	return false, errNeither
}
