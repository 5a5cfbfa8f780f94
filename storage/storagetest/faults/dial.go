package faults

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
)

// A DialFunc opens a connection to a server, as net.Dialer.DialContext does.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// Dial returns dial with the faults of the plan, for a driver that speaks the protocol
// of Postgres without TLS:
//
//	cfg.ConnConfig.DialFunc = pgconn.DialFunc(plan.Dial(cfg.ConnConfig.DialFunc))
//
// Counted are connections and writes: drivers collect requests and flush them in one
// write, so one write is one round trip. A network has no error that leaves the
// connection as it was, so a fault always ends it. Before and LostBefore differ in how
// much of the requests the server gets: nothing, or half of them, which it never
// executes. After and LostAfter differ in what the driver gets: nothing, or the first
// half of the answer. In both the server has answered in full, hence has done what it
// was asked.
func (p *Plan) Dial(dial DialFunc) DialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		fires := p.Fires(Connect, "")
		if fires && !p.mode.made() {
			return nil, &net.OpError{Op: "dial", Net: network, Err: ErrInjected}
		}
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if fires {
			c.Close()
			return nil, &net.OpError{Op: "dial", Net: network, Err: ErrInjected}
		}
		return &netConn{Conn: c, plan: p}, nil
	}
}

// A netConn is a connection to a server. A driver may read and write it from two
// goroutines.
type netConn struct {
	net.Conn
	plan *Plan
	// swallow is set when the next answer is to be cut short.
	swallow atomic.Bool
	// rest is what the driver may still read after that, nil while all is well.
	rest atomic.Pointer[[]byte]
}

// NetConn returns the connection to the server, as that of a tls.Conn does, for those who
// ask whether it rests soundly.
func (c *netConn) NetConn() net.Conn { return c.Conn }

// terminate is the farewell of the protocol. It is no request.
const terminate = 'X'

// Write implements net.Conn.
func (c *netConn) Write(b []byte) (int, error) {
	if c.rest.Load() != nil {
		return 0, c.failure("write")
	}
	if len(b) == 0 || b[0] == terminate || !c.plan.Fires(Flush, "") {
		return c.Conn.Write(b)
	}
	switch c.plan.mode {
	case Before:
		c.cut(nil)
		return 0, c.failure("write")
	case LostBefore:
		c.Conn.Write(b[:len(b)/2])
		c.cut(nil)
		return 0, c.failure("write")
	}
	c.swallow.Store(true)
	return c.Conn.Write(b)
}

// cut closes the connection to the server and leaves rest to be read.
func (c *netConn) cut(rest []byte) {
	c.Conn.Close()
	c.rest.Store(&rest)
}

func (c *netConn) failure(op string) error {
	return &net.OpError{Op: op, Net: c.LocalAddr().Network(), Err: ErrInjected}
}

// readyForQuery is the message that ends the answer to a round trip; the server then
// waits. authentication is one that it waits after, too.
const (
	readyForQuery  = 'Z'
	authentication = 'R'
)

// answer reads what the server says until it waits for the next request, or until the
// driver loses patience.
func (c *netConn) answer() []byte {
	var all []byte
	for {
		var head [5]byte
		if _, err := io.ReadFull(c.Conn, head[:]); err != nil {
			return all
		}
		body := make([]byte, max(4, binary.BigEndian.Uint32(head[1:]))-4)
		if _, err := io.ReadFull(c.Conn, body); err != nil {
			return all
		}
		all = append(append(all, head[:]...), body...)
		if head[0] == readyForQuery || head[0] == authentication && binary.BigEndian.Uint32(body) != 0 {
			return all
		}
	}
}

// Read implements net.Conn.
func (c *netConn) Read(b []byte) (int, error) {
	rest := c.rest.Load()
	if rest == nil && !c.swallow.Load() {
		return c.Conn.Read(b)
	}
	if rest == nil {
		answer := c.answer()
		if c.plan.mode == After {
			answer = nil
		}
		c.cut(answer[:len(answer)/2])
		rest = c.rest.Load()
	}
	if len(*rest) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(b, *rest)
	left := (*rest)[n:]
	c.rest.Store(&left)
	return n, nil
}

// Close implements net.Conn.
func (c *netConn) Close() error {
	if c.rest.Load() != nil {
		return nil // cut before
	}
	return c.Conn.Close()
}
