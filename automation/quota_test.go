package automation_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
)

func TestCreationsAtTheSameTimeDoNotPassTheQuotaOfRules(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		const callers, limit = 32, 5
		k := newKit(t, b, kitConfig{service: automation.Config{Quotas: func(_ context.Context, tenant string) (automation.Quotas, error) {
			if tenant != acme {
				return automation.Quotas{}, nil
			}
			return automation.Quotas{Rules: limit}, nil
		}}})
		in := automation.RuleInput{Definition: definition(t, `"steps":[{"name":"probe","action":"stop"}]`)}
		var all sync.WaitGroup
		errs := make([]error, callers)
		for i := range callers {
			all.Go(func() { _, errs[i] = k.service.Create(k.ctx, acme, in) })
		}
		all.Wait()
		made := 0
		for _, err := range errs {
			if err == nil {
				made++
				continue
			}
			if got, ok := errors.AsType[*storage.LimitError](err); !ok || *got != (storage.LimitError{What: "rules", Limit: limit}) {
				t.Errorf("got %v, want the limit and its value", err)
			}
		}
		if made != limit {
			t.Errorf("%d rules were made, want %d", made, limit)
		}
		quotas, err := k.service.Quotas(k.ctx, acme)
		must(t, err)
		if len(quotas) != 1 || quotas[0] != (storage.Quota{What: "rules", Limit: limit, Used: limit}) {
			t.Errorf("got %+v", quotas)
		}
		// A rule that is there may change, and other tenants have quotas of their own.
		page, err := k.service.List(k.ctx, acme, automation.RuleQuery{Limit: 1})
		must(t, err)
		_, err = k.service.Update(k.ctx, acme, page.Items[0].ID, 0, in.Definition)
		must(t, err)
		_, err = k.service.Create(k.ctx, "bloom", in)
		must(t, err)
	})
}
