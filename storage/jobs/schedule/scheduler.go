package schedule

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
)

const (
	// Lane is the lane in which the jobs wait that schedules are.
	Lane = "schedules"
	// Kind is the kind of these jobs.
	Kind = "schedule"
	// MaxName is the longest name of a schedule in bytes.
	MaxName = 200
	// MaxPayload is the longest payload of a schedule's job in bytes.
	MaxPayload = 32 << 10

	keyPrefix  = "schedule/"
	tickPrefix = "tick/"
)

// A Schedule enqueues a job at each instant of a [Spec].
type Schedule struct {
	// Name tells the schedules of a tenant apart, at most [MaxName] bytes.
	Name string
	// Spec says when.
	Spec Spec
	// Job is what is enqueued, with the instant as its Due. Its Tenant is the schedule's;
	// ID and Attempt are ignored, its payload is at most [MaxPayload]. A Key of its own is
	// that of every instant: while the job of one is unfinished, that of the next is
	// dropped. Without one each instant has its own.
	Job jobs.Job
	// Paused is true between Pause and Resume. Put ignores it.
	Paused bool
	// Next is the next instant, zero while the schedule is paused and after its end. An
	// instant in the past is one that is about to be run. Put ignores it.
	Next time.Time
	// Ran is the latest instant that was run or passed over, or when the schedule was made
	// or changed. Put ignores it.
	Ran time.Time
}

// Config adjusts a [Scheduler]. Its zero value is ready for use.
type Config struct {
	// Logger gets what an operator should see. Nil discards it.
	Logger *slog.Logger
}

// A Scheduler keeps schedules as jobs of a queue. It is safe for concurrent use and owns no
// goroutine.
type Scheduler struct {
	queue *jobs.Queue
	tx    storage.Transactor
	log   *slog.Logger

	mu    sync.Mutex
	known map[Spec]instants
}

