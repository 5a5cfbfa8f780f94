package webhooks

import (
	"context"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// A Store keeps endpoints, messages, deliveries and attempts. Every method works in
// the transaction of ctx; a writing method opens one of its own where there is none.
// What another tenant owns is storage.ErrNotFound.
//
// Where both an endpoint and its deliveries are locked in one transaction, the
// endpoint comes first.
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
	// new one is e.Revision. storage.ErrConflict where it has another,
	// storage.ErrNotFound where there is none.
	UpdateEndpoint(ctx context.Context, tenant string, e Endpoint, revision int64) error
	// DeleteEndpoint removes an endpoint with its secrets and its health, and keeps
	// its deliveries. Errors as UpdateEndpoint.
	DeleteEndpoint(ctx context.Context, tenant, id string, revision int64) error
	// GetEndpoint returns one endpoint and its health. With lock, nobody else changes
	// either until the transaction of ctx ends; without a transaction that is
	// storage.ErrNoTx.
	GetEndpoint(ctx context.Context, tenant, id string, lock bool) (Endpoint, Health, error)
	// ListEndpoints returns endpoints in order of creation.
	ListEndpoints(ctx context.Context, tenant string, q EndpointQuery) (storage.Page[Endpoint], error)
	// Secrets returns the secrets of an endpoint, newest first, none where there is
	// no such endpoint.
	Secrets(ctx context.Context, tenant, endpointID string) ([]Secret, error)
	// SetHealth replaces the health of an endpoint and leaves its revision alone. It
	// does nothing where the endpoint is gone.
	SetHealth(ctx context.Context, tenant, id string, h Health) error
	// Subscribers returns the ids of the enabled endpoints that named one of
	// patterns, each once, in order.
	Subscribers(ctx context.Context, tenant string, patterns []string) ([]string, error)
}

// A DeliveryStore keeps messages, deliveries and attempts.
type DeliveryStore interface {
	// InsertMessage adds a message with its deliveries and reports true; where its id
	// is known it changes nothing and reports false.
	InsertMessage(ctx context.Context, tenant string, m Message, deliveries []Delivery) (bool, error)
	// GetMessage returns one message.
	GetMessage(ctx context.Context, tenant, id string) (Message, error)
	// GetDelivery returns one delivery; lock as in GetEndpoint.
	GetDelivery(ctx context.Context, tenant, id string, lock bool) (Delivery, error)
	// PutDelivery replaces what changes of a delivery: status, held, reason,
	// attempts, round, tries and times. storage.ErrNotFound where there is none.
	PutDelivery(ctx context.Context, tenant string, d Delivery) error
	// ListDeliveries returns deliveries, newest first.
	ListDeliveries(ctx context.Context, tenant string, q DeliveryQuery) (storage.Page[Delivery], error)
	// HeldDeliveries returns up to limit held deliveries of an endpoint, oldest
	// first.
	HeldDeliveries(ctx context.Context, tenant, endpointID string, limit int) ([]Delivery, error)
	// InsertAttempt adds an attempt. storage.ErrConflict where its number is taken.
	InsertAttempt(ctx context.Context, tenant string, a Attempt) error
	// Attempts returns the attempts of a delivery in order, at most
	// storage.MaxLimit, the latest ones.
	Attempts(ctx context.Context, tenant, deliveryID string) ([]Attempt, error)
}

// EndpointQuery chooses endpoints.
type EndpointQuery struct {
	After storage.Cursor
	Limit int
}

// DeliveryQuery chooses deliveries. Empty fields choose all.
type DeliveryQuery struct {
	EndpointID string
	EventType  string
	Status     string
	TraceID    string
	MessageID  string
	After      storage.Cursor
	Limit      int
}

// ListName binds cursors of ListEndpoints to the tenant. Authors of a Store use it so
// that a cursor of one opens in another.
func (q EndpointQuery) ListName(tenant string) string {
	return "webhooks.endpoints\x00" + tenant
}

// ListName binds cursors of ListDeliveries to the tenant and the filter.
func (q DeliveryQuery) ListName(tenant string) string {
	return "webhooks.deliveries\x00" + tenant + "\x00" + q.EndpointID + "\x00" + q.EventType +
		"\x00" + q.Status + "\x00" + q.TraceID + "\x00" + q.MessageID
}

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
