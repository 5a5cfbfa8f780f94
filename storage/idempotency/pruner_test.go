package idempotency_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/idempotency"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// A host keeps answers for an hour, as its clients give up after some minutes.
func ExamplePrune() {
	ctx := context.Background()
	backend, err := memory.New(memory.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer backend.Close(ctx)
	store := backend.Idempotency()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for key, age := range map[string]time.Duration{"old": 2 * time.Hour, "older": 3 * time.Hour, "fresh": time.Minute} {
		err := backend.InTx(ctx, func(ctx context.Context) error {
			asked := idempotency.Fingerprint("POST", "/orders/7/refund", nil)
			if _, err := store.Begin(ctx, "acme", "sam", key, asked, now.Add(-age)); err != nil {
				return err
			}
			return store.Finish(ctx, "acme", "sam", key, 204, nil, nil)
		})
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(idempotency.Prune(ctx, store, "acme", now.Add(-time.Hour)))
	// Output: 2 <nil>
}

func TestPruneDeletesAllThatIsOldOfItsTenant(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		const old = storage.MaxLimit + 5
		err := b.InTx(t.Context(), func(ctx context.Context) error {
			for i := range old {
				if err := answer(ctx, b.Idempotency(), "acme", fmt.Sprint("old-", i), noon.Add(-time.Hour)); err != nil {
					return err
				}
			}
			if err := answer(ctx, b.Idempotency(), "acme", "fresh", noon); err != nil {
				return err
			}
			return answer(ctx, b.Idempotency(), "bloom", "old", noon.Add(-time.Hour))
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []int{old, 0} {
			if n, err := idempotency.Prune(t.Context(), b.Idempotency(), "acme", noon); n != want || err != nil {
				t.Errorf("Prune = %d, %v; want %d", n, err, want)
			}
		}
		for tenant, key := range map[string]string{"acme": "fresh", "bloom": "old"} {
			if r, err := begin(t, b, tenant, "sam", key, ask); r == nil || err != nil {
				t.Errorf("%s of %s: got %+v, %v; want the record", key, tenant, r, err)
			}
		}
	})
}

// answer claims and finishes a key in the transaction of ctx.
func answer(ctx context.Context, s idempotency.Store, tenant, key string, at time.Time) error {
	if _, err := s.Begin(ctx, tenant, "sam", key, ask, at); err != nil {
		return err
	}
	return s.Finish(ctx, tenant, "sam", key, 204, nil, nil)
}

// A ledger counts what is deleted, and fails for one tenant.
type ledger struct {
	idempotency.Store
	calls []string
}

func (l *ledger) Delete(_ context.Context, tenant string, before time.Time, _ int) (int, error) {
	l.calls = append(l.calls, fmt.Sprint(tenant, " ", time.Since(before)))
	if tenant == "bloom" {
		return 0, errors.New("the store is away")
	}
	return 0, nil
}

func TestAPrunerComesBackAndPassesByWhatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		asked := 0
		tenants := func(context.Context) ([]string, error) {
			if asked++; asked == 2 {
				return nil, errors.New("nobody knows the tenants")
			}
			return []string{"acme", "bloom", "cobalt"}, nil
		}
		store := &ledger{}
		p, err := idempotency.NewPruner(store, tenants, idempotency.PrunerConfig{
			Keep: 2 * time.Hour, Logger: slog.New(slog.NewTextHandler(&logged, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 2*time.Hour+time.Minute)
		defer stop()
		p.Run(ctx) // at once, after an hour in vain, and after two
		want := []string{"acme 2h0m0s", "bloom 2h0m0s", "cobalt 2h0m0s", "acme 2h0m0s", "bloom 2h0m0s", "cobalt 2h0m0s"}
		if got := strings.Join(store.calls, ", "); got != strings.Join(want, ", ") {
			t.Errorf("deleted %s", got)
		}
		if n := strings.Count(logged.String(), "level=ERROR"); n != 3 || !strings.Contains(logged.String(), "tenant=bloom") {
			t.Errorf("logged %d errors:\n%s", n, logged.String())
		}
	})
}

func TestAPruningOutOfTurnTellsWhatFailed(t *testing.T) {
	store := &ledger{}
	p, err := idempotency.NewPruner(store, func(context.Context) ([]string, error) {
		return []string{"acme", "bloom", "cobalt"}, nil
	}, idempotency.PrunerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Prune(t.Context()); err == nil || err.Error() != "the store is away" || len(store.calls) != 3 {
		t.Errorf("got %v after %d tenants, want the error of one and all three tried", err, len(store.calls))
	}
	unknown := errors.New("nobody knows the tenants")
	p, err = idempotency.NewPruner(store, func(context.Context) ([]string, error) { return nil, unknown }, idempotency.PrunerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Prune(t.Context()); !errors.Is(err, unknown) {
		t.Errorf("got %v, want %v", err, unknown)
	}
}

func TestAPrunerIsMadeOfWhatItNeeds(t *testing.T) {
	t.Parallel()
	none := func(context.Context) ([]string, error) { return nil, nil }
	for name, make := range map[string]func() (*idempotency.Pruner, error){
		"no store": func() (*idempotency.Pruner, error) {
			return idempotency.NewPruner(nil, none, idempotency.PrunerConfig{})
		},
		"no tenants": func() (*idempotency.Pruner, error) {
			return idempotency.NewPruner(&ledger{}, nil, idempotency.PrunerConfig{})
		},
		"negative Keep": func() (*idempotency.Pruner, error) {
			return idempotency.NewPruner(&ledger{}, none, idempotency.PrunerConfig{Keep: -1})
		},
		"negative Every": func() (*idempotency.Pruner, error) {
			return idempotency.NewPruner(&ledger{}, none, idempotency.PrunerConfig{Every: -1})
		},
	} {
		if p, err := make(); p != nil || err == nil {
			t.Errorf("%s: got %v, %v; want an error", name, p, err)
		}
	}
}
