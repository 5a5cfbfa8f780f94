package egress

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/webhooks"
	"github.com/lumelle/adminkit/webhooks/signing"
)

// Config adjusts a [Deliverer]. Its zero value delivers to public addresses over https
// only.
type Config struct {
	// Allow are prefixes that may be reached though they are not public. To them plain
	// http and any port are allowed too.
	Allow []netip.Prefix
	// AllowHTTP allows plain http to public addresses.
	AllowHTTP bool
	// Ports are those of public addresses that may be reached; empty is 443 and 80.
	Ports []uint16
	// Resolver finds addresses; nil is the system's.
	Resolver Resolver
	// Dial connects to an address and port that were checked; nil is a net.Dialer that
	// checks the address of the socket once more.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS adds root certificates and the like; nil is the system's. It must verify,
	// and allows TLS 1.2 at the lowest.
	TLS *tls.Config
	// UserAgent is what receivers see; empty is "adminkit-webhooks".
	UserAgent string
	// Tracer gets a span a request; nil is correlation.Untraced.
	Tracer correlation.Tracer
	// Now is the clock that dates in Retry-After are measured by; nil is the system's.
	Now func() time.Time
}

// maxHeader bounds the head of an answer in bytes.
const maxHeader = 64 << 10

// A Deliverer makes attempts over HTTP/1.1. It is safe for concurrent use. It keeps
// connections to receivers open between attempts; Close ends them.
type Deliverer struct {
	cfg       Config
	guard     *guard
	transport *http.Transport
}

var (
	_ webhooks.Deliverer  = (*Deliverer)(nil)
	_ webhooks.URLChecker = (*Deliverer)(nil)
)

// New makes a Deliverer.
func New(cfg Config) (*Deliverer, error) {
	for _, p := range cfg.Allow {
		if !p.IsValid() {
			return nil, fmt.Errorf("egress: Allow holds %q, which is no prefix", p)
		}
	}
	tlsConfig := &tls.Config{}
	if cfg.TLS != nil {
		tlsConfig = cfg.TLS.Clone()
	}
	if tlsConfig.InsecureSkipVerify {
		return nil, errors.New("egress: TLS does not verify receivers; add their root to RootCAs instead")
	}
	tlsConfig.MinVersion = max(tlsConfig.MinVersion, tls.VersionTLS12)
	cfg.Allow, cfg.Ports = slices.Clone(cfg.Allow), slices.Clone(cfg.Ports)
	if len(cfg.Ports) == 0 {
		cfg.Ports = []uint16{443, 80}
	}
	if cfg.Resolver == nil {
		cfg.Resolver = net.DefaultResolver
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "adminkit-webhooks"
	}
	if cfg.Tracer == nil {
		cfg.Tracer = correlation.Untraced
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	d := &Deliverer{cfg: cfg, guard: newGuard(cfg.Allow, cfg.Ports)}
	if d.cfg.Dial == nil {
		d.cfg.Dial = (&net.Dialer{ControlContext: d.control}).DialContext
	}
	d.transport = &http.Transport{
		Proxy:                  nil, // a proxy would dial unchecked
		DialContext:            d.dial,
		TLSClientConfig:        tlsConfig,
		DisableCompression:     true, // a small answer must not unpack to a large one
		MaxResponseHeaderBytes: maxHeader,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        time.Minute,
	}
	return d, nil
}

// Close ends the connections that are idle. Attempts that run go on.
func (d *Deliverer) Close(context.Context) error {
	d.transport.CloseIdleConnections()
	return nil
}

// errTimeout is the cause of a ctx that ended because the receiver was too slow.
var errTimeout = errors.New("the receiver was too slow")

// Deliver implements webhooks.Deliverer.
func (d *Deliverer) Deliver(ctx context.Context, r webhooks.Request) webhooks.Result {
	ctx, span := d.cfg.Tracer.Start(ctx, webhooks.SpanHTTP, r.Attributes()...)
	result := d.post(ctx, r)
	span.Set(result.Attributes()...)
	span.End(result.Err())
	return result
}

func (d *Deliverer) post(ctx context.Context, r webhooks.Request) webhooks.Result {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var handshakeFailed atomic.Bool
	req, failed := d.request(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) { handshakeFailed.Store(err != nil) },
	}), r)
	if failed != nil {
		return *failed
	}
	timeout := r.Timeout
	if timeout <= 0 {
		timeout = webhooks.DefaultTimeout
	}
	timer := time.AfterFunc(timeout, func() { cancel(errTimeout) })
	defer timer.Stop()
	// RoundTrip instead of a client: it follows nothing and keeps no cookies.
	resp, err := d.transport.RoundTrip(req)
	if err == nil && !timer.Stop() {
		resp.Body.Close()
		err = errTimeout
	}
	if err != nil {
		return classifyError(ctx, err, handshakeFailed.Load())
	}
	// The verdict stands with the head of the answer. What comes now is for the log.
	timer.Reset(webhooks.Grace)
	result := classifyStatus(resp.StatusCode)
	if result.Outcome != webhooks.Accepted {
		result.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), d.cfg.Now())
	}
	result.Response = readSome(resp.Body)
	return result
}

// request builds the request of an attempt. Where that cannot be, it says how the
// attempt failed.
func (d *Deliverer) request(ctx context.Context, r webhooks.Request) (*http.Request, *webhooks.Result) {
	u, problem := d.parse(r.URL)
	if problem != "" {
		result := blocked()
		return nil, &result
	}
	signature, err := signing.Sign(r.Keys, r.MessageID, r.At, r.Body)
	if err != nil {
		return nil, &webhooks.Result{Class: webhooks.ClassInternal, Error: "the message could not be signed"}
	}
	if u.Scheme == "http" {
		ctx = context.WithValue(ctx, plainKey{}, true)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(r.Body))
	if err != nil {
		result := blocked()
		return nil, &result
	}
	h := req.Header
	h.Set("Content-Type", r.ContentType)
	h.Set("User-Agent", d.cfg.UserAgent)
	h.Set(signing.HeaderID, r.MessageID)
	h.Set(signing.HeaderTimestamp, strconv.FormatInt(r.At.Unix(), 10))
	h.Set(signing.HeaderSignature, signature)
	if t := correlation.From(ctx); t.Valid() {
		h.Set("Traceparent", t.Traceparent())
		if t.State != "" {
			h.Set("Tracestate", t.State)
		}
	}
	return req, nil
}

// readSome returns the beginning of a body and closes it.
func readSome(body io.ReadCloser) []byte {
	defer body.Close()
	// An error ends the reading and changes nothing: the answer was given.
	b, _ := io.ReadAll(io.LimitReader(body, webhooks.MaxResponse+1))
	return b[:min(len(b), webhooks.MaxResponse)]
}
