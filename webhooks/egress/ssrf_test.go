package egress_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"

	"code.dny.dev/ssrf"

	"github.com/lumelle/adminkit/storage/storagetest/suitetest"
	"github.com/lumelle/adminkit/webhooks"
	"github.com/lumelle/adminkit/webhooks/egress"
)

// A network answers names by a script and records what is dialled. Whatever is dialled
// reaches one server on the loopback interface.
type network struct {
	server *httptest.Server
	script [][]string

	mu      sync.Mutex
	lookups int
	dialled []string
}

func (n *network) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.script) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	answer := n.script[min(n.lookups, len(n.script)-1)]
	n.lookups++
	var addrs []netip.Addr
	for _, a := range answer {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	return addrs, nil
}

func (n *network) dial(ctx context.Context, proto, address string) (net.Conn, error) {
	n.mu.Lock()
	n.dialled = append(n.dialled, address)
	n.mu.Unlock()
	return (&net.Dialer{}).DialContext(ctx, "tcp", n.server.Listener.Addr().String())
}

// newNetwork serves hooks.example.test and 8.8.8.8 with handler, over TLS.
func newNetwork(t *testing.T, script [][]string, handler http.Handler) (*network, *egress.Deliverer) {
	t.Helper()
	cert, roots := authority(t, "hooks.example.test")
	n := &network{server: httptest.NewUnstartedServer(handler), script: script}
	n.server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	n.server.StartTLS()
	t.Cleanup(n.server.Close)
	// Plain http is allowed here, so that it is the address that is refused.
	return n, deliverer(t, egress.Config{AllowHTTP: true, Resolver: n, Dial: n.dial, TLS: &tls.Config{RootCAs: roots}})
}

type ssrfCase struct {
	ID, URL, Expect, Why string
	Host                 string
	Resolver             [][]string
	Status               int
	Start, Location      string
}

func TestSuiteSSRF(t *testing.T) {
	b := suitetest.Read(t, suitetest.Dir(t, "ssrf"), "ssrf_cases.json")
	var file struct{ Hosts, URLs, Redirects, Controls []ssrfCase }
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(len(file.Hosts), len(file.URLs), len(file.Redirects), len(file.Controls)); got != "23 5 5 4" {
		t.Fatalf("got %s cases, want 23 5 5 4", got)
	}
	for _, c := range append(append(file.Hosts, file.URLs...), file.Controls...) {
		t.Run(c.ID, func(t *testing.T) {
			n, d := newNetwork(t, c.Resolver, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
			allow := c.Expect == "allow"
			// More than one attempt: a name may lead elsewhere the second time.
			for range max(2, len(c.Resolver)) {
				got := d.Deliver(t.Context(), request(t, c.URL))
				d.Close(t.Context()) // the next attempt dials again
				if allow != (got.Outcome == webhooks.Accepted) {
					t.Errorf("%s (%s): got %+v", c.URL, c.Why, got)
				}
				if !allow && len(c.Resolver) < 2 && got.Outcome != webhooks.Blocked {
					t.Errorf("%s (%s): got %+v, want blocked", c.URL, c.Why, got)
				}
			}
			n.forbidden(t)
			if allow && len(n.dialled) == 0 {
				t.Error("nothing was dialled")
			}
		})
	}
	for _, c := range file.Redirects {
		t.Run(c.ID, func(t *testing.T) {
			n, d := newNetwork(t, [][]string{{"1.1.1.1"}}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", c.Location)
				w.WriteHeader(c.Status)
			}))
			got := d.Deliver(t.Context(), request(t, c.Start))
			if got.Outcome != webhooks.Retry || got.Class != webhooks.ClassRedirect || got.StatusCode != c.Status {
				t.Errorf("got %+v", got)
			}
			if len(n.dialled) != 1 {
				t.Errorf("dialled %v, want the start only", n.dialled)
			}
			n.forbidden(t)
		})
	}
}

