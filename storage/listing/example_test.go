package listing_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lumelle/adminkit/storage/listing"
)

// An order is what a host lists.
type order struct {
	ID, Status string
	Total      int64
	At         time.Time
	Gift       bool
}

var orders = listing.List[order]{
	Name: "shop.orders",
	ID:   func(o order) string { return o.ID },
	Fields: []listing.Field[order]{
		listing.TextField("id", func(o order) string { return o.ID }),
		listing.WordField("status", []string{"open", "paid"}, func(o order) string { return o.Status }),
		listing.IntegerField("total", func(o order) int64 { return o.Total }).Sortable(),
		listing.TimeField("at", func(o order) time.Time { return o.At }).Sortable(),
		listing.FlagField("gift", func(o order) bool { return o.Gift }),
	},
	Sort: listing.Sort{Field: "at"},
}

// A list is declared once. A URL is read by the declaration, and a store answers by the
// plan that it makes of the query.
func ExampleList() {
	stored := []order{
		{ID: "1001", Status: "paid", Total: 40}, {ID: "1002", Status: "paid", Total: 75},
		{ID: "1003", Status: "open", Total: 90}, {ID: "1004", Status: "paid", Total: 75},
	}
	ask := func(query string) {
		values, _ := url.ParseQuery(query)
		q, err := orders.Parse(values)
		if err != nil {
			fmt.Println(err)
			return
		}
		var line []string
		for q.Limit = 2; ; {
			plan, err := orders.Plan(q, "acme")
			if err != nil {
				fmt.Println(err)
				return
			}
			page := plan.Select(slices.Values(stored))
			for _, o := range page.Items {
				line = append(line, o.ID)
			}
			if q.After = page.Next; q.After == "" {
				fmt.Println(strings.Join(line, " "))
				return
			}
			line = append(line, "|")
		}
	}
	ask("filter[status][eq]=paid&filter[total][gte]=40&sort=-total")
	ask("filter[status][eq]=lost")
	ask("filter[colour][eq]=red")
	// Output:
	// 1004 1002 | 1001
	// invalid input: filter[status][eq]: must be open or paid
	// invalid input: filter[colour][eq]: is not a field of this list
}
