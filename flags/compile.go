package flags

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/lumelle/adminkit/flags/targeting"
)

// deps are what a definition means something in.
type deps struct {
	// environments are those that exist; nil leaves that open.
	environments []string
	// attributes are what rules may ask for, by environment. One that is not there
	// declares everything.
	attributes map[string]Attributes
	// library holds the audiences of the tenant.
	library *targeting.Library
	// strategies are all that are known, by name.
	strategies map[string]Strategy
	// scoped says that flags belong to tenants, so that a subject has to say who it is.
	scoped bool
	// revision is that of the definition.
	revision int64
}

// compile makes the state of a flag in one environment executable. The error is a
// *storage.InvalidError with pointers into the flag.
//
// A rule whose strategy is not known compiles to one that never holds: a host that no
// longer registers a strategy must not switch anything on. On writing, [check] refuses.
func compile(flag Flag, environment string, d deps) (*compiled, error) {
	flag.Metadata = exact(flag.Metadata)
	c := &compiler{flag: flag, deps: d, bad: &faults{}}
	c.readVariants()
	out := c.environment(environment)
	if err := c.bad.err(); err != nil {
		return nil, err
	}
	return out, nil
}

// exact returns metadata with its integers as int64, which JSON decodes to float64:
// OpenFeature tells the two apart.
func exact(metadata map[string]any) map[string]any {
	if len(metadata) == 0 {
		return nil
	}
	all := make(map[string]any, len(metadata))
	for name, v := range metadata {
		value, err := targeting.Of(v)
		if err != nil {
			continue // checked when it was written
		}
		all[name] = value.Any()
	}
	return all
}

