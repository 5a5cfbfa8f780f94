package ruletest

import (
	"strings"
	"testing"
)

// found returns a mutant of a rule that the rules of ids find.
func found(rule string, ids ...string) Mutant {
	return Mutant{Rule: rule, Name: "is wrong", Check: func(t testing.TB, id string) {
		if strings.Contains(strings.Join(ids, " "), id) {
			t.Errorf("%s finds it", id)
		}
	}}
}

func TestProveTellsWhatIsMissing(t *testing.T) {
	t.Parallel()
	rules := []Rule{{ID: "CO-001"}, {ID: "CO-002"}, {ID: "CO-003"}, {ID: "CO-004"}}
	all := []Mutant{found("CO-001"), found("CO-002"), found("CO-003"), found("CO-004")}
	for name, c := range map[string]struct {
		rules    []Rule
		mutants  []Mutant
		unbroken map[string]string
		want     string
	}{
		"each rule has a mutant":                  {rules, all, nil, ""},
		"a rule has none, with a reason":          {rules, all[:3], map[string]string{"CO-004": "nothing breaks it"}, ""},
		"a rule has none, without a reason":       {rules, all[:3], nil, "CO-004"},
		"a rule has a mutant and a reason":        {rules, all, map[string]string{"CO-004": "nothing breaks it"}, "CO-004"},
		"two rules share an id":                   {append(rules, Rule{ID: "CO-002"}), all, nil, "two rules CO-002"},
		"a reason is given for a rule of nowhere": {rules, all, map[string]string{"CO-009": "it is gone"}, "no rule CO-009"},
	} {
		got := strings.Join(missing(c.rules, c.mutants, c.unbroken), "; ")
		if !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestAMutantIsFoundByItsRuleAndNotByMost(t *testing.T) {
	t.Parallel()
	rules := []Rule{{ID: "CO-001"}, {ID: "CO-002"}, {ID: "CO-003"}, {ID: "CO-004"}}
	for name, c := range map[string]struct {
		mutant Mutant
		want   string
	}{
		"by its rule":                 {found("CO-001", "CO-001"), ""},
		"by its rule and another one": {found("CO-001", "CO-001", "CO-002"), ""},
		"by another rule":             {found("CO-001", "CO-002"), "does not find"},
		"by most rules":               {found("CO-001", "CO-001", "CO-002", "CO-003"), "broken altogether"},
		"by a rule of nowhere":        {found("CO-009", "CO-009"), "no such rule"},
	} {
		got := c.mutant.prove(t.Context(), rules)
		if !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("found %s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestAMutantIsLookedForAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		foundAt, want int
	}{
		"found at once":         {1, 1},
		"found the third time":  {3, 3},
		"found the last time":   {mutantTries, mutantTries},
		"found a time too late": {mutantTries + 1, mutantTries},
	} {
		tries := 0
		failures := Find(t.Context(), func(t testing.TB) {
			if tries++; tries == c.foundAt {
				t.Error("here it is")
			}
		})
		if found := len(failures) > 0; tries != c.want || found != (c.foundAt <= mutantTries) {
			t.Errorf("%s: got %d tries, %q; want %d", name, tries, failures, c.want)
		}
	}
}
