package savedtest

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/storage/listing/saved"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// An animal is a store that is broken in one way. The methods that are set stand in front
// of those of a store that is right.
type animal struct {
	saved.Store
	insert func(ctx context.Context, tenant string, f saved.Filter, most int64) error
	count  func(ctx context.Context, tenant string) (int64, error)
	update func(ctx context.Context, tenant string, f saved.Filter, revision int64) error
	remove func(ctx context.Context, tenant, id string, revision int64) error
	get    func(ctx context.Context, tenant, id string) (saved.Filter, error)
	list   func(ctx context.Context, tenant string, q saved.Query) (storage.Page[saved.Filter], error)

	// mu guards what an animal remembers.
	mu sync.Mutex
	// inside counts the calls that are crowded.
	inside atomic.Int32
}

// remember runs fn, which reads or writes what an animal remembers, alone.
func (a *animal) remember(fn func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fn()
}

// crowd reports whether another call that asks so runs at this time, and returns what ends
// the call.
func (a *animal) crowd() (crowd bool, leave func()) {
	a.inside.Add(1)
	for range 1000 {
		if crowd = a.inside.Load() > 1; crowd {
			break
		}
		runtime.Gosched()
	}
	return crowd, func() { a.inside.Add(-1) }
}

func (a *animal) Insert(ctx context.Context, tenant string, f saved.Filter, most int64) error {
	if a.insert != nil {
		return a.insert(ctx, tenant, f, most)
	}
	return a.Store.Insert(ctx, tenant, f, most)
}

func (a *animal) Count(ctx context.Context, tenant string) (int64, error) {
	if a.count != nil {
		return a.count(ctx, tenant)
	}
	return a.Store.Count(ctx, tenant)
}

func (a *animal) Update(ctx context.Context, tenant string, f saved.Filter, revision int64) error {
	if a.update != nil {
		return a.update(ctx, tenant, f, revision)
	}
	return a.Store.Update(ctx, tenant, f, revision)
}

func (a *animal) Delete(ctx context.Context, tenant, id string, revision int64) error {
	if a.remove != nil {
		return a.remove(ctx, tenant, id, revision)
	}
	return a.Store.Delete(ctx, tenant, id, revision)
}

func (a *animal) Get(ctx context.Context, tenant, id string) (saved.Filter, error) {
	if a.get != nil {
		return a.get(ctx, tenant, id)
	}
	return a.Store.Get(ctx, tenant, id)
}

func (a *animal) List(ctx context.Context, tenant string, q saved.Query) (storage.Page[saved.Filter], error) {
	if a.list != nil {
		return a.list(ctx, tenant, q)
	}
	return a.Store.List(ctx, tenant, q)
}

// An enclosure is a backend with an animal for its store.
type enclosure struct {
	*memory.Backend
	animal *animal
}

func (e enclosure) SavedFilters() saved.Store { return e.animal }

// insertsAs alters filters before they are inserted.
func insertsAs(alter func(f *saved.Filter)) func(a *animal) {
	return func(a *animal) {
		a.insert = func(ctx context.Context, tenant string, f saved.Filter, most int64) error {
			alter(&f)
			return a.Store.Insert(ctx, tenant, f, most)
		}
	}
}

// updatesAs alters filters before they are updated.
func updatesAs(alter func(f *saved.Filter)) func(a *animal) {
	return func(a *animal) {
		a.update = func(ctx context.Context, tenant string, f saved.Filter, revision int64) error {
			alter(&f)
			return a.Store.Update(ctx, tenant, f, revision)
		}
	}
}

// anew updates by a deletion and an insertion of what alter makes of both.
func anew(alter func(before, after saved.Filter) saved.Filter) func(a *animal) {
	return func(a *animal) {
		a.update = func(ctx context.Context, tenant string, f saved.Filter, revision int64) error {
			before, err := a.Store.Get(ctx, tenant, f.ID)
			if err != nil {
				return err
			}
			if err := a.Store.Update(ctx, tenant, f, revision); err != nil {
				return err
			}
			if err := a.Store.Delete(ctx, tenant, f.ID, f.Revision); err != nil {
				return err
			}
			return a.Store.Insert(ctx, tenant, alter(before, f), storage.Unlimited)
		}
	}
}

