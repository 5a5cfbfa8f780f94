//go:build !unix

package pgtest

import "testing"

// shared has no cluster to offer where there are no Unix sockets and users.
func shared() (string, error) { return "", errMissing }

func private(testing.TB) (*Server, error) { return nil, errMissing }
