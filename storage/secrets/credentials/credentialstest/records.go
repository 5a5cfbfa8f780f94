package credentialstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/secrets/credentials"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// names returns the names of a page.
func (e *env) names(q credentials.Query) []string {
	e.Helper()
	page, err := e.Store.List(e.Ctx, e.Tenant, q)
	e.Must(err, "list")
	all := []string{}
	for _, r := range page.Items {
		all = append(all, r.Name)
	}
	return all
}

func (e *env) count() int64 {
	e.Helper()
	n, err := e.Store.Count(e.Ctx, e.Tenant)
	e.Must(err, "count")
	return n
}

// absent holds a record not to be there.
func (e *env) absent(name string) {
	e.Helper()
	_, err := e.Store.Get(e.Ctx, e.Tenant, name)
	e.WantErr(err, storage.ErrNotFound, "get "+name)
	if slices.Contains(e.names(credentials.Query{}), name) {
		e.Errorf("%s is listed", name)
	}
}

// next returns the revision after r, with another value.
func next(r credentials.Record) credentials.Record {
	r.Revision++
	r.Kind, r.KeyID, r.Sealed, r.UpdatedAt = "token", "5e6f7a8b", []byte("next"), r.UpdatedAt.Add(time.Minute)
	return r
}

var recordRules = []storeRule{
	{"CS-001", "texts are kept and compared byte for byte", "Two references that a database takes for each other open each other's values.", func(e *env) {
		for i, text := range ruletest.Spellings() {
			r := e.record(text)
			r.Kind, r.KeyID, r.Sealed = text, text, []byte{byte(i)}
			e.Must(e.Store.Insert(e.Ctx, e.Tenant, r, storage.Unlimited), "insert")
		}
		for i, text := range ruletest.Spellings() {
			r := e.record(text)
			r.Kind, r.KeyID, r.Sealed = text, text, []byte{byte(i)}
			e.stored(r)
			e.Same(e.names(credentials.Query{Kind: text}), []string{text}, fmt.Sprintf("those of the kind %q", text))
		}
	}},
	{"CS-002", "sealed bytes are kept whole", "They are no text, and may be long. One byte less and the value is gone for good.", func(e *env) {
		all := make([]byte, 256)
		for i := range all {
			all[i] = byte(i)
		}
		for i, sealed := range [][]byte{all, {0}, {0xff, 0xfe}, bytes.Repeat(all, 300)} {
			r := e.record(fmt.Sprint("r", i))
			r.Sealed = sealed
			e.Must(e.Store.Insert(e.Ctx, e.Tenant, r, storage.Unlimited), "insert")
			e.stored(r)
		}
	}},
	{"CS-003", "times come back in UTC, cut to the microsecond", "An inventory compares them over all backends.", func(e *env) {
		given := noon.Add(999).In(time.FixedZone("", 3600))
		r := e.record("r")
		r.CreatedAt, r.UpdatedAt, r.LastUsedAt = given, given, given
		e.Must(e.Store.Insert(e.Ctx, e.Tenant, r, storage.Unlimited), "insert")
		r.CreatedAt, r.UpdatedAt, r.LastUsedAt = noon, noon, noon
		e.stored(r)
		e.Must(e.Store.Touch(e.Ctx, e.Tenant, "r", given.Add(time.Hour)), "touch")
		r.LastUsedAt = noon.Add(time.Hour)
		e.stored(r)
	}},
	{"CS-004", "a record belongs to the tenant that was given, whatever it says itself", "The parameter is what the caller was allowed to write for.", func(e *env) {
		r := e.record("r")
		r.Tenant = "somebody-else"
		e.Must(e.Store.Insert(e.Ctx, e.Tenant, r, storage.Unlimited), "insert")
		e.stored(e.record("r"))
		later := next(r)
		e.Must(e.Store.Update(e.Ctx, e.Tenant, later, 1), "update")
		later.Tenant = e.Tenant
		e.stored(later)
	}},
	{"CS-005", "what is not there is not found", "storage.ErrNotFound: who got a conflict would read again and find nothing to decide anew.", func(e *env) {
		e.insert("r")
		for _, name := range []string{"R", "r ", "", "none"} {
			_, err := e.Store.Get(e.Ctx, e.Tenant, name)
			e.WantErr(err, storage.ErrNotFound, fmt.Sprintf("get %q", name))
			e.WantErr(e.Store.Delete(e.Ctx, e.Tenant, name, 1), storage.ErrNotFound, fmt.Sprintf("delete %q", name))
			later := next(e.record(name))
			e.WantErr(e.Store.Update(e.Ctx, e.Tenant, later, 1), storage.ErrNotFound, fmt.Sprintf("update %q", name))
		}
		e.stored(e.record("r"))
	}},
	{"CS-006", "an update replaces the value, its kind and key, and the revision", "A rotation that leaves the key id behind cannot be opened.", func(e *env) {
		r := e.insert("r")
		later := next(r)
		e.Must(e.Store.Update(e.Ctx, e.Tenant, later, 1), "update")
		e.stored(later)
		e.Same(e.names(credentials.Query{Kind: "token"}), []string{"r"}, "those of the new kind")
		e.Same(e.names(credentials.Query{Kind: r.Kind}), []string{}, "those of the old kind")
	}},
	{"CS-007", "a deletion for another revision is refused and changes nothing", "Who deletes what was rotated meanwhile has not seen what they delete. storage.ErrConflict.", func(e *env) {
		later := next(e.insert("r"))
		e.Must(e.Store.Update(e.Ctx, e.Tenant, later, 1), "update")
		for _, revision := range []int64{0, 1, 3} {
			e.WantErr(e.Store.Delete(e.Ctx, e.Tenant, "r", revision), storage.ErrConflict, fmt.Sprintf("delete at %d", revision))
		}
		e.stored(later)
	}},
	{"CS-008", "a name that was deleted is free, and has nothing of before", "A new value must not be taken for one that was used.", func(e *env) {
		e.Must(e.Store.Delete(e.Ctx, e.Tenant, e.insert("r").Name, 1), "delete")
		e.absent("r")
		fresh := credentials.Record{
			Credential: credentials.Credential{Name: "r", Tenant: e.Tenant, Kind: "k", KeyID: "1", Revision: 1, CreatedAt: noon, UpdatedAt: noon},
			Sealed:     []byte("fresh"),
		}
		e.Must(e.Store.Insert(e.Ctx, e.Tenant, fresh, storage.Unlimited), "insert")
		e.stored(fresh)
	}},
	{"CS-009", "of many that take the same name at once one does", "The name decides, not a look before the write.", func(e *env) {
		e.OneOf(ruletest.Together(func(i int) error {
			r := e.record("r")
			r.Sealed = []byte{byte(i)}
			return e.Store.Insert(e.Ctx, e.Tenant, r, storage.Unlimited)
		}), "insert")
		e.Same(e.names(credentials.Query{}), []string{"r"}, "the list")
	}},
	{"CS-010", "a list has records whole", "Whoever seals values again under another key does so from the list.", func(e *env) {
		a, b := e.insert("a"), next(e.insert("b"))
		e.Must(e.Store.Update(e.Ctx, e.Tenant, b, 1), "update")
		page, err := e.Store.List(e.Ctx, e.Tenant, credentials.Query{})
		e.Must(err, "list")
		e.Same(page.Items, []credentials.Record{a, b}, "the list")
	}},
	{"CS-011", "a cursor is good for one kind and one tenant", "In another list it would be a page from somewhere in its middle, and nobody notices. storage.ErrBadCursor.", func(e *env) {
		for i := range 4 {
			e.insert(fmt.Sprint("r", i))
			e.of(e.Tenant + "-other").insert(fmt.Sprint("r", i))
		}
		page, err := e.Store.List(e.Ctx, e.Tenant, credentials.Query{Kind: "api_key", Limit: 2})
		e.Must(err, "list")
		for name, c := range map[string]struct{ tenant, kind string }{
			"of all kinds": {e.Tenant, ""}, "of another kind": {e.Tenant, "token"}, "of another tenant": {e.Tenant + "-other", "api_key"},
		} {
			_, err := e.Store.List(e.Ctx, c.tenant, credentials.Query{Kind: c.kind, After: page.Next, Limit: 2})
			e.WantErr(err, storage.ErrBadCursor, "a cursor in the list "+name)
		}
		_, err = e.Store.List(e.Ctx, e.Tenant, credentials.Query{Limit: -1})
		e.WantErr(err, storage.ErrInvalid, "a negative limit")
	}},
	{"CS-012", "a touch sets the first use, and only ever moves forward", "Uses come from several machines in any order.", func(e *env) {
		r := e.record("r")
		r.LastUsedAt = time.Time{}
		e.Must(e.Store.Insert(e.Ctx, e.Tenant, r, storage.Unlimited), "insert")
		for _, c := range []struct{ at, want time.Time }{
			{noon, noon}, {noon.Add(-time.Hour), noon}, {noon, noon}, {noon.Add(time.Microsecond), noon.Add(time.Microsecond)},
		} {
			e.Must(e.Store.Touch(e.Ctx, e.Tenant, "r", c.at), "touch")
			r.LastUsedAt = c.want
			e.stored(r)
		}
		e.Must(e.Store.Touch(e.Ctx, e.Tenant, "none", noon), "touch what is not there")
		e.absent("none")
	}},
	{"CS-013", "of touches made at once the latest counts", "Reading the time, comparing it and writing are one step.", func(e *env) {
		r := e.insert("r")
		for _, err := range ruletest.Together(func(i int) error {
			return e.Store.Touch(e.Ctx, e.Tenant, "r", r.LastUsedAt.Add(time.Duration((i*5)%ruletest.Writers+1)*time.Second))
		}) {
			e.Must(err, "touch")
		}
		r.LastUsedAt = r.LastUsedAt.Add(ruletest.Writers * time.Second)
		e.stored(r)
	}},
	{"CS-014", "a name is found by all of its bytes in its place in the list", "Names have paths. One that begins like another is another.", func(e *env) {
		for _, name := range []string{"shop", "shop/main", "shop/main/2", strings.Repeat("x", storage.MaxID)} {
			r := e.record(name)
			r.Sealed = []byte(name)
			e.Must(e.Store.Insert(e.Ctx, e.Tenant, r, storage.Unlimited), "insert")
		}
		for _, name := range []string{"shop", "shop/main", "shop/main/2", strings.Repeat("x", storage.MaxID)} {
			r := e.record(name)
			r.Sealed = []byte(name)
			e.stored(r)
		}
	}},
}

