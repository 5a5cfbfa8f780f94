package flags

import (
	"fmt"
	"strconv"
	"time"

	"github.com/lumelle/adminkit/flags/targeting"
)

// evaluate answers what the flag is for s. With a trace it tells the way; that is all
// that a trace changes. It allocates nothing without one.
func (c *compiled) evaluate(s *Subject, now func() time.Time, t *trace) *answer {
	if t != nil {
		t.begin(c)
	}
	if c.settled != nil {
		if t != nil {
			t.off(c.settled)
		}
		return c.settled
	}
	if c.anonymous != nil && !s.identified() {
		if t != nil {
			t.add(Step{Kind: "context", Name: AttrTargetingKey, Matched: true, Detail: c.anonymous.Err.Message})
		}
		return c.anonymous
	}
	if c.guarded {
		if found := c.guard(s, now, t); found != nil {
			return found
		}
	}
	for i := range c.rules {
		r := &c.rules[i]
		switch {
		case t != nil:
			if found := r.explain(s, t); found != nil {
				return found
			}
			continue
		case r.unknown:
			continue
		}
		if r.match != nil && !r.match.Match(s) {
			continue
		}
		if r.split == nil {
			return &r.answers[0]
		}
		n, ok := r.split.Index(s)
		if !ok {
			n = len(r.answers) - 1
		}
		return &r.answers[n]
	}
	if t != nil {
		t.fallback(&c.fallback)
	}
	return &c.fallback
}

// guard answers a subject that lacks what is required, or for whom there is an override;
// nil for everybody else.
func (c *compiled) guard(s *Subject, now func() time.Time, t *trace) *answer {
	for i := range c.requires {
		if bad := c.requires[i].check(s); bad != nil {
			if t != nil {
				t.add(Step{Kind: "context", Name: c.requires[i].name, Matched: true, Detail: bad.Err.Message})
			}
			return bad
		}
	}
	for i := range c.overrides {
		if found := c.overrides[i].find(s, now); found != nil {
			if t != nil {
				t.add(Step{Kind: "override", Name: found.Rule, Matched: true, Detail: "the subject is the one it names"})
			}
			return found
		}
	}
	if t != nil && len(c.overrides[0])+len(c.overrides[1]) > 0 {
		t.add(Step{Kind: "override", Detail: "none is for the subject"})
	}
	return nil
}

// check holds a subject against the requirement, nil when it passes.
func (r *requirement) check(s *Subject) *answer {
	v, ok := s.Attribute(r.name)
	switch {
	case !ok || v.IsZero():
		return &r.missing
	case r.kind != targeting.KindNone && v.Kind() != r.kind && v.Kind() != targeting.KindList:
		return &r.wrong
	}
	return nil
}

// find returns the answer of the first override of the definition that is for s and has
// not ended.
func (all overrides) find(s *Subject, now func() time.Time) *answer {
	var found *override
	for i := range all {
		v, ok := s.Attribute(all[i].attribute)
		if !ok {
			continue
		}
		text, ok := v.AsString()
		if !ok {
			continue
		}
		fitting := all[i].by[text]
		for j := range fitting {
			o := &fitting[j]
			if (found == nil || o.place < found.place) && (o.until.IsZero() || now().Before(o.until)) {
				found = o
			}
		}
	}
	if found == nil {
		return nil
	}
	return &found.answer
}

// explain does what evaluate does with a rule, and tells it. It returns nil where the
// rule does not hold.
func (r *rule) explain(s *Subject, t *trace) *answer {
	switch {
	case r.unknown:
		t.add(Step{Kind: "rule", Name: r.name, Detail: "the strategy " + strconv.Quote(r.strategy) + " is not known, so the rule does not hold"})
		return nil
	case r.match == nil:
		t.add(Step{Kind: "rule", Name: r.name, Matched: true, Detail: "holds for everybody"})
	case !t.match(r, s):
		return nil
	}
	if r.split == nil {
		return &r.answers[0]
	}
	pick, ok := r.split.Pick(s)
	if !ok {
		pick.Index = len(r.answers) - 1
	}
	found := &r.answers[pick.Index]
	t.split(r, pick, found)
	return found
}

// A trace takes down the steps of an evaluation.
type trace struct{ steps []Step }

func (t *trace) add(s Step) { t.steps = append(t.steps, s) }

func (t *trace) begin(c *compiled) {
	kill := Step{Kind: "kill", Matched: c.kill != nil, Detail: "the kill switch is not thrown"}
	if kill.Matched {
		kill.Detail = fmt.Sprintf("%s threw the kill switch: %s", c.kill.By, c.kill.Reason)
	}
	t.add(kill)
	if kill.Matched {
		return
	}
	switch {
	case c.settled == nil:
		t.add(Step{Kind: "enabled", Detail: "the flag is on"})
	case c.settled.Err != nil:
		t.add(Step{Kind: "enabled", Matched: true, Detail: c.settled.Err.Message})
	default:
		t.add(Step{Kind: "enabled", Matched: true, Detail: "the flag is off"})
	}
}

func (t *trace) off(a *answer) {
	if a.Err == nil {
		t.add(Step{Kind: "off", Name: a.Variant, Matched: true, Detail: served(a, "the off variant")})
	}
}

func (t *trace) fallback(a *answer) {
	t.add(Step{Kind: "default", Name: a.Variant, Matched: true, Detail: served(a, "the default variant")})
}

// served says what serves where the state names a variant and where it does not.
func served(a *answer, what string) string {
	if a.Variant == "" {
		return "no variant is configured: the reader's own default serves"
	}
	return what + " serves"
}

// match asks the condition of a rule and tells what settled it, without what the
// subject answered: a trace may be shown to people who must not see that.
func (t *trace) match(r *rule, s *Subject) bool {
	asked := r.match.Explain(s)
	step := Step{Kind: "rule", Name: r.name, Matched: asked.Holds}
	if settled, ok := asked.Settled(); ok {
		settled.Got = targeting.Value{}
		step.Detail = settled.String()
	}
	t.add(step)
	return asked.Holds
}

func (t *trace) split(r *rule, pick targeting.Pick, found *answer) {
	step := Step{Kind: "split", Name: r.name, Matched: true}
	if found.Err != nil {
		step.Detail = found.Err.Message
	} else {
		step.Detail = fmt.Sprintf("%s has slot %d of %d, and %s those from %d to %d", pick.By, pick.Slot, pick.Slots, found.Variant, pick.From, pick.To-1)
	}
	t.add(step)
}

// explain answers as evaluate does, with the steps.
func (c *compiled) explain(s *Subject, now func() time.Time) Explanation {
	t := &trace{steps: []Step{}}
	found := c.evaluate(s, now, t)
	return Explanation{Evaluation: found.Evaluation, Steps: t.steps}
}
