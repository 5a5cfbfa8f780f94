package flags_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func atMost(q flags.Quotas) flags.Config {
	return flags.Config{Quotas: func(_ context.Context, tenant string) (flags.Quotas, error) {
		if tenant == "acme" {
			return q, nil
		}
		return flags.Quotas{}, nil
	}}
}

func named(key string) flags.Flag {
	f := checkout()
	f.Key = key
	return f
}

func TestCreationsAtTheSameTimeDoNotPassTheQuotas(t *testing.T) {
	const callers, limit = 32, 5
	for _, c := range []struct {
		what   string
		quotas flags.Quotas
		create func(k *kit, key string) error
	}{
		{"flags", flags.Quotas{Flags: limit}, func(k *kit, key string) error {
			_, err := k.service.Create(k.ctx, "acme", named(key), "")
			return err
		}},
		{"audiences", flags.Quotas{Audiences: limit}, func(k *kit, key string) error {
			_, err := k.service.SaveAudience(k.ctx, "acme", targeting.Audience{Key: key, Include: []string{"m1"}}, 0, "")
			return err
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
				k := newKit(t, b, atMost(c.quotas))
				var all sync.WaitGroup
				errs := make([]error, callers)
				for i := range callers {
					all.Go(func() { errs[i] = c.create(k, "k"+strconv.Itoa(i)) })
				}
				all.Wait()
				made := 0
				for _, err := range errs {
					if err == nil {
						made++
						continue
					}
					wantErr(t, err, storage.ErrLimit)
					if got, ok := errors.AsType[*storage.LimitError](err); !ok || *got != (storage.LimitError{What: c.what, Limit: limit}) {
						t.Errorf("got %v, want the limit and its value", err)
					}
				}
				same(t, made, limit)
				quotas, err := k.service.Quotas(k.ctx, "acme")
				must(t, err)
				for _, q := range quotas {
					if q.What == c.what {
						same(t, q, storage.Quota{What: c.what, Limit: limit, Used: limit})
					} else {
						same(t, q.Used, 0)
					}
				}
			})
		})
	}
}

func TestQuotasCountWhatIsNotDeleted(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		k := newKit(t, b, atMost(flags.Quotas{Flags: 1, Audiences: 1}))
		create := func(tenant, key string) error {
			_, err := k.service.Create(k.ctx, tenant, named(key), "")
			return err
		}
		must(t, create("acme", "one"))
		wantErr(t, create("acme", "two"), storage.ErrLimit)
		// A repeated creation is told what it is, and a flag that is there may change.
		wantErr(t, create("acme", "one"), flags.ErrExists)
		changed := named("one")
		changed.Description = "other"
		_, err := k.service.Update(k.ctx, "acme", changed, 0, "")
		must(t, err)
		must(t, create("bloom", "one"))
		must(t, create("bloom", "two"))
		must(t, k.service.Delete(k.ctx, "acme", "one", 0, ""))
		must(t, create("acme", "two"))
		wantErr(t, create("acme", "one"), storage.ErrLimit) // it was deleted, and would come back
		_, err = k.service.SaveAudience(k.ctx, "acme", targeting.Audience{Key: "vip", Include: []string{"m1"}}, 0, "")
		must(t, err)
		quotas, err := k.service.Quotas(k.ctx, "acme")
		must(t, err)
		same(t, quotas, []storage.Quota{{What: "flags", Limit: 1, Used: 1}, {What: "audiences", Limit: 1, Used: 1}})
	})
}

func TestAnApprovedCreationKeepsToTheQuota(t *testing.T) {
	k := newKit(t, eachtest.Memory(t), atMost(flags.Quotas{Flags: 1}))
	k.gate = func(e audit.Event) audit.Verdict {
		if e.Resource.ID == "asked" {
			return audit.Verdict{Effect: audit.NeedsApproval}
		}
		return audit.Verdict{Effect: audit.Allow}
	}
	if _, err := k.service.Create(k.ctx, "acme", named("asked"), ""); err == nil {
		t.Fatal("the gate did not ask for approval")
	}
	asked := k.asked[len(k.asked)-1]
	_, err := k.service.Create(k.ctx, "acme", named("first"), "")
	must(t, err)
	k.gate = nil
	wantErr(t, k.service.Apply(k.ctx, asked), storage.ErrLimit)
}
