package flags

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
)

// The limits of a definition. What is beyond one is refused with the place where it is.
const (
	// MaxDescription is the longest description, reason or text of a variant's metadata,
	// in bytes.
	MaxDescription = 4096
	// MaxTags is how many tags a flag may have, MaxTag how long one may be in bytes.
	MaxTags = 32
	MaxTag  = 64
	// MaxVariants is how many variants a flag may have.
	MaxVariants = targeting.MaxVariants
	// MaxVariantsBytes is how long all variants of a flag may be together as JSON.
	MaxVariantsBytes = 256 << 10
	// MaxMetadata is how many entries the metadata of a flag may have.
	MaxMetadata = 32
	// MaxRequires is how many attributes a flag may require.
	MaxRequires = 16
	// MaxEnvironments is how many environments a flag may name.
	MaxEnvironments = 16
	// MaxRules is how many rules the state of an environment may have.
	MaxRules = 100
	// MaxOverrides is how many overrides the state of an environment may have.
	MaxOverrides = 1000
	// MaxNodes is how many nodes and values the conditions of a flag may have together,
	// and MaxPatternBytes how long its regular expressions may be.
	MaxNodes        = 10_000
	MaxPatternBytes = 8192
	// MaxParameters is how long the parameters of a strategy may be as JSON, in bytes.
	MaxParameters = 64 << 10
)

// check reports what is wrong with a definition, as a *storage.InvalidError with
// pointers into the flag. It compiles every environment, so what passes is evaluated as
// it stands.
func check(flag Flag, d deps) error {
	c := &compiler{flag: flag, deps: d, bad: &faults{}, strict: true}
	c.checkCounts()
	c.checkHead()
	if !c.bad.any() {
		c.checkSizes()
	}
	if c.bad.any() {
		return c.bad.err() // sizes first: nothing large is compiled
	}
	c.readVariants()
	for _, environment := range sortedKeys(flag.Environments) {
		if d.environments != nil && !slices.Contains(d.environments, environment) {
			c.bad.add(join("/environments", environment), "is not an environment")
			continue
		}
		c.environment(environment)
	}
	return c.bad.err()
}

// checkHead checks what a flag is beside its environments.
func (c *compiler) checkHead() {
	f := &c.flag
	if message := checkKey(f.Key); message != "" {
		c.bad.add("/key", message)
	}
	if !slices.Contains([]Type{TypeRelease, TypeExperiment, TypeOps, TypePermission, TypeConfig}, f.Type) {
		c.bad.add("/type", "must be release, experiment, ops, permission or config")
	}
	if !slices.Contains([]ValueType{Bool, String, Number, JSON}, f.ValueType) {
		c.bad.add("/value_type", "must be bool, string, number or json")
	}
	c.text("/owner", f.Owner, storage.MaxID)
	c.text("/description", f.Description, MaxDescription)
	if len(f.Tags) > MaxTags {
		c.tooMany("/tags", MaxTags)
	} else {
		for i, tag := range f.Tags {
			at := "/tags/" + strconv.Itoa(i)
			if message := checkName(tag); message != "" {
				c.bad.add(at, message)
			}
			c.text(at, tag, MaxTag)
		}
	}
	c.checkVariants()
	c.checkMetadata()
	if len(f.Requires) > MaxRequires {
		c.tooMany("/requires", MaxRequires)
		return
	}
	for i, name := range f.Requires {
		at := "/requires/" + strconv.Itoa(i)
		if message := checkName(name); message != "" {
			c.bad.add(at, message)
		} else if slices.Contains(f.Requires[:i], name) {
			c.bad.add(at, "stands there already")
		}
	}
}

func (c *compiler) checkVariants() {
	variants := c.flag.Variants
	if len(variants) > MaxVariants {
		return
	}
	for _, name := range sortedKeys(variants) {
		if message := checkName(name); message != "" {
			c.bad.add(join("/variants", name), message)
		} else if _, message := valueOf(c.flag.ValueType, variants[name]); message != "" {
			c.bad.add(join("/variants", name), message)
		}
	}
	if !c.bad.any() {
		if length, ok := lengthOf(variants); !ok || length > MaxVariantsBytes {
			c.bad.add("/variants", "must be JSON of at most "+strconv.Itoa(MaxVariantsBytes)+" bytes together")
		}
	}
}

