package storagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lumelle/adminkit/storage"
)

var pageRules = []rule{
	{"PG-001", "pages of every length put together are the whole list in its order",
		"Records of one transaction often bear one time. An order without a tie-breaker repeats some of them on the next page and drops others.",
		aList, pagesAreTheList},
	{"PG-002", "a list holds nothing of another tenant",
		"A page that ends at the last record of a tenant must not run on into the next tenant's.",
		aList, pagesKeepTenants},
	{"PG-003", "records that stay are listed once while others are added and deleted",
		"A position is a key, not a number of rows: with OFFSET a deletion makes the next page skip one.",
		aList, pagesAreStable},
	{"PG-004", "a list goes on behind a position whose record was deleted",
		"The record that a cursor was made from may be gone when the next page is asked for.",
		aList, pagesSurviveDeletion},
	{"PG-005", "cursors that were changed, cut or made for another list are refused",
		"A cursor that opens in another list shows a page from somewhere in its middle, and nobody notices. storage.ErrBadCursor.",
		aList, foreignCursorsAreRefused},
	{"PG-006", "a page is as long as was asked for, and Next is empty at the end only",
		"Clients stop at the first empty Next, and loop for ever when there is never one.",
		aList, pagesEnd},
}

// An order is how the list of a probe is ordered, for records of one time.
type order int

const (
	byInsertion order = iota
	byID
	byIDDescending
)

// of returns ids, which were added in their order, as the list has them.
func (o order) of(ids []string) []string {
	ids = slices.Clone(ids)
	if o != byInsertion {
		slices.Sort(ids)
	}
	if o == byIDDescending {
		slices.Reverse(ids)
	}
	return ids
}

// eachList runs fn for each store with a list, and a tenant of its own.
func (e *env) eachList(fn func(p probe, tenant string)) {
	for _, p := range e.probes {
		if p.list != nil {
			fn(p, e.tenant())
		}
	}
}

// fill adds n records in one transaction and returns their ids in that order, which
// is not the order of the ids.
func (e *env) fill(p probe, tenant string, n int) []string {
	e.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%03d", i*37%101)
	}
	e.add(p, tenant, ids...)
	return ids
}

func (e *env) add(p probe, tenant string, ids ...string) {
	e.Helper()
	err := e.b.InTx(e.ctx, func(ctx context.Context) error {
		for _, id := range ids {
			if err := p.put(ctx, tenant, id); err != nil {
				return fmt.Errorf("put %q: %w", id, err)
			}
		}
		return nil
	})
	e.must(err, p.name)
}

// pages reads the whole list in pages of limit, and runs between after each.
func (e *env) pages(p probe, tenant string, limit int, between func(page int)) []string {
	e.Helper()
	var all []string
	var after storage.Cursor
	for page := 0; ; page++ {
		ids, next, err := p.list(e.ctx, tenant, after, limit)
		e.must(err, p.name+": list")
		if len(ids) > limit {
			e.Fatalf("%s: got a page of %d, want at most %d", p.name, len(ids), limit)
		}
		all = append(all, ids...)
		if next == "" {
			return all
		}
		if next == after {
			e.Fatalf("%s: Next of page %d is the cursor it was asked with", p.name, page)
		}
		after = next
		if between != nil {
			between(page)
		}
	}
}

func pagesAreTheList(e *env) {
	e.eachList(func(p probe, tenant string) {
		if got := e.pages(p, tenant, 5, nil); len(got) != 0 {
			e.Errorf("%s: the empty list has %q", p.name, got)
		}
		want := p.order.of(e.fill(p, tenant, 23))
		for _, limit := range []int{1, 2, 3, 7, 22, 23, 24, storage.MaxLimit} {
			if got := e.pages(p, tenant, limit, nil); !slices.Equal(got, want) {
				e.Errorf("%s: in pages of %d: got %q, want %q", p.name, limit, got, want)
			}
		}
	})
}

func pagesKeepTenants(e *env) {
	e.eachList(func(p probe, tenant string) {
		// The neighbours stand right before and right behind in the order of bytes.
		neighbours := []string{tenant[:len(tenant)-1], tenant + "\x01", tenant + "a"}
		for _, n := range neighbours {
			e.fill(p, n, 5)
		}
		want := p.order.of(e.fill(p, tenant, 6))
		for _, limit := range []int{1, 4, 6, 100} {
			if got := e.pages(p, tenant, limit, nil); !slices.Equal(got, want) {
				e.Errorf("%s: in pages of %d: got %q, want %q", p.name, limit, got, want)
			}
		}
	})
}

