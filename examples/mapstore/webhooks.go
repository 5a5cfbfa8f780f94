package mapstore

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/webhooks"
)

// A webhookStore is the webhooks.Store of a Backend.
type webhookStore struct {
	*Backend
	endpoints  table[tenantID, endpointRow]
	messages   table[tenantID, webhooks.Message]
	deliveries table[tenantID, webhooks.Delivery]
	attempts   table[attemptKey, webhooks.Attempt]
}

// A tenantID is the key of what has an id in a tenant.
type tenantID struct{ tenant, id string }

// An endpointRow is an endpoint with all that goes when it goes.
type endpointRow struct {
	webhooks.Endpoint
	Health  webhooks.Health
	Secrets []webhooks.Secret
}

type attemptKey struct {
	tenant, delivery string
	n                int
}

var _ webhooks.Store = (*webhookStore)(nil)

// Webhooks returns the store of endpoints, messages, deliveries and attempts.
func (b *Backend) Webhooks() webhooks.Store { return b.webhooks }

// InsertEndpoint implements webhooks.Store.
func (s *webhookStore) InsertEndpoint(ctx context.Context, tenant string, e webhooks.Endpoint, secret webhooks.Secret) error {
	return s.write(ctx, func(t *tx) error {
		k := tenantID{tenant, e.ID}
		if s.endpoints.has(t, k) {
			return storage.ErrConflict
		}
		e.Tenant, e.Timeout = tenant, e.Timeout.Truncate(time.Millisecond)
		s.endpoints.put(t, k, endpointRow{Endpoint: e, Secrets: []webhooks.Secret{secret}})
		return nil
	})
}

// UpdateEndpoint implements webhooks.Store.
func (s *webhookStore) UpdateEndpoint(ctx context.Context, tenant string, e webhooks.Endpoint, revision int64) error {
	return s.write(ctx, func(t *tx) error {
		row, err := s.atRevision(t, tenant, e.ID, revision)
		if err != nil {
			return err
		}
		e.Tenant, e.CreatedAt, e.Timeout = tenant, row.CreatedAt, e.Timeout.Truncate(time.Millisecond)
		row.Endpoint = e
		s.endpoints.put(t, tenantID{tenant, e.ID}, row)
		return nil
	})
}

// DeleteEndpoint implements webhooks.Store.
func (s *webhookStore) DeleteEndpoint(ctx context.Context, tenant, id string, revision int64) error {
	return s.write(ctx, func(t *tx) error {
		if _, err := s.atRevision(t, tenant, id, revision); err != nil {
			return err
		}
		s.endpoints.delete(t, tenantID{tenant, id})
		return nil
	})
}

// atRevision returns the endpoint that a change was made for.
func (s *webhookStore) atRevision(t *tx, tenant, id string, revision int64) (endpointRow, error) {
	row, ok := s.endpoints.get(t, tenantID{tenant, id})
	switch {
	case !ok:
		return row, storage.ErrNotFound
	case row.Revision != revision:
		return row, storage.ErrConflict
	}
	return row, nil
}

// GetEndpoint implements webhooks.Store. A lock is the turn to write, which a transaction
// has.
func (s *webhookStore) GetEndpoint(ctx context.Context, tenant, id string, lock bool) (webhooks.Endpoint, webhooks.Health, error) {
	row, err := get(ctx, s.Backend, &s.endpoints, tenantID{tenant, id}, lock)
	return row.Endpoint, row.Health, err
}

// ListEndpoints implements webhooks.Store.
func (s *webhookStore) ListEndpoints(ctx context.Context, tenant string, q webhooks.EndpointQuery) (storage.Page[webhooks.Endpoint], error) {
	plan, err := q.Plan(tenant)
	if err != nil {
		return storage.Page[webhooks.Endpoint]{}, err
	}
	rows, err := find(ctx, s.Backend, &s.endpoints, func(k tenantID, row endpointRow) bool { return k.tenant == tenant })
	if err != nil {
		return storage.Page[webhooks.Endpoint]{}, err
	}
	return plan.Select(func(yield func(webhooks.Endpoint) bool) {
		for _, row := range rows {
			if !yield(row.Endpoint) {
				return
			}
		}
	}), nil
}

// CountEndpoints implements webhooks.Store.
func (s *webhookStore) CountEndpoints(ctx context.Context, tenant string, lock bool) (int64, error) {
	if lock {
		if err := s.needTx(ctx); err != nil {
			return 0, err
		}
	}
	rows, err := find(ctx, s.Backend, &s.endpoints, func(k tenantID, _ endpointRow) bool { return k.tenant == tenant })
	return int64(len(rows)), err
}

