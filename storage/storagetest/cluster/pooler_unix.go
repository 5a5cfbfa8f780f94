//go:build unix

package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// pooling are the settings of a Pooler. Each transaction gets the server connection that
// has rested longest, so that what one leaves in its session is not found by the next.
const pooling = `[databases]
* = host=%[1]s port=5432 user=postgres
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = %[1]s
auth_type = any
pool_mode = transaction
server_round_robin = 1
default_pool_size = 20
max_client_conn = 500
ignore_startup_parameters = search_path
logfile = %[1]s/pgbouncer.log
pidfile = %[1]s/pgbouncer.pid
`

// A Pooler is a running PgBouncer in transaction mode in front of a Cluster.
type Pooler struct {
	c   *Cluster
	cmd *exec.Cmd
}

// StartPooler starts a Pooler. It ends at the latest with the process that owns the
// Cluster. Where PgBouncer is not installed the error is ErrNoPooler.
func (c *Cluster) StartPooler() (*Pooler, error) {
	bin, err := pgbouncer()
	if err != nil {
		return nil, err
	}
	conf := filepath.Join(c.dir, "pgbouncer.ini")
	if err := os.WriteFile(conf, fmt.Appendf(nil, pooling, c.dir), 0o644); err != nil {
		return nil, err
	}
	cmd := exec.Command(bin, "-q", conf)
	cmd.Dir = c.dir
	cmd.SysProcAttr = c.as
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", bin, err)
	}
	p := &Pooler{c, cmd}
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("unix", filepath.Join(c.dir, ".s.PGSQL.6432"))
		if err == nil {
			return p, conn.Close()
		}
		if time.Since(began) > startsIn {
			said, _ := os.ReadFile(filepath.Join(c.dir, "pgbouncer.log"))
			return nil, errors.Join(fmt.Errorf("pgbouncer does not answer: %w: %s", err, said), p.Close())
		}
	}
}

// DSN returns the data source name of a database of the Cluster through the Pooler, as a
// URL. It says which way of asking this Pooler understands: PgBouncer knows prepared
// statements from 1.21 on.
func (p *Pooler) DSN(database string) string {
	return "postgres:///" + url.PathEscape(database) + "?" + url.Values{
		"host": {p.c.dir}, "port": {"6432"}, "user": {"postgres"}, "sslmode": {"disable"}, "default_query_exec_mode": {"exec"},
	}.Encode()
}

// Close ends the Pooler and the connections through it.
func (p *Pooler) Close() error {
	if err := p.cmd.Process.Kill(); err != nil {
		return err
	}
	p.cmd.Wait() // which tells of the kill
	// Its id may be somebody else's by the time the Cluster ends.
	if err := os.Remove(filepath.Join(p.c.dir, "pgbouncer.pid")); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// pgbouncer returns the path of the program, which distributions put where only root looks.
func pgbouncer() (string, error) {
	if path, err := exec.LookPath("pgbouncer"); err == nil {
		return path, nil
	}
	const path = "/usr/sbin/pgbouncer"
	if _, err := os.Stat(path); err != nil {
		return "", ErrNoPooler
	}
	return path, nil
}
