package idempotencytest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"net/http"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/idempotency"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// An animal is a store that is broken in one way. The methods that are set stand in front
// of those of a store that is right.
type animal struct {
	idempotency.Store
	tx      storage.Transactor
	inTx    func(ctx context.Context, fn func(ctx context.Context) error) error
	begin   func(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error)
	finish  func(ctx context.Context, tenant, actor, key string, status int, header map[string]string, body []byte) error
	release func(ctx context.Context, tenant, actor, key string) error
	delete  func(ctx context.Context, tenant string, before time.Time, limit int) (int, error)
	list    func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[idempotency.Record], error)
	replace func(ctx context.Context, tenant, actor, key string, old, fresh []byte) (bool, error)
}

func (a *animal) Idempotency() idempotency.Store { return a }

func (a *animal) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	if a.inTx != nil {
		return a.inTx(ctx, fn)
	}
	return a.tx.InTx(ctx, fn)
}

func (a *animal) Begin(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
	if a.begin != nil {
		return a.begin(ctx, tenant, actor, key, fingerprint, now)
	}
	return a.Store.Begin(ctx, tenant, actor, key, fingerprint, now)
}

func (a *animal) Finish(ctx context.Context, tenant, actor, key string, status int, header map[string]string, body []byte) error {
	if a.finish != nil {
		return a.finish(ctx, tenant, actor, key, status, header, body)
	}
	return a.Store.Finish(ctx, tenant, actor, key, status, header, body)
}

func (a *animal) Release(ctx context.Context, tenant, actor, key string) error {
	if a.release != nil {
		return a.release(ctx, tenant, actor, key)
	}
	return a.Store.Release(ctx, tenant, actor, key)
}

func (a *animal) Delete(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
	if a.delete != nil {
		return a.delete(ctx, tenant, before, limit)
	}
	return a.Store.Delete(ctx, tenant, before, limit)
}

func (a *animal) List(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[idempotency.Record], error) {
	if a.list != nil {
		return a.list(ctx, tenant, after, limit)
	}
	return a.Store.List(ctx, tenant, after, limit)
}

func (a *animal) ReplaceBody(ctx context.Context, tenant, actor, key string, old, fresh []byte) (bool, error) {
	if a.replace != nil {
		return a.replace(ctx, tenant, actor, key, old, fresh)
	}
	return a.Store.ReplaceBody(ctx, tenant, actor, key, old, fresh)
}

// A name is what a record is found by.
type name struct{ tenant, actor, key string }

// A notebook is what a store remembers beside its tables.
type notebook[V any] struct {
	mu sync.Mutex
	m  map[name]V
}

func (b *notebook[V]) get(n name) (V, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v, ok := b.m[n]
	return v, ok
}

func (b *notebook[V]) set(n name, v V) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.m == nil {
		b.m = map[name]V{}
	}
	b.m[n] = v
}

func (b *notebook[V]) drop(n name) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.m, n)
}

// answersAs returns a breaking that changes each answer that Begin gives.
func answersAs(change func(r *idempotency.Record)) func(a *animal) {
	return func(a *animal) {
		a.begin = func(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
			r, err := a.Store.Begin(ctx, tenant, actor, key, fingerprint, now)
			if r != nil {
				change(r)
			}
			return r, err
		}
	}
}

// beginsAs returns a breaking that changes what Begin answers, told what it was asked.
func beginsAs(change func(n name, done *idempotency.Record, err error) (*idempotency.Record, error)) func(a *animal) {
	return func(a *animal) {
		a.begin = func(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
			r, err := a.Store.Begin(ctx, tenant, actor, key, fingerprint, now)
			return change(name{tenant, actor, key}, r, err)
		}
	}
}

// namesAs returns a breaking that stores under changed names and answers the names it was
// asked for.
func namesAs(change func(n name) name) func(a *animal) {
	return func(a *animal) {
		a.begin = func(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
			n := change(name{tenant, actor, key})
			r, err := a.Store.Begin(ctx, n.tenant, n.actor, n.key, fingerprint, now)
			if r != nil {
				r.Tenant, r.Actor, r.Key = tenant, actor, key
			}
			return r, err
		}
		a.finish = func(ctx context.Context, tenant, actor, key string, status int, header map[string]string, body []byte) error {
			n := change(name{tenant, actor, key})
			return a.Store.Finish(ctx, n.tenant, n.actor, n.key, status, header, body)
		}
		a.release = func(ctx context.Context, tenant, actor, key string) error {
			n := change(name{tenant, actor, key})
			return a.Store.Release(ctx, n.tenant, n.actor, n.key)
		}
		a.replace = func(ctx context.Context, tenant, actor, key string, old, fresh []byte) (bool, error) {
			n := change(name{tenant, actor, key})
			return a.Store.ReplaceBody(ctx, n.tenant, n.actor, n.key, old, fresh)
		}
	}
}

// finishesAs returns a breaking that changes answers before they are stored.
func finishesAs(change func(status int, header map[string]string, body []byte) (int, map[string]string, []byte)) func(a *animal) {
	return func(a *animal) {
		a.finish = func(ctx context.Context, tenant, actor, key string, status int, header map[string]string, body []byte) error {
			status, header, body = change(status, header, body)
			return a.Store.Finish(ctx, tenant, actor, key, status, header, body)
		}
	}
}

