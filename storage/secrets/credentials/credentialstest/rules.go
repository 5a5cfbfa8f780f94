package credentialstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/secrets/credentials"
)

var basicRules = []storeRule{
	{"CV-001", "a record is kept as it is",
		"Sealed bytes open only as they were made, and times tell which value is older: every field comes back, with times to the microsecond.", keptAsItIs},
	{"CV-002", "other tenants find nothing",
		"A credential of another tenant does not exist: it is not read, listed, changed, removed or sealed again, whatever the caller knows of it.", otherTenants},
	{"CV-003", "a transaction that is rolled back leaves nothing",
		"A credential is made in the transaction of the decision that allowed it.", rollback},
	{"CV-004", "a name is taken once",
		"Who uses a reference must not get another's value. The conflict leaves the transaction usable.", takenName},
	{"CV-005", "a write for another revision is refused",
		"Of two people who rotate at once, the later must be told: else the value of one is lost without a word.", staleRevision},
	{"CV-006", "an update keeps when the credential was made and used",
		"An inventory asks how old credentials are and which are not used any more; a rotation must not answer that anew.", updateKeeps},
	{"CV-007", "a touch only moves forward and leaves the revision alone",
		"Uses on several machines arrive in any order, and a use must not refuse somebody's rotation.", touch},
	{"CV-008", "sealed bytes are replaced for those that were read, and nothing else",
		"A rotation of keys runs beside people who rotate values. It must never put an old value in place of a new one, and nobody may notice it otherwise.", replace},
	{"CV-009", "of several writers at once one wins",
		"Comparing and writing are one step. In two, both writers find their revision, or their bytes, and one write is lost.", oneWins},
	{"CV-010", "a list is by name, whole, and read page by page",
		"A rotation of keys goes through the list: what it leaves out is lost with the old key.", pages},
	{"CV-011", "what a caller holds is its own",
		"Whoever opens a value may overwrite the bytes it was given. That must not change what is stored.", aliasing},
	{"CV-012", "insertions at the same time do not pass the limit together",
		"A quota holds when many credentials are made at once only if each insertion sees those before it. Reserved names are the kit's own and take no room.", limited},
}

func keptAsItIs(e *env) {
	e.stored(e.insert("shop/main"))
	bare := credentials.Record{
		Credential: credentials.Credential{Name: "bare", Tenant: e.Tenant, Kind: "k", Revision: 1, CreatedAt: noon, UpdatedAt: noon},
		Sealed:     []byte{1},
	}
	e.must(e.Store.Insert(e.Ctx, e.Tenant, bare, storage.Unlimited))
	e.stored(bare)
	_, err := e.Store.Get(e.Ctx, e.Tenant, "none")
	e.wantErr(err, storage.ErrNotFound)
}

func otherTenants(e *env) {
	r, stranger := e.insert("shop/main"), e.Tenant+"x"
	_, err := e.Store.Get(e.Ctx, stranger, r.Name)
	e.wantErr(err, storage.ErrNotFound)
	page, err := e.Store.List(e.Ctx, stranger, credentials.Query{})
	if err != nil || len(page.Items) != 0 {
		e.Errorf("a stranger lists %v, %v", page.Items, err)
	}
	next := r
	next.Revision = 2
	e.wantErr(e.Store.Update(e.Ctx, stranger, next, 1), storage.ErrNotFound)
	e.wantErr(e.Store.Delete(e.Ctx, stranger, r.Name, 1), storage.ErrNotFound)
	e.must(e.Store.Touch(e.Ctx, stranger, r.Name, noon.Add(2*time.Hour)))
	if replaced, err := e.Store.ReplaceSealed(e.Ctx, stranger, r, []byte{2}, "other"); replaced || err != nil {
		e.Errorf("a stranger's ReplaceSealed: got %t, %v", replaced, err)
	}
	e.stored(r)
	// The name is free for the stranger, and the two do not meet.
	e.must(e.Store.Insert(e.Ctx, stranger, r, storage.Unlimited))
	e.must(e.Store.Delete(e.Ctx, stranger, r.Name, 1))
	e.stored(r)
}

var errRollback = errors.New("rolled back")

func rollback(e *env) {
	r := e.insert("kept")
	err := e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
		e.must(e.Store.Insert(ctx, e.Tenant, e.record("new"), storage.Unlimited))
		next := r
		next.Revision, next.Sealed = 2, []byte{2}
		e.must(e.Store.Update(ctx, e.Tenant, next, 1))
		e.must(e.Store.Touch(ctx, e.Tenant, "kept", noon.Add(2*time.Hour)))
		if replaced, err := e.Store.ReplaceSealed(ctx, e.Tenant, next, []byte{3}, "k"); !replaced || err != nil {
			e.Errorf("ReplaceSealed in the transaction: got %t, %v", replaced, err)
		}
		e.must(e.Store.Delete(ctx, e.Tenant, "kept", 2))
		return errRollback
	})
	e.wantErr(err, errRollback)
	e.stored(r)
	_, err = e.Store.Get(e.Ctx, e.Tenant, "new")
	e.wantErr(err, storage.ErrNotFound)
}

