package memory

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/webhooks"
)

type endpointRow struct {
	webhooks.Endpoint
	health webhooks.Health
}

type secretRow struct {
	tenant, endpoint string
	webhooks.Secret
}

// A subscriptionRow stands for one pattern of one enabled endpoint.
type subscriptionRow struct{ tenant, pattern, endpoint string }

var endpointTable = table[endpointRow]{
	func(a, b *endpointRow) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *endpointRow) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *endpointRow) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), a.UpdatedAt.Compare(b.UpdatedAt), cmp.Compare(a.ID, b.ID))
	},
}

const (
	endpointsByCreation = 1
	endpointsByUpdate   = 2
)

var secretTable = table[secretRow]{
	func(a, b *secretRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.endpoint, b.endpoint), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *secretRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.endpoint, b.endpoint),
			a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	},
}

const secretsByAge = 1

var subscriptionTable = table[subscriptionRow]{
	func(a, b *subscriptionRow) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.pattern, b.pattern), cmp.Compare(a.endpoint, b.endpoint))
	},
}

var messageTable = table[webhooks.Message]{
	func(a, b *webhooks.Message) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.ID, b.ID))
	},
}

var deliveryTable = table[webhooks.Delivery]{
	func(a, b *webhooks.Delivery) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *webhooks.Delivery) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	},
	func(a, b *webhooks.Delivery) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(heldAt(a), heldAt(b)),
			a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	},
}

const (
	deliveriesByCreation = 1
	deliveriesHeld       = 2
)

// heldAt is the endpoint that a delivery is held for, empty where it is not.
func heldAt(d *webhooks.Delivery) string {
	if d.Held {
		return d.EndpointID
	}
	return ""
}

var attemptTable = table[webhooks.Attempt]{
	func(a, b *webhooks.Attempt) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.DeliveryID, b.DeliveryID), cmp.Compare(a.N, b.N))
	},
}

type webhookStore struct{ b *Backend }

var _ webhooks.Store = webhookStore{}

// Webhooks returns the store of package webhooks.
func (b *Backend) Webhooks() webhooks.Store { return webhookStore{b} }

// mayLock answers storage.ErrNoTx where a lock is asked for outside of a transaction.
// Inside there is nothing to do: it is the one writer.
func (s webhookStore) mayLock(ctx context.Context, lock bool) error {
	if !lock {
		return nil
	}
	_, err := s.b.required(ctx)
	return err
}

func (s webhookStore) InsertEndpoint(ctx context.Context, tenant string, e webhooks.Endpoint, secret webhooks.Secret) error {
	return s.b.write(ctx, "webhooks.InsertEndpoint", func(v view) error {
		row := storedEndpoint(tenant, e)
		if err := endpointTable.insert(v, endpointRow{Endpoint: row}); err != nil {
			return err
		}
		subscribe(v, row)
		return insertSecret(v, tenant, e.ID, secret)
	})
}

func insertSecret(v view, tenant, endpointID string, secret webhooks.Secret) error {
	secret.Sealed = bytes.Clone(secret.Sealed)
	secret.CreatedAt, secret.ExpiresAt = stored(secret.CreatedAt), stored(secret.ExpiresAt)
	return secretTable.insert(v, secretRow{tenant, endpointID, secret})
}

func (s webhookStore) UpdateEndpoint(ctx context.Context, tenant string, e webhooks.Endpoint, revision int64) error {
	return s.b.write(ctx, "webhooks.UpdateEndpoint", func(v view) error {
		old, err := endpointAt(v, tenant, e.ID, revision)
		if err != nil {
			return err
		}
		row := old
		row.Endpoint = storedEndpoint(tenant, e)
		row.CreatedAt = old.CreatedAt
		unsubscribe(v, old.Endpoint)
		subscribe(v, row.Endpoint)
		endpointTable.put(v, row)
		return nil
	})
}

func (s webhookStore) DeleteEndpoint(ctx context.Context, tenant, id string, revision int64) error {
	return s.b.write(ctx, "webhooks.DeleteEndpoint", func(v view) error {
		old, err := endpointAt(v, tenant, id, revision)
		if err != nil {
			return err
		}
		unsubscribe(v, old.Endpoint)
		for _, secret := range secretsOf(v, tenant, id) {
			secretTable.delete(v, secret)
		}
		endpointTable.delete(v, old)
		return nil
	})
}

