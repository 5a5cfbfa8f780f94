package targeting

import "net/netip"

// cidrTest looks for an IP address in prefixes.
type cidrTest struct{ prefixes []netip.Prefix }

func compileCIDR(_ *compiler, given Condition) (test, string) {
	texts, message := alternatives(given.Value)
	if message != "" {
		return nil, message
	}
	t := &cidrTest{}
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			addr, err := netip.ParseAddr(text)
			if err != nil || addr.Zone() != "" {
				return nil, "must be a prefix such as 192.0.2.0/24, or an address"
			}
			addr = addr.Unmap()
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		if prefix.Addr().Is4In6() {
			return nil, "must be written as IPv4"
		}
		t.prefixes = append(t.prefixes, prefix.Masked())
	}
	return t, ""
}

func (t *cidrTest) test(v Value) outcome {
	if !v.isText() || len(v.text) > len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255") {
		return unreadable
	}
	addr, err := netip.ParseAddr(v.text)
	if err != nil {
		return unreadable
	}
	addr = addr.Unmap().WithZone("")
	for _, prefix := range t.prefixes {
		if prefix.Contains(addr) {
			return yes
		}
	}
	return no
}
