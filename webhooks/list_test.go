package webhooks_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/storage/listing/listingtest"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/webhooks"
)

func TestTheListsAreDeclaredWhole(t *testing.T) {
	t.Parallel()
	must(t, webhooks.Endpoints().Check())
	must(t, webhooks.Deliveries().Check())
	// What is shared is not changed by who asks.
	webhooks.Endpoints().Fields[0] = listing.FlagField("mine", func(webhooks.Endpoint) bool { return true })
	if got := webhooks.Endpoints().Info()[0].Name; got != "id" {
		t.Errorf("the first field is %q", got)
	}
}

// TestStoresListAsAScanDoes draws endpoints, most of which share their times with others,
// and queries over them: pages put together are what a scan over all finds, so that none
// is lost between two pages and none is on both.
func TestStoresListAsAScanDoes(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		t.Parallel()
		ctx, s := t.Context(), b.Webhooks()
		rapid.Check(t, func(t *rapid.T) {
			tenant := storage.NewID()
			texts := rapid.SampledFrom([]string{"", "a", "A", "ab", "ä", "a%", "_", "日本", "日"})
			moments := rapid.Map(rapid.IntRange(0, 3), func(n int) time.Time { return day.Add(time.Duration(n) * time.Microsecond) })
			var all []webhooks.Endpoint
			for i := range rapid.IntRange(3, 20).Draw(t, "endpoints") {
				e := endpoint(tenant, fmt.Sprintf("%s%d", texts.Draw(t, "id"), i), "a.b")
				e.URL, e.Description = texts.Draw(t, "url"), texts.Draw(t, "description")
				e.CreatedAt, e.UpdatedAt = moments.Draw(t, "created"), moments.Draw(t, "updated")
				if rapid.Bool().Draw(t, "disabled") {
					e.Status, e.DisabledReason = webhooks.Disabled, texts.Draw(t, "reason")
				}
				all = append(all, e)
			}
			if err := b.InTx(ctx, func(ctx context.Context) error {
				for _, e := range all {
					if err := s.InsertEndpoint(ctx, tenant, e, webhooks.Secret{ID: "s" + e.ID, Sealed: []byte{1}}); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			list := listingtest.Of(webhooks.Endpoints(), func(q listing.Query) (storage.Page[webhooks.Endpoint], error) {
				return s.ListEndpoints(ctx, tenant, webhooks.EndpointQuery{Filters: q.Filters, Sort: q.Sort, After: q.After, Limit: q.Limit})
			})
			filters := list.Filters(all)
			for range 10 {
				q := listing.Query{Sort: rapid.SampledFrom(list.Sorts()).Draw(t, "sort"), Limit: rapid.IntRange(1, 7).Draw(t, "limit")}
				// Of one field and operator there is one filter.
				for _, f := range rapid.SliceOfNDistinct(rapid.SampledFrom(filters), 0, 3, func(f listing.Filter) string {
					return listing.Parameter(f.Field, f.Op)
				}).Draw(t, "filters") {
					q.Filters = append(q.Filters, f)
				}
				if err := list.Same(all, q); err != nil {
					t.Fatal(err)
				}
			}
		})
	})
}
