package shop

import "time"

// The states of an order.
const (
	Paid              = "paid"
	PartiallyRefunded = "partially_refunded"
	Refunded          = "refunded"
)

// An Order is something a customer of a merchant bought and paid.
type Order struct {
	ID       string    `json:"id"`
	StoreID  string    `json:"store_id"`
	Number   string    `json:"number"`
	Customer string    `json:"customer"`
	Total    Money     `json:"total"`
	Currency string    `json:"currency"`
	Status   string    `json:"status"`
	Refunded Money     `json:"refunded"`
	PlacedAt time.Time `json:"placed_at"`
	// Revision counts the changes of the order.
	Revision int64 `json:"revision"`
}

// Left is what may still be refunded.
func (o Order) Left() Money { return o.Total - o.Refunded }

// After is the order as a refund of amount leaves it.
func (o Order) After(amount Money) Order {
	o.Refunded += amount
	o.Revision++
	o.Status = PartiallyRefunded
	if o.Left() == 0 {
		o.Status = Refunded
	}
	return o
}

// A Refund gives a part of an order's total back. Its ID is the caller's, so that
// the same refund is never made twice.
type Refund struct {
	ID      string    `json:"id"`
	OrderID string    `json:"order_id"`
	Amount  Money     `json:"amount"`
	Reason  string    `json:"reason"`
	MadeBy  string    `json:"made_by"`
	MadeAt  time.Time `json:"made_at"`
}
