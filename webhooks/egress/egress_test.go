package egress_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/webhooks"
	"github.com/lumelle/adminkit/webhooks/egress"
	"github.com/lumelle/adminkit/webhooks/signing"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func deliverer(t *testing.T, cfg egress.Config) *egress.Deliverer {
	t.Helper()
	d, err := egress.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close(context.WithoutCancel(t.Context())) })
	return d
}

func request(t *testing.T, url string) webhooks.Request {
	t.Helper()
	key, err := signing.ParseKey("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	if err != nil {
		t.Fatal(err)
	}
	return webhooks.Request{
		Tenant: "acme", EndpointID: "e1", URL: url, MessageID: "msg_1", DeliveryID: "d1", EventType: "lumelle.orders.v1.refunded",
		ContentType: webhooks.ContentType, Body: []byte(`{"id":"1"}`), N: 2, At: time.Unix(1700000000, 0), Timeout: 10 * time.Second,
		Keys: []signing.Key{key},
	}
}

func TestStatusesAreClassified(t *testing.T) {
	for _, c := range []struct {
		status   int
		header   string
		outcome  webhooks.Outcome
		class    string
		throttle bool
		after    time.Duration
	}{
		{200, "", webhooks.Accepted, webhooks.ClassSuccess, false, 0},
		{204, "60", webhooks.Accepted, webhooks.ClassSuccess, false, 0},
		{299, "", webhooks.Accepted, webhooks.ClassSuccess, false, 0},
		{302, "", webhooks.Retry, webhooks.ClassRedirect, false, 0},
		{304, "", webhooks.Retry, webhooks.ClassRedirect, false, 0},
		{400, "", webhooks.Retry, webhooks.ClassStatus, false, 0},
		{404, "", webhooks.Retry, webhooks.ClassStatus, false, 0},
		{410, "", webhooks.Gone, webhooks.ClassGone, false, 0},
		{415, "", webhooks.Retry, webhooks.ClassMediaType, false, 0},
		{429, "120", webhooks.Retry, webhooks.ClassThrottled, true, 2 * time.Minute},
		{500, "1.2", webhooks.Retry, webhooks.ClassStatus, false, 2 * time.Second},
		{502, "", webhooks.Retry, webhooks.ClassThrottled, true, 0},
		{503, "-5", webhooks.Retry, webhooks.ClassStatus, false, 0},
		{504, "soon", webhooks.Retry, webhooks.ClassThrottled, true, 0},
		{599, "Fri, 31 Dec 1999 23:59:59 GMT", webhooks.Retry, webhooks.ClassStatus, false, 0},
	} {
		t.Run(fmt.Sprint(c.status), func(t *testing.T) {
			requests := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests++
				if c.header != "" {
					w.Header().Set("Retry-After", c.header)
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
			}))
			defer server.Close()
			got := deliverer(t, egress.Config{Allow: loopback}).Deliver(t.Context(), request(t, server.URL))
			if got.Outcome != c.outcome || got.Class != c.class || got.StatusCode != c.status || got.Throttle != c.throttle || got.RetryAfter != c.after {
				t.Errorf("got %+v, want %+v", got, c)
			}
			if requests != 1 {
				t.Errorf("the receiver saw %d requests, want 1", requests)
			}
			if (got.Error == "") != (c.outcome == webhooks.Accepted) {
				t.Errorf("got error text %q", got.Error)
			}
		})
	}
}

func TestRequestCarriesWhatReceiversNeed(t *testing.T) {
	seen := make(chan *http.Request, 1)
	bodies := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		bodies <- string(b)
		seen <- r
		io.WriteString(w, "thanks")
	}))
	defer server.Close()
	trace := correlation.Trace{TraceID: "0af7651916cd43dd8448eb211c80319c", SpanID: "b7ad6b7169203331", Flags: 1, State: "vendor=1"}
	r := request(t, server.URL+"/in?x=1")
	got := deliverer(t, egress.Config{Allow: loopback}).Deliver(correlation.With(t.Context(), trace), r)
	if got.Outcome != webhooks.Accepted || string(got.Response) != "thanks" {
		t.Fatalf("got %+v", got)
	}
	req := <-seen
	if body := <-bodies; body != string(r.Body) {
		t.Errorf("got body %q", body)
	}
	if req.Method != "POST" || req.URL.String() != "/in?x=1" || req.Header.Get("Content-Type") != "application/cloudevents+json" {
		t.Errorf("got %s %s %v", req.Method, req.URL, req.Header)
	}
	if id, at := req.Header.Get("webhook-id"), req.Header.Get("webhook-timestamp"); id != "msg_1" || at != "1700000000" {
		t.Errorf("got id %q at %q", id, at)
	}
	if !signing.Match(r.Keys, "msg_1", "1700000000", r.Body, req.Header.Get("webhook-signature")) {
		t.Errorf("the signature does not match: %q", req.Header.Get("webhook-signature"))
	}
	sent, ok := correlation.Parse(req.Header.Get("traceparent"))
	if !ok || sent.TraceID != trace.TraceID || sent.SpanID == trace.SpanID || req.Header.Get("tracestate") != "vendor=1" {
		t.Errorf("got traceparent %q, tracestate %q", req.Header.Get("traceparent"), req.Header.Get("tracestate"))
	}
	if e := req.Header.Get("Accept-Encoding"); e != "" {
		t.Errorf("compressed answers are asked for: %q", e)
	}
}

