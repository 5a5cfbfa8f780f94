package jobs

import (
	"slices"
	"sort"
	"time"
)

// Fenced is of runs whose outcome was refused, because the lease they ran under was lost or
// somebody else had settled the job. Only a [Run] has it.
const Fenced Result = "fenced"

// A Run is one start of a job by a worker, once its outcome is known.
type Run struct {
	// Job is what was run. Its Attempt counts the starts before this one.
	Job Job
	// Worker is the id of the worker as the store knows it.
	Worker int64
	// Result is Completed, Retried, Buried, Cancelled or Fenced.
	Result Result
	// Wait is the time from when the job was due to its start, never negative.
	Wait time.Duration
	// Took is the time from its start to its end.
	Took time.Duration
}

// Stats is what a worker is at and what it has done since it was made.
type Stats struct {
	// Paused is true between Pause and Resume.
	Paused bool
	// Lanes is how many lanes the worker owns.
	Lanes int
	// Running is how many handlers are at work.
	Running int
	// ReadAhead is how many jobs were read and wait for their turn.
	ReadAhead int
	// Unsettled is how many outcomes wait to be written.
	Unsettled int
	// LeasesLost counts the leases that were lost.
	LeasesLost uint64
	// Kinds are the runs whose outcome is known, by the kinds that the worker has handlers
	// for. Those of all other kinds stand under the empty kind.
	Kinds map[string]Totals
	// Wait is how long jobs waited from when they were due to their start.
	Wait Histogram
}

// Totals counts runs by what became of their jobs.
type Totals struct {
	Completed, Retried, Buried, Cancelled, Fenced uint64
}

// A Histogram counts durations by size.
type Histogram struct {
	// Bounds are the upper bounds of the buckets, each its own bucket's greatest
	// duration.
	Bounds []time.Duration
	// Counts are one for each bound, and a last one for what is longer than all.
	Counts []uint64
	// Sum is that of all durations.
	Sum time.Duration
}

// waitBounds are the bounds of Stats.Wait. They are not written to.
var waitBounds = []time.Duration{
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second,
	2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, time.Hour,
}

// counts are what a worker adds up. The worker's mutex guards them.
type counts struct {
	leasesLost uint64
	kinds      map[string]*Totals
	waits      []uint64
	waited     time.Duration
	runs       []Run // to be told to OnRun
}

func newCounts(handlers map[string]Handler) counts {
	c := counts{kinds: map[string]*Totals{"": {}}, waits: make([]uint64, len(waitBounds)+1)}
	for kind := range handlers {
		c.kinds[kind] = &Totals{}
	}
	return c
}

// Stats returns what the worker is at. It asks no store and costs little more than a lock,
// so it may be called every second.
func (w *Worker) Stats() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := Stats{
		Paused: w.paused, Running: w.running, Unsettled: len(w.settlements) + w.settling,
		LeasesLost: w.counts.leasesLost, Kinds: make(map[string]Totals, len(w.counts.kinds)),
		Wait: Histogram{Bounds: slices.Clone(waitBounds), Counts: slices.Clone(w.counts.waits), Sum: w.counts.waited},
	}
	if t := w.tenure; t != nil {
		s.Lanes, s.ReadAhead = len(t.board.lanes), t.board.buffered
	}
	for kind, totals := range w.counts.kinds {
		s.Kinds[kind] = *totals
	}
	return s
}

// waitOf returns how long a job waited that is started at a time.
func waitOf(job Job, started time.Time) time.Duration { return max(0, started.Sub(job.Due)) }

// startedLocked counts a start.
func (w *Worker) startedLocked(job Job) {
	wait := waitOf(job, w.queue.now())
	w.counts.waits[sort.Search(len(waitBounds), func(i int) bool { return wait <= waitBounds[i] })]++
	w.counts.waited += wait
}

// tallyLocked counts a run whose outcome is known.
func (w *Worker) tallyLocked(s *settlement, result Result) {
	job := s.outcome.Job.asStarted()
	totals := w.counts.kinds[job.Kind]
	if totals == nil {
		totals = w.counts.kinds[""]
	}
	switch result {
	case Completed:
		totals.Completed++
	case Retried:
		totals.Retried++
	case Buried:
		totals.Buried++
	case Cancelled:
		totals.Cancelled++
	case Fenced:
		totals.Fenced++
	}
	if w.config.OnRun != nil {
		o := s.outcome
		w.counts.runs = append(w.counts.runs, Run{
			Job: job, Worker: s.tenure.worker, Result: result, Wait: waitOf(o.Job.Job, o.Started), Took: max(0, o.Ended.Sub(o.Started)),
		})
	}
}

// tally is tallyLocked, and tells the host.
func (w *Worker) tally(s *settlement, result Result) {
	w.mu.Lock()
	w.tallyLocked(s, result)
	w.mu.Unlock()
	w.tellRuns()
}

// tellRuns tells the host of the runs that were counted since.
func (w *Worker) tellRuns() {
	if w.config.OnRun == nil {
		return
	}
	w.mu.Lock()
	runs := w.counts.runs
	w.counts.runs = nil
	w.mu.Unlock()
	for _, r := range runs {
		w.config.OnRun(r)
	}
}
