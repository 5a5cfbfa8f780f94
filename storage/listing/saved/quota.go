package saved

import (
	"context"
	"fmt"

	"github.com/lumelle/adminkit/storage"
)

// DefaultMaxFilters is how many filters a tenant may have, of all its people, where
// [Config].Quotas says nothing.
const DefaultMaxFilters = 1000

// What is what quotas and limits of this package call filters.
const What = "saved filters"

// Quotas say how many objects a tenant may have. A zero field is the default,
// storage.Unlimited any number; one below zero fails the creation.
type Quotas struct {
	// Filters is how many filters; zero is [DefaultMaxFilters].
	Filters int64
}

// Quotas returns how many objects the tenant may have and has.
func (s *Service) Quotas(ctx context.Context, tenant string) ([]storage.Quota, error) {
	q, err := s.quota(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if q.Used, err = s.store.Count(ctx, tenant); err != nil {
		return nil, err
	}
	return []storage.Quota{q}, nil
}

func (s *Service) quota(ctx context.Context, tenant string) (storage.Quota, error) {
	var all Quotas
	var err error
	if s.cfg.Quotas != nil {
		all, err = s.cfg.Quotas(ctx, tenant)
	}
	var q storage.Quota
	if err == nil {
		q, err = storage.NewQuota(What, all.Filters, DefaultMaxFilters)
	}
	if err != nil {
		return q, fmt.Errorf("saved: quotas: %w", err)
	}
	return q, nil
}
