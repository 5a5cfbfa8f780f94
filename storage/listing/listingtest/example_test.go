package listingtest_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/storage/listing/listingtest"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

type note struct {
	ID   string
	Size int64
}

var notes = listing.List[note]{
	Name:   "notes",
	ID:     func(n note) string { return n.ID },
	Fields: []listing.Field[note]{listing.IntegerField("size", func(n note) int64 { return n.Size }).Sortable()},
	Sort:   listing.Sort{Field: "size"},
}

// Of two stores one forgets an item on long pages. In a test t is the test's own.
func ExampleCheck() {
	stored := []note{{"a", 1}, {"b", 1}, {"c", 2}, {"d", 3}}
	right := func(q listing.Query) (page storage.Page[note], err error) {
		plan, err := notes.Plan(q, "acme")
		if err != nil {
			return page, err
		}
		return plan.Select(slices.Values(stored)), nil
	}
	forgets := func(q listing.Query) (storage.Page[note], error) {
		page, err := right(q)
		page.Items = slices.DeleteFunc(page.Items, func(n note) bool { return n.ID == "b" && q.Limit == 4 })
		return page, err
	}
	for _, page := range []func(q listing.Query) (storage.Page[note], error){right, forgets} {
		failures := ruletest.Try(context.Background(), func(t testing.TB) { listingtest.Check(t, listingtest.Of(notes, page), stored) })
		for _, f := range failures {
			fmt.Println(f)
		}
	}
	// Output:
	// sort "size", limit 4: got ["a" "c" "d"], want ["a" "b" "c" "d"]
	// sort "-size", limit 4: got ["d" "c" "a"], want ["d" "c" "b" "a"]
	// sort "", limit 4: got ["a" "c" "d"], want ["a" "b" "c" "d"]
}
