package importers_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/importers"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/suitetest"
)

// What no document of the public suites has: the losses that an import tells.
func TestUnleashTellsWhatItCannotKeep(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, feature, pointer, reason string }{
		{"a random share", `{"name":"f","enabled":true,"strategies":[{"name":"gradualRolloutRandom","parameters":{"percentage":"50"}}]}`,
			"/features/0/strategies/0/parameters/percentage", "sticks to the targeting key"},
		{"a share that is no number", `{"name":"f","enabled":true,"strategies":[{"name":"flexibleRollout","parameters":{"rollout":"half"}}]}`,
			"/features/0/strategies/0/parameters/rollout", "holds of nobody"},
		{"a strategy of the host", `{"name":"f","enabled":true,"strategies":[{"name":"fullMoon"}]}`,
			"/features/0/strategies/0/name", `"fullMoon" is not known`},
		{"a strategy that is off", `{"name":"f","enabled":true,"strategies":[{"name":"default","disabled":true}]}`,
			"/features/0/strategies/0/disabled", "left out"},
		{"a type of flag", `{"name":"f","type":"mood"}`, "/features/0/type", "became release"},
		{"staleness", `{"name":"f","stale":true}`, "/features/0/stale", "finds out itself"},
		{"impressions", `{"name":"f","impressionData":true}`, "/features/0/impressionData", "left out"},
		{"a field of a constraint", `{"name":"f","strategies":[{"name":"default","constraints":[{"contextName":"a","operator":"IN","values":["b"],"mood":1}]}]}`,
			"/features/0/strategies/0/constraints/0/mood", "left out"},
		{"a constraint that is none", `{"name":"f","strategies":[{"name":"default","constraints":[7]}]}`,
			"/features/0/strategies/0/constraints/0", "cannot be read"},
		{"a number that is none", `{"name":"f","strategies":[{"name":"default","constraints":[{"contextName":"a","operator":"NUM_LT","value":"x"}]}]}`,
			"/features/0/strategies/0/constraints/0/value", "not a number"},
		{"a variant without a name", `{"name":"f","variants":[{"weight":1}]}`, "/features/0/variants/0", "no name"},
		{"variants of one name", `{"name":"f","variants":[{"name":"a","weight":1,"payload":{"type":"string","value":"1"}},{"name":"a","weight":0,"payload":{"type":"string","value":"2"}}]}`,
			"/features/0", `one is "a~2" here`},
		{"payloads of two kinds", `{"name":"f","variants":[{"name":"a","weight":1,"payload":{"type":"number","value":"1"}},{"name":"b","weight":0}]}`,
			"/features/0/variants", "all are texts here"},
		{"a number that is no payload", `{"name":"f","variants":[{"name":"a","weight":1,"payload":{"type":"number","value":"x"}}]}`,
			"/features/0/variants", "they are texts here"},
		{"a share of a parent", `{"name":"f","dependencies":[{"feature":"p","variants":["a"]}]},{"name":"p","enabled":true,"variants":[{"name":"a","weight":1},{"name":"b","weight":1}]}`,
			"/features/0/dependencies/0/variants", "are left out"},
		{"a feature of the same name", `{"name":"f"},{"name":"f"}`, "/features/1", "name of another feature"},
		{"a feature that is none", `{"name":7}`, "/features/0", "cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			result, err := importers.Unleash([]byte(`{"version":2,"features":[`+c.feature+`]}`), prod)
			if err != nil {
				t.Fatal(err)
			}
			told := false
			for _, loss := range result.Lost {
				told = told || loss.Pointer == c.pointer && strings.Contains(loss.Reason, c.reason)
			}
			if !told {
				t.Errorf("lost %v, want %s at %s", result.Lost, c.reason, c.pointer)
			}
			newService(t, result)
		})
	}
}

func TestADocumentThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, format, document string }{
		{"an unknown format", "launchdarkly", `{}`},
		{"no JSON", importers.FormatUnleash, `{`},
		{"no features", importers.FormatUnleash, `{"segments":[]}`},
		{"a list for an object", importers.FormatOpenFeature, `[]`},
		{"null", importers.FormatOpenFeature, `null`},
		{"too much", importers.FormatOpenFeature, strings.Repeat(" ", importers.MaxBytes+1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if _, err := importers.Read(c.format, []byte(c.document), prod); !errors.Is(err, storage.ErrInvalid) {
				t.Errorf("%v, want ErrInvalid", err)
			}
		})
	}
	if _, err := importers.Unleash([]byte(`{"features":[]}`), importers.Options{}); !errors.Is(err, storage.ErrInvalid) {
		t.Errorf("without an environment: %v, want ErrInvalid", err)
	}
}

func TestOpenFeatureExpressions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, expression string
		attributes       map[string]any
		want             string
	}{
		{"a comparison that holds", `country == 'GB' ? 'a' : ''`, map[string]any{"country": "GB"}, "a"},
		{"a comparison that does not", `country == 'GB' ? 'a' : ''`, map[string]any{"country": "SE"}, "c"},
		{"one over nothing", `country != 'GB' ? 'a' : ''`, nil, "c"},
		{"a negation over nothing", `!(country == 'GB') ? 'a' : ''`, nil, "c"},
		{"a negation", `!(country == 'GB' || age < 18) ? 'a' : ''`, map[string]any{"country": "SE", "age": 18.0}, "a"},
		{"a negation of both", `!(country == 'GB' && age < 18) ? 'a' : ''`, map[string]any{"country": "GB", "age": 18.0}, "a"},
		{"a truth value", `beta ? 'a' : ''`, map[string]any{"beta": true}, "a"},
		{"its negation", `!beta ? 'a' : ''`, map[string]any{"beta": false}, "a"},
		{"both of two", `beta && age >= 18 ? 'a' : ''`, map[string]any{"beta": true, "age": 17.0}, "c"},
		{"and before or", `beta || beta && age > 20 ? 'a' : ''`, map[string]any{"beta": true}, "a"},
		{"one of a list", `country in ['GB', "SE"] ? 'a' : ''`, map[string]any{"country": "SE"}, "a"},
		{"none of a list", `!(country in ['GB']) ? 'a' : ''`, map[string]any{"country": "SE"}, "a"},
		{"a chain", `age < 18 ? 'a' : age < 30 ? 'b' : ''`, map[string]any{"age": 20.0}, "b"},
		{"a chain to its end", `age < 18 ? 'a' : 'b'`, map[string]any{"age": 20.0}, "b"},
		{"the default in between", `age < 18 ? '' : 'b'`, map[string]any{"age": 10.0}, "c"},
		{"a variant for all", `'b'`, nil, "b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			result, err := importers.OpenFeature(testFlag(t, c.expression), prod)
			if err != nil || len(result.Lost) > 0 {
				t.Fatal(result.Lost, err)
			}
			if e := ask(t.Context(), t, newService(t, result), "f", c.attributes); e.Variant != c.want {
				t.Errorf("%s of %v is %s, want %s", c.expression, c.attributes, e.Variant, c.want)
			}
		})
	}
}

func TestExpressionsWithoutACounterpartAreTold(t *testing.T) {
	t.Parallel()
	for _, expression := range []string{
		`email.endsWith('@x') ? 'a' : ''`, `age + 1 > 2 ? 'a' : ''`, `age > ? 'a' : ''`, `'a' 'b'`, `age < 18 ? 'a'`, `age < 18 ? 'd' : ''`,
		`'it\'s' == x ? 'a' : ''`, `x == [1] ? 'a' : ''`, `x in [] ? 'a' : ''`, `1 == x ? 'a' : ''`, `has(x) ? 'a' : ''`, `x == null ? 'a' : ''`,
		`x < true ? 'a' : ''`, `x ? 'a' : ` + strings.Repeat("(", 5000), strings.Repeat("!", 100) + `x ? 'a' : ''`, `"`, `§`, `?`,
	} {
		result, err := importers.OpenFeature(testFlag(t, expression), prod)
		if err != nil || len(result.Lost) != 1 || result.Lost[0].Pointer != "/f/contextEvaluator" {
			t.Errorf("%s: lost %v, %v", expression, result.Lost, err)
			continue
		}
		newService(t, result)
	}
}

