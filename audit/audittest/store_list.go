package audittest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

// early is a Since before all records, which makes a list polled.
var early = noon.AddDate(-1, 0, 0)

// window is a bounded query around all records.
var window = audit.Query{Since: noon.Add(-time.Hour), Until: noon.Add(time.Hour)}

var listRules = []storeRule{
	{"LS-060", "a list without bounds is in the order of recording", "late events are found where they came in", func(e *storeEnv) {
		e.insertAt(map[string]time.Duration{"a": 2, "b": -3, "c": 1}, "a", "b", "c")
		e.lists(audit.Query{}, "a", "b", "c")
	}},
	{"LS-061", "a descending list is the list reversed", "people read the last first", func(e *storeEnv) {
		e.insert(rows("a", "b", "c")...)
		e.lists(audit.Query{Descending: true}, "c", "b", "a")
	}},
	{"LS-062", "a bounded list is in the order of the events' times, to the microsecond", "what led to what is read from it", func(e *storeEnv) {
		e.insertAt(map[string]time.Duration{"a": 2, "b": -3, "c": 1, "d": 0}, "a", "b", "c", "d")
		e.lists(window, "b", "d", "c", "a")
	}},
	{"LS-063", "events of one time are in the order of recording", "a page that begins between them would skip one", func(e *storeEnv) {
		e.insert(rows("c", "a", "d", "b")...)
		e.lists(window, "c", "a", "d", "b")
	}},
	{"LS-064", "a bounded list may be descending, ties too", "the last first is how people read", func(e *storeEnv) {
		e.insertAt(map[string]time.Duration{"a": 2, "b": -3, "c": 2, "d": 0}, "a", "b", "c", "d")
		q := window
		q.Descending = true
		e.lists(q, "c", "a", "d", "b")
	}},
	{"LS-065", "a bounded list begins at Since", "an event at the bound belongs to the window that it begins", func(e *storeEnv) {
		e.insertAt(map[string]time.Duration{"before": -1, "at": 0, "after": 1}, "before", "at", "after")
		e.lists(audit.Query{Since: noon, Until: noon.Add(time.Hour)}, "at", "after")
	}},
	{"LS-066", "a bounded list ends before Until", "windows that follow each other share no event", func(e *storeEnv) {
		e.insertAt(map[string]time.Duration{"before": -1, "at": 0, "after": 1}, "before", "at", "after")
		e.lists(audit.Query{Since: noon.Add(-time.Hour), Until: noon}, "before")
	}},
	{"LS-067", "pages of every length put together are the whole list", "an export is read in pages", func(e *storeEnv) {
		e.insertAt(map[string]time.Duration{"a": 2, "b": -3, "c": 2, "d": 0, "e": 2, "f": 0}, "a", "b", "c", "d", "e", "f")
		for _, q := range []audit.Query{{}, {Descending: true}, window, {Since: window.Since, Until: window.Until, Descending: true}} {
			q.Limit = 0
			want := e.list(q)
			for q.Limit = 1; q.Limit <= 7; q.Limit++ {
				e.lists(q, want...)
			}
			if len(want) != 6 {
				e.Errorf("%s: got %d records, want 6", q.Order(), len(want))
			}
		}
	}},
	{"LS-068", "a page is as long as was asked for, and Next is empty at the end only", "an empty page at the end costs every reader a round", func(e *storeEnv) {
		e.insert(rows("a", "b", "c", "d")...)
		for limit, lengths := range map[int][]int{1: {1, 1, 1, 1}, 2: {2, 2}, 3: {3, 1}, 4: {4}, 5: {4}} {
			for _, q := range []audit.Query{{Limit: limit}, {Limit: limit, Descending: true}, {Limit: limit, Since: window.Since, Until: window.Until}} {
				var got []int
				for {
					page, err := e.store.List(e.ctx, e.tenant, q)
					e.must(err, "list")
					got = append(got, len(page.Items))
					if q.After = page.Next; q.After == "" || len(got) > 5 {
						break
					}
				}
				if !slices.Equal(got, lengths) {
					e.Errorf("limit %d, order %s: got pages of %v, want %v", limit, q.Order(), got, lengths)
				}
			}
		}
	}},
	{"LS-069", "a polled list goes on for ever", "its reader asks again with what it was given last", func(e *storeEnv) {
		q := audit.Query{Since: early, Limit: 2}
		got, q := e.poll(q, 0)
		if len(got) != 0 {
			e.Errorf("got %q of nothing", got)
		}
		e.insert(rows("a", "b")...)
		if got, _ = e.poll(q, 2); !slices.Equal(got, []string{"a", "b"}) {
			e.Errorf("got %q, want what was recorded since", got)
		}
	}},
	{"LS-070", "a polled list gives what was recorded later and nothing again", "what is passed on twice is acted on twice", func(e *storeEnv) {
		e.insert(rows("a", "b", "c")...)
		q := audit.Query{Since: early, Limit: 2}
		got, q := e.poll(q, 3)
		e.insert(rows("d")...)
		more, q := e.poll(q, 1)
		none, _ := e.poll(q, 0)
		if all := slices.Concat(got, more, none); !slices.Equal(all, []string{"a", "b", "c", "d"}) {
			e.Errorf("got %q", all)
		}
	}},
	{"LS-071", "a polled list begins with what was recorded at Since", "a reader that starts at a time gets no history", func(e *storeEnv) {
		for i, id := range []string{"before", "at", "after"} {
			e.insert(with(row(id), func(r *audit.Row) { r.RecordedAt = noon.Add(time.Duration(i-1) * time.Microsecond) }))
		}
		if got, _ := e.poll(audit.Query{Since: noon, Limit: 5}, 2); !slices.Equal(got, []string{"at", "after"}) {
			e.Errorf("got %q", got)
		}
	}},
	{"LS-072", "a polled list gives each record once while writers append", "transactions commit in another order than they began", func(e *storeEnv) {
		const writers, rounds = 4, 6
		var first sync.WaitGroup
		first.Add(writers)
		polling, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			e.together(writers, func(i int) error {
				for round := range rounds {
					err := e.b.InTx(e.ctx, func(ctx context.Context) error {
						id := fmt.Sprintf("%d-%d", i, round)
						if err := e.store.Insert(ctx, e.tenant, row(id+"-a")); err != nil {
							return err
						}
						return e.store.Insert(ctx, e.tenant, row(id+"-b"))
					})
					if round == 0 {
						first.Done()
						<-polling
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
		}()
		// The list is polled when there are some pages of it and most is still to be written.
		first.Wait()
		close(polling)
		defer func() { <-done }()
		got, _ := e.poll(audit.Query{Since: early, Limit: 3}, writers*rounds*2)
		slices.Sort(got)
		if unique := slices.Compact(slices.Clone(got)); len(got) != writers*rounds*2 || len(unique) != len(got) {
			e.Errorf("got %d records, %d of them different, want %d", len(got), len(unique), writers*rounds*2)
		}
	}},
	{"LS-073", "a cursor that was made for another query is refused", "storage.ErrBadCursor: it would begin anywhere", func(e *storeEnv) {
		e.insert(rows("a", "b", "c")...)
		page, err := e.store.List(e.ctx, e.tenant, audit.Query{Limit: 1})
		e.must(err, "list")
		for _, q := range []audit.Query{{Actor: "sam"}, {Descending: true}, window, {Since: early}, {TraceID: "aa"}} {
			q.Limit, q.After = 1, page.Next
			_, err := e.store.List(e.ctx, e.tenant, q)
			e.want(err, storage.ErrBadCursor, fmt.Sprintf("list %s", q.ListName()))
		}
	}},
	{"LS-074", "a cursor that was changed or cut is refused", "storage.ErrBadCursor: to start over would repeat, and to answer nothing would skip", func(e *storeEnv) {
		e.insert(rows("a", "b")...)
		page, err := e.store.List(e.ctx, e.tenant, audit.Query{Limit: 1})
		e.must(err, "list")
		if len(page.Next) < 2 {
			e.Fatalf("the first of two pages has the cursor %q", page.Next)
		}
		for _, bad := range []storage.Cursor{"AAAA", page.Next + "A", page.Next[1:], page.Next[:len(page.Next)-1]} {
			_, err := e.store.List(e.ctx, e.tenant, audit.Query{Limit: 1, After: bad})
			e.want(err, storage.ErrBadCursor, "list")
		}
	}},
	{"LS-075", "a list holds its tenant's records only", "neither those of a tenant whose name goes on, nor of one that comes before", func(e *storeEnv) {
		for _, tenant := range []string{e.tenant + "2", e.tenant[:len(e.tenant)-1], e.tenant, e.tenant + "3"} {
			e.must(e.store.Insert(e.ctx, tenant, row(tenant)), "insert")
		}
		e.lists(audit.Query{}, e.tenant)
		e.lists(window, e.tenant)
		if got, _ := e.poll(audit.Query{Since: early, Limit: 5}, 1); !slices.Equal(got, []string{e.tenant}) {
			e.Errorf("polled %q, want the tenant's own", got)
		}
	}},
	{"LS-076", "a tenant without records has empty lists", "it is no error to have asked for nothing yet", func(e *storeEnv) {
		for _, q := range []audit.Query{{}, window} {
			q.Limit = 10
			page, err := e.store.List(e.ctx, e.tenant, q)
			if err != nil || len(page.Items) != 0 || page.Next != "" {
				e.Errorf("got %+v, %v, want an empty page", page, err)
			}
		}
	}},
	{"LS-077", "a list inside a transaction shows what the transaction wrote", "a read that goes past the transaction answers for a state that is gone", func(e *storeEnv) {
		e.insert(row("a"))
		e.undone(func(ctx context.Context) error {
			if err := e.store.Insert(ctx, e.tenant, row("b")); err != nil {
				return err
			}
			for _, q := range []audit.Query{{}, window} {
				if got := e.listOf(ctx, e.tenant, q); !slices.Equal(got, []string{"a", "b"}) {
					e.Errorf("got %q, want the transaction's own with the others", got)
				}
			}
			return nil
		})
	}},
	{"LS-078", "a listed record is whole", "an export proves what it exports", func(e *storeEnv) {
		r := row("a")
		e.insert(with(r, func(r *audit.Row) { r.RecordedAt = noon.Add(999) }))
		page, err := e.store.List(e.ctx, e.tenant, audit.Query{Limit: 1})
		e.must(err, "list")
		for _, got := range page.Items {
			if string(got.Canonical) != string(r.Canonical) || got.Leaf != r.Leaf || !got.RecordedAt.Equal(noon) || got.RecordedAt.Location() != time.UTC {
				e.Errorf("got %+v, want %+v", got, r.Record)
			}
		}
		e.lists(audit.Query{}, "a")
	}},
	{"LS-079", "records are listed once while others are appended", "whoever reads from the end goes on from where they were", func(e *storeEnv) {
		e.insert(rows("a", "b", "c", "d")...)
		for i, q := range []audit.Query{{Descending: true}, {Since: window.Since, Until: window.Until, Descending: true}} {
			var got []string
			q.Limit = 2
			for n := 0; ; n++ {
				page, err := e.store.List(e.ctx, e.tenant, q)
				e.must(err, "list")
				got = append(got, e.ids(page.Items)...)
				if q.After = page.Next; q.After == "" || n > 9 {
					break
				}
				e.insert(with(row(fmt.Sprintf("new %d %d", i, n)), func(r *audit.Row) { r.Time = noon.Add(time.Minute) }))
			}
			got = slices.DeleteFunc(got, func(id string) bool { return len(id) > 1 })
			if want := []string{"d", "c", "b", "a"}; !slices.Equal(got, want) {
				e.Errorf("order %s: got %q, want %q", q.Order(), got, want)
			}
		}
	}},
}

// insertAt inserts records, whose events happened so many microseconds after noon, in an
// order.
func (e *storeEnv) insertAt(at map[string]time.Duration, order ...string) {
	e.Helper()
	for _, id := range order {
		e.insert(with(row(id), func(r *audit.Row) { r.Time = noon.Add(at[id] * time.Microsecond) }))
	}
}
