package listing_test

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/storage/listing/listingtest"
)

func TestAURLNamesTheParameterThatIsWrong(t *testing.T) {
	t.Parallel()
	many := make(url.Values)
	for i := range listing.MaxFilters + 1 {
		many.Set(fmt.Sprintf("filter[f%d][eq]", i), "x")
	}
	for _, c := range []struct{ name, query, pointer string }{
		{"no parameter", "", ""},
		{"a filter and a sort", "filter[status][eq]=open&sort=-at", ""},
		{"other parameters are not its own", "limit=x&after=y&colour=red", ""},
		{"several values", "filter[id][in]=1,2,3", ""},
		{"a time with an offset", "filter[at][lt]=2026-11-01T02:00:00%2B01:00", ""},
		{"no time", "filter[at][eq]=0001-01-01T00:00:00Z", ""},
		{"an unknown field", "filter[colour][eq]=red", "filter[colour][eq]"},
		{"a field in other letters", "filter[Status][eq]=open", "filter[Status][eq]"},
		{"an unknown operator", "filter[status][like]=o", "filter[status][like]"},
		{"an operator of another kind", "filter[status][lt]=open", "filter[status][lt]"},
		{"a flag that is not equal", "filter[gift][ne]=true", "filter[gift][ne]"},
		{"an unknown word", "filter[status][eq]=lost", "filter[status][eq]"},
		{"an unknown word among several", "filter[status][in]=open,lost", "filter[status][in]"},
		{"a date", "filter[at][lt]=2026-11-01", "filter[at][lt]"},
		{"a number in words", "filter[total][eq]=one", "filter[total][eq]"},
		{"a number that is too large", "filter[total][eq]=9223372036854775808", "filter[total][eq]"},
		{"a flag in numbers", "filter[gift][eq]=1", "filter[gift][eq]"},
		{"a filter twice", "filter[status][eq]=open&filter[status][eq]=paid", "filter[status][eq]"},
		{"a filter without an operator", "filter[status]=open", "filter[status]"},
		{"a filter without a field", "filter=open", "filter"},
		{"an empty operator", "filter[status][]=open", "filter[status][]"},
		{"a third bracket", "filter[status][eq][x]=open", "filter[status][eq][x]"},
		{"brackets that stay open", "filter[status][eq=open", "filter[status][eq"},
		{"a value with a NUL", "filter[id][eq]=a%00", "filter[id][eq]"},
		{"a value that is not UTF-8", "filter[id][eq]=%ff", "filter[id][eq]"},
		{"a value that is too long", "filter[id][eq]=" + strings.Repeat("x", listing.MaxValue+1), "filter[id][eq]"},
		{"too many values", "filter[id][in]=" + strings.Repeat("x,", listing.MaxValues), "filter[id][in]"},
		{"too many filters", many.Encode(), "filter"},
		{"an unknown sort", "sort=colour", "sort"},
		{"a sort by what has no order", "sort=status", "sort"},
		{"two sorts", "sort=at,total", "sort"},
		{"a sort twice", "sort=at&sort=total", "sort"},
		{"an empty sort", "sort=", "sort"},
		{"a direction only", "sort=-", "sort"},
		{"two directions", "sort=--at", "sort"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			values, err := url.ParseQuery(c.query)
			if err != nil {
				t.Fatal(err)
			}
			_, err = orders.Parse(values)
			if c.pointer == "" {
				if err != nil {
					t.Fatalf("got %v, want no error", err)
				}
				return
			}
			bad, ok := errors.AsType[*storage.InvalidError](err)
			if !ok || len(bad.Fields) != 1 || bad.Fields[0].Pointer != c.pointer {
				t.Errorf("got %v, want a complaint about %s", err, c.pointer)
			}
		})
	}
}

func TestAQueryInADocumentNamesTheMemberThatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := orders.Plan(listing.Query{
		Filters: []listing.Filter{listing.Is("a/b~", "x"), listing.Is("status", "lost"), {Field: "id", Op: listing.In}},
		Sort:    listing.Sort{Field: "status"},
	}, "acme")
	bad, _ := errors.AsType[*storage.InvalidError](err)
	var got []string
	if bad != nil {
		for _, f := range bad.Fields {
			got = append(got, f.Pointer)
		}
	}
	if want := []string{"/filter/a~1b~0/eq", "/filter/status/eq", "/filter/id/in", "/sort"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := orders.Plan(listing.Query{Limit: -1}, "acme"); !errors.Is(err, storage.ErrInvalid) {
		t.Errorf("a negative limit: got %v", err)
	}
}