func takenName(e *env) {
	r := e.insert("shop/main")
	err := e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
		second := e.record("shop/main")
		second.Sealed = []byte{2}
		e.wantErr(e.Store.Insert(ctx, e.Tenant, second, storage.Unlimited), storage.ErrConflict)
		return e.Store.Insert(ctx, e.Tenant, e.record("beside"), storage.Unlimited)
	})
	e.must(err)
	e.stored(r)
	e.stored(e.record("beside"))
}

func staleRevision(e *env) {
	r := e.insert("shop/main")
	next := r
	next.Revision, next.Kind, next.Sealed, next.KeyID, next.UpdatedAt = 2, "token", []byte{2}, "5e6f7a8b", noon.Add(time.Minute)
	e.must(e.Store.Update(e.Ctx, e.Tenant, next, 1))
	e.stored(next)
	err := e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
		late := r
		late.Revision, late.Sealed = 2, []byte{9}
		e.wantErr(e.Store.Update(ctx, e.Tenant, late, 1), storage.ErrConflict)
		e.wantErr(e.Store.Update(ctx, e.Tenant, late, 3), storage.ErrConflict)
		e.wantErr(e.Store.Delete(ctx, e.Tenant, r.Name, 1), storage.ErrConflict)
		e.wantErr(e.Store.Update(ctx, e.Tenant, e.record("none"), 1), storage.ErrNotFound)
		e.wantErr(e.Store.Delete(ctx, e.Tenant, "none", 1), storage.ErrNotFound)
		return nil
	})
	e.must(err)
	e.stored(next)
	e.must(e.Store.Delete(e.Ctx, e.Tenant, r.Name, 2))
	_, err = e.Store.Get(e.Ctx, e.Tenant, r.Name)
	e.wantErr(err, storage.ErrNotFound)
}

func updateKeeps(e *env) {
	r := e.insert("shop/main")
	next := r
	next.Revision, next.CreatedAt, next.LastUsedAt = 2, noon.Add(time.Hour), time.Time{}
	e.must(e.Store.Update(e.Ctx, e.Tenant, next, 1))
	next.CreatedAt, next.LastUsedAt = r.CreatedAt, r.LastUsedAt
	e.stored(next)
}

func touch(e *env) {
	r := e.insert("shop/main")
	e.must(e.Store.Touch(e.Ctx, e.Tenant, r.Name, r.LastUsedAt.Add(time.Minute)))
	e.must(e.Store.Touch(e.Ctx, e.Tenant, r.Name, r.LastUsedAt.Add(time.Second)))
	e.must(e.Store.Touch(e.Ctx, e.Tenant, "none", noon))
	r.LastUsedAt = r.LastUsedAt.Add(time.Minute)
	e.stored(r)
}

func replace(e *env) {
	r := e.insert("shop/main")
	replaced := func(what string, old credentials.Record, want bool) {
		e.Helper()
		if got, err := e.Store.ReplaceSealed(e.Ctx, e.Tenant, old, []byte("fresh"), "5e6f7a8b"); got != want || err != nil {
			e.Errorf("%s: got %t, %v, want %t", what, got, err, want)
		}
	}
	changed := r
	changed.Sealed = append(bytes.Clone(r.Sealed), 0)
	replaced("bytes that are others by now", changed, false)
	gone := r
	gone.Name = "none"
	replaced("a record that is gone", gone, false)
	e.stored(r)

	// Only the name and the bytes say which record is meant.
	replaced("the bytes that are there", credentials.Record{Credential: credentials.Credential{Name: r.Name}, Sealed: r.Sealed}, true)
	want := r
	want.Sealed, want.KeyID = []byte("fresh"), "5e6f7a8b"
	e.stored(want)
	replaced("the bytes of before", r, false)
	e.stored(want)
}

