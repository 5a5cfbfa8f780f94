package credentialstest

import (
	"bytes"
	"context"
	"runtime"
	"slices"
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
	insert  func(ctx context.Context, tenant string, r credentials.Record, most int64) error
	update  func(ctx context.Context, tenant string, r credentials.Record, revision int64) error
	get     func(ctx context.Context, tenant, name string) (credentials.Record, error)
	list    func(ctx context.Context, tenant string, q credentials.Query) (storage.Page[credentials.Record], error)
	touch   func(ctx context.Context, tenant, name string, at time.Time) error
	replace func(ctx context.Context, tenant string, r credentials.Record, fresh []byte, keyID string) (bool, error)
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

// A specimen is an animal with the rule that finds it.
type specimen struct {
	rule, name string
	breed      func(b *memory.Backend, a *animal)
}

var zoo = []specimen{
	{"CV-001", "keeps times to the second", func(_ *memory.Backend, a *animal) {
		a.insert = func(ctx context.Context, tenant string, r credentials.Record, most int64) error {
			r.CreatedAt = r.CreatedAt.Truncate(time.Second)
			return a.Store.Insert(ctx, tenant, r, most)
		}
	}},
	{"CV-002", "seals again by name alone", func(_ *memory.Backend, a *animal) {
		owner := ""
		a.insert = func(ctx context.Context, tenant string, r credentials.Record, most int64) error {
			if owner == "" {
				owner = tenant
			}
			return a.Store.Insert(ctx, tenant, r, most)
		}
		a.replace = func(ctx context.Context, _ string, r credentials.Record, fresh []byte, keyID string) (bool, error) {
			return a.Store.ReplaceSealed(ctx, owner, r, fresh, keyID)
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
		a.replace = func(ctx context.Context, tenant string, r credentials.Record, fresh []byte, keyID string) (bool, error) {
			old, err := a.Store.Get(ctx, tenant, r.Name)
			if err != nil || !bytes.Equal(old.Sealed, r.Sealed) {
				return false, err
			}
			for range 100 { // the others compare meanwhile
				runtime.Gosched()
			}
			for {
				if ok, err := a.Store.ReplaceSealed(ctx, tenant, old, fresh, keyID); ok || err != nil {
					return ok, err
				}
				if old, err = a.Store.Get(ctx, tenant, r.Name); err != nil {
					return false, err
				}
			}
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
			if r, ok := own[tenant+name]; ok {
				return r, nil
			}
			r, err := a.Store.Get(ctx, tenant, name)
			own[tenant+name] = r
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

func TestRulesFindTheirAnimals(t *testing.T) {
	for _, z := range zoo {
		t.Run(z.rule+" "+z.name, func(t *testing.T) {
			i := slices.IndexFunc(rules, func(r rule) bool { return r.id == z.rule })
			if i < 0 {
				t.Fatal("there is no such rule")
			}
			b, err := memory.New(memory.Config{})
			if err != nil {
				t.Fatal(err)
			}
			a := &animal{Store: b.Credentials()}
			z.breed(b, a)
			if failures := ruletest.Try(t.Context(), func(t testing.TB) { rules[i].check(t, enclosure{b, a}) }); len(failures) == 0 {
				t.Errorf("%s does not find it", z.rule)
			}
		})
	}
}

func TestEveryRuleHasAnAnimal(t *testing.T) {
	for _, r := range Rules() {
		if !slices.ContainsFunc(zoo, func(z specimen) bool { return z.rule == r.ID }) {
			t.Errorf("%s has no animal", r.ID)
		}
	}
}