func (s webhookStore) GetEndpoint(ctx context.Context, tenant, id string, lock bool) (e webhooks.Endpoint, h webhooks.Health, err error) {
	if err := s.mayLock(ctx, lock); err != nil {
		return e, h, err
	}
	err = s.b.read(ctx, "webhooks.GetEndpoint", func(v view) error {
		row, ok := endpointTable.get(v, endpointKey(tenant, id))
		if !ok {
			return storage.ErrNotFound
		}
		e, h = copyEndpoint(row.Endpoint), row.health
		return nil
	})
	return e, h, err
}

func (s webhookStore) ListEndpoints(ctx context.Context, tenant string, q webhooks.EndpointQuery) (page storage.Page[webhooks.Endpoint], err error) {
	plan, err := q.Plan(tenant)
	if err != nil {
		return page, err
	}
	at, id := begin(plan)
	from, order := endpointKey(tenant, id), endpointsByCreation
	if from.CreatedAt = at; plan.Sort.Field == "updated_at" {
		from.UpdatedAt, order = at, endpointsByUpdate
	}
	err = s.b.read(ctx, "webhooks.ListEndpoints", func(v view) error {
		page = pageOf(endpointTable, v, order, from, plan, func(row endpointRow) (webhooks.Endpoint, bool) {
			return row.Endpoint, row.Tenant == tenant
		})
		for i, e := range page.Items {
			page.Items[i] = copyEndpoint(e)
		}
		return nil
	})
	return page, err
}

func (s webhookStore) CountEndpoints(ctx context.Context, tenant string, lock bool) (n int64, err error) {
	if err := s.mayLock(ctx, lock); err != nil {
		return 0, err
	}
	err = s.b.read(ctx, "webhooks.CountEndpoints", func(v view) error {
		for row := range endpointTable.ascend(v, 0, endpointRow{Endpoint: webhooks.Endpoint{Tenant: tenant}}) {
			if row.Tenant != tenant {
				break
			}
			n++
		}
		return nil
	})
	return n, err
}

func (s webhookStore) Secrets(ctx context.Context, tenant, endpointID string) (all []webhooks.Secret, err error) {
	err = s.b.read(ctx, "webhooks.Secrets", func(v view) error {
		for _, row := range slices.Backward(secretsOf(v, tenant, endpointID)) {
			row.Sealed = bytes.Clone(row.Sealed)
			all = append(all, row.Secret)
		}
		return nil
	})
	return all, err
}

