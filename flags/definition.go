package flags

import (
	"time"

	"github.com/lumelle/adminkit/flags/targeting"
)

// A Type says what a flag is for. It decides the flag's defaults and what the kit
// warns of.
type Type string

// The types of flags.
const (
	// TypeRelease hides unfinished work and goes away when the work is out.
	TypeRelease Type = "release"
	// TypeExperiment splits subjects to compare variants.
	TypeExperiment Type = "experiment"
	// TypeOps is a switch for operating the system, and stays.
	TypeOps Type = "ops"
	// TypePermission gives a capability to those who have it, and stays.
	TypePermission Type = "permission"
	// TypeConfig is a configuration value.
	TypeConfig Type = "config"
)

// A ValueType is the type that all variants of a flag share.
type ValueType string

// The types of values.
const (
	Bool   ValueType = "bool"
	String ValueType = "string"
	Number ValueType = "number"
	JSON   ValueType = "json"
)

// A Flag is the definition of one flag in all environments: what is stored, versioned,
// approved and shown. Its JSON is that of the HTTP face.
type Flag struct {
	// Key names the flag, unique within its tenant; . and .. are none.
	Key string `json:"key"`
	// Type is what the flag is for.
	Type Type `json:"type"`
	// ValueType is the type of its variants.
	ValueType ValueType `json:"value_type"`
	// Owner is who answers for the flag, a person or a team.
	Owner string `json:"owner,omitempty"`
	// Description is for people.
	Description string `json:"description,omitempty"`
	// Tags group flags in lists.
	Tags []string `json:"tags,omitempty"`
	// Variants are the values that the flag can serve, by name: bool, string, float64,
	// or whatever JSON decodes to.
	Variants map[string]any `json:"variants"`
	// Metadata is told with every evaluation: texts, numbers and truth values by name.
	Metadata map[string]any `json:"metadata,omitempty"`
	// Requires are the attributes without which the flag is not evaluated, beside the
	// targeting key and the tenant.
	Requires []string `json:"requires,omitempty"`
	// Environments holds the state of the flag by environment. An environment that is
	// not named has the zero State: the flag is off there.
	Environments map[string]State `json:"environments,omitempty"`
	// ExpiresAt is when a temporary flag should be gone; nothing happens by itself.
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// A State is what a flag does in one environment. The value of a flag is decided in
// this order: kill switch, QA override, tenant override, rules from the first to the
// last, default. A flag that is not enabled serves its off variant.
type State struct {
	// Enabled switches the flag on.
	Enabled bool `json:"enabled"`
	// Killed is set while the kill switch is thrown.
	Killed *Kill `json:"killed,omitempty"`
	// Rules are asked in order; the first that holds serves.
	Rules []Rule `json:"rules,omitempty"`
	// DefaultVariant is served where no rule holds; without it, the reader's own
	// default is.
	DefaultVariant string `json:"default_variant,omitempty"`
	// OffVariant is served while the flag is off or killed; without it, the reader's
	// own default is.
	OffVariant string `json:"off_variant,omitempty"`
	// Overrides force variants on single subjects.
	Overrides []Override `json:"overrides,omitempty"`
}

// A Kill says who threw the kill switch, and why.
type Kill struct {
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// A Rule serves those for whom it holds. It is either written freely, with When and
// Serve, or names a [Strategy].
type Rule struct {
	// Name tells rules apart in traces and evaluations; unique within the state.
	Name string `json:"name"`
	// When is the condition; nil holds for everybody.
	When *targeting.Condition `json:"when,omitempty"`
	// Serve is what those get.
	Serve *Serve `json:"serve,omitempty"`
	// Strategy stands in place of When and Serve.
	Strategy *StrategyUse `json:"strategy,omitempty"`
}

// A Serve is a fixed variant or a split over several, one of the two.
type Serve struct {
	Variant string `json:"variant,omitempty"`
	// Split deals variants out. Its salt is the key of the flag where it has none.
	Split *targeting.Split `json:"split,omitempty"`
}

// A StrategyUse names a strategy of the host's registry, or one of the kit's own, and
// gives its parameters.
type StrategyUse struct {
	Name       string         `json:"name"`
	Parameters map[string]any `json:"parameters,omitempty"`
}

// The kinds of overrides, in their order of precedence.
const (
	OverrideQA     = "qa"
	OverrideTenant = "tenant"
)

// An Override forces a variant on the subjects that have one value of one attribute.
type Override struct {
	// ID tells overrides apart, unique within the flag.
	ID string `json:"id"`
	// Kind is OverrideQA or OverrideTenant. Only a QA override expires.
	Kind string `json:"kind"`
	// Attribute is the attribute that names the subject, such as "actor", "merchantId"
	// or "targetingKey".
	Attribute string `json:"attribute"`
	// Subject is the value of that attribute.
	Subject string `json:"subject"`
	// Variant is what the subject gets.
	Variant string `json:"variant"`
	// Until is when a QA override ends.
	Until *time.Time `json:"until,omitempty"`
	// Reason is why, required for QA overrides.
	Reason string `json:"reason,omitempty"`
	// By is who set it.
	By string `json:"by,omitempty"`
}
