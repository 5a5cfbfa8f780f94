package storage_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sentinels returns the exported error variables of this package.
func sentinels(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			vars, ok := d.(*ast.GenDecl)
			if !ok || vars.Tok != token.VAR {
				continue
			}
			for _, s := range vars.Specs {
				for _, name := range s.(*ast.ValueSpec).Names {
					if strings.HasPrefix(name.Name, "Err") {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	return names
}

// A repeatRow is a line of the table in the package's documentation.
type repeatRow struct{ err, happened, again, todo string }

// repeatTable returns the table of which errors may be repeated.
func repeatTable(t *testing.T) []repeatRow {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(file.Doc.Text(), "# Repeating after an error\n")
	if !found {
		t.Fatal("the documentation has no section about repeating")
	}
	section, _, _ = strings.Cut(section, "\n# ")
	gap := regexp.MustCompile(` {2,}`)
	var rows []repeatRow
	for line := range strings.Lines(section) {
		cells, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "\t")
		if !ok {
			continue
		}
		parts := gap.Split(cells, -1)
		if len(parts) != 4 {
			t.Fatalf("%q has %d columns, want 4", line, len(parts))
		}
		rows = append(rows, repeatRow{parts[0], parts[1], parts[2], parts[3]})
	}
	if len(rows) == 0 || rows[0].err != "error" {
		t.Fatalf("got %+v, want a heading first", rows)
	}
	return rows[1:]
}

func TestEveryErrorSaysWhetherItsChangeMayBeRepeated(t *testing.T) {
	want := append(sentinels(t), "context.Canceled", "context.DeadlineExceeded")
	var got []string
	for _, row := range repeatTable(t) {
		got = append(got, row.err)
		if row.todo == "" {
			t.Errorf("%s: the table does not say what to do", row.err)
		}
		// Only one error leaves open what happened, and that one asks for the repetition.
		unknown := row.err == "ErrCommitUnknown"
		if (row.happened == "maybe") != unknown || (row.happened == "no") == unknown || (row.again == "is safe, needed") != unknown {
			t.Errorf("%s: got %q and %q", row.err, row.happened, row.again)
		}
		if !slices.Contains([]string{"is safe, in vain", "is safe, helps", "is safe, needed"}, row.again) {
			t.Errorf("%s: the table knows no %q", row.err, row.again)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the table has %q\nwant %q", got, want)
	}
}
