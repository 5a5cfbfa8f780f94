package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/process"
)

// What a round of jobs is made of.
const (
	lease         = 500 * time.Millisecond
	crew          = 4    // processes at a time
	lanes         = 16   // of the jobs
	backlog       = 400  // jobs that wait when a process is killed
	jobsPerRound  = 2000 // at least
	takeoverLimit = lease + time.Second
)

// createDone makes the table of what jobs leave. It has no key: a job that was done twice
// has two rows. asked is when it was asked for; both times are in microseconds since 1970.
const createDone = `CREATE TABLE done (
	job BIGINT NOT NULL, lane TEXT NOT NULL, pid BIGINT NOT NULL, at BIGINT NOT NULL, asked BIGINT NOT NULL)`

// workJobs works jobs of a place until it is killed or asked to end. A job leaves a row in
// the transaction that completes it.
func workJobs(ctx context.Context, args []string) error {
	b, err := open(ctx, args[0])
	if err != nil {
		return err
	}
	q, err := jobs.NewQueue(b.Jobs(), jobs.Config{})
	if err != nil {
		return err
	}
	w, err := jobs.NewWorker(q, map[string]jobs.Handler{"work": func(ctx context.Context, t *jobs.Task) error {
		asked, err := strconv.ParseInt(string(t.Job.Payload), 10, 64)
		if err != nil {
			return err
		}
		time.Sleep(time.Millisecond) // the work
		return b.InTx(ctx, func(ctx context.Context) error {
			c, err := b.Conn(ctx)
			if err != nil {
				return err
			}
			if _, err := c.Exec(ctx, `INSERT INTO done (job, lane, pid, at, asked) VALUES ($1, $2, $3, $4, $5)`,
				t.Job.ID, t.Job.Lane, os.Getpid(), time.Now().UnixMicro(), asked); err != nil {
				return err
			}
			return t.Complete(ctx)
		})
	}}, jobs.WorkerConfig{
		Lease: lease, Poll: 50 * time.Millisecond, Slots: 16, MaxAttempts: 1 << 20, MaxLost: 1 << 20, // kills are not the jobs' fault
		Backoff: func(int) time.Duration { return 10 * time.Millisecond },
	})
	if err != nil {
		return err
	}
	if err := w.Start(ctx); err != nil {
		return err
	}
	process.Say(strconv.Itoa(os.Getpid()))
	<-ctx.Done()
	ctx = context.WithoutCancel(ctx)
	return errors.Join(w.Close(ctx), b.Close(ctx))
}

func killJobsSQLite(ctx context.Context, r *round) error   { return r.killJobs(ctx, r.sqlitePlace) }
func killJobsPostgres(ctx context.Context, r *round) error { return r.killJobs(ctx, r.postgresPlace) }

// A crewing is a round of jobs.
type crewing struct {
	*round
	place string
	store durable
	queue *jobs.Queue
	crew  []*process.Process
	asked int           // jobs that were enqueued
	kills map[int]int64 // when a process was killed in quiet, by its id
}

// killJobs has four processes share jobs, kills them at random, suspends some past their
// lease, and puts others in the place of the dead.
func (r *round) killJobs(ctx context.Context, place func(context.Context) (string, error)) (err error) {
	c := &crewing{round: r, kills: map[int]int64{}}
	if c.place, err = place(ctx); err != nil {
		return err
	}
	if c.store, err = open(ctx, c.place); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.store.Close(context.WithoutCancel(ctx))) }()
	if c.queue, err = jobs.NewQueue(c.store.Jobs(), jobs.Config{}); err != nil {
		return err
	}
	if err := c.exec(ctx, createDone); err != nil {
		return err
	}
	defer func() {
		for _, p := range c.crew {
			p.Kill()
		}
	}()
	for range crew {
		p, err := c.hire()
		if err != nil {
			return err
		}
		c.crew = append(c.crew, p)
	}
	for i := 0; i < 2*killsPerRound || c.asked < jobsPerRound; i++ {
		if err := c.strike(ctx, i); err != nil {
			return err
		}
	}
	if err := c.progress(ctx, 0); err != nil {
		return err
	}
	for _, p := range c.crew {
		if err := p.Stop(); err != nil {
			return err
		}
	}
	c.crew = nil
	return c.verify(ctx)
}

// hire starts a process and returns once it works.
func (c *crewing) hire() (*process.Process, error) {
	p, err := process.Start(process.Config{Role: "jobs", Args: []string{c.place}})
	if err != nil {
		return nil, err
	}
	if _, err := p.Line(); err != nil {
		return nil, errors.Join(errors.New("a process does not come up"), p.Stop())
	}
	return p, nil
}

