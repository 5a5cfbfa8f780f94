package shop

import (
	"context"
	"fmt"

	"github.com/lumelle/adminkit/storage"
)

var (
	demoArticles = []struct{ code, name string }{
		{"BAG", "Canvas bag"}, {"CAN", "Candle"}, {"MUG", "Stoneware mug"}, {"PEN", "Fountain pen"}, {"TEA", "Tea tin"},
	}
	demoColours = []string{"black", "green", "red", "white"}
)

func (s *Store) seedStock(ctx context.Context, c storage.Conn, tenant string) error {
	have, err := s.Inventory(ctx, tenant, 1, "")
	if err != nil || len(have.Items) > 0 {
		return err
	}
	for _, i := range demoStock(tenant) {
		if _, err := c.Exec(ctx, `INSERT INTO shop_stock (tenant, store_id, sku, name, on_hand, reserved, reorder_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
			tenant, i.StoreID, i.SKU, i.Name, i.OnHand, i.Reserved, i.ReorderAt); err != nil {
			return err
		}
	}
	return nil
}

// demoStock is every article in every colour in every store. Of each ten one is sold
// out and one is low.
func demoStock(tenant string) []StockItem {
	rnd := demoRand("stock", tenant)
	var stock []StockItem
	for _, store := range demoStores {
		for _, article := range demoArticles {
			for n, colour := range demoColours {
				i := StockItem{
					StoreID:   tenant + "-" + store,
					SKU:       fmt.Sprintf("%s-%03d", article.code, 101+n),
					Name:      article.name + ", " + colour,
					Reserved:  rnd.Int64N(12),
					ReorderAt: 5 + rnd.Int64N(10),
				}
				available := i.ReorderAt + 1 + rnd.Int64N(80)
				switch len(stock) % 10 {
				case 4:
					available = 0
				case 7:
					available = 1 + rnd.Int64N(i.ReorderAt)
				}
				i.OnHand = i.Reserved + available
				stock = append(stock, i)
			}
		}
	}
	return stock
}
