package adminkit_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// BenchmarkRefund prints what governance costs: refunds a second from 32 goroutines,
// each durable when it is counted, with everything, with one part taken away at a
// time, and as the host's own statement alone. Compare within one run:
//
//	go test -run '^$' -bench BenchmarkRefund -benchtime 3s -count 5 .
func BenchmarkRefund(b *testing.B) {
	for _, store := range []struct {
		name string
		open func(b *testing.B) eachtest.Backend
	}{
		{"sqlite", func(b *testing.B) eachtest.Backend {
			db, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "walk.db"), sqlite.Config{})
			return openedFor(b, db, err)
		}},
		{"postgres", func(b *testing.B) eachtest.Backend {
			db, err := postgres.Open(b.Context(), eachtest.PostgresDSN(b)+"&pool_max_conns=32", postgres.Config{})
			return openedFor(b, db, err)
		}},
	} {
		for _, c := range []struct {
			name string
			with parts
		}{
			{"everything", everything},
			{"without-gates", parts{audit: true, outbox: true}},
			{"without-audit", parts{gates: true, outbox: true}},
			{"without-outbox", parts{gates: true, audit: true}},
			{"ungoverned", parts{}},
		} {
			b.Run(store.name+"/"+c.name, func(b *testing.B) {
				db := store.open(b)
				w := newWalk(b, db, hostOf(b, db), newKeys(b), c.with)
				w.cast(b, "http://127.0.0.1:1/")
				var n atomic.Int64
				b.ReportAllocs()
				b.SetParallelism(16) // times GOMAXPROCS, 2 here: 32 goroutines
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						i := n.Add(1)
						id, order := fmt.Sprintf("refund-%d", i), orderNo(int(i))
						var err error
						if c.with == (parts{}) {
							err = db.InTx(b.Context(), func(ctx context.Context) error { return w.till.pay(ctx, order, id, 5000) })
						} else {
							err = w.refund(b.Context(), order, id, 5000)
						}
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
			})
		}
	}
}

func openedFor[B eachtest.Backend](b *testing.B, db B, err error) eachtest.Backend {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return db
}
