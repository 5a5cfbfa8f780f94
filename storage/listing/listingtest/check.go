package listingtest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
)

// Check holds a list to its declaration. all is everything that it lists, in any order:
// at least three items, of which some have the same sort value.
func Check[T any](t testing.TB, l List[T], all []T) {
	t.Helper()
	if len(all) < 3 || len(l.Fields) == 0 {
		t.Fatalf("a list of %d items and %d fields shows nothing", len(all), len(l.Fields))
	}
	same := func(q listing.Query) {
		t.Helper()
		if err := l.Same(all, q); err != nil {
			t.Error(err)
		}
	}
	sorts := append(l.Sorts(), listing.Sort{})
	for _, sort := range sorts {
		for _, limit := range []int{1, 3, len(all), len(all) + 1} {
			same(listing.Query{Sort: sort, Limit: limit})
		}
	}
	filters := l.Filters(all)
	for i, f := range filters {
		same(listing.Query{Filters: []listing.Filter{f}, Sort: sorts[i%len(sorts)], Limit: 2})
		// And with one of another field.
		if g := filters[(i+len(filters)/2)%len(filters)]; g.Field != f.Field {
			same(listing.Query{Filters: []listing.Filter{f, g}, Sort: sorts[(i+1)%len(sorts)], Limit: 2})
		}
	}
	l.cursors(t, filters)
	for _, what := range slices.Sorted(maps.Keys(l.wrong())) {
		if _, err := l.Page(l.wrong()[what]); !errors.Is(err, storage.ErrInvalid) {
			t.Errorf("%s: got %v, want %v", what, err, storage.ErrInvalid)
		}
	}
}

// Same answers an error where a walk over the pages of q finds anything else than a scan
// over all.
func (l List[T]) Same(all []T, q listing.Query) error {
	got, err := l.Walk(q)
	if err != nil {
		return fmt.Errorf("%s: %w", describe(q), err)
	}
	if want := l.Want(all, q); !slices.Equal(got, want) {
		return fmt.Errorf("%s: got %q, want %q", describe(q), got, want)
	}
	return nil
}

// Walk returns the ids of all that q chooses, read in pages of its limit.
func (l List[T]) Walk(q listing.Query) ([]string, error) {
	var ids []string
	for n := 0; ; n++ {
		page, err := l.Page(q)
		switch {
		case err != nil:
			return nil, err
		case len(page.Items) > q.Limit:
			return nil, fmt.Errorf("got a page of %d, want at most %d", len(page.Items), q.Limit)
		case page.Next != "" && (page.Next == q.After || len(page.Items) != q.Limit || n > 10_000):
			return nil, fmt.Errorf("page %d has %d items and a next one", n, len(page.Items))
		case page.Next == "" && n > 0 && len(page.Items) == 0:
			return nil, fmt.Errorf("page %d is empty, and the one before it had a next one", n)
		}
		ids = append(ids, l.ids(page.Items)...)
		if q.After = page.Next; q.After == "" {
			return ids, nil
		}
	}
}

// cursors fails where the cursor of one query opens another's list.
func (l List[T]) cursors(t testing.TB, filters []listing.Filter) {
	t.Helper()
	page, err := l.Page(listing.Query{Limit: 1})
	if err != nil || page.Next == "" {
		t.Errorf("the first page of one: %v, and its cursor is %q", err, page.Next)
		return
	}
	others := []listing.Query{{Sort: listing.Sort{Field: l.Sort.Field, Descending: !l.Sort.Descending}}}
	for _, f := range filters {
		others = append(others, listing.Query{Filters: []listing.Filter{f}})
	}
	for _, q := range others {
		q.After = page.Next
		if _, err := l.Page(q); !errors.Is(err, storage.ErrBadCursor) {
			t.Errorf("%s, with the cursor of the whole list: got %v, want %v", describe(q), err, storage.ErrBadCursor)
		}
	}
	// The same order by its name is the same list.
	if _, err := l.Page(listing.Query{Sort: l.Sort, After: page.Next, Limit: 2}); err != nil {
		t.Errorf("the default sort by its name, with the cursor of the whole list: %v", err)
	}
}

func describe(q listing.Query) string {
	text := ""
	for _, f := range q.Filters {
		text += fmt.Sprintf("%s %s %q, ", f.Field, f.Op, f.Values)
	}
	return fmt.Sprintf("%ssort %q, limit %d", text, q.Sort, q.Limit)
}