func testFlag(t testing.TB, expression string) []byte {
	t.Helper()
	b, err := json.Marshal(map[string]any{"f": map[string]any{
		"variants": map[string]any{"a": 1, "b": 2, "c": 3}, "defaultVariant": "c", "contextEvaluator": expression,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestOpenFeatureTestFlags imports the flags of OpenFeature's suite without a loss.
func TestOpenFeatureTestFlags(t *testing.T) {
	t.Parallel()
	result, err := importers.OpenFeature(suitetest.Read(t, suitetest.Dir(t, "openfeature"), "gherkin", "test-flags.json"), prod)
	if err != nil || len(result.Lost) > 0 || len(result.Flags) != 25 {
		t.Fatalf("%d flags, lost %v, %v; want 25 and nothing lost", len(result.Flags), result.Lost, err)
	}
	newService(t, result)
}

func TestAttributesAreRenamed(t *testing.T) {
	t.Parallel()
	opts := importers.Options{Environments: []string{"prod"}, Attributes: map[string]string{"userId": flags.AttrTargetingKey}}
	result, err := importers.Unleash([]byte(`{"features":[{"name":"f","enabled":true,"strategies":[{"name":"userWithId","parameters":{"userIds":"7, 9"}}]}]}`), opts)
	if err != nil {
		t.Fatal(err)
	}
	service := newService(t, result)
	for key, want := range map[string]string{"7": "on", "8": "off"} {
		if e := ask(t.Context(), t, service, "f", map[string]any{"targetingKey": key}); e.Variant != want {
			t.Errorf("%s gets %s, want %s", key, e.Variant, want)
		}
	}
}

// FuzzRead feeds both formats with anything: no panic, and what was refused is told.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"features":[{"name":"a","strategies":[{"name":"flexibleRollout","parameters":{"rollout":"5"},"constraints":[{"contextName":"x","operator":"IN_CIDR","values":["1"]}]}]}]}`))
	f.Add([]byte(`{"a":{"variants":{"x":1},"defaultVariant":"x","contextEvaluator":"!(a==1&&b<2)?'x':''"}}`))
	f.Add([]byte(`{"state":{"events":[{"type":"feature-updated","feature":{"name":"a"}},{"type":"feature-removed","featureName":"a"}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, format := range []string{importers.FormatUnleash, importers.FormatOpenFeature} {
			if _, err := importers.Read(format, data, prod); err != nil && !errors.Is(err, storage.ErrInvalid) {
				t.Error(err)
			}
		}
	})
}

// BenchmarkUnleash imports the file of the specification with the most constraints.
func BenchmarkUnleash(b *testing.B) {
	document := suitetest.Read(b, filepath.Join(suitetest.Dir(b, "unleash"), "specifications"), "13-constraint-operators.json")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := importers.Unleash(document, prod); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleUnleash() {
	result, err := importers.Unleash([]byte(`{"features":[{"name":"new-checkout","enabled":true,"strategies":[
		{"name":"flexibleRollout","parameters":{"rollout":"25","stickiness":"userId","groupId":"checkout"}},
		{"name":"fullMoon"}]}]}`), importers.Options{Environments: []string{"prod"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, rule := range result.Flags[0].Environments["prod"].Rules {
		b, err := json.Marshal(rule.When)
		fmt.Println(rule.Name, string(b), err)
	}
	for _, loss := range result.Lost {
		fmt.Println(loss.Pointer, loss.Reason)
	}
	// Output:
	// 1-flexibleRollout {"bucket":{"by":["userId"],"salt":"checkout","scheme":"unleash","to":25}} <nil>
	// 2-fullMoon {"bucket":{"salt":"never","to":0}} <nil>
	// /features/0/strategies/1/name the strategy "fullMoon" is not known: the rule holds of nobody
}

func ExampleOpenFeature() {
	result, err := importers.OpenFeature([]byte(`{"greeting":{"variants":{"en":"hi","sv":"hej"},"defaultVariant":"en",
		"contextEvaluator":"country == 'SE' ? 'sv' : ''"}}`), importers.Options{Environments: []string{"prod"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := json.Marshal(result.Flags[0].Environments["prod"])
	fmt.Println(string(b), err)
	// Output: {"enabled":true,"rules":[{"name":"rule-1","when":{"path":"country","op":"eq","value":"SE"},"serve":{"variant":"sv"}}],"default_variant":"en"} <nil>
}
