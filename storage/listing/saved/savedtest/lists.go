package savedtest

import (
	"slices"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing/saved"
)

var listRules = []storeRule{
	{"SF-008", "a list has one's own filters and the shared ones of that list, whole",
		"What a person keeps for herself nobody else sees, and what is for another list does not fit here.", func(e *env) {
			own, shared := e.insert("own"), e.put(e.shared("shared"))
			hers := e.filter("hers")
			hers.Owner = olivia
			e.put(hers)
			other := e.shared("other")
			other.List = "shop.payouts"
			e.put(other)
			page, err := e.Store.List(e.Ctx, e.Tenant, saved.Query{List: orders, Viewer: sam})
			e.Must(err, "list")
			e.Same(page.Items, []saved.Filter{own, shared}, "what sam sees")
			e.Same(e.ids(saved.Query{List: orders, Viewer: olivia}), []string{"hers", "shared"}, "what olivia sees")
			e.Same(e.ids(saved.Query{List: orders}), []string{"shared"}, "what nobody in particular sees")
			e.Same(e.ids(saved.Query{List: "shop.payouts", Viewer: sam}), []string{"other"}, "the other list")
			e.Same(e.ids(saved.Query{Viewer: sam}), []string{}, "the list without a name")
		}},
	{"SF-009", "a list is by name and then by id, whole, and read page by page",
		"Two filters may have one name, a person's own and the shared one: a place that is a name only would lose one of them. A cursor is good for one list, one viewer and one tenant.", func(e *env) {
			o := e.of(e.Tenant + "x")
			var want []saved.Filter
			for _, name := range []string{"b", "a", "B", "ab", "é", "a b"} {
				own, shared := e.filter("2"+name), e.shared("1"+name)
				own.Name, shared.Name = name, name
				want = append(want, e.put(own), e.put(shared))
				o.put(own)
			}
			slices.SortFunc(want, func(a, b saved.Filter) int {
				if a.Name != b.Name {
					if a.Name < b.Name {
						return -1
					}
					return 1
				}
				return slices.Compare([]byte(a.ID), []byte(b.ID))
			})
			var ids []string
			for _, f := range want {
				ids = append(ids, f.ID)
			}
			for _, limit := range []int{1, 3, 12, 0} {
				e.Same(e.ids(saved.Query{List: orders, Viewer: sam, Limit: limit}), ids, "the list in pages")
			}
			page, err := e.Store.List(e.Ctx, e.Tenant, saved.Query{List: orders, Viewer: sam, Limit: 2})
			e.Must(err, "list")
			for name, c := range map[string]struct {
				tenant string
				q      saved.Query
			}{
				"of another list": {e.Tenant, saved.Query{List: "shop.payouts", Viewer: sam}}, "of another viewer": {e.Tenant, saved.Query{List: orders, Viewer: olivia}},
				"of another tenant": {o.Tenant, saved.Query{List: orders, Viewer: sam}},
			} {
				c.q.After = page.Next
				_, err := e.Store.List(e.Ctx, c.tenant, c.q)
				e.WantErr(err, storage.ErrBadCursor, "a cursor in the list "+name)
			}
			_, err = e.Store.List(e.Ctx, e.Tenant, saved.Query{List: orders, Limit: -1})
			e.WantErr(err, storage.ErrInvalid, "a negative limit")
		}},
}
