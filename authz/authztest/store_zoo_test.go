package authztest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// An animal is a store that is broken in one way. The methods that are set stand in front
// of those of a store that is right.
type animal struct {
	storage.Transactor
	authz.Store
	head   func(ctx context.Context, tenant string) (authz.Head, error)
	rows   func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[authz.Row], error)
	change func(ctx context.Context, tenant string, c authz.Change) (authz.Head, error)

	// mu guards what a mutant remembers, and late: what the store does once a transaction
	// or a savepoint has ended, however that was.
	mu   sync.Mutex
	late []func(ctx context.Context) error
}

func (a *animal) Authz() authz.Store { return a }

func (a *animal) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	err := a.Transactor.InTx(ctx, fn)
	var late []func(ctx context.Context) error
	a.remember(func() { late, a.late = a.late, nil })
	for _, write := range late {
		err = errors.Join(err, write(ctx))
	}
	return err
}

func (a *animal) Head(ctx context.Context, tenant string) (authz.Head, error) {
	if a.head != nil {
		return a.head(ctx, tenant)
	}
	return a.Store.Head(ctx, tenant)
}

func (a *animal) Rows(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[authz.Row], error) {
	if a.rows != nil {
		return a.rows(ctx, tenant, after, limit)
	}
	return a.Store.Rows(ctx, tenant, after, limit)
}

func (a *animal) Change(ctx context.Context, tenant string, c authz.Change) (authz.Head, error) {
	if a.change != nil {
		return a.change(ctx, tenant, c)
	}
	return a.Store.Change(ctx, tenant, c)
}

// remember runs fn, which reads or writes what a mutant remembers, alone.
func (a *animal) remember(fn func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fn()
}

// changeAs returns a breaking that alters changes before they are made.
func changeAs(alter func(c *authz.Change)) func(a *animal) {
	return func(a *animal) {
		a.change = func(ctx context.Context, tenant string, c authz.Change) (authz.Head, error) {
			c.Add, c.Remove = slices.Clone(c.Add), slices.Clone(c.Remove)
			alter(&c)
			return a.Store.Change(ctx, tenant, c)
		}
	}
}

// addedAs returns a breaking that alters rows before they are added.
func addedAs(alter func(r *authz.Row)) func(a *animal) {
	return changeAs(func(c *authz.Change) {
		for i := range c.Add {
			c.Add[i].Values = slices.Clone(c.Add[i].Values)
			alter(&c.Add[i])
		}
	})
}

// pageAs returns a breaking that alters what is asked of the list and what it answers.
func pageAs(ask func(limit int) int, answer func(p *storage.Page[authz.Row])) func(a *animal) {
	return func(a *animal) {
		a.rows = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[authz.Row], error) {
			p, err := a.Store.Rows(ctx, tenant, after, ask(limit))
			answer(&p)
			return p, err
		}
	}
}

func asAsked(limit int) int                 { return limit }
func asAnswered(_ *storage.Page[authz.Row]) {}

// counting goes on by counting rows.
func counting(a *animal) {
	seen := 0
	a.rows = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[authz.Row], error) {
		if after == "" {
			seen = 0
		}
		all, err := a.Store.Rows(ctx, tenant, "", storage.MaxLimit)
		var p storage.Page[authz.Row]
		p.Items = all.Items[min(seen, len(all.Items)):min(seen+limit, len(all.Items))]
		if seen += limit; seen < len(all.Items) {
			p.Next = authz.RowCursor(tenant, int64(seen), 0)
		}
		return p, err
	}
}

// heedless ignores errors of a change that are want.
func heedless(want error) func(a *animal) {
	return func(a *animal) {
		a.change = func(ctx context.Context, tenant string, c authz.Change) (authz.Head, error) {
			h, err := a.Store.Change(ctx, tenant, c)
			if errors.Is(err, want) {
				return a.Store.Head(ctx, tenant)
			}
			return h, err
		}
	}
}

// byDigest tells rows apart by what key says of them, and calls two of one key a conflict.
func byDigest(key func(r authz.Row) string) func(a *animal) {
	return func(a *animal) {
		a.change = func(ctx context.Context, tenant string, c authz.Change) (authz.Head, error) {
			seen := map[string]bool{}
			for _, r := range c.Add {
				if seen[key(r)] {
					return authz.Head{}, storage.ErrConflict
				}
				seen[key(r)] = true
			}
			return a.Store.Change(ctx, tenant, c)
		}
	}
}

