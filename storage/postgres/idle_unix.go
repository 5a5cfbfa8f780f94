//go:build unix

package postgres

import (
	"errors"
	"net"
	"syscall"
)

// soundly reports whether a connection rests as it should: the server has said nothing on
// it since, not even that it ends. It does not wait and takes nothing off the connection.
// known is false where the connection cannot be asked.
func soundly(c net.Conn) (rests, known bool) {
	for {
		around, ok := c.(interface{ NetConn() net.Conn }) // as *tls.Conn has it
		if !ok {
			break
		}
		c = around.NetConn()
	}
	socket, ok := c.(syscall.Conn)
	if !ok {
		return false, false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false, false
	}
	// Not raw.Read, which waits for its turn: pgx may leave a goroutine behind that reads.
	err = raw.Control(func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		rests = errors.Is(err, syscall.EAGAIN)
	})
	return rests && err == nil, true
}
