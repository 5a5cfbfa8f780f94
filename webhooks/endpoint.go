package webhooks

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
)

// The statuses of an endpoint.
const (
	// Enabled endpoints get a delivery of every message they subscribe to.
	Enabled = "enabled"
	// Disabled endpoints get none; what they had waiting is held.
	Disabled = "disabled"
)

// Why an endpoint is disabled, where nobody gave a reason of their own.
const (
	// ReasonManual stands where a person gave no other text.
	ReasonManual = "manual"
	// ReasonFailing: nothing but failures for too long, or too many in a row.
	ReasonFailing = "failing"
	// ReasonGone: the receiver answered 410.
	ReasonGone = "gone"
)

// Limits of an endpoint.
const (
	// MaxURL is the longest URL in bytes.
	MaxURL = 2048
	// MaxPatterns is how many event types or prefixes an endpoint may name.
	MaxPatterns = 100
	// MaxDescription is the longest description in bytes.
	MaxDescription = storage.MaxID
	// MinTimeout and MaxTimeout bound the time a receiver has for its answer.
	MinTimeout = time.Second
	MaxTimeout = 30 * time.Second
)

// An Endpoint is a receiver that a tenant registered.
type Endpoint struct {
	ID     string
	Tenant string
	// URL is where attempts go. What it may be is the Deliverer's choice.
	URL string
	// EventTypes are the types it gets: exact ("lumelle.orders.v1.refunded") or all
	// below a prefix ("lumelle.orders.v1.*", "*"). Sorted, without repetition.
	EventTypes  []string
	Description string
	// Timeout is how long the receiver may take for its answer; zero is the
	// Service's default.
	Timeout time.Duration
	// Status is [Enabled] or [Disabled], and DisabledReason says why the latter.
	Status         string
	DisabledReason string
	// Revision counts the changes, from 1. An update names the one it was made for.
	Revision  int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Health is what recent attempts say of an endpoint. It is no part of its revision.
type Health struct {
	// Failures counts the failed attempts since the last success.
	Failures int
	// FailingSince is when the first of them ended, zero where there is none.
	FailingSince time.Time
	// QuietUntil is the earliest time of the next attempt to the endpoint, zero for
	// now. A receiver that is overloaded sets it.
	QuietUntil time.Time
}

// A Secret is one signing secret of an endpoint as it is stored: sealed.
type Secret struct {
	ID string
	// Sealed is the secret under the Service's Sealer, bound to tenant and ID.
	Sealed    []byte
	CreatedAt time.Time
	// ExpiresAt ends its use for signing; zero is never.
	ExpiresAt time.Time
}

// An EndpointSecret is a secret with the endpoint it belongs to.
type EndpointSecret struct {
	EndpointID string
	Secret
}

// EndpointInput is what a caller says of an endpoint.
type EndpointInput struct {
	// ID is the id of an endpoint to be created, for callers that repeat a creation
	// safely; empty is a fresh one. Updates ignore it.
	ID          string
	URL         string
	EventTypes  []string
	Description string
	// Timeout is zero for the default, else between [MinTimeout] and [MaxTimeout].
	Timeout time.Duration
}

// check returns the input with its event types in order, or what is wrong with it as
// a *storage.InvalidError. Whether the URL may be used is the Deliverer's to say.
func (in EndpointInput) check() (EndpointInput, error) {
	var bad *storage.InvalidError
	add := func(err error) {
		if e, ok := err.(*storage.InvalidError); ok {
			for _, f := range e.Fields {
				bad = bad.Add(f.Pointer, f.Message)
			}
		}
	}
	if in.URL == "" {
		bad = bad.Add("/url", "must not be empty")
	} else {
		add(storage.CheckText("/url", in.URL, MaxURL))
	}
	if in.ID != "" {
		add(storage.CheckID("/id", in.ID))
	}
	add(storage.CheckText("/description", in.Description, MaxDescription))
	if in.Timeout != 0 && (in.Timeout < MinTimeout || in.Timeout > MaxTimeout) {
		bad = bad.Add("/timeout_ms", "must be between 1 and 30 seconds")
	}
	switch n := len(in.EventTypes); {
	case n == 0:
		bad = bad.Add("/event_types", "must name at least one event type")
	case n > MaxPatterns:
		bad = bad.Add("/event_types", "names more than 100 event types")
	default:
		for i, p := range in.EventTypes {
			if message := audit.CheckTypePattern(p); message != "" {
				bad = bad.Add(pointer("/event_types", i), message)
			}
		}
	}
	if err := bad.Err(); err != nil {
		return in, err
	}
	in.EventTypes = slices.Clone(in.EventTypes)
	slices.Sort(in.EventTypes)
	in.EventTypes = slices.Compact(in.EventTypes)
	return in, nil
}

// inputJSON is what a caller said of an endpoint, as the payload of an event has it.
type inputJSON struct {
	ID          string   `json:"id,omitempty"`
	URL         string   `json:"url"`
	EventTypes  []string `json:"event_types"`
	Description string   `json:"description,omitempty"`
	TimeoutMS   int64    `json:"timeout_ms,omitempty"`
}

// endpointJSON is an endpoint as audit events keep it.
type endpointJSON struct {
	inputJSON
	Status         string `json:"status"`
	DisabledReason string `json:"disabled_reason,omitempty"`
	Revision       int64  `json:"revision"`
}

// record returns the endpoint as the before or after of an event.
func (e Endpoint) record() json.RawMessage {
	said := inputJSON{ID: e.ID, URL: e.URL, EventTypes: e.EventTypes, Description: e.Description, TimeoutMS: e.Timeout.Milliseconds()}
	return encode(endpointJSON{said, e.Status, e.DisabledReason, e.Revision})
}

// payload returns the input as the payload of an event: what an approval is bound to.
func (in EndpointInput) payload() json.RawMessage {
	return encode(inputJSON{
		ID: in.ID, URL: in.URL, EventTypes: in.EventTypes, Description: in.Description, TimeoutMS: in.Timeout.Milliseconds(),
	})
}

// unmadeID is the id of the resource of a creation that names none, until it is made: the
// same for the same URL. A hash, because a URL may be longer than an id, and a secret of
// its receiver's.
func unmadeID(url string) string {
	h := sha256.Sum256([]byte(url))
	return "url_" + hex.EncodeToString(h[:16])
}