// endsAs returns a breaking that changes the errors of Finish.
func endsAs(change func(err error) error) func(a *animal) {
	return func(a *animal) {
		a.finish = func(ctx context.Context, tenant, actor, key string, status int, header map[string]string, body []byte) error {
			return change(a.Store.Finish(ctx, tenant, actor, key, status, header, body))
		}
	}
}

// releasesAs returns a breaking that changes the errors of Release.
func releasesAs(change func(err error) error) func(a *animal) {
	return func(a *animal) {
		a.release = func(ctx context.Context, tenant, actor, key string) error {
			return change(a.Store.Release(ctx, tenant, actor, key))
		}
	}
}

// deletesAs returns a breaking that deletes something else than it was asked to.
func deletesAs(change func(before time.Time, limit int) (time.Time, int)) func(a *animal) {
	return func(a *animal) {
		a.delete = func(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
			before, limit = change(before, limit)
			return a.Store.Delete(ctx, tenant, before, limit)
		}
	}
}

// listsAs returns a breaking that changes pages.
func listsAs(change func(page *storage.Page[idempotency.Record], tenant string, after storage.Cursor)) func(a *animal) {
	return func(a *animal) {
		a.list = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[idempotency.Record], error) {
			page, err := a.Store.List(ctx, tenant, after, limit)
			change(&page, tenant, after)
			return page, err
		}
	}
}

// lookaround returns every finished record of a tenant.
func (a *animal) lookaround(ctx context.Context, tenant string) []idempotency.Record {
	var all []idempotency.Record
	for after := storage.Cursor(""); ; {
		page, err := a.Store.List(ctx, tenant, after, storage.MaxLimit)
		all = append(all, page.Items...)
		if after = page.Next; err != nil || after == "" {
			return all
		}
	}
}

// onError returns an answer of nil in place of one error.
func onError(swallowed error) func(err error) error {
	return func(err error) error {
		if errors.Is(err, swallowed) {
			return nil
		}
		return err
	}
}

// unnamed takes the field from what is invalid.
func unnamed(err error) error {
	if errors.Is(err, storage.ErrInvalid) {
		return storage.Invalid("", "is invalid")
	}
	return err
}

// late returns a breaking that does the writes of the methods that it is given at the end
// of the transaction, however that ends.
func late(breaks func(a *animal, later func(ctx context.Context, write func(ctx context.Context)) bool)) func(a *animal) {
	return func(a *animal) {
		type inside struct{}
		a.inTx = func(ctx context.Context, fn func(ctx context.Context) error) error {
			if ctx.Value(inside{}) != nil {
				return a.tx.InTx(ctx, fn)
			}
			pending := &[]func(context.Context){}
			err := a.tx.InTx(context.WithValue(ctx, inside{}, pending), fn)
			for _, write := range *pending {
				write(ctx)
			}
			return err
		}
		breaks(a, func(ctx context.Context, write func(ctx context.Context)) bool {
			pending, ok := ctx.Value(inside{}).(*[]func(context.Context))
			if ok {
				*pending = append(*pending, write)
			}
			return ok
		})
	}
}

// A mutant breaks a store so that a rule has to catch it.
type mutant struct {
	rule, name string
	breaks     func(a *animal)
}

var zoo = slices.Concat(beginZoo, finishZoo, deleteZoo, listZoo, replaceZoo)