// uses returns the audiences that a flag names in any environment, through strategies
// too, each once and in order. It is for flags that [check] has passed.
func uses(flag Flag, d deps) []string {
	c := &compiler{flag: flag, deps: d, bad: &faults{}}
	var all []string
	for environment, state := range flag.Environments {
		for _, r := range state.Rules {
			when := r.When
			if r.Strategy != nil && d.strategies[r.Strategy.Name] != nil {
				when, _, _ = c.build(environment, *r.Strategy)
			}
			if when != nil {
				all = append(all, when.References().Audiences...)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// A compiled is the state of a flag in one environment, ready to be evaluated. It does
// not change, and every answer that it can give is there before it is asked.
type compiled struct {
	// What every evaluation reads comes first, in one line of the cache.

	// settled answers without a look at the subject: the flag is killed, off or broken.
	settled *answer
	// anonymous answers a subject that does not say who it is; nil where that is no
	// matter.
	anonymous *answer
	rules     []rule
	// guarded says that there is something in requires or in overrides.
	guarded bool
	// broken says that the definition cannot be read, and settled that it is an error.
	broken bool

	key string
	// requires are held against the subject, in order.
	requires []requirement
	// overrides are those for QA and then those for tenants.
	overrides [2]overrides
	// fallback answers where nothing else does.
	fallback answer
	// kill is the kill switch, nil while it is not thrown.
	kill *Kill
	// reads are the audiences that the rules read, through other audiences too.
	reads []string
	// ends are when the QA overrides end.
	ends []time.Time
}

// An answer is an evaluation that is ready to be given, shared by all who get it.
type answer struct {
	Evaluation
	// override is set where it was a QA override that decided.
	override *Override
}

// A requirement is an attribute without which the flag is not evaluated.
type requirement struct {
	name           string
	kind           targeting.Kind
	missing, wrong answer
}

// overrides finds the override of a subject. Of several that fit, the first of the
// definition counts.
type overrides []overrideGroup

// An overrideGroup holds the overrides that go by one attribute.
type overrideGroup struct {
	attribute string
	by        map[string][]override
}

type override struct {
	place  int // in the definition
	until  time.Time
	answer answer
}

// A rule answers those for whom its condition holds.
type rule struct {
	// answers has the one that is fixed, or those of a split, and behind them the one for
	// a subject that has nothing to go by.
	answers []answer
	match   *targeting.Matcher  // nil for everybody
	split   *targeting.Splitter // nil for the fixed answer
	// unknown says that the rule never holds, because there is no such strategy.
	unknown bool
	name    string
	// strategy is the name of one that is not known.
	strategy string
}

// A compiler compiles one flag.
type compiler struct {
	flag Flag
	deps deps
	bad  *faults
	// strict refuses strategies that are not known.
	strict bool
	values map[string]targeting.Value
}

// failure returns the answer of an error.
func (c *compiler) failure(rule string, code ErrorCode, message string) answer {
	return answer{Evaluation: Evaluation{Reason: ReasonError, Rule: rule, Version: c.deps.revision, Metadata: c.flag.Metadata,
		Err: &Error{Code: code, Message: message}}}
}

// answer returns the answer that serves a variant, or nothing where that is empty.
func (c *compiler) answer(variant, rule string, reason Reason) answer {
	return answer{Evaluation: Evaluation{Value: c.values[variant], Variant: variant, Reason: reason, Rule: rule,
		Version: c.deps.revision, Metadata: c.flag.Metadata}}
}

// variant checks the name of a variant at pointer.
func (c *compiler) variant(name, pointer string) {
	if _, ok := c.flag.Variants[name]; !ok {
		c.bad.add(pointer, "is not a variant of the flag")
	}
}

// readVariants turns the variants into values.
func (c *compiler) readVariants() {
	c.values = make(map[string]targeting.Value, len(c.flag.Variants))
	for _, name := range sortedKeys(c.flag.Variants) {
		v, message := valueOf(c.flag.ValueType, c.flag.Variants[name])
		if message != "" {
			c.bad.add(join("/variants", name), message)
		}
		c.values[name] = v
	}
}

// valueOf turns the value of a variant into one of a type, or says what is wrong.
func valueOf(t ValueType, v any) (targeting.Value, string) {
	value, err := targeting.Of(v)
	if err != nil {
		return value, "must be a JSON value"
	}
	kind := value.Kind()
	switch {
	case t == Bool && kind != targeting.KindBool:
		return value, "must be true or false"
	case t == String && kind != targeting.KindString:
		return value, "must be a text"
	case t == Number && kind != targeting.KindNumber:
		return value, "must be a number"
	case kind == targeting.KindNone:
		return value, "must not be null"
	case kind == targeting.KindTime:
		return value, "must be a JSON value: write times as texts"
	case kind == targeting.KindList || kind == targeting.KindObject:
		if message := checkJSON(v, 0, new(int)); message != "" {
			return targeting.Value{}, message
		}
	}
	return value, ""
}

// The limits of the value of a JSON variant.
const (
	maxValueDepth = 32
	maxValueNodes = 10_000
)

// checkJSON says what keeps a value from being JSON within the limits.
func checkJSON(v any, depth int, nodes *int) string {
	if depth > maxValueDepth {
		return "is nested too deep: the limit is " + strconv.Itoa(maxValueDepth)
	}
	if *nodes++; *nodes > maxValueNodes {
		return "has too many values: the limit is " + strconv.Itoa(maxValueNodes)
	}
	switch v := v.(type) {
	case nil, bool, string, json.Number, int, int64:
		return ""
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return "must have finite numbers"
		}
		return ""
	case []any:
		for _, e := range v {
			if message := checkJSON(e, depth+1, nodes); message != "" {
				return message
			}
		}
		return ""
	case map[string]any:
		for _, e := range v {
			if message := checkJSON(e, depth+1, nodes); message != "" {
				return message
			}
		}
		return ""
	}
	return "must be a JSON value"
}

// environment compiles the state of one environment.
func (c *compiler) environment(environment string) *compiled {
	state := c.flag.Environments[environment]
	at := join("/environments", environment)
	attributes := c.deps.attributes[environment].complete()
	opts := targeting.Options{Paths: attributes, Audiences: c.deps.library}
	out := &compiled{key: c.flag.Key, kill: state.Killed}
	if state.OffVariant != "" {
		c.variant(state.OffVariant, at+"/off_variant")
	}
	if !state.Enabled || state.Killed != nil {
		off := c.answer(state.OffVariant, "", ReasonDisabled)
		out.settled = &off
	}
	if c.deps.scoped {
		anonymous := c.failure("", CodeTargetingKeyMissing, "the context has no targeting key")
		out.anonymous = &anonymous
	}
	out.requires = c.requirements(attributes)
	out.overrides = c.overrides(state.Overrides, at+"/overrides", attributes)
	out.guarded = len(out.requires) > 0 || len(state.Overrides) > 0
	if out.settled == nil {
		for _, o := range state.Overrides {
			if o.Until != nil {
				out.ends = append(out.ends, *o.Until)
			}
		}
	}
	names := map[string]bool{}
	for i, r := range state.Rules {
		pointer := at + "/rules/" + strconv.Itoa(i)
		if message := checkName(r.Name); message != "" {
			c.bad.add(pointer+"/name", message)
		} else if names[r.Name] {
			c.bad.add(pointer+"/name", "is the name of another rule")
		}
		names[r.Name] = true
		out.rules = append(out.rules, c.rule(r, pointer, environment, opts, out))
	}
	slices.Sort(out.reads)
	out.reads = slices.Compact(out.reads)
	reason := ReasonDefault
	if state.DefaultVariant != "" {
		c.variant(state.DefaultVariant, at+"/default_variant")
		if len(state.Rules) == 0 && len(state.Overrides) == 0 {
			reason = ReasonStatic
		}
	}
	out.fallback = c.answer(state.DefaultVariant, "", reason)
	return out
}

// requirements compiles what a subject has to have.
func (c *compiler) requirements(attributes Attributes) []requirement {
	var all []requirement
	for i, name := range c.flag.Requires {
		kind, ok := attributes[name]
		if attributes == nil {
			kind, ok = StandardAttributes()[name], true
		}
		if !ok {
			c.bad.add("/requires/"+strconv.Itoa(i), "is not an attribute that may be read here")
		}
		missing := c.failure("", CodeInvalidContext, "the context has no attribute "+strconv.Quote(name))
		if name == AttrTargetingKey {
			missing = c.failure("", CodeTargetingKeyMissing, "the context has no targeting key")
		}
		all = append(all, requirement{name: name, kind: kind, missing: missing,
			wrong: c.failure("", CodeInvalidContext, fmt.Sprintf("the attribute %q must be a %s", name, kind))})
	}
	return all
}

// overrides compiles the overrides of a state.
func (c *compiler) overrides(given []Override, at string, attributes Attributes) [2]overrides {
	var out [2]overrides
	ids := map[string]bool{}
	for i, o := range given {
		pointer := at + "/" + strconv.Itoa(i)
		c.override(o, pointer, attributes)
		if ids[o.ID] {
			c.bad.add(pointer+"/id", "is the id of another override")
		}
		ids[o.ID] = true
		compiled := override{place: i, answer: c.answer(o.Variant, o.ID, ReasonTargetingMatch)}
		class := &out[1]
		if o.Kind == OverrideQA {
			class = &out[0]
			compiled.answer.override = &given[i]
			if o.Until != nil {
				compiled.until = *o.Until
			}
		}
		class.add(o, compiled)
	}
	return out
}

// override checks one override.
func (c *compiler) override(o Override, at string, attributes Attributes) {
	if message := checkName(o.ID); message != "" {
		c.bad.add(at+"/id", message)
	}
	switch {
	case o.Kind != OverrideQA && o.Kind != OverrideTenant:
		c.bad.add(at+"/kind", "must be qa or tenant")
	case o.Kind == OverrideQA && (o.Until == nil || o.Until.IsZero()):
		c.bad.add(at+"/until", "must say when the override ends")
	case o.Kind == OverrideQA && o.Reason == "":
		c.bad.add(at+"/reason", "must say why")
	case o.Kind == OverrideTenant && o.Until != nil:
		c.bad.add(at+"/until", "is for qa overrides")
	}
	switch {
	case o.Attribute == "":
		c.bad.add(at+"/attribute", "must name an attribute")
	case !attributes.Has(o.Attribute):
		c.bad.add(at+"/attribute", "is not an attribute that may be read here")
	}
	if message := checkName(o.Subject); message != "" {
		c.bad.add(at+"/subject", message)
	}
	c.variant(o.Variant, at+"/variant")
}

func (all *overrides) add(o Override, compiled override) {
	i := slices.IndexFunc(*all, func(g overrideGroup) bool { return g.attribute == o.Attribute })
	if i < 0 {
		i = len(*all)
		*all = append(*all, overrideGroup{attribute: o.Attribute, by: map[string][]override{}})
	}
	group := (*all)[i]
	group.by[o.Subject] = append(group.by[o.Subject], compiled)
}

// rule compiles one rule.
func (c *compiler) rule(r Rule, at, environment string, opts targeting.Options, out *compiled) rule {
	compiled := rule{name: r.Name}
	when, serve := r.When, r.Serve
	if r.Strategy != nil {
		if when != nil || serve != nil {
			c.bad.add(at+"/strategy", "stands in place of when and serve")
			return compiled
		}
		at += "/strategy"
		if c.deps.strategies[r.Strategy.Name] == nil {
			if c.strict {
				c.bad.add(at+"/name", "is not a known strategy")
			}
			compiled.unknown, compiled.strategy = true, r.Strategy.Name
			return compiled
		}
		var err error
		if when, serve, err = c.build(environment, *r.Strategy); err != nil {
			c.bad.include(at+"/parameters", err, "cannot be used by the strategy")
			return compiled
		}
	}
	reason := ReasonTargetingMatch
	if when != nil {
		match, err := targeting.Compile(*when, opts)
		c.bad.include(at+"/when", err, "cannot be compiled")
		if err == nil {
			compiled.match = match
			reads := match.References()
			out.reads = append(out.reads, reads.Audiences...)
			if reads.Buckets {
				reason = ReasonSplit // the subject's bucket decided
			}
		}
	}
	c.serve(serve, at+"/serve", reason, opts, &compiled)
	return compiled
}

// build has a strategy make its rule. What panics in it is an error.
func (c *compiler) build(environment string, use StrategyUse) (when *targeting.Condition, serve *Serve, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			when, serve, err = nil, nil, fmt.Errorf("flags: the strategy %q panicked: %v", use.Name, cause)
		}
	}()
	return c.deps.strategies[use.Name].Build(use.Parameters, FlagInfo{
		Key: c.flag.Key, Environment: environment, ValueType: c.flag.ValueType,
		Variants: c.flag.Variants, Attributes: c.deps.attributes[environment].complete(),
	})
}

// serve compiles what a rule gives. The reason is that of a fixed variant.
func (c *compiler) serve(s *Serve, at string, reason Reason, opts targeting.Options, into *rule) {
	switch {
	case s == nil || (s.Variant == "") == (s.Split == nil):
		c.bad.add(at, "must have a variant or a split")
	case s.Split == nil:
		c.variant(s.Variant, at+"/variant")
		into.answers = []answer{c.answer(s.Variant, into.name, reason)}
	default:
		split, err := targeting.CompileSplit(*s.Split, c.flag.Key, opts)
		if err != nil {
			c.bad.include(at+"/split", err, "cannot be compiled")
			return
		}
		into.split = split
		for _, variant := range split.Variants() {
			c.variant(variant, join(at+"/split/weights", variant))
			into.answers = append(into.answers, c.answer(variant, into.name, ReasonSplit))
		}
		into.answers = append(into.answers, c.failure(into.name, CodeTargetingKeyMissing, "the context has nothing that the split could go by: "+fmt.Sprint(split.By())))
	}
}