// forbidden fails for whatever was dialled that is not public.
func (n *network) forbidden(t *testing.T) {
	t.Helper()
	for _, a := range n.dialled {
		if addr := netip.MustParseAddrPort(a).Addr(); ssrf.New().SafeAddr(addr) != nil || addr == netip.MustParseAddr("168.63.129.16") {
			t.Errorf("%s was dialled", a)
		}
	}
}

func TestHostileHostsAreNeverDialled(t *testing.T) {
	literals := strings.Fields(`127.0.0.1 127.127.127.127 127.1 2130706433 0x7f000001 0177.0.0.1 017700000001 0 0.0.0.0 localhost localhost.
		LOCALHOST 127.0.0.1. [::] [::1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::127.0.0.1] [64:ff9b::7f00:1] [64:ff9b:1::7f00:1]
		[2002:7f00:1::] [2001:0:7f00:1::] [fe80::1%25lo] [fec0::1] [fd00:ec2::254] [fd7a:115c:a1e0::1] 169.254.169.254 169.254.170.2
		100.100.100.200 192.0.0.192 168.63.129.16 metadata.google.internal 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1
		255.255.255.255 224.0.0.1 198.18.0.1 192.0.2.1 198.51.100.1 203.0.113.1 240.0.0.1 user@127.0.0.1 1.1.1.1\@127.0.0.1
		[2001:db8::1] [100::1] [5f00::1] [3fff::1] [ff02::1] [2001::1] [::ffff:0:127.0.0.1] 192.88.99.1 １２７.０.０.１ ①②⑦.⓪.⓪.①`)
	for _, host := range literals {
		for _, scheme := range []string{"http", "https"} {
			// The resolver stands in for one that reads odd notations.
			n, d := newNetwork(t, [][]string{{"127.0.0.1"}}, http.NotFoundHandler())
			got := d.Deliver(t.Context(), request(t, scheme+"://"+host+"/"))
			if got.Outcome != webhooks.Blocked || len(n.dialled) != 0 {
				t.Errorf("%s://%s: got %+v, dialled %v", scheme, host, got, n.dialled)
			}
		}
	}
}

func TestNamesThatLeadInsideAreNeverDialled(t *testing.T) {
	for _, answer := range [][]string{
		{"127.0.0.1"}, {"::1"}, {"::ffff:10.0.0.1"}, {"169.254.169.254"}, {"fe80::1%eth0"}, {"1.1.1.1", "10.0.0.1"}, {"fd00::1", "1.1.1.1"}, {"0.0.0.0"},
	} {
		n, d := newNetwork(t, [][]string{answer}, http.NotFoundHandler())
		got := d.Deliver(t.Context(), request(t, "https://hooks.example.test/"))
		if got.Outcome != webhooks.Blocked || len(n.dialled) != 0 {
			t.Errorf("%v: got %+v, dialled %v", answer, got, n.dialled)
		}
	}
}

func TestSystemDialerLooksAgain(t *testing.T) {
	// No Dial of the test's: the net.Dialer with its own check is what connects.
	reached := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	d := deliverer(t, egress.Config{AllowHTTP: true})
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]"} {
		if got := d.Deliver(t.Context(), request(t, "http://"+host+":"+port+"/")); got.Outcome == webhooks.Accepted || reached {
			t.Errorf("%s: got %+v", host, got)
		}
	}
}

func TestSecondAddressIsTriedWhereTheFirstFails(t *testing.T) {
	n, _ := newNetwork(t, [][]string{{"1.1.1.1", "8.8.8.8"}}, http.NotFoundHandler())
	cert, roots := authority(t, "hooks.example.test")
	n.server.Close()
	n.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	n.server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	n.server.StartTLS()
	t.Cleanup(n.server.Close)
	d := deliverer(t, egress.Config{Resolver: n, TLS: &tls.Config{RootCAs: roots}, Dial: func(ctx context.Context, proto, address string) (net.Conn, error) {
		if strings.HasPrefix(address, "1.1.1.1") {
			return nil, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
		}
		return n.dial(ctx, proto, address)
	}})
	if got := d.Deliver(t.Context(), request(t, "https://hooks.example.test/")); got.Outcome != webhooks.Accepted {
		t.Errorf("got %+v", got)
	}
}