var beginZoo = []mutant{
	{"IS-001", "answers an empty record for a key as long as a UUID", beginsAs(func(n name, done *idempotency.Record, err error) (*idempotency.Record, error) {
		if done == nil && err == nil && len(n.key) == 36 {
			return &idempotency.Record{}, nil
		}
		return done, err
	})},
	{"IS-002", "forgets headers but the first", answersAs(func(r *idempotency.Record) {
		if len(r.Header) > 1 {
			delete(r.Header, slices.Max(slices.Collect(maps.Keys(r.Header))))
		}
	})},
	{"IS-002", "answers created for accepted and back", answersAs(func(r *idempotency.Record) {
		if r.Status == 201 {
			r.Status = 202
		}
	})},
	{"IS-003", "gives an answer away", func(a *animal) {
		var given notebook[int]
		a.begin = func(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
			r, err := a.Store.Begin(ctx, tenant, actor, key, fingerprint, now)
			n := name{tenant, actor, key}
			if times, _ := given.get(n); r != nil {
				if given.set(n, times+1); times >= 3 {
					return nil, storage.ErrNotFound
				}
			}
			return r, err
		}
	}},
	{"IS-004", "answers an empty body for none", answersAs(func(r *idempotency.Record) {
		if r.Body == nil {
			r.Body = []byte{}
		}
	})},
	{"IS-004", "answers an empty header for none", answersAs(func(r *idempotency.Record) {
		if r.Header == nil {
			r.Header = map[string]string{}
		}
	})},
	{"IS-005", "cuts times to the second", answersAs(func(r *idempotency.Record) { r.CreatedAt = r.CreatedAt.Truncate(time.Second) })},
	{"IS-005", "answers local time", answersAs(func(r *idempotency.Record) { r.CreatedAt = r.CreatedAt.In(time.FixedZone("", 3600)) })},
	{"IS-005", "makes records younger as they are asked for", func(a *animal) {
		a.begin = func(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
			r, err := a.Store.Begin(ctx, tenant, actor, key, fingerprint, now)
			if r != nil {
				r.CreatedAt = now
			}
			return r, err
		}
	}},
	{"IS-006", "calls a mismatch a conflict", beginsAs(func(_ name, done *idempotency.Record, err error) (*idempotency.Record, error) {
		if errors.Is(err, idempotency.ErrMismatch) {
			err = storage.ErrConflict
		}
		return done, err
	})},
	{"IS-006", "gives the answer along with the mismatch", func(a *animal) {
		a.begin = func(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
			r, err := a.Store.Begin(ctx, tenant, actor, key, fingerprint, now)
			if errors.Is(err, idempotency.ErrMismatch) {
				r, _ = a.Store.Begin(ctx, tenant, actor, key, ask, now)
			}
			return r, err
		}
	}},
	{"IS-007", "compares half of a fingerprint", func(a *animal) {
		a.begin = func(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
			half := fingerprint
			clear(half[16:])
			r, err := a.Store.Begin(ctx, tenant, actor, key, half, now)
			if r != nil {
				r.Fingerprint = fingerprint
			}
			return r, err
		}
		a.list = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[idempotency.Record], error) {
			page, err := a.Store.List(ctx, tenant, after, limit)
			for i := range page.Items {
				page.Items[i].Fingerprint = ask
			}
			return page, err
		}
	}},
	{"IS-008", "locks a key after a mismatch", func(a *animal) {
		var locked notebook[bool]
		a.begin = beginsLocked(a, &locked)
	}},
	{"IS-009", "lets a transaction claim a key twice", beginsAs(func(_ name, done *idempotency.Record, err error) (*idempotency.Record, error) {
		return done, onError(storage.ErrConflict)(err)
	})},
	{"IS-010", "takes a claim without an answer for a free key", beginsAs(func(_ name, done *idempotency.Record, err error) (*idempotency.Record, error) {
		return done, onError(storage.ErrConflict)(err)
	})},
	{"IS-011", "claims in a transaction of its own", func(a *animal) {
		a.begin = func(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (r *idempotency.Record, err error) {
			err = a.tx.InTx(ctx, func(ctx context.Context) error {
				r, err = a.Store.Begin(ctx, tenant, actor, key, fingerprint, now)
				return err
			})
			return r, err
		}
	}},
	{"IS-012", "keeps the claims of transactions that were rolled back", func(a *animal) {
		var held, ended notebook[bool]
		a.begin = func(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
			n := name{tenant, actor, key}
			r, err := a.Store.Begin(ctx, tenant, actor, key, fingerprint, now)
			_, was := held.get(n)
			if _, done := ended.get(n); r == nil && err == nil && was && !done {
				return nil, storage.ErrConflict
			}
			held.set(n, true)
			return r, err
		}
		a.finish = func(ctx context.Context, tenant, actor, key string, status int, header map[string]string, body []byte) error {
			ended.set(name{tenant, actor, key}, true)
			return a.Store.Finish(ctx, tenant, actor, key, status, header, body)
		}
		a.release = func(ctx context.Context, tenant, actor, key string) error {
			ended.set(name{tenant, actor, key}, true)
			return a.Store.Release(ctx, tenant, actor, key)
		}
	}},
	{"IS-013", "gives answers that were rolled back", cachesAnswers},
	{"IS-016", "gives those who waited the answer of a request that failed", cachesAnswers},
	{"IS-014", "has no savepoints", func(a *animal) {
		type inside struct{}
		a.inTx = func(ctx context.Context, fn func(ctx context.Context) error) error {
			if ctx.Value(inside{}) != nil {
				return fn(ctx)
			}
			return a.tx.InTx(context.WithValue(ctx, inside{}, true), fn)
		}
	}},
	{"IS-015", "does not wait for claims under way", func(a *animal) {
		var under atomic.Int64
		a.inTx = func(ctx context.Context, fn func(ctx context.Context) error) error {
			under.Add(1)
			defer under.Add(-1)
			return a.tx.InTx(ctx, func(ctx context.Context) error {
				for range 20 {
					runtime.Gosched()
				}
				return fn(ctx)
			})
		}
		a.begin = func(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
			r, err := a.Store.Begin(ctx, tenant, actor, key, fingerprint, now)
			if r != nil && under.Load() > 1 {
				return nil, nil
			}
			return r, err
		}
	}},
	{"IS-017", "gives everybody the same answer to change", func(a *animal) {
		var given notebook[*idempotency.Record]
		a.begin = func(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
			r, err := a.Store.Begin(ctx, tenant, actor, key, fingerprint, now)
			n := name{tenant, actor, key}
			if r == nil {
				given.drop(n)
				return r, err
			}
			if same, ok := given.get(n); ok && same.Status == r.Status && len(same.Body) == len(r.Body) {
				return same, err
			}
			given.set(n, r)
			return r, err
		}
	}},
	{"IS-018", "folds the case of keys", namesAs(func(n name) name { n.key = strings.ToLower(n.key); return n })},
	{"IS-018", "trims keys", namesAs(func(n name) name { n.key = strings.TrimSpace(n.key); return n })},
	{"IS-019", "folds the case of actors", namesAs(func(n name) name { n.actor = strings.ToLower(n.actor); return n })},
	{"IS-020", "keeps the keys of all actors together", namesAs(func(n name) name {
		if n.actor != "" && n.actor != "s" && !strings.ContainsAny(n.actor, "ey\x00\xff") {
			n.actor = "x"
		}
		return n
	})},
	{"IS-021", "keeps the keys of similar tenants together", namesAs(func(n name) name { n.tenant = strings.TrimSuffix(n.tenant, "-other"); return n })},
	{"IS-022", "runs an actor and a key together", namesAs(func(n name) name {
		if len(n.actor)+len(n.key) < 5 && n.actor != "" && n.key != "" {
			n.actor, n.key = "x", n.actor+n.key
		}
		return n
	})},
	{"IS-023", "compares the first 254 bytes", namesAs(func(n name) name {
		if len(n.key) == storage.MaxID {
			n.key = n.key[:storage.MaxID-1]
		}
		return n
	})},
	{"IS-024", "does not say what is unfit in Begin", beginsAs(func(_ name, done *idempotency.Record, err error) (*idempotency.Record, error) {
		return done, unnamed(err)
	})},
}

