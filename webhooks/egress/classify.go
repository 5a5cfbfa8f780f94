package egress

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lumelle/adminkit/webhooks"
)

// classifyStatus sorts an answer by its status.
func classifyStatus(code int) webhooks.Result {
	r := webhooks.Result{StatusCode: code, Class: webhooks.ClassStatus, Error: fmt.Sprintf("the receiver answered %d", code)}
	switch {
	case code >= 200 && code <= 299:
		r.Outcome, r.Class, r.Error = webhooks.Accepted, webhooks.ClassSuccess, ""
	case code >= 300 && code <= 399:
		r.Class = webhooks.ClassRedirect
		r.Error = fmt.Sprintf("the receiver answered %d; redirects are not followed, register the address it leads to", code)
	case code == http.StatusGone:
		r.Outcome, r.Class = webhooks.Gone, webhooks.ClassGone
	case code == http.StatusUnsupportedMediaType:
		r.Class = webhooks.ClassMediaType
		r.Error = "the receiver answered 415; it has to accept " + webhooks.ContentType
	case code == http.StatusTooManyRequests, code == http.StatusBadGateway, code == http.StatusGatewayTimeout:
		r.Class, r.Throttle = webhooks.ClassThrottled, true
	}
	return r
}

// classifyError sorts what went wrong before there was an answer.
func classifyError(ctx context.Context, err error, handshakeFailed bool) webhooks.Result {
	var dial *dialError
	var dns *net.DNSError
	var network net.Error
	switch {
	case errors.Is(err, ErrBlocked):
		return blocked()
	case errors.Is(context.Cause(ctx), errTimeout), errors.Is(err, errTimeout),
		errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return webhooks.Result{Class: webhooks.ClassTimeout, Error: "the receiver did not answer in time", Throttle: true}
	case errors.As(err, &dns):
		return webhooks.Result{Class: webhooks.ClassDNS, Error: "the name of the receiver could not be resolved"}
	case errors.As(err, &dial):
		return webhooks.Result{Class: webhooks.ClassConnect, Error: "no connection to the receiver"}
	case handshakeFailed:
		return webhooks.Result{Class: webhooks.ClassTLS, Error: "no trusted connection to the receiver"}
	}
	return webhooks.Result{Class: webhooks.ClassProtocol, Error: "the receiver gave no answer that could be understood"}
}

func blocked() webhooks.Result {
	return webhooks.Result{
		Outcome: webhooks.Blocked, Class: webhooks.ClassBlocked, Error: "the destination may not be reached by webhooks",
	}
}

// maxRetryAfter bounds what a receiver can ask for, before the schedule bounds it
// further.
const maxRetryAfter = 30 * 24 * time.Hour

// retryAfter reads a Retry-After header: seconds, whole or with a fraction and rounded
// up, or an HTTP date. Anything else, and a time that has passed, is zero.
func retryAfter(s string, now time.Time) time.Duration {
	s = strings.Trim(s, " \t")
	if s == "" {
		return 0
	}
	if strings.Trim(s, "0123456789.") == "" {
		seconds, err := strconv.ParseFloat(s, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return 0
		}
		if seconds = math.Ceil(seconds); seconds < maxRetryAfter.Seconds() {
			return time.Duration(seconds) * time.Second
		}
		return maxRetryAfter
	}
	at, err := http.ParseTime(s)
	if err != nil {
		return 0
	}
	return max(0, min(at.Sub(now), maxRetryAfter))
}
