package sqlstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/webhooks"
)

// Webhooks returns the store of package webhooks.
func (s *Stores) Webhooks() webhooks.Store { return &webhookStore{DB: s.db} }

type webhookStore struct{ DB }

var _ webhooks.Store = (*webhookStore)(nil)

func (s *webhookStore) InsertEndpoint(ctx context.Context, tenant string, e webhooks.Endpoint, secret webhooks.Secret) error {
	types, err := json.Marshal(e.EventTypes)
	if err != nil {
		return fmt.Errorf("event types: %w", err)
	}
	return join(ctx, s, func(ctx context.Context, conn storage.Conn) error {
		n, err := conn.Exec(ctx, `
INSERT INTO adminkit_webhooks_endpoint (
	tenant, id, url, event_types, description, timeout_ms, status, disabled_reason,
	revision, created_at, updated_at, failures, failing_since, quiet_until
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, 0, 0)
ON CONFLICT (tenant, id) DO NOTHING`,
			tenant, e.ID, e.URL, types, e.Description, e.Timeout.Milliseconds(), e.Status, e.DisabledReason,
			e.Revision, micros(e.CreatedAt), micros(e.UpdatedAt))
		if err != nil {
			return err
		}
		if n == 0 {
			return storage.ErrConflict
		}
		if err := subscribe(ctx, conn, tenant, e); err != nil {
			return err
		}
		return insertSecret(ctx, conn, tenant, e.ID, secret)
	})
}

func insertSecret(ctx context.Context, conn storage.Conn, tenant, endpointID string, secret webhooks.Secret) error {
	_, err := conn.Exec(ctx, `
INSERT INTO adminkit_webhooks_secret (tenant, endpoint_id, id, sealed, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)`,
		tenant, endpointID, secret.ID, secret.Sealed, micros(secret.CreatedAt), micros(secret.ExpiresAt))
	return err
}

// subscribe replaces the patterns of an endpoint: none while it is disabled, so that a
// fan-out reads nothing but them.
func subscribe(ctx context.Context, conn storage.Conn, tenant string, e webhooks.Endpoint) error {
	if _, err := conn.Exec(ctx, `
DELETE FROM adminkit_webhooks_subscription WHERE tenant = $1 AND endpoint_id = $2`,
		tenant, e.ID); err != nil {
		return err
	}
	if e.Status != webhooks.Enabled {
		return nil
	}
	for _, p := range e.EventTypes {
		if _, err := conn.Exec(ctx, `
INSERT INTO adminkit_webhooks_subscription (tenant, pattern, endpoint_id) VALUES ($1, $2, $3)`,
			tenant, p, e.ID); err != nil {
			return err
		}
	}
	return nil
}

const anEndpoint = `
SELECT 1 FROM adminkit_webhooks_endpoint WHERE tenant = $1 AND id = $2`

func (s *webhookStore) UpdateEndpoint(ctx context.Context, tenant string, e webhooks.Endpoint, revision int64) error {
	types, err := json.Marshal(e.EventTypes)
	if err != nil {
		return fmt.Errorf("event types: %w", err)
	}
	return join(ctx, s, func(ctx context.Context, conn storage.Conn) error {
		n, err := conn.Exec(ctx, `
UPDATE adminkit_webhooks_endpoint
SET url = $4, event_types = $5, description = $6, timeout_ms = $7, status = $8, disabled_reason = $9,
	revision = $10, updated_at = $11
WHERE tenant = $1 AND id = $2 AND revision = $3`,
			tenant, e.ID, revision, e.URL, types, e.Description, e.Timeout.Milliseconds(), e.Status, e.DisabledReason,
			e.Revision, micros(e.UpdatedAt))
		if err != nil {
			return err
		}
		if n == 0 {
			return moved(ctx, conn, anEndpoint, tenant, e.ID)
		}
		return subscribe(ctx, conn, tenant, e)
	})
}

