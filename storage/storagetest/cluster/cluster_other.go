//go:build !unix

package cluster

import "io"

// A Cluster is a running server of its own. There is none without Unix sockets.
type Cluster struct{}

// Start returns ErrMissing.
func Start(int, string) (*Cluster, error) { return nil, ErrMissing }

// DSN returns nothing.
func (*Cluster) DSN() string { return "" }

// Socket returns nothing.
func (*Cluster) Socket() string { return "" }

// Crash returns ErrMissing.
func (*Cluster) Crash() error { return ErrMissing }

// Stop returns ErrMissing.
func (*Cluster) Stop() error { return ErrMissing }

// Restart returns ErrMissing.
func (*Cluster) Restart() error { return ErrMissing }

// Close returns ErrMissing.
func (*Cluster) Close() error { return ErrMissing }

// Dump returns ErrMissing.
func (*Cluster) Dump(io.Writer) error { return ErrMissing }

// Restore returns ErrMissing.
func (*Cluster) Restore(io.Reader) error { return ErrMissing }

// Snapshot returns ErrMissing.
func (*Cluster) Snapshot() (func() error, error) { return nil, ErrMissing }

// A Pooler is a running PgBouncer. There is none without Unix sockets.
type Pooler struct{}

// StartPooler returns ErrNoPooler.
func (*Cluster) StartPooler() (*Pooler, error) { return nil, ErrNoPooler }

// DSN returns nothing.
func (*Pooler) DSN(string) string { return "" }

// Close returns ErrNoPooler.
func (*Pooler) Close() error { return ErrNoPooler }
