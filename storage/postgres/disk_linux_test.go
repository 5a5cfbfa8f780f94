package postgres_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

// A tmpfs is a small file system in memory.
type tmpfs struct{ dir string }

// smallDisk mounts a file system of 2 MiB until the test ends, with a tablespace of the
// server and the table big in it. It returns nil where this process may not mount, or
// where the server is not on this machine.
func smallDisk(t *testing.T, pool *pgxpool.Pool) *tmpfs {
	t.Helper()
	var data string
	if err := pool.QueryRow(t.Context(), `SHOW data_directory`).Scan(&data); err != nil {
		t.Logf("no small file system for a stranger's server: %v", err)
		return nil
	}
	owner, err := os.Stat(data)
	if err != nil {
		t.Logf("no small file system for a server elsewhere: %v", err)
		return nil
	}
	// Not the directory of the test: the server's user may not look into it.
	dir, err := os.MkdirTemp("", "adminkit-disk-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d := &tmpfs{dir}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Logf("no small file system here: %v", err)
		return nil
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	stat := owner.Sys().(*syscall.Stat_t)
	if err := os.Chown(dir, int(stat.Uid), int(stat.Gid)); err != nil {
		t.Fatal(err)
	}
	name := "small_" + strings.ReplaceAll(filepath.Base(dir), "-", "_")
	exec := func(query string) {
		if _, err := pool.Exec(context.WithoutCancel(t.Context()), query); err != nil {
			t.Fatal(err)
		}
	}
	exec(fmt.Sprintf(`CREATE TABLESPACE %s LOCATION '%s'`, name, dir))
	exec(`CREATE TABLE big (id TEXT, body TEXT ) TABLESPACE ` + name)
	t.Cleanup(func() {
		exec(`DROP TABLE big`)
		exec(`DROP TABLESPACE ` + name)
	})
	return d
}

// resize gives the file system so many MiB.
func (d *tmpfs) resize(t *testing.T, megabytes int) {
	t.Helper()
	if err := syscall.Mount("tmpfs", d.dir, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%dm", megabytes)); err != nil {
		t.Fatal(err)
	}
}
