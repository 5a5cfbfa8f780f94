//go:build unix

package cluster

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// Dump writes a backup of the Cluster's database as pg_dump makes it, in its own format.
func (c *Cluster) Dump(w io.Writer) error {
	return c.pipe(nil, w, "pg_dump", "--format=custom", "--dbname="+c.DSN())
}

// Restore reads what Dump has written into the Cluster's database, which is empty.
func (c *Cluster) Restore(r io.Reader) error {
	return c.pipe(r, nil, "pg_restore", "--exit-on-error", "--dbname="+c.DSN())
}

// Snapshot keeps what is on the Cluster's disk, as a snapshot of a machine does, and
// returns what puts the Cluster back to it. Both end the server in the middle of whatever
// it does, and return when it has recovered. They need cp.
func (c *Cluster) Snapshot() (back func() error, err error) {
	snapshot := filepath.Join(c.dir, "snapshot")
	if err := c.swap(c.data(), snapshot); err != nil {
		return nil, err
	}
	return func() error { return c.swap(snapshot, c.data()) }, nil
}

// swap puts a copy of one directory in the place of another while the server is down.
func (c *Cluster) swap(from, to string) error {
	if err := c.stop(); err != nil {
		return err
	}
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if said, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("cp: %w: %s", err, bytes.TrimSpace(said))
	}
	return c.up()
}

// pipe runs one of Postgres' programs for clients.
func (c *Cluster) pipe(in io.Reader, out io.Writer, name string, args ...string) error {
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	var said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}