func oneWins(e *env) {
	const writers = 8
	r := e.insert("shop/main")
	race := func(what string, write func(i int) (bool, error)) {
		e.Helper()
		var won atomic.Int32
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				ok, err := write(i)
				if err != nil {
					e.Errorf("%s: %v", what, err)
				}
				if ok {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			e.Errorf("%s: %d of %d writers won", what, won.Load(), writers)
		}
	}
	race("ReplaceSealed", func(i int) (bool, error) {
		return e.Store.ReplaceSealed(e.Ctx, e.Tenant, r, []byte{byte(i), 'r'}, "k")
	})
	race("Update", func(i int) (bool, error) {
		next := r
		next.Revision, next.Sealed = 2, []byte{byte(i), 'u'}
		err := e.Store.Update(e.Ctx, e.Tenant, next, 1)
		if errors.Is(err, storage.ErrConflict) {
			return false, nil
		}
		return err == nil, err
	})
}

func pages(e *env) {
	var want, tokens []string
	for i, name := range []string{"shop/main", "a", "shop", "b.c", "shop-2", "0", "z_z", "shop/main/2"} {
		r := e.record(name)
		if i%2 == 1 {
			r.Kind = "token"
			tokens = append(tokens, name)
		}
		e.must(e.Store.Insert(e.Ctx, e.Tenant, r, storage.Unlimited))
		want = append(want, name)
	}
	slices.Sort(want)
	slices.Sort(tokens)
	neighbour := e.record("aa")
	e.must(e.Store.Insert(e.Ctx, e.Tenant+"x", neighbour, storage.Unlimited))
	for _, limit := range []int{1, 3, 8, 0} {
		if got := e.list("", limit); !slices.Equal(got, want) {
			e.Errorf("in pages of %d: got %q, want %q", limit, got, want)
		}
		if got := e.list("token", limit); !slices.Equal(got, tokens) {
			e.Errorf("tokens in pages of %d: got %q, want %q", limit, got, tokens)
		}
	}
	page, err := e.Store.List(e.Ctx, e.Tenant, credentials.Query{Limit: 2})
	e.must(err)
	_, err = e.Store.List(e.Ctx, e.Tenant+"x", credentials.Query{After: page.Next})
	e.wantErr(err, storage.ErrBadCursor)
	_, err = e.Store.List(e.Ctx, e.Tenant, credentials.Query{After: page.Next, Kind: "token"})
	e.wantErr(err, storage.ErrBadCursor)
	_, err = e.Store.List(e.Ctx, e.Tenant, credentials.Query{Limit: -1})
	e.wantErr(err, storage.ErrInvalid)
}

func aliasing(e *env) {
	r := e.record("shop/main")
	given := r
	given.Sealed = bytes.Clone(r.Sealed)
	e.must(e.Store.Insert(e.Ctx, e.Tenant, given, storage.Unlimited))
	clear(given.Sealed)
	e.stored(r)
	got, err := e.Store.Get(e.Ctx, e.Tenant, r.Name)
	e.must(err)
	clear(got.Sealed)
	page, err := e.Store.List(e.Ctx, e.Tenant, credentials.Query{})
	e.must(err)
	for _, listed := range page.Items {
		clear(listed.Sealed)
	}
	e.stored(r)
	fresh := []byte("fresh")
	_, err = e.Store.ReplaceSealed(e.Ctx, e.Tenant, r, fresh, r.KeyID)
	e.must(err)
	clear(fresh)
	r.Sealed = []byte("fresh")
	e.stored(r)
}

func limited(e *env) {
	const writers, most = 32, 5
	e.insert(".kit/reserved")
	e.must(e.Store.Insert(e.Ctx, e.Tenant+"x", e.record("neighbour"), 1))
	var made atomic.Int32
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			err := e.Store.Insert(e.Ctx, e.Tenant, e.record(fmt.Sprintf("n%d", i)), most)
			if full, ok := errors.AsType[*storage.LimitError](err); ok && *full == (storage.LimitError{What: credentials.What, Limit: most}) {
				return
			}
			if err != nil {
				e.Errorf("Insert: got %v, want nil or the limit and its value", err)
				return
			}
			made.Add(1)
		})
	}
	wg.Wait()
	n, err := e.Store.Count(e.Ctx, e.Tenant)
	if made.Load() != most || n != most || err != nil {
		e.Errorf("%d were made and %d are counted, %v, want %d", made.Load(), n, err, most)
	}
	// A name that is taken is told first, and a refusal leaves the transaction usable.
	page, err := e.Store.List(e.Ctx, e.Tenant, credentials.Query{})
	e.must(err)
	e.wantErr(e.Store.Insert(e.Ctx, e.Tenant, e.record(page.Items[1].Name), most), storage.ErrConflict)
	e.must(e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
		e.wantErr(e.Store.Insert(ctx, e.Tenant, e.record("more"), most), storage.ErrLimit)
		return e.Store.Insert(ctx, e.Tenant, e.record("more"), storage.Unlimited)
	}))
}