// beginsLocked is Begin of a store that refuses a key for good once it met a mismatch.
func beginsLocked(a *animal, locked *notebook[bool]) func(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
	return func(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
		n := name{tenant, actor, key}
		if _, ok := locked.get(n); ok {
			return nil, idempotency.ErrMismatch
		}
		r, err := a.Store.Begin(ctx, tenant, actor, key, fingerprint, now)
		if errors.Is(err, idempotency.ErrMismatch) {
			locked.set(n, true)
		}
		return r, err
	}
}

// cachesAnswers breaks a store so that it remembers answers before they are committed.
func cachesAnswers(a *animal) {
	var cache notebook[idempotency.Record]
	a.begin = func(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
		if r, ok := cache.get(name{tenant, actor, key}); ok && r.Fingerprint == fingerprint {
			return &r, nil
		}
		return a.Store.Begin(ctx, tenant, actor, key, fingerprint, now)
	}
	a.finish = func(ctx context.Context, tenant, actor, key string, status int, header map[string]string, body []byte) error {
		err := a.Store.Finish(ctx, tenant, actor, key, status, header, body)
		if err == nil && len(header) == 0 {
			cache.set(name{tenant, actor, key}, idempotency.Record{
				Tenant: tenant, Actor: actor, Key: key, Fingerprint: ask, Status: status, Body: bytes.Clone(body), CreatedAt: noon,
			})
		}
		return err
	}
}

