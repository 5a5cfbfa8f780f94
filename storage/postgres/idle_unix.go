//go:build unix && !aix

package postgres

import (
	"errors"
	"net"
	"syscall"
)

// soundly reports whether a connection rests as it should: the server has said nothing on
// it since, not even that it ends. It does not wait and takes nothing off the connection.
// known is false where that cannot be told: the connection cannot be asked, or the server
// said something, which may be a notification that the host listens for.
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
	said := false
	err = raw.Control(func(fd uintptr) {
		n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		rests, said = errors.Is(err, syscall.EAGAIN), n > 0
	})
	return rests && err == nil, !said
}