// forgives answers a write that came second among several as if it were the first.
func forgives(a *animal, write func() error) error {
	crowd, leave := a.crowd()
	defer leave()
	err := write()
	if crowd && errors.Is(err, storage.ErrConflict) {
		err = nil
	}
	return err
}

func inTx(ctx context.Context) bool { return storage.Detach(ctx) != ctx }

var zoo = []struct {
	rule, name string
	breed      func(a *animal)
}{
	{"SF-001", "gives an order to what has none", insertsAs(func(f *saved.Filter) {
		if f.Sort.Field == "" {
			f.Sort.Field = "id"
		}
	})},
	{"SF-001", "makes no conditions an empty list", insertsAs(func(f *saved.Filter) {
		if f.Filters == nil {
			f.Filters = []listing.Filter{}
		}
	})},
	{"SF-002", "counts all tenants", func(a *animal) {
		total := map[string]bool{}
		a.insert = func(ctx context.Context, tenant string, f saved.Filter, most int64) error {
			a.remember(func() { total[tenant] = true })
			return a.Store.Insert(ctx, tenant, f, most)
		}
		a.count = func(ctx context.Context, tenant string) (sum int64, err error) {
			var all []string
			a.remember(func() {
				for t := range total {
					all = append(all, t)
				}
			})
			for _, t := range all {
				n, err := a.Store.Count(ctx, t)
				if err != nil {
					return 0, err
				}
				sum += n
			}
			return sum, nil
		}
	}},
	{"SF-002", "finds what was inserted for any tenant", func(a *animal) {
		owners := map[string]string{}
		a.insert = func(ctx context.Context, tenant string, f saved.Filter, most int64) error {
			a.remember(func() { owners[f.ID] = tenant })
			return a.Store.Insert(ctx, tenant, f, most)
		}
		a.get = func(ctx context.Context, tenant, id string) (saved.Filter, error) {
			a.remember(func() { tenant = cmp.Or(owners[id], tenant) })
			return a.Store.Get(ctx, tenant, id)
		}
	}},
	{"SF-003", "believes the tenant that a filter says", func(a *animal) {
		said := map[string]string{}
		a.insert = func(ctx context.Context, tenant string, f saved.Filter, most int64) error {
			a.remember(func() { said[f.ID] = f.Tenant })
			return a.Store.Insert(ctx, tenant, f, most)
		}
		a.get = func(ctx context.Context, tenant, id string) (saved.Filter, error) {
			f, err := a.Store.Get(ctx, tenant, id)
			a.remember(func() { f.Tenant = cmp.Or(said[id], f.Tenant) })
			return f, err
		}
	}},
	{"SF-004", "takes a shared name twice", func(a *animal) {
		a.insert = func(ctx context.Context, tenant string, f saved.Filter, most int64) error {
			err := a.Store.Insert(ctx, tenant, f, most)
			if f.Shared() && errors.Is(err, storage.ErrConflict) {
				err = nil
			}
			return err
		}
	}},
	{"SF-004", "takes a name once in a list, whoever owns it", func(a *animal) {
		a.insert = func(ctx context.Context, tenant string, f saved.Filter, most int64) error {
			for _, owner := range []string{"", sam, olivia} {
				page, err := a.Store.List(ctx, tenant, saved.Query{List: f.List, Viewer: owner})
				if err != nil {
					return err
				}
				if slices.ContainsFunc(page.Items, func(o saved.Filter) bool { return o.Name == f.Name }) {
					return storage.ErrConflict
				}
			}
			return a.Store.Insert(ctx, tenant, f, most)
		}
	}},
	{"SF-004", "replaces the filter of an id", func(a *animal) {
		a.insert = func(ctx context.Context, tenant string, f saved.Filter, most int64) error {
			if old, err := a.Store.Get(ctx, tenant, f.ID); err == nil {
				if err := a.Store.Delete(ctx, tenant, f.ID, old.Revision); err != nil {
					return err
				}
			}
			return a.Store.Insert(ctx, tenant, f, most)
		}
	}},
	{"SF-005", "updates whatever revision is there", func(a *animal) {
		a.update = func(ctx context.Context, tenant string, f saved.Filter, revision int64) error {
			if old, err := a.Store.Get(ctx, tenant, f.ID); err == nil {
				revision = old.Revision
			}
			return a.Store.Update(ctx, tenant, f, revision)
		}
	}},
	{"SF-005", "deletes whatever revision is there", func(a *animal) {
		a.remove = func(ctx context.Context, tenant, id string, revision int64) error {
			if old, err := a.Store.Get(ctx, tenant, id); err == nil {
				revision = old.Revision
			}
			return a.Store.Delete(ctx, tenant, id, revision)
		}
	}},
	{"SF-006", "takes the owner that an update says", anew(func(before, after saved.Filter) saved.Filter {
		after.CreatedAt, after.List = before.CreatedAt, before.List
		return after
	})},
	{"SF-006", "takes the list that an update says", anew(func(before, after saved.Filter) saved.Filter {
		after.CreatedAt, after.Owner = before.CreatedAt, before.Owner
		return after
	})},
	{"SF-006", "takes the time of creation that an update says", anew(func(before, after saved.Filter) saved.Filter {
		after.List, after.Owner = before.List, before.Owner
		return after
	})},
	{"SF-007", "renames without a word where the name is taken", func(a *animal) {
		a.update = func(ctx context.Context, tenant string, f saved.Filter, revision int64) error {
			err := a.Store.Update(ctx, tenant, f, revision)
			if old, _ := a.Store.Get(ctx, tenant, f.ID); errors.Is(err, storage.ErrConflict) && old.Revision == revision {
				err = nil
			}
			return err
		}
	}},
	{"SF-007", "takes its own name for a taken one", func(a *animal) {
		a.update = func(ctx context.Context, tenant string, f saved.Filter, revision int64) error {
			if old, err := a.Store.Get(ctx, tenant, f.ID); err == nil && old.Name == f.Name {
				return storage.ErrConflict
			}
			return a.Store.Update(ctx, tenant, f, revision)
		}
	}},
	{"SF-008", "lists everybody's filters", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, q saved.Query) (storage.Page[saved.Filter], error) {
			page, err := a.Store.List(ctx, tenant, q)
			for _, viewer := range []string{sam, olivia} {
				more, _ := a.Store.List(ctx, tenant, saved.Query{List: q.List, Viewer: viewer, Limit: q.Limit})
				for _, f := range more.Items {
					if f.Owner == viewer && viewer != q.Viewer && q.After == "" {
						page.Items = append(page.Items, f)
					}
				}
			}
			return page, err
		}
	}},
	{"SF-008", "lists one's own filters alone", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, q saved.Query) (storage.Page[saved.Filter], error) {
			page, err := a.Store.List(ctx, tenant, q)
			page.Items = slices.DeleteFunc(page.Items, func(f saved.Filter) bool { return f.Owner != q.Viewer })
			return page, err
		}
	}},
	{"SF-008", "lists filters without their conditions", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, q saved.Query) (storage.Page[saved.Filter], error) {
			page, err := a.Store.List(ctx, tenant, q)
			for i := range page.Items {
				page.Items[i].Filters = nil
			}
			return page, err
		}
	}},
	{"SF-009", "continues behind a name", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, q saved.Query) (storage.Page[saved.Filter], error) {
			page, err := a.Store.List(ctx, tenant, q)
			if page.Next != "" {
				page.Next = q.Next(tenant, saved.Filter{Name: page.Items[len(page.Items)-1].Name, ID: "~"})
			}
			return page, err
		}
	}},
	{"SF-009", "opens a cursor for any viewer", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, q saved.Query) (storage.Page[saved.Filter], error) {
			for _, viewer := range []string{sam, olivia} {
				other := q
				other.Viewer = viewer
				if name, id, err := other.Position(tenant); err == nil && name != "" {
					q.After = q.Next(tenant, saved.Filter{Name: name, ID: id})
				}
			}
			return a.Store.List(ctx, tenant, q)
		}
	}},
	{"SF-009", "takes a negative limit for none", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, q saved.Query) (storage.Page[saved.Filter], error) {
			q.Limit = max(q.Limit, 0)
			return a.Store.List(ctx, tenant, q)
		}
	}},
	{"SF-010", "compares first and writes then", func(a *animal) {
		a.update = func(ctx context.Context, tenant string, f saved.Filter, revision int64) error {
			return forgives(a, func() error { return a.Store.Update(ctx, tenant, f, revision) })
		}
	}},
	{"SF-010", "looks for the name before it writes", func(a *animal) {
		a.insert = func(ctx context.Context, tenant string, f saved.Filter, most int64) error {
			return forgives(a, func() error { return a.Store.Insert(ctx, tenant, f, most) })
		}
	}},
	{"SF-011", "shows its own slices", func(a *animal) {
		own := map[string]saved.Filter{}
		a.get = func(ctx context.Context, tenant, id string) (saved.Filter, error) {
			f, err := a.Store.Get(ctx, tenant, id)
			a.remember(func() {
				if kept, ok := own[tenant+id]; ok && kept.Revision == f.Revision {
					f = kept
				} else if err == nil {
					own[tenant+id] = f
				}
			})
			return f, err
		}
	}},
	{"SF-012", "counts and inserts in two steps", func(a *animal) {
		a.insert = func(ctx context.Context, tenant string, f saved.Filter, most int64) error {
			err := a.Store.Insert(ctx, tenant, f, most)
			crowd, leave := a.crowd()
			defer leave()
			if crowd && errors.Is(err, storage.ErrLimit) {
				return a.Store.Insert(ctx, tenant, f, storage.Unlimited)
			}
			return err
		}
	}},
	{"SF-013", "tells the limit before the name", func(a *animal) {
		a.insert = func(ctx context.Context, tenant string, f saved.Filter, most int64) error {
			err := a.Store.Insert(ctx, tenant, f, most)
			if n, _ := a.Store.Count(ctx, tenant); errors.Is(err, storage.ErrConflict) && n >= most {
				err = &storage.LimitError{What: saved.What, Limit: most}
			}
			return err
		}
	}},
	{"SF-013", "counts what was rolled back", func(a *animal) {
		made := map[string]int64{}
		a.insert = func(ctx context.Context, tenant string, f saved.Filter, most int64) (err error) {
			a.remember(func() {
				if made[tenant]++; made[tenant] > most {
					err = &storage.LimitError{What: saved.What, Limit: most}
				}
			})
			return cmp.Or(err, a.Store.Insert(ctx, tenant, f, most))
		}
	}},
	{"SF-014", "folds the case of ids", func(a *animal) {
		a.get = func(ctx context.Context, tenant, id string) (saved.Filter, error) {
			return a.Store.Get(ctx, tenant, strings.ToLower(id))
		}
	}},
	{"SF-014", "trims names", insertsAs(func(f *saved.Filter) { f.Name = strings.TrimSpace(f.Name) })},
	{"SF-014", "folds the case of viewers", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, q saved.Query) (storage.Page[saved.Filter], error) {
			q.Viewer = strings.ToLower(q.Viewer)
			return a.Store.List(ctx, tenant, q)
		}
	}},
	{"SF-015", "rounds times", insertsAs(func(f *saved.Filter) { f.CreatedAt = f.CreatedAt.Round(time.Microsecond) })},
	{"SF-015", "rounds the time of an update", updatesAs(func(f *saved.Filter) { f.UpdatedAt = f.UpdatedAt.Round(time.Microsecond) })},
	{"SF-016", "calls it a conflict that there is nothing", func(a *animal) {
		a.remove = func(ctx context.Context, tenant, id string, revision int64) error {
			if err := a.Store.Delete(ctx, tenant, id, revision); err != nil {
				return storage.ErrConflict
			}
			return nil
		}
	}},
	{"SF-016", "makes what is updated", func(a *animal) {
		a.update = func(ctx context.Context, tenant string, f saved.Filter, revision int64) error {
			err := a.Store.Update(ctx, tenant, f, revision)
			if errors.Is(err, storage.ErrNotFound) {
				return a.Store.Insert(ctx, tenant, f, storage.Unlimited)
			}
			return err
		}
	}},
	{"SF-017", "keeps names that were deleted", func(a *animal) {
		gone := map[string]bool{}
		a.remove = func(ctx context.Context, tenant, id string, revision int64) error {
			err := a.Store.Delete(ctx, tenant, id, revision)
			a.remember(func() { gone[tenant+id] = err == nil })
			return err
		}
		a.insert = func(ctx context.Context, tenant string, f saved.Filter, most int64) error {
			var taken bool
			if a.remember(func() { taken = gone[tenant+f.ID] }); taken {
				return storage.ErrConflict
			}
			return a.Store.Insert(ctx, tenant, f, most)
		}
	}},
	{"SF-018", "counts past its transaction", func(a *animal) {
		a.count = func(ctx context.Context, tenant string) (int64, error) {
			return a.Store.Count(storage.Detach(ctx), tenant)
		}
	}},
	{"SF-019", "inserts once the transaction has ended, however that was", func(a *animal) {
		late := map[string]saved.Filter{}
		a.insert = func(ctx context.Context, tenant string, f saved.Filter, most int64) error {
			if f.ID == "new" && inTx(ctx) {
				a.remember(func() { late[tenant] = f })
			}
			return a.Store.Insert(ctx, tenant, f, most)
		}
		a.get = func(ctx context.Context, tenant, id string) (saved.Filter, error) {
			f, err := a.Store.Get(ctx, tenant, id)
			a.remember(func() {
				if kept, ok := late[tenant]; ok && id == kept.ID && errors.Is(err, storage.ErrNotFound) {
					f, err = kept, nil
				}
			})
			return f, err
		}
	}},
	{"SF-020", "updates with plain statements once the transaction has ended", func(a *animal) {
		a.update = func(ctx context.Context, tenant string, f saved.Filter, revision int64) error {
			err := a.Store.Update(ctx, tenant, f, revision)
			if errors.Is(err, storage.ErrTxDone) {
				return a.Store.Update(storage.Detach(ctx), tenant, f, revision)
			}
			return err
		}
	}},
	{"SF-021", "inserts in a transaction of its own beside another backend's", func(a *animal) {
		a.insert = func(ctx context.Context, tenant string, f saved.Filter, most int64) error {
			err := a.Store.Insert(ctx, tenant, f, most)
			if errors.Is(err, storage.ErrForeignTx) {
				return a.Store.Insert(storage.Detach(ctx), tenant, f, most)
			}
			return err
		}
	}},
}

func TestEachBrokenStoreIsCaughtByItsRule(t *testing.T) {
	var mutants []ruletest.StoreMutant[StoreUnderTest]
	for _, z := range zoo {
		mutants = append(mutants, ruletest.StoreMutant[StoreUnderTest]{Rule: z.rule, Name: z.name, Make: func(t testing.TB) StoreUnderTest {
			e := enclosed(t)
			z.breed(e.animal)
			return e
		}})
	}
	ruletest.ProveStore(t, storeRules(), func(t testing.TB) StoreUnderTest { return enclosed(t) }, mutants, nil)
}

func enclosed(t testing.TB) enclosure {
	b, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return enclosure{b, &animal{Store: b.SavedFilters()}}
}
