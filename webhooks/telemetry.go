package webhooks

import (
	"errors"
	"log/slog"
)

// The spans of one attempt: the outer one covers reading the endpoint's secrets to the
// classified result, the inner one the request of a Deliverer that speaks HTTP.
const (
	SpanDelivery = "delivery_attempt"
	SpanHTTP     = "http_attempt"
)

// The attributes of both spans. Ids are the same over all attempts of a delivery.
const (
	AttrTenant       = "org_id"
	AttrSource       = "app_id"
	AttrEndpoint     = "endpoint_id"
	AttrDelivery     = "delivery_id"
	AttrMessage      = "msg_id"
	AttrEvent        = "msg_event_id"
	AttrEventType    = "event_type"
	AttrAttemptCount = "attempt_count"
	// AttrStatus is the class of the outcome.
	AttrStatus = "status"
	// AttrStatusCode stands where a receiver answered.
	AttrStatusCode = "http.response.status_code"
)

// attributes describes an attempt before it is made.
func (r Request) attributes(m Message) []slog.Attr {
	return append(r.Attributes(), slog.String(AttrSource, m.EventSource), slog.String(AttrEvent, m.EventID))
}

// Attributes describes the attempt for a span of a Deliverer.
func (r Request) Attributes() []slog.Attr {
	return []slog.Attr{
		slog.String(AttrTenant, r.Tenant),
		slog.String(AttrEndpoint, r.EndpointID),
		slog.String(AttrDelivery, r.DeliveryID),
		slog.String(AttrMessage, r.MessageID),
		slog.String(AttrEventType, r.EventType),
		slog.Int(AttrAttemptCount, r.N),
	}
}

// Attributes describes what came of an attempt, for a span.
func (r Result) Attributes() []slog.Attr {
	attrs := []slog.Attr{slog.String(AttrStatus, r.Class)}
	if r.StatusCode != 0 {
		attrs = append(attrs, slog.Int(AttrStatusCode, r.StatusCode))
	}
	return attrs
}

// Err is what a span of the attempt ends with: nil where the message was accepted, else
// an error that names the class.
func (r Result) Err() error {
	if r.Outcome == Accepted {
		return nil
	}
	return errors.New(r.Class)
}
