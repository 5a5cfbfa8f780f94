//go:build unix

package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/lumelle/adminkit/storage/storagetest/cluster"
)

// shared returns the data source name of the cluster of this go test run, and starts
// it when this process is the first that asks.
func shared() (string, error) {
	owner := life()
	base := filepath.Join(os.TempDir(), fmt.Sprintf("adminkit-pgtest-%d-%d", os.Getuid(), owner))
	lock, err := os.OpenFile(base+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close() // and unlocks
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	// The lock file says where the cluster is, once it runs.
	known, err := os.ReadFile(base + ".lock")
	if err != nil {
		return "", err
	}
	if socket, dsn, ok := strings.Cut(string(known), "\n"); ok {
		if _, err := os.Stat(socket); err == nil {
			return dsn, nil
		}
	}
	c, err := cluster.Start(owner, base+".lock")
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(base+".lock", []byte(c.Socket()+"\n"+c.DSN()), 0o600); err != nil {
		return "", err
	}
	return c.DSN(), nil
}

// life returns the process whose life is that of the run: the go command that started
// this test, else the test itself, as when its binary is run by hand.
func life() int {
	parent := os.Getppid()
	name, err := exec.Command("ps", "-o", "comm=", "-p", strconv.Itoa(parent)).Output()
	if err == nil && filepath.Base(strings.TrimSpace(string(name))) == "go" {
		return parent
	}
	return os.Getpid()
}
