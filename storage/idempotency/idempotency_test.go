package idempotency_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/idempotency"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

var (
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)
	ask   = idempotency.Fingerprint("POST", "/orders/7/refund", []byte(`{"amount":"12.50"}`))
	other = idempotency.Fingerprint("POST", "/orders/7/refund", []byte(`{"amount":"99.00"}`))
)

// finish runs a whole request under a key.
func finish(t *testing.T, b eachtest.Backend, tenant, actor, key string, at time.Time) {
	t.Helper()
	s := b.Idempotency()
	err := b.InTx(t.Context(), func(ctx context.Context) error {
		done, err := s.Begin(ctx, tenant, actor, key, ask, at)
		if err != nil {
			return err
		}
		if done != nil {
			t.Errorf("%s/%s/%s: got %+v, want a free key", tenant, actor, key, done)
		}
		return s.Finish(ctx, tenant, actor, key, 202, map[string]string{"Location": "/requests/1"}, []byte(`{"id":"1"}`))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// begin runs Begin in a transaction that is rolled back.
func begin(t *testing.T, b eachtest.Backend, tenant, actor, key string, fingerprint [32]byte) (*idempotency.Record, error) {
	t.Helper()
	var done *idempotency.Record
	undo := errors.New("undo")
	err := b.InTx(t.Context(), func(ctx context.Context) (err error) {
		if done, err = b.Idempotency().Begin(ctx, tenant, actor, key, fingerprint, noon); err != nil {
			return err
		}
		return undo
	})
	if errors.Is(err, undo) {
		err = nil
	}
	return done, err
}

func TestRepeatedRequestGetsTheFirstAnswer(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		finish(t, b, "acme", "sam", "k", noon)
		got, err := begin(t, b, "acme", "sam", "k", ask)
		if err != nil {
			t.Fatal(err)
		}
		if got == nil {
			t.Fatal("the key is free, want the first answer")
		}
		if got.Status != 202 || string(got.Body) != `{"id":"1"}` ||
			!maps.Equal(got.Header, map[string]string{"Location": "/requests/1"}) ||
			!got.CreatedAt.Equal(noon) || got.Fingerprint != ask ||
			got.Tenant != "acme" || got.Actor != "sam" || got.Key != "k" {
			t.Errorf("got %+v", got)
		}
	})
}

func TestKeyOfAnotherRequestIsAMismatch(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		finish(t, b, "acme", "sam", "k", noon)
		if _, err := begin(t, b, "acme", "sam", "k", other); !errors.Is(err, idempotency.ErrMismatch) {
			t.Errorf("got %v, want ErrMismatch", err)
		}
	})
}

func TestKeysOfOthersAreFree(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		finish(t, b, "acme", "sam", "k", noon)
		for _, who := range [][3]string{
			{"bloom", "sam", "k"}, {"acme", "marco", "k"}, {"acme", "sam", "K"}, {"acme", "sam", "k "}, {"ACME", "sam", "k"},
		} {
			done, err := begin(t, b, who[0], who[1], who[2], other)
			if done != nil || err != nil {
				t.Errorf("%q: got %v, %v, want a free key", who, done, err)
			}
		}
	})
}

func TestRolledBackRequestFreesItsKey(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		for range 2 {
			if done, err := begin(t, b, "acme", "sam", "k", ask); done != nil || err != nil {
				t.Errorf("got %v, %v, want a free key", done, err)
			}
		}
	})
}