var finishZoo = []mutant{
	{"IS-030", "takes answers under any key", endsAs(onError(storage.ErrNotFound))},
	{"IS-031", "keeps quiet about a second answer", endsAs(onError(storage.ErrConflict))},
	{"IS-032", "finishes in a transaction of its own", func(a *animal) {
		a.finish = func(ctx context.Context, tenant, actor, key string, status int, header map[string]string, body []byte) error {
			return a.tx.InTx(ctx, func(ctx context.Context) error { return a.Store.Finish(ctx, tenant, actor, key, status, header, body) })
		}
	}},
	{"IS-033", "takes no status below 200", func(a *animal) {
		a.finish = func(ctx context.Context, tenant, actor, key string, status int, header map[string]string, body []byte) error {
			if status < 200 {
				return storage.Invalid("/status", "must be between 200 and 599")
			}
			return a.Store.Finish(ctx, tenant, actor, key, status, header, body)
		}
	}},
	{"IS-034", "takes any status for an error", finishesAs(func(status int, header map[string]string, body []byte) (int, map[string]string, []byte) {
		if status > 599 {
			status = 500
		}
		return status, header, body
	})},
	{"IS-035", "makes headers valid", finishesAs(func(status int, header map[string]string, body []byte) (int, map[string]string, []byte) {
		valid := map[string]string{}
		for k, v := range header {
			valid[strings.ToValidUTF8(k, "?")] = strings.ToValidUTF8(v, "?")
		}
		return status, valid, body
	})},
	{"IS-036", "cuts a body in two", finishesAs(func(status int, header map[string]string, body []byte) (int, map[string]string, []byte) {
		if len(body) <= idempotency.MaxBody {
			body = body[:min(len(body), idempotency.MaxBody/2)]
		}
		return status, header, body
	})},
	{"IS-037", "cuts a body that is too long", finishesAs(func(status int, header map[string]string, body []byte) (int, map[string]string, []byte) {
		return status, header, body[:min(len(body), idempotency.MaxBody)]
	})},
	{"IS-038", "keeps bodies as text", finishesAs(func(status int, header map[string]string, body []byte) (int, map[string]string, []byte) {
		return status, header, bytes.ToValidUTF8(body, []byte("?"))
	})},
	{"IS-039", "spells the names of headers as HTTP/1 does", finishesAs(func(status int, header map[string]string, body []byte) (int, map[string]string, []byte) {
		spelled := map[string]string{}
		for k, v := range header {
			spelled[http.CanonicalHeaderKey(k)] = v
		}
		return status, spelled, body
	})},
	{"IS-040", "keeps the body it was given", func(a *animal) {
		var bodies notebook[[]byte]
		a.finish = func(ctx context.Context, tenant, actor, key string, status int, header map[string]string, body []byte) error {
			bodies.set(name{tenant, actor, key}, body)
			return a.Store.Finish(ctx, tenant, actor, key, status, header, body)
		}
		a.begin = func(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
			r, err := a.Store.Begin(ctx, tenant, actor, key, fingerprint, now)
			if body, ok := bodies.get(name{tenant, actor, key}); r != nil && ok && string(body) == "xody" {
				r.Body = body
			}
			return r, err
		}
	}},
	{"IS-041", "gives the key free with a refused answer", func(a *animal) {
		a.finish = func(ctx context.Context, tenant, actor, key string, status int, header map[string]string, body []byte) error {
			err := a.Store.Finish(ctx, tenant, actor, key, status, header, body)
			if errors.Is(err, storage.ErrInvalid) {
				return errors.Join(err, a.Store.Release(ctx, tenant, actor, key))
			}
			return err
		}
	}},
	{"IS-042", "does not find unfit names in Finish", endsAs(func(err error) error {
		if invalid, ok := errors.AsType[*storage.InvalidError](err); ok && slices.Contains([]string{"/tenant", "/actor", "/key"}, invalid.Fields[0].Pointer) {
			return storage.ErrNotFound
		}
		return err
	})},
	{"IS-043", "finishes the key for all actors", func(a *animal) {
		var claimed notebook[bool]
		a.begin = func(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
			r, err := a.Store.Begin(ctx, tenant, actor, key, fingerprint, now)
			if r == nil && err == nil {
				claimed.set(name{tenant, actor, key}, true)
			}
			return r, err
		}
		a.finish = func(ctx context.Context, tenant, actor, key string, status int, header map[string]string, body []byte) error {
			err := a.Store.Finish(ctx, tenant, actor, key, status, header, body)
			if _, ok := claimed.get(name{tenant, "dana", key}); err == nil && ok && actor == "sam" {
				_ = a.Store.Finish(ctx, tenant, "dana", key, status, header, body)
			}
			return err
		}
	}},
	{"IS-050", "does not release", func(a *animal) {
		a.release = func(ctx context.Context, tenant, actor, key string) error {
			_, err := a.Store.Begin(ctx, tenant, actor, key, ask, noon)
			if errors.Is(err, storage.ErrConflict) && key == "k" && !isHeld(a, ctx, tenant) {
				return nil
			}
			return a.Store.Release(ctx, tenant, actor, key)
		}
	}},
	{"IS-051", "releases what was not claimed", releasesAs(onError(storage.ErrNotFound))},
	{"IS-052", "keeps quiet about the release of a finished key", releasesAs(onError(storage.ErrConflict))},
	{"IS-053", "releases in a transaction of its own", func(a *animal) {
		a.release = func(ctx context.Context, tenant, actor, key string) error {
			return a.tx.InTx(ctx, func(ctx context.Context) error { return a.Store.Release(ctx, tenant, actor, key) })
		}
	}},
	{"IS-054", "keeps a released key until the transaction ends", func(a *animal) {
		type inside struct{}
		a.inTx = func(ctx context.Context, fn func(ctx context.Context) error) error {
			return a.tx.InTx(context.WithValue(ctx, inside{}, map[name]bool{}), fn)
		}
		a.release = func(ctx context.Context, tenant, actor, key string) error {
			if released, ok := ctx.Value(inside{}).(map[name]bool); ok {
				released[name{tenant, actor, key}] = true
			}
			return a.Store.Release(ctx, tenant, actor, key)
		}
		a.begin = func(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
			if released, _ := ctx.Value(inside{}).(map[name]bool); released[name{tenant, actor, key}] {
				return nil, storage.ErrConflict
			}
			return a.Store.Begin(ctx, tenant, actor, key, fingerprint, now)
		}
	}},
	{"IS-055", "releases the key for all actors", func(a *animal) {
		a.release = func(ctx context.Context, tenant, actor, key string) error {
			err := a.Store.Release(ctx, tenant, actor, key)
			if err == nil {
				_ = a.Store.Release(ctx, tenant, "dana", key)
			}
			return err
		}
	}},
	{"IS-056", "does not say what is unfit in Release", releasesAs(unnamed)},
	{"IS-057", "releases whatever becomes of the transaction", late(func(a *animal, later func(context.Context, func(context.Context)) bool) {
		a.release = func(ctx context.Context, tenant, actor, key string) error {
			err := a.Store.Release(ctx, tenant, actor, key)
			if err == nil {
				later(ctx, func(ctx context.Context) {
					_ = a.tx.InTx(ctx, func(ctx context.Context) error { return a.Store.Release(ctx, tenant, actor, key) })
				})
			}
			return err
		}
	})},
}

// isHeld reports whether a tenant has answers already, as it has where a rule is about more
// than the release.
func isHeld(a *animal, ctx context.Context, tenant string) bool {
	return len(a.lookaround(ctx, tenant)) > 0
}

