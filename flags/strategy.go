package flags

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
)

// A Strategy is a rule with a name and parameters, for those who should not write
// conditions. It is asked when a flag is written and when it is read from the store,
// never when it is evaluated: what it builds is compiled like any other rule.
type Strategy interface {
	// Describe says what the strategy is called and what it takes, always the same.
	Describe() StrategyInfo
	// Build returns the rule: a condition, nil for everybody, and what those get for
	// whom it holds. Everybody else goes on to the next rule. It depends on its
	// arguments alone and does not change them. Bad parameters are a
	// *storage.InvalidError that points into the parameters, such as "/percent".
	Build(parameters map[string]any, flag FlagInfo) (*targeting.Condition, *Serve, error)
}

// A StrategyInfo describes a [Strategy] to people and to forms.
type StrategyInfo struct {
	// Name is what rules call it.
	Name string `json:"name"`
	// Description is a sentence for people.
	Description string `json:"description"`
	// Parameters is a JSON Schema of the parameters.
	Parameters json.RawMessage `json:"parameters"`
	// Sample is an example of parameters that fit.
	Sample json.RawMessage `json:"sample"`
}

// A FlagInfo is what a [Strategy] knows of the flag whose rule it builds.
type FlagInfo struct {
	// Key names the flag.
	Key string
	// Environment is the one that the rule is for.
	Environment string
	// ValueType is the type of the variants.
	ValueType ValueType
	// Variants are the values by name. They are shared: only read them.
	Variants map[string]any
	// Attributes are those that rules may ask for in the environment.
	Attributes Attributes
}

// On returns the variant that a strategy serves: the one that the parameters name, and
// where they name none that of a boolean flag whose value is true. The error points at
// the parameter "variant".
func (f FlagInfo) On(named string) (string, error) {
	if named != "" {
		if _, ok := f.Variants[named]; !ok {
			return "", storage.Invalid("/variant", "is not a variant of the flag")
		}
		return named, nil
	}
	on := ""
	for _, name := range sortedKeys(f.Variants) {
		if f.Variants[name] != true {
			continue
		}
		if on != "" {
			return "", storage.Invalid("/variant", "must say which variant is served: several are true")
		}
		on = name
	}
	if on == "" {
		return "", storage.Invalid("/variant", "must say which variant is served: none is true")
	}
	return on, nil
}

// Strategies returns the strategies of the kit, which every flag may use: always_on,
// percentage_rollout and attribute_match.
func Strategies() []Strategy { return []Strategy{alwaysOn{}, percentageRollout{}, attributeMatch{}} }

// strategies returns the strategies of the kit and of a host by name.
func strategies(hosts []Strategy) (map[string]Strategy, error) {
	all := map[string]Strategy{}
	for i, s := range append(Strategies(), hosts...) {
		if s == nil {
			return nil, fmt.Errorf("flags: Strategies[%d] is nil", i-len(all))
		}
		name := s.Describe().Name
		if storage.CheckID("", name) != nil || all[name] != nil {
			return nil, fmt.Errorf("flags: the strategy %q needs a name that no other has", name)
		}
		all[name] = s
	}
	return all, nil
}

// always_on serves everybody.
type alwaysOn struct{}

func (alwaysOn) Describe() StrategyInfo {
	return StrategyInfo{
		Name:        "always_on",
		Description: "Serves the variant to everybody in the environment.",
		Parameters:  json.RawMessage(`{"type":"object","properties":{"variant":{"type":"string"}},"additionalProperties":false}`),
		Sample:      json.RawMessage(`{}`),
	}
}

func (alwaysOn) Build(given map[string]any, flag FlagInfo) (*targeting.Condition, *Serve, error) {
	p := parameters{given: given}
	serve := p.on(flag)
	return nil, serve, p.err()
}

// percentage_rollout serves a share. Its salt is the key of the flag: all rollouts of a
// flag begin with the same subjects, and those of two flags have nothing in common.
type percentageRollout struct{}

