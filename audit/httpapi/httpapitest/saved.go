package httpapitest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/storage/listing/listingtest"
	"github.com/lumelle/adminkit/storage/listing/saved"
)

// keeps asks the list by a filter that its person saved.
func (l ListUnderTest) keeps(t *testing.T, all []item) {
	under := listingtest.List[item]{Fields: l.Fields, Sort: l.Sort, ID: l.id, Value: l.value}
	f := l.choosing(under, all)
	sort := listing.Sort{Field: l.Sort.Field, Descending: !l.Sort.Descending}
	keep := func(owner string, in saved.Input) string {
		t.Helper()
		in.Name = storage.NewID() // lists of one host share a store
		kept, err := l.Saved.Create(t.Context(), l.Person.Tenant, owner, l.Name, in)
		if err != nil {
			t.Fatal(err)
		}
		return kept.ID
	}
	own := keep(l.Person.Person(), saved.Input{Filters: []listing.Filter{f}, Sort: sort})
	want := under.Want(all, listing.Query{Filters: []listing.Filter{f}, Sort: sort})
	if got := l.walk(t, url.Values{"saved": {own}, "limit": {"1"}}, len(all)); !slices.Equal(got, want) {
		t.Errorf("asked by a saved filter: got %q, want %q", got, want)
	}
	shared := keep("", saved.Input{Filters: []listing.Filter{f}})
	want = under.Want(all, listing.Query{Filters: []listing.Filter{f}, Sort: l.Sort})
	if got := l.walk(t, url.Values{"saved": {shared}, "limit": {"2"}}, len(all)); !slices.Equal(got, want) {
		t.Errorf("asked by a shared filter without an order: got %q, want %q", got, want)
	}

	hers := keep(l.Person.Person()+"-another", saved.Input{Filters: []listing.Filter{f}})
	parameter := listing.Parameter(f.Field, f.Op)
	for _, c := range []struct {
		name, pointer string
		values        url.Values
	}{
		{"with a filter", parameter, url.Values{"saved": {own}, parameter: f.Values}},
		{"with a sort", "sort", url.Values{"saved": {own}, "sort": {sort.String()}}},
		{"twice", "saved", url.Values{"saved": {own, shared}}},
		{"that there is none of", "saved", url.Values{"saved": {"none"}}},
		{"without an id", "saved", url.Values{"saved": {""}}},
		{"that is another person's", "saved", url.Values{"saved": {hers}}},
	} {
		a, target := l.get(t, l.Own, c.values)
		if a.status != http.StatusBadRequest || !slices.Equal(a.pointers, []string{c.pointer}) {
			t.Errorf("a saved filter %s: %s answered %d %.300s, want 400 that names %s", c.name, target, a.status, a.body, c.pointer)
		}
	}
	if a, target := l.get(t, l.Stranger, url.Values{"saved": {shared}}); a.status != http.StatusBadRequest || !slices.Equal(a.pointers, []string{"saved"}) {
		t.Errorf("another tenant's saved filter: %s answered %d %.300s, want 400 that names saved", target, a.status, a.body)
	}

	// A place is one of what the filter asked for when the walk began.
	page, _ := l.get(t, l.Own, url.Values{"saved": {own}, "limit": {"1"}})
	if _, err := l.Saved.Update(t.Context(), l.Person.Tenant, l.Person.Person(), own, 0, saved.Input{Name: own, Sort: sort}); err != nil {
		t.Fatal(err)
	}
	if a, target := l.get(t, l.Own, url.Values{"saved": {own}, "after": {string(page.next)}}); a.status != http.StatusBadRequest || a.word != "bad_cursor" {
		t.Errorf("a cursor of before the filter was changed: %s answered %d %.300s, want 400 bad_cursor", target, a.status, a.body)
	}
	if parameter := string(l.Document.parameter(t, l.Path, "saved")); !strings.Contains(parameter, `"string"`) {
		t.Errorf("the document has the parameter saved as %s", parameter)
	}
}