// TestReceiverHasItsTimeAndNoMore talks over a pipe in a bubble, where ten seconds
// take none.
func TestReceiverHasItsTimeAndNoMore(t *testing.T) {
	for _, c := range []struct {
		name            string
		timeout, answer time.Duration
		body            time.Duration
		want            string
		took            time.Duration
	}{
		{"an answer after 9.9 s is in time", 10 * time.Second, 9900 * time.Millisecond, 0, webhooks.ClassSuccess, 9900 * time.Millisecond},
		{"an answer after 10.1 s is too late", 10 * time.Second, 10100 * time.Millisecond, 0, webhooks.ClassTimeout, 10 * time.Second},
		{"no time given means ten seconds", 0, 10100 * time.Millisecond, 0, webhooks.ClassTimeout, 10 * time.Second},
		{"an endpoint may ask for more time", 30 * time.Second, 29 * time.Second, 0, webhooks.ClassSuccess, 29 * time.Second},
		{"an endpoint may ask for less time", time.Second, 1100 * time.Millisecond, 0, webhooks.ClassTimeout, time.Second},
		{"a body that never ends costs five seconds and not the success", 10 * time.Second, time.Second, time.Hour, webhooks.ClassSuccess, 6 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				over := make(chan struct{})
				defer close(over)
				wait := func(d time.Duration) {
					select {
					case <-time.After(d):
					case <-over:
					}
				}
				d, err := egress.New(egress.Config{
					AllowHTTP: true,
					Resolver:  answers{{netip.MustParseAddr("1.1.1.1")}},
					Dial: func(context.Context, string, string) (net.Conn, error) {
						client, server := net.Pipe()
						go func() {
							defer server.Close()
							req, err := http.ReadRequest(bufio.NewReader(server))
							if err != nil {
								return
							}
							io.Copy(io.Discard, req.Body)
							wait(c.answer)
							io.WriteString(server, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
							wait(c.body)
							io.WriteString(server, "ok")
						}()
						return client, nil
					},
				})
				if err != nil {
					t.Fatal(err)
				}
				defer d.Close(t.Context())
				r := request(t, "http://hooks.example.test/in")
				r.Timeout = c.timeout
				began := time.Now()
				got := d.Deliver(t.Context(), r)
				if took := time.Since(began); got.Class != c.want || took != c.took {
					t.Errorf("got %s after %v, want %s after %v", got.Class, took, c.want, c.took)
				}
			})
		})
	}
}

// answers is a scripted resolver: one list a look-up, the last one for ever.
type answers [][]netip.Addr

func (a answers) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	if len(a) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: "hidden.example.test", IsNotFound: true}
	}
	return a[0], nil
}

func TestFailuresAreClassifiedWithoutTellingTheNetwork(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	defer untrusted.Close()
	for _, c := range []struct {
		name, url, want string
		cfg             egress.Config
	}{
		{"a name without addresses", "https://hidden.example.test/", webhooks.ClassDNS, egress.Config{Resolver: answers{}}},
		{"nobody listens", "http://" + closed.Addr().String(), webhooks.ClassConnect, egress.Config{Allow: loopback}},
		{"a certificate of nobody we know", untrusted.URL, webhooks.ClassTLS, egress.Config{Allow: loopback}},
		{"something that is not HTTP", speaker(t, "SSH-2.0-x\r\n"), webhooks.ClassProtocol, egress.Config{Allow: loopback}},
		{"a connection that closes without an answer", speaker(t, ""), webhooks.ClassProtocol, egress.Config{Allow: loopback}},
		{"a status line that is none", speaker(t, "HTTP/1.1 abc OK\r\n\r\n"), webhooks.ClassProtocol, egress.Config{Allow: loopback}},
		{"a head that is too long", speaker(t, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 1<<17)+"\r\n\r\n"), webhooks.ClassProtocol, egress.Config{Allow: loopback}},
		{"a public http address", "http://1.1.1.1/", webhooks.ClassBlocked, egress.Config{}},
		{"a private address", "https://10.0.0.1/", webhooks.ClassBlocked, egress.Config{}},
		{"a port of another service", "https://8.8.8.8:22/", webhooks.ClassBlocked, egress.Config{}},
		{"a name behind http that leads outside of what was opened", "http://hooks.example.test/", webhooks.ClassBlocked, egress.Config{Allow: loopback, Resolver: answers{{netip.MustParseAddr("1.1.1.1")}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := deliverer(t, c.cfg).Deliver(t.Context(), request(t, c.url))
			if got.Class != c.want || (got.Outcome == webhooks.Blocked) != (c.want == webhooks.ClassBlocked) || got.Outcome == webhooks.Accepted {
				t.Errorf("got %+v, want class %s", got, c.want)
			}
			for _, secret := range []string{"127.0.0.1", "10.0.0.1", "refused", "x509", "hidden", "1.1.1.1"} {
				if got.Error == "" || strings.Contains(got.Error, secret) {
					t.Errorf("the text tells too much or nothing: %q", got.Error)
				}
			}
		})
	}
}

