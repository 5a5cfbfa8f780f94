package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestResetReachesTheProcessThatIsRunning(t *testing.T) {
	t.Parallel()
	onEachDurableDatabase(t, func(t *testing.T, db string) {
		keys := filepath.Join(t.TempDir(), "keys")
		running := startAdmin(t, db, "-keys", keys)
		order := running.order(100_00).ID
		running.refund("sam", order, "5.00").want(http.StatusOK)

		fresh := startAdmin(t, db, "-keys", keys, "-reset")
		if got := fresh.refunded(order); got != "0.00" {
			t.Errorf("after a reset %s is refunded, want 0.00", got)
		}
		running.refund("sam", order, "7.00").want(http.StatusOK)
		if got := fresh.refunded(order); got != "7.00" {
			t.Errorf("%s is refunded of the 7.00 that the running process answered for", got)
		}
	})
}

func TestResetLeavesWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	notes := filepath.Join(directory, "notes.txt")
	empty := filepath.Join(directory, "empty")
	if err := os.WriteFile(notes, []byte("what is dear to somebody\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, db := range []string{notes, empty} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), []string{"-addr", "127.0.0.1:0", "-db", db, "-keys", filepath.Join(directory, "keys"), "-reset"}, &stdout, &stderr)
		if code != 1 || !strings.Contains(stderr.String(), "-reset") {
			t.Errorf("resetting %s ended with %d and said %q", filepath.Base(db), code, stderr.String())
		}
	}
	if kept, err := os.ReadFile(notes); err != nil || string(kept) != "what is dear to somebody\n" {
		t.Errorf("the file holds %q (%v)", kept, err)
	}
	if info, err := os.Stat(empty); err != nil || !info.IsDir() {
		t.Errorf("the directory is %v (%v)", info, err)
	}
}