var limitRules = []storeRule{
	{"CS-020", "a count is of the tenant, and leaves out names that begin with a dot", "The kit keeps values of its own under such names; they take no room under a quota.", func(e *env) {
		e.Same(e.count(), int64(0), "the count of nothing")
		o := e.of(e.Tenant + "-other")
		for _, name := range []string{"a", ".kit", "b.c", "..", "d."} {
			e.insert(name)
			o.insert(name + "x")
		}
		o.insert("one-more")
		e.Must(e.Store.Delete(e.Ctx, e.Tenant, "a", 1), "delete")
		e.Same([]int64{e.count(), o.count()}, []int64{2, 4}, "the counts")
	}},
	{"CS-021", "a limit is told with its value, after a name that is taken, and leaves nothing", "A repeated insertion is told that it happened, also where it filled the quota.", func(e *env) {
		for _, name := range []string{"a", "b"} {
			e.Must(e.Store.Insert(e.Ctx, e.Tenant, e.record(name), 2), "insert within the limit")
		}
		e.WantErr(e.Store.Insert(e.Ctx, e.Tenant, e.record("b"), 2), storage.ErrConflict, "a name that is taken")
		err := e.Store.Insert(e.Ctx, e.Tenant, e.record("c"), 2)
		if limit, ok := errors.AsType[*storage.LimitError](err); !ok || *limit != (storage.LimitError{What: credentials.What, Limit: 2}) {
			e.Errorf("one more: got %v, want the limit of 2 %s", err, credentials.What)
		}
		e.absent("c")
		e.Must(e.Store.Insert(e.Ctx, e.Tenant, e.record(".kit"), 2), "a name that begins with a dot")
		e.Must(e.Store.Insert(e.Ctx, e.Tenant+"-other", e.record("c"), 2), "the first of another tenant")
		e.Must(e.Store.Delete(e.Ctx, e.Tenant, "a", 1), "delete")
		e.Must(e.Store.Insert(e.Ctx, e.Tenant, e.record("c"), 2), "insert after a deletion")
	}},
	{"CS-022", "a refused insertion leaves its transaction usable, and what it wrote before", "The service records the attempt, in the same transaction.", func(e *env) {
		e.insert("taken")
		e.Tx(func(ctx context.Context) error {
			e := e.in(ctx)
			before := e.insert("before")
			e.WantErr(e.Store.Insert(ctx, e.Tenant, e.record("taken"), storage.Unlimited), storage.ErrConflict, "a name that is taken")
			e.WantErr(e.Store.Insert(ctx, e.Tenant, e.record("more"), 2), storage.ErrLimit, "one more than 2")
			e.WantErr(e.Store.Update(ctx, e.Tenant, next(before), 7), storage.ErrConflict, "an update for another revision")
			e.insert("after")
			return nil
		})
		e.Same(e.names(credentials.Query{}), []string{"after", "before", "taken"}, "the list")
	}},
	{"CS-023", "what was rolled back takes no room", "A quota that counts what is not there refuses what fits.", func(e *env) {
		e.Undone(func(ctx context.Context) error { return e.Store.Insert(ctx, e.Tenant, e.record("a"), 1) })
		e.Tx(func(ctx context.Context) error {
			e.in(ctx).Undone(func(ctx context.Context) error { return e.Store.Insert(ctx, e.Tenant, e.record("b"), 1) })
			return e.Store.Insert(ctx, e.Tenant, e.record("c"), 1)
		})
		e.Same([]int64{e.count()}, []int64{1}, "the count")
		e.stored(e.record("c"))
	}},
}

