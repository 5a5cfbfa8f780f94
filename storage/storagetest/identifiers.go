package storagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lumelle/adminkit/storage"
)

// identifiers are pairwise different and all fit. Collations, trimming and Unicode
// normalisation make some of them equal on one database or another.
var identifiers = []string{
	"a", "A", "b", "a ", " a", "a\t", "ä", "a\u0308", "Ä", "ß", "ss", "ſ", "i", "İ", "ı", "I",
	"é", "e\u0301", "ﬁ", "fi", "Ω", "\u2126", "日本", "😀", "👩‍👩‍👧", "\u200b", "a\u200b", "\ufeffa",
	"%", "_", "a%", "a_", "*", "?", "'", "''", "\"", "`", "\\", "\\'", "a/b", "a\\b", "a,b", "a;b", "$1", ":x", "--", "/*",
	"0", "00", "1e1", "10", "null", "NULL", "true", "1", "-1", "\r\n", "\n", "\x01", "\x7f", "\u2028", "\U0010ffff",
	strings.Repeat("x", storage.MaxID), strings.Repeat("x", storage.MaxID-1), strings.Repeat("ä", storage.MaxID/2),
}

// unfit are no identifiers.
var unfit = map[string]string{
	"an empty one":          "",
	"one with a NUL":        "a\x00b",
	"one that is not UTF-8": "a\xffb",
	"one that is too long":  strings.Repeat("x", storage.MaxID+1),
}

var identifierRules = []rule{
	{"ID-001", "identifiers are kept byte for byte and told apart by case, spaces, accents and encoding",
		"A database that folds case or trims spaces answers one person's question with another's record. This was an authorization hole elsewhere.",
		aStore, idsAreExact},
	{"ID-002", "tenants are told apart byte for byte",
		"The same as ID-001, for the column that keeps merchants apart.",
		aStore, tenantsAreExact},
	{"ID-003", "unfit identifiers are refused and leave nothing",
		"An empty id, a NUL (Postgres cannot store it), broken UTF-8 or an endless id would differ from backend to backend. storage.ErrInvalid.",
		aStore, unfitIsRefused},
	{"ID-004", "lists order identifiers by their bytes",
		"A cursor that was made under one order is read under another when a replica has another locale.",
		aList, idsOrderByBytes},
}

func idsAreExact(e *env) {
	// Two different identifiers have different numbers, which differ in some bit. In
	// the tenant of that bit one of the two was added and the other was not, so a few
	// tenants show for all pairs that neither is taken for the other.
	for _, p := range e.probes {
		for bit := 1; bit < len(identifiers); bit <<= 1 {
			added := func(id string) bool { return slices.Index(identifiers, id)&bit != 0 }
			tenant := e.tenant()
			e.add(p, tenant, slices.DeleteFunc(slices.Clone(identifiers), func(id string) bool { return !added(id) })...)
			e.same(p, identifiers, func(id string) (string, string) { return tenant, id }, added, "half of the identifiers")
		}
	}
}

func tenantsAreExact(e *env) {
	suffix := e.tenant()
	tenants := []string{"a", "A", "a ", " a", "ä", "a\u0308", "ß", "ss", "%", "_", "a'", "😀"}
	for _, p := range e.probes {
		for i, tenant := range tenants {
			err := e.b.InTx(e.ctx, func(ctx context.Context) error { return p.put(ctx, suffix+tenant, "id") })
			e.must(err, fmt.Sprintf("%s: put for the tenant %q", p.name, tenant))
			e.same(p, tenants, func(other string) (string, string) { return suffix + other, "id" },
				func(other string) bool { return slices.Contains(tenants[:i+1], other) }, fmt.Sprintf("%q", tenant))
			if e.Failed() {
				return
			}
		}
	}
}

// same asserts in one transaction that exactly the wanted records are there.
func (e *env) same(p probe, all []string, at func(string) (tenant, id string), want func(string) bool, after string) {
	e.Helper()
	err := e.b.InTx(e.ctx, func(ctx context.Context) error {
		for _, s := range all {
			tenant, id := at(s)
			got, err := p.has(ctx, tenant, id)
			if err != nil {
				return fmt.Errorf("look for %q: %w", s, err)
			}
			if got != want(s) {
				e.Errorf("%s: after %s was added, %q is there: %t, want %t", p.name, after, s, got, want(s))
			}
		}
		return errUndo
	})
	e.wantErr(err, errUndo, p.name)
}

func unfitIsRefused(e *env) {
	for _, p := range e.probes {
		if !p.checks {
			continue
		}
		for name, id := range unfit {
			tenant := e.tenant()
			put := func(tenant, id string) error {
				return e.b.InTx(e.ctx, func(ctx context.Context) error { return p.put(ctx, tenant, id) })
			}
			e.wantErr(put(tenant, id), storage.ErrInvalid, fmt.Sprintf("%s: the id is %s", p.name, name))
			var invalid *storage.InvalidError
			if err := put(id, "id"); !errors.As(err, &invalid) {
				e.Errorf("%s: the tenant is %s: got %v, want a *storage.InvalidError", p.name, name, err)
			}
		}
	}
}

func idsOrderByBytes(e *env) {
	for _, p := range e.probes {
		if p.list == nil || p.order == byInsertion {
			continue
		}
		tenant := e.tenant()
		e.add(p, tenant, identifiers...)
		got := e.pages(p, tenant, 7, nil)
		if want := p.order.of(identifiers); !slices.Equal(got, want) {
			e.Errorf("%s: got the order %q, want %q", p.name, got, want)
		}
	}
}
