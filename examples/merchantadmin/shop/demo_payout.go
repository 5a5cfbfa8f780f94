package shop

import (
	"context"
	"fmt"
	"time"

	"github.com/lumelle/adminkit/storage"
)

func (s *Store) seedPayouts(ctx context.Context, c storage.Conn, tenant string) error {
	have, err := s.Payouts(ctx, tenant, 1, "")
	if err != nil || len(have.Items) > 0 {
		return err
	}
	for _, p := range demoPayouts(tenant) {
		var paid int64
		if !p.PaidAt.IsZero() {
			paid = p.PaidAt.UnixMicro()
		}
		if _, err := c.Exec(ctx, `INSERT INTO shop_payout (tenant, id, store_id, amount, currency, status, period, paid_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
			tenant, p.ID, p.StoreID, int64(p.Amount), p.Currency, p.Status, p.Period, paid); err != nil {
			return err
		}
	}
	return nil
}

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// demoPayouts pays the demo orders of each store and week on the Wednesday after it.
// Those of the last two weeks are pending, and every ninth of the others is held.
func demoPayouts(tenant string) []Payout {
	monday := demoEpoch.Truncate(day)
	sold := map[string]map[int]Money{}
	last := 0
	for _, o := range demoOrders(tenant) {
		n := int(o.PlacedAt.Sub(monday) / week)
		if sold[o.StoreID] == nil {
			sold[o.StoreID] = map[int]Money{}
		}
		sold[o.StoreID][n] += o.Total
		last = max(last, n)
	}
	var all []Payout
	for n := range last + 1 {
		begins := monday.Add(time.Duration(n) * week)
		year, number := begins.ISOWeek()
		period := fmt.Sprintf("%d-W%02d", year, number)
		for _, store := range demoStores {
			store = tenant + "-" + store
			if sold[store][n] == 0 {
				continue
			}
			p := Payout{
				ID: store + "-" + period, StoreID: store, Amount: sold[store][n], Currency: "EUR", Period: period,
				Status: PayoutPaid, PaidAt: begins.Add(week + 2*day + 6*time.Hour),
			}
			switch {
			case n > last-2:
				p.Status, p.PaidAt = PayoutPending, time.Time{}
			case len(all)%9 == 8:
				p.Status, p.PaidAt = PayoutHeld, time.Time{}
			}
			all = append(all, p)
		}
	}
	return all
}
