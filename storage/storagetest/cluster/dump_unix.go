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
