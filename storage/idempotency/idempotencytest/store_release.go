package idempotencytest

import (
	"context"

	"github.com/lumelle/adminkit/storage"
)

var releaseRules = []storeRule{
	{"IS-050", "a released key is free for any request", "a request that was refused for want of a step-up is made again, perhaps changed", func(e *storeEnv) {
		e.in(func(ctx context.Context) error {
			if err := e.claims(ctx, "k"); err != nil {
				return err
			}
			return e.store.Release(ctx, e.tenant, "sam", "k")
		})
		e.free("k")
		if done, err := e.repeat(e.tenant, "sam", "k", other); done != nil || err != nil {
			e.Errorf("another request got %v, %v, want a free key", done, err)
		}
	}},
	{"IS-051", "a key that was not claimed cannot be released", "storage.ErrNotFound: whoever releases it has lost count", func(e *storeEnv) {
		e.undone(func(ctx context.Context) error {
			e.want(e.store.Release(ctx, e.tenant, "sam", "k"), storage.ErrNotFound, "Release")
			return nil
		})
	}},
	{"IS-052", "a finished key cannot be released", "storage.ErrConflict: its effect would be had twice", func(e *storeEnv) {
		e.finish(e.tenant, "sam", "k", noon)
		e.in(func(ctx context.Context) error {
			e.want(e.store.Release(ctx, e.tenant, "sam", "k"), storage.ErrConflict, "Release")
			return nil
		})
		e.answer("k")
	}},
	{"IS-053", "Release needs a transaction", "it belongs to the one that claimed", func(e *storeEnv) {
		e.in(func(ctx context.Context) error { return e.claims(ctx, "k") })
		e.want(e.store.Release(e.ctx, e.tenant, "sam", "k"), storage.ErrNoTx, "Release")
	}},
	{"IS-054", "a released key may be claimed again in the same transaction", "a handler that fell back to another way starts over", func(e *storeEnv) {
		e.in(func(ctx context.Context) error {
			if err := e.claims(ctx, "k"); err != nil {
				return err
			}
			if err := e.store.Release(ctx, e.tenant, "sam", "k"); err != nil {
				return err
			}
			return e.finishes(ctx, "k", "second")
		})
		if r := e.answer("k"); string(r.Body) != "second" {
			e.Errorf("got %+v", r)
		}
	}},
	{"IS-055", "Release frees its own key only", "others hold the same key, and the same actor holds others", func(e *storeEnv) {
		others := e.tenant + "-other"
		held := [][3]string{{e.tenant, "sam", "k2"}, {e.tenant, "dana", "k"}, {others, "sam", "k"}}
		e.in(func(ctx context.Context) error {
			for _, k := range append(held, [3]string{e.tenant, "sam", "k"}) {
				if _, err := e.store.Begin(ctx, k[0], k[1], k[2], ask, noon); err != nil {
					return err
				}
			}
			return e.store.Release(ctx, e.tenant, "sam", "k")
		})
		e.free("k")
		for _, k := range held {
			_, err := e.repeat(k[0], k[1], k[2], ask)
			e.want(err, storage.ErrConflict, "the claim of "+k[1]+" on "+k[2])
		}
	}},
	{"IS-056", "Release refuses unfit names and says which", "what Begin refuses cannot have been claimed", func(e *storeEnv) {
		e.refusesUnfit(func(ctx context.Context, tenant, actor, key string) error {
			return e.store.Release(ctx, tenant, actor, key)
		})
	}},
	{"IS-057", "a release goes with its transaction", "the claim is there again, as it was", func(e *storeEnv) {
		e.in(func(ctx context.Context) error { return e.claims(ctx, "k") })
		e.undone(func(ctx context.Context) error { return e.store.Release(ctx, e.tenant, "sam", "k") })
		_, err := e.repeat(e.tenant, "sam", "k", ask)
		e.want(err, storage.ErrConflict, "the claim after the rollback")
	}},
}