func (percentageRollout) Describe() StrategyInfo {
	return StrategyInfo{
		Name: "percentage_rollout",
		Description: "Serves the variant to a share of the merchants, always the same ones: raising the percentage adds some and removes none. " +
			"The others go on to the next rule.",
		Parameters: json.RawMessage(`{"type":"object","properties":{"percent":{"type":"number","minimum":0,"maximum":100},` +
			`"by":{"type":"string","description":"the attribute that is dealt out, merchantId or else the targeting key where it is absent"},` +
			`"variant":{"type":"string"}},"required":["percent"],"additionalProperties":false}`),
		Sample: json.RawMessage(`{"percent":10}`),
	}
}

func (percentageRollout) Build(given map[string]any, flag FlagInfo) (*targeting.Condition, *Serve, error) {
	p := parameters{given: given}
	bucket := &targeting.Bucket{Salt: flag.Key, To: p.percent("percent")}
	if by := p.text("by"); by != "" {
		if !flag.Attributes.Has(by) {
			p.bad.add("/by", "is not an attribute that may be read here")
		}
		bucket.By = []string{by}
	}
	serve := p.on(flag)
	return &targeting.Condition{Bucket: bucket}, serve, p.err()
}

// attribute_match serves those whose attribute is one of a list.
type attributeMatch struct{}

func (attributeMatch) Describe() StrategyInfo {
	return StrategyInfo{
		Name:        "attribute_match",
		Description: "Serves the variant to those whose attribute has one of the values: a list of merchants, stores or plans.",
		Parameters: json.RawMessage(`{"type":"object","properties":{"attribute":{"type":"string"},` +
			`"values":{"type":"array","minItems":1,"maxItems":1000,"items":{"type":["string","number","boolean"]}},` +
			`"variant":{"type":"string"}},"required":["attribute","values"],"additionalProperties":false}`),
		Sample: json.RawMessage(`{"attribute":"merchantId","values":["acme","bloom"]}`),
	}
}

// maxMatches is how many values attribute_match takes.
const maxMatches = 1000

func (attributeMatch) Build(given map[string]any, flag FlagInfo) (*targeting.Condition, *Serve, error) {
	p := parameters{given: given}
	attribute := p.text("attribute")
	if attribute == "" {
		p.bad.add("/attribute", "must name an attribute")
	} else if !flag.Attributes.Has(attribute) {
		p.bad.add("/attribute", "is not an attribute that may be read here")
	}
	list, _ := p.take("values").([]any)
	if len(list) == 0 || len(list) > maxMatches {
		p.bad.add("/values", "must be a list of 1 to 1000 texts, numbers or truth values")
		list = nil
	}
	values := make([]targeting.Value, len(list))
	for i, v := range list {
		value, err := targeting.Of(v)
		if err != nil || value.IsZero() {
			p.bad.add("/values/"+strconv.Itoa(i), "must be a text, a number or a truth value")
			continue
		}
		values[i] = value
	}
	serve := p.on(flag)
	if err := p.err(); err != nil {
		return nil, nil, err
	}
	return &targeting.Condition{Path: attribute, Op: targeting.In, Value: targeting.List(values...)}, serve, nil
}

// parameters reads the parameters of a strategy of the kit, strictly.
type parameters struct {
	given map[string]any
	taken []string
	bad   faults
}

func (p *parameters) take(name string) any {
	p.taken = append(p.taken, name)
	return p.given[name]
}

func (p *parameters) text(name string) string {
	v := p.take(name)
	s, ok := v.(string)
	if v != nil && !ok {
		p.bad.add(join("", name), "must be a text")
	}
	return s
}

func (p *parameters) percent(name string) float64 {
	value, err := targeting.Of(p.take(name))
	f, ok := value.AsFloat()
	if err != nil || !ok || f < 0 || f > 100 {
		p.bad.add(join("", name), "must be a percentage from 0 to 100")
		return 0
	}
	return f
}

// on reads the variant that is served.
func (p *parameters) on(flag FlagInfo) *Serve {
	variant, err := flag.On(p.text("variant"))
	p.bad.include("", err, "")
	return &Serve{Variant: variant}
}

// err reports what is wrong, parameters that nobody asked for included.
func (p *parameters) err() error {
	for _, name := range sortedKeys(p.given) {
		if !slices.Contains(p.taken, name) {
			p.bad.add(join("", name), "is not a parameter of the strategy")
		}
	}
	return p.bad.err()
}
