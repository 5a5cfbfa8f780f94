package schedule_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/jobs/schedule"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/sqlite"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
	"github.com/lumelle/adminkit/storage/storagetest/process"
)

func TestMain(m *testing.M) {
	process.Main(process.Roles{"work": workFast})
	m.Run()
}

// A fast clock passes ten hours in a second. All processes read the same one.
func fast(began int64) func() time.Time {
	real := time.UnixMicro(began)
	return func() time.Time {
		return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).Add(time.Since(real) * 36_000)
	}
}

// A db is a backend that outlives a process.
type db interface {
	storage.Transactor
	Jobs() jobs.Store
	Close(ctx context.Context) error
}

func openAt(ctx context.Context, at string) (db, error) {
	if strings.HasPrefix(at, "postgres") {
		return postgres.Open(ctx, at, postgres.Config{})
	}
	return sqlite.Open(ctx, at, sqlite.Config{})
}

// workFast is a process that runs schedules until it is killed. For each job of an instant it
// leaves a mark that is there exactly if the job was done.
func workFast(ctx context.Context, args []string) error {
	began, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return err
	}
	b, err := openAt(ctx, args[0])
	if err != nil {
		return err
	}
	q, err := jobs.NewQueue(b.Jobs(), jobs.Config{Now: fast(began)})
	if err != nil {
		return err
	}
	s, err := schedule.New(q, b, schedule.Config{})
	if err != nil {
		return err
	}
	handlers := map[string]jobs.Handler{"report": func(ctx context.Context, task *jobs.Task) error {
		return b.InTx(ctx, func(ctx context.Context) error {
			if err := task.Complete(ctx); err != nil {
				return err
			}
			return q.Enqueue(ctx, jobs.Job{
				Tenant: "acme", Lane: "marks", Kind: "mark", Due: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC), Payload: []byte(task.Job.Key),
			})
		})
	}}
	maps.Copy(handlers, s.Handlers())
	w, err := jobs.NewWorker(q, handlers, jobs.WorkerConfig{
		Lease: 400 * time.Millisecond, Poll: 10 * time.Millisecond, MaxLost: 1000, LeavePruning: true,
		Backoff: func(int) time.Duration { return time.Minute },
	})
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

// Three processes, one of which is killed again and again: each instant is run by exactly
// one of them.
func TestKilledProcessesNeitherSkipNorDoubleAnInstant(t *testing.T) {
	t.Parallel()
	for _, k := range eachtest.Kinds(t) {
		if k.Name == "memory" { // nothing of it outlives a process
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			at := filepath.Join(t.TempDir(), "jobs.db")
			if k.Name == "postgres" {
				at = pgtest.DSN(t)
			}
			b, err := openAt(t.Context(), at)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close(context.WithoutCancel(t.Context()))
			began := time.Now().UnixMicro()
			now := fast(began)
			q, err := jobs.NewQueue(b.Jobs(), jobs.Config{Now: now})
			if err != nil {
				t.Fatal(err)
			}
			s, err := schedule.New(q, b, schedule.Config{})
			if err != nil {
				t.Fatal(err)
			}
			spec := schedule.Spec{Every: time.Hour, Misfire: schedule.All, Most: schedule.MaxMost}
			var first []time.Time
			for i := range 3 {
				name := fmt.Sprint(i)
				if err := s.Put(t.Context(), "acme", schedule.Schedule{Name: name, Spec: spec, Job: jobs.Job{Lane: "reports" + name, Kind: "report"}}); err != nil {
					t.Fatal(err)
				}
				sch, err := s.Get(t.Context(), "acme", name)
				if err != nil {
					t.Fatal(err)
				}
				first = append(first, sch.Next)
			}
			work := func() *process.Process {
				p, err := process.Start(process.Config{Role: "work", Args: []string{at, fmt.Sprint(began)}})
				if err != nil {
					t.Fatal(err)
				}
				if line, err := p.Line(); line != "works" {
					t.Fatalf("the child said %q and %v: %s", line, err, p.Stderr())
				}
				return p
			}
			processes := []*process.Process{work(), work(), work()}
			for range 6 {
				<-time.After(time.Duration(300+rand.IntN(500)) * time.Millisecond)
				victim := rand.IntN(3)
				if err := processes[victim].Kill(); err != nil {
					t.Fatal(err)
				}
				processes[victim] = work()
			}
			// All that was due by now is to be run, and nothing else was.
			last := now().Truncate(time.Hour)
			want := 0
			for _, at := range first {
				want += int(last.Sub(at)/time.Hour) + 1
			}
			var marks map[string]int
			eventually(t, "all instants ran", func() bool {
				marks = count(t, q, last)
				return len(marks) >= want
			})
			for _, p := range processes {
				if err := p.Stop(); err != nil {
					t.Error(err)
				}
			}
			for key, n := range count(t, q, last) {
				if n != 1 {
					t.Errorf("%s was run %d times", key, n)
				}
			}
			if len(marks) != want {
				t.Errorf("%d instants were run, want %d", len(marks), want)
			}
		})
	}
}

// count returns how often each instant up to a time was run.
func count(t *testing.T, q *jobs.Queue, last time.Time) map[string]int {
	t.Helper()
	marks := map[string]int{}
	for query := (jobs.JobQuery{Filter: jobs.Filter{Lane: "marks"}, Limit: storage.MaxLimit}); ; {
		page, err := q.Jobs(t.Context(), "acme", query)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range page.Items {
			_, at, ok := schedule.Instant(jobs.Job{Key: string(j.Payload)})
			if !ok {
				t.Fatalf("a mark says %q", j.Payload)
			}
			if !at.After(last) {
				marks[string(j.Payload)]++
			}
		}
		if query.After = page.Next; page.Next == "" {
			return marks
		}
	}
}