var deleteZoo = []mutant{
	{"IS-060", "deletes what is as old as the time", deletesAs(func(before time.Time, limit int) (time.Time, int) {
		return before.Add(time.Microsecond), limit
	})},
	{"IS-061", "deletes the youngest first", func(a *animal) {
		mirror := func(at time.Time) time.Time { return noon.Add(noon.Sub(at)) }
		a.begin = func(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
			r, err := a.Store.Begin(ctx, tenant, actor, key, fingerprint, mirror(now.Truncate(time.Microsecond)))
			if r != nil {
				r.CreatedAt = mirror(r.CreatedAt)
			}
			return r, err
		}
		a.list = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[idempotency.Record], error) {
			page, err := a.Store.List(ctx, tenant, after, limit)
			for i := range page.Items {
				page.Items[i].CreatedAt = mirror(page.Items[i].CreatedAt)
			}
			return page, err
		}
		a.delete = func(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
			return a.Store.Delete(ctx, tenant, noon.AddDate(1, 0, 0), limit)
		}
	}},
	{"IS-062", "tells the limit for the number", func(a *animal) {
		a.delete = func(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
			n, err := a.Store.Delete(ctx, tenant, before, limit)
			if err == nil && limit > 2 && limit <= storage.MaxLimit {
				n = limit
			}
			return n, err
		}
	}},
	{"IS-063", "deletes everything where no limit is given", deletesAs(func(before time.Time, limit int) (time.Time, int) {
		if limit == 0 {
			limit = storage.MaxLimit
		}
		return before, limit
	})},
	{"IS-064", "has no highest limit", func(a *animal) {
		a.delete = func(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
			n, err := a.Store.Delete(ctx, tenant, before, limit)
			if limit > storage.MaxLimit && err == nil {
				more, err := a.Store.Delete(ctx, tenant, before, limit-n)
				return n + more, err
			}
			return n, err
		}
	}},
	{"IS-065", "takes a negative limit for none", deletesAs(func(before time.Time, limit int) (time.Time, int) { return before, max(limit, 0) })},
	{"IS-066", "deletes from all tenants", func(a *animal) {
		a.delete = func(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
			if _, err := a.Store.Delete(ctx, tenant+"-other", before, limit); err != nil {
				return 0, err
			}
			return a.Store.Delete(ctx, tenant, before, limit)
		}
	}},
	{"IS-067", "keeps claims that were never finished", func(a *animal) {
		var claimed notebook[bool]
		a.begin = func(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
			r, err := a.Store.Begin(ctx, tenant, actor, key, fingerprint, now)
			n := name{tenant, actor, key}
			if _, ok := claimed.get(n); ok && r == nil && err == nil {
				return nil, storage.ErrConflict
			}
			if errors.Is(err, storage.ErrConflict) {
				claimed.set(n, true)
			}
			return r, err
		}
		a.delete = func(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
			n, err := a.Store.Delete(ctx, tenant, before, limit)
			if n == 1 && len(a.lookaround(ctx, tenant)) == 0 && limit == 0 {
				claimed.set(name{tenant, "sam", "k"}, true)
			}
			return n, err
		}
	}},
	{"IS-068", "gives answers that were deleted", func(a *animal) {
		var given notebook[idempotency.Record]
		a.begin = func(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
			r, err := a.Store.Begin(ctx, tenant, actor, key, fingerprint, now)
			n := name{tenant, actor, key}
			if old, ok := given.get(n); ok && r == nil && err == nil {
				return &old, nil
			}
			if r != nil {
				given.set(n, *r)
			}
			return r, err
		}
	}},
	{"IS-069", "deletes whatever becomes of the transaction", late(func(a *animal, later func(context.Context, func(context.Context)) bool) {
		a.delete = func(ctx context.Context, tenant string, before time.Time, limit int) (int, error) {
			later(ctx, func(ctx context.Context) { _, _ = a.Store.Delete(ctx, tenant, before, limit) })
			return a.Store.Delete(ctx, tenant, before, limit)
		}
	})},
	{"IS-070", "deletes by actor before it deletes by age", func(a *animal) {
		a.begin = func(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
			if actor == "anna" {
				now = now.Add(-time.Hour)
			}
			return a.Store.Begin(ctx, tenant, actor, key, fingerprint, now)
		}
	}},
}