// calls are the methods of a store.
func (e *env) calls() map[string]func(ctx context.Context) error {
	answer := func(_ any, err error) error { return err }
	return map[string]func(ctx context.Context) error{
		"Insert": func(ctx context.Context) error {
			return e.Store.Insert(ctx, e.Tenant, e.record("late"), storage.Unlimited)
		},
		"Count":  func(ctx context.Context) error { return answer(e.Store.Count(ctx, e.Tenant)) },
		"Update": func(ctx context.Context) error { return e.Store.Update(ctx, e.Tenant, next(e.record("r")), 1) },
		"Delete": func(ctx context.Context) error { return e.Store.Delete(ctx, e.Tenant, "r", 1) },
		"Get":    func(ctx context.Context) error { return answer(e.Store.Get(ctx, e.Tenant, "r")) },
		"List":   func(ctx context.Context) error { return answer(e.Store.List(ctx, e.Tenant, credentials.Query{})) },
		"Touch":  func(ctx context.Context) error { return e.Store.Touch(ctx, e.Tenant, "r", noon.Add(24*time.Hour)) },
		"ReplaceSealed": func(ctx context.Context) error {
			return answer(e.Store.ReplaceSealed(ctx, e.Tenant, e.record("r"), []byte("late"), "k"))
		},
	}
}

