package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/lumelle/adminkit/storage"
)

// WorkerConfig adjusts a [Worker]. Its zero value is ready for use.
type WorkerConfig struct {
	// Lease is how long a process owns its lanes without a sign of life, 20 seconds
	// where it is zero and at least 20 milliseconds. When a process dies, its lanes are
	// taken over within one and a half leases.
	Lease time.Duration
	// Heartbeat is how often a sign of life is given, a quarter of the lease where it is
	// zero and at most half of it.
	Heartbeat time.Duration
	// Slots is how many jobs run at a time in this process over all lanes, 64 where it
	// is zero.
	Slots int
	// Poll is how often the store is asked for work that nobody told this process of:
	// that of a host's own transactions, of other processes where the store is no
	// [storage.Signals] or a signal was lost, and what is due far ahead. It is 250
	// milliseconds where it is zero: each time costs an idle process a few tenths of a
	// millisecond. A store that is slow to answer is asked less often.
	Poll time.Duration
	// MaxAttempts is how often a job is started before its next error buries it, 20
	// where it is zero. Starts that were asked for with [RetryAt] count, but such a
	// retry itself is never refused.
	MaxAttempts int
	// MaxLost is how many starts in a row may be lost before the job is buried without
	// another, 3 where it is zero. A start is lost when its process dies, or loses its
	// lease, before the job is settled. The first one goes uncounted, because starts are
	// only announced in lanes that lost an owner. A kind may have a handler for such jobs,
	// see [Lost].
	MaxLost int
	// Backoff is how long a job waits that failed with an attempt, counted from zero.
	// The default doubles from one second to ten minutes, with a tenth of jitter.
	Backoff func(attempt int) time.Duration
	// KeepAttempts is how long the record of an attempt is kept, seven days where it is
	// zero.
	KeepAttempts time.Duration
	// Logger gets what an operator should see. Nil discards it.
	Logger *slog.Logger
	// OnEvent is told what a host may want to record. It is called from the worker's
	// goroutines, after the fact and outside of any transaction, and should return soon.
	OnEvent func(Event)
	// OnRun is told of each run once its outcome is known, for metrics; package jobmetrics
	// feeds OpenTelemetry with it. It is called as OnEvent is. Nil costs nothing.
	OnRun func(Run)
	// LeavePruning leaves it to the host to delete old records of attempts with
	// [Queue.Prune], which a schedule may do once for all processes. Otherwise each worker
	// does so every hour.
	LeavePruning bool
}

// Defaults of WorkerConfig.
const (
	defaultLease        = 20 * time.Second
	minLease            = 20 * time.Millisecond
	defaultSlots        = 64
	defaultPoll         = 250 * time.Millisecond
	defaultMaxAttempts  = 20
	defaultMaxLost      = 3
	defaultKeepAttempts = 7 * 24 * time.Hour
)

