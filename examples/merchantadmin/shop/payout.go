package shop

import (
	"context"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// The states of a payout.
const (
	PayoutPending = "pending"
	PayoutPaid    = "paid"
	// PayoutHeld is a payout that waits for somebody to look into it.
	PayoutHeld = "held"
)

// A Payout is what a store is paid for the orders of one week.
type Payout struct {
	ID       string `json:"id"`
	StoreID  string `json:"store_id"`
	Amount   Money  `json:"amount"`
	Currency string `json:"currency"`
	Status   string `json:"status"`
	// Period is the week of ISO 8601, such as "2026-W02".
	Period string `json:"period"`
	// PaidAt is zero unless the payout is paid.
	PaidAt time.Time `json:"paid_at,omitzero"`
}

var payouts = list[Payout]{
	name: "shop.payouts",
	query: `SELECT id, store_id, amount, currency, status, period, paid_at FROM shop_payout
		WHERE tenant = $1 AND ($2 = '' OR (period, id) < ($2, $3)) ORDER BY period DESC, id DESC LIMIT $4`,
	scan: func(scan func(dest ...any) error) (p Payout, err error) {
		var amount, paid int64
		err = scan(&p.ID, &p.StoreID, &amount, &p.Currency, &p.Status, &p.Period, &paid)
		p.Amount = Money(amount)
		if paid != 0 {
			p.PaidAt = time.UnixMicro(paid).UTC()
		}
		return p, err
	},
	key: func(p Payout) (first, second string) { return p.Period, p.ID },
}

// Payouts lists the payouts of the tenant, the newest period first and the highest
// id first within it. A limit of zero is storage.DefaultLimit.
func (s *Store) Payouts(ctx context.Context, tenant string, limit int, after storage.Cursor) (storage.Page[Payout], error) {
	return payouts.page(ctx, s.db, tenant, limit, after)
}
