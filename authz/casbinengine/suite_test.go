package casbinengine_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"
	fileadapter "github.com/casbin/casbin/v2/persist/file-adapter"
	"github.com/casbin/casbin/v2/util"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/authz/casbinengine"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/storage/storagetest/suitetest"
)

// A state is a model with the rows of a policy, and what was asked of it.
type state struct {
	name  string
	model string
	rows  []authz.Row
	// load fills a stock enforcer with the same policy.
	load func(t *testing.T, m model.Model) *casbin.Enforcer
	asks []ask
}

type ask struct {
	name    string
	request []string
	want    bool
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tableStates reads the table of decisions over casbin's example files.
func tableStates(t *testing.T, dir string) []*state {
	t.Helper()
	var table []struct {
		File, Test, Model, Policy string
		Request                   []string
		Expected                  bool
	}
	if err := json.Unmarshal(readFile(t, filepath.Join(dir, "enforce_table_clean.json")), &table); err != nil {
		t.Fatal(err)
	}
	known := map[string]*state{}
	var states []*state
	for i, row := range table {
		key := row.Model + " " + row.Policy
		s := known[key]
		if s == nil {
			policy := filepath.Join(dir, row.Policy)
			s = &state{name: key, model: string(readFile(t, filepath.Join(dir, row.Model)))}
			m, err := model.NewModelFromString(s.model)
			if err != nil {
				t.Fatal(err)
			}
			if err := fileadapter.NewAdapter(policy).LoadPolicy(m); err != nil {
				t.Fatal(err)
			}
			for _, section := range []string{"p", "g"} {
				for kind, ast := range m[section] {
					s.add(kind, ast.Policy)
				}
			}
			s.load = func(t *testing.T, m model.Model) *casbin.Enforcer { return stock(t, m, fileadapter.NewAdapter(policy)) }
			known[key] = s
			states = append(states, s)
		}
		s.asks = append(s.asks, ask{fmt.Sprintf("%s/%d", row.Test, i), row.Request, row.Expected})
	}
	return states
}

// traceStates reads the decisions that were recorded under casbin's own tests.
func traceStates(t *testing.T, dir string) []*state {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "trace", "decisions.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	known := map[string]*state{}
	var states []*state
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		var line struct {
			State   string
			Request []string
			Allow   bool
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		s := known[line.State]
		if s == nil {
			s = readState(t, dir, line.State)
			known[line.State] = s
			states = append(states, s)
		}
		s.asks = append(s.asks, ask{fmt.Sprintf("%s/%d", line.State, n), line.Request, line.Allow})
	}
	return states
}

// rewritten are the states whose decisions (four of them) hang on conditions that
// upstream's test sets in Go: two links never hold there, while the recorded rows
// say that they always do. We say the same by an end in the past.
var rewritten = map[string]bool{"ab15445e035469a7": true, "da5b546942ffb3c0": true}

func readState(t *testing.T, dir, id string) *state {
	t.Helper()
	var stored struct {
		Model string
		P, G  map[string][][]string
	}
	if err := json.Unmarshal(readFile(t, filepath.Join(dir, "trace", "states", "state_"+id+".json")), &stored); err != nil {
		t.Fatal(err)
	}
	if rewritten[id] {
		for _, values := range stored.G["g"] {
			if role := values[1]; role == "data3_admin" || role == "data5_admin" {
				values[len(values)-1] = "0000-01-02 00:00:00"
			}
		}
	}
	s := &state{name: id, model: stored.Model}
	for _, section := range []map[string][][]string{stored.P, stored.G} {
		for kind, rules := range section {
			s.add(kind, rules)
		}
	}
	s.load = func(t *testing.T, m model.Model) *casbin.Enforcer {
		e := stock(t, m)
		for kind, rules := range stored.P {
			if _, err := e.AddNamedPolicies(kind, rules); err != nil {
				t.Fatal(err)
			}
		}
		for kind, rules := range stored.G {
			if _, err := e.AddNamedGroupingPolicies(kind, rules); err != nil {
				t.Fatal(err)
			}
		}
		return e
	}
	return s
}

// add adds rows without those that casbin drops as duplicates.
func (s *state) add(kind string, rules [][]string) {
	for _, values := range rules {
		row := authz.Row{Kind: kind, Values: values}
		duplicate := false
		for _, r := range s.rows {
			duplicate = duplicate || r.Digest() == row.Digest()
		}
		if !duplicate {
			row.ID = fmt.Sprintf("%s-%d", kind, len(s.rows))
			s.rows = append(s.rows, row)
		}
	}
}

func stock(t *testing.T, params ...any) *casbin.Enforcer {
	t.Helper()
	e, err := casbin.NewEnforcer(params...)
	if err != nil {
		t.Fatal(err)
	}
	e.EnableAutoSave(false)
	return e
}

// newSuiteEngine makes an engine that passes the request of a case through.
func newSuiteEngine(t *testing.T, store authz.Store, s *state) *casbinengine.Engine {
	t.Helper()
	e, err := casbinengine.NewWithModel(store, s.model, casbinengine.ModelConfig{
		Ruleless: true,
		Request: func(r authz.Request) ([]any, error) {
			var values []any
			for _, v := range r.Context["request"].([]string) {
				values = append(values, v)
			}
			return values, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func suiteRequest(tenant string, request []string) authz.Request {
	return authz.Request{
		Tenant: tenant, Subject: user("suite"), Action: "suite", Time: shopTime,
		Resource: authz.Entity{Type: "suite", ID: "1"}, Context: map[string]any{"request": request},
	}
}

// bindTimes does for a stock enforcer what casbin's own tests of temporary roles do.
func (s *state) bindTimes(e *casbin.Enforcer) {
	for _, r := range s.rows {
		switch {
		case r.Kind != "g":
		case strings.Contains(s.model, "g = _, _, (_, _)"):
			e.AddNamedLinkConditionFunc("g", r.Values[0], r.Values[1], util.TimeMatchFunc)
		case strings.Contains(s.model, "g = _, _, _, (_, _)"):
			e.AddNamedDomainLinkConditionFunc("g", r.Values[0], r.Values[1], r.Values[2], util.TimeMatchFunc)
		}
	}
}

// unwritable are policies of the suite that we decide as casbin does but would not
// let anybody write, with the reason.
var unwritable = map[string]string{
	"a9fb509286203341": "an assignment has a column more than the model defines; casbin ignores it",
}

// suiteCases is how many decisions the suite's own page counts.
const suiteCases = 407

func TestEngineDecidesCasbinsTablesAsCasbinDoes(t *testing.T) {
	dir := suitetest.Dir(t, "casbin")
	states := append(tableStates(t, dir), traceStates(t, dir)...)
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		store := b.Authz()
		ran := 0
		for i, s := range states {
			tenant := fmt.Sprintf("state-%d", i)
			e := newSuiteEngine(t, store, s)
			if len(s.rows) > 0 {
				if err := e.CheckRows(tenant, s.rows); (err != nil) != (unwritable[s.name] != "") {
					t.Errorf("%s: checking the rows answers %v; expected a refusal: %q", s.name, err, unwritable[s.name])
				}
				change(t, store, tenant, authz.Change{Add: s.rows})
			}
			m, err := model.NewModelFromString(s.model)
			if err != nil {
				t.Fatal(err)
			}
			reference := s.load(t, m)
			s.bindTimes(reference)
			for _, a := range s.asks {
				ran++
				t.Run(a.name, func(t *testing.T) {
					got, err := e.Authorize(t.Context(), suiteRequest(tenant, a.request))
					if err != nil {
						t.Fatal(err)
					}
					if allowed := got.Effect == audit.Allow; allowed != a.want {
						t.Errorf("%s: got %v for %q, want allowed = %t", s.name, got.Effect, a.request, a.want)
					}
					var values []any
					for _, v := range a.request {
						values = append(values, v)
					}
					if stock, err := reference.Enforce(values...); err != nil || stock != a.want {
						t.Errorf("%s: casbin itself answers %t, %v for %q", s.name, stock, err, a.request)
					}
				})
			}
		}
		t.Logf("casbin: %d of %d decisions over %d policies ran, none left out, 4 of them with rewritten rows", ran, suiteCases, len(states))
		if ran != suiteCases {
			t.Errorf("got %d decisions, want %d", ran, suiteCases)
		}
	})
}

func TestCasbinsExampleModelsAreReadAsCasbinReadsThem(t *testing.T) {
	dir := suitetest.Dir(t, "casbin")
	var files []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(path, ".conf") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// Models that we refuse although casbin's parser takes them, with the reason.
	refused := map[string]string{
		"keymatch_custom_model.conf": "its matcher calls a function that nobody registered; casbin notices at the first decision",
	}
	for _, path := range files {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			text := string(readFile(t, path))
			_, err := casbinengine.NewWithModel(newMemory(t).Authz(), text, casbinengine.ModelConfig{
				Request: func(authz.Request) ([]any, error) { return nil, nil },
			})
			_, stockErr := model.NewModelFromString(text)
			if why := refused[name]; why != "" {
				if err == nil {
					t.Errorf("is read by now; it was refused because %s", why)
				}
				return
			}
			if (err == nil) != (stockErr == nil) {
				t.Errorf("got %v, casbin says %v", err, stockErr)
			}
		})
	}
	if len(files) != 51 {
		t.Errorf("got %d models, want the 51 of the suite", len(files))
	}
}