func TestNastyReceiversCostOneAttempt(t *testing.T) {
	long := strings.Repeat("x", 1<<16)
	for _, c := range []struct {
		name, answer, class string
	}{
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nfine", webhooks.ClassSuccess},
		{"a body that breaks off", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfine", webhooks.ClassSuccess},
		{"a body that is longer than it says", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nfine and more", webhooks.ClassSuccess},
		{"a second answer behind the first", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", webhooks.ClassSuccess},
		{"a chunk that is none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", webhooks.ClassSuccess},
		{"early hints before the answer", "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", webhooks.ClassSuccess},
		{"something that looks packed", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nfine", webhooks.ClassSuccess},
		{"early hints without end", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: "+long[:1<<12]+"\r\n\r\n", 64), webhooks.ClassProtocol},
		{"ten thousand headers", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Y: zzzzzzzz\r\n", 10000) + "\r\n", webhooks.ClassProtocol},
		{"a cookie that is too large", "HTTP/1.1 200 OK\r\nSet-Cookie: a=" + long + "\r\n\r\n", webhooks.ClassProtocol},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", webhooks.ClassProtocol},
		{"a status beyond all", "HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n", webhooks.ClassStatus},
		{"a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", webhooks.ClassProtocol},
		{"an answer to nothing", "\r\n\r\n", webhooks.ClassProtocol},
		{"an upgrade nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", webhooks.ClassStatus},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := deliverer(t, egress.Config{Allow: loopback}).Deliver(t.Context(), request(t, speaker(t, c.answer)))
			if got.Class != c.class || (got.Outcome == webhooks.Accepted) != (c.class == webhooks.ClassSuccess) {
				t.Errorf("got %+v, want class %s", got, c.class)
			}
		})
	}
}

// speaker answers every connection with text, whatever it is asked, and returns its
// URL.
func speaker(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			// The request is read whole, so that closing does not reset what was said.
			if req, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				io.Copy(io.Discard, req.Body)
			}
			io.WriteString(c, text)
			c.Close()
		}
	}()
	return "http://" + l.Addr().String()
}

func TestAnswersAreKeptInPart(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(500)
		io.WriteString(w, strings.Repeat("x", 1<<20))
	}))
	defer server.Close()
	got := deliverer(t, egress.Config{Allow: loopback}).Deliver(t.Context(), request(t, server.URL))
	if len(got.Response) != webhooks.MaxResponse || got.StatusCode != 500 {
		t.Errorf("kept %d bytes of a %d", len(got.Response), got.StatusCode)
	}
}

func TestCancelledAttemptReturnsAtOnce(t *testing.T) {
	release := make(chan struct{})
	arrived := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-release
	}))
	defer server.Close()
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan webhooks.Result, 1)
	go func() { done <- deliverer(t, egress.Config{Allow: loopback}).Deliver(ctx, request(t, server.URL)) }()
	<-arrived
	cancel()
	if got := <-done; got.Outcome != webhooks.Retry {
		t.Errorf("got %+v", got)
	}
}

func TestNewRefusesWhatWouldNotBeSafe(t *testing.T) {
	if _, err := egress.New(egress.Config{TLS: &tls.Config{InsecureSkipVerify: true}}); err == nil {
		t.Error("a deliverer that trusts anybody was made")
	}
	if _, err := egress.New(egress.Config{Allow: []netip.Prefix{{}}}); err == nil {
		t.Error("an invalid prefix was accepted")
	}
}

