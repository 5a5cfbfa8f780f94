package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"
)

// A Resolver finds the addresses of a name. *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// dialTimeout bounds all dials of one connection. The transport dials on its own time:
// the ctx it hands on has no deadline, and a connection that comes too late for one
// attempt serves the next.
const dialTimeout = 10 * time.Second

// plainKey marks the ctx of a request over http.
type plainKey struct{}

// dialError tells a failure before there was a connection from those on it.
type dialError struct{ err error }

func (e *dialError) Error() string { return "dial: " + e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// dial connects to a host of the transport's choice: it resolves the name, checks
// every address and only then dials one after the other. Between check and connect no
// name is looked up again.
func (d *Deliverer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	targets, err := d.targets(ctx, address)
	if err != nil {
		return nil, &dialError{err}
	}
	for i, target := range targets {
		var conn net.Conn
		if conn, err = d.dialOne(ctx, network, target, len(targets)-i); err == nil {
			return conn, nil
		}
	}
	return nil, &dialError{err}
}

// targets returns the checked addresses of host:port. One that is refused refuses all:
// a name that leads inside by one of its answers is up to no good.
func (d *Deliverer) targets(ctx context.Context, address string) ([]netip.AddrPort, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, ErrBlocked
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, ErrBlocked
	}
	addrs := []netip.Addr{{}}
	if addrs[0], err = netip.ParseAddr(host); err != nil {
		if addrs, err = d.cfg.Resolver.LookupNetIP(ctx, "ip", host); err != nil {
			return nil, err
		}
	}
	if len(addrs) == 0 {
		return nil, &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	plain := ctx.Value(plainKey{}) != nil
	targets := make([]netip.AddrPort, len(addrs))
	for i, a := range addrs {
		targets[i] = netip.AddrPortFrom(a.Unmap(), uint16(port))
		if err := d.guard.check(netip.AddrPortFrom(a, uint16(port))); err != nil {
			return nil, err
		}
		if plain && !d.cfg.AllowHTTP && !d.guard.allowed(a) {
			return nil, ErrBlocked
		}
	}
	return targets, nil
}

// dialOne dials an address with its share of the time that is left for all.
func (d *Deliverer) dialOne(ctx context.Context, network string, target netip.AddrPort, left int) (net.Conn, error) {
	deadline, _ := ctx.Deadline()
	ctx, cancel := context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
	defer cancel()
	return d.cfg.Dial(ctx, network, target.String())
}

// control looks at the address that a socket is about to connect to, whoever chose it.
func (d *Deliverer) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return ErrBlocked
	}
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return errors.Join(ErrBlocked, err)
	}
	return d.guard.check(a)
}
