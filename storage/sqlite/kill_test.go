package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	osexec "os/exec"
	"sync"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/tabletest"
)

// writerEnv turns a run of this test binary into the process that is killed.
const writerEnv = "ADMINKIT_TEST_WRITER"

// write is that process: it writes pairs from several goroutines and says the id of
// each pair once InTx has answered.
func write(path string) error {
	b, err := sqlite.Open(context.Background(), path, sqlite.Config{})
	if err != nil {
		return err
	}
	failed := make(chan error)
	var out sync.Mutex
	for range 4 {
		go func() {
			for {
				id := storage.NewID()
				err := b.InTx(context.Background(), func(ctx context.Context) error {
					if err := tabletest.Insert(ctx, b, id+"/1"); err != nil {
						return err
					}
					return b.InTx(ctx, func(ctx context.Context) error { return tabletest.Insert(ctx, b, id+"/2") })
				})
				if err != nil {
					failed <- err
				}
				out.Lock()
				fmt.Println("acknowledged", id)
				out.Unlock()
			}
		}()
	}
	return <-failed
}

func TestAKilledProcessLosesNothingItAcknowledged(t *testing.T) {
	path := file(t)
	if err := open(t, path, sqlite.Config{}).Close(t.Context()); err != nil { // with the table
		t.Fatal(err)
	}
	acknowledged, unknown := 0, 0
	for range 8 {
		ids := killedRun(t, path)
		b, err := sqlite.Open(t.Context(), path, sqlite.Config{})
		if err != nil {
			t.Fatal(err)
		}
		acknowledged += len(ids)
		if err := check(t, b, ids); err != nil {
			t.Error(err)
		}
		unknown = tabletest.Count(t, b)/2 - acknowledged
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if acknowledged == 0 || unknown < 0 {
		t.Errorf("%d pairs acknowledged, %d more stored", acknowledged, unknown)
	}
	t.Logf("%d pairs acknowledged, %d more stored", acknowledged, unknown)
}

// killedRun lets a child write for some milliseconds, kills it and returns what it
// had acknowledged.
func killedRun(t *testing.T, path string) []string {
	t.Helper()
	cmd := osexec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), writerEnv+"="+path)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	var ids []string
	var timer *time.Timer
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF { // a line that was cut short counts for nothing
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		var id string
		if n, _ := fmt.Sscanf(line, "acknowledged %s", &id); n == 1 {
			ids = append(ids, id)
		}
		if timer == nil && len(ids) > 0 {
			timer = time.AfterFunc(time.Duration(20+rand.IntN(60))*time.Millisecond, func() { cmd.Process.Kill() })
		}
	}
	if timer == nil {
		cmd.Process.Kill()
		t.Error("the child acknowledged nothing")
	}
	cmd.Wait() // killed: its error says so
	return ids
}

// check compares the database with what was acknowledged: both rows of each pair, no
// pair by half, and no damage.
func check(t *testing.T, b *sqlite.Backend, ids []string) error {
	t.Helper()
	c, err := b.Reader(t.Context())
	if err != nil {
		return err
	}
	var verdict string
	if err := storage.QueryRow(t.Context(), c, `PRAGMA integrity_check`, nil, &verdict); err != nil || verdict != "ok" {
		return fmt.Errorf("integrity_check: %s, %v", verdict, err)
	}
	var halves int
	if err := storage.QueryRow(t.Context(), c,
		`SELECT COUNT(*) FROM (SELECT 1 FROM t GROUP BY substr(id, 1, 36) HAVING COUNT(*) <> 2)`, nil, &halves); err != nil || halves != 0 {
		return fmt.Errorf("%d pairs stored by half, %v", halves, err)
	}
	for _, id := range ids {
		var n int
		if err := storage.QueryRow(t.Context(), c, `SELECT COUNT(*) FROM t WHERE id = $1`, []any{id + "/2"}, &n); err != nil || n != 1 {
			return fmt.Errorf("acknowledged pair %s is not stored: %v", id, err)
		}
	}
	return nil
}
