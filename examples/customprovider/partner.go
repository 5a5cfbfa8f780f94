package customprovider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/webhooks"
	"github.com/lumelle/adminkit/webhooks/signing"
)

// A Partner is a deliverer for a house that knows its receivers: it reaches the hosts
// that its operator listed, and nothing else. Its connections are not kept.
type Partner struct {
	hosts     []string
	transport *http.Transport
}

var _ webhooks.Deliverer = (*Partner)(nil)

// NewPartner returns a deliverer that reaches hosts, by name or address, on any port.
func NewPartner(hosts ...string) (*Partner, error) {
	if len(hosts) == 0 || slices.Contains(hosts, "") {
		return nil, errors.New("customprovider: a partner needs its hosts, by name or address")
	}
	return &Partner{slices.Clone(hosts), &http.Transport{DisableKeepAlives: true, DisableCompression: true}}, nil
}

// errSlow ends an attempt whose receiver took too long.
var errSlow = errors.New("the receiver was too slow")

// Deliver implements webhooks.Deliverer: one call, one request.
func (p *Partner) Deliver(ctx context.Context, r webhooks.Request) webhooks.Result {
	u, err := url.Parse(r.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || !slices.Contains(p.hosts, u.Hostname()) {
		return webhooks.Result{Outcome: webhooks.Blocked, Class: webhooks.ClassBlocked, Error: "the destination is not listed"}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, r.Timeout, errSlow)
	defer cancel()
	req, err := request(ctx, u, r)
	if err != nil {
		return webhooks.Result{Class: webhooks.ClassInternal, Error: "the message could not be signed"}
	}
	// A RoundTripper follows no redirect and repeats nothing that has a body.
	resp, err := p.transport.RoundTrip(req)
	if err != nil {
		return unanswered(ctx, err)
	}
	// The answer stands with its head. Of the body the beginning is worth keeping, and
	// no more than a moment's waiting.
	late := time.AfterFunc(webhooks.Grace, cancel)
	defer late.Stop()
	defer resp.Body.Close()
	result := answered(resp)
	body, _ := io.ReadAll(io.LimitReader(resp.Body, webhooks.MaxResponse)) // what came is kept
	result.Response = body
	return result
}

// request is the attempt as Standard Webhooks wants it, with the trace of ctx.
func request(ctx context.Context, u *url.URL, r webhooks.Request) (*http.Request, error) {
	signature, err := signing.Sign(r.Keys, r.MessageID, r.At, r.Body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", r.ContentType)
	req.Header.Set(signing.HeaderID, r.MessageID)
	req.Header.Set(signing.HeaderTimestamp, strconv.FormatInt(r.At.Unix(), 10))
	req.Header.Set(signing.HeaderSignature, signature)
	if trace := correlation.From(ctx); trace.Valid() {
		req.Header.Set("traceparent", trace.Traceparent())
	}
	return req, nil
}

// answered classifies what a receiver said.
func answered(resp *http.Response) webhooks.Result {
	code := resp.StatusCode
	result := webhooks.Result{StatusCode: code, Class: webhooks.ClassStatus, Error: fmt.Sprintf("the partner answered %d", code)}
	switch {
	case code >= 200 && code <= 299:
		return webhooks.Result{Outcome: webhooks.Accepted, StatusCode: code, Class: webhooks.ClassSuccess}
	case code == http.StatusGone:
		result.Outcome, result.Class = webhooks.Gone, webhooks.ClassGone
	case code == http.StatusTooManyRequests, code == http.StatusBadGateway, code == http.StatusGatewayTimeout:
		result.Class, result.Throttle = webhooks.ClassThrottled, true
	}
	result.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	return result
}

// unanswered classifies an attempt without an answer. What the system said stays inside.
func unanswered(ctx context.Context, err error) webhooks.Result {
	var dial *net.OpError
	switch {
	case errors.Is(context.Cause(ctx), errSlow):
		return webhooks.Result{Class: webhooks.ClassTimeout, Error: "the partner did not answer in time", Throttle: true}
	case errors.As(err, &dial) && dial.Op == "dial":
		return webhooks.Result{Class: webhooks.ClassConnect, Error: "the partner could not be reached"}
	}
	return webhooks.Result{Class: webhooks.ClassProtocol, Error: "the partner gave no answer"}
}

// retryAfter reads what a receiver asks for: seconds, a fraction rounded up, or a date.
// What says nothing is zero. The Service bounds it.
func retryAfter(text string, now time.Time) time.Duration {
	if text != "" && strings.Trim(text, "0123456789.") == "" {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return 0
		}
		return time.Duration(math.Ceil(min(seconds, (24*time.Hour).Seconds()))) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return max(0, at.Sub(now))
}
