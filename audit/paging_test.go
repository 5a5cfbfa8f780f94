package audit_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// poll reads every page there is and returns the ids and where to go on.
func poll(t *testing.T, log *audit.Log, q audit.Query) ([]string, audit.Query) {
	t.Helper()
	var got []string
	for {
		page, err := log.Query(t.Context(), "acme", q)
		if err != nil {
			t.Fatal(err)
		}
		if page.Next == "" {
			t.Fatal("a polled list has ended")
		}
		for _, e := range page.Items {
			got = append(got, e.ID)
		}
		if q.After = page.Next; len(page.Items) == 0 {
			return got, q
		}
	}
}

var fromTheStart = audit.Query{Since: time.Unix(1, 0), Limit: 7}

// TestPollingSeesEveryEventOnce polls while writers append: alone, in transactions of
// several events, and in transactions that stay open for a while or are rolled back.
func TestPollingSeesEveryEventOnce(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		log := newLog(t, b.Audit(), audit.LogConfig{})
		const writers, rounds = 8, 25
		undo := errors.New("undo")
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(w), 1))
				for i := range rounds {
					id := fmt.Sprintf("%d-%d", w, i)
					err := b.InTx(t.Context(), func(ctx context.Context) error {
						if err := log.Append(ctx, refund(id+"-a")); err != nil {
							return err
						}
						for range r.IntN(4) { // others begin and commit in the meantime
							if _, err := log.Recorded(ctx, "acme", "/orders", "none"); err != nil {
								return err
							}
						}
						if i%5 == 4 {
							return undo
						}
						return log.Append(ctx, refund(id+"-b"))
					})
					if err != nil && !errors.Is(err, undo) {
						t.Errorf("append %s: %v", id, err)
					}
				}
			})
		}
		done := make(chan struct{})
		go func() {
			wg.Wait()
			close(done)
		}()
		want := writers * rounds / 5 * 4 * 2
		all, q := poll(t, log, fromTheStart)
		// The transactions of other tests in the same cluster hold events back, too.
		for waiting := time.Now(); len(all) < want && time.Since(waiting) < time.Minute; {
			var got []string
			got, q = poll(t, log, q)
			all = append(all, got...)
		}
		wg.Wait()
		late, _ := poll(t, log, q)
		all = append(all, late...)
		slices.Sort(all)
		if unique := slices.Compact(slices.Clone(all)); len(unique) != len(all) || len(all) != want {
			t.Errorf("polled %d events, %d of them different; want %d", len(all), len(unique), want)
		}
	})
}

// TestPollingWaitsForAnOlderTransaction holds the case that loses rows: a transaction
// that wrote first commits last.
func TestPollingWaitsForAnOlderTransaction(t *testing.T) {
	t.Parallel()
	b := eachtest.Postgres(t)
	log := newLog(t, b.Audit(), audit.LogConfig{})
	written, finish := make(chan struct{}), make(chan struct{})
	slow := make(chan error, 1)
	go func() {
		slow <- b.InTx(t.Context(), func(ctx context.Context) error {
			if err := log.Append(ctx, refund("slow")); err != nil {
				return err
			}
			close(written)
			<-finish
			return nil
		})
	}()
	<-written
	mustAppend(t, log, refund("fast"))
	got, q := poll(t, log, fromTheStart)
	if len(got) != 0 {
		t.Errorf("polled %q, want nothing while an older transaction may still commit", got)
	}
	if listed := ids(t, log, "acme", audit.Query{}); !slices.Equal(listed, []string{"fast"}) {
		t.Errorf("listed %q, want what is committed: only polling waits", listed)
	}
	close(finish)
	if err := <-slow; err != nil {
		t.Fatal(err)
	}
	mustAppend(t, log, refund("next"))
	for waiting := time.Now(); len(got) < 3 && time.Since(waiting) < time.Minute; {
		var more []string
		more, q = poll(t, log, q)
		got = append(got, more...)
	}
	if !slices.Equal(got, []string{"slow", "fast", "next"}) {
		t.Errorf("polled %q, want all in the order their transactions began", got)
	}
}

// TestPagesAreStableWhileOthersWrite pages through what was there at the start, in
// both directions and both orders, while more is appended.
func TestPagesAreStableWhileOthersWrite(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		log := newLog(t, b.Audit(), audit.LogConfig{})
		var before []string
		for i := range 200 {
			e := refund(fmt.Sprintf("old-%03d", i))
			e.Time = noon.Add(time.Duration(i%10) * time.Minute)
			before = append(before, e.ID)
			mustAppend(t, log, e)
		}
		for _, q := range []audit.Query{
			{Limit: 13},
			{Limit: 13, Descending: true},
			{Limit: 13, Since: noon, Until: noon.Add(time.Hour)},
			{Limit: 13, Since: noon, Until: noon.Add(time.Hour), Descending: true},
		} {
			n := 0
			var got []string
			for {
				page, err := log.Query(t.Context(), "acme", q)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range page.Items {
					got = append(got, e.ID)
				}
				if q.After = page.Next; page.Next == "" {
					break
				}
				e := refund(fmt.Sprintf("new-%t-%d-%d", q.Descending, q.Until.Unix(), n))
				e.Time = noon.Add(time.Duration(n%10) * time.Minute)
				mustAppend(t, log, e)
				n++
			}
			slices.Sort(got)
			if len(slices.Compact(slices.Clone(got))) != len(got) {
				t.Errorf("%+v: an event was answered twice", q)
			}
			for _, id := range before {
				if _, found := slices.BinarySearch(got, id); !found {
					t.Errorf("%+v: %s was skipped", q, id)
				}
			}
		}
	})
}

func TestDescendingListIsNotPolled(t *testing.T) {
	t.Parallel()
	log := newLog(t, eachtest.Memory(t).Audit(), audit.LogConfig{})
	mustAppend(t, log, refund("1"), refund("2"))
	page, err := log.Query(t.Context(), "acme", audit.Query{Since: time.Unix(1, 0), Descending: true})
	if err != nil || page.Next != "" || len(page.Items) != 2 || page.Items[0].ID != "2" {
		t.Errorf("Query = %d items, next %q, %v; want both, the last first, and an end", len(page.Items), page.Next, err)
	}
}

// TestTransactionsAreOrderedAsNumbers holds a list together where the ids of
// transactions grow by a digit.
func TestTransactionsAreOrderedAsNumbers(t *testing.T) {
	t.Parallel()
	b := eachtest.Postgres(t)
	log := newLog(t, b.Audit(), audit.LogConfig{})
	xids := map[string]string{"1": "9", "2": "10", "3": "99", "4": "100"}
	for _, id := range slices.Sorted(maps.Keys(xids)) {
		mustAppend(t, log, refund(id))
	}
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		conn, err := b.(interface {
			Conn(ctx context.Context) (storage.Conn, error)
		}).Conn(ctx)
		if err != nil {
			return err
		}
		for id, xid := range xids {
			if _, err := conn.Exec(ctx, `UPDATE adminkit_audit_event SET xid = CAST(CAST($1 AS TEXT) AS xid8) WHERE id = $2`, xid, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"1", "2", "3", "4"}
	if got := ids(t, log, "acme", audit.Query{Limit: 1}); !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	if got, _ := poll(t, log, audit.Query{Since: time.Unix(1, 0), Limit: 3}); !slices.Equal(got, want) {
		t.Errorf("polled %q, want %q", got, want)
	}
	slices.Reverse(want)
	if got := ids(t, log, "acme", audit.Query{Limit: 1, Descending: true}); !slices.Equal(got, want) {
		t.Errorf("listed from the end %q, want %q", got, want)
	}
}
