package authztest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/storage"
)

var rowRules = []storeRule{
	{"PS-001", "a row comes back as it was added", "what a row says decides who may do what", func(e *storeEnv) {
		want := []authz.Row{
			{ID: "r1", Kind: "p", Values: []string{"role:support", "orders.refund", "*"}},
			{ID: "r2", Kind: "g2", Values: []string{"user:sam", "", "role:support", ""}},
		}
		e.change(adding("c1", want...))
		e.same(e.rows(10, nil), want, "the rows")
	}},
	{"PS-002", "values of a row are kept byte for byte", "a value that was folded or escaped matches what it must not", func(e *storeEnv) {
		want := authz.Row{ID: "r1", Kind: "p", Values: append([]string{strings.Repeat("ä", 2000)}, spellings...)}
		e.change(adding("c1", want))
		e.same(e.rows(10, nil), []authz.Row{want}, "the rows")
	}},
	{"PS-003", "ids of rows are told apart byte for byte", "a revocation must remove the row that it names", func(e *storeEnv) {
		ids := append([]string{strings.Repeat("x", storage.MaxID), strings.Repeat("x", storage.MaxID-1)}, spellings...)
		e.change(adding("c1", rowsOf(ids...)...))
		e.same(e.ids(), ids, "all of them")
		e.change(removing("c2", ids[3]))
		e.same(e.ids(), slices.Concat(ids[:3], ids[4:]), "without one of them")
	}},
	{"PS-004", "rows are listed in the order of their addition", "two nodes that read a policy in two orders decide in two ways", func(e *storeEnv) {
		e.change(adding("c1", rowsOf("z", "a", "m")...))
		e.change(adding("c2", rowsOf("b", "Z")...))
		e.same(e.ids(), []string{"z", "a", "m", "b", "Z"}, "the list")
	}},
	{"PS-005", "a row that is added again stands at the end", "its place is that of the change that added it", func(e *storeEnv) {
		e.change(adding("c1", rowsOf("a", "b", "c")...))
		c := removing("c2", "a")
		c.Add = rowsOf("a")
		e.change(c)
		e.same(e.ids(), []string{"b", "c", "a"}, "the list")
	}},
	{"PS-006", "places of a change go on behind nine", "an order of texts puts ten before two", func(e *storeEnv) {
		var want []string
		for change := range 12 {
			ids := []string{fmt.Sprint("a", change), fmt.Sprint("b", change)}
			e.change(adding(fmt.Sprint("c", change), rowsOf(ids...)...))
			want = append(want, ids...)
		}
		wide := numbered(25)
		e.change(adding("wide", rowsOf(wide...)...))
		e.same(e.ids(), slices.Concat(want, wide), "the list")
	}},
	{"PS-007", "pages of rows put together are the list", "a row that is passed over forbids what it should allow, or the other way round", func(e *storeEnv) {
		e.same(len(e.rows(3, nil)), 0, "the length of the empty list")
		ids := numbered(11)
		e.change(adding("c1", rowsOf(ids[:6]...)...))
		e.change(adding("c2", rowsOf(ids[6:]...)...))
		for _, limit := range []int{1, 2, 5, 6, 7, 10, 11, 12} {
			e.same(idsOf(e.rows(limit, nil)), ids, fmt.Sprint("in pages of ", limit))
		}
	}},
	{"PS-008", "rows that stay are listed once while others come and go", "a position is a place and no number of rows", func(e *storeEnv) {
		ids := numbered(12)
		e.change(adding("c0", rowsOf(ids...)...))
		got := idsOf(e.rows(3, func(page int) {
			if page < 3 {
				e.change(removing(fmt.Sprint("c", page+1), ids[page*3], ids[page*3+2]))
			}
		}))
		e.same(got, ids, "the list")
	}},
	{"PS-009", "cursors that were made for another list are refused", "a page from somewhere in its middle leaves rows out. storage.ErrBadCursor", func(e *storeEnv) {
		e.change(adding("c1", rowsOf("a", "b")...))
		for _, bad := range []storage.Cursor{"hello", storage.NewCursor("another list", "1", "0"), storage.NewCursor("authz.rows", "1")} {
			_, err := e.store.Rows(e.ctx, e.tenant, bad, 1)
			e.wantErr(err, storage.ErrBadCursor, "rows")
		}
	}},
	{"PS-010", "a negative limit is invalid", "a database takes it for none, and answers the whole table", func(e *storeEnv) {
		_, err := e.store.Rows(e.ctx, e.tenant, "", -1)
		e.wantErr(err, storage.ErrInvalid, "rows")
	}},
	{"PS-011", "a page without a limit has storage.DefaultLimit rows, and none more than storage.MaxLimit", "one answer must not hold the policy of a whole company", func(e *storeEnv) {
		e.change(adding("c1", rowsOf(numbered(storage.MaxLimit+1)...)...))
		for limit, want := range map[int]int{0: storage.DefaultLimit, storage.MaxLimit: storage.MaxLimit, 1 << 40: storage.MaxLimit} {
			page, err := e.store.Rows(e.ctx, e.tenant, "", limit)
			e.must(err, "rows")
			if len(page.Items) != want || page.Next == "" {
				e.Errorf("asked for %d: got %d and a next page: %t, want %d and one", limit, len(page.Items), page.Next != "", want)
			}
		}
	}},
	{"PS-012", "rows that are stored and rows that were read are copies", "a caller that goes on with its slice must not change a policy", func(e *storeEnv) {
		given := row("a")
		e.change(adding("c1", given))
		for range 2 {
			given.Values[0] = "changed"
			given = e.rows(10, nil)[0]
			e.same(given, row("a"), "the row")
		}
	}},
	{"PS-013", "rows are those of the tenant", "what is granted at one merchant is granted nowhere else", func(e *storeEnv) {
		o := e.other()
		e.change(adding("c1", rowsOf("a", "b")...))
		o.change(adding("c1", rowsOf("c")...))
		e.same(idsOf(e.rows(1, nil)), []string{"a", "b"}, "the tenant's")
		e.same(o.ids(), []string{"c"}, "the other tenant's")
	}},
	{"PS-014", "tenants are told apart byte for byte", "a tenant whose case is folded reads another's policy", func(e *storeEnv) {
		for _, s := range spellings {
			o := *e
			o.tenant += s
			o.change(adding("c1", row("of "+s)))
		}
		for _, s := range spellings {
			o := *e
			o.tenant += s
			e.same(o.ids(), []string{"of " + s}, fmt.Sprintf("the rows of the tenant that ends with %q", s))
		}
	}},
	{"PS-042", "a cursor of another tenant's rows is refused", "it tells how often another tenant changed its policy, and the page behind it leaves rows out. storage.ErrBadCursor", func(e *storeEnv) {
		o := e.other()
		e.change(adding("c1", rowsOf("a", "b")...))
		o.change(adding("c1", rowsOf("a", "b")...))
		page, err := e.store.Rows(e.ctx, e.tenant, "", 1)
		e.must(err, "rows")
		if page.Next == "" {
			e.Fatalf("a page of one of two rows has no next one")
		}
		_, err = o.store.Rows(o.ctx, o.tenant, page.Next, 1)
		e.wantErr(err, storage.ErrBadCursor, "the other tenant's rows")
	}},
}
