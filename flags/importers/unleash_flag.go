package importers

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
)

var unleashTypes = map[string]flags.Type{
	"": flags.TypeRelease, "release": flags.TypeRelease, "experiment": flags.TypeExperiment,
	"operational": flags.TypeOps, "kill-switch": flags.TypeOps, "permission": flags.TypePermission,
}

// convert makes a flag of a feature.
func (u *unleash) convert(f *feature) {
	flag := flags.Flag{Key: f.Name, Owner: u.opts.Owner, Type: unleashTypes[f.Type]}
	if flag.Type == "" {
		u.lose(f.pointer+"/type", "is not a known type and became release")
		flag.Type = flags.TypeRelease
	}
	if f.Description != nil {
		flag.Description = *f.Description
	}
	if f.Project != "" {
		flag.Tags = []string{f.Project}
	}
	if f.Stale {
		u.lose(f.pointer+"/stale", "is not kept: the kit finds out itself")
	}
	parents := u.parents(f)
	names := u.variants(f, &flag)
	state := flags.State{Enabled: f.Enabled}
	if names == nil {
		state.DefaultVariant, state.OffVariant = "off", "off"
	}
	for _, s := range f.strategies {
		condition := s.when
		if len(parents) > 0 {
			members := slices.Clone(parents)
			if !condition.IsZero() {
				members = append(members, condition)
			}
			condition = all(members)
		}
		state.Rules = append(state.Rules, u.rules(s, condition, names)...)
	}
	u.state(&flag, state)
}

// rules returns the rules of a strategy. names are the variants of the flag by name and
// payload, nil for one that is on or off.
func (u *unleash) rules(s strategy, condition targeting.Condition, names map[string]string) []flags.Rule {
	rule := flags.Rule{Name: s.name, When: when(condition)}
	if names == nil {
		rule.Serve = &flags.Serve{Variant: "on"}
		return []flags.Rule{rule}
	}
	rules, shares, sum := []flags.Rule(nil), targeting.Shares{}, 0.0
	for i, v := range s.variants {
		name := names[identity(v)]
		for j, o := range v.Overrides {
			c := u.fitting(targeting.Condition{Path: u.attribute(o.ContextName), Op: targeting.In, Value: texts(o.Values)}, s.pointer+"/variants")
			if !condition.IsZero() {
				c = targeting.Condition{All: []targeting.Condition{condition, c}}
			}
			rules = append(rules, flags.Rule{Name: s.name + "-override-" + strconv.Itoa(i+1) + "-" + strconv.Itoa(j+1), When: &c, Serve: &flags.Serve{Variant: name}})
		}
		if v.Weight > 0 {
			shares, sum = append(shares, targeting.Share{Variant: name, Weight: v.Weight}), sum+v.Weight
		}
	}
	switch len(shares) {
	case 0:
		rule.Serve = &flags.Serve{Variant: names[""]}
	case 1:
		rule.Serve = &flags.Serve{Variant: shares[0].Variant}
	default:
		stickiness := s.variants[0].Stickiness
		if stickiness == "" {
			stickiness = s.stickiness
		}
		keys := u.keys(stickiness, true)
		u.lose(s.pointer+"/variants", "are dealt at random there to subjects without a key; here the first of "+strings.Join(keys, ", ")+" decides")
		rule.Serve = &flags.Serve{Split: &targeting.Split{By: keys, Weights: shares, Salt: s.group, Scheme: targeting.UnleashVariant}}
	}
	return append(rules, rule)
}

// identity tells variants apart: two of one name may have different payloads.
func identity(v unleashVariant) string {
	if v.Payload == nil {
		return v.Name + "\x00"
	}
	return v.Name + "\x00" + v.Payload.Type + "\x00" + v.Payload.Value
}

// variants gives a flag its variants and returns their names by identity, nil for a flag
// that is on or off. The name of the empty identity is that of being on without one.
func (u *unleash) variants(f *feature, flag *flags.Flag) map[string]string {
	var found []unleashVariant
	plain := false
	for _, s := range f.strategies {
		found = append(found, s.variants...)
		plain = plain || !slices.ContainsFunc(s.variants, func(v unleashVariant) bool { return v.Weight > 0 })
	}
	if len(found) == 0 {
		flag.ValueType, flag.Variants = flags.Bool, map[string]any{"on": true, "off": false}
		return nil
	}
	flag.ValueType = u.payloads(f, found)
	flag.Variants = map[string]any{}
	names := map[string]string{}
	for _, v := range found {
		if names[identity(v)] != "" {
			continue
		}
		name := v.Name
		for n := 2; flag.Variants[name] != nil; n++ {
			name = v.Name + "~" + strconv.Itoa(n)
		}
		if name != v.Name {
			u.lose(f.pointer, "has several variants named "+strconv.Quote(v.Name)+": one is "+strconv.Quote(name)+" here")
		}
		names[identity(v)], flag.Variants[name] = name, valueOf(flag.ValueType, v)
	}
	if plain {
		name := VariantEnabled
		for flag.Variants[name] != nil {
			name += "~"
		}
		names[""] = name
		flag.Variants[name] = map[flags.ValueType]any{flags.String: "", flags.Number: 0.0, flags.JSON: map[string]any{}}[flag.ValueType]
	}
	return names
}

