package shop

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// DemoOrders is how many orders each demo merchant has.
const DemoOrders = 200

// SeedDemo gives each tenant its demo orders, stock and payouts, each unless it has
// any. They are the same in every database: orders with totals from 5.00 to
// 5,000.00, one in ten of them above 1,200.00 and nothing refunded, stock of every
// level in every store, and a payout for each week in which a store sold something.
func (s *Store) SeedDemo(ctx context.Context, tenants ...string) error {
	return s.db.InTx(ctx, func(ctx context.Context) error {
		c, err := s.db.Conn(ctx)
		if err != nil {
			return err
		}
		for _, tenant := range tenants {
			for _, seed := range []func(context.Context, storage.Conn, string) error{s.seedOrders, s.seedStock, s.seedPayouts} {
				if err := seed(ctx, c, tenant); err != nil {
					return fmt.Errorf("shop: seed %s: %w", tenant, err)
				}
			}
		}
		return nil
	})
}

func (s *Store) seedOrders(ctx context.Context, c storage.Conn, tenant string) error {
	have, err := s.Orders(ctx, tenant, 1, "")
	if err != nil || len(have.Items) > 0 {
		return err
	}
	for _, o := range demoOrders(tenant) {
		if _, err := c.Exec(ctx, `INSERT INTO shop_order
			(tenant, id, number, store_id, customer, total, refunded, currency, status, placed_at, revision)
			VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, $9, $10) ON CONFLICT DO NOTHING`,
			tenant, o.ID, o.number, o.StoreID, o.Customer, int64(o.Total), o.Currency, o.Status,
			o.PlacedAt.UnixMicro(), o.Revision); err != nil {
			return err
		}
	}
	return nil
}

type demoOrder struct {
	Order
	number int64
}

var (
	demoStores = []string{"amsterdam", "lisbon", "online"}
	demoFirst  = []string{"Ada", "Bram", "Chiara", "Dov", "Elif", "Femi", "Greta", "Hana", "Ivo", "Jun", "Kofi", "Lena"}
	demoLast   = []string{"Aalto", "Becker", "Costa", "Dimitrov", "Eriksen", "Farah", "Garcia", "Haddad", "Ito", "Jansen"}
	demoEpoch  = time.Date(2026, time.January, 5, 8, 0, 0, 0, time.UTC)
)

func demoOrders(tenant string) []demoOrder {
	rnd := demoRand("demo", tenant)
	orders := make([]demoOrder, DemoOrders)
	for i := range orders {
		total := 5_00 + rnd.Int64N(395_00) // an ordinary basket
		if i%10 == 3 {
			total = 1_200_01 + rnd.Int64N(5_000_00-1_200_01+1) // and a large one
		}
		number := int64(1001 + i)
		orders[i] = demoOrder{number: number, Order: Order{
			ID:       fmt.Sprintf("%s-%d", tenant, number),
			StoreID:  tenant + "-" + demoStores[rnd.IntN(len(demoStores))],
			Customer: demoFirst[rnd.IntN(len(demoFirst))] + " " + demoLast[rnd.IntN(len(demoLast))],
			Total:    Money(total),
			Currency: "EUR",
			Status:   Paid,
			PlacedAt: demoEpoch.Add(time.Duration(i)*11*time.Hour + time.Duration(rnd.IntN(600))*time.Minute),
			Revision: 1,
		}}
	}
	return orders
}

// demoRand makes the numbers of one subject at one tenant, the same in every run.
func demoRand(subject, tenant string) *rand.Rand {
	var seed [32]byte
	copy(seed[:], "merchantadmin "+subject+"/"+tenant)
	return rand.New(rand.NewChaCha8(seed))
}
