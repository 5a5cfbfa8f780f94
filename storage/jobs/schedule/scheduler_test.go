package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/jobs/schedule"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// A clock is set by the test.
type clock struct{ at atomic.Int64 }

func newClock(at string) *clock {
	c := &clock{}
	t, err := time.Parse(time.RFC3339, at)
	if err != nil {
		panic(err)
	}
	c.set(t)
	return c
}

func (c *clock) Now() time.Time        { return time.UnixMicro(c.at.Load()).UTC() }
func (c *clock) set(t time.Time)       { c.at.Store(t.UnixMicro()) }
func (c *clock) pass(by time.Duration) { c.set(c.Now().Add(by)) }

// A node is a queue and a scheduler over a store that others share.
type node struct {
	*schedule.Scheduler
	queue *jobs.Queue
}

func newNode(t *testing.T, b eachtest.Backend, now func() time.Time) node {
	t.Helper()
	q, err := jobs.NewQueue(b.Jobs(), jobs.Config{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	s, err := schedule.New(q, b, schedule.Config{Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	return node{s, q}
}

// work starts a worker of the process and returns what closes it.
func (p node) work(t *testing.T, handlers map[string]jobs.Handler, config jobs.WorkerConfig) (closing func()) {
	t.Helper()
	handlers = maps.Clone(handlers)
	maps.Copy(handlers, p.Handlers())
	w, err := jobs.NewWorker(p.queue, handlers, config)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	closing = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := w.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(closing)
	return closing
}

const patience = 2 * time.Minute

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("it never came that %s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

// A record notes which instants were run.
type record struct {
	mu   sync.Mutex
	runs []string
}

func (r *record) handle(_ context.Context, task *jobs.Task) error {
	name, at, ok := schedule.Instant(task.Job)
	if !ok {
		return fmt.Errorf("job %q is of no schedule", task.Job.Key)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs = append(r.runs, name+" "+at.Format(time.DateTime))
	return nil
}

func (r *record) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.runs)
}

func get(t *testing.T, s node, name string) schedule.Schedule {
	t.Helper()
	got, err := s.Get(t.Context(), "acme", name)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func daily(name string) schedule.Schedule {
	return schedule.Schedule{
		Name: name, Spec: schedule.Spec{Cron: "0 6 * * *", Zone: "Europe/Berlin"},
		Job: jobs.Job{Lane: "reports", Kind: "report", Payload: []byte("all")},
	}
}

func at(s string) time.Time {
	t, err := time.Parse(time.DateTime, s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestASchedulesLife(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		now := newClock("2026-03-01T12:00:00Z")
		s := newNode(t, b, now.Now)
		ctx := t.Context()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(s.Put(ctx, "acme", daily("report")))
		first := get(t, s, "report")
		if want := at("2026-03-02 05:00:00"); !first.Next.Equal(want) || string(first.Job.Payload) != "all" || first.Spec.Misfire != schedule.Once {
			t.Fatalf("got %+v, want the next instant %s", first, want)
		}

		now.pass(48 * time.Hour) // two instants are missed
		must(s.Put(ctx, "acme", daily("report")))
		if got := get(t, s, "report"); !got.Next.Equal(first.Next) || !got.Ran.Equal(first.Ran) {
			t.Errorf("putting the same again made %+v of %+v", got, first)
		}
		changed := daily("report")
		changed.Spec.Cron = "30 6 * * *"
		must(s.Put(ctx, "acme", changed))
		if got, want := get(t, s, "report").Next, at("2026-03-04 05:30:00"); !got.Equal(want) {
			t.Errorf("after a change the next instant is %s, want %s", got, want)
		}

		must(s.Pause(ctx, "acme", "report"))
		must(s.Pause(ctx, "acme", "report"))
		if got := get(t, s, "report"); !got.Paused || !got.Next.IsZero() {
			t.Errorf("got %+v, want it paused", got)
		}
		must(s.Put(ctx, "acme", daily("report")))
		if got := get(t, s, "report"); !got.Paused {
			t.Error("a change ended the pause")
		}
		now.pass(72 * time.Hour)
		must(s.Resume(ctx, "acme", "report"))
		must(s.Resume(ctx, "acme", "report"))
		if got, want := get(t, s, "report"), at("2026-03-07 05:00:00"); got.Paused || !got.Next.Equal(want) {
			t.Errorf("after the pause got %+v, want the next instant %s", got, want)
		}

		must(s.Delete(ctx, "acme", "report"))
		for what, err := range map[string]error{
			"delete": s.Delete(ctx, "acme", "report"), "pause": s.Pause(ctx, "acme", "report"), "resume": s.Resume(ctx, "acme", "report"),
		} {
			if !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%s: got %v, want ErrNotFound", what, err)
			}
		}
		if _, err := s.Get(ctx, "acme", "report"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("get: got %v, want ErrNotFound", err)
		}
	})
}

func TestSchedulesAreListedByTheirNextInstants(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		s := newNode(t, b, newClock("2026-03-01T12:00:00Z").Now)
		for i, cron := range []string{"@monthly", "@hourly", "@daily"} {
			sch := daily(fmt.Sprint(i))
			sch.Spec.Cron = cron
			if err := s.Put(t.Context(), "acme", sch); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Put(t.Context(), "bloom", daily("theirs")); err != nil {
			t.Fatal(err)
		}
		if err := s.Pause(t.Context(), "acme", "1"); err != nil {
			t.Fatal(err)
		}
		var names []string
		var query schedule.Query
		for query.Limit = 2; ; {
			page, err := s.List(t.Context(), "acme", query)
			if err != nil {
				t.Fatal(err)
			}
			for _, sch := range page.Items {
				names = append(names, sch.Name)
			}
			if query.After = page.Next; page.Next == "" {
				break
			}
		}
		if want := []string{"2", "0", "1"}; !slices.Equal(names, want) {
			t.Errorf("got %v, want %v: daily, monthly and the paused one", names, want)
		}
	})
}

func TestWrongSchedulesAreRefused(t *testing.T) {
	b, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	q, err := jobs.NewQueue(b.Jobs(), jobs.Config{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := schedule.New(q, b, schedule.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for pointer, change := range map[string]func(s *schedule.Schedule){
		"/name":        func(s *schedule.Schedule) { s.Name = "" },
		"/spec/cron":   func(s *schedule.Schedule) { s.Spec.Cron = "never" },
		"/spec/zone":   func(s *schedule.Schedule) { s.Spec.Zone = "Atlantis" },
		"/job/lane":    func(s *schedule.Schedule) { s.Job.Lane = "" },
		"/job/payload": func(s *schedule.Schedule) { s.Job.Payload = make([]byte, schedule.MaxPayload+1) },
	} {
		sch := daily("it")
		change(&sch)
		var invalid *storage.InvalidError
		if err := s.Put(t.Context(), "acme", sch); !errors.As(err, &invalid) || invalid.Fields[0].Pointer != pointer {
			t.Errorf("got %v, want a refusal of %s", err, pointer)
		}
	}
	if err := s.Put(t.Context(), "", daily("it")); !errors.Is(err, storage.ErrInvalid) {
		t.Errorf("no tenant: got %v, want ErrInvalid", err)
	}
	if _, err := schedule.New(nil, b, schedule.Config{}); err == nil {
		t.Error("a scheduler without a queue was made")
	}
	if _, err := schedule.New(q, nil, schedule.Config{}); err == nil {
		t.Error("a scheduler without transactions was made")
	}
}

// Two workers with a store between them are two processes to it.
func TestTwoProcessesRunEachInstantOnce(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		now := newClock("2026-03-28T12:00:00Z")
		var ran record
		handlers := map[string]jobs.Handler{"report": ran.handle}
		var both []node
		for range 2 {
			p := newNode(t, b, now.Now)
			p.work(t, handlers, jobs.WorkerConfig{Poll: 5 * time.Millisecond})
			both = append(both, p)
		}
		var want []string
		for i := range 4 { // both put all of them, as they do at their start
			for _, p := range both {
				if err := p.Put(t.Context(), "acme", daily(fmt.Sprint(i))); err != nil {
					t.Fatal(err)
				}
			}
		}
		for day := range 5 {
			now.pass(24 * time.Hour)
			for i := range 4 {
				// Clocks go forward in the first night.
				want = append(want, fmt.Sprintf("%d 2026-%s 04:00:00", i, []string{"03-29", "03-30", "03-31", "04-01", "04-02"}[day]))
			}
			eventually(t, "all schedules ran", func() bool { return len(ran.all()) >= len(want) })
		}
		got := ran.all()
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("got %v\nwant %v", got, want)
		}
	})
}

func TestMissedInstantsFollowTheirPolicyAndAClockThatIsSetBackRunsNothingTwice(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		now := newClock("2026-03-01T12:00:00Z")
		p := newNode(t, b, now.Now)
		for _, misfire := range []schedule.Misfire{schedule.Once, schedule.Skip, schedule.All} {
			s := daily(string(misfire))
			s.Spec.Misfire = misfire
			if misfire == schedule.All {
				s.Spec.Most = 2
			}
			if err := p.Put(t.Context(), "acme", s); err != nil {
				t.Fatal(err)
			}
		}
		now.pass(3 * 24 * time.Hour) // and nobody works
		var ran record
		closing := p.work(t, map[string]jobs.Handler{"report": ran.handle}, jobs.WorkerConfig{Poll: 5 * time.Millisecond})
		next := at("2026-03-05 05:00:00")
		settled := func() bool {
			for _, misfire := range []string{"once", "skip", "all"} {
				if !get(t, p, misfire).Next.Equal(next) {
					return false
				}
			}
			return true
		}
		eventually(t, "the schedules looked", func() bool { return settled() && len(ran.all()) >= 3 })
		closing()
		want := []string{"all 2026-03-03 05:00:00", "all 2026-03-04 05:00:00", "once 2026-03-04 05:00:00"}
		got := ran.all()
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}

		// The clock is set back by a month. Everything until then was run or passed over.
		now.pass(-30 * 24 * time.Hour)
		p.work(t, map[string]jobs.Handler{"report": ran.handle}, jobs.WorkerConfig{Poll: 5 * time.Millisecond})
		if err := p.Put(t.Context(), "acme", daily("fence")); err != nil {
			t.Fatal(err)
		}
		now.pass(24 * time.Hour)
		eventually(t, "a new schedule ran", func() bool { return len(ran.all()) > 3 })
		if got := ran.all(); len(got) != 4 || got[3] != "fence 2026-02-03 05:00:00" || !settled() {
			t.Errorf("got %v, want nothing of the others again", got)
		}
	})
}

