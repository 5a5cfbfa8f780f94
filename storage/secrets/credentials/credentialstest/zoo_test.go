package credentialstest

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/secrets/credentials"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// An animal is a store that is broken in one way. The methods that are set stand in front
// of those of a store that is right.
type animal struct {
	credentials.Store
	count   func(ctx context.Context, tenant string) (int64, error)
	remove  func(ctx context.Context, tenant, name string, revision int64) error
	insert  func(ctx context.Context, tenant string, r credentials.Record, most int64) error
	update  func(ctx context.Context, tenant string, r credentials.Record, revision int64) error
	get     func(ctx context.Context, tenant, name string) (credentials.Record, error)
	list    func(ctx context.Context, tenant string, q credentials.Query) (storage.Page[credentials.Record], error)
	touch   func(ctx context.Context, tenant, name string, at time.Time) error
	replace func(ctx context.Context, tenant string, r credentials.Record, fresh []byte, keyID string) (bool, error)

	// mu guards what an animal remembers.
	mu sync.Mutex
	// late is what it does once a transaction or a savepoint has ended, however that was.
	late []func(ctx context.Context) error
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

func (a *animal) Count(ctx context.Context, tenant string) (int64, error) {
	if a.count != nil {
		return a.count(ctx, tenant)
	}
	return a.Store.Count(ctx, tenant)
}

func (a *animal) Delete(ctx context.Context, tenant, name string, revision int64) error {
	if a.remove != nil {
		return a.remove(ctx, tenant, name, revision)
	}
	return a.Store.Delete(ctx, tenant, name, revision)
}

func (a *animal) Insert(ctx context.Context, tenant string, r credentials.Record, most int64) error {
	if a.insert != nil {
		return a.insert(ctx, tenant, r, most)
	}
	return a.Store.Insert(ctx, tenant, r, most)
}

func (a *animal) Update(ctx context.Context, tenant string, r credentials.Record, revision int64) error {
	if a.update != nil {
		return a.update(ctx, tenant, r, revision)
	}
	return a.Store.Update(ctx, tenant, r, revision)
}

func (a *animal) Get(ctx context.Context, tenant, name string) (credentials.Record, error) {
	if a.get != nil {
		return a.get(ctx, tenant, name)
	}
	return a.Store.Get(ctx, tenant, name)
}

func (a *animal) List(ctx context.Context, tenant string, q credentials.Query) (storage.Page[credentials.Record], error) {
	if a.list != nil {
		return a.list(ctx, tenant, q)
	}
	return a.Store.List(ctx, tenant, q)
}

func (a *animal) Touch(ctx context.Context, tenant, name string, at time.Time) error {
	if a.touch != nil {
		return a.touch(ctx, tenant, name, at)
	}
	return a.Store.Touch(ctx, tenant, name, at)
}

func (a *animal) ReplaceSealed(ctx context.Context, tenant string, r credentials.Record, fresh []byte, keyID string) (bool, error) {
	if a.replace != nil {
		return a.replace(ctx, tenant, r, fresh, keyID)
	}
	return a.Store.ReplaceSealed(ctx, tenant, r, fresh, keyID)
}

// An enclosure is a memory backend with an animal in place of its store.
type enclosure struct {
	*memory.Backend
	animal *animal
}

func (e enclosure) Credentials() credentials.Store { return e.animal }

func (e enclosure) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	err := e.Backend.InTx(ctx, fn)
	var late []func(ctx context.Context) error
	e.animal.remember(func() { late, e.animal.late = e.animal.late, nil })
	for _, write := range late {
		err = errors.Join(err, write(ctx))
	}
	return err
}

// A specimen is an animal with the rule that finds it.
type specimen struct {
	rule, name string
	breed      func(b *memory.Backend, a *animal)
}