func TestKeyThatWasClaimedAndNotFinishedConflicts(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		s := b.Idempotency()
		err := b.InTx(t.Context(), func(ctx context.Context) error {
			if _, err := s.Begin(ctx, "acme", "sam", "k", ask, noon); err != nil {
				return err
			}
			if _, err := s.Begin(ctx, "acme", "sam", "k", ask, noon); !errors.Is(err, storage.ErrConflict) {
				t.Errorf("inside: got %v, want ErrConflict", err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := begin(t, b, "acme", "sam", "k", ask); !errors.Is(err, storage.ErrConflict) {
			t.Errorf("afterwards: got %v, want ErrConflict", err)
		}
	})
}

func TestSecondRequestWaitsForTheFirst(t *testing.T) {
	for _, tc := range []struct {
		name  string
		first error
		want  bool
	}{
		{"and finds its answer", nil, true},
		{"and goes on itself when the first rolled back", errors.New("undo"), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
				s := b.Idempotency()
				claimed, release := make(chan struct{}), make(chan struct{})
				second := make(chan error, 1)
				go func() {
					<-claimed
					close(release) // both outcomes of the race read the same
					second <- b.InTx(t.Context(), func(ctx context.Context) error {
						done, err := s.Begin(ctx, "acme", "sam", "k", ask, noon)
						if err == nil && (done != nil) != tc.want {
							t.Errorf("second: got %v, want an answer: %t", done, tc.want)
						}
						return err
					})
				}()
				err := b.InTx(t.Context(), func(ctx context.Context) error {
					if _, err := s.Begin(ctx, "acme", "sam", "k", ask, noon); err != nil {
						return err
					}
					close(claimed)
					<-release
					if err := s.Finish(ctx, "acme", "sam", "k", 200, nil, nil); err != nil {
						return err
					}
					return tc.first
				})
				if !errors.Is(err, tc.first) {
					t.Errorf("first: got %v, want %v", err, tc.first)
				}
				if err := <-second; err != nil {
					t.Errorf("second: %v", err)
				}
			})
		})
	}
}

func TestReleasedKeyIsFreeAfterTheCommit(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		s := b.Idempotency()
		err := b.InTx(t.Context(), func(ctx context.Context) error {
			if _, err := s.Begin(ctx, "acme", "sam", "k", ask, noon); err != nil {
				return err
			}
			return s.Release(ctx, "acme", "sam", "k")
		})
		if err != nil {
			t.Fatal(err)
		}
		if done, err := begin(t, b, "acme", "sam", "k", other); done != nil || err != nil {
			t.Errorf("got %v, %v, want a free key", done, err)
		}
	})
}

func TestOfManyRequestsUnderOneKeyOneHasTheEffect(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		const requests = 12
		s := b.Idempotency()
		var effects, answers atomic.Int64
		start := make(chan struct{})
		var wg sync.WaitGroup
		for i := range requests {
			wg.Go(func() {
				<-start
				fresh := false
				err := b.InTx(t.Context(), func(ctx context.Context) error {
					done, err := s.Begin(ctx, "acme", "sam", "k", ask, noon)
					if err != nil {
						return err
					}
					if fresh = done == nil; !fresh {
						return nil
					}
					return s.Finish(ctx, "acme", "sam", "k", 200, nil, []byte{byte(i)})
				})
				switch {
				case err != nil:
					t.Error(err)
				case fresh:
					effects.Add(1)
				default:
					answers.Add(1)
				}
			})
		}
		close(start)
		wg.Wait()
		if effects.Load() != 1 || answers.Load() != requests-1 {
			t.Errorf("got %d effects and %d repeated answers, want 1 and %d", effects.Load(), answers.Load(), requests-1)
		}
	})
}

// ends are the two ways to end a claim.
var ends = map[string]func(ctx context.Context, s idempotency.Store, tenant, actor, key string) error{
	"Finish": func(ctx context.Context, s idempotency.Store, tenant, actor, key string) error {
		return s.Finish(ctx, tenant, actor, key, 200, nil, nil)
	},
	"Release": func(ctx context.Context, s idempotency.Store, tenant, actor, key string) error {
		return s.Release(ctx, tenant, actor, key)
	},
}

func TestClaimIsNeededToEndIt(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		s := b.Idempotency()
		finish(t, b, "acme", "sam", "done", noon)
		for name, end := range ends {
			for key, want := range map[string]error{"never": storage.ErrNotFound, "done": storage.ErrConflict, "": storage.ErrInvalid} {
				err := b.InTx(t.Context(), func(ctx context.Context) error {
					return end(ctx, s, "acme", "sam", key)
				})
				if !errors.Is(err, want) {
					t.Errorf("%s of the key %q: got %v, want %v", name, key, err, want)
				}
			}
		}
		if done, err := begin(t, b, "acme", "sam", "done", ask); done == nil || done.Status != 202 || err != nil {
			t.Errorf("the finished answer: got %v, %v", done, err)
		}
	})
}

