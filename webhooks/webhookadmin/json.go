package webhookadmin

import (
	"time"

	"github.com/lumelle/adminkit/webhooks"
)

// The documents of the surface, as openapi.json describes them.
type (
	endpointInput struct {
		URL         string   `json:"url"`
		EventTypes  []string `json:"event_types"`
		Description string   `json:"description"`
		TimeoutMS   int64    `json:"timeout_ms"`
	}

	endpoint struct {
		ID             string    `json:"id"`
		URL            string    `json:"url"`
		EventTypes     []string  `json:"event_types"`
		Description    string    `json:"description"`
		TimeoutMS      int64     `json:"timeout_ms"`
		Status         string    `json:"status"`
		DisabledReason string    `json:"disabled_reason"`
		Revision       int64     `json:"revision"`
		CreatedAt      time.Time `json:"created_at"`
		UpdatedAt      time.Time `json:"updated_at"`
	}

	createdEndpoint struct {
		endpoint
		Secret string `json:"secret"`
	}

	newSecret struct {
		ID     string `json:"id"`
		Secret string `json:"secret"`
	}

	delivery struct {
		ID            string     `json:"id"`
		MessageID     string     `json:"message_id"`
		EndpointID    string     `json:"endpoint_id"`
		EventType     string     `json:"event_type"`
		Status        string     `json:"status"`
		Held          bool       `json:"held"`
		Reason        string     `json:"reason"`
		NextAttemptAt *time.Time `json:"next_attempt_at"`
		TraceID       string     `json:"trace_id"`
		TraceURL      string     `json:"trace_url"`
		CreatedAt     time.Time  `json:"created_at"`
		UpdatedAt     time.Time  `json:"updated_at"`
	}

	// In a list the attempts are counted, in a detail they are shown.
	countedDelivery struct {
		delivery
		Attempts int `json:"attempts"`
	}

	detailedDelivery struct {
		delivery
		Attempts []attempt `json:"attempts"`
	}

	attempt struct {
		N          int       `json:"n"`
		At         time.Time `json:"at"`
		StatusCode int       `json:"status_code"`
		Class      string    `json:"class"`
		DurationMS int64     `json:"duration_ms"`
		Error      string    `json:"error"`
		TraceID    string    `json:"trace_id"`
		TraceURL   string    `json:"trace_url"`
	}
)

func (in endpointInput) endpoint() webhooks.EndpointInput {
	return webhooks.EndpointInput{
		URL: in.URL, EventTypes: in.EventTypes, Description: in.Description,
		Timeout: time.Duration(min(max(in.TimeoutMS, -1), int64(time.Hour/time.Millisecond))) * time.Millisecond,
	}
}

func endpointOf(e webhooks.Endpoint) endpoint {
	return endpoint{
		ID: e.ID, URL: e.URL, EventTypes: e.EventTypes, Description: e.Description, TimeoutMS: e.Timeout.Milliseconds(),
		Status: e.Status, DisabledReason: e.DisabledReason, Revision: e.Revision, CreatedAt: e.CreatedAt, UpdatedAt: e.UpdatedAt,
	}
}

func (a admin) deliveryOf(d webhooks.Delivery) countedDelivery {
	return countedDelivery{a.headOf(d), d.Attempts}
}

func (a admin) detailOf(d webhooks.Delivery, attempts []webhooks.Attempt) detailedDelivery {
	out := detailedDelivery{a.headOf(d), make([]attempt, len(attempts))}
	for i, t := range attempts {
		out.Attempts[i] = attempt{
			N: t.N, At: t.At, StatusCode: t.StatusCode, Class: t.Class, DurationMS: t.Duration.Milliseconds(),
			Error: t.Error, TraceID: t.TraceID, TraceURL: a.service.TraceLink(t.TraceID),
		}
	}
	return out
}

func (a admin) headOf(d webhooks.Delivery) delivery {
	out := delivery{
		ID: d.ID, MessageID: d.MessageID, EndpointID: d.EndpointID, EventType: d.EventType, Status: d.Status, Held: d.Held,
		Reason: d.Reason, TraceID: d.TraceID, TraceURL: a.service.TraceLink(d.TraceID), CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt,
	}
	if !d.NextAttemptAt.IsZero() {
		out.NextAttemptAt = &d.NextAttemptAt
	}
	return out
}