var zoo = []specimen{
	{"CV-001", "answers the beginning of 1970 for no time", func(_ *memory.Backend, a *animal) {
		a.get = func(ctx context.Context, tenant, name string) (credentials.Record, error) {
			r, err := a.Store.Get(ctx, tenant, name)
			if r.LastUsedAt.IsZero() {
				r.LastUsedAt = time.Unix(0, 0).UTC()
			}
			return r, err
		}
	}},
	{"CV-002", "seals again by name alone", func(_ *memory.Backend, a *animal) {
		owner := ""
		a.insert = func(ctx context.Context, tenant string, r credentials.Record, most int64) error {
			a.remember(func() { owner = cmp.Or(owner, tenant) })
			return a.Store.Insert(ctx, tenant, r, most)
		}
		a.replace = func(ctx context.Context, tenant string, r credentials.Record, fresh []byte, keyID string) (bool, error) {
			a.remember(func() { tenant = cmp.Or(owner, tenant) })
			return a.Store.ReplaceSealed(ctx, tenant, r, fresh, keyID)
		}
	}},
	{"CV-003", "writes outside of the transaction", func(b *memory.Backend, a *animal) {
		aside, err := memory.New(memory.Config{})
		if err != nil {
			panic(err) // the zero Config is fit
		}
		a.Store = aside.Credentials()
		a.insert = func(ctx context.Context, tenant string, r credentials.Record, most int64) error {
			return aside.Credentials().Insert(storage.Detach(ctx), tenant, r, most)
		}
		a.update = func(ctx context.Context, tenant string, r credentials.Record, revision int64) error {
			return aside.Credentials().Update(storage.Detach(ctx), tenant, r, revision)
		}
	}},
	{"CV-004", "replaces what is there", func(_ *memory.Backend, a *animal) {
		a.insert = func(ctx context.Context, tenant string, r credentials.Record, most int64) error {
			if err := a.Store.Delete(ctx, tenant, r.Name, 1); err != nil && err != storage.ErrNotFound {
				return err
			}
			return a.Store.Insert(ctx, tenant, r, most)
		}
	}},
	{"CV-005", "ignores the revision", func(_ *memory.Backend, a *animal) {
		a.update = func(ctx context.Context, tenant string, r credentials.Record, _ int64) error {
			old, err := a.Store.Get(ctx, tenant, r.Name)
			if err != nil {
				return err
			}
			return a.Store.Update(ctx, tenant, r, old.Revision)
		}
	}},
	{"CV-006", "replaces the whole row", func(_ *memory.Backend, a *animal) {
		a.update = func(ctx context.Context, tenant string, r credentials.Record, revision int64) error {
			if err := a.Store.Delete(ctx, tenant, r.Name, revision); err != nil {
				return err
			}
			return a.Store.Insert(ctx, tenant, r, storage.Unlimited)
		}
	}},
	{"CV-007", "touches by an update", func(_ *memory.Backend, a *animal) {
		a.touch = func(ctx context.Context, tenant, name string, at time.Time) error {
			r, err := a.Store.Get(ctx, tenant, name)
			if err != nil {
				return nil
			}
			r.Revision++
			if err := a.Store.Update(ctx, tenant, r, r.Revision-1); err != nil {
				return err
			}
			return a.Store.Touch(ctx, tenant, name, at)
		}
	}},
	{"CV-008", "compares nothing", func(_ *memory.Backend, a *animal) {
		a.replace = func(ctx context.Context, tenant string, r credentials.Record, fresh []byte, keyID string) (bool, error) {
			old, err := a.Store.Get(ctx, tenant, r.Name)
			if err != nil {
				return false, nil
			}
			return a.Store.ReplaceSealed(ctx, tenant, old, fresh, keyID)
		}
	}},
	{"CV-009", "compares first and writes then", func(_ *memory.Backend, a *animal) {
		a.update = func(ctx context.Context, tenant string, r credentials.Record, revision int64) error {
			crowd, leave := a.crowd()
			defer leave()
			err := a.Store.Update(ctx, tenant, r, revision)
			if crowd && errors.Is(err, storage.ErrConflict) {
				err = nil
			}
			return err
		}
	}},
	{"CV-009", "compares sealed bytes first and replaces them then", func(_ *memory.Backend, a *animal) {
		a.replace = func(ctx context.Context, tenant string, r credentials.Record, fresh []byte, keyID string) (bool, error) {
			crowd, leave := a.crowd()
			defer leave()
			replaced, err := a.Store.ReplaceSealed(ctx, tenant, r, fresh, keyID)
			return replaced || crowd, err
		}
	}},
	{"CV-010", "forgets the last of a page", func(_ *memory.Backend, a *animal) {
		a.list = func(ctx context.Context, tenant string, q credentials.Query) (storage.Page[credentials.Record], error) {
			page, err := a.Store.List(ctx, tenant, q)
			if page.Next != "" && len(page.Items) > 1 {
				page.Items = page.Items[:len(page.Items)-1]
			}
			return page, err
		}
	}},
	{"CV-011", "shows its own bytes", func(_ *memory.Backend, a *animal) {
		own := map[string]credentials.Record{}
		a.get = func(ctx context.Context, tenant, name string) (credentials.Record, error) {
			r, err := a.Store.Get(ctx, tenant, name)
			a.remember(func() {
				if kept, ok := own[tenant+name]; ok {
					r, err = kept, nil
				} else if err == nil {
					own[tenant+name] = r
				}
			})
			return r, err
		}
	}},
	{"CV-012", "counts and inserts in two steps", func(_ *memory.Backend, a *animal) {
		a.insert = func(ctx context.Context, tenant string, r credentials.Record, most int64) error {
			n, err := a.Store.Count(ctx, tenant)
			if err != nil {
				return err
			}
			if n >= most {
				return &storage.LimitError{What: credentials.What, Limit: most}
			}
			return a.Store.Insert(ctx, tenant, r, storage.Unlimited)
		}
	}},
}

func TestEachBrokenStoreIsCaughtByItsRule(t *testing.T) {
	var mutants []ruletest.StoreMutant[StoreUnderTest]
	for _, z := range slices.Concat(zoo, storeZoo) {
		mutants = append(mutants, ruletest.StoreMutant[StoreUnderTest]{Rule: z.rule, Name: z.name, Make: func(t testing.TB) StoreUnderTest {
			e := enclosed(t)
			z.breed(e.Backend, e.animal)
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
	return enclosure{b, &animal{Store: b.Credentials()}}
}