// A transaction that fails takes the jobs of an instant with it, and the schedule stays where
// it was.
func TestAnInstantThatCouldNotBeRunIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := memory.New(memory.Config{})
		if err != nil {
			t.Fatal(err)
		}
		q, err := jobs.NewQueue(b.Jobs(), jobs.Config{})
		if err != nil {
			t.Fatal(err)
		}
		flaky := &flakyTx{Transactor: b}
		s, err := schedule.New(q, flaky, schedule.Config{})
		if err != nil {
			t.Fatal(err)
		}
		var ran record
		if err := s.Put(t.Context(), "acme", schedule.Schedule{
			Name: "it", Spec: schedule.Spec{Every: time.Hour}, Job: jobs.Job{Lane: "lane", Kind: "report"},
		}); err != nil {
			t.Fatal(err)
		}
		flaky.fails.Store(100) // more often than a job is tried
		node{s, q}.work(t, map[string]jobs.Handler{"report": ran.handle}, jobs.WorkerConfig{Poll: time.Hour, Lease: 24 * time.Hour})
		time.Sleep(59 * time.Minute)
		synctest.Wait()
		if got := ran.all(); len(got) != 0 {
			t.Errorf("got %v before the first instant", got)
		}
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		if got := ran.all(); len(got) != 1 || flaky.fails.Load() > 0 {
			t.Errorf("got %v with %d failures to come, want the one instant", got, flaky.fails.Load())
		}
	})
}

