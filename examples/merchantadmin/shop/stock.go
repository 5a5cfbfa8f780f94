package shop

import (
	"context"
	"strings"

	"github.com/lumelle/adminkit/storage"
)

// The levels of a stock item.
const (
	InStock    = "in_stock"
	LowStock   = "low_stock"
	OutOfStock = "out_of_stock"
)

// A StockItem is what a store has of an article. Quantities are pieces.
type StockItem struct {
	StoreID string `json:"store_id"`
	// SKU is the article's number, unique within its store.
	SKU    string `json:"sku"`
	Name   string `json:"name"`
	OnHand int64  `json:"on_hand"`
	// Reserved is the part of what is on hand that is sold and not yet sent.
	Reserved int64 `json:"reserved"`
	// ReorderAt is how many available pieces are few enough to order more.
	ReorderAt int64 `json:"reorder_at"`
}

// Available is what may still be sold.
func (i StockItem) Available() int64 { return i.OnHand - i.Reserved }

// Level is OutOfStock where nothing is available, LowStock at ReorderAt and below,
// else InStock.
func (i StockItem) Level() string {
	switch {
	case i.Available() <= 0:
		return OutOfStock
	case i.Available() <= i.ReorderAt:
		return LowStock
	}
	return InStock
}

var inventory = list[StockItem]{
	name: "shop.inventory",
	query: `SELECT store_id, sku, name, on_hand, reserved, reorder_at FROM shop_stock
		WHERE tenant = $1 AND (store_id, sku) > ($2, $3) ORDER BY store_id, sku LIMIT $4`,
	scan: func(scan func(dest ...any) error) (i StockItem, err error) {
		err = scan(&i.StoreID, &i.SKU, &i.Name, &i.OnHand, &i.Reserved, &i.ReorderAt)
		return i, err
	},
	key: func(i StockItem) (first, second string) { return i.StoreID, i.SKU },
}

// Inventory lists the stock of the tenant by store and article number. A limit of
// zero is storage.DefaultLimit.
func (s *Store) Inventory(ctx context.Context, tenant string, limit int, after storage.Cursor) (storage.Page[StockItem], error) {
	return inventory.page(ctx, s.db, tenant, limit, after)
}

// Stores returns the ids of the tenant's stores that keep stock, in order.
func (s *Store) Stores(ctx context.Context, tenant string) ([]string, error) {
	c, err := s.db.Reader(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := c.Query(ctx, `SELECT DISTINCT store_id FROM shop_stock WHERE tenant = $1 ORDER BY store_id LIMIT 1000`, tenant)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// Country returns the country of a demo store, empty for one that sells online.
func Country(storeID string) string {
	switch {
	case strings.HasSuffix(storeID, "-amsterdam"):
		return "NL"
	case strings.HasSuffix(storeID, "-lisbon"):
		return "PT"
	}
	return ""
}
