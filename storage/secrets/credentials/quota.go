package credentials

import (
	"context"
	"fmt"

	"github.com/lumelle/adminkit/storage"
)

// DefaultMaxCredentials is how many credentials a tenant may have where [Config.Quotas]
// says nothing.
const DefaultMaxCredentials = 1000

// What is what quotas and limits of this package call credentials.
const What = "credentials"

// Quotas say how many objects a tenant may have. A zero field is the default,
// storage.Unlimited any number; one below zero fails the creation.
type Quotas struct {
	// Credentials is how many credentials; zero is [DefaultMaxCredentials]. Reserved ones
	// do not count.
	Credentials int64
}

// Quotas returns how many objects the tenant may have and has. A Service of reserved
// names has no quotas.
func (s *Service) Quotas(ctx context.Context, tenant string) ([]storage.Quota, error) {
	if s.cfg.Reserved {
		return nil, nil
	}
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
	switch {
	case s.cfg.Reserved:
		all.Credentials = storage.Unlimited
	case s.cfg.Quotas != nil:
		all, err = s.cfg.Quotas(ctx, tenant)
	}
	var q storage.Quota
	if err == nil {
		q, err = storage.NewQuota(What, all.Credentials, DefaultMaxCredentials)
	}
	if err != nil {
		return q, fmt.Errorf("credentials: quotas: %w", err)
	}
	return q, nil
}