var storeZoo = []struct {
	rule, name string
	breaks     func(a *animal)
}{
	{"PS-001", "keeps every row as a rule", addedAs(func(r *authz.Row) { r.Kind = "p" })},
	{"PS-001", "drops empty values at the end", addedAs(func(r *authz.Row) {
		if n := len(r.Values); n > 0 && r.Values[n-1] == "" {
			r.Values = r.Values[:n-1]
		}
	})},
	{"PS-002", "trims values", addedAs(func(r *authz.Row) {
		for i := range r.Values {
			r.Values[i] = strings.TrimSpace(r.Values[i])
		}
	})},
	{"PS-002", "escapes values", addedAs(func(r *authz.Row) {
		for i := range r.Values {
			r.Values[i] = strings.ReplaceAll(r.Values[i], "<", "&lt;")
		}
	})},
	{"PS-003", "folds the case of ids", addedAs(func(r *authz.Row) { r.ID = strings.ToLower(r.ID) })},
	{"PS-004", "lists rows by their ids", pageAs(asAsked, func(p *storage.Page[authz.Row]) {
		slices.SortFunc(p.Items, func(a, b authz.Row) int { return cmp.Compare(a.ID, b.ID) })
	})},
	{"PS-004", "lists the rows of a change backwards", changeAs(func(c *authz.Change) { slices.Reverse(c.Add) })},
	{"PS-005", "gives a row its old place again", func(a *animal) {
		a.change = func(ctx context.Context, tenant string, c authz.Change) (authz.Head, error) {
			if len(c.Remove) == 1 && len(c.Add) == 1 && c.Remove[0] == c.Add[0].ID {
				c.Remove, c.Add = nil, nil
			}
			return a.Store.Change(ctx, tenant, c)
		}
	}},
	{"PS-006", "orders places as texts", changeAs(func(c *authz.Change) {
		if len(c.Add) > 10 && len(c.Add) < 100 {
			c.Add[2], c.Add[10] = c.Add[10], c.Add[2]
		}
	})},
	{"PS-007", "goes on behind a change and not behind a row", func(a *animal) {
		a.rows = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[authz.Row], error) {
			if sequence, _, err := authz.RowPosition(tenant, after); err == nil && after != "" {
				after = authz.RowCursor(tenant, sequence, 1<<20)
			}
			return a.Store.Rows(ctx, tenant, after, limit)
		}
	}},
	{"PS-007", "has a next page where the list ends with one", func(a *animal) {
		a.rows = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[authz.Row], error) {
			p, err := a.Store.Rows(ctx, tenant, after, limit)
			if err == nil && len(p.Items) == limit && p.Next == "" {
				p.Next = authz.RowCursor(tenant, 1<<40, 0)
			}
			return p, err
		}
	}},
	{"PS-008", "goes on by counting rows", counting},
	{"PS-009", "starts over at a bad cursor", func(a *animal) {
		a.rows = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[authz.Row], error) {
			p, err := a.Store.Rows(ctx, tenant, after, limit)
			if errors.Is(err, storage.ErrBadCursor) {
				return a.Store.Rows(ctx, tenant, "", limit)
			}
			return p, err
		}
	}},
	{"PS-010", "takes a negative limit for none", pageAs(func(limit int) int { return max(0, limit) }, asAnswered)},
	{"PS-011", "answers the longest page where none was asked for", pageAs(func(limit int) int { return cmp.Or(limit, storage.MaxLimit) }, asAnswered)},
	{"PS-011", "answers no page of the longest", pageAs(func(limit int) int { return min(limit, storage.MaxLimit-1) }, asAnswered)},
	{"PS-012", "answers the values that it was given", func(a *animal) {
		given := map[string][]string{}
		a.change = func(ctx context.Context, tenant string, c authz.Change) (authz.Head, error) {
			a.remember(func() {
				for _, r := range c.Add {
					given[tenant+r.ID] = r.Values
				}
			})
			return a.Store.Change(ctx, tenant, c)
		}
		a.rows = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[authz.Row], error) {
			p, err := a.Store.Rows(ctx, tenant, after, limit)
			for i := range p.Items {
				p.Items[i].Values = given[tenant+p.Items[i].ID]
			}
			return p, err
		}
	}},
	{"PS-013", "runs on into the rows of the next tenant", func(a *animal) {
		a.rows = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[authz.Row], error) {
			p, err := a.Store.Rows(ctx, tenant, after, limit)
			if err != nil || p.Next != "" {
				return p, err
			}
			more, err := a.Store.Rows(ctx, tenant+"-other", "", 1)
			p.Items = append(p.Items, more.Items...)
			return p, err
		}
	}},
	{"PS-014", "trims tenants", func(a *animal) {
		a.change = func(ctx context.Context, tenant string, c authz.Change) (authz.Head, error) {
			return a.Store.Change(ctx, strings.TrimSpace(tenant), c)
		}
		a.rows = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[authz.Row], error) {
			return a.Store.Rows(ctx, strings.TrimSpace(tenant), after, limit)
		}
	}},
	{"PS-042", "opens cursors of whatever tenant", func(a *animal) {
		made := map[storage.Cursor]string{} // whose cursors there are
		a.rows = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[authz.Row], error) {
			a.remember(func() {
				if owner := made[after]; owner != "" && owner != tenant {
					sequence, position, err := authz.RowPosition(owner, after)
					if err == nil {
						after = authz.RowCursor(tenant, sequence, position)
					}
				}
			})
			p, err := a.Store.Rows(ctx, tenant, after, limit)
			a.remember(func() { made[p.Next] = tenant })
			return p, err
		}
	}},
	{"PS-015", "calls it an error that nobody wrote a policy", func(a *animal) {
		a.head = func(ctx context.Context, tenant string) (authz.Head, error) {
			h, err := a.Store.Head(ctx, tenant)
			if err == nil && h.Sequence == 0 {
				err = storage.ErrNotFound
			}
			return h, err
		}
	}},
	{"PS-016", "counts rows for changes", func(a *animal) {
		a.head = func(ctx context.Context, tenant string) (authz.Head, error) {
			h, err := a.Store.Head(ctx, tenant)
			p, err2 := a.Store.Rows(ctx, tenant, "", storage.MaxLimit)
			if h.Sequence > 1 {
				h.Sequence = int64(len(p.Items))
			}
			return h, errors.Join(err, err2)
		}
	}},
	{"PS-017", "answers the time as it was given", func(a *animal) {
		a.change = func(ctx context.Context, tenant string, c authz.Change) (authz.Head, error) {
			h, err := a.Store.Change(ctx, tenant, c)
			if err == nil {
				h.At = c.At
			}
			return h, err
		}
	}},
	{"PS-017", "keeps times to the second", func(a *animal) {
		a.head = func(ctx context.Context, tenant string) (authz.Head, error) {
			h, err := a.Store.Head(ctx, tenant)
			h.At = h.At.Truncate(time.Second)
			return h, err
		}
	}},
	{"PS-018", "makes no change of no rows", func(a *animal) {
		a.change = func(ctx context.Context, tenant string, c authz.Change) (authz.Head, error) {
			if len(c.Add)+len(c.Remove) == 0 {
				return a.Store.Head(ctx, tenant)
			}
			return a.Store.Change(ctx, tenant, c)
		}
	}},
	{"PS-019", "compares the sequence before the id", func(a *animal) {
		a.change = func(ctx context.Context, tenant string, c authz.Change) (authz.Head, error) {
			h, err := a.Store.Head(ctx, tenant)
			if err == nil && c.Expected != authz.AnySequence && c.Expected != h.Sequence {
				err = storage.ErrConflict
			}
			if err != nil {
				return authz.Head{}, err
			}
			return a.Store.Change(ctx, tenant, c)
		}
	}},
	{"PS-020", "makes another change under the id of the head", func(a *animal) {
		a.change = func(ctx context.Context, tenant string, c authz.Change) (authz.Head, error) {
			h, err := a.Store.Head(ctx, tenant)
			if err == nil && h.ChangeID == c.ID && !h.At.Equal(c.At) {
				c.ID, c.Expected, c.Remove, c.Add = c.ID+"+", authz.AnySequence, nil, nil
			}
			if err != nil {
				return authz.Head{}, err
			}
			return a.Store.Change(ctx, tenant, c)
		}
	}},
	{"PS-021", "takes an earlier change for made", func(a *animal) {
		made := map[string]bool{}
		a.change = func(ctx context.Context, tenant string, c authz.Change) (authz.Head, error) {
			known := false
			a.remember(func() { known = made[tenant+c.ID] })
			if known {
				return a.Store.Head(ctx, tenant)
			}
			h, err := a.Store.Change(ctx, tenant, c)
			a.remember(func() { made[tenant+c.ID] = err == nil })
			return h, err
		}
	}},
	{"PS-022", "makes changes of any sequence", changeAs(func(c *authz.Change) { c.Expected = authz.AnySequence })},
	{"PS-022", "answers the head where the sequence is another", heedless(storage.ErrConflict)},
	{"PS-023", "takes the expectation of none for any", func(a *animal) {
		a.change = func(ctx context.Context, tenant string, c authz.Change) (authz.Head, error) {
			if c.Expected == authz.AnySequence {
				c.Expected = 0
			}
			return a.Store.Change(ctx, tenant, c)
		}
	}},
	{"PS-024", "replaces a row whose id is taken", func(a *animal) {
		a.change = func(ctx context.Context, tenant string, c authz.Change) (authz.Head, error) {
			for _, r := range c.Add {
				if r.ID == "a" && r.Values[0] == "else" && len(c.Remove) == 0 {
					c.Remove = []string{"a"}
				}
			}
			return a.Store.Change(ctx, tenant, c)
		}
	}},
	{"PS-025", "leaves out a row whose content is there", changeAs(func(c *authz.Change) {
		c.Add = slices.DeleteFunc(c.Add, func(r authz.Row) bool { return len(r.Values) == 2 && r.Values[0] == "of" && r.Values[1] != r.ID })
	})},
	{"PS-026", "tells rows apart by their values put together", byDigest(func(r authz.Row) string { return r.Kind + " " + strings.Join(r.Values, "") })},
	{"PS-026", "tells rows apart without their kind", byDigest(func(r authz.Row) string { return fmt.Sprintf("%q", r.Values) })},
	{"PS-026", "tells rows apart without their case", byDigest(func(r authz.Row) string {
		return fmt.Sprintf("%q %q", r.Kind, strings.ToLower(strings.Join(r.Values, "\x00")))
	})},
	{"PS-027", "removes the first of several rows", changeAs(func(c *authz.Change) { c.Remove = c.Remove[:min(1, len(c.Remove))] })},
	{"PS-028", "removes what it finds", func(a *animal) {
		a.change = func(ctx context.Context, tenant string, c authz.Change) (authz.Head, error) {
			c.Remove = slices.DeleteFunc(slices.Clone(c.Remove), func(id string) bool { return id == "nobody" })
			return a.Store.Change(ctx, tenant, c)
		}
	}},
	{"PS-028", "removes a row once that is named twice", changeAs(func(c *authz.Change) { c.Remove = slices.Compact(c.Remove) })},
	{"PS-029", "adds rows before it removes others", func(a *animal) {
		a.change = func(ctx context.Context, tenant string, c authz.Change) (authz.Head, error) {
			for _, r := range c.Add {
				if slices.Contains(c.Remove, r.ID) {
					return authz.Head{}, storage.ErrConflict
				}
			}
			return a.Store.Change(ctx, tenant, c)
		}
	}},
	{"PS-030", "removes rows without a look at the tenant", func(a *animal) {
		a.change = func(ctx context.Context, tenant string, c authz.Change) (authz.Head, error) {
			h, err := a.Store.Change(ctx, tenant, c)
			if errors.Is(err, storage.ErrNotFound) {
				return a.Store.Change(ctx, strings.TrimSuffix(tenant, "-other"), c)
			}
			return h, err
		}
	}},
	{"PS-031", "keeps heads without their tenant", func(a *animal) {
		a.head = func(ctx context.Context, tenant string) (authz.Head, error) {
			h, err := a.Store.Head(ctx, tenant+"-other")
			if err == nil && h.Sequence > 0 {
				return h, nil
			}
			return a.Store.Head(ctx, tenant)
		}
	}},
	{"PS-032", "compares sequences with the one it read before", func(a *animal) {
		a.change = func(ctx context.Context, tenant string, c authz.Change) (authz.Head, error) {
			h, err := a.Store.Head(ctx, tenant)
			if err == nil && c.Expected == 0 && h.Sequence > 0 && h.Sequence < 8 && len(c.Add) == 1 && c.Add[0].ID != "c" {
				c.Expected = authz.AnySequence
			}
			if err != nil {
				return authz.Head{}, err
			}
			return a.Store.Change(ctx, tenant, c)
		}
	}},
	{"PS-033", "makes a change for the sequence that it read before", func(a *animal) {
		var once sync.Once
		a.change = func(ctx context.Context, tenant string, c authz.Change) (authz.Head, error) {
			if c.ID == "c7" {
				once.Do(func() { c.Expected = 1 << 40 })
			}
			return a.Store.Change(ctx, tenant, c)
		}
	}},
	{"PS-034", "refuses a change that is being made", func(a *animal) {
		seen := map[string]int{}
		a.change = func(ctx context.Context, tenant string, c authz.Change) (authz.Head, error) {
			n := 0
			a.remember(func() { seen[tenant+c.ID]++; n = seen[tenant+c.ID] })
			if n > 2 {
				return authz.Head{}, storage.ErrConflict
			}
			return a.Store.Change(ctx, tenant, c)
		}
	}},
	{"PS-035", "adds so many rows only", changeAs(func(c *authz.Change) { c.Add = c.Add[:min(len(c.Add), 256)] })},
	{"PS-036", "keeps the head of a change that was rolled back", func(a *animal) {
		kept := map[string]authz.Head{}
		a.change = func(ctx context.Context, tenant string, c authz.Change) (authz.Head, error) {
			h, err := a.Store.Change(ctx, tenant, c)
			a.remember(func() {
				if err == nil {
					kept[tenant] = h
				}
			})
			return h, err
		}
		a.head = func(ctx context.Context, tenant string) (authz.Head, error) {
			h, err := a.Store.Head(ctx, tenant)
			a.remember(func() {
				if err == nil && h != (authz.Head{}) && kept[tenant] != (authz.Head{}) {
					h = kept[tenant]
				}
			})
			return h, err
		}
	}},
	{"PS-037", "reads the head past the transaction", func(a *animal) {
		a.head = func(ctx context.Context, tenant string) (authz.Head, error) {
			return a.Store.Head(storage.Detach(ctx), tenant)
		}
	}},
	{"PS-037", "reads rows past the transaction", func(a *animal) {
		a.rows = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[authz.Row], error) {
			return a.Store.Rows(storage.Detach(ctx), tenant, after, limit)
		}
	}},
	{"PS-038", "leaves what a refused change removed", func(a *animal) {
		a.change = func(ctx context.Context, tenant string, c authz.Change) (authz.Head, error) {
			h, err := a.Store.Change(ctx, tenant, c)
			if errors.Is(err, storage.ErrNotFound) && storage.Detach(ctx) != ctx {
				_, err2 := a.Store.Change(ctx, tenant, removing(c.ID, c.Remove[0]))
				return h, errors.Join(err, err2)
			}
			return h, err
		}
	}},
	{"PS-039", "makes changes beside their savepoint", func(a *animal) {
		a.change = func(ctx context.Context, tenant string, c authz.Change) (authz.Head, error) {
			if c.ID == "c2" && storage.Detach(ctx) != ctx {
				a.remember(func() {
					a.late = append(a.late, func(ctx context.Context) error {
						_, err := a.Store.Change(ctx, tenant, c)
						return err
					})
				})
				return authz.Head{}, nil
			}
			return a.Store.Change(ctx, tenant, c)
		}
	}},
	{"PS-040", "reads with plain statements once the transaction has ended", func(a *animal) {
		a.head = func(ctx context.Context, tenant string) (authz.Head, error) {
			h, err := a.Store.Head(ctx, tenant)
			if errors.Is(err, storage.ErrTxDone) {
				return a.Store.Head(storage.Detach(ctx), tenant)
			}
			return h, err
		}
	}},
	{"PS-041", "writes in a transaction of its own beside another backend's", func(a *animal) {
		a.change = func(ctx context.Context, tenant string, c authz.Change) (authz.Head, error) {
			h, err := a.Store.Change(ctx, tenant, c)
			if errors.Is(err, storage.ErrForeignTx) {
				return a.Store.Change(storage.Detach(ctx), tenant, c)
			}
			return h, err
		}
	}},
}

func TestEachBrokenStoreIsCaughtByItsRule(t *testing.T) {
	all := map[string]storeRule{}
	for _, r := range storeRules() {
		all[r.id] = r
	}
	var mutants []ruletest.Mutant
	for _, m := range storeZoo {
		mutants = append(mutants, ruletest.Mutant{Rule: m.rule, Name: "a store that " + m.name, Check: func(t testing.TB, rule string) {
			a := caged(t)
			m.breaks(a)
			all[rule].Check(t, a)
		}})
	}
	ruletest.Prove(t, StoreRules(), mutants, nil)
}

// A store in a cage that is broken in no way keeps the rules: what the zoo shows is the
// mutant and not its cage.
func TestACagedStoreKeepsTheRules(t *testing.T) {
	a := caged(t)
	for _, r := range storeRules() {
		if failures := ruletest.Try(t.Context(), func(t testing.TB) { r.Check(t, a) }); len(failures) > 0 {
			t.Errorf("%s: %q", r.id, failures)
		}
	}
}

func caged(t testing.TB) *animal {
	b, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return &animal{Transactor: b, Store: b.Authz()}
}
