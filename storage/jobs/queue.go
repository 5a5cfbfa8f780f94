package jobs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// Config adjusts a [Queue]. Its zero value is ready for use.
type Config struct {
	// Now is the clock that decides what is due. It defaults to time.Now. Processes
	// that share a store should agree on the time to within what a job may be late.
	Now func() time.Time
	// OnEvent is told what people did with jobs through this Queue: that one was
	// cancelled, requeued or discarded. It is called after the commit and should return
	// soon. Who did it stands in the ctx of their call, so a host that records it in the
	// same transaction does so beside the call.
	OnEvent func(Event)
}

// A Queue takes jobs in and shows the dead letters. It is safe for concurrent use and
// owns no goroutine; a [Worker] works what it holds.
type Queue struct {
	store   Store
	signals storage.Signals // nil where the store has none
	now     func() time.Time
	onEvent func(Event)

	mu        sync.Mutex
	listeners map[listener]struct{}
}

// A listener is a worker of this process, which need not wait for its poll.
type listener interface {
	// enqueued tells of jobs that were committed. It removes from lanes those that
	// are the worker's own.
	enqueued(jobs []Job, lanes map[LaneID]struct{})
	// freed tells that another worker gave lanes with jobs back.
	freed()
	// configured tells that the config of a lane was committed.
	configured()
	// cancelled tells that a job of a lane was removed by [Queue.Cancel].
	cancelled(lane LaneID, id int64)
}

