package idempotencytest

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/idempotency"
)

var beginRules = []storeRule{
	{"IS-001", "a key that nobody used is claimed", "the first request has to be made, whatever its client calls it", func(e *storeEnv) {
		for _, key := range []string{"1", "refund 1001", "5f1c6ab4-0f6b-4e0c-9a55-3c6f2a1d7e90"} {
			e.in(func(ctx context.Context) error {
				if err := e.claims(ctx, key); err != nil {
					return err
				}
				return e.store.Finish(ctx, e.tenant, "sam", key, 200, nil, nil)
			})
		}
	}},
	{"IS-002", "an answer comes back as it was given", "who repeats a request must not be able to tell the difference", func(e *storeEnv) {
		header := map[string]string{"Location": "/requests/1", "ETag": `"7"`}
		e.in(func(ctx context.Context) error {
			if err := e.claims(ctx, "k"); err != nil {
				return err
			}
			return e.store.Finish(ctx, e.tenant, "sam", "k", 201, header, []byte(`{"id":"1"}`))
		})
		r := e.answer("k")
		if r.Tenant != e.tenant || r.Actor != "sam" || r.Key != "k" || r.Fingerprint != ask ||
			r.Status != 201 || !maps.Equal(r.Header, header) || string(r.Body) != `{"id":"1"}` {
			e.Errorf("got %+v", r)
		}
	}},
	{"IS-003", "an answer is given as often as it is asked for", "a client on a bad line repeats itself more than once", func(e *storeEnv) {
		e.finish(e.tenant, "sam", "k", noon)
		for range 4 {
			e.in(func(ctx context.Context) error {
				done, err := e.store.Begin(ctx, e.tenant, "sam", "k", ask, noon)
				if err == nil && (done == nil || done.Status != 202) {
					e.Errorf("got %+v, want the answer", done)
				}
				return err
			})
		}
	}},
	{"IS-004", "an empty header and an empty body come back as nil", "callers compare with what they stored, and none and empty are the same answer", func(e *storeEnv) {
		e.in(func(ctx context.Context) error {
			for _, key := range []string{"none", "empty"} {
				if err := e.claims(ctx, key); err != nil {
					return err
				}
			}
			return errors.Join(
				e.store.Finish(ctx, e.tenant, "sam", "none", 204, nil, nil),
				e.store.Finish(ctx, e.tenant, "sam", "empty", 204, map[string]string{}, []byte{}))
		})
		for _, key := range []string{"none", "empty"} {
			if r := e.answer(key); r.Header != nil || r.Body != nil {
				e.Errorf("%s: got header %#v and body %#v, want nil", key, r.Header, r.Body)
			}
		}
	}},
	{"IS-005", "a record has the time of the first request, in UTC and microseconds", "its age decides when it is deleted, and a repetition must not make it younger", func(e *storeEnv) {
		e.finish(e.tenant, "sam", "k", noon.Add(999).In(time.FixedZone("", 3600)))
		for range 2 {
			if r := e.answer("k"); !r.CreatedAt.Equal(noon) || r.CreatedAt.Location() != time.UTC {
				e.Errorf("got %v, want %v", r.CreatedAt, noon)
			}
		}
	}},
	{"IS-006", "another request under a finished key is idempotency.ErrMismatch", "the answer of one request must not be taken for that of another", func(e *storeEnv) {
		e.finish(e.tenant, "sam", "k", noon)
		done, err := e.repeat(e.tenant, "sam", "k", other)
		e.want(err, idempotency.ErrMismatch, "another fingerprint")
		if done != nil {
			e.Errorf("the answer came along: %+v", *done)
		}
	}},
	{"IS-007", "fingerprints are compared to their last byte", "half a hash collides", func(e *storeEnv) {
		e.finish(e.tenant, "sam", "k", noon)
		for _, i := range []int{0, 15, 16, 31} {
			near := ask
			near[i] ^= 1
			_, err := e.repeat(e.tenant, "sam", "k", near)
			e.want(err, idempotency.ErrMismatch, "a fingerprint that differs in one bit")
		}
	}},
	{"IS-008", "a mismatch leaves the answer to its own request", "a stranger to the key must not take it away", func(e *storeEnv) {
		e.finish(e.tenant, "sam", "k", noon)
		_, err := e.repeat(e.tenant, "sam", "k", other)
		e.want(err, idempotency.ErrMismatch, "another fingerprint")
		if r := e.answer("k"); string(r.Body) != "k" {
			e.Errorf("got %+v", r)
		}
	}},
	{"IS-009", "a key that is claimed twice in one transaction is a conflict", "a handler that runs inside itself has two effects", func(e *storeEnv) {
		e.undone(func(ctx context.Context) error {
			if err := e.claims(ctx, "k"); err != nil {
				return err
			}
			e.want(e.claims(ctx, "k"), storage.ErrConflict, "the second claim")
			return nil
		})
	}},
	{"IS-010", "a claim that was committed without an answer is a conflict", "its effect may have happened: nobody may make it again, and there is no answer to give", func(e *storeEnv) {
		e.in(func(ctx context.Context) error { return e.claims(ctx, "k") })
		_, err := e.repeat(e.tenant, "sam", "k", ask)
		e.want(err, storage.ErrConflict, "the next request")
	}},
	{"IS-011", "a claim needs a transaction", "one of its own would end before the effect is written", func(e *storeEnv) {
		_, err := e.store.Begin(e.ctx, e.tenant, "sam", "k", ask, noon)
		e.want(err, storage.ErrNoTx, "Begin")
		e.free("k")
	}},
	{"IS-012", "a claim goes with its transaction", "a request that failed may be made again", func(e *storeEnv) {
		e.undone(func(ctx context.Context) error { return e.claims(ctx, "k") })
		e.free("k")
	}},
	{"IS-013", "an answer goes with its transaction", "what it tells of did not happen", func(e *storeEnv) {
		e.undone(func(ctx context.Context) error { return e.finishes(ctx, "k", "gone") })
		e.free("k")
		e.in(func(ctx context.Context) error { return e.finishes(ctx, "k", "kept") })
		if r := e.answer("k"); string(r.Body) != "kept" {
			e.Errorf("got %q", r.Body)
		}
	}},
	{"IS-014", "a savepoint that is rolled back takes its claims along and no others", "a part that failed is tried again inside the same change", func(e *storeEnv) {
		e.in(func(ctx context.Context) error {
			if err := e.finishes(ctx, "outer", "outer"); err != nil {
				return err
			}
			err := e.b.InTx(ctx, func(ctx context.Context) error {
				if err := e.finishes(ctx, "inner", "inner"); err != nil {
					return err
				}
				return errUndo
			})
			if !errors.Is(err, errUndo) {
				return err
			}
			return e.claims(ctx, "inner")
		})
		if r := e.answer("outer"); string(r.Body) != "outer" {
			e.Errorf("got %+v", r)
		}
	}},
	{"IS-015", "of many requests under one key one has the effect, and the others get its answer", "a client repeats itself before it is answered", func(e *storeEnv) {
		const rounds, requests = 4, 6
		for round := range rounds {
			key := string(rune('a' + round))
			var effects, answers atomic.Int64
			e.together(requests, func() error {
				fresh := false
				err := e.b.InTx(e.ctx, func(ctx context.Context) error {
					done, err := e.store.Begin(ctx, e.tenant, "sam", key, ask, noon)
					if err != nil {
						return err
					}
					if fresh = done == nil; !fresh {
						return nil
					}
					return e.store.Finish(ctx, e.tenant, "sam", key, 200, nil, nil)
				})
				if fresh {
					effects.Add(1)
				} else {
					answers.Add(1)
				}
				return err
			})
			if effects.Load() != 1 || answers.Load() != requests-1 {
				e.Errorf("got %d effects and %d answers, want 1 and %d", effects.Load(), answers.Load(), requests-1)
			}
		}
	}},
	{"IS-016", "who waited for a request that failed may make it", "the failure of one must not be the answer of all", func(e *storeEnv) {
		const requests = 6
		var tried, effects atomic.Int64
		e.together(requests, func() error {
			err := e.b.InTx(e.ctx, func(ctx context.Context) error {
				done, err := e.store.Begin(ctx, e.tenant, "sam", "k", ask, noon)
				if err != nil || done != nil {
					return err
				}
				if err := e.store.Finish(ctx, e.tenant, "sam", "k", 200, nil, nil); err != nil {
					return err
				}
				if tried.Add(1) < requests {
					return errUndo
				}
				effects.Add(1)
				return nil
			})
			if errors.Is(err, errUndo) {
				return nil
			}
			return err
		})
		if tried.Load() != requests || effects.Load() != 1 {
			e.Errorf("%d requests were made and %d had the effect, want %d and 1", tried.Load(), effects.Load(), requests)
		}
	}},
	{"IS-017", "an answer belongs to the caller it was given to", "a handler changes a header of what it got, and must not change what others get", func(e *storeEnv) {
		e.finish(e.tenant, "sam", "k", noon)
		r := e.answer("k")
		r.Header["Location"], r.Body[0] = "elsewhere", 'x'
		if again := e.answer("k"); again.Header["Location"] != "/requests/1" || string(again.Body) != "k" {
			e.Errorf("got %+v after the first answer was changed", again)
		}
	}},
}

// together runs fn in n goroutines that start at once.
func (e *storeEnv) together(n int, fn func() error) {
	e.Helper()
	start := make(chan struct{})
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			<-start
			if err := fn(); err != nil {
				e.Errorf("one of %d requests at once: %v", n, err)
			}
		})
	}
	close(start)
	wg.Wait()
}
