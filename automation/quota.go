package automation

import (
	"context"
	"fmt"

	"github.com/lumelle/adminkit/storage"
)

// DefaultMaxRules is how many rules a tenant may have where [Config.Quotas] says
// nothing.
const DefaultMaxRules = 1000

// Quotas say how many objects a tenant may have. A zero field is the default,
// storage.Unlimited any number; one below zero fails the creation.
type Quotas struct {
	// Rules is how many rules, enabled or not; zero is [DefaultMaxRules].
	Rules int64
}

// Quotas returns how many objects the tenant may have and has.
func (s *Service) Quotas(ctx context.Context, tenant string) ([]storage.Quota, error) {
	q, err := s.ruleQuota(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if q.Used, err = s.store.CountRules(ctx, tenant, false); err != nil {
		return nil, err
	}
	return []storage.Quota{q}, nil
}

// withinQuota fails the transaction of ctx, which has added a rule, where that is
// one too many.
func (s *Service) withinQuota(ctx context.Context, tenant string) error {
	q, err := s.ruleQuota(ctx, tenant)
	if err != nil || q.Limit == storage.Unlimited {
		return err
	}
	if q.Used, err = s.store.CountRules(ctx, tenant, true); err != nil {
		return err
	}
	return q.Check()
}

func (s *Service) ruleQuota(ctx context.Context, tenant string) (storage.Quota, error) {
	var all Quotas
	var err error
	if s.cfg.Quotas != nil {
		all, err = s.cfg.Quotas(ctx, tenant)
	}
	var q storage.Quota
	if err == nil {
		q, err = storage.NewQuota("rules", all.Rules, DefaultMaxRules)
	}
	if err != nil {
		return q, fmt.Errorf("automation: quotas: %w", err)
	}
	return q, nil
}
