package schema_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/audit/schema"
	"github.com/lumelle/adminkit/storage/storagetest/suitetest"
)

// optionalFailures returns the optional tests of the suite that do not hold, by file,
// group and test. They stand in testdata under the reason of each group.
func optionalFailures(t *testing.T) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	for line := range strings.Lines(string(suitetest.Read(t, "testdata", "optional_failures.txt"))) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			known[line] = true
		}
	}
	return known
}

// TestDraft7Suite runs the official suite through the guarded validator: every
// required test holds, and no limit refuses any of its schemas.
func TestDraft7Suite(t *testing.T) {
	dir := suitetest.Dir(t, "json-schema-draft7")
	compiler, err := schema.New(schema.Config{Documents: remotes(t, filepath.Join(dir, "remotes"))})
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "tests", "draft7")
	var required, optional, failed int
	known, fresh := optionalFailures(t), map[string]bool{}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(root, path)
		for id, fault := range runFile(t, compiler, path, name) {
			if !strings.HasPrefix(name, "optional") {
				required++
				if fault != "" {
					t.Errorf("%s: %s", id, fault)
				}
				continue
			}
			optional++
			if fault != "" {
				failed++
				fresh[id] = true
				if !known[id] {
					t.Errorf("%s: %s, and is not on the list", id, fault)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range slices.Sorted(maps.Keys(known)) {
		if !fresh[id] {
			t.Errorf("%s is on the list of failures and holds", id)
		}
	}
	if required != 927 || optional != 794 {
		t.Errorf("ran %d required and %d optional tests, want 927 and 794", required, optional)
	}
	t.Logf("required %d of %d, optional %d of %d", required, 927, optional-failed, optional)
}

// remotes are the documents that the suite refers to, by the address it gives them.
func remotes(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	docs := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		doc, err := os.ReadFile(path)
		if !strings.Contains(name, "draft2019-09") { // of another draft, for which the limits are closed
			docs["http://localhost:1234/"+filepath.ToSlash(name)] = doc
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

// runFile returns what is wrong with each test of a file, "" where it holds.
func runFile(t *testing.T, compiler *schema.Compiler, path, name string) map[string]string {
	t.Helper()
	var groups []struct {
		Description string
		Schema      json.RawMessage
		Tests       []struct {
			Description string
			Data        json.RawMessage
			Valid       bool
		}
	}
	if err := json.Unmarshal(suitetest.Read(t, path), &groups); err != nil {
		t.Fatal(err)
	}
	faults := map[string]string{}
	for _, g := range groups {
		v, compileErr := compiler.Compile(g.Schema)
		for _, c := range g.Tests {
			id := strings.Join([]string{filepath.ToSlash(name), g.Description, c.Description}, " | ")
			if _, twice := faults[id]; twice {
				t.Fatalf("the suite has two tests named %s", id)
			}
			faults[id] = ""
			if compileErr != nil {
				faults[id] = "does not compile: " + compileErr.Error()
			} else if err := v.Validate(c.Data); (err == nil) != c.Valid {
				faults[id] = "valid is wrong"
			}
		}
	}
	return faults
}
