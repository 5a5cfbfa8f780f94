//go:build unix

package jobs_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// childStore is the environment variable that makes this test binary a process that works
// jobs until one of them kills it.
const childStore = "ADMINKIT_JOBS_CHILD"

func TestAJobThatKillsItsProcessEndsInTheDeadLetters(t *testing.T) {
	if at := os.Getenv(childStore); at != "" {
		workUntilKilled(t, at)
		return
	}
	for _, k := range eachtest.Kinds(t) {
		if k.Name == "memory" { // nothing of it outlives a process
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			at := filepath.Join(t.TempDir(), "jobs.db")
			if k.Name == "postgres" {
				at = pgtest.DSN(t)
			}
			b := openAt(t, at)
			q := newQueue(t, b.Jobs())
			poison := job("lane")
			poison.Kind = "poison"
			var list []jobs.Job
			for i := range 20 {
				list = append(list, job("lane"), job(fmt.Sprint("other", i)))
			}
			enqueue(t, q, append(append(list[:20:20], poison), list[20:]...)...)

			deaths := 0
			for deadline := time.Now().Add(5 * time.Minute); len(dead(t, q)) == 0; {
				if time.Now().After(deadline) {
					t.Fatalf("after %d deaths the job is not in the dead letters", deaths)
				}
				child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()[:strings.Index(t.Name(), "/")]+"$")
				child.Env = append(os.Environ(), childStore+"="+at)
				out, err := child.CombinedOutput()
				if err == nil {
					break // it found nothing more to do
				}
				if child.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
					t.Fatalf("the child ended with %v\n%s", err, out)
				}
				deaths++
				kill(t, b.Jobs()) // as who sees that it gives no sign of life any more
			}
			// One start is not counted, then MaxLost are.
			if deaths != 3 {
				t.Errorf("%d processes died, want 3", deaths)
			}
			letters := dead(t, q)
			if len(letters) != 1 || letters[0].Kind != "poison" || letters[0].Reason != "each start of it was lost with its process or its lease" {
				t.Errorf("got dead letters %+v", letters)
			}
			for id := int64(1); id <= 41; id++ {
				attempts := attemptsOf(t, q, id)
				if len(attempts) != 1 || (attempts[0].Result == jobs.Buried) != (id == 21) {
					t.Errorf("job %d has attempts %+v", id, attempts)
				}
			}
		})
	}
}

func dead(t *testing.T, q *jobs.Queue) []jobs.DeadJob {
	t.Helper()
	page, err := q.DeadJobs(t.Context(), "acme", jobs.DeadQuery{})
	if err != nil {
		t.Fatal(err)
	}
	return page.Items
}

func openAt(t testing.TB, at string) interface{ Jobs() jobs.Store } {
	t.Helper()
	if strings.HasPrefix(at, "postgres") {
		b, err := postgres.Open(t.Context(), at, postgres.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close(context.WithoutCancel(t.Context())) })
		return b
	}
	b, err := sqlite.Open(t.Context(), at, sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close(context.WithoutCancel(t.Context())) })
	return b
}

// workUntilKilled works jobs like any process. It ends when all are done. Its lease outlives
// the test on a busy machine: a lost one counts as a death does.
func workUntilKilled(t *testing.T, at string) {
	q := newQueue(t, openAt(t, at).Jobs())
	const total = 41
	start(t, q, handlers{
		"test": func(context.Context, *jobs.Task) error { return nil },
		"poison": func(context.Context, *jobs.Task) error {
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		},
	}, jobs.WorkerConfig{Lease: 10 * time.Minute, MaxLost: 2})
	eventually(t, "all jobs ended", func() bool {
		for id := int64(1); id <= total; id++ {
			if len(attemptsOf(t, q, id)) == 0 {
				return false
			}
		}
		return true
	})
}
