package savedtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/storage/listing/saved"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

var recordRules = []storeRule{
	{"SF-001", "a filter is kept as it is",
		"A list is asked by it for years: a condition that is lost shows more than was meant, and an order that is lost another page.", func(e *env) {
			e.stored(e.insert("full"))
			e.stored(e.put(e.shared("shared")))
			bare := saved.Filter{ID: "bare", Tenant: e.Tenant, List: orders, Name: "bare", Sort: listing.Sort{Field: "at"}, Revision: 1, CreatedAt: noon, UpdatedAt: noon}
			e.stored(e.put(bare))
			unsorted := e.filter("unsorted")
			unsorted.Sort = listing.Sort{}
			e.stored(e.put(unsorted))
		}},
	{"SF-002", "other tenants find nothing",
		"A filter of another tenant does not exist: it is not read, listed, counted, changed or removed, whatever the caller knows of it.", func(e *env) {
			f, stranger := e.put(e.shared("f")), e.of(e.Tenant+"x")
			_, err := stranger.Store.Get(e.Ctx, stranger.Tenant, "f")
			e.WantErr(err, storage.ErrNotFound, "get")
			e.Same(stranger.ids(saved.Query{List: orders}), []string{}, "what a stranger lists")
			e.Same(stranger.count(), int64(0), "what a stranger counts")
			e.WantErr(e.Store.Update(e.Ctx, stranger.Tenant, next(f), 1), storage.ErrNotFound, "update")
			e.WantErr(e.Store.Delete(e.Ctx, stranger.Tenant, "f", 1), storage.ErrNotFound, "delete")
			e.stored(f)
			// The id and the name are free for the stranger, and the two do not meet.
			e.Must(e.Store.Insert(e.Ctx, stranger.Tenant, f, 1), "insert")
			e.Must(e.Store.Delete(e.Ctx, stranger.Tenant, "f", 1), "delete")
			e.stored(f)
		}},
	{"SF-003", "a filter belongs to the tenant that was given, whatever it says itself",
		"The parameter is what the caller was allowed to write for.", func(e *env) {
			f := e.filter("f")
			f.Tenant = "somebody-else"
			e.put(f)
			e.stored(e.filter("f"))
			later := next(f)
			e.Must(e.Store.Update(e.Ctx, e.Tenant, later, 1), "update")
			later.Tenant = e.Tenant
			e.stored(later)
		}},
	{"SF-004", "a name is taken once in a list for its owner, and an id once",
		"Who asks for a filter by its name must not get one of two. A person may have a name that is shared too, and two people the same. The conflict leaves the transaction usable.", func(e *env) {
			f := e.insert("f")
			shared := e.put(e.shared("shared"))
			e.Tx(func(ctx context.Context) error {
				e := e.in(ctx)
				for _, taken := range []saved.Filter{f, shared} {
					twin := taken
					twin.ID = "twin"
					e.WantErr(e.Store.Insert(ctx, e.Tenant, twin, storage.Unlimited), storage.ErrConflict, "the name of "+taken.ID)
				}
				twin := f
				twin.Name = "another"
				e.WantErr(e.Store.Insert(ctx, e.Tenant, twin, storage.Unlimited), storage.ErrConflict, "a taken id")
				for i, change := range []func(f *saved.Filter){
					func(f *saved.Filter) { f.Owner = "" },
					func(f *saved.Filter) { f.Owner = olivia },
					func(f *saved.Filter) { f.List = "shop.payouts" },
					func(f *saved.Filter) { f.Name = "F" },
				} {
					free := f
					free.ID = fmt.Sprint("free", i)
					change(&free)
					e.stored(e.put(free))
				}
				return nil
			})
			e.stored(f)
			e.stored(shared)
			e.absent("twin")
		}},
	{"SF-005", "a write for another revision is refused",
		"Of two people who change a shared filter at once, the later must be told. storage.ErrConflict, and the transaction stays usable.", func(e *env) {
			f := e.insert("f")
			later := next(f)
			e.Must(e.Store.Update(e.Ctx, e.Tenant, later, 1), "update")
			e.stored(later)
			e.Tx(func(ctx context.Context) error {
				for _, revision := range []int64{0, 1, 3} {
					stale := next(later)
					e.WantErr(e.Store.Update(ctx, e.Tenant, stale, revision), storage.ErrConflict, fmt.Sprintf("update at %d", revision))
					e.WantErr(e.Store.Delete(ctx, e.Tenant, "f", revision), storage.ErrConflict, fmt.Sprintf("delete at %d", revision))
				}
				return nil
			})
			e.stored(later)
			e.Must(e.Store.Delete(e.Ctx, e.Tenant, "f", 2), "delete")
			e.absent("f")
		}},
	{"SF-006", "an update keeps the list, the owner and the time of creation",
		"A filter that changed its list would ask another one for fields it does not have; one that lost its owner would be seen by everybody.", func(e *env) {
			f := e.insert("f")
			later := next(f)
			later.List, later.Owner, later.CreatedAt = "shop.payouts", "", noon.Add(time.Hour)
			e.Must(e.Store.Update(e.Ctx, e.Tenant, later, 1), "update")
			later.List, later.Owner, later.CreatedAt = f.List, f.Owner, f.CreatedAt
			e.stored(later)
		}},
	{"SF-007", "an update to a name that is taken is refused, and changes nothing",
		"A filter is renamed as it is made: one of its name for its owner. The conflict leaves the transaction usable; to keep its name is none.", func(e *env) {
			taken, f := e.insert("taken"), e.insert("f")
			e.Tx(func(ctx context.Context) error {
				e := e.in(ctx)
				renamed := next(f)
				renamed.Name = taken.Name
				e.WantErr(e.Store.Update(ctx, e.Tenant, renamed, 1), storage.ErrConflict, "rename")
				e.stored(f)
				same := next(f)
				same.Name = f.Name
				e.Must(e.Store.Update(ctx, e.Tenant, same, 1), "update under its own name")
				e.stored(same)
				return nil
			})
			e.stored(taken)
		}},
	{"SF-014", "texts are kept and compared byte for byte",
		"Two names that a database takes for each other cannot be had beside each other; two owners, and one sees what is the other's.", func(e *env) {
			for i, text := range ruletest.Spellings() {
				f := e.filter(text)
				f.List, f.Owner, f.Filters = text, text, []listing.Filter{listing.Is("status", text)}
				f.Revision = int64(i + 1)
				e.put(f)
			}
			for i, text := range ruletest.Spellings() {
				f := e.filter(text)
				f.List, f.Owner, f.Filters = text, text, []listing.Filter{listing.Is("status", text)}
				f.Revision = int64(i + 1)
				e.stored(f)
				e.Same(e.ids(saved.Query{List: text, Viewer: text}), []string{text}, fmt.Sprintf("those of %q", text))
			}
			// Names are held apart too where everything else is the same.
			for i, text := range ruletest.Spellings() {
				f := e.filter(fmt.Sprint("named", i))
				f.Name = text
				e.stored(e.put(f))
			}
		}},
	{"SF-015", "times come back in UTC, cut to the microsecond", "They are compared over all backends.", func(e *env) {
		given := noon.Add(999).In(time.FixedZone("", 3600))
		f := e.filter("f")
		f.CreatedAt, f.UpdatedAt = given, given
		e.put(f)
		f.CreatedAt, f.UpdatedAt = noon, noon
		e.stored(f)
		later := next(f)
		later.UpdatedAt = given.Add(time.Hour)
		e.Must(e.Store.Update(e.Ctx, e.Tenant, later, 1), "update")
		later.UpdatedAt = noon.Add(time.Hour)
		e.stored(later)
	}},
	{"SF-016", "what is not there is not found", "storage.ErrNotFound: who got a conflict would read again and find nothing to decide anew.", func(e *env) {
		f := e.insert("f")
		for _, id := range []string{"F", "f ", "", "none"} {
			_, err := e.Store.Get(e.Ctx, e.Tenant, id)
			e.WantErr(err, storage.ErrNotFound, fmt.Sprintf("get %q", id))
			e.WantErr(e.Store.Delete(e.Ctx, e.Tenant, id, 1), storage.ErrNotFound, fmt.Sprintf("delete %q", id))
			e.WantErr(e.Store.Update(e.Ctx, e.Tenant, next(e.filter(id)), 1), storage.ErrNotFound, fmt.Sprintf("update %q", id))
		}
		e.stored(f)
	}},
	{"SF-017", "what was deleted leaves its id and its name free", "A name is made again by whoever deleted it by mistake.", func(e *env) {
		e.insert("f")
		e.Must(e.Store.Delete(e.Ctx, e.Tenant, "f", 1), "delete")
		e.absent("f")
		fresh := e.filter("f")
		fresh.Filters = []listing.Filter{listing.Is("status", "lost")}
		e.stored(e.put(fresh))
	}},
	{"SF-010", "of several writers at once one wins",
		"Comparing and writing are one step. In two, both writers find their revision, or the name free, and one write is lost.", func(e *env) {
			f := e.insert("f")
			e.OneOf(ruletest.Together(func(i int) error {
				later := next(f)
				later.Sort.Field = fmt.Sprint("s", i)
				return e.Store.Update(e.Ctx, e.Tenant, later, 1)
			}), "update")
			e.OneOf(ruletest.Together(func(i int) error {
				twin := e.shared(fmt.Sprint("twin", i))
				twin.Name = "twin"
				return e.Store.Insert(e.Ctx, e.Tenant, twin, storage.Unlimited)
			}), "insert")
			for i := range ruletest.Writers {
				e.insert(fmt.Sprint("r", i))
			}
			e.OneOf(ruletest.Together(func(i int) error {
				later := next(e.filter(fmt.Sprint("r", i)))
				later.Name = "one name"
				return e.Store.Update(e.Ctx, e.Tenant, later, 1)
			}), "rename")
		}},
	{"SF-011", "what a caller holds is its own",
		"Whoever reads a filter may go on to build a query in its slices. That must not change what is stored.", func(e *env) {
			want, given := e.filter("f"), e.filter("f")
			e.put(given)
			spoil := func(f saved.Filter) {
				f.Filters[0].Field, f.Filters[1].Values[0] = "spoilt", "spoilt"
			}
			spoil(given)
			e.stored(want)
			got, err := e.Store.Get(e.Ctx, e.Tenant, "f")
			e.Must(err, "get")
			spoil(got)
			page, err := e.Store.List(e.Ctx, e.Tenant, saved.Query{List: orders, Viewer: sam})
			e.Must(err, "list")
			for _, f := range page.Items {
				spoil(f)
			}
			e.stored(want)
			given = e.filter("f")
			given.Revision, want.Revision = 2, 2
			e.Must(e.Store.Update(e.Ctx, e.Tenant, given, 1), "update")
			spoil(given)
			e.stored(want)
		}},
}