// strike sees to it that there is work, waits for a moment, and kills one of the crew or
// suspends it past its lease.
//
// Now and then it kills in quiet: all processes have had time to take what their dead
// predecessors owned, and have it again afterwards, so that the time that a takeover took
// is that of this one.
func (c *crewing) strike(ctx context.Context, i int) error {
	quiet, work := i%10 == 4, backlog
	if quiet {
		work = 6 * backlog
		if err := wait(ctx, takeoverLimit); err != nil {
			return err
		}
	}
	if err := c.load(ctx, work); err != nil {
		return err
	}
	var err error
	if quiet { // the victim has to have done some work, and to leave some behind
		err = c.progress(ctx, work-c.random.IntN(work/2))
	} else {
		err = c.pause(ctx, 150*time.Millisecond)
	}
	if err != nil {
		return err
	}
	victim := c.random.IntN(crew)
	p := c.crew[victim]
	if i%10 == 9 {
		c.count("stops", 1)
		if err := p.Pause(); err != nil {
			return err
		}
		return errors.Join(wait(ctx, 2*lease), p.Continue())
	}
	if err := p.Kill(); err != nil {
		return err
	}
	c.count("kills", 1)
	if quiet {
		c.kills[p.ID()] = time.Now().UnixMicro()
		if err := wait(ctx, takeoverLimit); err != nil {
			return err
		}
	}
	hired, err := c.hire()
	if err != nil {
		c.crew = append(c.crew[:victim], c.crew[victim+1:]...)
		return err
	}
	c.crew[victim] = hired
	return nil
}

// load fills the backlog up to so many jobs.
func (c *crewing) load(ctx context.Context, want int) error {
	done, err := c.done(ctx)
	if err != nil {
		return err
	}
	var list []jobs.Job
	asked := strconv.AppendInt(nil, time.Now().UnixMicro(), 10)
	for n := c.asked - done; n < want; n++ {
		list = append(list, jobs.Job{Tenant: "acme", Lane: fmt.Sprint("lane-", c.random.IntN(lanes)), Kind: "work", Payload: asked})
	}
	if err := c.queue.Enqueue(ctx, list...); err != nil {
		return err
	}
	c.asked += len(list)
	return nil
}

// progress waits until at most so many jobs are left, or nothing was done for a long time.
func (c *crewing) progress(ctx context.Context, left int) error {
	for last, since := 0, time.Now(); ; {
		done, err := c.done(ctx)
		if err != nil || c.asked-done <= left {
			return err
		}
		if done > last {
			last, since = done, time.Now()
		}
		if time.Since(since) > 30*time.Second {
			return nil // they are lost, which is seen
		}
		if err := c.pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// verify notes what became of the jobs.
func (c *crewing) verify(ctx context.Context) error {
	reader, err := c.store.Reader(ctx)
	if err != nil {
		return err
	}
	rows, err := reader.Query(ctx, `SELECT job, lane, pid, at, asked FROM done ORDER BY at, job`)
	if err != nil {
		return err
	}
	defer rows.Close()
	times := map[int64]int{} // by job
	marks := map[string][]mark{}
	for rows.Next() {
		var job int64
		var lane string
		var m mark
		if err := rows.Scan(&job, &lane, &m.pid, &m.at, &m.asked); err != nil {
			return err
		}
		times[job]++
		marks[lane] = append(marks[lane], m)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, of := range marks {
		for _, took := range takeovers(of, c.kills) {
			c.count("takeovers", 1)
			c.count("takeover_ms_max", took.Milliseconds())
			if took > takeoverLimit {
				c.count("takeovers_late", 1)
			}
		}
	}
	lost, twice := c.asked-len(times), 0
	for _, n := range times {
		if n > 1 {
			twice++
		}
	}
	if lost != 0 || twice != 0 {
		c.violated("of %d jobs %d are lost and %d were completed twice", c.asked, lost, twice)
	}
	c.count("jobs", int64(c.asked))
	c.count("lost", int64(lost))
	c.count("twice", int64(twice))
	return nil
}

// A mark is what a job left: which process did it and when, and when it was asked for.
type mark struct {
	pid       int
	at, asked int64
}

// takeovers returns how long it took after kills until another process had done a job of
// the lane that left these marks, which are in order of their times. Who took the lane over
// did so at the latest then. A lane in which nothing waited is not counted: it could not be
// seen who has it before there was work again.
func takeovers(marks []mark, kills map[int]int64) (took []time.Duration) {
	for i := 1; i < len(marks); i++ {
		killed := kills[marks[i-1].pid]
		if killed == 0 || marks[i].pid == marks[i-1].pid || marks[i].at <= killed {
			continue
		}
		if slices.ContainsFunc(marks[i:], func(m mark) bool { return m.asked < killed }) {
			took = append(took, time.Duration(marks[i].at-killed)*time.Microsecond)
		}
	}
	return took
}

// done returns how many rows jobs have left.
func (c *crewing) done(ctx context.Context) (n int, err error) {
	reader, err := c.store.Reader(ctx)
	if err != nil {
		return 0, err
	}
	err = storage.QueryRow(ctx, reader, `SELECT COUNT(*) FROM done`, nil, &n)
	return n, err
}

func (c *crewing) exec(ctx context.Context, query string) error {
	return c.store.InTx(ctx, func(ctx context.Context) error {
		conn, err := c.store.Conn(ctx)
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, query)
		return err
	})
}