// NewQueue makes a Queue over the jobs of a store.
func NewQueue(store Store, config Config) (*Queue, error) {
	if store == nil {
		return nil, errors.New("jobs: no store")
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.OnEvent == nil {
		config.OnEvent = func(Event) {}
	}
	signals, _ := store.(storage.Signals)
	return &Queue{
		store: store, signals: signals, now: config.Now, onEvent: config.OnEvent, listeners: map[listener]struct{}{},
	}, nil
}

// Now returns the time by the clock of the Queue, which decides what is due.
func (q *Queue) Now() time.Time { return q.now() }

// tell reports an event to the host.
func (q *Queue) tell(e Event) { q.onEvent(e) }

// Enqueue stores jobs in the transaction of ctx, or in one of its own where ctx
// carries none: all of them or none. Their IDs and Attempts are ignored; a zero Due is
// now. A job with the Key of an unfinished one is dropped. On Postgres a call whose key
// another transaction has enqueued and not yet committed waits for that one; so two
// transactions that enqueue the same keys should do so in the same order.
//
// Workers learn of the jobs when the transaction commits, those of other processes too
// where the store is a [storage.Signals]. Where a host's own transaction was joined
// nobody can tell them, and they find the jobs within their poll interval.
//
// Errors: [storage.ErrInvalid] with pointers such as /0/payload, and those of the
// transaction.
func (q *Queue) Enqueue(ctx context.Context, jobs ...Job) error {
	if len(jobs) == 0 {
		return nil
	}
	now := q.now()
	stored := make([]Job, len(jobs))
	var bad *storage.InvalidError
	for i, j := range jobs {
		var invalid *storage.InvalidError
		if errors.As(j.Check(), &invalid) {
			for _, f := range invalid.Fields {
				bad = bad.Add(fmt.Sprintf("/%d%s", i, f.Pointer), f.Message)
			}
		}
		j.Due = dueAt(j.Due, now)
		j.ID, j.Attempt = 0, 0
		if len(j.Payload) == 0 {
			j.Payload = nil
		}
		stored[i] = j
	}
	if err := bad.Err(); err != nil {
		return err
	}
	if err := q.store.Enqueue(ctx, stored); err != nil {
		return fmt.Errorf("enqueue: %w", err)
	}
	storage.AfterCommit(ctx, func() { q.announce(stored) })
	return nil
}

// SetLane stores how the jobs of a lane are worked, in the transaction of ctx or in one of
// its own. A worker that owns the lane takes the change over when the transaction commits,
// and within a quarter of its lease where it does not hear of it. Whether the lane is
// paused stays as it is, so a program may set its lanes whenever it starts.
//
// Errors: [storage.ErrInvalid] with pointers such as /breaker/cooldown, and those of the
// transaction.
func (q *Queue) SetLane(ctx context.Context, tenant, lane string, config LaneConfig) error {
	if err := checkLane(tenant, lane); err != nil {
		return err
	}
	if err := config.check(); err != nil {
		return err
	}
	if err := q.store.SetLane(ctx, tenant, lane, config); err != nil {
		return fmt.Errorf("set lane: %w", err)
	}
	storage.AfterCommit(ctx, q.configured)
	return nil
}

// PauseLane has nothing of a lane start until [Queue.ResumeLane], in the transaction of
// ctx or in one of its own. Jobs that run end, and jobs may be enqueued. Workers hear of
// it as they do of [Queue.SetLane].
func (q *Queue) PauseLane(ctx context.Context, tenant, lane string) error {
	return q.pauseLane(ctx, tenant, lane, true)
}

// ResumeLane ends the pause of a lane and whatever else holds it: an open breaker closes,
// and a retry that a [FIFO] lane waits for starts at once.
func (q *Queue) ResumeLane(ctx context.Context, tenant, lane string) error {
	return q.pauseLane(ctx, tenant, lane, false)
}

func (q *Queue) pauseLane(ctx context.Context, tenant, lane string, paused bool) error {
	if err := checkLane(tenant, lane); err != nil {
		return err
	}
	if err := q.store.PauseLane(ctx, tenant, lane, paused); err != nil {
		return fmt.Errorf("pause lane: %w", err)
	}
	storage.AfterCommit(ctx, q.configured)
	return nil
}

func checkLane(tenant, lane string) error {
	if err := storage.CheckID("/tenant", tenant); err != nil {
		return err
	}
	return storage.CheckID("/lane", lane)
}

// laneTopic is what workers of other processes listen to for changes of lanes.
const laneTopic = "jobs.lanes"

// configured tells all workers that a lane was changed.
func (q *Queue) configured() {
	q.each(listener.configured)
	if q.signals != nil {
		q.signals.Signal(laneTopic, q)
	}
}

// listen has l told of what is committed through this Queue, until the function it
// returns is called.
func (q *Queue) listen(l listener) (stop func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.listeners[l] = struct{}{}
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		delete(q.listeners, l)
	}
}

// each calls fn for every listener.
func (q *Queue) each(fn func(listener)) {
	q.mu.Lock()
	listeners := slices.Collect(maps.Keys(q.listeners))
	q.mu.Unlock()
	for _, l := range listeners {
		fn(l)
	}
}

// topic is what workers of other processes listen to. Its signals name lanes.
const topic = "jobs"

// announce tells all workers of jobs that were committed. Those of other processes need
// not know what a worker of this one does anyway, nor of jobs that are due ahead.
func (q *Queue) announce(jobs []Job) {
	now := q.now()
	lanes := map[LaneID]struct{}{}
	for _, j := range jobs {
		if !j.Due.After(now) {
			lanes[LaneID{j.Tenant, j.Lane}] = struct{}{}
		}
	}
	q.each(func(l listener) { l.enqueued(jobs, lanes) })
	if q.signals == nil || len(lanes) == 0 {
		return
	}
	signals := make([]storage.Signal, 0, len(lanes))
	for id := range lanes {
		signals = append(signals, storage.Signal{Tenant: id.Tenant, Name: id.Lane})
	}
	q.signals.Signal(topic, q, signals...)
}

// freed tells all workers but one that it gave lanes back which have jobs.
func (q *Queue) freed(by listener) {
	q.each(func(l listener) {
		if l != by {
			l.freed()
		}
	})
	if q.signals != nil {
		q.signals.Signal(topic, q)
	}
}
