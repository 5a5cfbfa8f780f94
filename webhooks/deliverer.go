package webhooks

import (
	"context"
	"time"

	"github.com/lumelle/adminkit/webhooks/signing"
)

// A Deliverer performs one attempt and classifies it. Package egress delivers over
// HTTP; package webhookstest holds the conformance suite for others that do.
//
// One that hands messages to something else, such as a broker, answers [Accepted] once
// that has them for good, [Blocked] for a URL it has no way to, and [Retry] with a
// Class and an Error for everything that may pass.
//
// Deliver makes exactly one attempt: it never repeats, never follows a redirect, and
// returns by the deadline of ctx at the latest. It is called concurrently. It never
// panics in its right mind; where it does, the attempt counts as failed.
//
// A Deliverer may also be a [URLChecker].
type Deliverer interface {
	Deliver(ctx context.Context, r Request) Result
}

// A URLChecker refuses destinations when they are registered. It is an optional power
// of a [Deliverer], found by type assertion. It makes life friendlier and nothing
// safer: what a name resolves to is known when it is dialled, and checked there.
type URLChecker interface {
	// CheckURL reports what makes url unfit, in a *storage.InvalidError whose
	// pointers are relative to the url itself. It does not use the network.
	CheckURL(url string) error
}

// A Request is one attempt to make.
type Request struct {
	Tenant     string
	EndpointID string
	URL        string
	// MessageID is the webhook-id, the same for every attempt of one message.
	MessageID   string
	DeliveryID  string
	EventType   string
	ContentType string
	Body        []byte
	// N counts the attempts of the delivery from 1.
	N int
	// At is the time of this attempt: the webhook-timestamp.
	At time.Time
	// Timeout is how long the receiver may take for its answer.
	Timeout time.Duration
	// Keys are the live signing keys, newest first.
	Keys []signing.Key
}

// An Outcome is what an attempt means for its delivery. The zero value retries.
type Outcome uint8

// The outcomes of an attempt.
const (
	// Retry: it failed and may be repeated.
	Retry Outcome = iota
	// Accepted: the receiver took the message.
	Accepted
	// Blocked: the destination may not be reached. It is not repeated.
	Blocked
	// Gone: the receiver wants nothing any more. Its endpoint is disabled.
	Gone
)

// String returns the word of the outcome.
func (o Outcome) String() string {
	switch o {
	case Accepted:
		return "accepted"
	case Blocked:
		return "blocked"
	case Gone:
		return "gone"
	default:
		return "retry"
	}
}

// The classes of an attempt.
const (
	ClassSuccess   = "success"   // the receiver took it
	ClassRedirect  = "redirect"  // 3xx, never followed
	ClassGone      = "gone"      // 410
	ClassMediaType = "mediatype" // 415: the endpoint is configured for something else
	ClassThrottled = "throttled" // 429, 502 or 504
	ClassStatus    = "status"    // any other answer that is not 2xx
	ClassTimeout   = "timeout"   // no answer in time
	ClassDNS       = "dns"       // the name was not resolved
	ClassConnect   = "connect"   // no connection
	ClassTLS       = "tls"       // no trusted connection
	ClassProtocol  = "protocol"  // an answer that could not be understood
	ClassBlocked   = "blocked"   // the destination may not be reached from here
	ClassInternal  = "internal"  // the deliverer itself failed
	ClassLost      = "lost"      // its process died; no Deliverer answers this
)

// A Result is what came of an attempt.
type Result struct {
	Outcome Outcome
	// Class is one of the constants Class....
	Class string
	// StatusCode is what the receiver answered, 0 where it did not.
	StatusCode int
	// Error is a short sentence for the owner of the endpoint, empty on success. It
	// names no address and no internal error.
	Error string
	// RetryAfter is how long the receiver asked to be left alone, zero where it did
	// not. It is a floor of the next attempt.
	RetryAfter time.Duration
	// Throttle says that the receiver is overloaded: no attempt of any of its
	// deliveries is made for a while.
	Throttle bool
	// Response is the beginning of the answer's body, at most [MaxResponse] bytes.
	Response []byte
}

// MaxResponse is how much of an answer is kept, in bytes.
const MaxResponse = 16 << 10

// MaxError is how much of the text of an attempt is kept, in bytes.
const MaxError = 1024

// DefaultTimeout is how long a receiver may take for its answer by default.
const DefaultTimeout = 10 * time.Second

// Grace is how long an attempt may go on after [Request.Timeout], to read the answer's
// body. Then its ctx ends.
const Grace = 5 * time.Second
