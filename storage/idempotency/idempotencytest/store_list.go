package idempotencytest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lumelle/adminkit/storage"
)

var listRules = []storeRule{
	{"IS-080", "records are listed by the bytes of actor and key", "positions are compared by bytes, and an order of another kind skips", func(e *storeEnv) {
		var want []string
		e.in(func(ctx context.Context) error {
			for _, actor := range []string{"sam", "Sam", "ämin", "sam2", "s"} {
				for _, key := range []string{"b", "B", "a", "é", "10", "9"} {
					if err := e.finishIn(ctx, e.tenant, actor, key, noon); err != nil {
						return err
					}
					want = append(want, actor+"/"+key)
				}
			}
			return nil
		})
		slices.SortFunc(want, func(a, b string) int {
			x, y := splitListed(a), splitListed(b)
			return slices.Compare(x[:], y[:])
		})
		e.left(want...)
	}},
	{"IS-081", "pages of every length put together are the whole list", "whoever seals bodies again must meet each once", func(e *storeEnv) {
		e.many(7)
		want := listed(e.list(e.tenant, 100))
		if len(want) != 7 {
			e.Errorf("got %d records, want 7", len(want))
		}
		for limit := 1; limit <= 8; limit++ {
			if got := listed(e.list(e.tenant, limit)); !slices.Equal(got, want) {
				e.Errorf("in pages of %d: got %q, want %q", limit, got, want)
			}
		}
	}},
	{"IS-082", "a listed record is whole", "what is sealed again is found by its tenant, actor and key", func(e *storeEnv) {
		e.finish(e.tenant, "sam", "k", noon.Add(999))
		for _, r := range e.list(e.tenant, 0) {
			if r.Tenant != e.tenant || r.Actor != "sam" || r.Key != "k" || r.Fingerprint != ask || r.Status != 202 ||
				len(r.Header) != 1 || r.Header["Location"] != "/requests/1" || string(r.Body) != "k" ||
				!r.CreatedAt.Equal(noon) || r.CreatedAt.Location() != time.UTC {
				e.Errorf("got %+v", r)
			}
		}
		e.left("sam/k")
	}},
	{"IS-083", "claims that are not finished are not listed", "they have no answer", func(e *storeEnv) {
		e.in(func(ctx context.Context) error { return errors.Join(e.claims(ctx, "a"), e.claims(ctx, "c")) })
		e.finish(e.tenant, "sam", "b", noon)
		e.left("sam/b")
	}},
	{"IS-084", "a page is as long as was asked for, and Next is empty at the end only", "an empty page at the end costs every reader a round", func(e *storeEnv) {
		e.many(4)
		for limit, lengths := range map[int][]int{1: {1, 1, 1, 1}, 2: {2, 2}, 3: {3, 1}, 4: {4}, 5: {4}} {
			var got []int
			for after := storage.Cursor(""); ; {
				page, err := e.store.List(e.ctx, e.tenant, after, limit)
				e.must(err, "list")
				got = append(got, len(page.Items))
				if after = page.Next; after == "" || len(got) > 5 {
					break
				}
			}
			if !slices.Equal(got, lengths) {
				e.Errorf("limit %d: got pages of %v, want %v", limit, got, lengths)
			}
		}
	}},
	{"IS-085", "another tenant's cursor is refused", "storage.ErrBadCursor: it would begin in the middle", func(e *storeEnv) {
		e.many(2)
		page, err := e.store.List(e.ctx, e.tenant, "", 1)
		e.must(err, "list")
		_, err = e.store.List(e.ctx, e.tenant+"-other", page.Next, 1)
		e.want(err, storage.ErrBadCursor, "List")
	}},
	{"IS-086", "a cursor that was changed or cut is refused", "storage.ErrBadCursor: to start over would repeat, and to answer nothing would skip", func(e *storeEnv) {
		e.many(2)
		page, err := e.store.List(e.ctx, e.tenant, "", 1)
		e.must(err, "list")
		if len(page.Next) < 2 {
			e.Fatalf("the first of two pages has the cursor %q", page.Next)
		}
		for _, bad := range []storage.Cursor{"AAAA", page.Next + "A", page.Next[1:], page.Next[:len(page.Next)-1]} {
			_, err := e.store.List(e.ctx, e.tenant, bad, 1)
			e.want(err, storage.ErrBadCursor, "List")
		}
	}},
	{"IS-087", "a limit of zero lists storage.DefaultLimit", "no limit must not mean everything", func(e *storeEnv) {
		e.many(storage.DefaultLimit + 1)
		e.pageHas(0, storage.DefaultLimit)
	}},
	{"IS-088", "a limit above storage.MaxLimit lists that many", "one page must not fill the memory", func(e *storeEnv) {
		e.many(storage.MaxLimit + 1)
		e.pageHas(storage.MaxLimit+10, storage.MaxLimit)
	}},
	{"IS-089", "a negative limit is refused", "it is a mistake of the caller", func(e *storeEnv) {
		_, err := e.store.List(e.ctx, e.tenant, "", -1)
		e.want(err, storage.ErrInvalid, "List")
	}},
	{"IS-090", "a list holds its tenant's records only", "neither those of a tenant whose name goes on, nor of one that comes before", func(e *storeEnv) {
		e.finish(e.tenant, "sam", "k", noon)
		e.finish(e.tenant+"2", "sam", "a", noon)
		e.finish(e.tenant[:len(e.tenant)-1], "sam", "z", noon)
		e.left("sam/k")
	}},
	{"IS-091", "a list goes on behind a record that was deleted", "a pruner works at the same time", func(e *storeEnv) {
		for i, key := range []string{"a", "b", "c", "d"} {
			e.finish(e.tenant, "sam", key, noon.Add(time.Duration(i)*time.Minute))
		}
		page, err := e.store.List(e.ctx, e.tenant, "", 2)
		e.must(err, "list")
		e.deletes(2, noon.Add(2*time.Minute), 0)
		page, err = e.store.List(e.ctx, e.tenant, page.Next, 2)
		e.must(err, "list")
		if got := listed(page.Items); !slices.Equal(got, []string{"sam/c", "sam/d"}) {
			e.Errorf("got %q, want what follows", got)
		}
	}},
	{"IS-092", "a tenant without records has an empty list", "it is no error to have asked for nothing yet", func(e *storeEnv) {
		page, err := e.store.List(e.ctx, e.tenant, "", 10)
		if err != nil || len(page.Items) != 0 || page.Next != "" {
			e.Errorf("got %+v, %v, want an empty page", page, err)
		}
	}},
	{"IS-093", "a list inside a transaction shows what the transaction wrote", "a read that goes past the transaction answers for a state that is gone", func(e *storeEnv) {
		e.undone(func(ctx context.Context) error {
			if err := e.finishes(ctx, "k", "body"); err != nil {
				return err
			}
			page, err := e.store.List(ctx, e.tenant, "", 10)
			if got := listed(page.Items); !slices.Equal(got, []string{"sam/k"}) {
				e.Errorf("got %q, want the transaction's own", got)
			}
			return err
		})
	}},
	{"IS-094", "a listed record belongs to its reader", "who opens a body in place must not change the stored one", func(e *storeEnv) {
		e.finish(e.tenant, "sam", "k", noon)
		for _, r := range e.list(e.tenant, 0) {
			r.Header["Location"], r.Body[0] = "elsewhere", 'x'
		}
		if r := e.answer("k"); r.Header["Location"] != "/requests/1" || string(r.Body) != "k" {
			e.Errorf("got %+v after the listed record was changed", r)
		}
		for _, r := range e.list(e.tenant, 0) {
			if r.Header["Location"] != "/requests/1" || string(r.Body) != "k" {
				e.Errorf("listed %+v after the record was changed", r)
			}
		}
	}},
	{"IS-095", "records are listed once while others come and go", "a long list is read while requests are answered", func(e *storeEnv) {
		for i, key := range []string{"b", "d", "f", "h"} {
			e.finish(e.tenant, "sam", key, noon.Add(time.Duration(i)*time.Minute))
		}
		var got []string
		after := storage.Cursor("")
		for _, during := range []func(){
			func() { e.finish(e.tenant, "sam", "a", noon.Add(-time.Minute)) },
			func() { e.deletes(1, noon, 1) },
			func() { e.finish(e.tenant, "sam", "c", noon) },
			func() {},
		} {
			page, err := e.store.List(e.ctx, e.tenant, after, 1)
			e.must(err, "list")
			got, after = append(got, listed(page.Items)...), page.Next
			during()
		}
		if want := []string{"sam/b", "sam/d", "sam/f", "sam/h"}; !slices.Equal(got, want) {
			e.Errorf("got %q, want %q", got, want)
		}
	}},
}

// splitListed is the actor and the key of a listed name; neither has a slash in the rules.
func splitListed(name string) [2]string {
	for i := range name {
		if name[i] == '/' {
			return [2]string{name[:i], name[i+1:]}
		}
	}
	return [2]string{name}
}

// pageHas holds the first page of a limit to have a length, and to be followed by one.
func (e *storeEnv) pageHas(limit, want int) {
	e.Helper()
	page, err := e.store.List(e.ctx, e.tenant, "", limit)
	e.must(err, "list")
	if len(page.Items) != want || page.Next == "" {
		e.Errorf("got %d records and the cursor %q, want %d and one that goes on", len(page.Items), page.Next, want)
	}
}
