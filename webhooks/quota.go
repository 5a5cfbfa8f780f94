package webhooks

import (
	"context"
	"fmt"

	"github.com/lumelle/adminkit/storage"
)

// DefaultMaxEndpoints is how many endpoints a tenant may have where [Config.Quotas] says
// nothing.
const DefaultMaxEndpoints = 1000

// Quotas say how many objects a tenant may have. A zero field is the default,
// storage.Unlimited any number; one below zero fails the creation.
type Quotas struct {
	// Endpoints is how many endpoints, enabled or not; zero is [DefaultMaxEndpoints].
	Endpoints int64
}

// Quotas returns how many objects the tenant may have and has.
func (s *Service) Quotas(ctx context.Context, tenant string) ([]storage.Quota, error) {
	q, err := s.endpointQuota(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if q.Used, err = s.store.CountEndpoints(ctx, tenant, false); err != nil {
		return nil, err
	}
	return []storage.Quota{q}, nil
}

// withinQuota fails the transaction of ctx, which has added an endpoint, where that is
// one too many.
func (s *Service) withinQuota(ctx context.Context, tenant string) error {
	q, err := s.endpointQuota(ctx, tenant)
	if err != nil || q.Limit == storage.Unlimited {
		return err
	}
	if q.Used, err = s.store.CountEndpoints(ctx, tenant, true); err != nil {
		return err
	}
	return q.Check()
}

func (s *Service) endpointQuota(ctx context.Context, tenant string) (storage.Quota, error) {
	var all Quotas
	var err error
	if s.cfg.Quotas != nil {
		all, err = s.cfg.Quotas(ctx, tenant)
	}
	var q storage.Quota
	if err == nil {
		q, err = storage.NewQuota("endpoints", all.Endpoints, DefaultMaxEndpoints)
	}
	if err != nil {
		return q, fmt.Errorf("webhooks: quotas: %w", err)
	}
	return q, nil
}
