package sqlite_test

import (
	"fmt"
	"syscall"
	"testing"
)

// A tmpfs is a small file system in memory.
type tmpfs struct{ dir string }

// smallDisk mounts a file system of 2 MiB until the test ends. It returns nil where this
// process may not mount.
func smallDisk(t *testing.T) *tmpfs {
	t.Helper()
	d := &tmpfs{t.TempDir()}
	if err := syscall.Mount("tmpfs", d.dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Logf("no small file system here: %v", err)
		return nil
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(d.dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
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