func (s *webhookStore) DeleteEndpoint(ctx context.Context, tenant, id string, revision int64) error {
	return join(ctx, s, func(ctx context.Context, conn storage.Conn) error {
		n, err := conn.Exec(ctx, `
DELETE FROM adminkit_webhooks_endpoint WHERE tenant = $1 AND id = $2 AND revision = $3`,
			tenant, id, revision)
		if err != nil {
			return err
		}
		if n == 0 {
			return moved(ctx, conn, anEndpoint, tenant, id)
		}
		if err := deleteSecrets(ctx, conn, tenant, id); err != nil {
			return err
		}
		return subscribe(ctx, conn, tenant, webhooks.Endpoint{ID: id})
	})
}

const endpointColumns = `
SELECT id, url, event_types, description, timeout_ms, status, disabled_reason, revision,
	created_at, updated_at, failures, failing_since, quiet_until
FROM adminkit_webhooks_endpoint`

func scanEndpoint(rows storage.Rows, tenant string) (webhooks.Endpoint, webhooks.Health, error) {
	e := webhooks.Endpoint{Tenant: tenant}
	var h webhooks.Health
	var types []byte
	var timeout, created, updated, failing, quiet int64
	if err := rows.Scan(&e.ID, &e.URL, &types, &e.Description, &timeout, &e.Status, &e.DisabledReason, &e.Revision,
		&created, &updated, &h.Failures, &failing, &quiet); err != nil {
		return e, h, fmt.Errorf("scan an endpoint: %w", err)
	}
	if err := json.Unmarshal(types, &e.EventTypes); err != nil {
		return e, h, fmt.Errorf("event types of endpoint %s: %w", e.ID, err)
	}
	e.Timeout = time.Duration(timeout) * time.Millisecond
	e.CreatedAt, e.UpdatedAt = fromMicros(created), fromMicros(updated)
	h.FailingSince, h.QuietUntil = fromMicros(failing), fromMicros(quiet)
	return e, h, nil
}

func (s *webhookStore) GetEndpoint(ctx context.Context, tenant, id string, lock bool) (e webhooks.Endpoint, h webhooks.Health, err error) {
	conn, end, err := reader(ctx, s, lock)
	if err != nil {
		return e, h, err
	}
	err = one(ctx, conn, endpointColumns+`
WHERE tenant = $1 AND id = $2`+end, []any{tenant, id}, func(rows storage.Rows) error {
		e, h, err = scanEndpoint(rows, tenant)
		return err
	})
	return e, h, err
}

// endpointsListed are the endpoints of the tenant $1.
var endpointsListed = listed{
	query: endpointColumns + `
WHERE tenant = $1`,
	columns: map[string]string{
		"id": "id", "url": "url", "description": "description", "status": "status", "disabled_reason": "disabled_reason",
		"created_at": "created_at", "updated_at": "updated_at",
	},
	id: "id",
}

func (s *webhookStore) ListEndpoints(ctx context.Context, tenant string, q webhooks.EndpointQuery) (storage.Page[webhooks.Endpoint], error) {
	plan, err := q.Plan(tenant)
	if err != nil {
		return storage.Page[webhooks.Endpoint]{}, err
	}
	return page(ctx, s, endpointsListed, plan, func(rows storage.Rows) (webhooks.Endpoint, error) {
		e, _, err := scanEndpoint(rows, tenant)
		return e, err
	}, tenant)
}

func (s *webhookStore) CountEndpoints(ctx context.Context, tenant string, lock bool) (int64, error) {
	return count(ctx, s, tenant, "endpoints", lock, `
SELECT COUNT(*) FROM adminkit_webhooks_endpoint WHERE tenant = $1`, tenant)
}

func (s *webhookStore) Secrets(ctx context.Context, tenant, endpointID string) (all []webhooks.Secret, err error) {
	conn, err := s.Reader(ctx)
	if err != nil {
		return nil, err
	}
	err = each(ctx, conn, `
SELECT id, sealed, created_at, expires_at FROM adminkit_webhooks_secret
WHERE tenant = $1 AND endpoint_id = $2
ORDER BY created_at DESC, id DESC`,
		[]any{tenant, endpointID}, func(rows storage.Rows) error {
			var secret webhooks.Secret
			var created, expires int64
			if err := rows.Scan(&secret.ID, &secret.Sealed, &created, &expires); err != nil {
				return fmt.Errorf("scan a secret: %w", err)
			}
			secret.Sealed = bytes.Clone(secret.Sealed)
			secret.CreatedAt, secret.ExpiresAt = fromMicros(created), fromMicros(expires)
			all = append(all, secret)
			return nil
		})
	return all, err
}