// A flakyTx fails its transactions after all was written, as often as it is told.
type flakyTx struct {
	storage.Transactor
	fails atomic.Int64
}

func (f *flakyTx) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	return f.Transactor.InTx(ctx, func(ctx context.Context) error {
		if err := fn(ctx); err != nil {
			return err
		}
		if f.fails.Add(-1) >= 0 {
			return errors.New("the store stumbles")
		}
		return nil
	})
}

// Twenty schedules over a year, whose workers come and go: in a bubble, where a year passes
// at once.
func TestAYearWithWorkersThatComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := memory.New(memory.Config{})
		if err != nil {
			t.Fatal(err)
		}
		q, err := jobs.NewQueue(b.Jobs(), jobs.Config{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := schedule.New(q, b, schedule.Config{})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		var want []string
		for i := range 20 {
			spec := schedule.Spec{Cron: fmt.Sprintf("%d %d * * *", i, i), Zone: []string{"Europe/Berlin", "America/New_York"}[i%2], Misfire: schedule.All}
			name := fmt.Sprint(i)
			if err := s.Put(t.Context(), "acme", schedule.Schedule{Name: name, Spec: spec, Job: jobs.Job{Lane: "lane", Kind: "report"}}); err != nil {
				t.Fatal(err)
			}
			instants, err := spec.Instants(begin, 400)
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range instants {
				if at.Before(begin.AddDate(1, 0, 0)) {
					want = append(want, name+" "+at.Format(time.DateTime))
				}
			}
		}
		var ran record
		p := node{s, q}
		for range 12 {
			config := jobs.WorkerConfig{Poll: time.Hour, Lease: 24 * time.Hour}
			one := p.work(t, map[string]jobs.Handler{"report": ran.handle}, config)
			time.Sleep(10 * 24 * time.Hour)
			two := p.work(t, map[string]jobs.Handler{"report": ran.handle}, config)
			time.Sleep(10 * 24 * time.Hour)
			one()
			time.Sleep(7 * 24 * time.Hour)
			two()
			time.Sleep(3 * 24 * time.Hour) // nobody works
		}
		p.work(t, map[string]jobs.Handler{"report": ran.handle}, jobs.WorkerConfig{Poll: time.Hour, Lease: 24 * time.Hour})
		end := begin.AddDate(1, 0, 0)
		time.Sleep(time.Until(end) + 2*time.Hour) // what waits for a poll gets it
		synctest.Wait()
		got := slices.DeleteFunc(ran.all(), func(run string) bool {
			_, at, _ := strings.Cut(run, " ")
			return at >= end.Format(time.DateTime)
		})
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			count := map[string]int{}
			for _, r := range want {
				count[r]--
			}
			for _, r := range got {
				count[r]++
			}
			maps.DeleteFunc(count, func(_ string, n int) bool { return n == 0 })
			t.Errorf("ran %d instants, want %d; too often, or too rarely: %v", len(got), len(want), count)
		}
	})
}

