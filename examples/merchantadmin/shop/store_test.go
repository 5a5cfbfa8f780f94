package shop_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/examples/merchantadmin/shop"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// onEachDatabase runs fn with the seeded shop over every engine that has SQL.
func onEachDatabase(t *testing.T, fn func(t *testing.T, db shop.DB, s *shop.Store)) {
	t.Helper()
	for _, kind := range eachtest.Kinds(t) {
		if kind.Name == "memory" {
			continue // it has no tables
		}
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			db := kind.Open(t).(shop.DB)
			s, err := shop.Open(t.Context(), db)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.SeedDemo(t.Context(), "acme", "bloom"); err != nil {
				t.Fatal(err)
			}
			fn(t, db, s)
		})
	}
}

// all reads a list to its end in pages of limit.
func all[T any](t *testing.T, tenant string, limit int, list func(context.Context, string, int, storage.Cursor) (storage.Page[T], error)) []T {
	t.Helper()
	var items []T
	for after := storage.Cursor(""); ; {
		page, err := list(t.Context(), tenant, limit, after)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Items) > limit || page.Next != "" && len(page.Items) < limit {
			t.Fatalf("a page of %d has %d items and goes on at %q", limit, len(page.Items), page.Next)
		}
		if items, after = append(items, page.Items...), page.Next; after == "" {
			return items
		}
	}
}

func byStoreAndSKU(a, b shop.StockItem) int {
	return cmp.Or(strings.Compare(a.StoreID, b.StoreID), strings.Compare(a.SKU, b.SKU))
}

func newestPeriodFirst(a, b shop.Payout) int {
	return cmp.Or(strings.Compare(b.Period, a.Period), strings.Compare(b.ID, a.ID))
}

func TestListsAreWholeAndInOrderWhateverThePage(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, _ shop.DB, s *shop.Store) {
		stock, payouts := all(t, "acme", 1000, s.Inventory), all(t, "acme", 1000, s.Payouts)
		if len(stock) != 60 || !slices.IsSortedFunc(stock, byStoreAndSKU) {
			t.Errorf("%d articles, want 60 by store and SKU: %v", len(stock), stock)
		}
		if len(payouts) < 30 || !slices.IsSortedFunc(payouts, newestPeriodFirst) {
			t.Errorf("%d payouts, want more than 30, the newest period first: %v", len(payouts), payouts)
		}
		for _, limit := range []int{1, 7, 20, 60} {
			if got := all(t, "acme", limit, s.Inventory); !slices.Equal(got, stock) {
				t.Errorf("in pages of %d the inventory is %v", limit, got)
			}
			if got := all(t, "acme", limit, s.Payouts); !slices.Equal(got, payouts) {
				t.Errorf("in pages of %d the payouts are %v", limit, got)
			}
		}
	})
}

func TestListsRefuseCursorsThatAreNotTheirs(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, _ shop.DB, s *shop.Store) {
		for name, after := range map[string]storage.Cursor{
			"no cursor":                  "next",
			"a cursor of another list":   storage.NewCursor("shop.orders", "1200"),
			"a cursor with a NUL":        storage.NewCursor("shop.inventory", "acme\x00", "MUG-101"),
			"a cursor of half a key":     storage.NewCursor("shop.inventory", "acme-online", ""),
			"a cursor of payouts so far": storage.NewCursor("shop.payouts", "", "acme"),
		} {
			if _, err := s.Inventory(t.Context(), "acme", 1, after); !errors.Is(err, storage.ErrBadCursor) {
				t.Errorf("the inventory takes %s: %v", name, err)
			}
			if _, err := s.Payouts(t.Context(), "acme", 1, after); !errors.Is(err, storage.ErrBadCursor) {
				t.Errorf("the payouts take %s: %v", name, err)
			}
		}
		if _, err := s.Inventory(t.Context(), "acme", -1, ""); !errors.Is(err, storage.ErrInvalid) {
			t.Errorf("a negative limit: %v", err)
		}
	})
}

func TestTenantsSeeTheirOwnRowsOnly(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, _ shop.DB, s *shop.Store) {
		for _, tenant := range []string{"acme", "bloom"} {
			stock, payouts := all(t, tenant, 1000, s.Inventory), all(t, tenant, 1000, s.Payouts)
			if len(stock) == 0 || slices.ContainsFunc(stock, func(i shop.StockItem) bool { return !strings.HasPrefix(i.StoreID, tenant+"-") }) {
				t.Errorf("%s sees the stock %v", tenant, stock)
			}
			if len(payouts) == 0 || slices.ContainsFunc(payouts, func(p shop.Payout) bool { return !strings.HasPrefix(p.StoreID, tenant+"-") }) {
				t.Errorf("%s sees the payouts %v", tenant, payouts)
			}
		}
		// A cursor carries a place and no tenant: acme's leads bloom to its own rows.
		page, err := s.Payouts(t.Context(), "acme", 5, "")
		if err != nil {
			t.Fatal(err)
		}
		page, err = s.Payouts(t.Context(), "bloom", 5, page.Next)
		if err != nil || len(page.Items) == 0 || slices.ContainsFunc(page.Items, func(p shop.Payout) bool { return !strings.HasPrefix(p.ID, "bloom-") }) {
			t.Errorf("behind a cursor of acme bloom sees %v, %v", page.Items, err)
		}
		if stock, payouts := all(t, "dune", 10, s.Inventory), all(t, "dune", 10, s.Payouts); len(stock)+len(payouts) > 0 {
			t.Errorf("a tenant without rows sees %v and %v", stock, payouts)
		}
	})
}