func (s *webhookStore) SetSecrets(ctx context.Context, tenant, endpointID string, all []webhooks.Secret) error {
	return join(ctx, s, func(ctx context.Context, conn storage.Conn) error {
		var one int
		if err := storage.QueryRow(ctx, conn, anEndpoint, []any{tenant, endpointID}, &one); err != nil {
			return err
		}
		if err := deleteSecrets(ctx, conn, tenant, endpointID); err != nil {
			return err
		}
		for _, secret := range all {
			if err := insertSecret(ctx, conn, tenant, endpointID, secret); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *webhookStore) ListSecrets(ctx context.Context, tenant string, q webhooks.SecretQuery) (page storage.Page[webhooks.EndpointSecret], err error) {
	limit, err := storage.Limit(q.Limit)
	if err != nil {
		return page, err
	}
	endpointID, id, err := q.Position(tenant)
	if err != nil {
		return page, err
	}
	conn, err := s.Reader(ctx)
	if err != nil {
		return page, err
	}
	all, err := scanAll(ctx, conn, func(rows storage.Rows) (secret webhooks.EndpointSecret, err error) {
		var created, expires int64
		if err := rows.Scan(&secret.EndpointID, &secret.ID, &secret.Sealed, &created, &expires); err != nil {
			return secret, fmt.Errorf("scan a secret: %w", err)
		}
		secret.Sealed = bytes.Clone(secret.Sealed)
		secret.CreatedAt, secret.ExpiresAt = fromMicros(created), fromMicros(expires)
		return secret, nil
	}, `
SELECT endpoint_id, id, sealed, created_at, expires_at FROM adminkit_webhooks_secret
WHERE tenant = $1 AND (endpoint_id, id) > ($2, $3)
ORDER BY endpoint_id, id LIMIT $4`,
		tenant, endpointID, id, limit+1)
	return pageOf(all, limit, func(last webhooks.EndpointSecret) storage.Cursor { return q.Next(tenant, last) }), err
}

// ReplaceSealed locks the endpoint first: whoever reads its secrets to write them back, as
// a rotation does, holds that lock.
func (s *webhookStore) ReplaceSealed(ctx context.Context, tenant string, secret webhooks.EndpointSecret, fresh []byte) (replaced bool, err error) {
	err = join(ctx, s, func(ctx context.Context, conn storage.Conn) error {
		var locked int
		err := storage.QueryRow(ctx, conn, `
SELECT 1 FROM adminkit_webhooks_endpoint WHERE tenant = $1 AND id = $2`+s.Dialect().ForUpdate,
			[]any{tenant, secret.EndpointID}, &locked)
		if errors.Is(err, storage.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		n, err := conn.Exec(ctx, `
UPDATE adminkit_webhooks_secret SET sealed = $5
WHERE tenant = $1 AND endpoint_id = $2 AND id = $3 AND sealed = $4`,
			tenant, secret.EndpointID, secret.ID, secret.Sealed, fresh)
		replaced = n == 1
		return err
	})
	return replaced && err == nil, err
}

func deleteSecrets(ctx context.Context, conn storage.Conn, tenant, endpointID string) error {
	_, err := conn.Exec(ctx, `
DELETE FROM adminkit_webhooks_secret WHERE tenant = $1 AND endpoint_id = $2`,
		tenant, endpointID)
	return err
}

func (s *webhookStore) SetHealth(ctx context.Context, tenant, id string, h webhooks.Health) error {
	return join(ctx, s, func(ctx context.Context, conn storage.Conn) error {
		_, err := conn.Exec(ctx, `
UPDATE adminkit_webhooks_endpoint SET failures = $3, failing_since = $4, quiet_until = $5
WHERE tenant = $1 AND id = $2`,
			tenant, id, h.Failures, micros(h.FailingSince), micros(h.QuietUntil))
		return err
	})
}

func (s *webhookStore) Subscribers(ctx context.Context, tenant string, patterns []string) (ids []string, err error) {
	conn, err := s.Reader(ctx)
	if err != nil {
		return nil, err
	}
	err = each(ctx, conn, `
SELECT DISTINCT endpoint_id FROM adminkit_webhooks_subscription
WHERE tenant = $1 AND pattern `+s.Dialect().In(2)+`
ORDER BY endpoint_id`,
		[]any{tenant, s.Dialect().List(patterns)}, func(rows storage.Rows) error {
			var id string
			if err := rows.Scan(&id); err != nil {
				return fmt.Errorf("scan a subscriber: %w", err)
			}
			ids = append(ids, id)
			return nil
		})
	return ids, err
}

func (s *webhookStore) InsertMessage(ctx context.Context, tenant string, m webhooks.Message, deliveries []webhooks.Delivery) (fresh bool, err error) {
	err = join(ctx, s, func(ctx context.Context, conn storage.Conn) error {
		if s.Dialect().Postgres {
			fresh, err = insertFanOut(ctx, conn, tenant, m, deliveries)
			return err
		}
		n, err := conn.Exec(ctx, `
INSERT INTO adminkit_webhooks_message (
	tenant, id, event_source, event_id, event_type, body, trace_id, span_id, trace_flags, trace_state, created_at
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (tenant, id) DO NOTHING`,
			tenant, m.ID, m.EventSource, m.EventID, m.EventType, m.Body,
			m.Trace.TraceID, m.Trace.SpanID, int64(m.Trace.Flags), m.Trace.State, micros(m.CreatedAt))
		if err != nil || n == 0 {
			return err
		}
		for _, d := range deliveries {
			if _, err := conn.Exec(ctx, `
INSERT INTO adminkit_webhooks_delivery (
	tenant, id, message_id, endpoint_id, event_type, status, held, reason,
	attempts, round, tries, next_attempt_at, trace_id, created_at, updated_at
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
				tenant, d.ID, d.MessageID, d.EndpointID, d.EventType, d.Status, d.Held, d.Reason,
				d.Attempts, d.Round, d.Tries, micros(d.NextAttemptAt), d.TraceID, micros(d.CreatedAt), micros(d.UpdatedAt)); err != nil {
				return err
			}
		}
		fresh = true
		return nil
	})
	return fresh, err
}

// insertFanOut is InsertMessage in one statement, for Postgres, where each costs a round
// trip while the host's change holds its locks.
func insertFanOut(ctx context.Context, conn storage.Conn, tenant string, m webhooks.Message, deliveries []webhooks.Delivery) (fresh bool, err error) {
	type row struct {
		ID            string `json:"id"`
		MessageID     string `json:"message_id"`
		EndpointID    string `json:"endpoint_id"`
		EventType     string `json:"event_type"`
		Status        string `json:"status"`
		Held          bool   `json:"held"`
		Reason        string `json:"reason"`
		Attempts      int    `json:"attempts"`
		Round         int    `json:"round"`
		Tries         int    `json:"tries"`
		NextAttemptAt int64  `json:"next_attempt_at"`
		TraceID       string `json:"trace_id"`
		CreatedAt     int64  `json:"created_at"`
		UpdatedAt     int64  `json:"updated_at"`
	}
	rows := make([]row, len(deliveries))
	for i, d := range deliveries {
		rows[i] = row{
			d.ID, d.MessageID, d.EndpointID, d.EventType, d.Status, d.Held, d.Reason, d.Attempts, d.Round, d.Tries,
			micros(d.NextAttemptAt), d.TraceID, micros(d.CreatedAt), micros(d.UpdatedAt),
		}
	}
	list, err := json.Marshal(rows)
	if err != nil {
		return false, fmt.Errorf("deliveries: %w", err)
	}
	err = storage.QueryRow(ctx, conn, `
WITH message AS (
	INSERT INTO adminkit_webhooks_message (
		tenant, id, event_source, event_id, event_type, body, trace_id, span_id, trace_flags, trace_state, created_at
	) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
	ON CONFLICT (tenant, id) DO NOTHING RETURNING id),
delivery AS (
	INSERT INTO adminkit_webhooks_delivery (
		tenant, id, message_id, endpoint_id, event_type, status, held, reason,
		attempts, round, tries, next_attempt_at, trace_id, created_at, updated_at)
	SELECT $1, d.id, d.message_id, d.endpoint_id, d.event_type, d.status, d.held, d.reason,
		d.attempts, d.round, d.tries, d.next_attempt_at, d.trace_id, d.created_at, d.updated_at
	FROM message CROSS JOIN json_to_recordset($12::json) AS d (
		id text, message_id text, endpoint_id text, event_type text, status text, held boolean, reason text,
		attempts bigint, round bigint, tries bigint, next_attempt_at bigint, trace_id text, created_at bigint, updated_at bigint))
SELECT EXISTS (SELECT 1 FROM message)`,
		[]any{
			tenant, m.ID, m.EventSource, m.EventID, m.EventType, m.Body,
			m.Trace.TraceID, m.Trace.SpanID, int64(m.Trace.Flags), m.Trace.State, micros(m.CreatedAt), string(list),
		}, &fresh)
	return fresh, err
}

func (s *webhookStore) GetMessage(ctx context.Context, tenant, id string) (webhooks.Message, error) {
	m := webhooks.Message{Tenant: tenant}
	conn, err := s.Reader(ctx)
	if err != nil {
		return webhooks.Message{}, err
	}
	var trace correlation.Trace
	var flags, created int64
	err = storage.QueryRow(ctx, conn, `
SELECT id, event_source, event_id, event_type, body, trace_id, span_id, trace_flags, trace_state, created_at
FROM adminkit_webhooks_message
WHERE tenant = $1 AND id = $2`,
		[]any{tenant, id}, &m.ID, &m.EventSource, &m.EventID, &m.EventType, &m.Body,
		&trace.TraceID, &trace.SpanID, &flags, &trace.State, &created)
	if err != nil {
		return webhooks.Message{}, err
	}
	trace.Flags = byte(flags)
	m.Trace, m.CreatedAt = trace, fromMicros(created)
	return m, nil
}

const deliveryColumns = `
SELECT id, message_id, endpoint_id, event_type, status, held, reason, attempts, round, tries,
	next_attempt_at, trace_id, created_at, updated_at
FROM adminkit_webhooks_delivery`

func scanDelivery(rows storage.Rows, tenant string) (webhooks.Delivery, error) {
	d := webhooks.Delivery{Tenant: tenant}
	var next, created, updated int64
	if err := rows.Scan(&d.ID, &d.MessageID, &d.EndpointID, &d.EventType, &d.Status, &d.Held, &d.Reason,
		&d.Attempts, &d.Round, &d.Tries, &next, &d.TraceID, &created, &updated); err != nil {
		return d, fmt.Errorf("scan a delivery: %w", err)
	}
	d.NextAttemptAt, d.CreatedAt, d.UpdatedAt = fromMicros(next), fromMicros(created), fromMicros(updated)
	return d, nil
}

func (s *webhookStore) GetDelivery(ctx context.Context, tenant, id string, lock bool) (d webhooks.Delivery, err error) {
	conn, end, err := reader(ctx, s, lock)
	if err != nil {
		return d, err
	}
	err = one(ctx, conn, deliveryColumns+`
WHERE tenant = $1 AND id = $2`+end, []any{tenant, id}, func(rows storage.Rows) error {
		d, err = scanDelivery(rows, tenant)
		return err
	})
	return d, err
}

func (s *webhookStore) PutDelivery(ctx context.Context, tenant string, d webhooks.Delivery) error {
	return join(ctx, s, func(ctx context.Context, conn storage.Conn) error {
		n, err := conn.Exec(ctx, `
UPDATE adminkit_webhooks_delivery
SET status = $3, held = $4, reason = $5, attempts = $6, round = $7, tries = $8, next_attempt_at = $9, updated_at = $10
WHERE tenant = $1 AND id = $2`,
			tenant, d.ID, d.Status, d.Held, d.Reason, d.Attempts, d.Round, d.Tries, micros(d.NextAttemptAt), micros(d.UpdatedAt))
		if err == nil && n == 0 {
			return storage.ErrNotFound
		}
		return err
	})
}

// deliveriesListed are the deliveries of the tenant $1.
var deliveriesListed = listed{
	query: deliveryColumns + `
WHERE tenant = $1`,
	columns: map[string]string{
		"id": "id", "message_id": "message_id", "endpoint_id": "endpoint_id", "event_type": "event_type", "status": "status",
		"held": "held", "reason": "reason", "trace_id": "trace_id", "next_attempt_at": "next_attempt_at", "created_at": "created_at",
	},
	id: "id",
}

func (s *webhookStore) ListDeliveries(ctx context.Context, tenant string, q webhooks.DeliveryQuery) (storage.Page[webhooks.Delivery], error) {
	plan, err := q.Plan(tenant)
	if err != nil {
		return storage.Page[webhooks.Delivery]{}, err
	}
	return page(ctx, s, deliveriesListed, plan, func(rows storage.Rows) (webhooks.Delivery, error) { return scanDelivery(rows, tenant) }, tenant)
}

func (s *webhookStore) HeldDeliveries(ctx context.Context, tenant, endpointID string, limit int) (held []webhooks.Delivery, err error) {
	conn, err := s.Reader(ctx)
	if err != nil {
		return nil, err
	}
	err = each(ctx, conn, deliveryColumns+`
WHERE tenant = $1 AND endpoint_id = $2 AND held
ORDER BY created_at, id LIMIT $3`,
		[]any{tenant, endpointID, limit}, func(rows storage.Rows) error {
			d, err := scanDelivery(rows, tenant)
			held = append(held, d)
			return err
		})
	return held, err
}

func (s *webhookStore) InsertAttempt(ctx context.Context, tenant string, a webhooks.Attempt) error {
	return join(ctx, s, func(ctx context.Context, conn storage.Conn) error {
		n, err := conn.Exec(ctx, `
INSERT INTO adminkit_webhooks_attempt (
	tenant, delivery_id, n, at, duration_us, status_code, class, error, response, trace_id, span_id
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (tenant, delivery_id, n) DO NOTHING`,
			tenant, a.DeliveryID, a.N, micros(a.At), a.Duration.Microseconds(), a.StatusCode, a.Class, a.Error,
			a.Response, a.TraceID, a.SpanID)
		if err == nil && n == 0 {
			return storage.ErrConflict
		}
		return err
	})
}

func (s *webhookStore) Attempts(ctx context.Context, tenant, deliveryID string) (all []webhooks.Attempt, err error) {
	conn, err := s.Reader(ctx)
	if err != nil {
		return nil, err
	}
	err = each(ctx, conn, `
SELECT n, at, duration_us, status_code, class, error, response, trace_id, span_id
FROM adminkit_webhooks_attempt
WHERE tenant = $1 AND delivery_id = $2
ORDER BY n DESC LIMIT $3`,
		[]any{tenant, deliveryID, storage.MaxLimit}, func(rows storage.Rows) error {
			a := webhooks.Attempt{Tenant: tenant, DeliveryID: deliveryID}
			var at, took int64
			if err := rows.Scan(&a.N, &at, &took, &a.StatusCode, &a.Class, &a.Error, &a.Response, &a.TraceID, &a.SpanID); err != nil {
				return fmt.Errorf("scan an attempt: %w", err)
			}
			a.At, a.Duration = fromMicros(at), time.Duration(took)*time.Microsecond
			a.Response = bytes.Clone(a.Response)
			all = append(all, a)
			return nil
		})
	slices.Reverse(all)
	return all, err
}
