package idempotencytest

import (
	"bytes"
	"context"
	"slices"
	"sync/atomic"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/idempotency"
)

var replaceRules = []storeRule{
	{"IS-100", "a body is replaced and everything else stays", "the answer is the same one, sealed under another key", func(e *storeEnv) {
		e.finish(e.tenant, "sam", "k", noon)
		fresh := []byte{0, 1, 0xff, 'x'}
		e.replaces(true, e.tenant, "sam", "k", "k", fresh)
		r := e.answer("k")
		if !bytes.Equal(r.Body, fresh) || r.Status != 202 || len(r.Header) != 1 || r.Header["Location"] != "/requests/1" ||
			r.Fingerprint != ask || !r.CreatedAt.Equal(noon) {
			e.Errorf("got %+v", r)
		}
	}},
	{"IS-101", "a body that is not the old one stays", "whoever sealed it in the meantime did so under the newer key", func(e *storeEnv) {
		e.finish(e.tenant, "sam", "key", noon)
		for _, old := range []string{"x", "ke", "keys", "KEY"} {
			e.replaces(false, e.tenant, "sam", "key", old, []byte("fresh"))
		}
		if r := e.answer("key"); string(r.Body) != "key" {
			e.Errorf("got %q, want the body of before", r.Body)
		}
	}},
	{"IS-102", "to replace the body of no record changes nothing and is no error", "it was deleted in the meantime", func(e *storeEnv) {
		e.replaces(false, e.tenant, "sam", "k", "k", []byte("fresh"))
		e.free("k")
	}},
	{"IS-103", "a claim that is not finished has no body to replace", "it would become an answer that nobody gave", func(e *storeEnv) {
		e.in(func(ctx context.Context) error { return e.claims(ctx, "k") })
		e.replaces(false, e.tenant, "sam", "k", "k", []byte("fresh"))
		_, err := e.repeat(e.tenant, "sam", "k", ask)
		e.want(err, storage.ErrConflict, "the claim")
	}},
	{"IS-104", "the bodies of other tenants, actors and keys stay", "equal bodies stand under many keys", func(e *storeEnv) {
		others := e.tenant + "-other"
		names := [][3]string{{e.tenant, "sam", "k"}, {e.tenant, "dana", "k"}, {e.tenant, "sam", "k2"}, {others, "sam", "k"}}
		e.in(func(ctx context.Context) error {
			for _, n := range names {
				if _, err := e.store.Begin(ctx, n[0], n[1], n[2], ask, noon); err != nil {
					return err
				}
				if err := e.store.Finish(ctx, n[0], n[1], n[2], 200, nil, []byte("same")); err != nil {
					return err
				}
			}
			return nil
		})
		e.replaces(true, e.tenant, "sam", "k", "same", []byte("fresh"))
		for _, n := range names[1:] {
			if r := e.answerOf(n[0], n[1], n[2]); string(r.Body) != "same" {
				e.Errorf("%q: got the body %q, want it to stay", n, r.Body)
			}
		}
		e.replaces(false, others, "dana", "k", "same", []byte("fresh"))
	}},
	{"IS-105", "of many who replace one body exactly one does", "two processes that seal again must not undo each other's work", func(e *storeEnv) {
		e.finish(e.tenant, "sam", "k", noon)
		var won atomic.Int64
		e.together(6, func() error {
			ok, err := e.store.ReplaceBody(e.ctx, e.tenant, "sam", "k", []byte("k"), []byte("fresh"))
			if ok {
				won.Add(1)
			}
			return err
		})
		if won.Load() != 1 {
			e.Errorf("%d replaced it, want 1", won.Load())
		}
	}},
	{"IS-106", "a replacement goes with its transaction", "the body of before is there again", func(e *storeEnv) {
		e.finish(e.tenant, "sam", "k", noon)
		e.undone(func(ctx context.Context) error {
			ok, err := e.store.ReplaceBody(ctx, e.tenant, "sam", "k", []byte("k"), []byte("fresh"))
			if !ok {
				e.Errorf("the body was not replaced")
			}
			return err
		})
		if r := e.answer("k"); string(r.Body) != "k" {
			e.Errorf("got %q, want the body of before", r.Body)
		}
	}},
	{"IS-107", "a body of idempotency.MaxBody replaces one, a longer one is refused", "what is sealed is longer than what it seals", func(e *storeEnv) {
		e.finish(e.tenant, "sam", "k", noon)
		_, err := e.store.ReplaceBody(e.ctx, e.tenant, "sam", "k", []byte("k"), make([]byte, idempotency.MaxBody+1))
		e.refused(err, "/body")
		longest := bytes.Repeat([]byte("x"), idempotency.MaxBody)
		e.replaces(true, e.tenant, "sam", "k", "k", longest)
		if r := e.answer("k"); !bytes.Equal(r.Body, longest) {
			e.Errorf("got a body of %d bytes, want %d", len(r.Body), len(longest))
		}
	}},
	{"IS-108", "ReplaceBody refuses unfit names and says which", "what Begin refuses has no body", func(e *storeEnv) {
		e.refusesUnfit(func(ctx context.Context, tenant, actor, key string) error {
			_, err := e.store.ReplaceBody(ctx, tenant, actor, key, []byte("old"), []byte("fresh"))
			return err
		})
	}},
	{"IS-109", "what the caller changes after ReplaceBody is not stored", "buffers are used again", func(e *storeEnv) {
		e.finish(e.tenant, "sam", "k", noon)
		fresh := []byte("fresh")
		ok, err := e.store.ReplaceBody(e.ctx, e.tenant, "sam", "k", []byte("k"), fresh)
		e.must(err, "replace")
		if !ok {
			e.Errorf("the body was not replaced")
		}
		copy(fresh, "other")
		var got []string
		for _, r := range e.list(e.tenant, 0) {
			got = append(got, string(r.Body))
		}
		if !slices.Equal(got, []string{"fresh"}) {
			e.Errorf("got bodies %q", got)
		}
	}},
}

// replaces holds ReplaceBody to its answer.
func (e *storeEnv) replaces(want bool, tenant, actor, key, old string, fresh []byte) {
	e.Helper()
	got, err := e.store.ReplaceBody(e.ctx, tenant, actor, key, []byte(old), fresh)
	if got != want || err != nil {
		e.Errorf("replace the body of %q %q %q: got %t, %v, want %t", tenant, actor, key, got, err, want)
	}
}
