package mapstore

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/webhooks"
)

// InsertMessage implements webhooks.Store.
func (s *webhookStore) InsertMessage(ctx context.Context, tenant string, m webhooks.Message, deliveries []webhooks.Delivery) (bool, error) {
	inserted := false
	err := s.write(ctx, func(t *tx) error {
		k := tenantID{tenant, m.ID}
		if s.messages.has(t, k) {
			return nil
		}
		m.Tenant = tenant
		s.messages.put(t, k, m)
		to := make(map[string]bool)
		for _, d := range deliveries {
			k := tenantID{tenant, d.ID}
			if to[d.EndpointID] || s.deliveries.has(t, k) {
				return storage.ErrConflict
			}
			to[d.EndpointID] = true
			d.Tenant = tenant
			s.deliveries.put(t, k, d)
		}
		inserted = true
		return nil
	})
	return inserted && err == nil, err
}

// GetMessage implements webhooks.Store.
func (s *webhookStore) GetMessage(ctx context.Context, tenant, id string) (webhooks.Message, error) {
	return get(ctx, s.Backend, &s.messages, tenantID{tenant, id}, false)
}

// GetDelivery implements webhooks.Store.
func (s *webhookStore) GetDelivery(ctx context.Context, tenant, id string, lock bool) (webhooks.Delivery, error) {
	return get(ctx, s.Backend, &s.deliveries, tenantID{tenant, id}, lock)
}

// PutDelivery implements webhooks.Store.
func (s *webhookStore) PutDelivery(ctx context.Context, tenant string, d webhooks.Delivery) error {
	return s.write(ctx, func(t *tx) error {
		k := tenantID{tenant, d.ID}
		row, ok := s.deliveries.get(t, k)
		if !ok {
			return storage.ErrNotFound
		}
		row.Status, row.Held, row.Reason = d.Status, d.Held, d.Reason
		row.Attempts, row.Round, row.Tries = d.Attempts, d.Round, d.Tries
		row.NextAttemptAt, row.UpdatedAt = d.NextAttemptAt, d.UpdatedAt
		s.deliveries.put(t, k, row)
		return nil
	})
}

// ListDeliveries implements webhooks.Store.
func (s *webhookStore) ListDeliveries(ctx context.Context, tenant string, q webhooks.DeliveryQuery) (storage.Page[webhooks.Delivery], error) {
	plan, err := q.Plan(tenant)
	if err != nil {
		return storage.Page[webhooks.Delivery]{}, err
	}
	found, err := find(ctx, s.Backend, &s.deliveries, func(k tenantID, _ webhooks.Delivery) bool { return k.tenant == tenant })
	if err != nil {
		return storage.Page[webhooks.Delivery]{}, err
	}
	return plan.Select(slices.Values(found)), nil
}

// HeldDeliveries implements webhooks.Store.
func (s *webhookStore) HeldDeliveries(ctx context.Context, tenant, endpointID string, limit int) ([]webhooks.Delivery, error) {
	held, err := find(ctx, s.Backend, &s.deliveries, func(k tenantID, d webhooks.Delivery) bool {
		return k.tenant == tenant && d.EndpointID == endpointID && d.Held
	})
	slices.SortFunc(held, func(a, b webhooks.Delivery) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return first(held, limit), err
}

// InsertAttempt implements webhooks.Store.
func (s *webhookStore) InsertAttempt(ctx context.Context, tenant string, a webhooks.Attempt) error {
	return s.write(ctx, func(t *tx) error {
		k := attemptKey{tenant, a.DeliveryID, a.N}
		if s.attempts.has(t, k) {
			return storage.ErrConflict
		}
		a.Tenant = tenant
		s.attempts.put(t, k, a)
		return nil
	})
}

// Attempts implements webhooks.Store.
func (s *webhookStore) Attempts(ctx context.Context, tenant, deliveryID string) ([]webhooks.Attempt, error) {
	all, err := find(ctx, s.Backend, &s.attempts, func(k attemptKey, _ webhooks.Attempt) bool {
		return k.tenant == tenant && k.delivery == deliveryID
	})
	slices.SortFunc(all, func(a, b webhooks.Attempt) int { return cmp.Compare(a.N, b.N) })
	return all[max(0, len(all)-storage.MaxLimit):], err
}