var transactionRules = []storeRule{
	{"CS-030", "every read sees what its transaction wrote, and sees the same after the commit", "A service reads what it wrote and goes on with it; an answer of nil means that it is there.", func(e *env) {
		used := next(e.record("b"))
		used.LastUsedAt, used.Sealed, used.KeyID = noon.Add(24*time.Hour), []byte("again"), "9"
		look := func(e *env) {
			e.Helper()
			e.stored(e.record("a"))
			e.stored(used)
			e.Same(e.names(credentials.Query{}), []string{"a", "b"}, "the list")
			e.Same(e.count(), int64(2), "the count")
		}
		e.Tx(func(ctx context.Context) error {
			e := e.in(ctx)
			e.insert("a")
			gone := e.insert("gone")
			e.Must(e.Store.Update(ctx, e.Tenant, next(e.insert("b")), 1), "update")
			e.Must(e.Store.Touch(ctx, e.Tenant, "b", used.LastUsedAt), "touch")
			replaced, err := e.Store.ReplaceSealed(ctx, e.Tenant, next(e.record("b")), used.Sealed, used.KeyID)
			e.Must(err, "seal again")
			e.Same(replaced, true, "whether it was sealed again")
			e.Must(e.Store.Delete(ctx, e.Tenant, gone.Name, 1), "delete")
			look(e)
			return nil
		})
		look(e)
	}},
	{"CS-031", "a savepoint that is rolled back takes its writes and leaves those around it", "A step that failed is undone, and the change goes on without it.", func(e *env) {
		e.Tx(func(ctx context.Context) error {
			e := e.in(ctx)
			a := e.insert("a")
			e.Undone(func(ctx context.Context) error {
				_, err := e.Store.ReplaceSealed(ctx, e.Tenant, a, []byte("again"), "9")
				return errors.Join(err, e.Store.Touch(ctx, e.Tenant, "a", noon.Add(24*time.Hour)),
					e.Store.Insert(ctx, e.Tenant, e.record("b"), storage.Unlimited), e.Store.Delete(ctx, e.Tenant, "a", 1))
			})
			e.insert("c")
			return nil
		})
		e.stored(e.record("a"))
		e.Same(e.names(credentials.Query{}), []string{"a", "c"}, "the list")
	}},
	{"CS-032", "no method works under a transaction that has ended", "A ctx that outlived its transaction must not write past it, nor read what was undone. storage.ErrTxDone.", func(e *env) {
		e.insert("r")
		e.Refuses(e.Ended(), storage.ErrTxDone, e.calls())
		e.stored(e.record("r"))
		e.absent("late")
	}},
	{"CS-033", "no method works under another backend's transaction", "A write that is not in the transaction it was meant for is not undone with it. storage.ErrForeignTx.", func(e *env) {
		e.insert("r")
		e.Refuses(e.Foreign(), storage.ErrForeignTx, e.calls())
		e.stored(e.record("r"))
		e.absent("late")
	}},
}