func (c *compiler) checkMetadata() {
	if len(c.flag.Metadata) > MaxMetadata {
		c.tooMany("/metadata", MaxMetadata)
		return
	}
	for _, name := range sortedKeys(c.flag.Metadata) {
		at := join("/metadata", name)
		if message := checkName(name); message != "" {
			c.bad.add(at, message)
		}
		v, err := targeting.Of(c.flag.Metadata[name])
		if err != nil {
			v = targeting.Value{}
		}
		switch v.Kind() {
		case targeting.KindBool, targeting.KindNumber:
		case targeting.KindString:
			text, _ := v.AsString()
			c.text(at, text, MaxDescription)
		default:
			c.bad.add(at, "must be a text, a number or a truth value")
		}
	}
}

// checkCounts refuses what has too many parts to be looked at one by one, or copied.
func (c *compiler) checkCounts() {
	if n := len(c.flag.Variants); n == 0 || n > MaxVariants {
		c.bad.add("/variants", "must be 1 to "+strconv.Itoa(MaxVariants))
	}
	if len(c.flag.Environments) > MaxEnvironments {
		c.tooMany("/environments", MaxEnvironments)
		return
	}
	for _, environment := range sortedKeys(c.flag.Environments) {
		at, state := join("/environments", environment), c.flag.Environments[environment]
		if len(state.Rules) > MaxRules {
			c.tooMany(at+"/rules", MaxRules)
		}
		if len(state.Overrides) > MaxOverrides {
			c.tooMany(at+"/overrides", MaxOverrides)
		}
	}
}

// checkSizes bounds what compiling costs.
func (c *compiler) checkSizes() {
	w := weight{}
	for _, environment := range sortedKeys(c.flag.Environments) {
		at := join("/environments", environment)
		if message := checkName(environment); message != "" {
			c.bad.add(at, message)
		}
		state := c.flag.Environments[environment]
		for i, o := range state.Overrides {
			c.text(at+"/overrides/"+strconv.Itoa(i)+"/reason", o.Reason, MaxDescription)
		}
		for i, r := range state.Rules {
			pointer := at + "/rules/" + strconv.Itoa(i)
			if r.Strategy != nil {
				if length, ok := lengthOf(r.Strategy.Parameters); !ok || length > MaxParameters {
					c.bad.add(pointer+"/strategy/parameters", "must be JSON of at most "+strconv.Itoa(MaxParameters)+" bytes")
				}
			}
			if r.When != nil && !w.add(*r.When, 1) {
				c.bad.add(pointer+"/when", "makes the conditions of the flag too large: the limits are "+
					strconv.Itoa(MaxNodes)+" nodes and values, and regular expressions of "+strconv.Itoa(MaxPatternBytes)+" bytes")
				return
			}
		}
	}
}

// lengthOf returns how long v is as JSON, false where it cannot be JSON.
func lengthOf(v map[string]any) (int, bool) {
	if checkJSON(v, 0, new(int)) != "" {
		return 0, false
	}
	b, err := json.Marshal(v)
	return len(b), err == nil
}

// weight counts what the conditions of a flag have.
type weight struct{ nodes, patterns int }

// add counts a condition and reports whether all together are within the limits.
func (w *weight) add(c targeting.Condition, depth int) bool {
	w.nodes++
	if depth > targeting.MaxDepth {
		return true // compiling will say where
	}
	if text, ok := c.Value.AsString(); ok && c.Op == targeting.Matches {
		w.patterns += len(text)
	}
	if list, ok := c.Value.Any().([]any); ok {
		w.nodes += len(list)
	}
	for _, group := range [...][]targeting.Condition{c.All, c.Any, c.None} {
		for _, member := range group {
			if w.nodes > MaxNodes || !w.add(member, depth+1) {
				return false
			}
		}
	}
	return w.nodes <= MaxNodes && w.patterns <= MaxPatternBytes
}

func (c *compiler) text(pointer, s string, limit int) {
	c.bad.include(pointer, storage.CheckText("", s, limit), "")
}

func (c *compiler) tooMany(pointer string, limit int) {
	c.bad.add(pointer, "are more than "+strconv.Itoa(limit))
}

// checkKey says what makes s unfit as the key of a new flag or audience. Keys stand in
// paths of URLs, where a segment of one or two dots is resolved away, also escaped:
// nobody could read or kill such a flag over HTTP.
func checkKey(s string) string {
	if s == "." || s == ".." {
		return "must not be . or .., which no URL can hold"
	}
	return checkName(s)
}

// checkName says what makes s unfit as a name: of a flag, a variant, a rule.
func checkName(s string) string {
	switch {
	case storage.CheckID("", s) != nil:
		return "must be 1 to " + strconv.Itoa(storage.MaxID) + " bytes of UTF-8"
	case strings.TrimSpace(s) != s:
		return "must not begin or end with a space"
	case strings.ContainsFunc(s, unicode.IsControl):
		return "must not have control characters"
	}
	return ""
}