func TestCheckURL(t *testing.T) {
	public := deliverer(t, egress.Config{})
	open := deliverer(t, egress.Config{Allow: loopback})
	for _, c := range []struct {
		url          string
		public, open bool
	}{
		{"https://hooks.example.com/in?token=1", true, true},
		{"https://hooks.example.com:443/", true, true},
		{"https://8.8.8.8/", true, true},
		{"https://[2606:4700:4700::1111]/", true, true},
		{"https://sub_domain.example.com./", true, true},
		{"http://hooks.example.com/", false, true}, // a name may lead into what was opened
		{"http://8.8.8.8/", false, false},
		{"http://127.0.0.1:9999/", false, true},
		{"https://127.0.0.1/", false, true},
		{"http://[::1]:80/", false, true},
		{"http://localhost:9000/", false, true},
		{"https://10.0.0.1/", false, false},
		{"https://[::ffff:127.0.0.1]/", false, true}, // the same address in other clothes
		{"https://[::127.0.0.1]/", false, false},
		{"https://[64:ff9b::7f00:1]/", false, false},
		{"https://[fe80::1%25lo]/", false, false},
		{"https://127.1/", false, false},
		{"https://2130706433/", false, false},
		{"https://0x7f000001/", false, false},
		{"https://017700000001/", false, false},
		{"https://intranet/", false, true},
		{"https://hooks.example.com:22/", false, true},
		{"https://hooks.example.com:0/", false, false},
		{"https://hooks.example.com:/", false, false},
		{"https://hooks.example.com:99999/", false, false},
		{"https://user@hooks.example.com/", false, false},
		{"https://hooks.example.com/#f", false, false},
		{"https://hooks.example.com/#", false, false},
		{"https://hooks.example.com\\@127.0.0.1/", false, false},
		{"https://hooks.example.com/a b", false, false},
		{"https://①②⑦.0.0.1/", false, false},
		{"https:///path", false, false},
		{"https://", false, false},
		{"//hooks.example.com/", false, false},
		{"hooks.example.com", false, false},
		{"file:///etc/passwd", false, false},
		{"gopher://hooks.example.com/", false, false},
		{"javascript:alert(1)", false, false},
		{"https://a..example.com/", false, false},
		{"https://" + strings.Repeat("a", 2048) + ".example.com/", false, false},
		{"", false, false},
	} {
		for _, with := range []struct {
			name string
			d    *egress.Deliverer
			want bool
		}{{"public", public, c.public}, {"with an open prefix", open, c.open}} {
			err := with.d.CheckURL(c.url)
			if (err == nil) != with.want {
				t.Errorf("%s, %s: got %v, want ok=%t", c.url, with.name, err, with.want)
			}
			if err != nil && !errors.Is(err, storage.ErrInvalid) {
				t.Errorf("%s: got %v, want an invalid input", c.url, err)
			}
		}
	}
}

// spans is a Tracer that remembers.
type spans struct {
	mu  sync.Mutex
	all []*span
}

type span struct {
	name   string
	parent string
	self   correlation.Trace
	attrs  map[string]string
	err    error
	ended  bool
}

func (s *spans) Start(ctx context.Context, name string, attrs ...slog.Attr) (context.Context, correlation.Span) {
	one := &span{name: name, parent: correlation.From(ctx).SpanID, self: correlation.From(ctx).Child(), attrs: map[string]string{}}
	one.Set(attrs...)
	s.mu.Lock()
	s.all = append(s.all, one)
	s.mu.Unlock()
	return correlation.With(ctx, one.self), one
}

func (s *span) Set(attrs ...slog.Attr) {
	for _, a := range attrs {
		s.attrs[a.Key] = a.Value.String()
	}
}

func (s *span) End(err error) { s.err, s.ended = err, true }

func TestHTTPSpanDescribesTheAttempt(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	recorded := &spans{}
	trace := correlation.New()
	deliverer(t, egress.Config{Allow: loopback, Tracer: recorded}).Deliver(correlation.With(t.Context(), trace), request(t, server.URL))
	if len(recorded.all) != 1 {
		t.Fatalf("got %d spans, want 1", len(recorded.all))
	}
	s := recorded.all[0]
	if s.name != "http_attempt" || s.parent != trace.SpanID || s.self.TraceID != trace.TraceID || !s.ended || s.err == nil {
		t.Errorf("got %+v", s)
	}
	for key, want := range map[string]string{
		"org_id": "acme", "endpoint_id": "e1", "delivery_id": "d1", "msg_id": "msg_1", "event_type": "lumelle.orders.v1.refunded",
		"attempt_count": "2", "status": "status", "http.response.status_code": "404",
	} {
		if s.attrs[key] != want {
			t.Errorf("attribute %s: got %q, want %q", key, s.attrs[key], want)
		}
	}
}

// authority signs a certificate for names, and returns it with the pool to trust.
func authority(t *testing.T, names ...string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: names, IPAddresses: []net.IP{net.IPv4(8, 8, 8, 8)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}