// withDefaults returns the config that is meant by c.
func (c WorkerConfig) withDefaults() (WorkerConfig, error) {
	for _, v := range []struct {
		name     string
		negative bool
	}{
		{"Lease", c.Lease < 0}, {"Heartbeat", c.Heartbeat < 0}, {"Slots", c.Slots < 0}, {"Poll", c.Poll < 0},
		{"MaxAttempts", c.MaxAttempts < 0}, {"MaxLost", c.MaxLost < 0}, {"KeepAttempts", c.KeepAttempts < 0},
	} {
		if v.negative {
			return c, fmt.Errorf("jobs: %s is negative", v.name)
		}
	}
	if c.Lease == 0 {
		c.Lease = defaultLease
	}
	if c.Lease < minLease {
		return c, fmt.Errorf("jobs: a lease of %s is too short, the least is %s", c.Lease, minLease)
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = c.Lease / 4
	}
	if c.Heartbeat > c.Lease/2 {
		return c, fmt.Errorf("jobs: a heartbeat of %s is too slow for a lease of %s", c.Heartbeat, c.Lease)
	}
	if c.Slots == 0 {
		c.Slots = defaultSlots
	}
	if c.Poll == 0 {
		c.Poll = defaultPoll
	}
	if c.MaxAttempts == 0 {
		c.MaxAttempts = defaultMaxAttempts
	}
	if c.MaxLost == 0 {
		c.MaxLost = defaultMaxLost
	}
	if c.Backoff == nil {
		c.Backoff = backoff
	}
	if c.KeepAttempts == 0 {
		c.KeepAttempts = defaultKeepAttempts
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.OnEvent == nil {
		c.OnEvent = func(Event) {}
	}
	return c, nil
}

// backoff doubles from a second to ten minutes. The jitter spreads what failed together.
func backoff(attempt int) time.Duration {
	wait := 10 * time.Minute
	if attempt < 9 {
		wait = time.Second << attempt
	}
	return wait - wait/20 + rand.N(wait/10)
}

// A Worker works the jobs of a [Queue] in this process. Several processes, and several
// workers of one process, share the work: each owns some of the lanes at a time.
type Worker struct {
	queue    *Queue
	store    Store
	handlers map[string]Handler
	config   WorkerConfig

	sweepEvery time.Duration

	// wake has the picker look, lost has the keeper enrol, unsettled has the settler
	// write, and piled the one that helps it. Each holds at most one token.
	wake, lost, unsettled, piled chan struct{}

	mu       sync.Mutex
	state    workerState
	ctx      context.Context // of the worker's own calls of the store
	cancel   context.CancelFunc
	unlisten func() // ends hearing of what this Queue commits
	unsignal func() // ends hearing of what others commit
	loops    sync.WaitGroup
	quit     chan struct{} // closed when the loops are to end
	quiet    chan struct{} // closed when a closing worker has nothing left to do

	paused      bool
	counts      counts
	tenure      *tenure
	running     int           // handlers at work in this process
	starts      []*start      // jobs that are started and not yet in a handler
	settlements []*settlement // outcomes to be written
	settling    int           // outcomes being written
	alarms      alarms
}

type workerState int

const (
	stateNew workerState = iota
	stateStarted
	stateClosing
	stateClosed
)

// NewWorker makes a Worker that hands jobs to the handler of their kind. It does
// nothing before [Worker.Start]. A job of a kind without a handler fails, and waits as
// any failed job does for a process that has one. So all workers of a queue get all of
// its handlers: two with a part each would fail each other's jobs, and bury them when
// their attempts are used up.
func NewWorker(queue *Queue, handlers map[string]Handler, config WorkerConfig) (*Worker, error) {
	if queue == nil {
		return nil, errors.New("jobs: no queue")
	}
	if len(handlers) == 0 {
		return nil, errors.New("jobs: no handlers")
	}
	for kind, h := range handlers {
		if h == nil {
			return nil, fmt.Errorf("jobs: the handler of kind %q is nil", kind)
		}
	}
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Worker{
		queue: queue, store: queue.store, handlers: maps.Clone(handlers), config: config,
		wake: make(chan struct{}, 1), lost: make(chan struct{}, 1), unsettled: make(chan struct{}, 1), piled: make(chan struct{}, 1),
		quit: make(chan struct{}), quiet: make(chan struct{}), counts: newCounts(handlers), sweepEvery: sweepEvery,
	}, nil
}

// Start enrols the worker with the store and begins to work. It returns once the worker
// is enrolled, or with the error of the store.
//
// ctx bounds the enrolment only. The values it carries reach the handlers; its end
// does not stop the worker, which [Worker.Close] does. A worker is started once.
func (w *Worker) Start(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state != stateNew {
		return errors.New("jobs: the worker was started or closed before")
	}
	ctx = storage.Detach(ctx)
	t, peers, err := w.enrol(ctx, w.paused)
	if err != nil {
		return fmt.Errorf("start the worker: %w", err)
	}
	w.ctx, w.cancel = context.WithCancel(context.WithoutCancel(ctx))
	t.ctx, t.cancel = context.WithCancelCause(w.ctx)
	w.tenure = t
	w.state = stateStarted
	w.unlisten = w.queue.listen(w)
	w.unsignal = func() {}
	if w.queue.signals != nil {
		work := w.queue.signals.Listen(topic, w.queue, w.heard)
		cancels := w.queue.signals.Listen(cancelTopic, w.queue, w.heardCancel)
		lanes := w.queue.signals.Listen(laneTopic, w.queue, func([]storage.Signal) { w.configured() })
		w.unsignal = func() {
			work()
			cancels()
			lanes()
		}
	}
	w.loops.Go(func() { w.keep(peers) })
	w.loops.Go(w.pick)
	w.loops.Go(func() { w.settle(w.unsettled, w.batch) })
	w.loops.Go(func() { w.settle(w.piled, w.pile) })
	if !w.config.LeavePruning {
		w.loops.Go(w.prune)
	}
	return nil
}

// Close stops starting jobs, waits for those that run and for their outcomes to be
// written, gives the lanes back and ends all goroutines of the worker. Jobs that were
// read ahead go back untouched. Closing again does nothing.
//
// When ctx ends first, Close ends the ctx of the handlers that still run, gives the
// lanes up under them, so that nothing they do counts any more, and returns the error
// of ctx without waiting for them. Giving up the lanes may take up to two seconds more.
func (w *Worker) Close(ctx context.Context) error {
	w.mu.Lock()
	if w.state != stateStarted {
		if w.state == stateNew {
			w.state = stateClosed
		}
		w.mu.Unlock()
		return nil
	}
	w.state = stateClosing
	w.unlisten()
	w.restLocked()
	w.mu.Unlock()
	w.unsignal()
	signal(w.wake)

	var err error
	select {
	case <-w.quiet:
	case <-ctx.Done():
		err = ctx.Err()
	}

	w.mu.Lock()
	w.state = stateClosed
	t, running := w.tenure, w.running
	w.tenure = nil
	w.mu.Unlock()
	close(w.quit)
	w.cancel() // and with it the ctx of the tenure and of its handlers
	w.loops.Wait()
	if t != nil {
		w.depart(t)
	}
	if err != nil {
		return fmt.Errorf("close the worker while %d jobs run: %w", running, err)
	}
	return nil
}

// restLocked closes quiet when a closing worker has nothing left to do.
func (w *Worker) restLocked() {
	if w.state == stateClosing && w.running == 0 && w.settling == 0 && len(w.settlements) == 0 {
		select {
		case <-w.quiet:
		default:
			close(w.quiet)
		}
	}
}

// signal puts a token into a channel that holds one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

var _ listener = (*Worker)(nil)

// enqueued implements listener.
func (w *Worker) enqueued(jobs []Job, lanes map[LaneID]struct{}) {
	now := w.queue.now()
	w.mu.Lock()
	for _, j := range jobs {
		lane := LaneID{j.Tenant, j.Lane}
		if j.Due.After(now) {
			w.alarms.set(j.Due, lane)
		} else if w.tenure != nil {
			w.tenure.expect(lane, j.Priority)
			if w.tenure.board.keeps(lane) {
				delete(lanes, lane)
			}
		}
	}
	w.mu.Unlock()
	signal(w.wake)
}

// heard takes in what another process, or another Queue, signals.
func (w *Worker) heard(signals []storage.Signal) {
	if len(signals) == 0 {
		w.freed()
		return
	}
	w.mu.Lock()
	if w.tenure != nil {
		for _, s := range signals {
			w.tenure.expect(LaneID{s.Tenant, s.Name}, High)
		}
	}
	w.mu.Unlock()
	signal(w.wake)
}

// freed implements listener.
func (w *Worker) freed() {
	w.mu.Lock()
	if t := w.tenure; t != nil {
		t.poll = true
		signal(w.lost) // a beat tells with how many the lanes are to be shared by now
	}
	w.mu.Unlock()
	signal(w.wake)
}

// configured implements listener.
func (w *Worker) configured() {
	w.mu.Lock()
	if w.tenure != nil {
		w.tenure.sync, w.tenure.scan = true, true
	}
	w.mu.Unlock()
	signal(w.wake)
}
