package jobs_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/storage/storagetest/process"
)

func TestMain(m *testing.M) {
	process.Main(process.Roles{"fifo": workInOrder})
	m.Run()
}

// A host is a backend with a table of its host's.
type host interface {
	storage.Transactor
	Conn(ctx context.Context) (storage.Conn, error)
	Reader(ctx context.Context) (storage.Conn, error)
	Jobs() jobs.Store
	Close(ctx context.Context) error
}

func openHost(ctx context.Context, at string) (host, error) {
	if strings.HasPrefix(at, "postgres") {
		return postgres.Open(ctx, at, postgres.Config{})
	}
	return sqlite.Open(ctx, at, sqlite.Config{})
}

// workInOrder is a process that works until it is killed. What becomes of a job is one row
// of the host's table, which commits with it.
func workInOrder(ctx context.Context, args []string) error {
	b, err := openHost(ctx, args[0])
	if err != nil {
		return err
	}
	q, err := jobs.NewQueue(b.Jobs(), jobs.Config{})
	if err != nil {
		return err
	}
	w, err := jobs.NewWorker(q, handlers{"test": func(ctx context.Context, task *jobs.Task) error {
		<-time.After(time.Duration(rand.IntN(5)) * time.Millisecond)
		fails := rand.IntN(5) == 0
		return b.InTx(ctx, func(ctx context.Context) error {
			c, err := b.Conn(ctx)
			if err != nil {
				return err
			}
			if _, err := c.Exec(ctx, `INSERT INTO mark (lane, number, done) VALUES ($1, $2, $3)`,
				task.Job.Lane, string(task.Job.Payload), !fails); err != nil {
				return err
			}
			if fails {
				return task.RetryAt(ctx, q.Now().Add(time.Duration(rand.IntN(10))*time.Millisecond), "fails")
			}
			return task.Complete(ctx)
		})
	}}, jobs.WorkerConfig{Lease: 500 * time.Millisecond, Poll: 10 * time.Millisecond, Backoff: soon, MaxAttempts: 1000, MaxLost: 1000})
	if err != nil {
		return err
	}
	if err := w.Start(ctx); err != nil {
		return err
	}
	process.Say("works")
	<-ctx.Done()
	if err := w.Close(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	return b.Close(context.WithoutCancel(ctx))
}

// A mark is what a handler wrote.
type mark struct {
	number int
	done   bool
}

// marks reads what handlers wrote, lane by lane in the order in which they did, and how
// many jobs are done.
func marks(t *testing.T, b host) (of map[string][]mark, done int) {
	t.Helper()
	c, err := b.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows, err := c.Query(t.Context(), `SELECT lane, number, done FROM mark ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	of = map[string][]mark{}
	for rows.Next() {
		var lane, number string
		var m mark
		if err := rows.Scan(&lane, &number, &m.done); err != nil {
			t.Fatal(err)
		}
		if m.number, err = strconv.Atoi(number); err != nil {
			t.Fatal(err)
		}
		if of[lane] = append(of[lane], m); m.done {
			done++
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return of, done
}

// Three processes work FIFO lanes whose jobs fail at random, and one of them is killed again
// and again in the middle of it: in each lane the jobs are done in their order, a retried
// one before those behind it. The long form kills thirty times.
func TestAFIFOLaneKeepsItsOrderWhileItsOwnersAreKilled(t *testing.T) {
	t.Parallel()
	const lanes, each = 8, 12
	kills := 2
	if os.Getenv("ADMINKIT_LONG") != "" {
		kills = 30
	}
	for _, k := range eachtest.Kinds(t) {
		if k.Name == "memory" { // nothing of it outlives a process
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			at, id := filepath.Join(t.TempDir(), "jobs.db"), "INTEGER PRIMARY KEY AUTOINCREMENT"
			if k.Name == "postgres" {
				at, id = pgtest.DSN(t), "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
			}
			b, err := openHost(t.Context(), at)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close(context.WithoutCancel(t.Context()))
			err = b.InTx(t.Context(), func(ctx context.Context) error {
				c, err := b.Conn(ctx)
				if err != nil {
					return err
				}
				_, err = c.Exec(ctx, `CREATE TABLE mark (id `+id+`, lane TEXT NOT NULL, number TEXT NOT NULL, done BOOLEAN NOT NULL)`)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			q := newQueue(t, b.Jobs())
			for i := range lanes {
				setLane(t, q, fmt.Sprint(i), jobs.LaneConfig{Order: jobs.FIFO})
			}
			work := func() *process.Process {
				p, err := process.Start(process.Config{Role: "fifo", Args: []string{at}})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { p.Kill() })
				if line, err := p.Line(); line != "works" {
					t.Fatalf("the child said %q and %v: %s", line, err, p.Stderr())
				}
				return p
			}
			enqueued := 0
			more := func() {
				for i := range lanes {
					var list []jobs.Job
					for n := range each {
						j := job(fmt.Sprint(i))
						j.Payload = []byte(strconv.Itoa(enqueued + n))
						list = append(list, j)
					}
					enqueue(t, q, list...)
				}
				enqueued += each
			}
			wait := func(want int) (of map[string][]mark) {
				for deadline := time.Now().Add(2 * time.Minute); ; {
					of, done := marks(t, b)
					switch {
					case done >= want:
						return of
					case time.Now().After(deadline):
						t.Fatalf("%d jobs are done, want %d", done, want)
					}
					<-time.After(5 * time.Millisecond)
				}
			}
			processes := []*process.Process{work(), work(), work()}
			for range kills {
				before := enqueued * lanes
				more()
				wait(before + lanes*each/4)
				victim := rand.IntN(len(processes))
				if err := processes[victim].Kill(); err != nil {
					t.Fatal(err)
				}
				processes[victim] = work()
			}
			more()
			of := wait(enqueued * lanes)
			for _, p := range processes {
				if err := p.Stop(); err != nil {
					t.Error(err)
				}
			}
			for i := range lanes {
				lane, next, fails := fmt.Sprint(i), 0, 0
				for _, m := range of[lane] {
					if m.number != next {
						t.Fatalf("lane %s: job %d ran where it was the turn of %d: %v", lane, m.number, next, of[lane])
					}
					if m.done {
						next++
					} else {
						fails++
					}
				}
				if next != enqueued {
					t.Errorf("lane %s: %d jobs are done, want %d", lane, next, enqueued)
				}
				t.Logf("lane %s: %d jobs done in their order, %d failures among them", lane, next, fails)
			}
		})
	}
}
