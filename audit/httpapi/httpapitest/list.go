package httpapitest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/storage/listing/listingtest"
	"github.com/lumelle/adminkit/storage/listing/saved"
)

// A ListUnderTest is a list of a surface.
type ListUnderTest struct {
	// Fields and Sort are what the domain declares.
	Fields []listing.FieldInfo
	Sort   listing.Sort
	// URL is that of the list. A query in it stays, and fixes the list.
	URL string
	// Own and Stranger send a request as a person of the tenant that has the items, and of
	// another.
	Own, Stranger func(r *http.Request) (*http.Response, error)
	// Document describes the list at Path.
	Document *Document
	Path     string
	// Saved keeps filters of the list, which is Name there, and Person is who sends by Own.
	Saved  *saved.Service
	Name   string
	Person httpapi.Identity
	// ID is the member of an item that holds its id, "id" where it is empty.
	ID string
	// Member is the member of an item that holds a field, where its name is another.
	Member map[string]string
	// DefaultVaries says that the default order is another than the one in the document,
	// which a parameter in the URL fixes.
	DefaultVaries bool
}

// List holds a list over HTTP to its declaration: every field with every operator, every
// order, pages of every length and their Link, cursors, saved filters, what is not
// declared, tenants, and the document. The list has at least three items in its first thousand, of which some have
// one sort value; nobody changes them meanwhile.
func List(t *testing.T, l ListUnderTest) {
	t.Helper()
	all, _ := l.get(t, l.Own, url.Values{"limit": {"1000"}})
	if len(all.items) < 3 {
		t.Fatalf("%s: got %d %s, want at least three items", l.URL, all.status, all.body)
	}
	t.Run("filters, orders and pages", func(t *testing.T) {
		listingtest.Check(t, listingtest.List[item]{Fields: l.Fields, Sort: l.Sort, ID: l.id, Value: l.value, Page: func(q listing.Query) (storage.Page[item], error) {
			return l.page(t, q)
		}}, all.items)
	})
	t.Run("the Link continues a list with its filters", func(t *testing.T) { l.links(t, all.items) })
	t.Run("a saved filter asks for what it keeps", func(t *testing.T) { l.keeps(t, all.items) })
	t.Run("what is not declared is refused by the name of its parameter", l.refuses)
	t.Run("nothing of it is another tenant's", func(t *testing.T) { l.keepsTenants(t, all.items) })
	t.Run("the document says the same", l.documented)
}

type item = map[string]any

// An answered is what a list answered.
type answered struct {
	status int
	header http.Header
	body   string
	items  []item
	next   storage.Cursor
	// What a problem names.
	word     string
	pointers []string
}

// get asks for a page, with the parameters of the list's own URL. The second result is the
// URL that was asked for.
func (l ListUnderTest) get(t testing.TB, as func(r *http.Request) (*http.Response, error), values url.Values) (answered, string) {
	t.Helper()
	u, err := url.Parse(l.URL)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	maps.Copy(query, values)
	u.RawQuery = query.Encode()
	return ask(t, as, u.String()), u.String()
}

func ask(t testing.TB, as func(r *http.Request) (*http.Response, error), target string) (a answered) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := as(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a.status, a.header, a.body = resp.StatusCode, resp.Header, string(body)
	var in struct {
		Items  []item
		Next   storage.Cursor
		Type   string
		Errors []storage.FieldError
	}
	if err := json.Unmarshal(body, &in); err != nil {
		t.Fatalf("%s: %v in %s", target, err, body)
	}
	a.items, a.next = in.Items, in.Next
	a.word = in.Type[strings.LastIndexByte(in.Type, ':')+1:]
	for _, e := range in.Errors {
		a.pointers = append(a.pointers, e.Pointer)
	}
	return a
}