var limitRules = []storeRule{
	{"SF-012", "insertions at the same time do not pass the limit together",
		"A quota holds when many filters are made at once only if each insertion sees those before it.", func(e *env) {
			const most = 3
			o := e.of(e.Tenant + "x")
			o.insert("neighbour")
			made := 0
			for _, err := range ruletest.Together(func(i int) error {
				return e.Store.Insert(e.Ctx, e.Tenant, e.filter(fmt.Sprint("f", i)), most)
			}) {
				switch full, ok := errors.AsType[*storage.LimitError](err); {
				case err == nil:
					made++
				case !ok || *full != storage.LimitError{What: saved.What, Limit: most}:
					e.Errorf("insert: got %v, want nil or the limit and its value", err)
				}
			}
			e.Same([]int64{int64(made), e.count(), o.count()}, []int64{most, most, 1}, "those made and counted, and the neighbour's")
		}},
	{"SF-013", "a limit is told with its value, after a name that is taken, and leaves nothing",
		"A repeated insertion is told that it happened, also where it filled the quota. Filters of all lists and owners count, and what was rolled back does not.", func(e *env) {
			e.Same(e.count(), int64(0), "the count of nothing")
			e.Undone(func(ctx context.Context) error { return e.Store.Insert(ctx, e.Tenant, e.filter("undone"), 1) })
			other := e.shared("b")
			other.List = "shop.payouts"
			for _, f := range []saved.Filter{e.filter("a"), other} {
				e.Must(e.Store.Insert(e.Ctx, e.Tenant, f, 2), "insert within the limit")
			}
			e.Tx(func(ctx context.Context) error {
				e := e.in(ctx)
				twin := e.filter("twin")
				twin.Name = "a"
				e.WantErr(e.Store.Insert(ctx, e.Tenant, twin, 2), storage.ErrConflict, "a name that is taken")
				err := e.Store.Insert(ctx, e.Tenant, e.filter("c"), 2)
				if limit, ok := errors.AsType[*storage.LimitError](err); !ok || *limit != (storage.LimitError{What: saved.What, Limit: 2}) {
					e.Errorf("one more: got %v, want the limit of 2 %s", err, saved.What)
				}
				e.absent("c")
				e.insert("beyond")
				return nil
			})
			e.Same(e.count(), int64(3), "the count")
			e.Must(e.Store.Delete(e.Ctx, e.Tenant, "beyond", 1), "delete")
			e.Must(e.Store.Delete(e.Ctx, e.Tenant, "b", 1), "delete")
			e.Must(e.Store.Insert(e.Ctx, e.Tenant, e.filter("c"), 2), "insert after a deletion")
		}},
}