func pagesAreStable(e *env) {
	e.eachList(func(p probe, tenant string) {
		ids := e.fill(p, tenant, 30)
		// Every third record may go while the list is read; the others stay.
		var stay, may []string
		for i, id := range ids {
			if i%3 == 1 && p.drop != nil {
				may = append(may, id)
			} else {
				stay = append(stay, id)
			}
		}
		got := e.pages(p, tenant, 4, func(page int) {
			e.add(p, tenant, fmt.Sprintf("new-%03d", page), fmt.Sprintf("%03d-new", page))
			if page < len(may) {
				e.must(p.drop(e.ctx, tenant, may[page]), p.name+": delete")
			}
			if page > 200 {
				e.Fatalf("%s: the list does not end", p.name)
			}
		})
		seen := map[string]int{}
		for _, id := range got {
			seen[id]++
		}
		for id, n := range seen {
			if n > 1 {
				e.Errorf("%s: %q was listed %d times", p.name, id, n)
			}
		}
		for _, id := range stay {
			if seen[id] == 0 {
				e.Errorf("%s: %q was there all the time and not listed", p.name, id)
			}
		}
	})
}

func pagesSurviveDeletion(e *env) {
	for what, gone := range map[string]func(page []string) []string{
		"the last record of the page": func(page []string) []string { return page[len(page)-1:] },
		"the whole page":              func(page []string) []string { return page },
	} {
		e.eachList(func(p probe, tenant string) {
			if p.drop == nil {
				return
			}
			want := p.order.of(e.fill(p, tenant, 9))
			first, next, err := p.list(e.ctx, tenant, "", 4)
			e.must(err, p.name+": list")
			for _, id := range gone(first) {
				e.must(p.drop(e.ctx, tenant, id), p.name+": delete")
			}
			rest, _, err := p.list(e.ctx, tenant, next, 9)
			e.must(err, p.name+": list behind what was deleted")
			if got := slices.Concat(first, rest); !slices.Equal(got, want) {
				e.Errorf("%s: %s was deleted: got %q, want %q", p.name, what, got, want)
			}
		})
	}
}

func foreignCursorsAreRefused(e *env) {
	e.eachList(func(p probe, tenant string) {
		e.fill(p, tenant, 9)
		_, next, err := p.list(e.ctx, tenant, "", 4)
		e.must(err, p.name+": list")
		if len(next) < 8 {
			e.Fatalf("%s: got the cursor %q, want one that goes on", p.name, next)
		}
		bad := map[string]storage.Cursor{
			"no cursor":             "hello",
			"for another list":      storage.NewCursor("another list", "000", "000"),
			"cut":                   next[:len(next)-1],
			"lengthened":            next + "A",
			"padded":                next + "=",
			"with a foreign letter": "\u00e9" + next[2:],
			"far too long":          storage.Cursor(make([]byte, 1<<16)),
		}
		for i := range next {
			b := []byte(next)
			if b[i] = 'A'; next[i] == 'A' {
				b[i] = 'B'
			}
			bad[fmt.Sprintf("with letter %d changed", i)] = storage.Cursor(b)
		}
		for name, cursor := range bad {
			if ids, _, err := p.list(e.ctx, tenant, cursor, 4); !errors.Is(err, storage.ErrBadCursor) {
				e.Errorf("%s: a cursor %s: got %q, %v, want ErrBadCursor", p.name, name, ids, err)
			}
		}
	})
}

func pagesEnd(e *env) {
	e.eachList(func(p probe, tenant string) {
		e.fill(p, tenant, 6)
		for limit, want := range map[int]int{3: 3, 5: 5, 6: 6, 7: 6} {
			ids, next, err := p.list(e.ctx, tenant, "", limit)
			e.must(err, p.name+": list")
			if len(ids) != want {
				e.Errorf("%s: asked for %d of 6: got %d, want %d", p.name, limit, len(ids), want)
			}
			if limit < 6 && next == "" || limit >= 6 && next != "" {
				e.Errorf("%s: asked for %d of 6: got Next %q", p.name, limit, next)
			}
		}
	})
}
