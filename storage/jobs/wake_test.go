package jobs_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// The environment variables that make this test binary another process with a worker:
// where the store is, and how often the worker polls.
const (
	otherStore = "ADMINKIT_JOBS_OTHER"
	otherPoll  = "ADMINKIT_JOBS_OTHER_POLL"
)

// An other is a process with a worker. It tells which job it starts, and when.
type other struct {
	starts chan started
	stdin  io.Closer
}

type started struct {
	job int64
	at  time.Time
}

func TestAJobWakesAWorkerOfAnotherProcess(t *testing.T) {
	if at := os.Getenv(otherStore); at != "" {
		workForAnother(t, at)
		return
	}
	for _, k := range eachtest.Kinds(t) {
		if k.Name == "memory" { // no other process sees it
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			q, at := queueAt(t, k.Name)
			o := startOther(t, at, "1h")
			for i, lane := range []string{"new", "new", "another", "new"} {
				enqueue(t, q, job(lane))
				if got := receive(t, o.starts, "start in the other process"); got.job != int64(i+1) {
					t.Errorf("job %d was started, want %d", got.job, i+1)
				}
			}
		})
	}
}

func TestLanesOfAWorkerThatClosesAreTakenOverAtOnce(t *testing.T) {
	for _, k := range eachtest.Kinds(t) {
		if k.Name == "memory" { // no other process sees it
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			q, at := queueAt(t, k.Name)
			begun := make(chan struct{}, 1)
			w := start(t, q, handlers{"test": func(ctx context.Context, _ *jobs.Task) error {
				begun <- struct{}{}
				<-ctx.Done()
				return ctx.Err()
			}}, jobs.WorkerConfig{Lease: time.Minute, Poll: time.Hour})
			enqueue(t, q, job("lane"))
			receive(t, begun, "start")
			o := startOther(t, at, "1h")
			impatient, cancel := context.WithCancel(t.Context())
			cancel()
			if err := w.Close(impatient); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want the error of the context", err)
			}
			if got := receive(t, o.starts, "start in the other process"); got.job != 1 {
				t.Errorf("job %d was started, want 1", got.job)
			}
		})
	}
}

func TestAnotherQueueOfTheProcessWakesTheWorker(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		starts := make(chan int64, 1)
		start(t, newQueue(t, b.Jobs()), handlers{"test": func(_ context.Context, task *jobs.Task) error {
			starts <- task.Job.ID
			return nil
		}}, jobs.WorkerConfig{Lease: time.Minute, Poll: time.Hour})
		q := newQueue(t, b.Jobs())
		for i := range 3 {
			enqueue(t, q, job("lane"))
			if id := receive(t, starts, "start"); id != int64(i+1) {
				t.Errorf("job %d was started, want %d", id, i+1)
			}
		}
	})
}

// queueAt returns a queue on a fresh store that another process can open, and where it is.
func queueAt(t testing.TB, kind string) (q *jobs.Queue, at string) {
	t.Helper()
	at = filepath.Join(t.TempDir(), "jobs.db")
	if kind == "postgres" {
		at = pgtest.DSN(t)
	}
	q, err := jobs.NewQueue(openAt(t, at).Jobs(), jobs.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return q, at
}

// startOther starts another process and returns when its worker works.
func startOther(t testing.TB, at, poll string) *other {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestAJobWakesAWorkerOfAnotherProcess$", "-test.timeout=10m")
	cmd.Env = append(os.Environ(), otherStore+"="+at, otherPoll+"="+poll)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	o := &other{starts: make(chan started, 1000), stdin: stdin}
	ready, read := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			var job, at int64
			switch n, _ := fmt.Sscanf(lines.Text(), "started %d %d", &job, &at); {
			case n == 2:
				o.starts <- started{job, time.Unix(0, at)}
			case lines.Text() == "ready":
				close(ready)
			}
		}
	}()
	t.Cleanup(func() {
		stdin.Close() // it ends by itself
		<-read
		if err := cmd.Wait(); err != nil {
			t.Errorf("the other process: %v", err)
		}
	})
	select {
	case <-ready:
	case <-read:
		t.Fatal("the other process ended before it worked")
	case <-time.After(patience):
		t.Fatal("the other process does not work")
	}
	return o
}

// workForAnother works jobs until the process that started this one closes its input.
func workForAnother(t *testing.T, at string) {
	poll, err := time.ParseDuration(os.Getenv(otherPoll))
	if err != nil {
		t.Fatal(err)
	}
	start(t, newQueue(t, openAt(t, at).Jobs()), handlers{"test": func(_ context.Context, task *jobs.Task) error {
		fmt.Println("started", task.Job.ID, time.Now().UnixNano())
		return nil
	}}, jobs.WorkerConfig{Lease: time.Minute, Poll: poll})
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
}

// BenchmarkWake enqueues a job in one process while the worker of another one, at stock
// settings, has nothing to do. p50 and p99 are the time from the return of Enqueue to
// the start of the handler; an operation also has the enqueueing and a pause in it.
func BenchmarkWake(b *testing.B) {
	for _, kind := range []string{"sqlite", "postgres"} {
		for _, lanes := range []string{"lane of the worker", "new lane"} {
			b.Run(kind+"/"+strings.ReplaceAll(lanes, " ", "-"), func(b *testing.B) {
				q, at := queueAt(b, kind)
				o := startOther(b, at, "0s")
				var took []float64
				b.ReportAllocs()
				b.ResetTimer()
				for i := range b.N {
					j := job("lane")
					if lanes == "new lane" {
						j.Lane = strconv.Itoa(i)
					}
					time.Sleep(rand.N(20 * time.Millisecond)) // at any moment of its polls
					if err := q.Enqueue(b.Context(), j); err != nil {
						b.Fatal(err)
					}
					committed := time.Now()
					took = append(took, float64((<-o.starts).at.Sub(committed))/float64(time.Millisecond))
				}
				b.StopTimer()
				slices.Sort(took)
				b.ReportMetric(took[len(took)/2], "p50-ms")
				b.ReportMetric(took[len(took)*99/100], "p99-ms")
			})
		}
	}
}
