package idempotencytest

import (
	"context"
	"strings"

	"github.com/lumelle/adminkit/storage"
)

// look are names that people and careless stores take for the same one.
var look = []string{"key", "Key", "key ", " key", "kéy", "ke\u0301y", "key\t", "🔑", "k%y", "k_y", "0", "00"}

var keyRules = []storeRule{
	{"IS-018", "keys are kept byte for byte", "clients choose them, and two that look alike were chosen for two requests", func(e *storeEnv) {
		e.in(func(ctx context.Context) error {
			for _, key := range look {
				if err := e.finishIn(ctx, e.tenant, "sam", key, noon); err != nil {
					return err
				}
			}
			return nil
		})
		for _, key := range look {
			if r := e.answer(key); r.Key != key || string(r.Body) != key {
				e.Errorf("key %q has the answer %+v", key, r)
			}
		}
	}},
	{"IS-019", "actors are kept byte for byte", "hosts name people as they like, and two that look alike are two", func(e *storeEnv) {
		for _, actor := range look {
			e.finish(e.tenant, actor, "k", noon)
		}
		for _, actor := range look {
			if r := e.answerOf(e.tenant, actor, "k"); r.Actor != actor {
				e.Errorf("actor %q has the answer of %q", actor, r.Actor)
			}
		}
	}},
	{"IS-020", "the same key of two actors is two keys", "nobody reads another's answer by guessing a key", func(e *storeEnv) {
		e.finish(e.tenant, "sam", "k", noon)
		for _, fingerprint := range [][32]byte{ask, other} {
			if done, err := e.repeat(e.tenant, "dana", "k", fingerprint); done != nil || err != nil {
				e.Errorf("another actor got %v, %v, want a free key", done, err)
			}
		}
	}},
	{"IS-021", "the same key of two tenants is two keys", "one merchant's choice must neither collide with another's nor tell of it", func(e *storeEnv) {
		e.finish(e.tenant, "sam", "k", noon)
		if done, err := e.repeat(e.tenant+"-other", "sam", "k", other); done != nil || err != nil {
			e.Errorf("another tenant got %v, %v, want a free key", done, err)
		}
	}},
	{"IS-022", "an actor and a key do not run together", "ab with c is not a with bc", func(e *storeEnv) {
		e.finish(e.tenant, "ab", "c", noon)
		if done, err := e.repeat(e.tenant, "a", "bc", ask); done != nil || err != nil {
			e.Errorf("got %v, %v, want a free key", done, err)
		}
	}},
	{"IS-023", "names of storage.MaxID bytes are taken whole", "a limit that is lower in one backend breaks clients when the host moves", func(e *storeEnv) {
		long := strings.Repeat("k", storage.MaxID-1)
		e.finish(e.tenant, long+"x", long+"y", noon)
		if r := e.answerOf(e.tenant, long+"x", long+"y"); string(r.Body) != long+"y" {
			e.Errorf("got %+v", r)
		}
		if done, err := e.repeat(e.tenant, long+"x", long+"z", ask); done != nil || err != nil {
			e.Errorf("a key that differs in its last byte got %v, %v, want it to be free", done, err)
		}
	}},
	{"IS-024", "Begin refuses unfit names and says which", "a key comes from a header that a stranger wrote", func(e *storeEnv) {
		e.refusesUnfit(func(ctx context.Context, tenant, actor, key string) error {
			_, err := e.store.Begin(ctx, tenant, actor, key, ask, noon)
			return err
		})
	}},
}
