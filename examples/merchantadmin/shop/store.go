package shop

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// A DB is what the store needs of a backend; sqlite and postgres both offer it.
type DB interface {
	storage.Transactor
	// Conn is the connection of the transaction that ctx carries.
	Conn(ctx context.Context) (storage.Conn, error)
	// Reader is the connection of that transaction, else one for single reads.
	Reader(ctx context.Context) (storage.Conn, error)
}

// A Store keeps orders and refunds, stock and payouts. Its SQL reads the same on SQLite and Postgres.
type Store struct{ db DB }

// schema is every table of the shop. Orders are listed by number, an integer: text
// would order differently on the two engines unless its collation is set or, as with
// stock and payouts, its shape leaves collations no choice.
var schema = []string{
	`CREATE TABLE IF NOT EXISTS shop_order (
		tenant    TEXT   NOT NULL,
		id        TEXT   NOT NULL,
		number    BIGINT NOT NULL,
		store_id  TEXT   NOT NULL,
		customer  TEXT   NOT NULL,
		total     BIGINT NOT NULL,
		refunded  BIGINT NOT NULL,
		currency  TEXT   NOT NULL,
		status    TEXT   NOT NULL,
		placed_at BIGINT NOT NULL,
		revision  BIGINT NOT NULL,
		PRIMARY KEY (tenant, id),
		UNIQUE (tenant, number),
		CHECK (refunded >= 0 AND refunded <= total)
	)`,
	`CREATE TABLE IF NOT EXISTS shop_refund (
		tenant   TEXT   NOT NULL,
		id       TEXT   NOT NULL,
		order_id TEXT   NOT NULL,
		amount   BIGINT NOT NULL CHECK (amount > 0),
		reason   TEXT   NOT NULL,
		made_by  TEXT   NOT NULL,
		made_at  BIGINT NOT NULL,
		PRIMARY KEY (tenant, id),
		FOREIGN KEY (tenant, order_id) REFERENCES shop_order (tenant, id)
	)`,
	`CREATE TABLE IF NOT EXISTS shop_stock (
		tenant     TEXT   NOT NULL,
		store_id   TEXT   NOT NULL,
		sku        TEXT   NOT NULL,
		name       TEXT   NOT NULL,
		on_hand    BIGINT NOT NULL,
		reserved   BIGINT NOT NULL,
		reorder_at BIGINT NOT NULL CHECK (reorder_at >= 0),
		PRIMARY KEY (tenant, store_id, sku),
		CHECK (reserved >= 0 AND reserved <= on_hand)
	)`,
	`CREATE TABLE IF NOT EXISTS shop_payout (
		tenant   TEXT   NOT NULL,
		id       TEXT   NOT NULL,
		store_id TEXT   NOT NULL,
		amount   BIGINT NOT NULL CHECK (amount > 0),
		currency TEXT   NOT NULL,
		status   TEXT   NOT NULL CHECK (status IN ('pending', 'paid', 'held')),
		period   TEXT   NOT NULL,
		paid_at  BIGINT NOT NULL,
		PRIMARY KEY (tenant, id),
		UNIQUE (tenant, period, id),
		CHECK ((status = 'paid') = (paid_at > 0))
	)`,
	`CREATE TABLE IF NOT EXISTS shop_setting (
		name  TEXT PRIMARY KEY,
		value TEXT NOT NULL
	)`,
}

