//go:build unix

package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// startsIn is how long a server, or a Pooler, may take until it answers or has ended: long
// enough for a machine whose disk is busy.
const startsIn = 5 * time.Minute

// settings are those of the cluster: small, private, and as durable as the default.
const settings = `
listen_addresses = ''
max_connections = 200
shared_buffers = 64MB
fsync = on
synchronous_commit = on
max_wal_size = 256MB
autovacuum_naptime = 10s
log_min_messages = fatal
`

// watch is the shell process that ends a cluster with the process it was made for. It
// outlives that process by a second at most, and runs in a session of its own so that
// an interrupt of the run does not end it first. It runs as the user of the tests: an
// unprivileged one could not see whether a process of root is alive. That the server
// has ended it sees by the file: as a zombie, where nothing reaps, it keeps its id.
const watch = `while kill -0 "$1" 2>/dev/null; do sleep 0.3; done
server=$(head -n 1 "$2/data/postmaster.pid")
kill -QUIT "$server"
test -e "$2/pgbouncer.pid" && kill -TERM "$(cat "$2/pgbouncer.pid")"
n=0
while [ -e "$2/data/postmaster.pid" ] && [ $n -lt 100 ]; do sleep 0.1; n=$((n+1)); done
rm -rf "$2" "$3"`

// A Cluster is a running server of its own.
type Cluster struct {
	bin, dir string
	as       *syscall.SysProcAttr // the user it runs as
	stopped  bool
}

// DSN returns the data source name of its database, as a URL.
func (c *Cluster) DSN() string {
	return "postgres:///postgres?" + url.Values{"host": {c.dir}, "port": {"5432"}, "user": {"postgres"}, "sslmode": {"disable"}}.Encode()
}

// Socket returns the path of its Unix socket, which is there while the server accepts
// connections. Its directory is the cluster's own.
func (c *Cluster) Socket() string { return filepath.Join(c.dir, ".s.PGSQL.5432") }

// Crash ends the server as a power cut would, in the middle of whatever it does, and
// starts it again. It returns when the server has recovered.
func (c *Cluster) Crash() error {
	if err := c.Stop(); err != nil {
		return err
	}
	return c.Restart()
}

// Stop ends the server as Crash does and leaves it so: whoever connects is refused until
// Restart.
func (c *Cluster) Stop() error {
	if err := c.stop(); err != nil {
		return err
	}
	c.stopped = true
	return nil
}

// Restart starts a stopped server again, with what it had committed and under the same
// data source name. It returns when the server has recovered.
func (c *Cluster) Restart() error {
	if err := c.up(); err != nil {
		return err
	}
	c.stopped = false
	return nil
}

// Close ends the server, where it is not stopped, and removes all that it has stored. To
// close it twice does no harm.
func (c *Cluster) Close() error {
	var err error
	if !c.stopped {
		err = c.Stop()
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}

// Start makes a Cluster and starts its server. It ends at the latest with the process
// owner, even where that is killed; the file along, where not empty, is removed with it.
// Without binaries the error is ErrMissing.
func Start(owner int, along string) (_ *Cluster, err error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	c := &Cluster{bin: bin}
	uid, gid, err := unprivileged()
	if err != nil {
		return nil, err
	}
	c.as = &syscall.SysProcAttr{}
	if uid != 0 {
		c.as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	if c.dir, err = os.MkdirTemp("", "adminkit-pg-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(c.dir)
		}
	}()
	if uid != 0 {
		if err := os.Chown(c.dir, uid, gid); err != nil {
			return nil, err
		}
	}
	if err := c.command("initdb", "-D", c.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8",
		"--locale=C", "--no-sync", "--no-instructions"); err != nil {
		return nil, err
	}
	conf := filepath.Join(c.data(), "postgresql.auto.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, "%sunix_socket_directories = '%s'\n", settings, c.dir), 0o600); err != nil {
		return nil, err
	}
	if err := c.up(); err != nil {
		return nil, err
	}
	watcher := exec.Command("/bin/sh", "-c", watch, "watch", strconv.Itoa(owner), c.dir, along)
	watcher.Dir = "/"
	watcher.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := watcher.Start(); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

// up starts the server and waits until it answers.
func (c *Cluster) up() error {
	return c.command("pg_ctl", "-D", c.data(), "-l", filepath.Join(c.dir, "log"), "-w", "-t", seconds(startsIn), "-s", "start")
}

// stop ends the server without letting it finish anything.
func (c *Cluster) stop() error {
	return c.command("pg_ctl", "-D", c.data(), "-m", "immediate", "-w", "-t", seconds(startsIn), "-s", "stop")
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

// command runs one of Postgres' programs as the user of the cluster.
func (c *Cluster) command(name string, args ...string) error {
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Dir = c.dir
	cmd.SysProcAttr = c.as
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	// Not a pipe: the server inherits it, and the command would seem to run for as
	// long as the server does.
	out, err := os.CreateTemp("", "adminkit-pg-out-")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		said, _ := os.ReadFile(out.Name())
		return fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(said))
	}
	return nil
}

// binaries returns the directory of the installed programs, of the newest release
// where there are several.
func binaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil && complete(filepath.Dir(path)) {
			return filepath.Dir(path), nil
		}
	}
	best, release := "", -1
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin"} {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		for _, dir := range dirs {
			digits := strings.TrimLeft(filepath.Base(filepath.Dir(dir)), "abcdefghijklmnopqrstuvwxyz-@")
			if n, err := strconv.Atoi(digits); err == nil && n > release && complete(dir) {
				best, release = dir, n
			}
		}
	}
	if best == "" {
		return "", ErrMissing
	}
	return best, nil
}

func complete(dir string) bool {
	for _, name := range []string{"initdb", "pg_ctl", "postgres"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	return true
}

// unprivileged returns the user that the cluster runs as where this process is root,
// zeros elsewhere.
func unprivileged() (uid, gid int, err error) {
	if os.Getuid() != 0 {
		return 0, 0, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err := errors.Join(err1, err2); err != nil {
			return 0, 0, err
		}
		return uid, gid, nil
	}
	return 0, 0, errors.New("running as root and neither user postgres nor nobody exists")
}
