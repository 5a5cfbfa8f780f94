package saved_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/storage/listing/saved"
	"github.com/lumelle/adminkit/storage/memory"
)

// An order is what a host lists.
type order struct {
	ID, Status string
	At         time.Time
}

// orders declares a list with fields.
func orders(fields ...listing.Field[order]) listing.List[order] {
	return listing.List[order]{
		Name: "shop.orders", ID: func(o order) string { return o.ID }, Sort: listing.Sort{Field: "at"},
		Fields: append(fields, listing.TimeField("at", func(o order) time.Time { return o.At }).Sortable()),
	}
}

var status = listing.WordField("status", []string{"open", "paid"}, func(o order) string { return o.Status })

// Sam keeps what she asks for every morning. A program that has no such field any more
// says so, and lists nothing by it.
func Example() {
	ctx := context.Background()
	backend, err := memory.New(memory.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	filters, err := saved.New(backend.SavedFilters(), []saved.List{saved.Of(orders(status))}, saved.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	in := saved.Input{Name: "Open, newest first", Filters: []listing.Filter{listing.Is("status", "open")}, Sort: listing.ParseSort("-at")}
	f, err := filters.Create(ctx, "acme", "user:sam", "shop.orders", in)
	fmt.Println(f.Name, err)
	in.Filters[0].Values = []string{"lost"}
	_, err = filters.Create(ctx, "acme", "user:sam", "shop.orders", in)
	fmt.Println(err)

	q, err := filters.Query(ctx, "acme", "user:sam", "shop.orders", f.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	plan, err := orders(status).Plan(q, "acme")
	if err != nil {
		fmt.Println(err)
		return
	}
	page := plan.Select(slices.Values([]order{
		{"1", "open", time.Unix(1, 0)}, {"2", "paid", time.Unix(2, 0)}, {"3", "open", time.Unix(3, 0)},
	}))
	for _, o := range page.Items {
		fmt.Println(o.ID, o.Status)
	}

	_, err = filters.Query(ctx, "acme", "user:olivia", "shop.orders", f.ID)
	fmt.Println(errors.Is(err, storage.ErrNotFound))
	later, err := saved.New(backend.SavedFilters(), []saved.List{saved.Of(orders())}, saved.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = later.Query(ctx, "acme", "user:sam", "shop.orders", f.ID)
	fmt.Println(errors.Is(err, saved.ErrOutdated))
	// Output:
	// Open, newest first <nil>
	// invalid input: /filter/status/eq: must be open or paid
	// 3 open
	// 1 open
	// true
	// true
}
