package idempotencytest

import (
	"bytes"
	"context"
	"maps"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/idempotency"
)

var finishRules = []storeRule{
	{"IS-030", "an answer under a key that was not claimed is storage.ErrNotFound", "it would be the answer of a request that nobody made", func(e *storeEnv) {
		e.undone(func(ctx context.Context) error {
			e.want(e.store.Finish(ctx, e.tenant, "sam", "k", 200, nil, nil), storage.ErrNotFound, "Finish")
			return nil
		})
	}},
	{"IS-031", "a second answer is a conflict and the first one stays", "clients were told the first", func(e *storeEnv) {
		e.finish(e.tenant, "sam", "k", noon)
		e.in(func(ctx context.Context) error {
			e.want(e.store.Finish(ctx, e.tenant, "sam", "k", 200, nil, []byte("second")), storage.ErrConflict, "Finish")
			return nil
		})
		if r := e.answer("k"); r.Status != 202 || string(r.Body) != "k" {
			e.Errorf("got %+v, want the first answer", r)
		}
	}},
	{"IS-032", "Finish needs a transaction", "the answer is written with the effect or not at all", func(e *storeEnv) {
		e.in(func(ctx context.Context) error { return e.claims(ctx, "k") })
		e.want(e.store.Finish(e.ctx, e.tenant, "sam", "k", 200, nil, nil), storage.ErrNoTx, "Finish")
	}},
	{"IS-033", "every status of HTTP is taken", "an error is an answer too", func(e *storeEnv) {
		for status, key := range map[int]string{100: "a", 204: "b", 409: "c", 599: "d"} {
			e.in(func(ctx context.Context) error {
				if err := e.claims(ctx, key); err != nil {
					return err
				}
				return e.store.Finish(ctx, e.tenant, "sam", key, status, nil, nil)
			})
			if r := e.answer(key); r.Status != status {
				e.Errorf("got status %d, want %d", r.Status, status)
			}
		}
	}},
	{"IS-034", "what is no status of HTTP is refused", "a server panics that writes it", func(e *storeEnv) {
		for _, status := range []int{-1, 0, 99, 600, 1 << 20} {
			e.refusesAnswer("/status", status, nil, nil)
		}
	}},
	{"IS-035", "a header that is not UTF-8 is refused", "it has no place in JSON, and what was changed on the way is no repetition", func(e *storeEnv) {
		e.refusesAnswer("/header", 200, map[string]string{"X": "\xff"}, nil)
		e.refusesAnswer("/header", 200, map[string]string{"X\xff": "v"}, nil)
	}},
	{"IS-036", "a body of idempotency.MaxBody is kept whole", "an answer that was cut does not parse", func(e *storeEnv) {
		body := bytes.Repeat([]byte("0123456789abcdef"), idempotency.MaxBody/16)
		e.in(func(ctx context.Context) error {
			if err := e.claims(ctx, "k"); err != nil {
				return err
			}
			return e.store.Finish(ctx, e.tenant, "sam", "k", 200, nil, body)
		})
		if r := e.answer("k"); !bytes.Equal(r.Body, body) {
			e.Errorf("got a body of %d bytes, want the one of %d", len(r.Body), len(body))
		}
	}},
	{"IS-037", "a longer body is refused", "one answer must not fill the store", func(e *storeEnv) {
		e.refusesAnswer("/body", 200, nil, make([]byte, idempotency.MaxBody+1))
	}},
	{"IS-038", "bodies are kept byte for byte", "they may be sealed or compressed", func(e *storeEnv) {
		body := make([]byte, 256)
		for i := range body {
			body[i] = byte(i)
		}
		e.in(func(ctx context.Context) error { return e.finishes(ctx, "k", string(body)) })
		if r := e.answer("k"); !bytes.Equal(r.Body, body) {
			e.Errorf("got %q, want each byte once", r.Body)
		}
	}},
	{"IS-039", "headers are kept byte for byte", "a signature over them breaks at a changed letter", func(e *storeEnv) {
		header := map[string]string{"x-Name": " v ", "X-Name": "ü<&>\u2028", "empty": "", "": "no name", "nul": "\x00"}
		e.in(func(ctx context.Context) error {
			if err := e.claims(ctx, "k"); err != nil {
				return err
			}
			return e.store.Finish(ctx, e.tenant, "sam", "k", 200, header, nil)
		})
		if r := e.answer("k"); !maps.Equal(r.Header, header) {
			e.Errorf("got %q, want %q", r.Header, header)
		}
	}},
	{"IS-040", "what the caller changes after Finish is not stored", "buffers are used again", func(e *storeEnv) {
		header, body := map[string]string{"A": "1"}, []byte("body")
		e.in(func(ctx context.Context) error {
			if err := e.claims(ctx, "k"); err != nil {
				return err
			}
			err := e.store.Finish(ctx, e.tenant, "sam", "k", 200, header, body)
			header["A"], header["B"], body[0] = "2", "2", 'x'
			return err
		})
		if r := e.answer("k"); len(r.Header) != 1 || r.Header["A"] != "1" || string(r.Body) != "body" {
			e.Errorf("got %+v", r)
		}
	}},
	{"IS-041", "a refused answer leaves the claim", "the handler answers something else, in the same transaction", func(e *storeEnv) {
		e.in(func(ctx context.Context) error {
			if err := e.claims(ctx, "k"); err != nil {
				return err
			}
			e.want(e.store.Finish(ctx, e.tenant, "sam", "k", 0, nil, nil), storage.ErrInvalid, "Finish")
			return e.store.Finish(ctx, e.tenant, "sam", "k", 500, nil, nil)
		})
		if r := e.answer("k"); r.Status != 500 {
			e.Errorf("got %+v", r)
		}
	}},
	{"IS-042", "Finish refuses unfit names and says which", "what Begin refuses cannot have been claimed", func(e *storeEnv) {
		e.refusesUnfit(func(ctx context.Context, tenant, actor, key string) error {
			return e.store.Finish(ctx, tenant, actor, key, 200, nil, nil)
		})
	}},
	{"IS-043", "an answer ends the claim of its own tenant and actor", "others may hold the same key at the same time", func(e *storeEnv) {
		mine, others := e.tenant, e.tenant+"-other"
		e.in(func(ctx context.Context) error {
			for _, k := range [][2]string{{mine, "sam"}, {mine, "dana"}, {others, "sam"}} {
				if _, err := e.store.Begin(ctx, k[0], k[1], "k", ask, noon); err != nil {
					return err
				}
			}
			return e.store.Finish(ctx, mine, "sam", "k", 200, nil, nil)
		})
		e.answer("k")
		for _, k := range [][2]string{{mine, "dana"}, {others, "sam"}} {
			_, err := e.repeat(k[0], k[1], "k", ask)
			e.want(err, storage.ErrConflict, "the claim of another")
		}
	}},
}

// refusesAnswer holds Finish to refuse an answer by its field.
func (e *storeEnv) refusesAnswer(field string, status int, header map[string]string, body []byte) {
	e.Helper()
	e.undone(func(ctx context.Context) error {
		if err := e.claims(ctx, "k"); err != nil {
			return err
		}
		e.refused(e.store.Finish(ctx, e.tenant, "sam", "k", status, header, body), field)
		return nil
	})
}