var listZoo = []mutant{
	{"IS-080", "orders names as people do", listsAs(func(page *storage.Page[idempotency.Record], _ string, _ storage.Cursor) {
		slices.SortStableFunc(page.Items, func(x, y idempotency.Record) int {
			return strings.Compare(strings.ToLower(x.Actor+x.Key), strings.ToLower(y.Actor+y.Key))
		})
	})},
	{"IS-081", "goes on one record too far", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[idempotency.Record], error) {
			page, err := a.Store.List(ctx, tenant, after, limit)
			if after != "" && len(page.Items) > 1 {
				page.Items = page.Items[1:]
			}
			return page, err
		}
	}},
	{"IS-082", "lists records without their bodies", listsAs(func(page *storage.Page[idempotency.Record], _ string, _ storage.Cursor) {
		for i := range page.Items {
			page.Items[i].Body = nil
		}
	})},
	{"IS-082", "lists records without their tenant", listsAs(func(page *storage.Page[idempotency.Record], _ string, _ storage.Cursor) {
		for i := range page.Items {
			page.Items[i].Tenant = ""
		}
	})},
	{"IS-083", "lists claims", func(a *animal) {
		var claimed notebook[bool]
		a.begin = beginsNoting(a, &claimed)
		a.finish = func(ctx context.Context, tenant, actor, key string, status int, header map[string]string, body []byte) error {
			claimed.drop(name{tenant, actor, key})
			return a.Store.Finish(ctx, tenant, actor, key, status, header, body)
		}
		a.list = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[idempotency.Record], error) {
			page, err := a.Store.List(ctx, tenant, after, limit)
			if _, ok := claimed.get(name{tenant, "sam", "a"}); ok && after == "" {
				page.Items = slices.Insert(page.Items, 0, idempotency.Record{Tenant: tenant, Actor: "sam", Key: "a"})
			}
			return page, err
		}
	}},
	{"IS-084", "always has a next page", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[idempotency.Record], error) {
			page, err := a.Store.List(ctx, tenant, after, limit)
			if n := len(page.Items); n > 0 && n == limit {
				page.Next = page.Items[n-1].Next(tenant)
			}
			return page, err
		}
	}},
	{"IS-085", "reads on with another tenant's cursor", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[idempotency.Record], error) {
			if _, _, err := idempotency.Position(strings.TrimSuffix(tenant, "-other"), after); err == nil && strings.HasSuffix(tenant, "-other") {
				after = ""
			}
			return a.Store.List(ctx, tenant, after, limit)
		}
	}},
	{"IS-086", "starts over at a bad cursor", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[idempotency.Record], error) {
			page, err := a.Store.List(ctx, tenant, after, limit)
			if errors.Is(err, storage.ErrBadCursor) && !strings.HasSuffix(tenant, "-other") {
				return a.Store.List(ctx, tenant, "", limit)
			}
			return page, err
		}
	}},
	{"IS-087", "lists everything where no limit is given", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[idempotency.Record], error) {
			if limit == 0 {
				limit = storage.MaxLimit
			}
			return a.Store.List(ctx, tenant, after, limit)
		}
	}},
	{"IS-088", "has no longest page", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[idempotency.Record], error) {
			page, err := a.Store.List(ctx, tenant, after, limit)
			if limit > storage.MaxLimit && page.Next != "" {
				more, err := a.Store.List(ctx, tenant, page.Next, limit-storage.MaxLimit)
				return storage.Page[idempotency.Record]{Items: append(page.Items, more.Items...), Next: more.Next}, err
			}
			return page, err
		}
	}},
	{"IS-089", "takes a negative limit for none", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[idempotency.Record], error) {
			return a.Store.List(ctx, tenant, after, max(limit, 0))
		}
	}},
	{"IS-090", "runs on into the next tenant", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[idempotency.Record], error) {
			page, err := a.Store.List(ctx, tenant, after, limit)
			if page.Next == "" {
				page.Items = append(page.Items, a.lookaround(ctx, tenant+"2")...)
			}
			return page, err
		}
	}},
	{"IS-091", "looks for the record that a cursor was made from", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[idempotency.Record], error) {
			actor, key, err := idempotency.Position(tenant, after)
			if err == nil && after != "" && !slices.ContainsFunc(a.lookaround(ctx, tenant), func(r idempotency.Record) bool { return r.Actor == actor && r.Key == key }) {
				return storage.Page[idempotency.Record]{}, nil
			}
			return a.Store.List(ctx, tenant, after, limit)
		}
	}},
	{"IS-092", "does not find an empty list", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[idempotency.Record], error) {
			page, err := a.Store.List(ctx, tenant, after, limit)
			if err == nil && len(page.Items) == 0 {
				err = storage.ErrNotFound
			}
			return page, err
		}
	}},
	{"IS-093", "lists past its own transaction", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[idempotency.Record], error) {
			return a.Store.List(storage.Detach(ctx), tenant, after, limit)
		}
	}},
	{"IS-094", "lists the same record to everybody", func(a *animal) {
		var given notebook[idempotency.Record]
		a.list = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[idempotency.Record], error) {
			page, err := a.Store.List(ctx, tenant, after, limit)
			for i, r := range page.Items {
				n := name{r.Tenant, r.Actor, r.Key}
				if same, ok := given.get(n); ok && len(same.Body) == len(r.Body) && len(r.Header) > 0 {
					page.Items[i] = same
				} else {
					given.set(n, r)
				}
			}
			return page, err
		}
	}},
	{"IS-095", "goes on by counting records", func(a *animal) {
		a.list = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[idempotency.Record], error) {
			n, err := storage.Limit(limit)
			if err != nil {
				return storage.Page[idempotency.Record]{}, err
			}
			_, key, err := idempotency.Position(tenant, after)
			if err != nil {
				return storage.Page[idempotency.Record]{}, err
			}
			all, from := a.lookaround(ctx, tenant), len(key) // the key of a cursor is as long as what was read
			rest := all[min(from, len(all)):]
			if len(rest) <= n {
				return storage.Page[idempotency.Record]{Items: rest}, nil
			}
			next := idempotency.Record{Actor: "x", Key: strings.Repeat("x", from+n)}.Next(tenant)
			return storage.Page[idempotency.Record]{Items: rest[:n], Next: next}, nil
		}
	}},
}

// beginsNoting is Begin that writes down what it claimed.
func beginsNoting(a *animal, claimed *notebook[bool]) func(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
	return func(ctx context.Context, tenant, actor, key string, fingerprint [32]byte, now time.Time) (*idempotency.Record, error) {
		r, err := a.Store.Begin(ctx, tenant, actor, key, fingerprint, now)
		if r == nil && err == nil {
			claimed.set(name{tenant, actor, key}, true)
		}
		return r, err
	}
}