// payloads returns the type that the payloads of all variants have, and texts for those
// that have none in common.
func (u *unleash) payloads(f *feature, variants []unleashVariant) flags.ValueType {
	kinds := map[string]bool{}
	numbers, documents := true, true
	for _, v := range variants {
		if v.Payload == nil {
			kinds[""] = true
			continue
		}
		kinds[v.Payload.Type] = true
		_, err := strconv.ParseFloat(v.Payload.Value, 64)
		numbers = numbers && v.Payload.Type == "number" && err == nil
		var decoded any
		documents = documents && v.Payload.Type == "json" && json.Unmarshal([]byte(v.Payload.Value), &decoded) == nil && decoded != nil
	}
	switch {
	case len(kinds) > 1:
		u.lose(f.pointer+"/variants", "have payloads of the kinds "+strings.Join(slices.Sorted(maps.Keys(kinds)), ", ")+": all are texts here, and the name where there is none")
	case numbers && !kinds[""]:
		return flags.Number
	case documents && !kinds[""]:
		return flags.JSON
	case kinds["number"] || kinds["json"]:
		u.lose(f.pointer+"/variants", "have payloads that are not of their own type: they are texts here")
	}
	return flags.String
}

func valueOf(t flags.ValueType, v unleashVariant) any {
	if v.Payload == nil {
		return v.Name
	}
	var decoded any
	if t == flags.String || json.Unmarshal([]byte(v.Payload.Value), &decoded) != nil {
		return v.Payload.Value
	}
	return decoded
}

// parents returns what the dependencies of a feature ask for.
func (u *unleash) parents(f *feature) []targeting.Condition {
	var conditions []targeting.Condition
	for i, data := range f.Dependencies {
		pointer := at(f.pointer+"/dependencies", i)
		var d unleashDependency
		if !u.read(data, pointer, &d) {
			conditions = append(conditions, never())
			continue
		}
		on := d.Enabled == nil || *d.Enabled
		parent := u.features[d.Feature]
		switch {
		case parent == nil:
			u.lose(pointer, "the feature is not in the document: the rules hold of nobody")
			conditions = append(conditions, never())
			continue
		case len(parent.Dependencies) > 0:
			u.lose(pointer, "the feature depends on another itself, which Unleash does not allow: the rules hold of nobody")
			conditions = append(conditions, never())
			continue
		}
		u.lose(pointer, "follows the rules that "+strconv.Quote(d.Feature)+" had at the import, through an audience: switching that flag does not reach this one")
		if !parent.Enabled {
			if on {
				conditions = append(conditions, never())
			}
			continue
		}
		var c targeting.Condition
		if on && len(d.Variants) > 0 {
			c = u.served(parent, d.Variants, pointer)
		} else {
			c = inverted(u.switchedOn(parent), !on)
		}
		if !c.IsZero() {
			conditions = append(conditions, c)
		}
	}
	return conditions
}

// switchedOn returns the condition that a feature is on, as an audience.
func (u *unleash) switchedOn(f *feature) targeting.Condition {
	var members []targeting.Condition
	for _, s := range f.strategies {
		members = append(members, s.when)
	}
	return u.shared("unleash-feature-"+f.Name, "The feature "+f.Name+" of Unleash is on.", members)
}

// shared returns a reference to an audience of those for whom one of several conditions
// holds.
func (u *unleash) shared(key, description string, members []targeting.Condition) targeting.Condition {
	var c targeting.Condition
	switch {
	case len(members) == 0:
		c = never()
	case !slices.ContainsFunc(members, targeting.Condition.IsZero):
		c = anyOf(members)
	}
	if !u.audiences[key] {
		u.audiences[key] = true
		u.result.Audiences = append(u.result.Audiences, targeting.Audience{Key: key, Description: description, When: &c})
	}
	return targeting.Condition{Audience: key}
}

// served returns the condition that a feature serves one of some variants, by the first
// of its strategies that holds. "disabled" is Unleash's name of being on without one.
func (u *unleash) served(f *feature, names []string, pointer string) targeting.Condition {
	var members, before []targeting.Condition
	for _, s := range f.strategies {
		var fixed []string
		for _, v := range s.variants {
			if v.Weight > 0 {
				fixed = append(fixed, v.Name)
			}
			if len(v.Overrides) > 0 {
				fixed = append(fixed, "", "") // more than one
			}
		}
		if len(fixed) == 0 {
			fixed = []string{"disabled"}
		}
		if len(fixed) > 1 && slices.ContainsFunc(fixed, func(name string) bool { return slices.Contains(names, name) }) {
			u.lose(pointer+"/variants", "asks for a share of the subjects of a strategy, which is not kept: those are left out")
		}
		if len(fixed) == 1 && slices.Contains(names, fixed[0]) {
			c := s.when
			if len(before) > 0 {
				c = all(slices.DeleteFunc([]targeting.Condition{{None: slices.Clone(before)}, s.when}, targeting.Condition.IsZero))
			}
			members = append(members, c)
		}
		if s.when.IsZero() {
			break // nobody comes to what follows
		}
		before = append(before, s.when)
	}
	key := "unleash-feature-" + f.Name + "-" + strings.Join(slices.Sorted(slices.Values(names)), "-")
	return u.shared(key, "The feature "+f.Name+" of Unleash serves "+strings.Join(names, " or ")+".", members)
}
