package sqlite_test

import (
	"strings"
	"testing"

	"github.com/lumelle/adminkit/storage/sqlite"
)

var rewrites = []struct{ name, in, out string }{
	{"a placeholder", `SELECT $1`, `SELECT ?1`},
	{"several, repeated and of two digits", `SELECT $1,$2,$10,$1`, `SELECT ?1,?2,?10,?1`},
	{"at the end of a word", `VALUES($1)`, `VALUES(?1)`},
	{"not in quoted text", `SELECT '$1', $1`, `SELECT '$1', ?1`},
	{"not behind a doubled quote", `SELECT 'it''s $1', $1`, `SELECT 'it''s $1', ?1`},
	{"not in a quoted identifier", "SELECT \"$1\", `$1`, [$1], $1", "SELECT \"$1\", `$1`, [$1], ?1"},
	{"not in a line comment", "SELECT 1 -- $1\n, $1", "SELECT 1 -- $1\n, ?1"},
	{"not in a block comment", `SELECT /* $1 ' */ $1`, `SELECT /* $1 ' */ ?1`},
	{"not in an identifier", `SELECT a$1, $1`, `SELECT a$1, ?1`},
	{"not a named parameter", `SELECT $1a, $a1, $`, `SELECT $1a, $a1, $`},
	{"text without an end", `SELECT '$1`, `SELECT '$1`},
	{"a comment without an end", `SELECT /* $1`, `SELECT /* $1`},
	{"a JSON path", `SELECT doc ->> '$.a', $1`, `SELECT doc ->> '$.a', ?1`},
}

func TestPlaceholdersAreRewrittenWhereTheyArePlaceholders(t *testing.T) {
	for _, r := range rewrites {
		if got := sqlite.Numbered(r.in); got != r.out {
			t.Errorf("%s: %s became %s, want %s", r.name, r.in, got, r.out)
		}
	}
}

func FuzzPlaceholders(f *testing.F) {
	for _, r := range rewrites {
		f.Add(r.in)
	}
	f.Fuzz(func(t *testing.T, query string) {
		got := sqlite.Numbered(query)
		if len(got) != len(query) {
			t.Fatalf("%q became %q: the length changed", query, got)
		}
		for i := range len(query) {
			if query[i] != got[i] && (query[i] != '$' || got[i] != '?' || i+1 == len(query) || !strings.ContainsRune("0123456789", rune(query[i+1]))) {
				t.Fatalf("%q became %q: changed at %d", query, got, i)
			}
		}
		// What was rewritten stays as it is.
		if again := sqlite.Numbered(got); again != got {
			t.Fatalf("%q became %q and then %q", query, got, again)
		}
	})
}
