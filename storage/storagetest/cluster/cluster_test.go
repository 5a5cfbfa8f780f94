//go:build unix

package cluster_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lumelle/adminkit/storage/storagetest/cluster"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestACrashedClusterHasWhatWasCommitted(t *testing.T) {
	c := eachtest.PostgresCluster(t)
	query := func(query string, dest ...any) {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), c.DSN())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		if len(dest) == 0 {
			_, err = conn.Exec(t.Context(), query)
		} else {
			err = conn.QueryRow(t.Context(), query).Scan(dest...)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	query(`CREATE TABLE t (id TEXT); INSERT INTO t VALUES ('a')`)
	if err := c.Crash(); err != nil {
		t.Fatal(err)
	}
	var n int
	query(`SELECT COUNT(*) FROM t`, &n)
	if n != 1 {
		t.Errorf("%d rows after the crash, want 1", n)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Dir(c.Socket())); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory of a closed cluster: %v", err)
	}
}

func TestAStoppedClusterRefusesUntilItIsRestarted(t *testing.T) {
	c := eachtest.PostgresCluster(t)
	ping := func() error {
		conn, err := pgx.Connect(t.Context(), c.DSN())
		if err != nil {
			return err
		}
		return conn.Close(t.Context())
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := ping(); err == nil {
		t.Error("a stopped server answers")
	}
	if err := c.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := ping(); err != nil {
		t.Errorf("after the restart: %v", err)
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("close a stopped one: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(c.Socket())); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory of a closed cluster: %v", err)
	}
}

// Where there are no binaries the Example prints the same: there is nothing to crash.
func Example() {
	c, err := cluster.Start(os.Getpid(), "")
	if err == nil {
		defer c.Close()
		err = c.Crash()
	}
	fmt.Println("crashed and up again:", err == nil || errors.Is(err, cluster.ErrMissing))
	// Output: crashed and up again: true
}
