//go:build !unix

package pgtest

// shared has no cluster to offer where there are no Unix sockets and users.
func shared() (string, error) { return "", errMissing }
