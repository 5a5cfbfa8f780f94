package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/idempotency"
	"github.com/lumelle/adminkit/storage/internal/sqlstore"
	"github.com/lumelle/adminkit/storage/listing/saved"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/webhooks"
)

// explained returns the plan of a statement in lines.
func explained(ctx context.Context, conn storage.Conn, explain string, s sqlstore.Statement, columns int) (string, error) {
	rows, err := conn.Query(ctx, explain+s.Query, s.Args...)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		line := make([]any, columns)
		into := make([]any, columns)
		for i := range line {
			into[i] = &line[i]
		}
		if err := rows.Scan(into...); err != nil {
			return "", err
		}
		lines = append(lines, fmt.Sprint(line[columns-1]))
	}
	return strings.Join(lines, "\n"), rows.Err()
}

// TestEveryListIsAWalkOverAnIndex holds each order that a list declares to an index: from a
// place in the middle the page is read where it stands, and nothing is sorted.
func TestEveryListIsAWalkOverAnIndex(t *testing.T) {
	t.Parallel()
	all, err := sqlstore.Statements("acme")
	if err != nil || len(all) < 4 {
		t.Fatalf("got %d statements: %v", len(all), err)
	}
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		sql, ok := b.(interface {
			Conn(ctx context.Context) (storage.Conn, error)
		})
		if !ok {
			return // memory has no plans
		}
		explain, columns, refused := `EXPLAIN QUERY PLAN `, 4, []string{"SCAN", "TEMP B-TREE"}
		settings := []string(nil)
		if strings.HasSuffix(t.Name(), "postgres") {
			// Of small tables Postgres reads all where it may. What remains when it may not
			// is what there is an index for.
			explain, columns, refused = `EXPLAIN `, 1, []string{"Seq Scan", "Sort"}
			settings = []string{`SET LOCAL enable_seqscan = off`, `SET LOCAL enable_sort = off`, `SET LOCAL enable_bitmapscan = off`}
		}
		rollback := errors.New("roll back")
		err := b.InTx(t.Context(), func(ctx context.Context) error {
			conn, err := sql.Conn(ctx)
			if err != nil {
				return err
			}
			for _, s := range settings {
				if _, err := conn.Exec(ctx, s); err != nil {
					return err
				}
			}
			for _, s := range all {
				plan, err := explained(ctx, conn, explain, s, columns)
				if err != nil {
					return fmt.Errorf("%s: %w", s.Name, err)
				}
				for _, word := range refused {
					if plan == "" || strings.Contains(plan, word) {
						t.Errorf("%s: the plan has a %s:\n%s\n%s", s.Name, word, plan, s.Query)
					}
				}
			}
			// What has no index is told.
			worst := sqlstore.Statement{Query: strings.ReplaceAll(all[0].Query, "created_at", "description"), Args: []any{"acme", "a", "b", 3}}
			plan, err := explained(ctx, conn, explain, worst, columns)
			if err != nil {
				return err
			}
			if !strings.Contains(plan, refused[1]) {
				t.Errorf("the plan of a list by description has no %s:\n%s", refused[1], plan)
			}
			return rollback
		})
		if !errors.Is(err, rollback) {
			t.Fatal(err)
		}
	})
}

// A cursor is easily forged, and a text that Postgres does not take has to be as bad on every
// store: a 400, and not the 500 of a statement that failed.
func TestAForgedCursorThatIsNoTextIsBadOnEveryStore(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		for _, text := range []string{"a\x00b", "a\xffb"} {
			for _, c := range []struct {
				name string
				list func() error
			}{
				{"a declared list", func() error {
					q := webhooks.EndpointQuery{}
					plan, err := q.Plan("acme")
					if err != nil {
						return err
					}
					q.After = plan.Next(webhooks.Endpoint{ID: text})
					_, err = b.Webhooks().ListEndpoints(t.Context(), "acme", q)
					return err
				}},
				{"saved filters", func() error {
					q := saved.Query{List: "shop.orders"}
					q.After = q.Next("acme", saved.Filter{Name: text, ID: "f1"})
					_, err := b.SavedFilters().List(t.Context(), "acme", q)
					return err
				}},
				{"idempotency records", func() error {
					after := idempotency.Record{Actor: "sam", Key: text}.Next("acme")
					_, err := b.Idempotency().List(t.Context(), "acme", after, 0)
					return err
				}},
			} {
				if err := c.list(); !errors.Is(err, storage.ErrBadCursor) {
					t.Errorf("%s behind %q: got %v, want ErrBadCursor", c.name, text, err)
				}
			}
		}
	})
}
