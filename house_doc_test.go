package adminkit_test

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// A documented is a package as its documentation is read, with its Examples.
type documented struct {
	path     string
	doc      *doc.Package
	examples []*doc.Example
}

// documentation parses every package of the module that can be imported.
func documentation(t *testing.T) []documented {
	t.Helper()
	var all []documented
	for _, p := range list(t, "./...") {
		if p.Name == "main" || len(p.GoFiles) == 0 {
			continue
		}
		set := token.NewFileSet()
		parse := func(names ...string) []*ast.File {
			var files []*ast.File
			for _, name := range names {
				f, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil, parser.ParseComments)
				if err != nil {
					t.Fatal(err)
				}
				files = append(files, f)
			}
			return files
		}
		examples := doc.Examples(parse(slices.Concat(p.TestGoFiles, p.XTestGoFiles)...)...)
		d, err := doc.NewFromFiles(set, parse(p.GoFiles...), p.ImportPath)
		if err != nil {
			t.Fatalf("%s: %v", p.ImportPath, err)
		}
		all = append(all, documented{path: room(p.ImportPath), doc: d, examples: examples})
	}
	if len(all) < 20 {
		t.Fatalf("go list found %d packages; the rules would hold of nothing", len(all))
	}
	return all
}

// undocumented returns the exported names of a package that no comment says anything
// about.
func undocumented(p *doc.Package) []string {
	var names []string
	want := func(text, format string, args ...any) {
		if strings.TrimSpace(text) == "" {
			names = append(names, fmt.Sprintf(format, args...))
		}
	}
	values := func(list []*doc.Value) {
		for _, v := range list {
			for _, s := range v.Decl.Specs {
				spec := s.(*ast.ValueSpec)
				for _, name := range spec.Names {
					if name.IsExported() {
						want(v.Doc+spec.Doc.Text()+spec.Comment.Text(), "%s", name)
					}
				}
			}
		}
	}
	functions := func(list []*doc.Func) {
		for _, f := range list {
			want(f.Doc, "%s%s", method(f), f.Name)
		}
	}
	want(p.Doc, "package %s", p.Name)
	values(p.Consts)
	values(p.Vars)
	functions(p.Funcs)
	for _, t := range p.Types {
		want(t.Doc, "%s", t.Name)
		values(t.Consts)
		values(t.Vars)
		functions(t.Funcs)
		functions(t.Methods)
		for _, f := range calls(t) {
			for _, name := range f.Names {
				// The comment of an interface may speak of its methods by name.
				if !slices.Contains(words(t.Doc), name.Name) {
					want(f.Doc.Text()+f.Comment.Text(), "%s.%s", t.Name, name)
				}
			}
		}
	}
	return names
}

func method(f *doc.Func) string {
	if f.Recv == "" {
		return ""
	}
	return strings.TrimPrefix(f.Recv, "*") + "."
}

// words splits a text at whatever is no letter or digit.
func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// calls returns the methods of an interface that has several: the comment of one that
// has a single method is that method's.
func calls(t *doc.Type) []*ast.Field {
	for _, s := range t.Decl.Specs {
		if u, ok := s.(*ast.TypeSpec).Type.(*ast.InterfaceType); ok {
			methods := slices.DeleteFunc(slices.Clone(u.Methods.List), func(f *ast.Field) bool { return len(f.Names) == 0 })
			if len(methods) > 1 {
				return methods
			}
		}
	}
	return nil
}

func TestHouseIsDocumented(t *testing.T) {
	t.Parallel()
	for _, p := range documentation(t) {
		if !slices.ContainsFunc(p.examples, func(e *doc.Example) bool { return e.Output != "" }) && !in(p.path, "examples") {
			t.Errorf("%s: no Example has an output; show in one that go test checks what the package is for", p.path)
		}
		for _, name := range undocumented(p.doc) {
			t.Errorf("%s: %s has no comment; say what it is, with its units, limits and errors", p.path, name)
		}
	}
}

// TestUndocumentedNamesAreFound keeps the rule from holding of everything.
func TestUndocumentedNamesAreFound(t *testing.T) {
	t.Parallel()
	const source = `package p

// A is said.
const A = 1

const B = 2

// All are said at once.
const (
	C = 3
	D = 4
)

var (
	E = 5 // E is said.
	F = 6
	g = 7
)

type T struct{ Field int }

// M is said.
func (T) M() {}

func (*T) N() {}
func (T) o()  {}
func P()      {}
func q()      {}

// One is said, and so is its only method.
type One interface{ Do() }

// Two speaks of Do, and forgets the other.
type Two interface {
	Do()
	Undo()
	// Redo is said.
	Redo()
}
`
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, "p.go", source, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	d, err := doc.NewFromFiles(set, []*ast.File{f}, module+"p")
	if err != nil {
		t.Fatal(err)
	}
	got := undocumented(d)
	slices.Sort(got)
	if want := []string{"B", "F", "P", "T", "T.N", "Two.Undo", "package p"}; !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}
