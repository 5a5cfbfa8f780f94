package flags

import (
	"slices"
	"time"
)

// Defaults are what a flag of a type gets when it is created without saying so.
type Defaults struct {
	// Permanent says that flags of the type stay: they are never stale.
	Permanent bool
	// Lifetime is how long after its creation a temporary flag should be gone, counted
	// from midnight UTC.
	Lifetime time.Duration
	// ValueType and Variants are those of a flag that has no variants, empty where the
	// type has to be told.
	ValueType ValueType
	Variants  map[string]any
	// OffVariant is that of states that name none, of a flag that got its Variants from
	// here.
	OffVariant string
}

// Types returns the types of flags, in the order of the documentation.
func Types() []Type {
	return []Type{TypeRelease, TypeExperiment, TypeOps, TypePermission, TypeConfig}
}

const days = 24 * time.Hour

// DefaultsOf returns the defaults of a type, and false for a type that there is not.
func DefaultsOf(t Type) (Defaults, bool) {
	onOff := Defaults{ValueType: Bool, Variants: map[string]any{"on": true, "off": false}, OffVariant: "off"}
	switch t {
	case TypeRelease:
		onOff.Lifetime = 90 * days
		return onOff, true
	case TypeExperiment:
		return Defaults{
			Lifetime: 60 * days, ValueType: String,
			Variants: map[string]any{"control": "control", "treatment": "treatment"}, OffVariant: "control",
		}, true
	case TypeOps, TypePermission:
		onOff.Permanent = true
		return onOff, true
	case TypeConfig:
		return Defaults{Permanent: true}, true
	}
	return Defaults{}, false
}

// complete returns f with the defaults of its type, as it is created at now.
func (f Flag) complete(now time.Time) Flag {
	d, _ := DefaultsOf(f.Type)
	if f.ExpiresAt == nil && d.Lifetime > 0 {
		at := now.Truncate(days).Add(d.Lifetime)
		f.ExpiresAt = &at
	}
	if len(f.Variants) > 0 || d.ValueType == "" || f.ValueType != "" && f.ValueType != d.ValueType {
		return f
	}
	f.ValueType, f.Variants = d.ValueType, d.Variants
	states := make(map[string]State, len(f.Environments))
	for name, state := range f.Environments {
		if state.OffVariant == "" {
			state.OffVariant = d.OffVariant
		}
		states[name] = state
	}
	f.Environments = states
	return f
}

// A Warning is something about a flag that is allowed and should be looked at.
type Warning struct {
	// Code tells warnings apart for programs.
	Code string `json:"code"`
	// Message is for people.
	Message string `json:"message"`
}

// The codes of warnings.
const (
	WarnNoOwner            = "no_owner"
	WarnNoExpiry           = "temporary_without_expiry"
	WarnExpired            = "expired"
	WarnPermanentExpires   = "permanent_with_expiry"
	WarnExperimentVariants = "experiment_with_one_variant"
	WarnExperimentSplit    = "experiment_without_split"
	WarnPermissionSplit    = "permission_by_chance"
	WarnNoOffVariant       = "no_off_variant"
)

// Warnings returns what should be looked at of a flag, by what its type is for.
func Warnings(f Flag, now time.Time) []Warning {
	var all []Warning
	warn := func(when bool, code, message string) {
		if when {
			all = append(all, Warning{code, message})
		}
	}
	d, _ := DefaultsOf(f.Type)
	warn(f.Owner == "", WarnNoOwner, "nobody answers for the flag")
	warn(!d.Permanent && f.ExpiresAt == nil, WarnNoExpiry, "a temporary flag should say when it is to be gone")
	warn(!d.Permanent && f.ExpiresAt != nil && !f.ExpiresAt.After(now), WarnExpired, "the flag should be gone by now")
	warn(d.Permanent && f.ExpiresAt != nil, WarnPermanentExpires, "flags of this type stay; an expiry says nothing")
	warn(f.Type == TypeExperiment && len(f.Variants) < 2, WarnExperimentVariants, "an experiment compares at least two variants")
	warn(f.Type == TypeExperiment && f.enabled() && !f.splits(), WarnExperimentSplit, "the experiment runs and splits nobody")
	warn(f.Type == TypePermission && f.splits(), WarnPermissionSplit, "a permission is given to those who have it, not to a share of them")
	warn(f.killable(), WarnNoOffVariant, "while the flag is off, readers get defaults of their own")
	return all
}

// enabled reports whether f is on anywhere.
func (f Flag) enabled() bool {
	for _, state := range f.Environments {
		if state.Enabled && state.Killed == nil {
			return true
		}
	}
	return false
}

// splits reports whether f serves shares of its subjects anywhere.
func (f Flag) splits() bool {
	for _, state := range f.Environments {
		if slices.ContainsFunc(state.Rules, splits) {
			return true
		}
	}
	return false
}

// killable reports whether f is on somewhere and has nothing to serve when it is not.
func (f Flag) killable() bool {
	for _, state := range f.Environments {
		if state.Enabled && state.OffVariant == "" {
			return true
		}
	}
	return false
}

// splits reports whether a rule serves a share of those it is about.
func splits(r Rule) bool {
	return r.Serve != nil && r.Serve.Split != nil || r.When != nil && r.When.References().Buckets || r.Strategy != nil && r.Strategy.Name == "percentage_rollout"
}