var replaceZoo = []mutant{
	{"IS-100", "says that it replaced a body and did not", func(a *animal) {
		a.replace = func(ctx context.Context, tenant, actor, key string, old, fresh []byte) (bool, error) {
			if len(fresh) == 4 {
				fresh = old
			}
			return a.Store.ReplaceBody(ctx, tenant, actor, key, old, fresh)
		}
	}},
	{"IS-101", "replaces whatever body there is", func(a *animal) {
		a.replace = func(ctx context.Context, tenant, actor, key string, old, fresh []byte) (bool, error) {
			for _, r := range a.lookaround(ctx, tenant) {
				if r.Actor == actor && r.Key == key && string(r.Body) == "key" {
					old = r.Body
				}
			}
			return a.Store.ReplaceBody(ctx, tenant, actor, key, old, fresh)
		}
	}},
	{"IS-102", "does not find the record whose body it should replace", func(a *animal) {
		a.replace = func(ctx context.Context, tenant, actor, key string, old, fresh []byte) (bool, error) {
			ok, err := a.Store.ReplaceBody(ctx, tenant, actor, key, old, fresh)
			if err == nil && len(a.lookaround(ctx, tenant)) == 0 {
				err = storage.ErrNotFound
			}
			return ok, err
		}
	}},
	{"IS-103", "says that it replaced the body of a claim", func(a *animal) {
		var claimed notebook[bool]
		a.begin = beginsNoting(a, &claimed)
		a.finish = func(ctx context.Context, tenant, actor, key string, status int, header map[string]string, body []byte) error {
			claimed.drop(name{tenant, actor, key})
			return a.Store.Finish(ctx, tenant, actor, key, status, header, body)
		}
		a.replace = func(ctx context.Context, tenant, actor, key string, old, fresh []byte) (bool, error) {
			ok, err := a.Store.ReplaceBody(ctx, tenant, actor, key, old, fresh)
			_, open := claimed.get(name{tenant, actor, key})
			return ok || open && err == nil, err
		}
	}},
	{"IS-104", "replaces equal bodies of all actors", func(a *animal) {
		a.replace = func(ctx context.Context, tenant, actor, key string, old, fresh []byte) (bool, error) {
			ok, err := a.Store.ReplaceBody(ctx, tenant, actor, key, old, fresh)
			for _, r := range a.lookaround(ctx, tenant) {
				_, _ = a.Store.ReplaceBody(ctx, tenant, r.Actor, r.Key, old, fresh)
			}
			return ok, err
		}
	}},
	{"IS-105", "lets all who read the body replace it", func(a *animal) {
		a.replace = func(ctx context.Context, tenant, actor, key string, old, fresh []byte) (bool, error) {
			ok, err := a.Store.ReplaceBody(ctx, tenant, actor, key, old, fresh)
			return ok || err == nil && string(old) == "k" && len(a.lookaround(ctx, tenant)) == 1, err
		}
	}},
	{"IS-106", "replaces whatever becomes of the transaction", late(func(a *animal, later func(context.Context, func(context.Context)) bool) {
		a.replace = func(ctx context.Context, tenant, actor, key string, old, fresh []byte) (bool, error) {
			later(ctx, func(ctx context.Context) { _, _ = a.Store.ReplaceBody(ctx, tenant, actor, key, old, fresh) })
			return a.Store.ReplaceBody(ctx, tenant, actor, key, old, fresh)
		}
	})},
	{"IS-107", "cuts the fresh body", func(a *animal) {
		a.replace = func(ctx context.Context, tenant, actor, key string, old, fresh []byte) (bool, error) {
			return a.Store.ReplaceBody(ctx, tenant, actor, key, old, fresh[:min(len(fresh), idempotency.MaxBody)])
		}
	}},
	{"IS-108", "does not say what is unfit in ReplaceBody", func(a *animal) {
		a.replace = func(ctx context.Context, tenant, actor, key string, old, fresh []byte) (bool, error) {
			ok, err := a.Store.ReplaceBody(ctx, tenant, actor, key, old, fresh)
			return ok, unnamed(err)
		}
	}},
	{"IS-109", "keeps the fresh body it was given", func(a *animal) {
		var bodies notebook[[]byte]
		a.replace = func(ctx context.Context, tenant, actor, key string, old, fresh []byte) (bool, error) {
			ok, err := a.Store.ReplaceBody(ctx, tenant, actor, key, old, fresh)
			if ok {
				bodies.set(name{tenant, actor, key}, fresh)
			}
			return ok, err
		}
		a.list = func(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[idempotency.Record], error) {
			page, err := a.Store.List(ctx, tenant, after, limit)
			for i, r := range page.Items {
				if body, ok := bodies.get(name{r.Tenant, r.Actor, r.Key}); ok {
					page.Items[i].Body = body
				}
			}
			return page, err
		}
	}},
}

func TestEachBrokenStoreIsCaughtByItsRule(t *testing.T) {
	var mutants []ruletest.Mutant
	for _, m := range zoo {
		mutants = append(mutants, ruletest.Mutant{Rule: m.rule, Name: m.name, Check: func(tb testing.TB, id string) {
			b := newMemory(tb)
			a := &animal{Store: b.Idempotency(), tx: b}
			m.breaks(a)
			ruleOf(id).Check(tb, a)
		}})
	}
	ruletest.Prove(t, StoreRules(), mutants, nil)
}

func TestRulesHaveNoFalseAlarms(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for range 5 {
		b := newMemory(t) // shared by all rules, as in RunStore
		shuffled := storeRules()
		random.Shuffle(len(shuffled), reflect.Swapper(shuffled))
		for _, r := range shuffled {
			if failures := ruletest.Try(t.Context(), func(t testing.TB) { r.Check(t, b) }); len(failures) > 0 {
				t.Errorf("seed %d: %s: %q", seed, r.id, failures)
			}
		}
	}
}

func ruleOf(id string) storeRule {
	all := storeRules()
	return all[slices.IndexFunc(all, func(r storeRule) bool { return r.id == id })]
}

func newMemory(t testing.TB) *memory.Backend {
	b, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}
