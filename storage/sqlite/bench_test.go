package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	driversqlite "modernc.org/sqlite"

	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/tabletest"
)

// The three statements of a governed change: the object, its audit record, a message.
var governed = []string{
	`UPDATE orders SET refunded = refunded + 1 WHERE id = $1`,
	`INSERT INTO audit (tenant, id, body) VALUES ('acme', $1, $2)`,
	`INSERT INTO outbox (tenant, id, body) VALUES ('acme', $1, $2)`,
}

var benchSchema = []string{
	`CREATE TABLE orders (id BIGINT PRIMARY KEY, refunded BIGINT NOT NULL)`,
	`CREATE TABLE audit (tenant TEXT NOT NULL, id BIGINT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (tenant, id))`,
	`CREATE TABLE outbox (tenant TEXT NOT NULL, id BIGINT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (tenant, id))`,
	`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 199) INSERT INTO orders SELECT i, 0 FROM n`,
}

var body = make([]byte, 400)

// BenchmarkGroupCommit measures governed changes against a plain transaction each, on
// one connection with prepared statements, with synchronous FULL and NORMAL.
func BenchmarkGroupCommit(b *testing.B) {
	for _, writers := range []int{1, 32} {
		b.Run(fmt.Sprintf("writers=%d/group-full", writers), func(b *testing.B) {
			s, err := sqlite.Open(b.Context(), b.TempDir()+"/bench.db", sqlite.Config{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close(context.Background())
			for _, statement := range benchSchema {
				if err := s.InTx(b.Context(), func(ctx context.Context) error { return tabletest.Exec(ctx, s, statement) }); err != nil {
					b.Fatal(err)
				}
			}
			drive(b, writers, func(id int64) error {
				return s.InTx(b.Context(), func(ctx context.Context) error {
					c, err := s.Conn(ctx)
					if err != nil {
						return err
					}
					for i, q := range governed {
						args := []any{id, body}
						if i == 0 {
							args = []any{id % 200}
						}
						if _, err := c.Exec(ctx, q, args...); err != nil {
							return err
						}
					}
					return nil
				})
			})
		})
		for _, synchronous := range []string{"full", "normal"} {
			b.Run(fmt.Sprintf("writers=%d/plain-%s", writers, synchronous), func(b *testing.B) { plain(b, writers, synchronous) })
		}
	}
}

// plain is the floor: what a careful program does without a group.
func plain(b *testing.B, writers int, synchronous string) {
	c, err := driversqlite.NewConnector("file:" + b.TempDir() + "/bench.db?_pragma=journal_mode(wal)&_pragma=synchronous(" + synchronous + ")&_txlock=immediate")
	if err != nil {
		b.Fatal(err)
	}
	db := sql.OpenDB(c)
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, statement := range benchSchema {
		if _, err := db.Exec(statement); err != nil {
			b.Fatal(err)
		}
	}
	var stmts []*sql.Stmt
	for i := range governed {
		s, err := db.Prepare(sqlite.Numbered(governed[i]))
		if err != nil {
			b.Fatal(err)
		}
		stmts = append(stmts, s)
	}
	drive(b, writers, func(id int64) error {
		tx, err := db.Begin()
		if err != nil {
			return err
		}
		defer tx.Rollback()
		for i, s := range stmts {
			args := []any{id, body}
			if i == 0 {
				args = []any{id % 200}
			}
			if _, err := tx.Stmt(s).Exec(args...); err != nil {
				return err
			}
		}
		return tx.Commit()
	})
}

// drive makes b.N changes from a number of goroutines.
func drive(b *testing.B, writers int, change func(id int64) error) {
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for {
				id := next.Add(1)
				if id > int64(b.N) {
					return
				}
				if err := change(id); err != nil {
					b.Error(strconv.FormatInt(id, 10), err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
}