func TestACursorOpensOnlyTheListThatItWasMadeFor(t *testing.T) {
	t.Parallel()
	all := some(5)
	first := func(q listing.Query, scope ...string) storage.Cursor {
		q.Limit = 1
		plan, err := orders.Plan(q, scope...)
		if err != nil {
			t.Fatal(err)
		}
		return plan.Select(slices.Values(all)).Next
	}
	is := func(field, value string) listing.Query {
		return listing.Query{Filters: []listing.Filter{listing.Is(field, value)}}
	}
	cursor := first(is("status", "open"), "acme")
	other := orders
	other.Name = "shop.returns"
	for _, c := range []struct {
		name  string
		list  listing.List[order]
		q     listing.Query
		scope []string
		opens bool
	}{
		{"the same list", orders, is("status", "open"), []string{"acme"}, true},
		{"the default sort by its name", orders, listing.Query{Filters: is("status", "open").Filters, Sort: orders.Sort}, []string{"acme"}, true},
		{"another limit", orders, listing.Query{Filters: is("status", "open").Filters, Limit: 7}, []string{"acme"}, true},
		{"another value", orders, is("status", "paid"), []string{"acme"}, false},
		{"another field", orders, is("id", "open"), []string{"acme"}, false},
		{"another operator", orders, listing.Query{Filters: []listing.Filter{{Field: "status", Op: listing.Ne, Values: []string{"open"}}}}, []string{"acme"}, false},
		{"a filter more", orders, listing.Query{Filters: append(is("status", "open").Filters, listing.Is("gift", "true"))}, []string{"acme"}, false},
		{"no filter", orders, listing.Query{}, []string{"acme"}, false},
		{"the other direction", orders, listing.Query{Filters: is("status", "open").Filters, Sort: listing.Sort{Field: "at", Descending: true}}, []string{"acme"}, false},
		{"another sort", orders, listing.Query{Filters: is("status", "open").Filters, Sort: listing.Sort{Field: "total"}}, []string{"acme"}, false},
		{"another tenant", orders, is("status", "open"), []string{"bloom"}, false},
		{"more that fixes the list", orders, is("status", "open"), []string{"acme", ""}, false},
		{"another list", other, is("status", "open"), []string{"acme"}, false},
	} {
		c.q.After = cursor
		_, err := c.list.Plan(c.q, c.scope...)
		if c.opens && err != nil || !c.opens && !errors.Is(err, storage.ErrBadCursor) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	// The order in which filters are given does not matter.
	two := listing.Query{Filters: []listing.Filter{listing.Is("status", "open"), {Field: "total", Op: listing.Gte, Values: []string{"0"}}}}
	cursor = first(two, "acme")
	slices.Reverse(two.Filters)
	if two.After = cursor; cursor == "" {
		t.Fatal("the list has one page")
	}
	if _, err := orders.Plan(two, "acme"); err != nil {
		t.Errorf("the same filters the other way round: %v", err)
	}
}

// some returns orders of which several have one time, one total and one status.
func some(n int) (all []order) {
	for i := range n {
		all = append(all, order{
			ID: fmt.Sprintf("o%03d", i*37%101), Status: []string{"open", "open", "paid"}[i%3], Total: int64(i % 4 * 10), Gift: i%2 == 0,
			At: time.Date(2026, 11, 1, 0, 0, 0, i/3*1000, time.UTC),
		})
	}
	return all
}

func TestAPlanKeepsTheDeclaration(t *testing.T) {
	t.Parallel()
	all := some(17)
	listingtest.Check(t, selected(all), all)
}

// selected is the list as plans answer it over all.
func selected(all []order) listingtest.List[order] {
	return listingtest.Of(orders, func(q listing.Query) (page storage.Page[order], err error) {
		plan, err := orders.Plan(q, "acme")
		if err != nil {
			return page, err
		}
		return plan.Select(slices.Values(all)), nil
	})
}

// TestTakeIsSelect: items that come in order make the page without the rest being looked
// at.
func TestTakeIsSelect(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := some(rapid.IntRange(3, 12).Draw(t, "items"))
		list := selected(all)
		q := listing.Query{Sort: rapid.SampledFrom(list.Sorts()).Draw(t, "sort"), Limit: rapid.IntRange(1, 5).Draw(t, "limit")}
		if rapid.Bool().Draw(t, "filtered") {
			q.Filters = []listing.Filter{rapid.SampledFrom(list.Filters(all)).Draw(t, "filter")}
		}
		for {
			plan, err := orders.Plan(q, "acme")
			if err != nil {
				t.Fatal(err)
			}
			want := plan.Select(slices.Values(all))
			looked := 0
			got := plan.Take(func(yield func(order) bool) {
				for _, o := range slices.SortedFunc(slices.Values(all), plan.Compare) {
					if looked++; !yield(o) {
						return
					}
				}
			})
			if !slices.Equal(got.Items, want.Items) || got.Next != want.Next {
				t.Fatalf("took %v, selected %v", got, want)
			}
			if q.Filters == nil && q.After == "" && looked > q.Limit+1 {
				t.Fatalf("looked at %d items for a page of %d", looked, q.Limit)
			}
			if q.After = got.Next; q.After == "" {
				return
			}
		}
	})
}