func TestAllStepsNeedATransaction(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		s := b.Idempotency()
		if _, err := s.Begin(t.Context(), "acme", "sam", "k", ask, noon); !errors.Is(err, storage.ErrNoTx) {
			t.Errorf("Begin: got %v, want ErrNoTx", err)
		}
		for name, end := range ends {
			if err := end(t.Context(), s, "acme", "sam", "k"); !errors.Is(err, storage.ErrNoTx) {
				t.Errorf("%s: got %v, want ErrNoTx", name, err)
			}
		}
	})
}

func TestUnfitInputIsRefused(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		s := b.Idempotency()
		for _, tc := range []struct {
			name, tenant, actor, key string
			status                   int
			header                   map[string]string
			body                     []byte
		}{
			{"no tenant", "", "sam", "k", 200, nil, nil},
			{"no actor", "acme", "", "k", 200, nil, nil},
			{"no key", "acme", "sam", "", 200, nil, nil},
			{"a NUL in the key", "acme", "sam", "k\x00", 200, nil, nil},
			{"a key too long", "acme", "sam", strings.Repeat("k", storage.MaxID+1), 200, nil, nil},
			{"a status too low", "acme", "sam", "k", 99, nil, nil},
			{"a status too high", "acme", "sam", "k", 600, nil, nil},
			{"a header that is not UTF-8", "acme", "sam", "k", 200, map[string]string{"X": "\xff"}, nil},
			{"a body too long", "acme", "sam", "k", 200, nil, make([]byte, idempotency.MaxBody+1)},
		} {
			err := b.InTx(t.Context(), func(ctx context.Context) error {
				if _, err := s.Begin(ctx, tc.tenant, tc.actor, tc.key, ask, noon); err != nil {
					return err
				}
				return s.Finish(ctx, tc.tenant, tc.actor, tc.key, tc.status, tc.header, tc.body)
			})
			if !errors.Is(err, storage.ErrInvalid) {
				t.Errorf("%s: got %v, want ErrInvalid", tc.name, err)
			}
		}
	})
}

func TestDeleteTakesTheOldestOfItsTenantFirst(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		s := b.Idempotency()
		finish(t, b, "acme", "sam", "c", noon.Add(2*time.Hour))
		finish(t, b, "acme", "sam", "b", noon.Add(time.Hour))
		finish(t, b, "acme", "sam", "a", noon)
		finish(t, b, "bloom", "nina", "a", noon)
		for _, step := range []struct {
			limit, want int
			left        string
		}{{1, 1, "bc"}, {0, 1, "c"}, {0, 0, "c"}} {
			n, err := s.Delete(t.Context(), "acme", noon.Add(2*time.Hour), step.limit)
			if n != step.want || err != nil {
				t.Errorf("limit %d: got %d, %v, want %d", step.limit, n, err, step.want)
			}
			for _, key := range []string{"a", "b", "c"} {
				done, err := begin(t, b, "acme", "sam", key, ask)
				if err != nil || (done != nil) != strings.Contains(step.left, key) {
					t.Errorf("after limit %d, key %s: got %v, %v, want %s left", step.limit, key, done, err, step.left)
				}
			}
		}
		if done, err := begin(t, b, "bloom", "nina", "a", ask); done == nil || err != nil {
			t.Errorf("the other tenant: got %v, %v, want its record", done, err)
		}
		if _, err := s.Delete(t.Context(), "acme", noon, -1); !errors.Is(err, storage.ErrInvalid) {
			t.Errorf("negative limit: got %v, want ErrInvalid", err)
		}
	})
}

