//go:build !unix

package pgtest

import "github.com/lumelle/adminkit/storage/storagetest/cluster"

// shared has no cluster to offer where there are no Unix sockets and users.
func shared() (string, error) { return "", cluster.ErrMissing }
