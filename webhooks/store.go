package webhooks

import (
	"context"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// A Store keeps endpoints, messages, deliveries and attempts. Every method works in
// the transaction of ctx; a writing method opens one of its own where there is none, so
// that it happens as a whole or not at all. Where InsertMessage or SetSecrets fails in a
// transaction, that or its savepoint has to be rolled back. What another tenant owns is
// storage.ErrNotFound.
//
// Texts and bytes are kept as they are, times to the microsecond and in UTC, durations to
// the microsecond, timeouts to the millisecond. What is given and what is answered are
// copies. Where times are equal, ids decide by their bytes. A list's page has as many
// items as storage.Limit says, and its cursor opens no list of another tenant or filter:
// storage.ErrBadCursor.
//
// Where both an endpoint and its deliveries are locked in one transaction, the
// endpoint comes first.
//
// Package webhookstest has the rules of a Store.
type Store interface {
	EndpointStore
	DeliveryStore
}

// An EndpointStore keeps endpoints, their secrets and their health.
type EndpointStore interface {
	// InsertEndpoint adds an endpoint with its first secret and no health.
	// storage.ErrConflict where the id is taken.
	InsertEndpoint(ctx context.Context, tenant string, e Endpoint, s Secret) error
	// UpdateEndpoint replaces the endpoint with e.ID whose revision is revision; the
	// new one is e.Revision. The time of its creation stays, as do its health and its
	// secrets. storage.ErrConflict where it has another revision, storage.ErrNotFound
	// where there is none.
	UpdateEndpoint(ctx context.Context, tenant string, e Endpoint, revision int64) error
	// DeleteEndpoint removes an endpoint with its secrets and its health, and keeps
	// its deliveries. Errors as UpdateEndpoint.
	DeleteEndpoint(ctx context.Context, tenant, id string, revision int64) error
	// GetEndpoint returns one endpoint and its health. With lock, nobody else changes
	// either until the transaction of ctx ends; without a transaction that is
	// storage.ErrNoTx.
	GetEndpoint(ctx context.Context, tenant, id string, lock bool) (Endpoint, Health, error)
	// ListEndpoints returns the endpoints that q chooses, in its order: that of creation
	// where it names none. Errors are those of EndpointQuery.Plan.
	ListEndpoints(ctx context.Context, tenant string, q EndpointQuery) (storage.Page[Endpoint], error)
	// CountEndpoints returns how many endpoints the tenant has. With lock, nobody else who
	// counts with lock adds one until the transaction of ctx ends; without a transaction
	// that is storage.ErrNoTx.
	CountEndpoints(ctx context.Context, tenant string, lock bool) (int64, error)
	// Secrets returns the secrets of an endpoint, newest first, none where there is
	// no such endpoint.
	Secrets(ctx context.Context, tenant, endpointID string) ([]Secret, error)
	// SetSecrets replaces the secrets of an endpoint, which the caller has locked.
	// storage.ErrConflict where two of them have one id, storage.ErrNotFound where there
	// is no such endpoint.
	SetSecrets(ctx context.Context, tenant, endpointID string, all []Secret) error
	// ListSecrets returns the secrets of all endpoints of a tenant by endpoint and id, for
	// whoever seals them again under another key.
	ListSecrets(ctx context.Context, tenant string, q SecretQuery) (storage.Page[EndpointSecret], error)
	// ReplaceSealed stores fresh in place of what s.Sealed was read as and reports true.
	// Where the secret is gone, or sealed otherwise by now, it changes nothing and reports
	// false. It locks the endpoint, and leaves its revision alone.
	ReplaceSealed(ctx context.Context, tenant string, s EndpointSecret, fresh []byte) (bool, error)
	// SetHealth replaces the health of an endpoint and leaves its revision alone. It
	// does nothing where the endpoint is gone.
	SetHealth(ctx context.Context, tenant, id string, h Health) error
	// Subscribers returns the ids of the enabled endpoints that named one of
	// patterns, each once, in order. Patterns are compared as they are written.
	Subscribers(ctx context.Context, tenant string, patterns []string) ([]string, error)
}

// A DeliveryStore keeps messages, deliveries and attempts.
type DeliveryStore interface {
	// InsertMessage adds a message with its deliveries and reports true; where its id
	// is known it changes nothing and reports false. Two deliveries to one endpoint are
	// storage.ErrConflict, and so is the id of a delivery that is taken.
	InsertMessage(ctx context.Context, tenant string, m Message, deliveries []Delivery) (bool, error)
	// GetMessage returns one message.
	GetMessage(ctx context.Context, tenant, id string) (Message, error)
	// GetDelivery returns one delivery; lock as in GetEndpoint.
	GetDelivery(ctx context.Context, tenant, id string, lock bool) (Delivery, error)
	// PutDelivery replaces what changes of a delivery: status, held, reason,
	// attempts, round, tries, and the times of its next attempt and of this update.
	// storage.ErrNotFound where there is none.
	PutDelivery(ctx context.Context, tenant string, d Delivery) error
	// ListDeliveries returns the deliveries that q chooses, in its order: newest first where
	// it names none. Errors are those of DeliveryQuery.Plan.
	ListDeliveries(ctx context.Context, tenant string, q DeliveryQuery) (storage.Page[Delivery], error)
	// HeldDeliveries returns up to limit held deliveries of an endpoint, oldest
	// first.
	HeldDeliveries(ctx context.Context, tenant, endpointID string, limit int) ([]Delivery, error)
	// InsertAttempt adds an attempt. storage.ErrConflict where its number is taken.
	InsertAttempt(ctx context.Context, tenant string, a Attempt) error
	// Attempts returns the attempts of a delivery in order, at most
	// storage.MaxLimit, the latest ones: none where there is no such delivery.
	Attempts(ctx context.Context, tenant, deliveryID string) ([]Attempt, error)
}

// SecretQuery chooses secrets.
type SecretQuery struct {
	After storage.Cursor
	Limit int
}

// Position returns the endpoint and the id of the secret behind which the list continues,
// both empty for its start, or storage.ErrBadCursor.
func (q SecretQuery) Position(tenant string) (endpointID, id string, err error) {
	key, err := q.After.Key(q.list(tenant), 2)
	if err != nil || key == nil {
		return "", "", err
	}
	return key[0], key[1], nil
}

// Next returns the cursor behind last.
func (q SecretQuery) Next(tenant string, last EndpointSecret) storage.Cursor {
	return storage.NewCursor(q.list(tenant), last.EndpointID, last.ID)
}

func (q SecretQuery) list(tenant string) string { return "webhooks.secrets\x00" + tenant }

// live returns the secrets that sign at now.
func live(all []Secret, now time.Time) []Secret {
	var l []Secret
	for _, s := range all {
		if s.ExpiresAt.IsZero() || now.Before(s.ExpiresAt) {
			l = append(l, s)
		}
	}
	return l
}