func TestFingerprintsTellRequestsApart(t *testing.T) {
	seen := map[[32]byte]string{}
	for _, r := range [][3]string{
		{"POST", "/a", "b"}, {"PUT", "/a", "b"}, {"POST", "/ab", ""}, {"POST", "/a", ""}, {"POST", "", "/ab"}, {"POST/a", "", "b"},
	} {
		f := idempotency.Fingerprint(r[0], r[1], []byte(r[2]))
		if prior, ok := seen[f]; ok {
			t.Errorf("%q and %s have one fingerprint", r, prior)
		}
		seen[f] = strings.Join(r[:], " ")
	}
}

func TestFinishedRecordsAreListedByActorAndKey(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		s := b.Idempotency()
		for _, r := range [][3]string{{"acme", "sam", "k2"}, {"acme", "sam", "k1"}, {"acme", "dana", "k9"}, {"acme2", "dana", "k0"}} {
			finish(t, b, r[0], r[1], r[2], noon)
		}
		for _, limit := range []int{1, 2, 3, 0} {
			var got []string
			for after := storage.Cursor(""); ; {
				page, err := s.List(t.Context(), "acme", after, limit)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range page.Items {
					got = append(got, r.Actor+"/"+r.Key)
					if r.Tenant != "acme" || r.Status != 202 || string(r.Body) != `{"id":"1"}` || r.Header["Location"] != "/requests/1" || r.Fingerprint != ask || !r.CreatedAt.Equal(noon) {
						t.Errorf("got %+v", r)
					}
				}
				if after = page.Next; after == "" {
					break
				}
			}
			if strings.Join(got, " ") != "dana/k9 sam/k1 sam/k2" {
				t.Errorf("in pages of %d: got %q", limit, got)
			}
		}
		page, err := s.List(t.Context(), "acme", "", 1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.List(t.Context(), "acme2", page.Next, 1); !errors.Is(err, storage.ErrBadCursor) {
			t.Errorf("another tenant's cursor: got %v, want ErrBadCursor", err)
		}
		err = b.InTx(t.Context(), func(ctx context.Context) error {
			if _, err := s.Begin(ctx, "acme", "anna", "open", ask, noon); err != nil {
				return err
			}
			page, err := s.List(ctx, "acme", "", 1)
			if err == nil && page.Items[0].Actor != "dana" {
				t.Errorf("a claimed key is listed: %+v", page.Items[0])
			}
			return errors.Join(err, s.Release(ctx, "acme", "anna", "open"))
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestABodyIsReplacedForTheOneThatWasRead(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		s := b.Idempotency()
		for _, tenant := range []string{"acme", "bloom"} {
			finish(t, b, tenant, "sam", "k", noon)
		}
		was := `{"id":"1"}`
		for _, c := range []struct {
			name, tenant, actor, key, old string
			want                          bool
		}{
			{"another body", "acme", "sam", "k", "x", false},
			{"another key", "acme", "sam", "k2", was, false},
			{"another actor", "acme", "dana", "k", was, false},
			{"another tenant", "cobalt", "sam", "k", was, false},
			{"the body that is there", "acme", "sam", "k", was, true},
			{"the body of before", "acme", "sam", "k", was, false},
		} {
			if got, err := s.ReplaceBody(t.Context(), c.tenant, c.actor, c.key, []byte(c.old), []byte("fresh")); got != c.want || err != nil {
				t.Errorf("%s: got %t, %v, want %t", c.name, got, err, c.want)
			}
		}
		for tenant, want := range map[string]string{"acme": "fresh", "bloom": was} {
			got, err := begin(t, b, tenant, "sam", "k", ask)
			if err != nil || got == nil || string(got.Body) != want || got.Status != 202 || got.Header["Location"] != "/requests/1" {
				t.Errorf("%s: got %+v, %v, want the body %s", tenant, got, err, want)
			}
		}
		if _, err := s.ReplaceBody(t.Context(), "", "sam", "k", []byte(was), []byte("fresh")); !errors.Is(err, storage.ErrInvalid) {
			t.Errorf("no tenant: got %v, want ErrInvalid", err)
		}
		if _, err := s.ReplaceBody(t.Context(), "acme", "sam", "k", []byte(was), make([]byte, idempotency.MaxBody+1)); !errors.Is(err, storage.ErrInvalid) {
			t.Errorf("too long: got %v, want ErrInvalid", err)
		}
	})
}
