package credentialstest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/secrets/credentials"
)

// insertsAs alters records before they are inserted.
func insertsAs(alter func(r *credentials.Record)) func(*memory.Backend, *animal) {
	return func(_ *memory.Backend, a *animal) {
		a.insert = func(ctx context.Context, tenant string, r credentials.Record, most int64) error {
			a.remember(func() { alter(&r) })
			return a.Store.Insert(ctx, tenant, r, most)
		}
	}
}

// updatesAs alters records before they are updated.
func updatesAs(alter func(r *credentials.Record)) func(*memory.Backend, *animal) {
	return func(_ *memory.Backend, a *animal) {
		a.update = func(ctx context.Context, tenant string, r credentials.Record, revision int64) error {
			a.remember(func() { alter(&r) })
			return a.Store.Update(ctx, tenant, r, revision)
		}
	}
}

// listsAs alters what is asked of lists and what they answer.
func listsAs(ask func(tenant string, q *credentials.Query), answer func(items []credentials.Record)) func(*memory.Backend, *animal) {
	return func(_ *memory.Backend, a *animal) {
		a.list = func(ctx context.Context, tenant string, q credentials.Query) (storage.Page[credentials.Record], error) {
			ask(tenant, &q)
			p, err := a.Store.List(ctx, tenant, q)
			answer(p.Items)
			return p, err
		}
	}
}

func asAsked(string, *credentials.Query)    {}
func asAnswered(_ []credentials.Record)     {}
func inTx(ctx context.Context) bool         { return storage.Detach(ctx) != ctx }
func folded(_ string, q *credentials.Query) { q.Kind = strings.ToLower(q.Kind) }