// Open makes the tables where they are missing and returns their store.
func Open(ctx context.Context, db DB) (*Store, error) {
	s := &Store{db: db}
	// Two processes that start on one empty Postgres race for the names of the
	// tables, IF NOT EXISTS notwithstanding. The loser finds them the second time.
	err := s.createTables(ctx)
	if err != nil {
		err = s.createTables(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("shop: create tables: %w", err)
	}
	return s, nil
}

func (s *Store) createTables(ctx context.Context) error {
	return s.db.InTx(ctx, func(ctx context.Context) error {
		c, err := s.db.Conn(ctx)
		if err != nil {
			return err
		}
		for _, statement := range schema {
			if _, err := c.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
}

const orderColumns = `id, number, store_id, customer, total, refunded, currency, status, placed_at, revision`

func scanOrder(scan func(dest ...any) error) (o Order, err error) {
	var number, total, refunded, placed int64
	err = scan(&o.ID, &number, &o.StoreID, &o.Customer, &total, &refunded, &o.Currency, &o.Status, &placed, &o.Revision)
	o.Number = strconv.FormatInt(number, 10)
	o.Total, o.Refunded = Money(total), Money(refunded)
	o.PlacedAt = time.UnixMicro(placed).UTC()
	return o, err
}

// Order returns an order of the tenant, storage.ErrNotFound where it has none.
func (s *Store) Order(ctx context.Context, tenant, id string) (Order, error) {
	// What is no identifier names no order; Postgres would fail on a NUL.
	if storage.CheckID("", id) != nil {
		return Order{}, storage.ErrNotFound
	}
	c, err := s.db.Reader(ctx)
	if err != nil {
		return Order{}, err
	}
	var o Order
	err = queryEach(ctx, c, `SELECT `+orderColumns+` FROM shop_order WHERE tenant = $1 AND id = $2`,
		[]any{tenant, id}, func(scan func(...any) error) (err error) {
			o, err = scanOrder(scan)
			return err
		})
	if err == nil && o.ID == "" {
		err = storage.ErrNotFound
	}
	return o, err
}

// ordersList names the list in its cursors.
const ordersList = "shop.orders"

// Orders lists the orders of the tenant, the newest number first. A limit of zero
// is storage.DefaultLimit.
func (s *Store) Orders(ctx context.Context, tenant string, limit int, after storage.Cursor) (storage.Page[Order], error) {
	var page storage.Page[Order]
	limit, err := storage.Limit(limit)
	if err != nil {
		return page, err
	}
	below := int64(1) << 62
	key, err := after.Key(ordersList, 1)
	if err != nil {
		return page, err
	}
	if key != nil {
		if below, err = strconv.ParseInt(key[0], 10, 64); err != nil {
			return page, storage.ErrBadCursor
		}
	}
	c, err := s.db.Reader(ctx)
	if err != nil {
		return page, err
	}
	// One row more than asked for tells whether there is a next page.
	err = queryEach(ctx, c, `SELECT `+orderColumns+` FROM shop_order
		WHERE tenant = $1 AND number < $2 ORDER BY number DESC LIMIT $3`,
		[]any{tenant, below, limit + 1}, func(scan func(...any) error) error {
			o, err := scanOrder(scan)
			page.Items = append(page.Items, o)
			return err
		})
	if err != nil {
		return storage.Page[Order]{}, err
	}
	if len(page.Items) > limit {
		page.Items = page.Items[:limit]
		page.Next = storage.NewCursor(ordersList, page.Items[limit-1].Number)
	}
	return page, nil
}

// Refunds lists the refunds of one order, the oldest first, at most
// storage.MaxLimit.
func (s *Store) Refunds(ctx context.Context, tenant, orderID string) ([]Refund, error) {
	c, err := s.db.Reader(ctx)
	if err != nil {
		return nil, err
	}
	var all []Refund
	err = queryEach(ctx, c, `SELECT id, order_id, amount, reason, made_by, made_at FROM shop_refund
		WHERE tenant = $1 AND order_id = $2 ORDER BY made_at, id LIMIT $3`,
		[]any{tenant, orderID, storage.MaxLimit}, func(scan func(...any) error) error {
			var r Refund
			var amount, at int64
			err := scan(&r.ID, &r.OrderID, &amount, &r.Reason, &r.MadeBy, &at)
			r.Amount, r.MadeAt = Money(amount), time.UnixMicro(at).UTC()
			all = append(all, r)
			return err
		})
	return all, err
}

// Refund books r on the order as before describes it, in the transaction of ctx. It
// returns storage.ErrConflict where the order is no longer at that revision, where
// less than the amount is left, and where a refund of this id exists.
func (s *Store) Refund(ctx context.Context, tenant string, before Order, r Refund) error {
	if r.Amount <= 0 || r.Amount > before.Left() {
		return fmt.Errorf("shop: refund of %s with %s left: %w", r.Amount, before.Left(), storage.ErrConflict)
	}
	c, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	after := before.After(r.Amount)
	n, err := c.Exec(ctx, `UPDATE shop_order SET refunded = $4, status = $5, revision = $6
		WHERE tenant = $1 AND id = $2 AND revision = $3`,
		tenant, before.ID, before.Revision, int64(after.Refunded), after.Status, after.Revision)
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("shop: order %s moved: %w", before.ID, storage.ErrConflict)
	}
	_, err = c.Exec(ctx, `INSERT INTO shop_refund (tenant, id, order_id, amount, reason, made_by, made_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		tenant, r.ID, before.ID, int64(r.Amount), r.Reason, r.MadeBy, r.MadeAt.UnixMicro())
	return err
}

// queryEach calls row for each row of the answer.
func queryEach(ctx context.Context, c storage.Conn, query string, args []any, row func(scan func(dest ...any) error) error) error {
	rows, err := c.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return rows.Close()
}
