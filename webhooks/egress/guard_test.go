package egress

import (
	"context"
	"math"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"code.dny.dev/ssrf"
	"pgregory.net/rapid"
)

func TestBothTablesAgree(t *testing.T) {
	second := ssrf.New()
	// Public by its range, and still nothing a webhook has to do with.
	wireServer := netip.MustParseAddr("168.63.129.16")
	agree := func(addr netip.Addr) bool {
		return public(addr) == (second.SafeAddr(addr) == nil) || addr == wireServer
	}
	for _, p := range denied {
		first, last := p.Masked().Addr(), lastOf(p)
		for _, a := range []netip.Addr{first, last} {
			if public(a) {
				t.Errorf("%s of %s is public", a, p)
			}
			if !agree(a.Unmap()) {
				t.Errorf("the tables disagree on %s of %s", a, p)
			}
		}
	}
	for _, s := range []string{"1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "2a00:1450:4001::1", "172.32.0.1", "100.128.0.1", "168.63.129.17"} {
		if a := netip.MustParseAddr(s); !public(a) || !agree(a) {
			t.Errorf("%s is not public for both", s)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		if b := rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "v4"); !agree(netip.AddrFrom4([4]byte(b))) {
			t.Fatalf("the tables disagree on %s", netip.AddrFrom4([4]byte(b)))
		}
		// Of IPv6 only 2000::/3 is in use: our table names what is known to be bad,
		// the other everything outside. Together they are stricter than each.
		b := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "v6")
		b[0] = b[0]&0x1f | 0x20
		if a := netip.AddrFrom16([16]byte(b)); !agree(a) && public(a) {
			t.Fatalf("our table lets %s through", a)
		}
	})
}

// lastOf returns the last address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func TestControlRefusesWhatIsNoAddress(t *testing.T) {
	d, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ network, address string }{
		{"tcp4", "127.0.0.1:443"}, {"tcp6", "[::1]:443"}, {"tcp4", "hooks.example.com:443"}, {"udp4", "1.1.1.1:443"}, {"unix", "/run/x"}, {"tcp4", "1.1.1.1:22"},
	} {
		if d.control(context.Background(), c.network, c.address, nil) == nil {
			t.Errorf("%s %s may be dialled", c.network, c.address)
		}
	}
	if err := d.control(context.Background(), "tcp4", "1.1.1.1:443", nil); err != nil {
		t.Errorf("1.1.1.1:443: %v", err)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		text string
		want time.Duration
	}{
		{"0", 0}, {"1", time.Second}, {" 7 ", 7 * time.Second}, {"0.1", time.Second}, {"1.5", 2 * time.Second}, {"2.0", 2 * time.Second},
		{"99999999999999999999", maxRetryAfter}, {"2592000", maxRetryAfter}, {"2592001", maxRetryAfter},
		{"", 0}, {"-1", 0}, {"+1", 0}, {"1s", 0}, {"1e3", 0}, {".", 0}, {"1.2.3", 0}, {"NaN", 0}, {"Inf", 0}, {"0x10", 0}, {"1,5", 0},
		{"Sun, 01 Mar 2026 12:00:30 GMT", 30 * time.Second}, {"Sunday, 01-Mar-26 12:00:30 GMT", 30 * time.Second}, {"Sun Mar  1 12:00:30 2026", 30 * time.Second},
		{"Sun, 01 Mar 2026 11:59:59 GMT", 0}, {"Sun, 01 Mar 2099 12:00:00 GMT", maxRetryAfter}, {"2026-03-01T12:00:30Z", 0},
	} {
		if got := retryAfter(c.text, now); got != c.want {
			t.Errorf("%q: got %v, want %v", c.text, got, c.want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"120", "1.5", "-1", "Sun, 01 Mar 2026 12:00:30 GMT", "1e309", "00000000000000000000000000000001"} {
		f.Add(s)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		got := retryAfter(s, now)
		if got < 0 || got > maxRetryAfter {
			t.Fatalf("%q: got %v", s, got)
		}
		if n, err := strconv.ParseFloat(s, 64); err == nil && got > 0 && got < maxRetryAfter && got.Seconds() != math.Ceil(n) {
			t.Fatalf("%q: got %v", s, got)
		}
	})
}

func FuzzParse(f *testing.F) {
	d, err := New(Config{})
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"https://hooks.example.com/in?a=b", "https://8.8.8.8/", "http://127.0.0.1/", "https://[::1]:1/", "//x", "https://a@b/", "https://0x7f.1/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, problem := d.parse(s)
		if problem != "" {
			return
		}
		if u.Scheme != "https" || u.User != nil || u.Hostname() == "" {
			t.Fatalf("%q passes as %v", s, u)
		}
		if a, err := netip.ParseAddr(u.Hostname()); err == nil && !public(a.Unmap()) {
			t.Fatalf("%q passes to %s", s, a)
		}
	})
}

func BenchmarkGuard(b *testing.B) {
	g := newGuard(nil, []uint16{443})
	for _, s := range []string{"93.184.216.34:443", "[2606:4700:4700::1111]:443"} {
		a := netip.MustParseAddrPort(s)
		b.Run(a.Addr().String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if g.check(a) != nil {
					b.Fatal("refused")
				}
			}
		})
	}
}
