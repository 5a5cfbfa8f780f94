package postgres_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/postgres"
)

// counted counts statements, and what they took of round trips.
type counted struct{ n, trips int }

func (c *counted) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.n++
	c.trips++
	return ctx
}

func (c *counted) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (c *counted) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	c.trips++
	return ctx
}

func (c *counted) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) { c.n++ }

func (c *counted) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// countedBackend returns a Backend whose statements are counted.
func countedBackend(t testing.TB) (*postgres.Backend, *counted) {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(pgtest.DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	statements := &counted{}
	cfg.ConnConfig.Tracer = statements
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	b, err := postgres.New(t.Context(), pool, postgres.Config{NoListen: true})
	if err != nil {
		t.Fatal(err)
	}
	return b, statements
}

func records(n int) []audit.Row {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	rows := make([]audit.Row, n)
	for i := range rows {
		id := storage.NewID()
		canonical := fmt.Appendf(nil, `{"id":%q,"note":%q}`, id, body)
		rows[i] = audit.Row{
			Record: audit.Record{Canonical: canonical, Leaf: sha256.Sum256(canonical), RecordedAt: at},
			Source: "/orders", ID: id, Time: at, Action: "orders.refund", Category: audit.Activity, Outcome: audit.Success,
			ActorID: "sam", ResourceType: "order", ResourceID: "1001",
		}
	}
	return rows
}

var body = make([]byte, 100)

// Whoever appends many events keeps the locks of the change meanwhile: it waits for the
// server once, not once an event.
func TestRecordsOfABatchAreOneStatement(t *testing.T) {
	b, statements := countedBackend(t)
	rows := records(100)
	insert := func(rows []audit.Row) int {
		statements.n = 0
		if err := b.Audit().Insert(t.Context(), "acme", rows...); err != nil {
			t.Fatal(err)
		}
		return statements.n
	}
	one := insert(records(1))
	if got := insert(rows); got != one {
		t.Errorf("a hundred records are %d statements with BEGIN and COMMIT, one is %d", got, one)
	}
	if got := insert(rows); got != one+1 {
		t.Errorf("the same again are %d statements, want one more than %d, to compare them", got, one)
	}
}

// BenchmarkRecords is audit records in a transaction of their own, one by one and
// together.
func BenchmarkRecords(b *testing.B) {
	const n = 100
	for _, together := range []bool{false, true} {
		b.Run(fmt.Sprintf("together=%t", together), func(b *testing.B) {
			backend, _ := countedBackend(b)
			store := backend.Audit()
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				rows := records(n)
				b.StartTimer()
				err := backend.InTx(b.Context(), func(ctx context.Context) error {
					if together {
						return store.Insert(ctx, "acme", rows...)
					}
					for _, r := range rows {
						if err := store.Insert(ctx, "acme", r); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
