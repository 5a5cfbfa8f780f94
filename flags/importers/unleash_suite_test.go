package importers_test

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/importers"
	"github.com/lumelle/adminkit/storage/storagetest/suitetest"
)

// An unleashContext is that of a case of the client specification.
type unleashContext map[string]any

// attributes returns the attributes of the context: the properties beside the rest.
func (c unleashContext) attributes() map[string]any {
	all := maps.Clone(map[string]any(c))
	if all == nil {
		all = map[string]any{}
	}
	properties, _ := all["properties"].(map[string]any)
	delete(all, "properties")
	maps.Copy(all, properties)
	return all
}

type unleashResult struct {
	Name    string `json:"name"`
	Payload *struct {
		Type  string `json:"type"`
		Value string `json:"value"`
	} `json:"payload"`
	Enabled        bool `json:"enabled"`
	FeatureEnabled bool `json:"feature_enabled"`
}

// TestUnleashClientSpecification imports each file of the specification and asks what it
// asks.
func TestUnleashClientSpecification(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(suitetest.Dir(t, "unleash"), "specifications")
	var index []string
	if err := json.Unmarshal(suitetest.Read(t, dir, "index.json"), &index); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, file := range index {
		document := suitetest.Read(t, dir, file)
		var spec struct {
			Tests []struct {
				Description, ToggleName string
				Context                 unleashContext
				ExpectedResult          bool
			}
			VariantTests []struct {
				Description, ToggleName string
				Context                 unleashContext
				ExpectedResult          unleashResult
			}
		}
		if err := json.Unmarshal(document, &spec); err != nil {
			t.Fatal(err)
		}
		result, err := importers.Unleash(document, prod)
		if err != nil {
			t.Fatal(file, err)
		}
		service := newService(t, result)
		check := func(id string, got, want any) {
			if ran++; got != want {
				t.Errorf("%s: got %v, want %v", id, got, want)
			}
		}
		for i, c := range spec.Tests {
			e := ask(t.Context(), t, service, c.ToggleName, c.Context.attributes())
			check(strings.Join([]string{file, "test " + strconv.Itoa(i), c.Description}, " | "), on(e), c.ExpectedResult)
		}
		for i, c := range spec.VariantTests {
			e := ask(t.Context(), t, service, c.ToggleName, c.Context.attributes())
			check(strings.Join([]string{file, "variant " + strconv.Itoa(i), c.Description}, " | "), describe(e), describeWanted(c.ExpectedResult))
		}
	}
	if ran != 279 {
		t.Errorf("ran %d cases, want 279", ran)
	}
	t.Logf("%d cases", ran)
}

// on reports whether a feature of Unleash is on.
func on(e flags.Evaluation) bool { return e.Variant != "" && e.Variant != "off" }

// describe returns an evaluation in the words of Unleash.
func describe(e flags.Evaluation) string {
	if value, ok := e.Value.AsBool(); ok || !on(e) || e.Variant == importers.VariantEnabled {
		return "disabled, feature " + strconv.FormatBool(on(e) && (value || !ok))
	}
	value, ok := e.Value.AsString()
	if !ok {
		value = e.Value.String()
	}
	return e.Variant + " = " + value + ", feature true"
}

func describeWanted(r unleashResult) string {
	if !r.Enabled {
		return "disabled, feature " + strconv.FormatBool(r.FeatureEnabled)
	}
	return r.Name + " = " + r.Payload.Value + ", feature " + strconv.FormatBool(r.FeatureEnabled)
}
