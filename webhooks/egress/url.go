package egress

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/webhooks"
)

// CheckURL implements webhooks.URLChecker: it refuses what no attempt could ever
// reach, and whatever two programs might read differently.
func (d *Deliverer) CheckURL(raw string) error {
	_, problem := d.parse(raw)
	if problem != "" {
		return storage.Invalid("", problem)
	}
	return nil
}

// parse reads a URL, or says what makes it unfit.
func (d *Deliverer) parse(raw string) (u *url.URL, problem string) {
	if len(raw) > webhooks.MaxURL {
		return nil, "must be at most 2048 bytes long"
	}
	for i := range len(raw) {
		if c := raw[i]; c <= ' ' || c > '~' || c == '\\' {
			return nil, "must be a URL in ASCII without blanks and backslashes"
		}
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, "cannot be read as a URL"
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http", u.Opaque != "":
		return nil, "must begin with https://"
	case u.User != nil:
		return nil, "must not carry a user or password"
	case strings.Contains(raw, "#"):
		return nil, "must not carry a fragment"
	case u.Hostname() == "":
		return nil, "must name a host"
	}
	port, ok := portOf(u)
	if !ok {
		return nil, "has a port that is none"
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil {
		return u, d.checkLiteral(u, addr, port)
	}
	return u, d.checkName(u, port)
}

func (d *Deliverer) checkLiteral(u *url.URL, addr netip.Addr, port uint16) string {
	switch {
	case d.guard.allowed(addr):
		return ""
	case u.Scheme == "http" && !d.cfg.AllowHTTP:
		return "must begin with https://"
	case d.guard.check(netip.AddrPortFrom(addr, port)) != nil:
		return "is not a public address that webhooks may be sent to"
	}
	return ""
}

// checkName looks at a host that is a name. What it resolves to is looked at when it
// is dialled: here a prefix that was opened makes every name possible.
func (d *Deliverer) checkName(u *url.URL, port uint16) string {
	name := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "has a host that is not a name"
		}
	}
	last := labels[len(labels)-1]
	switch {
	// Some resolvers read 127.1, 0x7f000001 and 017700000001 as addresses.
	case last[0] >= '0' && last[0] <= '9':
		return "has a host that may be read as an address; write addresses in full"
	case len(d.cfg.Allow) > 0:
		return ""
	case u.Scheme == "http" && !d.cfg.AllowHTTP:
		return "must begin with https://"
	case len(labels) == 1 || last == "localhost":
		return "is a host that is not public"
	case !slices.Contains(d.cfg.Ports, port):
		return "has a port that webhooks may not be sent to"
	}
	return ""
}

// portOf returns the port of a URL, the scheme's where it names none.
func portOf(u *url.URL) (uint16, bool) {
	if u.Port() == "" {
		if u.Scheme == "http" {
			return 80, !strings.HasSuffix(u.Host, ":")
		}
		return 443, !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	return uint16(n), err == nil && n > 0
}
