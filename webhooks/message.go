package webhooks

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/lumelle/adminkit/audit/correlation"
)

// A Message is one event as receivers get it. Its body was encoded once, in the
// transaction of the change, and is sent byte for byte ever after.
type Message struct {
	// ID is the webhook-id: stable over all attempts and redeliveries of one event,
	// different between events, derived from tenant, source and id of the event.
	ID     string
	Tenant string
	// EventSource and EventID lead back to the audit event.
	EventSource string
	EventID     string
	EventType   string
	Body        []byte
	// Trace is the trace that the event's work began under.
	Trace     correlation.Trace
	CreatedAt time.Time
}

// messageID derives the webhook-id of an event. A hash keeps what the host put into
// its ids out of a header, and full stops out of the signed content.
func messageID(tenant, source, id string) string {
	h := sha256.New()
	for _, s := range []string{tenant, source, id} {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	return "msg_" + hex.EncodeToString(h.Sum(nil)[:16])
}

// The statuses of a delivery.
const (
	// Pending deliveries wait for their next attempt, or are held while their
	// endpoint is disabled.
	Pending = "pending"
	// Succeeded deliveries were accepted by the receiver.
	Succeeded = "succeeded"
	// Failed deliveries used up their attempts, were blocked or lost. Only a redelivery
	// tries them again.
	Failed = "failed"
	// Cancelled deliveries lost their endpoint before they succeeded.
	Cancelled = "cancelled"
)

// Statuses returns the statuses of a delivery.
func Statuses() []string { return []string{Pending, Succeeded, Failed, Cancelled} }

// Why a delivery ended without success.
const (
	// ReasonExhausted: every attempt of the schedule failed.
	ReasonExhausted = "exhausted"
	// ReasonBlocked: the destination may not be reached from here.
	ReasonBlocked = "blocked"
	// ReasonLost: the process that made the attempt died again and again.
	ReasonLost = "lost"
	// ReasonDeleted: the endpoint was deleted.
	ReasonDeleted = "endpoint_deleted"
)

// A Delivery is one message on its way to one endpoint.
type Delivery struct {
	ID         string
	Tenant     string
	MessageID  string
	EndpointID string
	EventType  string
	// Status is [Pending], [Succeeded], [Failed] or [Cancelled].
	Status string
	// Held is true for a pending delivery whose endpoint is disabled. It is resumed
	// when the endpoint is enabled.
	Held bool
	// Reason says why a failed or cancelled delivery ended.
	Reason string
	// Attempts counts the attempts that were recorded, over all rounds.
	Attempts int
	// Round counts the redeliveries. Each begins the retry schedule anew, and Tries
	// counts the attempts of the current one. The work of an earlier round is void.
	Round, Tries int
	// NextAttemptAt is when the next attempt is due, zero where none is.
	NextAttemptAt time.Time
	// TraceID is the trace of the message.
	TraceID   string
	CreatedAt time.Time
	UpdatedAt time.Time
}

// An Attempt is one request to a receiver and what came of it. It is never changed.
type Attempt struct {
	Tenant     string
	DeliveryID string
	// N counts the attempts of the delivery from 1.
	N int
	// At is when it began.
	At time.Time
	// Duration is how long it took until the answer was read or given up.
	Duration time.Duration
	// StatusCode is what the receiver answered, 0 where it did not.
	StatusCode int
	// Class sorts the outcome; the constants Class... name them.
	Class string
	// Error is a short text for the owner of the endpoint, empty on success. It says
	// nothing about the network behind the name.
	Error string
	// Response is the beginning of the receiver's answer, for operators: it may hold
	// what the endpoint's owner must not see of other systems.
	Response []byte
	// TraceID and SpanID are the span of the attempt.
	TraceID string
	SpanID  string
}