// page asks for a page of q. Of refusals it makes the errors that stores have.
func (l ListUnderTest) page(t testing.TB, q listing.Query) (storage.Page[item], error) {
	t.Helper()
	values := url.Values{}
	for _, f := range q.Filters {
		name := listing.Parameter(f.Field, f.Op)
		values.Add(name, strings.Join(f.Values, ","))
		if len(f.Values) == 0 {
			// A URL has no filter without a value: one that stands twice is as wrong.
			values.Add(name, "")
		}
	}
	if q.Sort.Field != "" {
		values.Set("sort", q.Sort.String())
	}
	if q.After != "" {
		values.Set("after", string(q.After))
	}
	if q.Limit != 0 {
		values.Set("limit", fmt.Sprint(q.Limit))
	}
	a, target := l.get(t, l.Own, values)
	switch {
	case a.status == http.StatusOK:
		return storage.Page[item]{Items: a.items, Next: a.next}, nil
	case a.status == http.StatusBadRequest && a.word == "bad_cursor":
		return storage.Page[item]{}, storage.ErrBadCursor
	case a.status == http.StatusBadRequest && len(a.pointers) > 0:
		return storage.Page[item]{}, storage.Invalid(a.pointers[0], a.body)
	}
	return storage.Page[item]{}, fmt.Errorf("%s: got %d %s", target, a.status, a.body)
}

func (l ListUnderTest) id(i item) string {
	name := l.ID
	if name == "" {
		name = "id"
	}
	id, _ := i[name].(string)
	return id
}

// value is what an item has in a field, out of its JSON.
func (l ListUnderTest) value(i item, field string) any {
	member := field
	if m, ok := l.Member[field]; ok {
		member = m
	}
	var v any = i
	for part := range strings.SplitSeq(member, ".") {
		inner, _ := v.(item)
		v = inner[part]
	}
	at := slices.IndexFunc(l.Fields, func(info listing.FieldInfo) bool { return info.Name == field })
	switch l.Fields[at].Kind {
	case listing.Integer:
		n, _ := v.(float64)
		return int64(n)
	case listing.Time:
		text, _ := v.(string)
		when, err := time.Parse(time.RFC3339Nano, text)
		if err != nil || when.IsZero() {
			return int64(0)
		}
		return when.UnixMicro()
	case listing.Flag:
		yes, _ := v.(bool)
		return yes
	}
	text, _ := v.(string)
	return text
}

// links follows the Link headers of a filtered list.
func (l ListUnderTest) links(t *testing.T, all []item) {
	under := listingtest.List[item]{Fields: l.Fields, Sort: l.Sort, ID: l.id, Value: l.value}
	f := l.choosing(under, all)
	sort := listing.Sort{Field: l.Sort.Field, Descending: !l.Sort.Descending}
	got := l.walk(t, url.Values{listing.Parameter(f.Field, f.Op): f.Values, "sort": {sort.String()}, "limit": {"1"}}, len(all))
	if want := under.Want(all, listing.Query{Filters: []listing.Filter{f}, Sort: sort}); !slices.Equal(got, want) {
		t.Errorf("%s %s %q: got %q, want %q", f.Field, f.Op, f.Values, got, want)
	}
}

// choosing returns a filter of one value that chooses several items.
func (l ListUnderTest) choosing(under listingtest.List[item], all []item) listing.Filter {
	filters := under.Filters(all)
	return filters[slices.IndexFunc(filters, func(f listing.Filter) bool {
		return len(under.Want(all, listing.Query{Filters: []listing.Filter{f}})) > 1 && f.Op != listing.In
	})]
}

// walk returns the ids of a list by its Link headers, in no more pages than most.
func (l ListUnderTest) walk(t *testing.T, values url.Values, most int) (got []string) {
	t.Helper()
	a, target := l.get(t, l.Own, values)
	for pages := 0; ; pages++ {
		if a.status != http.StatusOK || pages > most {
			t.Fatalf("%s: got %d %s", target, a.status, a.body)
		}
		for _, i := range a.items {
			got = append(got, l.id(i))
		}
		link := a.header.Get("Link")
		if (link == "") != (a.next == "") {
			t.Fatalf("%s: next is %q, and the Link is %q", target, a.next, link)
		}
		if link == "" {
			return got
		}
		path, ok := strings.CutSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
		from, err := url.Parse(target)
		if err != nil || !ok {
			t.Fatalf("the Link is %q", link)
		}
		to, err := from.Parse(path)
		if err != nil {
			t.Fatal(err)
		}
		target = to.String()
		a = ask(t, l.Own, target)
	}
}