// New makes a Scheduler over a queue and the transactions that the store of the queue takes
// part in. The clock is the queue's.
func New(queue *jobs.Queue, tx storage.Transactor, config Config) (*Scheduler, error) {
	switch {
	case queue == nil:
		return nil, errors.New("schedule: no queue")
	case tx == nil:
		return nil, errors.New("schedule: no transactor")
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Scheduler{queue: queue, tx: tx, log: config.Logger, known: map[Spec]instants{}}, nil
}

// maxKnown bounds how many specs are kept read.
const maxKnown = 1000

// instants returns the instants of a spec. Reading an expression costs more than asking it.
func (s *Scheduler) instants(spec Spec) (instants, error) {
	s.mu.Lock()
	in, ok := s.known[spec]
	s.mu.Unlock()
	if ok {
		return in, nil
	}
	in, err := spec.instants()
	if err != nil {
		return in, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= maxKnown {
		clear(s.known)
	}
	s.known[spec] = in
	return in, nil
}

// Put stores a schedule of a tenant, in the transaction of ctx or in one of its own. A new
// one begins with its first instant after now. Where there is one of this name with the
// same Spec and Job nothing changes, also not what it missed and whether it is paused: a
// host may put its schedules at every start. Where they differ the new ones count at once,
// for instants after now.
//
// Errors: [storage.ErrInvalid] with pointers such as /spec/cron, [storage.ErrConflict]
// where others changed the schedule again and again meanwhile, and those of the
// transaction.
func (s *Scheduler) Put(ctx context.Context, tenant string, schedule Schedule) error {
	spec, job := schedule.Spec.withDefaults(), template(schedule.Job)
	if err := check(tenant, schedule.Name, spec, job); err != nil {
		return err
	}
	in, err := s.instants(spec)
	if err != nil {
		return err
	}
	return s.change(ctx, tenant, schedule.Name, func(old *plan) (*plan, error) {
		p := &plan{Name: schedule.Name, Spec: spec, Job: job}
		if old != nil {
			if old.Spec == spec && reflect.DeepEqual(old.Job, job) {
				return old, nil
			}
			p.Paused, p.Ran = old.Paused, old.Ran
		}
		p.from(in, s.queue.Now())
		return p, nil
	})
}

// template returns what is kept of a schedule's job.
func template(j jobs.Job) jobs.Job {
	j.ID, j.Attempt, j.Tenant, j.Due = 0, 0, "", time.Time{}
	j.Payload = bytes.Clone(j.Payload)
	if len(j.Payload) == 0 {
		j.Payload = nil
	}
	return j
}

// check returns what is wrong with a schedule.
func check(tenant, name string, spec Spec, job jobs.Job) error {
	var bad *storage.InvalidError
	add := func(prefix string, err error) {
		var invalid *storage.InvalidError
		if errors.As(err, &invalid) {
			for _, f := range invalid.Fields {
				bad = bad.Add(prefix+f.Pointer, f.Message)
			}
		}
	}
	add("", storage.CheckID("/tenant", tenant))
	add("", storage.CheckID("/name", name))
	if len(name) > MaxName {
		bad = bad.Add("/name", "must be at most 200 bytes long")
	}
	if len(job.Payload) > MaxPayload {
		bad = bad.Add("/job/payload", "must be at most 32 KiB long")
	}
	job.Tenant = "tenant" // checked above
	add("/job", job.Check())
	add("/spec", spec.check())
	return bad.Err()
}

// Delete removes a schedule, in the transaction of ctx or in one of its own. Jobs that it
// enqueued stay. It answers [storage.ErrNotFound] where the tenant has no schedule of this
// name.
func (s *Scheduler) Delete(ctx context.Context, tenant, name string) error {
	return s.change(ctx, tenant, name, func(old *plan) (*plan, error) {
		if old == nil {
			return nil, storage.ErrNotFound
		}
		return nil, nil
	})
}

// Pause has a schedule run nothing until [Scheduler.Resume], in the transaction of ctx or
// in one of its own. It answers [storage.ErrNotFound] where the tenant has no schedule of
// this name. Pausing again changes nothing.
func (s *Scheduler) Pause(ctx context.Context, tenant, name string) error {
	return s.change(ctx, tenant, name, func(old *plan) (*plan, error) {
		if old == nil {
			return nil, storage.ErrNotFound
		}
		p := *old
		p.Paused = true
		return &p, nil
	})
}

// Resume has a paused schedule go on with its first instant after now. Those that lay in
// the pause are passed over, whatever the policy. It answers as [Scheduler.Pause] does.
func (s *Scheduler) Resume(ctx context.Context, tenant, name string) error {
	return s.change(ctx, tenant, name, func(old *plan) (*plan, error) {
		if old == nil {
			return nil, storage.ErrNotFound
		}
		if !old.Paused {
			return old, nil
		}
		in, err := s.instants(old.Spec)
		if err != nil {
			return nil, err
		}
		p := *old
		p.Paused = false
		p.from(in, s.queue.Now())
		return &p, nil
	})
}

// tries is how often a change is begun anew that others came before.
const tries = 10

// change replaces the stored plan of a name by what fn makes of it: nil for none, and
// nothing is written where it is the same. fn may be called again.
func (s *Scheduler) change(ctx context.Context, tenant, name string, fn func(old *plan) (*plan, error)) error {
	return s.tx.InTx(ctx, func(ctx context.Context) error {
		for range tries {
			done, err := s.tryChange(ctx, tenant, name, fn)
			if done || err != nil {
				return err
			}
		}
		return fmt.Errorf("schedule: %q is changed by others all the time: %w", name, storage.ErrConflict)
	})
}

// tryChange reports false where somebody else came before: the schedule itself, which moved
// on to its next instant, or another change.
func (s *Scheduler) tryChange(ctx context.Context, tenant, name string, fn func(old *plan) (*plan, error)) (done bool, err error) {
	stored, err := s.queue.Lookup(ctx, tenant, keyPrefix+name)
	var old *plan
	switch {
	case err == nil:
		if old, err = open(stored); err != nil {
			return false, err
		}
	case !errors.Is(err, storage.ErrNotFound):
		return false, err
	}
	p, err := fn(old)
	if err != nil || p == old || p != nil && old != nil && reflect.DeepEqual(p, old) {
		return true, err
	}
	if old != nil {
		switch err := s.queue.Cancel(ctx, tenant, stored.ID); {
		case errors.Is(err, storage.ErrNotFound):
			return false, nil
		case err != nil:
			return false, err
		}
	}
	if p == nil {
		return true, nil
	}
	link, err := p.link(tenant)
	if err != nil {
		return false, err
	}
	if err := s.queue.Enqueue(ctx, link); err != nil {
		return false, err
	}
	stored, err = s.queue.Lookup(ctx, tenant, keyPrefix+name)
	return err == nil && bytes.Equal(stored.Payload, link.Payload), err
}

// Get returns a schedule of a tenant, or [storage.ErrNotFound].
func (s *Scheduler) Get(ctx context.Context, tenant, name string) (Schedule, error) {
	if err := storage.CheckID("/name", name); err != nil {
		return Schedule{}, err
	}
	job, err := s.queue.Lookup(ctx, tenant, keyPrefix+name)
	if err != nil {
		return Schedule{}, err
	}
	p, err := open(job)
	if err != nil {
		return Schedule{}, err
	}
	return p.schedule(), nil
}

// A Query selects schedules.
type Query struct {
	// Limit is the length of the page, see [storage.Limit].
	Limit int
	// After continues a list.
	After storage.Cursor
}

// List lists the schedules of a tenant by their next instants. Those that are paused or
// have come to their end are the last.
func (s *Scheduler) List(ctx context.Context, tenant string, query Query) (storage.Page[Schedule], error) {
	page, err := s.queue.Jobs(ctx, tenant, jobs.JobQuery{
		Filter: jobs.Filter{Lane: Lane, Kind: Kind}, Limit: query.Limit, After: query.After,
	})
	if err != nil {
		return storage.Page[Schedule]{}, err
	}
	list := storage.Page[Schedule]{Next: page.Next}
	for _, j := range page.Items {
		p, err := open(j)
		if err != nil {
			return storage.Page[Schedule]{}, err
		}
		list.Items = append(list.Items, p.schedule())
	}
	return list, nil
}

// schedule returns a plan as people see it.
func (p *plan) schedule() Schedule {
	s := Schedule{Name: p.Name, Spec: p.Spec, Job: p.Job, Paused: p.Paused, Next: p.Next, Ran: p.Ran}
	if p.Paused {
		s.Next = time.Time{}
	}
	return s
}

// Handlers returns the handler that runs schedules, for [jobs.NewWorker].
func (s *Scheduler) Handlers() map[string]jobs.Handler {
	return map[string]jobs.Handler{Kind: s.tick}
}

// again is how long a schedule waits that could not be run.
const again = 5 * time.Second

// tick runs the instants that are due. The end of this link, the jobs and the next link are
// one transaction, which commits only while this process owns the lane: so one process runs
// an instant, once.
func (s *Scheduler) tick(ctx context.Context, task *jobs.Task) (err error) {
	// A schedule is never given up: whatever goes wrong, it is tried again.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("schedule: panic: %v", r)
		}
		if err != nil {
			s.log.Warn("running a schedule failed", "tenant", task.Job.Tenant, "key", task.Job.Key, "error", err)
			err = jobs.RetryAt(s.queue.Now().Add(again), err)
		}
	}()
	p, err := open(task.Job)
	if err != nil {
		return err
	}
	in, err := s.instants(p.Spec)
	if err != nil {
		return err
	}
	now := s.queue.Now()
	if due := p.due(); now.Before(due) { // the clock was set back
		return s.tx.InTx(ctx, func(ctx context.Context) error { return task.RetryAt(ctx, due, "") })
	}
	var list []jobs.Job
	for _, at := range p.run(in, now) {
		list = append(list, p.job(task.Job.Tenant, at))
	}
	next, err := p.link(task.Job.Tenant)
	if err != nil {
		return err
	}
	return s.tx.InTx(ctx, func(ctx context.Context) error {
		if err := task.Complete(ctx); err != nil {
			return err
		}
		return s.queue.Enqueue(ctx, append(list, next)...)
	})
}

// Instant returns which schedule a job was enqueued by, and for which instant. It answers
// false for other jobs, and for those of a schedule whose Job has a Key of its own.
func Instant(j jobs.Job) (name string, at time.Time, ok bool) {
	rest, ok := strings.CutPrefix(j.Key, tickPrefix)
	if !ok {
		return "", time.Time{}, false
	}
	i := strings.LastIndexByte(rest, '@')
	if i < 0 {
		return "", time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, rest[i+1:])
	return rest[:i], at, err == nil
}
