// Package cluster runs throw-away Postgres servers for tests that crash them, and for
// programs that need one and find none.
//
//	c, err := cluster.Start(os.Getpid(), "")
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	backend, err := postgres.Open(ctx, c.DSN(), postgres.Config{})
//	...
//	err = c.Crash() // in the middle of whatever it does, and up again
//
// The binaries are found in PATH or where Linux distributions put them. The server
// listens on a Unix socket in a private directory only, and syncs to disk as a real one
// does. Where the program runs as root, which Postgres refuses, the server runs as the
// user postgres or nobody. A small shell process stops it when its owner is gone, whichever
// way that went. [Cluster.Stop] keeps it down until [Cluster.Restart].
// [Cluster.StartPooler] puts a PgBouncer in front. Only on Unix.
package cluster

import "errors"

var (
	// ErrMissing reports that no Postgres binaries are installed.
	ErrMissing = errors.New("no Postgres binaries")

	// ErrNoPooler reports that PgBouncer is not installed.
	ErrNoPooler = errors.New("no pgbouncer")
)