func (l ListUnderTest) refuses(t *testing.T) {
	first := l.Fields[0].Name
	many := url.Values{}
	for i := range listing.MaxFilters + 1 {
		many.Set(listing.Parameter(fmt.Sprint("f", i), listing.Eq), "x")
	}
	for _, c := range []struct {
		name, pointer string
		values        url.Values
	}{
		{"an unknown parameter", "colour", url.Values{"colour": {"red"}}},
		{"an unknown field", "filter[colour][eq]", url.Values{"filter[colour][eq]": {"red"}}},
		{"an unknown operator", "filter[" + first + "][like]", url.Values{"filter[" + first + "][like]": {"x"}}},
		{"a filter without an operator", "filter[" + first + "]", url.Values{"filter[" + first + "]": {"x"}}},
		{"a filter that stands twice", "filter[" + first + "][eq]", url.Values{"filter[" + first + "][eq]": {"x", "y"}}},
		{"a value with a NUL", "filter[" + first + "][eq]", url.Values{"filter[" + first + "][eq]": {"a\x00b"}}},
		{"a value that is too long", "filter[" + first + "][eq]", url.Values{"filter[" + first + "][eq]": {strings.Repeat("x", listing.MaxValue+1)}}},
		{"too many filters", "filter", many},
		{"an unknown sort", "sort", url.Values{"sort": {"colour"}}},
		{"two sorts", "sort", url.Values{"sort": {l.Sort.Field, "-" + l.Sort.Field}}},
		{"a limit in words", "limit", url.Values{"limit": {"many"}}},
	} {
		a, target := l.get(t, l.Own, c.values)
		if a.status != http.StatusBadRequest || !strings.HasPrefix(a.header.Get("Content-Type"), "application/problem+json") || !slices.Equal(a.pointers, []string{c.pointer}) {
			t.Errorf("%s: %.200s answered %d %.300s, want 400 that names %s", c.name, target, a.status, a.body, c.pointer)
		}
	}
	for _, cursor := range []string{"hello", string(storage.NewCursor("another list", "1", "2"))} {
		if a, _ := l.get(t, l.Own, url.Values{"after": {cursor}}); a.status != http.StatusBadRequest || a.word != "bad_cursor" || !slices.Equal(a.pointers, []string{"after"}) {
			t.Errorf("the cursor %q: got %d %s, want 400 bad_cursor that names after", cursor, a.status, a.body)
		}
	}
}

func (l ListUnderTest) keepsTenants(t *testing.T, all []item) {
	theirs, _ := l.get(t, l.Stranger, url.Values{"limit": {"1000"}})
	if theirs.status != http.StatusOK {
		t.Fatalf("got %d %s", theirs.status, theirs.body)
	}
	for _, i := range theirs.items {
		if slices.ContainsFunc(all, func(own item) bool { return l.id(own) == l.id(i) }) {
			t.Errorf("another tenant sees %s", l.id(i))
		}
	}
	own, _ := l.get(t, l.Own, url.Values{"limit": {"1"}})
	if a, _ := l.get(t, l.Stranger, url.Values{"limit": {"1"}, "after": {string(own.next)}}); a.status != http.StatusBadRequest || a.word != "bad_cursor" {
		t.Errorf("a cursor opens another tenant's list: got %d %s", a.status, a.body)
	}
}

// documented compares the declaration with the parameters "filter" and "sort" of the
// document.
func (l ListUnderTest) documented(t *testing.T) {
	filters := map[string][]string{}
	for field, schema := range l.Document.properties(t, l.Document.parameter(t, l.Path, "filter")) {
		filters[field] = slices.Sorted(maps.Keys(l.Document.properties(t, schema)))
	}
	declared := map[string][]string{}
	var sorts []string
	for _, info := range l.Fields {
		for _, op := range info.Ops {
			declared[info.Name] = append(declared[info.Name], string(op))
		}
		slices.Sort(declared[info.Name])
		if info.Sortable {
			sorts = append(sorts, info.Name, "-"+info.Name)
		}
	}
	if fmt.Sprint(filters) != fmt.Sprint(declared) {
		t.Errorf("the document has the filters %v, the list %v", filters, declared)
	}
	var schema struct {
		Enum    []string `json:"enum"`
		Default string   `json:"default"`
	}
	if err := json.Unmarshal(l.Document.parameter(t, l.Path, "sort"), &schema); err != nil {
		t.Fatal(err)
	}
	slices.Sort(schema.Enum)
	slices.Sort(sorts)
	if !slices.Equal(schema.Enum, sorts) || !l.DefaultVaries && schema.Default != l.Sort.String() {
		t.Errorf("the document has the orders %q and by default %q, the list %q and %q", schema.Enum, schema.Default, sorts, l.Sort)
	}
}