var storeZoo = []specimen{
	{"CS-001", "folds the case of names", func(_ *memory.Backend, a *animal) {
		a.get = func(ctx context.Context, tenant, name string) (credentials.Record, error) {
			return a.Store.Get(ctx, tenant, strings.ToLower(name))
		}
	}},
	{"CS-001", "folds the case of kinds", listsAs(folded, asAnswered)},
	{"CS-001", "trims key ids", insertsAs(func(r *credentials.Record) { r.KeyID = strings.TrimSpace(r.KeyID) })},
	{"CS-002", "cuts long values", insertsAs(func(r *credentials.Record) { r.Sealed = r.Sealed[:min(len(r.Sealed), 1<<16)] })},
	{"CS-002", "ends values at a NUL", insertsAs(func(r *credentials.Record) {
		if bytes.HasPrefix(r.Sealed, []byte{0}) {
			r.Sealed = nil
		}
	})},
	{"CS-003", "rounds times", insertsAs(func(r *credentials.Record) { r.CreatedAt = r.CreatedAt.Round(time.Microsecond) })},
	{"CS-003", "rounds the time of a use", func(_ *memory.Backend, a *animal) {
		a.touch = func(ctx context.Context, tenant, name string, at time.Time) error {
			return a.Store.Touch(ctx, tenant, name, at.Round(time.Microsecond))
		}
	}},
	{"CS-004", "believes the tenant that a record says", func(b *memory.Backend, a *animal) {
		said := map[string]string{}
		insertsAs(func(r *credentials.Record) { said[r.Name] = r.Tenant })(b, a)
		a.get = func(ctx context.Context, tenant, name string) (credentials.Record, error) {
			r, err := a.Store.Get(ctx, tenant, name)
			a.remember(func() { r.Tenant = cmp.Or(said[name], r.Tenant) })
			return r, err
		}
	}},
	{"CS-005", "calls it a conflict that there is nothing", func(_ *memory.Backend, a *animal) {
		a.remove = func(ctx context.Context, tenant, name string, revision int64) error {
			if err := a.Store.Delete(ctx, tenant, name, revision); err != nil {
				return storage.ErrConflict
			}
			return nil
		}
	}},
	{"CS-006", "keeps the key id of before", func(b *memory.Backend, a *animal) {
		updatesAs(func(r *credentials.Record) { r.KeyID = "1a2b3c4d" })(b, a)
	}},
	{"CS-007", "deletes whatever revision is there", func(_ *memory.Backend, a *animal) {
		a.remove = func(ctx context.Context, tenant, name string, revision int64) error {
			if r, err := a.Store.Get(ctx, tenant, name); err == nil {
				revision = r.Revision
			}
			return a.Store.Delete(ctx, tenant, name, revision)
		}
	}},
	{"CS-008", "remembers when a name was used", func(_ *memory.Backend, a *animal) {
		used := map[string]time.Time{}
		a.get = func(ctx context.Context, tenant, name string) (credentials.Record, error) {
			r, err := a.Store.Get(ctx, tenant, name)
			a.remember(func() {
				if err == nil && r.LastUsedAt.IsZero() {
					r.LastUsedAt = used[tenant+name]
				}
			})
			return r, err
		}
		a.insert = func(ctx context.Context, tenant string, r credentials.Record, most int64) error {
			err := a.Store.Insert(ctx, tenant, r, most)
			a.remember(func() {
				if err == nil && !r.LastUsedAt.IsZero() {
					used[tenant+r.Name] = r.LastUsedAt
				}
			})
			return err
		}
	}},
	{"CS-009", "looks for the name before it writes", func(_ *memory.Backend, a *animal) {
		a.insert = func(ctx context.Context, tenant string, r credentials.Record, most int64) error {
			crowd, leave := a.crowd()
			defer leave()
			err := a.Store.Insert(ctx, tenant, r, most)
			if crowd && errors.Is(err, storage.ErrConflict) {
				err = nil
			}
			return err
		}
	}},
	{"CS-010", "lists records without their times", listsAs(asAsked, func(items []credentials.Record) {
		for i := range items {
			items[i].LastUsedAt = time.Time{}
		}
	})},
	{"CS-011", "opens a cursor in any list of the tenant", listsAs(func(tenant string, q *credentials.Query) {
		for _, kind := range []string{"", "api_key", "token"} {
			if name, err := (credentials.Query{Kind: kind, After: q.After}).Position(tenant); err == nil && name != "" {
				q.After = q.Next(tenant, credentials.Record{Credential: credentials.Credential{Name: name}})
				return
			}
		}
	}, asAnswered)},
	{"CS-011", "takes a negative limit for none", listsAs(func(_ string, q *credentials.Query) { q.Limit = max(q.Limit, 0) }, asAnswered)},
	{"CS-012", "makes what is touched", func(_ *memory.Backend, a *animal) {
		a.touch = func(ctx context.Context, tenant, name string, at time.Time) error {
			if _, err := a.Store.Get(ctx, tenant, name); errors.Is(err, storage.ErrNotFound) {
				return a.Store.Insert(ctx, tenant, credentials.Record{Credential: credentials.Credential{Name: name, Revision: 1, LastUsedAt: at}, Sealed: []byte{0}}, storage.Unlimited)
			}
			return a.Store.Touch(ctx, tenant, name, at)
		}
	}},
	{"CS-013", "reads the time of a use before it writes", func(_ *memory.Backend, a *animal) {
		a.touch = func(ctx context.Context, tenant, name string, at time.Time) error {
			crowd, leave := a.crowd()
			defer leave()
			if crowd {
				return nil // as if another one's write had come later
			}
			return a.Store.Touch(ctx, tenant, name, at)
		}
	}},
	{"CS-014", "finds names by their beginning", func(_ *memory.Backend, a *animal) {
		a.get = func(ctx context.Context, tenant, name string) (credentials.Record, error) {
			p, err := a.Store.List(ctx, tenant, credentials.Query{})
			if i := slices.IndexFunc(p.Items, func(r credentials.Record) bool { return strings.HasPrefix(name, r.Name+"/") }); err == nil && i >= 0 {
				return p.Items[i], nil
			}
			return a.Store.Get(ctx, tenant, name)
		}
	}},
	{"CS-014", "keeps 254 bytes of a name", insertsAs(func(r *credentials.Record) { r.Name = r.Name[:min(len(r.Name), 254)] })},

	{"CS-020", "counts names that begin with a dot", func(_ *memory.Backend, a *animal) {
		a.count = func(ctx context.Context, tenant string) (int64, error) {
			p, err := a.Store.List(ctx, tenant, credentials.Query{Limit: storage.MaxLimit})
			return int64(len(p.Items)), err
		}
	}},
	{"CS-021", "tells the limit before the name", func(_ *memory.Backend, a *animal) {
		a.insert = func(ctx context.Context, tenant string, r credentials.Record, most int64) error {
			err := a.Store.Insert(ctx, tenant, r, most)
			if n, _ := a.Store.Count(ctx, tenant); errors.Is(err, storage.ErrConflict) && n >= most {
				err = &storage.LimitError{What: credentials.What, Limit: most}
			}
			return err
		}
	}},
	{"CS-021", "counts names that begin with a dot against the limit", func(_ *memory.Backend, a *animal) {
		a.insert = func(ctx context.Context, tenant string, r credentials.Record, most int64) error {
			if n, _ := a.Store.Count(ctx, tenant); strings.HasPrefix(r.Name, ".") && n >= most {
				return &storage.LimitError{What: credentials.What, Limit: most}
			}
			return a.Store.Insert(ctx, tenant, r, most)
		}
	}},
	{"CS-022", "drops what comes after a refusal", func(_ *memory.Backend, a *animal) {
		poisoned := false
		a.insert = func(ctx context.Context, tenant string, r credentials.Record, most int64) error {
			drop := false
			if a.remember(func() { drop = poisoned }); drop {
				return nil
			}
			err := a.Store.Insert(ctx, tenant, r, most)
			a.remember(func() { poisoned = errors.Is(err, storage.ErrLimit) && inTx(ctx) })
			return err
		}
	}},
	{"CS-023", "counts what was rolled back", func(_ *memory.Backend, a *animal) {
		made := map[string]int64{}
		a.insert = func(ctx context.Context, tenant string, r credentials.Record, most int64) (err error) {
			a.remember(func() {
				if made[tenant]++; made[tenant] > most {
					err = &storage.LimitError{What: credentials.What, Limit: most}
				}
			})
			return cmp.Or(err, a.Store.Insert(ctx, tenant, r, most))
		}
	}},

	{"CS-030", "counts past its transaction", func(_ *memory.Backend, a *animal) {
		a.count = func(ctx context.Context, tenant string) (int64, error) {
			return a.Store.Count(storage.Detach(ctx), tenant)
		}
	}},
	{"CS-031", "inserts beside its savepoint", func(_ *memory.Backend, a *animal) {
		a.insert = func(ctx context.Context, tenant string, r credentials.Record, most int64) error {
			if r.Name == "b" && inTx(ctx) {
				a.remember(func() {
					a.late = append(a.late, func(ctx context.Context) error { return a.Store.Insert(ctx, tenant, r, most) })
				})
				return nil
			}
			return a.Store.Insert(ctx, tenant, r, most)
		}
	}},
	{"CS-032", "touches with plain statements once the transaction has ended", func(_ *memory.Backend, a *animal) {
		a.touch = func(ctx context.Context, tenant, name string, at time.Time) error {
			err := a.Store.Touch(ctx, tenant, name, at)
			if errors.Is(err, storage.ErrTxDone) {
				return a.Store.Touch(storage.Detach(ctx), tenant, name, at)
			}
			return err
		}
	}},
	{"CS-033", "inserts in a transaction of its own beside another backend's", func(_ *memory.Backend, a *animal) {
		a.insert = func(ctx context.Context, tenant string, r credentials.Record, most int64) error {
			err := a.Store.Insert(ctx, tenant, r, most)
			if errors.Is(err, storage.ErrForeignTx) {
				return a.Store.Insert(storage.Detach(ctx), tenant, r, most)
			}
			return err
		}
	}},
}