// Changes of a schedule that come while it runs are neither lost nor run twice.
func TestAScheduleIsChangedWhileItRuns(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		now := newClock("2026-03-01T12:00:00Z")
		var ran record
		var both []node
		for range 2 {
			p := newNode(t, b, now.Now)
			p.work(t, map[string]jobs.Handler{"report": ran.handle}, jobs.WorkerConfig{Poll: 2 * time.Millisecond})
			both = append(both, p)
		}
		var wg sync.WaitGroup
		for i, p := range both {
			wg.Go(func() {
				for n := range 20 {
					s := schedule.Schedule{
						Name: "it", Spec: schedule.Spec{Every: time.Hour},
						Job: jobs.Job{Lane: "lane", Kind: "report", Payload: fmt.Append(nil, i, n)},
					}
					if err := p.Put(t.Context(), "acme", s); err != nil && !errors.Is(err, storage.ErrConflict) {
						t.Errorf("put: %v", err)
					}
					now.pass(20 * time.Minute)
				}
			})
		}
		wg.Wait()
		page, err := both[0].List(t.Context(), "acme", schedule.Query{})
		if err != nil || len(page.Items) != 1 {
			t.Fatalf("got %d schedules and %v, want 1", len(page.Items), err)
		}
		before := len(ran.all())
		now.pass(time.Hour)
		eventually(t, "it ran once more", func() bool { return len(ran.all()) > before })
		seen := map[string]bool{}
		for _, r := range ran.all() {
			if seen[r] {
				t.Errorf("%s ran twice", r)
			}
			seen[r] = true
		}
	})
}

func TestChoresAreDoneOncePerInstantByTwoProcesses(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		now := newClock("2026-03-01T12:30:00Z")
		var done [2]atomic.Int64
		looker := newNode(t, b, now.Now)
		for i := range 2 {
			p := newNode(t, b, now.Now)
			upkeep, err := schedule.NewUpkeep(p.Scheduler, "system",
				schedule.Chore{Name: "sweep", Run: func(context.Context) error { done[0].Add(1); return nil }},
				schedule.Chore{Name: "expire", Spec: schedule.Spec{Every: 10 * time.Minute}, Run: func(context.Context) error { done[1].Add(1); return nil }},
			)
			if err != nil {
				t.Fatal(err)
			}
			if err := upkeep.Put(t.Context()); err != nil {
				t.Fatal(i, err)
			}
			p.work(t, upkeep.Handlers(), jobs.WorkerConfig{Poll: 5 * time.Millisecond})
		}
		for n := int64(1); n <= 6; n++ {
			now.pass(10 * time.Minute)
			eventually(t, "the chore was done", func() bool {
				_, err := looker.queue.Lookup(t.Context(), "system", "upkeep/expire") // or the next would be dropped
				return done[1].Load() >= n && errors.Is(err, storage.ErrNotFound)
			})
		}
		eventually(t, "the hourly chore was done", func() bool { return done[0].Load() >= 1 })
		if done[0].Load() != 1 || done[1].Load() != 6 {
			t.Errorf("the chores were done %d and %d times, want 1 and 6", done[0].Load(), done[1].Load())
		}
	})
}

func TestWrongChoresAreRefused(t *testing.T) {
	b, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	q, err := jobs.NewQueue(b.Jobs(), jobs.Config{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := schedule.New(q, b, schedule.Config{})
	if err != nil {
		t.Fatal(err)
	}
	run := func(context.Context) error { return nil }
	for name, chores := range map[string][]schedule.Chore{
		"one that does nothing": {{Name: "it"}},
		"two of a name":         {{Name: "it", Run: run}, {Name: "it", Run: run}},
		"one that never runs":   {{Name: "it", Run: run, Spec: schedule.Spec{Cron: "0 0 30 2 *"}}},
	} {
		if _, err := schedule.NewUpkeep(s, "system", chores...); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := schedule.NewUpkeep(nil, "system"); err == nil {
		t.Error("an upkeep without a scheduler was made")
	}
}
