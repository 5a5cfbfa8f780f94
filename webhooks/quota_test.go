package webhooks_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/webhooks"
)

// endpointsAtMost gives acme a quota; other tenants have the default.
func endpointsAtMost(n int64) func(context.Context, string) (webhooks.Quotas, error) {
	return func(_ context.Context, tenant string) (webhooks.Quotas, error) {
		if tenant == "acme" {
			return webhooks.Quotas{Endpoints: n}, nil
		}
		return webhooks.Quotas{}, nil
	}
}

func input(id string) webhooks.EndpointInput {
	return webhooks.EndpointInput{ID: id, URL: "https://hooks.example.com/in", EventTypes: []string{"a.b"}}
}

func TestCreationsAtTheSameTimeDoNotPassTheQuota(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		const callers, limit = 32, 5
		k := newKit(t, b, kitConfig{deliverer: always(accepted), service: webhooks.Config{Quotas: endpointsAtMost(limit)}})
		var all sync.WaitGroup
		errs := make([]error, callers)
		for i := range callers {
			all.Go(func() { _, _, errs[i] = k.service.Create(k.ctx, "acme", input("")) })
		}
		all.Wait()
		made := 0
		for _, err := range errs {
			if err == nil {
				made++
				continue
			}
			wantErr(t, err, storage.ErrLimit)
			if got, ok := errors.AsType[*storage.LimitError](err); !ok || *got != (storage.LimitError{What: "endpoints", Limit: limit}) {
				t.Errorf("got %v, want the limit and its value", err)
			}
		}
		same(t, made, limit)
		quotas, err := k.service.Quotas(k.ctx, "acme")
		must(t, err)
		same(t, quotas, []storage.Quota{{What: "endpoints", Limit: limit, Used: limit}})
	})
}

func TestQuotasAreOfATenantAndFreedByADeletion(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, kitConfig{deliverer: always(accepted), service: webhooks.Config{Quotas: endpointsAtMost(1)}})
		_, _, err := k.service.Create(k.ctx, "acme", input("e1"))
		must(t, err)
		_, _, err = k.service.Create(k.ctx, "acme", input("e2"))
		wantErr(t, err, storage.ErrLimit)
		_, err = k.service.Get(k.ctx, "acme", "e2")
		wantErr(t, err, storage.ErrNotFound)
		// A repeated creation is told what it is, and not that there is no room for it.
		_, _, err = k.service.Create(k.ctx, "acme", input("e1"))
		wantErr(t, err, storage.ErrConflict)
		for i := range 3 {
			_, _, err = k.service.Create(k.ctx, "bloom", input("b"+strconv.Itoa(i)))
			must(t, err)
		}
		quotas, err := k.service.Quotas(k.ctx, "bloom")
		must(t, err)
		same(t, quotas, []storage.Quota{{What: "endpoints", Limit: webhooks.DefaultMaxEndpoints, Used: 3}})
		// A disabled endpoint counts, a deleted one does not.
		_, err = k.service.Disable(k.ctx, "acme", "e1", "")
		must(t, err)
		_, _, err = k.service.Create(k.ctx, "acme", input("e2"))
		wantErr(t, err, storage.ErrLimit)
		must(t, k.service.Delete(k.ctx, "acme", "e1", 0))
		_, _, err = k.service.Create(k.ctx, "acme", input("e2"))
		must(t, err)
	})
}

func TestAQuotaThatCannotBeSaidRefusesTheCreation(t *testing.T) {
	lost := errors.New("the plans are away")
	for name, quotas := range map[string]func(context.Context, string) (webhooks.Quotas, error){
		"below zero": endpointsAtMost(-1),
		"an error":   func(context.Context, string) (webhooks.Quotas, error) { return webhooks.Quotas{}, lost },
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, eachtest.Memory(t), kitConfig{deliverer: always(accepted), service: webhooks.Config{Quotas: quotas}})
			if _, _, err := k.service.Create(k.ctx, "acme", input("e1")); err == nil || errors.Is(err, storage.ErrLimit) {
				t.Errorf("got %v, want an error that is no limit", err)
			}
			_, err := k.service.Get(k.ctx, "acme", "e1")
			wantErr(t, err, storage.ErrNotFound)
		})
	}
}

func TestUnlimitedIsNoQuota(t *testing.T) {
	k := newKit(t, eachtest.Memory(t), kitConfig{deliverer: always(accepted), service: webhooks.Config{Quotas: endpointsAtMost(storage.Unlimited)}})
	_, _, err := k.service.Create(k.ctx, "acme", input("e1"))
	must(t, err)
	quotas, err := k.service.Quotas(k.ctx, "acme")
	must(t, err)
	same(t, quotas, []storage.Quota{{What: "endpoints", Limit: storage.Unlimited, Used: 1}})
}
