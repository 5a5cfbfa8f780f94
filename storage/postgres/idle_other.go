//go:build !unix || aix

package postgres

import "net"

// soundly cannot ask a connection here.
func soundly(net.Conn) (rests, known bool) { return false, false }
