package flags

import (
	"context"
	"fmt"

	"github.com/lumelle/adminkit/storage"
)

// How many flags and audiences a tenant may have where [Config.Quotas] says nothing.
const (
	DefaultMaxFlags     = 10_000
	DefaultMaxAudiences = 1000
)

// Quotas say how many objects a tenant may have. A zero field is the default,
// storage.Unlimited any number; one below zero fails the creation. What is deleted does
// not count, its versions neither.
type Quotas struct {
	// Flags is how many flags; zero is [DefaultMaxFlags].
	Flags int64
	// Audiences is how many audiences; zero is [DefaultMaxAudiences].
	Audiences int64
}

// Quotas returns how many objects the tenant may have and has: flags first, then
// audiences.
func (s *Service) Quotas(ctx context.Context, tenant string) ([]storage.Quota, error) {
	var all []storage.Quota
	for _, kind := range []Kind{KindFlag, KindAudience} {
		q, err := s.quota(ctx, tenant, kind)
		if err != nil {
			return nil, err
		}
		if q.Used, err = s.store.Count(ctx, tenant, kind); err != nil {
			return nil, err
		}
		all = append(all, q)
	}
	return all, nil
}

// withinQuota fails the transaction of ctx, which has locked the tenant and added a
// document, where that is one too many.
func (s *Service) withinQuota(ctx context.Context, tenant string, kind Kind) error {
	q, err := s.quota(ctx, tenant, kind)
	if err != nil || q.Limit == storage.Unlimited {
		return err
	}
	if q.Used, err = s.store.Count(ctx, tenant, kind); err != nil {
		return err
	}
	return q.Check()
}

func (s *Service) quota(ctx context.Context, tenant string, kind Kind) (q storage.Quota, err error) {
	var all Quotas
	if s.cfg.Quotas != nil {
		all, err = s.cfg.Quotas(ctx, tenant)
	}
	switch {
	case err != nil:
	case kind == KindFlag:
		q, err = storage.NewQuota("flags", all.Flags, DefaultMaxFlags)
	default:
		q, err = storage.NewQuota("audiences", all.Audiences, DefaultMaxAudiences)
	}
	if err != nil {
		return q, fmt.Errorf("flags: quotas: %w", err)
	}
	return q, nil
}
