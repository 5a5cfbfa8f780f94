package egress

import (
	"net/netip"
	"slices"

	"code.dny.dev/ssrf"
)

// ErrBlocked reports a destination that may not be reached. It tells by a method
// Permanent() bool that no repetition mends it.
var ErrBlocked error = blockedError{}

type blockedError struct{}

func (blockedError) Error() string   { return "egress: the destination may not be reached" }
func (blockedError) Permanent() bool { return true }

// denied are the prefixes that are not public, or that reach what is not.
var denied = prefixes(
	"0.0.0.0/8",        // this network; 0.0.0.0 reaches the loopback
	"10.0.0.0/8",       // private
	"100.64.0.0/10",    // shared by carriers; metadata of some clouds
	"127.0.0.0/8",      // loopback
	"168.63.129.16/32", // a wire server of one cloud, inside a public range
	"169.254.0.0/16",   // link local; metadata of most clouds
	"172.16.0.0/12",    // private
	"192.0.0.0/24",     // protocol assignments; metadata of some clouds
	"192.0.2.0/24",     // documentation
	"192.88.99.0/24",   // relays of 6to4
	"192.168.0.0/16",   // private
	"198.18.0.0/15",    // benchmarks
	"198.51.100.0/24",  // documentation
	"203.0.113.0/24",   // documentation
	"224.0.0.0/4",      // multicast
	"240.0.0.0/4",      // reserved, and broadcast

	"::/96",         // unspecified, loopback, and IPv4 in its oldest disguise
	"::ffff:0:0/96", // IPv4-mapped, where it was not unmapped
	"64:ff9b::/96",  // NAT64
	"64:ff9b:1::/48",
	"100::/64",      // discard
	"2001::/23",     // protocol assignments, Teredo, benchmarks
	"2001:db8::/32", // documentation
	"2002::/16",     // 6to4
	"3fff::/20",     // documentation
	"5f00::/16",     // segment routing
	"fc00::/7",      // unique local
	"fe80::/10",     // link local
	"fec0::/10",     // site local, deprecated and still routed
	"ff00::/8",      // multicast
)

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, s := range texts {
		all[i] = netip.MustParsePrefix(s)
	}
	return all
}

// A guard says which addresses may be dialled.
type guard struct {
	allow  []netip.Prefix
	ports  []uint16
	second *ssrf.Guardian
}

func newGuard(allow []netip.Prefix, ports []uint16) *guard {
	return &guard{allow: allow, ports: ports, second: ssrf.New(ssrf.WithAnyPort())}
}

// check returns [ErrBlocked] where a may not be dialled.
func (g *guard) check(a netip.AddrPort) error {
	addr := a.Addr().Unmap()
	if g.allowed(addr) {
		return nil
	}
	if !public(addr) || g.second.SafeAddr(addr) != nil || !slices.Contains(g.ports, a.Port()) {
		return ErrBlocked
	}
	return nil
}

// allowed reports whether the host opened a prefix around addr.
func (g *guard) allowed(addr netip.Addr) bool {
	return addr.Zone() == "" && contains(g.allow, addr.Unmap())
}

// public reports whether an unmapped address is a public one by this package's table.
func public(addr netip.Addr) bool {
	return addr.IsValid() && addr.Zone() == "" && !contains(denied, addr)
}

func contains(all []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Contains(addr) })
}
