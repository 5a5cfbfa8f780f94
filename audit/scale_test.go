package audit_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// TestPagesOfALargeLogAreAReferenceScan pages through a log in every order and through
// filters, while others write, and holds what it gets to a scan of what was appended.
// ADMINKIT_LONG=1 does so over 100,000 events, otherwise they are 5,000.
func TestPagesOfALargeLogAreAReferenceScan(t *testing.T) {
	n := 5_000
	if os.Getenv("ADMINKIT_LONG") == "1" {
		n = 100_000
	}
	seed := rand.Uint64()
	all := history(n, seed)
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		log := newLog(t, b.Audit(), audit.LogConfig{Now: func() time.Time { return noon }})
		for batch := range slices.Chunk(all, 1000) {
			mustAppend(t, log, batch...)
		}
		late := 0
		for name, q := range largeLists {
			want := scan(all, "acme", q)
			got := pages(t, log, q, len(want), func() {
				e := refund(fmt.Sprintf("late-%d", late))
				e.Time = noon.Add(time.Hour)
				mustAppend(t, log, e)
				late++
			})
			if !slices.Equal(got, want) {
				t.Errorf("%s: %d events, want %d; the first that differs is number %d; seed %d", name, len(got), len(want), firstDifference(got, want), seed)
			}
			t.Logf("%s: %d events of %d", name, len(got), n)
		}
	})
}

// largeLists are the lists and filters; none is of more than a day, and all but the
// last find something.
var largeLists = map[string]audit.Query{
	"everything":                    {},
	"everything from its end":       {Descending: true},
	"everything that is polled":     {Since: noon},
	"a day":                         {Since: noon, Until: noon.Add(24 * time.Hour)},
	"a day from its end":            {Since: noon, Until: noon.Add(24 * time.Hour), Descending: true},
	"one person":                    {Actor: "person-3"},
	"who failed on a day":           {Outcome: audit.Failure, Since: noon, Until: noon.Add(24 * time.Hour)},
	"one person's action, reversed": {Actor: "person-1", Action: "orders.cancel", Descending: true},
	"one order":                     {ResourceType: "order", ResourceID: "order-17"},
	"nobody":                        {Actor: "nobody"},
}

// history returns n events of a day, in the order they are appended: their times are
// mixed, and many are equal.
func history(n int, seed uint64) []audit.Event {
	r := rand.New(rand.NewPCG(seed, 0))
	all := make([]audit.Event, n)
	for i := range all {
		e := refund(fmt.Sprintf("event-%d", i))
		e.Time = noon.Add(time.Duration(r.IntN(24*60)) * time.Minute)
		e.Actor.ID = fmt.Sprintf("person-%d", r.IntN(5))
		e.Resource.ID = fmt.Sprintf("order-%d", r.IntN(100))
		if r.IntN(4) == 0 {
			e.Action, e.Type = "orders.cancel", "lumelle.orders.v1.cancelled"
		}
		if r.IntN(10) == 0 {
			e.Outcome = audit.Failure
		}
		e.RecordedAt = noon
		all[i] = e
	}
	return all
}

// pages reads a list to its end and returns the ids of history. The polled list has no
// end: it is asked until want of them came, for open transactions of other tests in the
// same cluster hold it back. between is called after every page.
func pages(t *testing.T, log *audit.Log, q audit.Query, want int, between func()) []string {
	t.Helper()
	ids := []string{}
	q.Limit = storage.MaxLimit
	for waiting := time.Now(); ; {
		page, err := log.Query(t.Context(), "acme", q)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Items {
			if _, err := fmt.Sscanf(e.ID, "event-%d", new(int)); err == nil {
				ids = append(ids, e.ID)
			}
		}
		if q.After = page.Next; q.After == "" {
			return ids
		}
		if q.Order() == audit.Polled && (len(ids) >= want || time.Since(waiting) > 5*time.Minute) {
			return ids
		}
		between()
	}
}

func firstDifference(got, want []string) int {
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	return i
}