// Secrets implements webhooks.Store.
func (s *webhookStore) Secrets(ctx context.Context, tenant, endpointID string) ([]webhooks.Secret, error) {
	var secrets []webhooks.Secret
	err := s.read(ctx, func(t *tx) error {
		row, _ := s.endpoints.get(t, tenantID{tenant, endpointID})
		secrets = row.Secrets
		return nil
	})
	slices.SortFunc(secrets, func(a, b webhooks.Secret) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID))
	})
	return secrets, err
}

// SetSecrets implements webhooks.Store.
func (s *webhookStore) SetSecrets(ctx context.Context, tenant, endpointID string, all []webhooks.Secret) error {
	return s.write(ctx, func(t *tx) error {
		k := tenantID{tenant, endpointID}
		row, ok := s.endpoints.get(t, k)
		if !ok {
			return storage.ErrNotFound
		}
		known := make(map[string]bool)
		for _, secret := range all {
			if known[secret.ID] {
				return storage.ErrConflict
			}
			known[secret.ID] = true
		}
		row.Secrets = all
		s.endpoints.put(t, k, row)
		return nil
	})
}

// ListSecrets implements webhooks.Store.
func (s *webhookStore) ListSecrets(ctx context.Context, tenant string, q webhooks.SecretQuery) (storage.Page[webhooks.EndpointSecret], error) {
	var none storage.Page[webhooks.EndpointSecret]
	limit, err := storage.Limit(q.Limit)
	if err != nil {
		return none, err
	}
	endpointID, id, err := q.Position(tenant)
	if err != nil {
		return none, err
	}
	rows, err := find(ctx, s.Backend, &s.endpoints, func(k tenantID, _ endpointRow) bool { return k.tenant == tenant && k.id >= endpointID })
	if err != nil {
		return none, err
	}
	order := func(a, b webhooks.EndpointSecret) int {
		return cmp.Or(strings.Compare(a.EndpointID, b.EndpointID), strings.Compare(a.ID, b.ID))
	}
	behind := webhooks.EndpointSecret{EndpointID: endpointID, Secret: webhooks.Secret{ID: id}}
	var all []webhooks.EndpointSecret
	for _, row := range rows {
		for _, secret := range row.Secrets {
			if es := (webhooks.EndpointSecret{EndpointID: row.ID, Secret: secret}); order(es, behind) > 0 {
				all = append(all, es)
			}
		}
	}
	slices.SortFunc(all, order)
	return page(all, limit, func(last webhooks.EndpointSecret) storage.Cursor { return q.Next(tenant, last) }), nil
}

// ReplaceSealed implements webhooks.Store.
func (s *webhookStore) ReplaceSealed(ctx context.Context, tenant string, es webhooks.EndpointSecret, fresh []byte) (bool, error) {
	replaced := false
	err := s.write(ctx, func(t *tx) error {
		k := tenantID{tenant, es.EndpointID}
		row, _ := s.endpoints.get(t, k)
		for i, secret := range row.Secrets {
			if secret.ID == es.ID && string(secret.Sealed) == string(es.Sealed) {
				row.Secrets[i].Sealed = fresh
				s.endpoints.put(t, k, row)
				replaced = true
			}
		}
		return nil
	})
	return replaced && err == nil, err
}

// SetHealth implements webhooks.Store.
func (s *webhookStore) SetHealth(ctx context.Context, tenant, id string, h webhooks.Health) error {
	return s.write(ctx, func(t *tx) error {
		k := tenantID{tenant, id}
		if row, ok := s.endpoints.get(t, k); ok {
			row.Health = h
			s.endpoints.put(t, k, row)
		}
		return nil
	})
}

// Subscribers implements webhooks.Store.
func (s *webhookStore) Subscribers(ctx context.Context, tenant string, patterns []string) ([]string, error) {
	rows, err := find(ctx, s.Backend, &s.endpoints, func(k tenantID, row endpointRow) bool {
		return k.tenant == tenant && row.Status == webhooks.Enabled &&
			slices.ContainsFunc(row.EventTypes, func(named string) bool { return slices.Contains(patterns, named) })
	})
	var ids []string
	for _, row := range rows {
		ids = append(ids, row.ID)
	}
	slices.Sort(ids)
	return ids, err
}
