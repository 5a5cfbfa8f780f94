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
	{"behind LIMIT so that the plan is kept", `SELECT a LIMIT $1`, `SELECT a LIMIT +?1`},
	{"behind any LIMIT", "(SELECT 1 limit\n\t$2) UNION ALL (SELECT 1 Limit /* a */ $3)", "(SELECT 1 limit\n\t+?2) UNION ALL (SELECT 1 Limit /* a */ +?3)"},
	{"behind LIMIT alone", `SELECT a LIMIT $1 OFFSET $2`, `SELECT a LIMIT +?1 OFFSET ?2`},
	{"not behind a name that ends so", `SELECT a_limit, "LIMIT" = $1, b'LIMIT'`, `SELECT a_limit, "LIMIT" = ?1, b'LIMIT'`},
	{"not behind an expression", `SELECT a LIMIT (1 + $1)`, `SELECT a LIMIT (1 + ?1)`},
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
		rest := got
		for i := range len(query) {
			digit := i+1 < len(query) && strings.ContainsRune("0123456789", rune(query[i+1]))
			switch {
			case rest != "" && rest[0] == query[i]:
				rest = rest[1:]
			case query[i] == '$' && digit && strings.HasPrefix(rest, "?"):
				rest = rest[1:]
			case query[i] == '$' && digit && strings.HasPrefix(rest, "+?") && strings.Contains(strings.ToUpper(query[:i]), "LIMIT"):
				rest = rest[2:]
			default:
				t.Fatalf("%q became %q: changed at %d", query, got, i)
			}
		}
		if rest != "" {
			t.Fatalf("%q became %q: %q is too much", query, got, rest)
		}
		// What was rewritten stays as it is.
		if again := sqlite.Numbered(got); again != got {
			t.Fatalf("%q became %q and then %q", query, got, again)
		}
	})
}