func (s webhookStore) SetSecrets(ctx context.Context, tenant, endpointID string, all []webhooks.Secret) error {
	return s.b.write(ctx, "webhooks.SetSecrets", func(v view) error {
		if !endpointTable.has(v, endpointKey(tenant, endpointID)) {
			return storage.ErrNotFound
		}
		for _, old := range secretsOf(v, tenant, endpointID) {
			secretTable.delete(v, old)
		}
		for _, secret := range all {
			if err := insertSecret(v, tenant, endpointID, secret); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s webhookStore) ListSecrets(ctx context.Context, tenant string, q webhooks.SecretQuery) (page storage.Page[webhooks.EndpointSecret], err error) {
	limit, err := storage.Limit(q.Limit)
	if err != nil {
		return page, err
	}
	from := secretRow{tenant: tenant}
	if from.endpoint, from.ID, err = q.Position(tenant); err != nil {
		return page, err
	}
	err = s.b.read(ctx, "webhooks.ListSecrets", func(v view) error {
		for row := range secretTable.ascend(v, 0, from) {
			if row.tenant != tenant {
				break
			}
			if row.endpoint == from.endpoint && row.ID == from.ID {
				continue
			}
			if len(page.Items) == limit {
				page.Next = q.Next(tenant, page.Items[limit-1])
				break
			}
			row.Sealed = bytes.Clone(row.Sealed)
			page.Items = append(page.Items, webhooks.EndpointSecret{EndpointID: row.endpoint, Secret: row.Secret})
		}
		return nil
	})
	return page, err
}

func (s webhookStore) ReplaceSealed(ctx context.Context, tenant string, secret webhooks.EndpointSecret, fresh []byte) (replaced bool, err error) {
	err = s.b.write(ctx, "webhooks.ReplaceSealed", func(v view) error {
		row, ok := secretTable.get(v, secretRow{tenant, secret.EndpointID, secret.Secret})
		if !ok || !bytes.Equal(row.Sealed, secret.Sealed) || !endpointTable.has(v, endpointKey(tenant, secret.EndpointID)) {
			return nil
		}
		row.Sealed = bytes.Clone(fresh)
		secretTable.put(v, row)
		replaced = true
		return nil
	})
	return replaced && err == nil, err
}

func (s webhookStore) SetHealth(ctx context.Context, tenant, id string, h webhooks.Health) error {
	return s.b.write(ctx, "webhooks.SetHealth", func(v view) error {
		row, ok := endpointTable.get(v, endpointKey(tenant, id))
		if !ok {
			return nil
		}
		h.FailingSince, h.QuietUntil = stored(h.FailingSince), stored(h.QuietUntil)
		row.health = h
		endpointTable.put(v, row)
		return nil
	})
}

func (s webhookStore) Subscribers(ctx context.Context, tenant string, patterns []string) (ids []string, err error) {
	err = s.b.read(ctx, "webhooks.Subscribers", func(v view) error {
		for _, p := range patterns {
			for row := range subscriptionTable.ascend(v, 0, subscriptionRow{tenant: tenant, pattern: p}) {
				if row.tenant != tenant || row.pattern != p {
					break
				}
				ids = append(ids, row.endpoint)
			}
		}
		slices.Sort(ids)
		ids = slices.Compact(ids)
		return nil
	})
	return ids, err
}

func (s webhookStore) InsertMessage(ctx context.Context, tenant string, m webhooks.Message, deliveries []webhooks.Delivery) (fresh bool, err error) {
	err = s.b.write(ctx, "webhooks.InsertMessage", func(v view) error {
		m.Tenant, m.Body, m.CreatedAt = tenant, bytes.Clone(m.Body), stored(m.CreatedAt)
		if messageTable.has(v, m) {
			return nil
		}
		if err := messageTable.insert(v, m); err != nil {
			return err
		}
		endpoints := map[string]bool{}
		for _, d := range deliveries {
			if endpoints[d.EndpointID] {
				return storage.ErrConflict
			}
			endpoints[d.EndpointID] = true
			if err := deliveryTable.insert(v, storedDelivery(tenant, d)); err != nil {
				return err
			}
		}
		fresh = true
		return nil
	})
	return fresh, err
}

func (s webhookStore) GetMessage(ctx context.Context, tenant, id string) (m webhooks.Message, err error) {
	err = s.b.read(ctx, "webhooks.GetMessage", func(v view) error {
		row, ok := messageTable.get(v, webhooks.Message{Tenant: tenant, ID: id})
		if !ok {
			return storage.ErrNotFound
		}
		m = row
		m.Body = bytes.Clone(row.Body)
		return nil
	})
	return m, err
}

func (s webhookStore) GetDelivery(ctx context.Context, tenant, id string, lock bool) (d webhooks.Delivery, err error) {
	if err := s.mayLock(ctx, lock); err != nil {
		return d, err
	}
	err = s.b.read(ctx, "webhooks.GetDelivery", func(v view) error {
		row, ok := deliveryTable.get(v, webhooks.Delivery{Tenant: tenant, ID: id})
		if !ok {
			return storage.ErrNotFound
		}
		d = row
		return nil
	})
	return d, err
}

func (s webhookStore) PutDelivery(ctx context.Context, tenant string, d webhooks.Delivery) error {
	return s.b.write(ctx, "webhooks.PutDelivery", func(v view) error {
		row, ok := deliveryTable.get(v, webhooks.Delivery{Tenant: tenant, ID: d.ID})
		if !ok {
			return storage.ErrNotFound
		}
		row.Status, row.Held, row.Reason = d.Status, d.Held, d.Reason
		row.Attempts, row.Round, row.Tries = d.Attempts, d.Round, d.Tries
		row.NextAttemptAt, row.UpdatedAt = stored(d.NextAttemptAt), stored(d.UpdatedAt)
		deliveryTable.put(v, row)
		return nil
	})
}

func (s webhookStore) ListDeliveries(ctx context.Context, tenant string, q webhooks.DeliveryQuery) (page storage.Page[webhooks.Delivery], err error) {
	plan, err := q.Plan(tenant)
	if err != nil {
		return page, err
	}
	from := webhooks.Delivery{Tenant: tenant}
	from.CreatedAt, from.ID = begin(plan)
	err = s.b.read(ctx, "webhooks.ListDeliveries", func(v view) error {
		page = pageOf(deliveryTable, v, deliveriesByCreation, from, plan, func(d webhooks.Delivery) (webhooks.Delivery, bool) {
			return d, d.Tenant == tenant
		})
		return nil
	})
	return page, err
}

func (s webhookStore) HeldDeliveries(ctx context.Context, tenant, endpointID string, limit int) (held []webhooks.Delivery, err error) {
	err = s.b.read(ctx, "webhooks.HeldDeliveries", func(v view) error {
		from := webhooks.Delivery{Tenant: tenant, EndpointID: endpointID, Held: true}
		for d := range deliveryTable.ascend(v, deliveriesHeld, from) {
			if d.Tenant != tenant || heldAt(&d) != endpointID || len(held) == limit {
				break
			}
			held = append(held, d)
		}
		return nil
	})
	return held, err
}

func (s webhookStore) InsertAttempt(ctx context.Context, tenant string, a webhooks.Attempt) error {
	return s.b.write(ctx, "webhooks.InsertAttempt", func(v view) error {
		a.Tenant, a.At, a.Response = tenant, stored(a.At), bytes.Clone(a.Response)
		a.Duration = a.Duration.Truncate(time.Microsecond)
		return attemptTable.insert(v, a)
	})
}

func (s webhookStore) Attempts(ctx context.Context, tenant, deliveryID string) (all []webhooks.Attempt, err error) {
	err = s.b.read(ctx, "webhooks.Attempts", func(v view) error {
		from := webhooks.Attempt{Tenant: tenant, DeliveryID: deliveryID, N: 1 << 62}
		for a := range attemptTable.descend(v, 0, from) {
			if a.Tenant != tenant || a.DeliveryID != deliveryID || len(all) == storage.MaxLimit {
				break
			}
			a.Response = bytes.Clone(a.Response)
			all = append(all, a)
		}
		slices.Reverse(all)
		return nil
	})
	return all, err
}

func endpointKey(tenant, id string) endpointRow {
	return endpointRow{Endpoint: webhooks.Endpoint{Tenant: tenant, ID: id}}
}

// endpointAt returns an endpoint at a revision.
func endpointAt(v view, tenant, id string, revision int64) (endpointRow, error) {
	row, ok := endpointTable.get(v, endpointKey(tenant, id))
	switch {
	case !ok:
		return row, storage.ErrNotFound
	case row.Revision != revision:
		return row, storage.ErrConflict
	}
	return row, nil
}

func subscribe(v view, e webhooks.Endpoint) {
	if e.Status != webhooks.Enabled {
		return
	}
	for _, p := range e.EventTypes {
		subscriptionTable.put(v, subscriptionRow{e.Tenant, p, e.ID})
	}
}

func unsubscribe(v view, e webhooks.Endpoint) {
	for _, p := range e.EventTypes {
		subscriptionTable.delete(v, subscriptionRow{e.Tenant, p, e.ID})
	}
}

// secretsOf returns the secrets of an endpoint, oldest first.
func secretsOf(v view, tenant, endpoint string) (all []secretRow) {
	for row := range secretTable.ascend(v, secretsByAge, secretRow{tenant: tenant, endpoint: endpoint}) {
		if row.tenant != tenant || row.endpoint != endpoint {
			break
		}
		all = append(all, row)
	}
	return all
}

func storedEndpoint(tenant string, e webhooks.Endpoint) webhooks.Endpoint {
	e = copyEndpoint(e)
	e.Tenant = tenant
	e.CreatedAt, e.UpdatedAt = stored(e.CreatedAt), stored(e.UpdatedAt)
	e.Timeout = e.Timeout.Truncate(time.Millisecond)
	return e
}

func copyEndpoint(e webhooks.Endpoint) webhooks.Endpoint {
	e.EventTypes = slices.Clone(e.EventTypes)
	return e
}

func storedDelivery(tenant string, d webhooks.Delivery) webhooks.Delivery {
	d.Tenant = tenant
	d.NextAttemptAt, d.CreatedAt, d.UpdatedAt = stored(d.NextAttemptAt), stored(d.CreatedAt), stored(d.UpdatedAt)
	return d
}