func TestADeclarationThatCannotBeRightIsFound(t *testing.T) {
	t.Parallel()
	if err := orders.Check(); err != nil {
		t.Errorf("a right one: %v", err)
	}
	twice, unsorted, nameless := orders, orders, orders
	twice.Fields = append(slices.Clone(orders.Fields), orders.Fields[0])
	unsorted.Sort.Field = "status"
	nameless.Name = ""
	for _, l := range []listing.List[order]{twice, unsorted, nameless, {Name: "x", ID: orders.ID, Fields: []listing.Field[order]{{}}, Sort: orders.Sort}} {
		if l.Check() == nil {
			t.Errorf("%+v passes", l.Info())
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"filter[status][eq]=open&sort=-at", "filter[id][in]=a,b", "filter[][]=", "filter[at][gt]=2026-11-01T00:00:00Z", "sort=--"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		q, err := orders.Parse(values)
		if err != nil {
			bad, ok := errors.AsType[*storage.InvalidError](err)
			if !ok {
				t.Fatalf("got %v, want an InvalidError", err)
			}
			for _, f := range bad.Fields {
				if f.Pointer != "filter" && !values.Has(f.Pointer) {
					t.Errorf("blames %q, which is no parameter of %q", f.Pointer, query)
				}
			}
			return
		}
		// What was read is what a plan takes, and reads the same when it is written again.
		if _, err := orders.Plan(q, "acme"); err != nil {
			t.Fatalf("read, and refused by the plan: %v", err)
		}
		again := url.Values{}
		for _, f := range q.Filters {
			again.Set(listing.Parameter(f.Field, f.Op), strings.Join(f.Values, ","))
		}
		if q.Sort.Field != "" {
			again.Set("sort", q.Sort.String())
		}
		back, err := orders.Parse(again)
		if err != nil || !reflect.DeepEqual(back, q) {
			t.Errorf("got %+v (%v), want %+v", back, err, q)
		}
	})
}

func FuzzCursor(f *testing.F) {
	all := some(5)
	plan, err := orders.Plan(listing.Query{Limit: 2}, "acme")
	if err != nil {
		f.Fatal(err)
	}
	right := plan.Select(slices.Values(all)).Next
	f.Add(string(right))
	f.Add("")
	f.Fuzz(func(t *testing.T, cursor string) {
		plan, err := orders.Plan(listing.Query{After: storage.Cursor(cursor), Limit: 2}, "acme")
		if err != nil {
			if !errors.Is(err, storage.ErrBadCursor) {
				t.Fatalf("got %v, want %v", err, storage.ErrBadCursor)
			}
			return
		}
		// Whatever opens is a place: what lies behind it is a list in order.
		page := plan.Select(slices.Values(all))
		if !slices.IsSortedFunc(page.Items, plan.Compare) || len(page.Items) > 2 {
			t.Errorf("%q shows %v", cursor, page.Items)
		}
	})
}