func TestDemoIsSeededOnceAndTheSameEverywhere(t *testing.T) {
	t.Parallel()
	type contents struct {
		orders  []shop.Order
		stock   []shop.StockItem
		payouts []shop.Payout
	}
	read := func(t *testing.T, s *shop.Store) contents {
		return contents{all(t, "acme", 1000, s.Orders), all(t, "acme", 1000, s.Inventory), all(t, "acme", 1000, s.Payouts)}
	}
	same := func(a, b contents) bool {
		return slices.Equal(a.orders, b.orders) && slices.Equal(a.stock, b.stock) && slices.Equal(a.payouts, b.payouts)
	}
	reference, err := shop.Open(t.Context(), eachtest.SQLite(t).(shop.DB))
	if err != nil {
		t.Fatal(err)
	}
	if err := reference.SeedDemo(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	want := read(t, reference)
	onEachDatabase(t, func(t *testing.T, db shop.DB, s *shop.Store) {
		if !same(read(t, s), want) {
			t.Errorf("the demo differs from that of another database")
		}
		// What happened since a start is kept at the next.
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			c, err := db.Conn(ctx)
			if err != nil {
				return err
			}
			_, err = c.Exec(ctx, `DELETE FROM shop_stock WHERE tenant = $1 AND sku <> $2`, "acme", "MUG-101")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		changed := read(t, s)
		again, err := shop.Open(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.SeedDemo(t.Context(), "acme", "bloom"); err != nil {
			t.Fatal(err)
		}
		if len(changed.stock) != 3 || !same(read(t, again), changed) {
			t.Errorf("a restart changes the rows")
		}
	})
}

// A database that an earlier build seeded with orders alone gets the rest.
func TestDemoAddsWhatADatabaseLacks(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, db shop.DB, s *shop.Store) {
		stock, payouts := all(t, "acme", 1000, s.Inventory), all(t, "acme", 1000, s.Payouts)
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			c, err := db.Conn(ctx)
			if err != nil {
				return err
			}
			if _, err = c.Exec(ctx, `DROP TABLE shop_stock`); err != nil {
				return err
			}
			_, err = c.Exec(ctx, `DROP TABLE shop_payout`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		again, err := shop.Open(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.SeedDemo(t.Context(), "acme"); err != nil {
			t.Fatal(err)
		}
		if got := all(t, "acme", 1000, again.Inventory); !slices.Equal(got, stock) {
			t.Errorf("the stock is %v", got)
		}
		if got := all(t, "acme", 1000, again.Payouts); !slices.Equal(got, payouts) {
			t.Errorf("the payouts are %v", got)
		}
	})
}

func TestDemoShowsEveryState(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, _ shop.DB, s *shop.Store) {
		seen := map[string]int{}
		for _, i := range all(t, "acme", 1000, s.Inventory) {
			seen[i.StoreID+" "+i.Level()]++
		}
		for _, store := range []string{"amsterdam", "lisbon", "online"} {
			for _, level := range []string{shop.InStock, shop.LowStock, shop.OutOfStock} {
				if seen["acme-"+store+" "+level] == 0 {
					t.Errorf("%s has nothing that is %s", store, level)
				}
			}
		}
		var paid, sold shop.Money
		for _, p := range all(t, "acme", 1000, s.Payouts) {
			seen[p.Status]++
			paid += p.Amount
			if (p.Status == shop.PayoutPaid) == p.PaidAt.IsZero() {
				t.Errorf("%s is %s and paid at %v", p.ID, p.Status, p.PaidAt)
			}
		}
		for _, o := range all(t, "acme", 1000, s.Orders) {
			sold += o.Total
		}
		if paid != sold {
			t.Errorf("payouts are %s in sum, the orders %s", paid, sold)
		}
		for _, status := range []string{shop.PayoutPending, shop.PayoutPaid, shop.PayoutHeld} {
			if seen[status] == 0 {
				t.Errorf("no payout is %s", status)
			}
		}
	})
}

func TestLevelCountsWhatIsAvailable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		onHand, reserved, reorderAt int64
		want                        string
	}{
		{0, 0, 0, shop.OutOfStock}, {5, 5, 0, shop.OutOfStock}, {5, 5, 9, shop.OutOfStock},
		{6, 5, 1, shop.LowStock}, {10, 0, 10, shop.LowStock}, {7, 5, 1, shop.InStock}, {1, 0, 0, shop.InStock},
	} {
		i := shop.StockItem{OnHand: c.onHand, Reserved: c.reserved, ReorderAt: c.reorderAt}
		if got := i.Level(); got != c.want {
			t.Errorf("%d on hand, %d reserved, reorder at %d is %s, want %s", c.onHand, c.reserved, c.reorderAt, got, c.want)
		}
	}
}
